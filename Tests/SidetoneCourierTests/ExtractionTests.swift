// What extraction decides: when it asks, how again, what of it is told. The time is the test's.

import Sidetone
import Testing

@testable import SidetoneCourier

struct ExtractionTests {
  private let now: Int64 = 1_764_000_000_000
  private static let schemaText = #"""
    {"type":"object","required":["intent","order"],"additionalProperties":false,"properties":{
      "intent":{"type":"string","enum":["order","other"]},"order":{"type":"integer"},
      "name":{"type":"string"}}}
    """#

  private func extraction(live: [String] = []) throws -> Extraction {
    try Extraction(
      try ChatEndpoint(url: "https://chat.test", model: "m", key: "k"),
      try schema(Self.schemaText), live: live, random: Random(seed: [3]))
  }

  private func transcript(_ lines: String...) -> JSONTree {
    .made([
      "conversation": .list(lines.map { .made(["speaker": "caller", "text": .text($0)]) })
    ])
  }

  private func ended(_ row: Int64 = 1, call: String = "c", attempts: Int = 0) -> OutgoingEvent {
    OutgoingEvent(
      row: row, id: "\(call)-\(row)", kind: .ended, call: call, at: now, body: [],
      attempts: attempts)
  }

  /// The messages of a request.
  private func messages(_ asked: Extraction.Asked) throws -> [String] {
    let body = try #require(JSONTree(asked.request.body))
    return (body["messages"]?.elements ?? []).compactMap { $0["content"]?.string }
  }

  private func format(_ asked: Extraction.Asked) -> String? {
    JSONTree(asked.request.body)?["response_format"]?["type"]?.string
  }

  /// Asks, answers, and asks again as long as the answers go.
  private func run(
    _ extraction: inout Extraction, _ event: OutgoingEvent, _ answers: [HTTPResult]
  ) throws -> Finished {
    #expect(extraction.begin(event, transcript("order 42 please"), at: now) == nil)
    var finished: Finished?
    for answer in answers {
      #expect(finished == nil)
      let asked = try given(extraction.next(at: now))
      #expect(extraction.next(at: now) == nil)
      finished = extraction.finished(asked.row, answer, at: now)
    }
    return try given(finished)
  }

  @Test func `what is found is told with reasons for what is not`() throws {
    var extraction = try extraction()
    let content =
      #"{"intent":"order","order":42,"name":null,"reasons":{"name":"not said","order":"x"}}"#
    let finished = try run(&extraction, ended(), [chat(content)])
    #expect(finished.row == 1 && finished.verdict == .delivered)
    let extracted = try #require(finished.extracted)
    #expect(extracted.isFinal)
    #expect(extracted.fields == .made(["intent": "order", "order": .number("42"), "name": .null]))
    #expect(extracted.reasons == .made(["name": "not said"]))
    #expect(extraction.room(at: now) == Extraction.jobsMax)
  }

  @Test func `a field is never undefined`() throws {
    for (content, reason) in [
      (#"{"intent":null,"order":null,"name":"n"}"#, "the model found nothing, and gave no reason"),
      (
        #"{"intent":null,"order":null,"reasons":{"order":7}}"#,
        "the model found nothing, and gave no reason"
      ),
    ] {
      var extraction = try extraction()
      let extracted = try #require(try run(&extraction, ended(), [chat(content)]).extracted)
      #expect(extracted.fields.members.map(\.name) == ["intent", "order", "name"])
      #expect(extracted.reasons["order"] == .text(reason))
    }
    var extraction = try extraction()
    // Left out twice.
    let twice = try run(&extraction, ended(), [chat(#"{"name":"n"}"#), chat(#"{"name":"n"}"#)])
    let extracted = try #require(twice.extracted)
    #expect(extracted.fields["order"] == .null)
    #expect(extracted.reasons["order"] == "the model left it out")
  }

  @Test func `a call in which nothing was said asks nobody`() throws {
    var extraction = try extraction()
    let finished = try given(extraction.begin(ended(), transcript(), at: now))
    #expect(finished.verdict == .delivered)
    #expect(finished.extracted?.fields["order"] == .null)
    #expect(finished.extracted?.reasons["order"] == "nothing was said in this call")
    #expect(extraction.next(at: now) == nil)
  }

  @Test func `a wrong shape is mended once with what is wrong`() throws {
    var extraction = try extraction()
    #expect(extraction.begin(ended(), transcript("order 42 please"), at: now) == nil)
    let first = try given(extraction.next(at: now))
    #expect(try messages(first).last == "The transcript of the call:\n\ncaller: order 42 please")
    let wrong = #"{"intent":"buy","order":"42"}"#
    #expect(extraction.finished(1, chat(wrong), at: now) == nil)
    let second = try given(extraction.next(at: now))
    let told = try messages(second)
    #expect(told.count == 4 && told[2] == wrong)
    #expect(told[3].contains(#"- intent must be one of ["order","other"], not "buy""#))
    #expect(told[3].contains("- order must be integer, not a string"))
    let right = #"{"intent":"order","order":42}"#
    #expect(extraction.finished(1, chat(right), at: now)?.verdict == .delivered)
  }

  @Test func `a model that does not mend its answer is asked later and then no more`() throws {
    for content in ["I would say order 42.", #"{"intent":"buy","order":1}"#, "[]"] {
      for attempts in 0..<3 {
        var extraction = try extraction()
        let answers = [chat(content), chat(content)]
        let verdict = try run(&extraction, ended(attempts: attempts), answers).verdict
        #expect(verdict.reason?.contains("wrong shape, also when asked again") ?? false)
        #expect((verdict.time == nil) == (attempts == 2))
      }
    }
  }

  @Test func `refusals, cut answers and answers that are none come to an end`() throws {
    var large = HTTPAnswer(status: 200)
    large.isCut = true
    for (result, words) in [
      (answer(200, #"{"choices":[{"message":{"refusal":"no"}}]}"#), "the model refused: no"),
      (chat(#"{"intent":"#, finish: "length"), "cut off"), (.success(large), "larger than 1 MiB"),
      (answer(200, "<html>"), "not JSON"), (answer(200, #"{"error":{"message":"m"}}"#), "says: m"),
    ] as [(HTTPResult, String)] {
      var extraction = try extraction()
      let first = try run(&extraction, ended(), [result]).verdict
      #expect(first.time != nil && first.reason?.contains(words) ?? false, "\(first)")
      let last = try run(&extraction, ended(attempts: 2), [result]).verdict
      #expect(last == .givenUp(reason: try #require(first.reason)))
    }
  }

  @Test func `a server that does not know the format is asked in a lower one and remembered`()
    throws
  {
    var extraction = try extraction()
    let right = chat(#"{"intent":"order","order":42}"#)
    let refusal = answer(400, #"{"error":{"message":"'response_format' of type json_schema"}}"#)
    #expect(extraction.begin(ended(), transcript("hello"), at: now) == nil)
    var formats: [String?] = []
    for result in [refusal, refusal, right] {
      let asked = try given(extraction.next(at: now))
      formats.append(format(asked))
      #expect(try messages(asked)[0].contains("The JSON schema:") == (formats.count > 1))
      _ = extraction.finished(1, result, at: now)
    }
    #expect(formats == ["json_schema", "json_object", nil])
    #expect(extraction.begin(ended(2), transcript("hello"), at: now) == nil)
    #expect(format(try given(extraction.next(at: now))) == nil)
  }

  @Test func `a refusal that is not about the format tries the lower forms and changes nothing`()
    throws
  {
    var extraction = try extraction()
    let refusal = answer(400, #"{"error":{"message":"too long"}}"#)
    let verdict = try run(&extraction, ended(), [refusal, refusal, refusal]).verdict
    #expect(verdict == .givenUp(reason: "chat.test answered 400: too long"))
    let right = chat(#"{"intent":"order","order":42}"#)
    #expect(extraction.begin(ended(2), transcript("hello"), at: now) == nil)
    let asked = try given(extraction.next(at: now))
    #expect(format(asked) == "json_schema")
    #expect(extraction.finished(2, right, at: now)?.verdict == .delivered)
    // Now that it is known to take the form, the request itself is wrong.
    #expect(try run(&extraction, ended(3), [refusal]).verdict.reason == verdict.reason)
  }

  @Test func `a server that does not answer is left alone for as long as it takes`() throws {
    for result in [noAnswer, status(504), status(503), status(429, retryAfter: "0")] {
      var extraction = try extraction()
      let finished = try run(&extraction, ended(attempts: 500), [result])
      #expect(finished.verdict.time != nil)
      #expect(extraction.room(at: now) == 0)
      let end = try given(extraction.wakeTime(at: now))
      #expect(extraction.room(at: end) == 1)
      #expect(extraction.begin(ended(2), transcript("hello"), at: end) == nil)
      #expect(extraction.room(at: end) == 0)
      _ = try given(extraction.next(at: end))
      #expect(extraction.finished(2, chat(#"{"intent":null,"order":null}"#), at: end) != nil)
      #expect(extraction.room(at: end) == Extraction.jobsMax)
    }
  }

  @Test func `what says nothing about the request is tried for a day`() throws {
    for code in [401, 403, 404, 500] {
      var extraction = try extraction()
      let result = answer(code, #"{"message":"wrong key"}"#)
      let reason = "chat.test answered \(code): wrong key"
      let first = try run(&extraction, ended(attempts: 33), [result]).verdict
      #expect(first.time != nil && first.reason == reason)
      let last = try run(&extraction, ended(attempts: 34), [result]).verdict
      #expect(last == .givenUp(reason: reason))
    }
    var extraction = try extraction()
    let redirect = try run(&extraction, ended(), [status(302, redirect: "https://else.test/")])
    #expect(redirect.verdict.reason?.contains("a redirect to https://else.test/") ?? false)
  }

  @Test func `long calls lose their middle and say so`() throws {
    var extraction = try extraction()
    let lines = (0..<5000).map { "line \($0) " + String(repeating: "x", count: 90) }
    let long = JSONTree.made(["conversation": .list(lines.map { .made(["text": .text($0)]) })])
    #expect(extraction.begin(ended(), long, at: now) == nil)
    let text = try #require(try messages(try given(extraction.next(at: now))).last)
    #expect((150_000...200_200).contains(text.utf8.count))
    #expect(text.contains("line 0 ") && text.contains("line 4999 ") && !text.contains("line 2500 "))
    #expect(text.contains("lines are left out here)"))
  }

  @Test func `no more than eight requests are under way`() throws {
    var extraction = try extraction()
    for row in 1...20 {
      let event = ended(Int64(row), call: "\(row)")
      #expect(extraction.begin(event, transcript("hello"), at: now) == nil)
    }
    for row in 1...8 { #expect(extraction.next(at: now)?.row == Int64(row)) }
    #expect(extraction.next(at: now) == nil)
    #expect(extraction.finished(3, chat(#"{"intent":null,"order":1}"#), at: now) != nil)
    #expect(extraction.next(at: now)?.row == 9)
  }

  @Test func `a transcript that cannot be read is asked for again`() throws {
    var extraction = try extraction()
    #expect(extraction.begin(ended(), .null, at: now)?.verdict.time != nil)
  }
}

struct ExtractionLiveTests {
  private let now: Int64 = 1_764_000_000_000

  private func extraction(_ live: [String] = ["intent", "order"]) throws(CourierMistake)
    -> Extraction
  {
    try Extraction(
      try ChatEndpoint(url: "https://chat.test", model: "m", key: ""),
      try schema(
        #"""
        {"type":"object","properties":{"intent":{"type":"string"},"order":{"type":"integer"},
          "name":{"type":"string"}}}
        """#), live: live, random: Random(seed: [3]))
  }

  private func lines(_ count: Int) -> JSONTree {
    .made(["conversation": .list((0..<count).map { .made(["text": .text("line \($0)")]) })])
  }

  private func final(_ row: Int64, call: String = "c") -> OutgoingEvent {
    OutgoingEvent(row: row, id: "\(call)-\(row)", kind: .final, call: call, at: now, body: [])
  }

  /// What a line changed; the model answers at once.
  private func tell(
    _ extraction: inout Extraction, _ row: Int64, _ content: String, at time: Int64
  ) throws -> Extracted? {
    #expect(extraction.begin(final(row), lines(Int(row)), at: time) == nil)
    let asked = try given(extraction.next(at: time))
    let finished = try given(extraction.finished(asked.row, chat(content), at: time))
    #expect(finished.verdict == .delivered)
    return finished.extracted
  }

  @Test func `only what changed is told and only of fields that were named`() throws {
    var extraction = try extraction()
    #expect(try tell(&extraction, 1, #"{"intent":null,"order":null}"#, at: now) == nil)
    let first = try tell(&extraction, 2, #"{"intent":"a","order":null}"#, at: now + 3000)
    #expect(first?.fields == .made(["intent": "a"]))
    #expect(first?.isFinal == false)
    #expect(try tell(&extraction, 3, #"{"intent":"a","order":null}"#, at: now + 6000) == nil)
    let more = #"{"intent":"a","order":4,"name":"n"}"#
    let second = try tell(&extraction, 4, more, at: now + 9000)
    #expect(second?.fields == .made(["order": .number("4")]))
    let back = #"{"intent":null,"order":4.0,"reasons":{"intent":"taken back"}}"#
    let third = try tell(&extraction, 5, back, at: now + 12_000)
    #expect(third?.fields == .made(["intent": .null]))
    #expect(third?.reasons == .made(["intent": "taken back"]))
  }

  @Test func `a call is asked about every three seconds and each line at most once`() throws {
    var extraction = try extraction()
    _ = try tell(&extraction, 1, "{}", at: now)
    #expect(extraction.begin(final(2), lines(4), at: now + 100) == nil)
    #expect(extraction.next(at: now + 2999) == nil)
    #expect(extraction.wakeTime(at: now + 2999) == now + 3000)
    let asked = try given(extraction.next(at: now + 3000))
    #expect(extraction.finished(asked.row, chat("{}"), at: now + 3500)?.verdict == .delivered)
    // Their words were in the transcript.
    for row: Int64 in [3, 4] {
      let finished = extraction.begin(final(row), lines(4), at: now + 3600)
      #expect(finished == Finished(row: row, verdict: .delivered))
    }
    #expect(extraction.next(at: now + 100_000) == nil)
    // Other calls wait for nothing.
    #expect(extraction.begin(final(9, call: "d"), lines(1), at: now + 3600) == nil)
    #expect(extraction.next(at: now + 3600)?.row == 9)
  }

  @Test func `a line that could not be asked about is not taken for known`() throws {
    var extraction = try extraction()
    #expect(extraction.begin(final(1), lines(1), at: now) == nil)
    _ = try given(extraction.next(at: now))
    #expect(extraction.finished(1, noAnswer, at: now)?.verdict.time != nil)
    let later = now + 10_000
    #expect(extraction.begin(final(1), lines(1), at: later) == nil)
    _ = try given(extraction.next(at: later))
    let refused = try given(extraction.finished(1, answer(413, ""), at: later))
    #expect(refused.verdict == .givenUp(reason: "chat.test answered 413"))
  }

  @Test func `a field that the schema does not have is refused at the start`() {
    #expect(throws: CourierMistake.self) { try extraction(["intent", "colour"]) }
    #expect((try? extraction([]))?.wants(.final) == false)
    #expect((try? extraction())?.wants(.final) == true)
    #expect((try? extraction())?.wants(.interim) == false)
  }
}
