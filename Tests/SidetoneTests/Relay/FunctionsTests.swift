// A voice model calls functions: who is asked, what the model is told of it, in the words of either
// model; and that nothing is owed when calls fail, sessions are lost or somebody hangs up.

import Sidetone
import TestSupport
import Testing

/// A call whose model may call two functions of a server, and hang up.
struct FunctionTalk {
  let talk: Talk
  var rig: Rig { talk.rig }

  init(
    _ kind: String = "openai", carrier: String = "twilio", start: String? = nil,
    isServed: Bool = true, _ change: (inout Config) -> Void = { _ in }
  ) throws {
    talk = try Talk(carrier, with: kind, start: start) {
      $0.routes[3].functions = Self.functions
      change(&$0)
    }
    if isServed { talk.rig.relay.fetcherStarted() }
    _ = talk.told()
  }

  static let functions: [Config.Function] = {
    var (status, slow, bye) = (Config.Function(), Config.Function(), Config.Function())
    status.name = "status"
    status.description = "Says how an \"order\" stands."
    status.schema = #"{"type":"object","properties":{"id":{"type":"string"}},"required":["id"]}"#
    status.required = ["id"]
    status.url = "https://shop.test/f"
    status.secrets = ["whsec_a"]
    slow.name = "slow"
    slow.description = "Takes long."
    slow.url = "https://shop.test/slow"
    slow.talksMeanwhile = true
    bye.name = "bye"
    bye.description = "Ends the call."
    bye.builtIn = .hangUp
    return [status, slow, bye]
  }()

  // MARK: The model

  /// The model calls, and its answer is over.
  func call(_ name: String, _ id: String, _ arguments: String = #"{\"id\":\"42\"}"#) {
    item(name, id, arguments)
    done()
  }

  func item(_ name: String, _ id: String, _ arguments: String = #"{\"id\":\"42\"}"#) {
    if talk.kind == "gemini" {
      let object = arguments.replacing("\\\"", with: "\"")
      talk.tell(
        #"{"toolCall":{"functionCalls":[{"id":"\#(id)","name":"\#(name)","args":\#(object)}]}}"#)
    } else {
      talk.tell(
        """
        {"type":"response.output_item.done","response_id":"r1","item":{"id":"i","type":\
        "function_call","status":"completed","name":"\(name)","call_id":"\(id)",\
        "arguments":"\(arguments)"}}
        """)
    }
  }

  func begin() { talk.tell(#"{"type":"response.created","response":{"id":"r1"}}"#) }

  func done() {
    if talk.kind == "gemini" { return }
    talk.tell(
      #"{"type":"response.done","response":{"id":"r1","status":"completed","output":[{"type":"function_call"}]}}"#
    )
  }

  /// What the model is told that a function has answered.
  func answer(_ id: String, _ object: String, name: String = "status") -> String {
    if talk.kind == "gemini" {
      return
        #"{"toolResponse":{"functionResponses":[{"id":"\#(id)","name":"\#(name)","response":\#(object)}]}}"#
    }
    let text = object.replacing("\"", with: "\\\"")
    return
      #"{"type":"conversation.item.create","item":{"type":"function_call_output","call_id":"\#(id)","output":"\#(text)"}}"#
  }

  /// What follows all answers.
  var goOn: [String] { talk.kind == "gemini" ? [] : [#"{"type":"response.create"}"#] }

  func error(_ sentence: String, isRetryable: Bool = false) -> String {
    #"{"error":"\#(sentence)","retryable":\#(isRetryable)}"#
  }

  // MARK: The server

  /// The ids of requests that were begun.
  var asked: [Int] {
    rig.fetches.filter { $0.hasPrefix("fetch ") }.compactMap { Int($0.pieces(cutAt: " ")[1]) }
  }
  var lines: [String] { rig.log.filter { $0.contains("function_failed") } }
}

struct FunctionsTests {
  static let models = ["openai", "gemini"]

  // MARK: Asked and answered

  @Test(arguments: models) func `a function's server is asked, and the model gets its answer`(
    model: String
  ) throws {
    let call = try FunctionTalk(model)
    call.begin()
    call.call("status", "call_1")
    #expect(call.talk.told() == [])
    let lines = try #require(call.rig.fetches.first).pieces(cutAt: "\n")
    #expect(lines[0] == "fetch 1 8000 POST https://shop.test/f")
    #expect(lines[1].hasPrefix("sign fn_") && lines[1].hasSuffix(" whsec_a"))
    #expect(
      lines[3] == """
        {"type":"function.called","call_id":"CA1","route":"/talk","carrier":"twilio",\
        "function":"status","id":"call_1","arguments":{"id":"42"},"parameters":{}}
        """)
    call.rig.fetcherSays("answer 1 200 whole\n\n{\"state\":\"sent\"}")
    #expect(call.talk.told() == [call.answer("call_1", #"{"state":"sent"}"#)] + call.goOn)
    #expect(call.rig.relay.totals.functionsAnswered == 1 && call.lines == [])
    #expect(call.rig.relay.totals.answersSilent == 0)
    call.talk.tell(#"{"type":"response.created","response":{"id":"r_item_1"}}"#)
    call.talk.say(100)
    #expect(call.talk.heardBytes() > 0)
    call.talk.expectAllHome()
  }

  @Test(arguments: [
    ("", #"{"status":"done"}"#), ("{}", #"{"status":"done"}"#), ("[1]", #"{"result":[1]}"#),
    ("sent", #"{"result":"sent"}"#), ("7", #"{"result":7}"#), (" {\"a\":1} ", #"{"a":1}"#),
  ])
  func `whatever a server answers is an object for the model`(body: String, object: String) throws {
    let call = try FunctionTalk("gemini")
    call.call("status", "c")
    call.rig.fetcherSays("answer 1 200 whole\n\n\(body)")
    #expect(call.talk.told() == [call.answer("c", object)])
  }

  @Test func `the model is asked to go on once, when all its calls are answered`() throws {
    let call = try FunctionTalk()
    call.begin()
    for id in ["a", "b", "c"] { call.item("status", id) }
    call.done()
    call.rig.fetcherSays("answer 2 200 whole\n\n{\"n\":2}")
    call.rig.fetcherSays("answer 1 200 whole\n\n{\"n\":1}")
    #expect(
      call.talk.told() == [call.answer("b", #"{"n":2}"#), call.answer("a", #"{"n":1}"#)])
    call.rig.fetcherSays("answer 3 200 whole\n\n{\"n\":3}")
    #expect(call.talk.told() == [call.answer("c", #"{"n":3}"#)] + call.goOn)
  }

  @Test func `it is not asked to before its own answer is over`() throws {
    let call = try FunctionTalk()
    call.begin()
    call.item("status", "a")
    call.rig.fetcherSays("answer 1 200 whole\n\n{\"n\":1}")
    #expect(call.talk.told() == [call.answer("a", #"{"n":1}"#)])
    call.done()
    #expect(call.talk.told() == call.goOn)
  }

  @Test func `keys wait while the model waits, unless it may talk meanwhile`() throws {
    let key = #"{"event":"dtmf","streamSid":"MZ1","dtmf":{"track":"inbound_track","digit":"5"}}"#
    for (name, isTold) in [("status", false), ("slow", true)] {
      let call = try FunctionTalk()
      call.begin()
      call.call(name, "a")
      call.rig.say(key, on: call.talk.caller)
      call.rig.advance(milliseconds: 2000)
      #expect(call.talk.told().isEmpty == !isTold, "\(name)")
    }
  }

  // MARK: Failures

  @Test(
    arguments: models,
    [
      ("answer 1 500 whole\n\nno", "its server refused with 500", true),
      ("answer 1 404 whole\n\n", "its server refused with 404", false),
      ("answer 1 429 whole\n\n", "its server refused with 429", true),
      ("answer 1 200 cut\n\n{", "its answer is larger than 32 KiB", false),
      ("failed 1 no_trust", "its certificate could not be verified", false),
      ("failed 1 no_route", "nobody takes the connection", true),
    ])
  func `a failure is told to the model, and said once`(
    model: String, failure: (String, String, Bool)
  ) throws {
    let call = try FunctionTalk(model)
    call.begin()
    call.call("status", "c")
    call.rig.fetcherSays(failure.0)
    let told = call.answer("c", call.error(failure.1, isRetryable: failure.2))
    #expect(call.talk.told() == [told] + call.goOn)
    #expect(call.rig.relay.totals.functionsFailed == 1 && call.lines.count == 1)
    #expect(call.lines[0].contains("status after 0 ms: ") && call.lines[0].contains(failure.1))
  }

  @Test func `a server that says nothing is late, and a fetcher that is gone has lost it`() throws {
    let late = try FunctionTalk("gemini")
    late.call("status", "c")
    late.rig.advance(milliseconds: 8400)
    #expect(late.talk.told() == [])
    late.rig.advance(milliseconds: 200)
    let sentence = late.error("no answer came in time", isRetryable: true)
    #expect(late.talk.told() == [late.answer("c", sentence)])
    late.rig.fetcherSays("answer 1 200 whole\n\n{\"n\":1}")
    #expect(late.talk.told() == [])
    let lost = try FunctionTalk("gemini")
    lost.call("status", "c")
    lost.rig.loseFetcher()
    #expect(lost.talk.told().count == 1 && lost.rig.relay.totals.functionsFailed == 1)
    lost.call("status", "d")
    #expect(lost.talk.told().count == 1 && lost.rig.relay.totals.functionsFailed == 2)
  }

  // MARK: Calls without sense

  @Test(
    arguments: models,
    [
      ("unknown", #"{\"id\":\"42\"}"#, "there is no such function"),
      ("status", #"{\"no\":\"42\"}"#, "its arguments are not of its schema: `id` is missing"),
      ("status", #"{\"id\":42}"#, "its arguments are not of its schema: `id` must be a text"),
    ])
  func `a call without sense is answered at once`(
    model: String, wrong: (String, String, String)
  ) throws {
    let call = try FunctionTalk(model)
    call.begin()
    call.call(wrong.0, "c", wrong.1)
    let told = call.answer("c", call.error(wrong.2), name: wrong.0)
    #expect(call.talk.told() == [told] + call.goOn)
    #expect(call.rig.relay.totals.functionsRefused == 1 && call.rig.fetches == [])
    #expect(call.lines.count == 1)
  }

  @Test(arguments: ["no", "[1]", "{", "7"])
  func `arguments that are no object are refused`(arguments: String) throws {
    let call = try FunctionTalk()
    call.begin()
    call.call("status", "c", arguments)
    let told = call.answer("c", call.error("its arguments are no JSON object"))
    #expect(call.talk.told() == [told] + call.goOn)
  }

  @Test func `a function without arguments may be called without any`() throws {
    let call = try FunctionTalk()
    call.begin()
    call.call("slow", "c", "")
    #expect(call.rig.fetches.first?.contains(#""arguments":{}"#) == true)
  }

  @Test func `arguments that are too large are refused, and those that just fit are not`() throws {
    for (count, isAsked) in [(16 * 1024 - 9, true), (16 * 1024, false), (400_000, false)] {
      let call = try FunctionTalk()
      call.begin()
      call.call("status", "c", #"{\"id\":\""# + String(repeating: "x", count: count) + #"\"}"#)
      #expect(call.asked.isEmpty == !isAsked, "\(count)")
      #expect(call.rig.relay.totals.functionsRefused == (isAsked ? 0 : 1))
      call.talk.expectAllHome()
    }
  }

  @Test func `a message of two megabytes ends its session, and no call comes of it`() throws {
    let call = try FunctionTalk()
    call.begin()
    call.call("status", "c", #"{\"id\":\""# + String(repeating: "x", count: 2 << 20) + #"\"}"#)
    #expect(call.asked == [] && call.rig.relay.totals.upstreamsLost == 1)
    call.talk.expectAllHome()
  }

  @Test func `what is called twice runs once`() throws {
    let call = try FunctionTalk()
    call.begin()
    call.call("status", "c")
    #expect(call.asked == [1])
    call.rig.fetcherSays("answer 1 200 whole\n\n{\"n\":1}")
    call.item("status", "c")
    #expect(call.asked == [1] && call.rig.relay.totals.functionsAnswered == 1)
    #expect(call.talk.told() == [call.answer("c", #"{"n":1}"#)] + call.goOn)
  }

  @Test func `what has no id cannot be answered, and is counted`() throws {
    let call = try FunctionTalk()
    call.begin()
    call.talk.tell(
      #"{"type":"response.output_item.done","item":{"type":"function_call","name":"status","arguments":"{}"}}"#
    )
    #expect(call.talk.told() == [] && call.rig.relay.totals.functionsRefused == 1)
    let long = String(repeating: "x", count: 97)
    call.item("status", long)
    #expect(call.talk.told() == [call.answer(long, call.error("its id is longer than 96 bytes"))])
    #expect(call.rig.relay.totals.functionsRefused == 2 && call.lines.count == 1)
  }

  @Test func `without an id Gemini's call is answered by its name`() throws {
    let call = try FunctionTalk("gemini")
    call.talk.tell(#"{"toolCall":{"functionCalls":[{"name":"slow"},7,{"name":"slow"}]}}"#)
    #expect(call.asked == [1, 2])
    call.rig.fetcherSays("answer 2 200 whole\n\n{\"n\":1}")
    let told = call.talk.told()
    #expect(
      told.last
        == #"{"toolResponse":{"functionResponses":[{"name":"slow","response":{"n":1}}]}}"#)
  }

  @Test(arguments: models) func `of fifty calls at once eight run, and all are answered`(
    model: String
  ) throws {
    let call = try FunctionTalk(model)
    call.begin()
    for id in 0..<50 { call.item("status", "c\(id)") }
    call.done()
    #expect(call.asked.count == 8 && call.rig.relay.totals.functionsRefused == 42)
    #expect(call.talk.told().count == 42 && call.lines.count == 1)
    for id in 1...8 { call.rig.fetcherSays("answer \(id) 200 whole\n\n{\"n\":1}") }
    #expect(call.talk.told().count == 8 + call.goOn.count)
    call.talk.expectAllHome()
  }

  @Test func `deltas of arguments without an end call nothing`() throws {
    let call = try FunctionTalk()
    call.begin()
    for _ in 0..<100 {
      call.talk.tell(
        #"{"type":"response.function_call_arguments.delta","call_id":"c","delta":"{\"a\":"}"#)
    }
    call.talk.tell(
      #"{"type":"response.output_item.done","item":{"type":"function_call","status":"incomplete","name":"status","call_id":"c","arguments":"{"}}"#
    )
    #expect(call.asked == [] && call.talk.told() == [])
  }

  // MARK: Cancelled

  @Test func `a call that Gemini takes back is cancelled, and not answered`() throws {
    let call = try FunctionTalk("gemini")
    call.call("status", "a")
    call.talk.tell(#"{"toolCallCancellation":{"ids":["z",7,"a"]}}"#)
    #expect(call.rig.fetches.last == "cancel 1\n\n")
    call.rig.fetcherSays("answer 1 200 whole\n\n{\"n\":1}")
    #expect(call.talk.told() == [] && call.rig.relay.totals.functionsCancelled == 1)
    call.talk.expectAllHome()
  }

  @Test func `an answer that comes after an interruption still goes to the model`() throws {
    let call = try FunctionTalk()
    call.begin()
    call.call("status", "a")
    call.talk.interrupt()
    call.rig.fetcherSays("answer 1 200 whole\n\n{\"n\":1}")
    // Whatever answers the caller's words knows it.
    #expect(call.talk.told() == [call.answer("a", #"{"n":1}"#)])
  }

  @Test func `the end of the call cancels what runs`() throws {
    let call = try FunctionTalk()
    call.begin()
    call.call("status", "a")
    call.rig.fail(call.talk.caller)
    call.rig.advance(milliseconds: 10_000)
    #expect(call.rig.fetches.last == "cancel 1\n\n")
    #expect(call.rig.relay.totals.functionsCancelled == 1)
    call.rig.fetcherSays("answer 1 200 whole\n\n{\"n\":1}")
    #expect(call.rig.relay.missing == [])
  }

  // MARK: Sessions

  private func late(_ model: String, _ text: String) -> String {
    let words =
      "The function status, called before the connection was interrupted, has answered: "
      + text.replacing("\"", with: "\\\"")
    return model == "gemini"
      ? #"{"realtimeInput":{"text":"\#(words)"}}"#
      : """
      {"type":"conversation.item.create","item":{"type":"message","role":"user","content":\
      [{"type":"input_text","text":"\(words)"}]}}
      """
  }

  @Test(arguments: models, [true, false])
  func `what was called before a session was lost is told to the next, and not asked twice`(
    model: String, isAnsweredBefore: Bool
  ) throws {
    let call = try FunctionTalk(model)
    call.begin()
    call.call("status", "a")
    call.rig.fail(call.talk.model)
    if isAnsweredBefore { call.rig.fetcherSays("answer 1 200 whole\n\n{\"n\":1}") }
    call.rig.advance(milliseconds: 500)
    let next = try #require(call.rig.answerDial())
    _ = call.rig.messages(from: next, isCaller: false)
    call.rig.answer(Talk.ready(model), on: next)
    if !isAnsweredBefore { call.rig.fetcherSays("answer 1 200 whole\n\n{\"n\":1}") }
    #expect(
      call.rig.messages(from: next, isCaller: false) == [late(model, #"{"n":1}"#)] + call.goOn)
    #expect(call.asked == [1] && call.rig.relay.totals.functionsAnswered == 1)
    call.talk.expectAllHome()
  }

  // MARK: Hanging up

  @Test(arguments: models) func `the model hangs up when its last words have been heard`(
    model: String
  ) throws {
    let call = try FunctionTalk(model, carrier: "ucid")
    call.begin()
    if model == "gemini" {
      call.talk.say(1000)
    } else {
      call.talk.tell(
        """
        {"type":"response.output_audio.delta","response_id":"r1","item_id":"w","delta":\
        "\(Talk.base64([UInt8](repeating: 0, count: 48_000)))"}
        """)
    }
    call.item("bye", "h", "{}")
    call.done()
    call.rig.advance(milliseconds: 900)
    #expect(call.rig.relay.callsInUse == 1 && !call.rig.closed.contains(call.talk.caller))
    call.rig.advance(milliseconds: 200)
    #expect(call.rig.relay.callsInUse == 0)
    #expect(call.rig.log.contains { $0.contains("call_ended") && $0.contains("hung_up") })
    #expect(call.talk.heardBytes() >= 16_000)
    call.rig.advance(milliseconds: 10_000)
    #expect(call.rig.relay.missing == [])
  }

  @Test func `one that has said nothing hangs up at once`() throws {
    let call = try FunctionTalk()
    call.begin()
    call.call("bye", "h", "{}")
    #expect(call.rig.relay.callsInUse == 0)
  }

  // MARK: Written down

  @Test func `each call is an entry of the call's record`() throws {
    let call = try FunctionTalk { $0.records = Config.Records() }
    call.begin()
    call.call("status", "a")
    call.rig.advance(milliseconds: 120)
    call.rig.fetcherSays("answer 1 503 whole\n\n")
    let entry = try #require(call.rig.entries.last { $0.contains(#""kind":"function""#) })
    #expect(
      entry.contains(
        #""name":"status","id":"a","milliseconds":120,"outcome":"failed","error":"its server refused","status":503"#
      ), "\(entry)")
  }

  @Test func `memory for calls of functions is in the books until their call is over`() throws {
    let call = try FunctionTalk()
    #expect(call.rig.relay.functionCallsInUse == 1)
    #expect(call.rig.relay.missing.contains("1 calls of functions never came home"))
    call.talk.expectAllHome()
    #expect(call.rig.relay.functionCallsInUse == 0)
  }

  @Test func `calls that may call none are told of none, and take no memory for it`() throws {
    let talk = try Talk()
    #expect(!talk.setup.joined().contains("tools"))
    let plain = Config.small().plan.first { $0.holder.hasPrefix("functions") }
    #expect(plain?.bytes == 0)
  }
}
