// What entries add up to.

import Testing

@testable import SidetoneCourier

@Suite struct CallHistoryTests {
  private func file(_ entries: [[UInt8]]) -> JSONTree {
    history(entries).callFile(
      transcriptPath: "transcripts/x", eventID: "k-1", unextracted: "not yet")
  }

  private func lines(_ entries: [[UInt8]]) -> [JSONTree] {
    history(entries).transcript["conversation"]?.elements ?? []
  }

  @Test func `answers without words that are interrupted cut nobody else's`() {
    let cut: KeyValuePairs<String, JSONTree> = [
      "item": "", "heard": "", "unheard": "", "heard_milliseconds": .integer(0),
      "generated_milliseconds": .integer(400),
    ]
    let all = lines([
      started(), entry("interrupted", after: 5, cut), entry("interrupted", after: 9, cut),
    ])
    #expect(all.count == 2)
    #expect(all.allSatisfy { $0["text"] == "" && $0["interrupted"] == .bool(true) })
  }

  @Test func `the relay says whether interrupted words were told before`() {
    func cut(wereSaid: Bool) -> [UInt8] {
      entry(
        "interrupted", after: 9,
        [
          "item": "", "heard": "", "unheard": "", "were_said": .bool(wereSaid),
          "heard_milliseconds": .integer(1000), "generated_milliseconds": .integer(2000),
        ])
    }
    let said = [started(), entry("said", ["item": "", "text": "one two three four"])]
    #expect(lines(said + [cut(wereSaid: true)]).map { $0["text"] } == ["one two"])
    let others = lines(said + [cut(wereSaid: false)])
    #expect(others.map { $0["text"] } == ["one two three four", ""])
    #expect(others.map { $0["interrupted"] } == [.bool(false), .bool(true)])
  }

  @Test func `a line has who said it, what, when and how sure that is`() {
    let all = lines([
      started(),
      entry(
        "final", after: 3000,
        [
          "side": "caller", "text": "a blue hatchback", "start": .integer(1200),
          "end": .integer(2900), "confidence": .number("0.93"), "language": "en-GB",
        ]),
    ])
    #expect(
      all == [
        .made([
          "speaker": "caller", "text": "a blue hatchback", "start_ms": .integer(1200),
          "end_ms": .integer(2900), "time": "2025-06-15T15:06:41.200Z", "generated": .null,
          "interrupted": .bool(false), "language": "en-GB", "confidence": .number("0.93"),
          "channel": .null,
        ])
      ])
  }

  @Test func `where the beginning of a line is not known its time is that of its writing`() {
    let line = lines([started(), spoken("yes", after: 4321)])[0]
    #expect(line["start_ms"] == .null)
    #expect(line["time"] == "2025-06-15T15:06:44.321Z")
  }

  @Test func `words that nobody heard stand beside those that were heard`() {
    let line = lines([
      started(),
      entry("interrupted", after: 5, ["generated": "one two three", "heard": "one two"]),
    ])[0]
    #expect(line["text"] == "one two")
    #expect(line["generated"] == "one two three")
    #expect(line["interrupted"] == .bool(true))
    #expect(line["speaker"] == "agent")
  }

  @Test func `what was cut short but heard whole has nothing beside it`() {
    let line = lines([started(), entry("interrupted", ["generated": "one", "heard": "one"])])[0]
    #expect(line["generated"] == .null)
    #expect(line["interrupted"] == .bool(true))
  }

  @Test func `an answer of which nothing was heard is a line without text`() {
    let line = lines([started(), entry("interrupted", ["unheard": "one", "heard": ""])])[0]
    #expect(line["text"] == "")
    #expect(line["generated"] == "one")
  }

  @Test func `words that were told before they were cut short are cut in their place`() {
    func cut(_ item: String, heard: Int64 = 1000) -> [UInt8] {
      entry(
        "interrupted", after: 9,
        [
          "item": .text(item), "heard": "", "unheard": "", "heard_milliseconds": .integer(heard),
          "generated_milliseconds": .integer(2000),
        ])
    }
    let all = lines([
      started(), entry("said", ["item": "i1", "text": "one two three four"]), spoken("stop"),
      cut("i1"),
    ])
    #expect(all.map { $0["text"] } == ["one two", "stop"])
    #expect(all[0]["generated"] == "one two three four")
    #expect(all[0]["interrupted"] == .bool(true))
    let nameless = lines([
      started(), entry("said", ["text": "one two"]), entry("said", ["text": "three four"]), cut(""),
    ])
    #expect(nameless.map { $0["text"] } == ["one two", "three"])
    let whole = lines([started(), entry("said", ["text": "one two"]), cut("", heard: 2000)])
    #expect(whole.map { $0["text"] } == ["one two"])
    #expect(whole[0]["generated"] == .null)
  }

  @Test func `lines stand in the order of the journal, interim ones not at all`() {
    let all = lines([
      started(), entry("interim", ["side": "caller", "text": "b"]), spoken("b"),
      entry("said", ["text": "a"]), spoken("c"),
    ])
    #expect(all.map { $0["text"] } == ["b", "a", "c"])
    #expect(all.map { $0["speaker"] } == ["caller", "agent", "caller"])
  }

  @Test(arguments: [("channel 0", 0), ("channel 11", 11), ("caller", nil), ("channel x", nil)])
  func `the side of a stream with channels has its number`(side: String, channel: Int64?) {
    let line = lines([started(), spoken("x", side: side)])[0]
    #expect(line["speaker"] == .text(side))
    #expect(line["channel"] == .known(channel))
  }

  @Test func `the call file names both ids, the route, who was called and why it ended`() {
    let file = file([
      started(), entry("connected", ["milliseconds": .integer(80), "request": "r1"]),
      entry(
        "ended", after: 65_432,
        [
          "cause": "closed", "sentence": "the caller closed", "milliseconds": .integer(65_432),
          "caller": .made(["frames": .integer(7)]), "delays": .made(["p99": .integer(3)]),
        ]),
    ])
    #expect(file["call_id"] == "TEST-001")
    #expect(file["call_key"] == .text(key(1)))
    #expect(file["stream_id"] == "S1")
    #expect(file["path"] == "/ws")
    #expect(file["cause"] == .made(["word": "closed", "sentence": "the caller closed"]))
    #expect(file["duration_ms"] == .integer(65_432))
    #expect(file["started_at"] == "2025-06-15T15:06:40.000Z")
    #expect(file["ended_at"] == "2025-06-15T15:07:45.432Z")
    #expect(file["legs"]?["caller"]?["frames"] == .integer(7))
    #expect(file["legs"]?["upstream"] == .null)
    #expect(file["delays"]?["p99"] == .integer(3))
    #expect(file["upstream"]?["request"] == "r1")
    #expect(file["upstream"]?["connect_ms"] == .integer(80))
    #expect(file["upstream"]?["model"] == .null)
    #expect(file["parameters"]?["shop"] == "7")
    #expect(file["extracted_reason"] == "not yet")
  }

  @Test func `each turn has its stages, and what is not known of it is null`() {
    let file = file([
      started(),
      entry(
        "turn",
        [
          "speech_end": .integer(1000), "asked": .integer(1100), "first_byte": .integer(1400),
          "sent": .integer(1401), "heard": .integer(1500),
        ]), entry("turn", ["asked": .integer(2000), "thought": .integer(2300)]),
      ended(),
    ])
    #expect(
      file["turns"]?.elements == [
        .made([
          "speech_end_ms": .integer(1000), "asked_ms": .integer(1100),
          "first_byte_ms": .integer(1400), "sent_ms": .integer(1401), "heard_ms": .integer(1500),
        ]),
        .made([
          "speech_end_ms": .null, "asked_ms": .integer(2000), "first_byte_ms": .null,
          "sent_ms": .null, "heard_ms": .null, "thought_ms": .integer(2300),
        ]),
      ])
  }

  @Test(
    arguments: [
      ([], nil, nil), ([300], 300, 300), ([900, 300], 300, 900), ([900, 300, 500], 500, 900),
    ] as [([Int64], Int64?, Int64?)])
  func `how long callers waited for what they heard`(waits: [Int64], half: Int64?, most: Int64?) {
    let turns = waits.map {
      entry("turn", ["speech_end": .integer(1000), "heard": .integer(1000 + $0)])
    }
    // Of these it is not known.
    let others = [
      entry("turn", ["heard": .integer(5)]), entry("turn", ["speech_end": .integer(5)]),
      entry("turn", ["speech_end": .integer(9), "heard": .integer(5)]),
    ]
    #expect(
      file([started()] + turns + others + [ended()])["answer_delays"]
        == .made([
          "count": .integer(waits.count), "p50_ms": .known(half), "max_ms": .known(most),
        ]))
  }

  @Test func `of later sessions the longest that one took to be ready`() {
    func connected(_ milliseconds: Int64) -> [UInt8] {
      entry("connected", ["milliseconds": .integer(milliseconds)])
    }
    let one = file([started(), connected(80), ended()])["upstream"]
    #expect(one?["connect_ms"] == .integer(80) && one?["reconnect_ms_max"] == .null)
    let all = [started()] + [80, 200, 300, 90].map(connected) + [ended()]
    let upstream = file(all)["upstream"]
    #expect(upstream?["connect_ms"] == .integer(80))
    #expect(upstream?["reconnect_ms_max"] == .integer(300))
    // The first one's is not known, and no other's stands for it.
    let second = file([started(), entry("connected"), connected(90), ended()])["upstream"]
    #expect(second?["connect_ms"] == .null && second?["reconnect_ms_max"] == .integer(90))
  }

  @Test func `the last session's request counts, and that of the end most`() {
    let two = [
      started(), entry("connected", ["request": "r1"]), entry("connected", ["request": "r2"]),
      entry("connected", ["request": ""]),
    ]
    #expect(file(two)["upstream"]?["request"] == "r2")
    #expect(file(two)["upstream"]?["sessions"] == .integer(3))
    #expect(file(two + [entry("ended", ["request": "r3"])])["upstream"]?["request"] == "r3")
    #expect(file(two + [entry("ended", ["request": ""])])["upstream"]?["request"] == "r2")
  }

  @Test func `the upstream that took over is named beside the first`() {
    #expect(file([started(), ended()])["upstream"]?["fallback"] == .null)
    let both = file([
      started(),
      entry("fallback", after: 400, ["from": "a", "upstream": "b", "sentence": "refused"]),
    ])
    #expect(
      both["upstream"]?["fallback"]
        == .made(["name": "b", "at_ms": .integer(400), "sentence": "refused"]))
  }

  @Test func `keys, interruptions by the caller and lost sessions have their times`() {
    let file = file([
      started(), entry("key", after: 500, ["key": "5"]), entry("interrupted", after: 700),
      entry("interrupted", after: 900), entry("lost", after: 1000, ["sentence": "gone"]),
      entry("redial", ["attempt": .integer(1)]),
    ])
    #expect(file["keys"] == .list([.made(["key": "5", "at_ms": .integer(500)])]))
    #expect(file["barge_ins"]?["count"] == .integer(2))
    #expect(file["barge_ins"]?["at_ms"] == .list([.integer(700), .integer(900)]))
    #expect(
      file["losses"] == .list([.made(["at_ms": .integer(1000), "sentence": "gone"])]))
    #expect(file["redials"] == .integer(1))
  }

  @Test func `functions that the model called are listed, with what came of them`() {
    let file = file([
      started(),
      entry(
        "function", after: 900,
        [
          "name": "status", "id": "c1", "milliseconds": .integer(120), "outcome": "failed",
          "error": "its server refused", "status": .integer(503),
        ]),
      entry(
        "function", after: 950,
        [
          "name": "status", "id": "c2", "milliseconds": .integer(5), "outcome": "answered",
          "error": "", "status": .integer(0),
        ]),
    ])
    let calls = file["functions"]?.elements ?? []
    #expect(calls.count == 2 && calls[0]["status"] == .integer(503))
    #expect(calls[0]["at_ms"] == .integer(900) && calls[0]["error"] == "its server refused")
    #expect(calls[1]["error"] == .null && calls[1]["status"] == .null)
    #expect(self.file([started()])["functions"] == .list([]))
  }

  @Test func `confidence is that of the lines that have one`() {
    func sure(_ number: String) -> [UInt8] {
      entry("final", ["text": "x", "confidence": .number(number)])
    }
    let file = file([started(), sure("0.9"), sure("0.5"), sure("1"), spoken("without")])
    #expect(
      file["confidence"]
        == .made(["count": .integer(3), "min": .number("0.5"), "mean": .number("0.8")]))
    #expect(self.file([started()])["confidence"]?["min"] == .null)
  }

  @Test func `a question is all that the agent said before the caller answered`() {
    let file = file([
      started(), spoken("hello?"), entry("said", ["text": "Hello."]),
      entry("said", ["text": "Which car?"]), spoken("a blue"), spoken("hatchback"),
      entry("interrupted", ["generated": "Fine, and", "heard": "Fine"]), spoken("stop"),
      entry("interrupted", ["generated": "never heard", "heard": ""]),
      entry("said", ["text": "Good bye."]),
    ])
    let pairs = file["questions"]?.elements.map { [$0["question"], $0["answer"]] }
    #expect(
      pairs == [
        ["Hello. Which car?", "a blue hatchback"], ["Fine", "stop"], ["Good bye.", .null],
      ])
  }

  @Test func `what later relays say of an end is copied, and never over what stands there`() {
    let file = file([
      started(),
      entry(
        "ended", ["colour": "blue", "path": .integer(7), "more": .made(["a": .list([.null])])]),
    ])
    #expect(file["colour"] == "blue")
    #expect(file["more"] == .made(["a": .list([.null])]))
    #expect(file["path"] == "/ws")
    #expect(file["ended_path"] == .integer(7))
  }

  @Test func `lines that could not be written are counted, apart from those of other calls`() {
    let other = JSONTree.made([
      "kind": "missing", "call": .text(Entry.noCall), "at": .integer(start), "count": .integer(40),
      "reason": "the disk failed",
    ]).compact
    let file = file([
      started(), entry("missing", ["count": .integer(2), "reason": "ring"]),
      entry("missing", ["count": .integer(3), "reason": "ring"]), other,
    ])
    #expect(file["missing_lines"] == .integer(5))
    #expect(file["missing_of_relay"] == .integer(40))
    #expect(file["missing_reasons"] == .list(["ring", "the disk failed"]))
  }

  @Test func `a call whose relay was killed ends with the last that was heard of it`() {
    let ending = Entry.killed(key(1), started: start, last: start + 2500)
    let file = file([started(), spoken("so far", after: 2500), ending])
    #expect(file["cause"] == .made(["word": "killed", "sentence": "the relay was killed"]))
    #expect(file["duration_ms"] == .integer(2500))
    #expect(file["ended_at"] == "2025-06-15T15:06:42.500Z")
  }

  @Test func `a call whose beginning was lost has no id and begins with what is there`() {
    let file = file([spoken("still here", after: 700), ended(after: 900)])
    #expect(file["call_id"] == .null)
    #expect(file["carrier"] == .null)
    #expect(file["started_at"] == "2025-06-15T15:06:40.700Z")
  }

  @Test func `unknown kinds change nothing`() {
    let known = [started(), spoken("x"), ended()]
    let more = [started(), entry("dream", ["text": "y"]), spoken("x"), ended()]
    #expect(history(known).transcript == history(more).transcript)
  }

  @Test func `members of the wrong kind are as good as missing`() {
    let odd = lines([
      started(),
      entry("final", ["text": .integer(3), "start": "soon", "confidence": "high", "side": .null]),
    ])[0]
    #expect(odd["text"] == "")
    #expect(odd["speaker"] == "caller")
    #expect(odd["start_ms"] == .null)
    #expect(odd["confidence"] == .null)
  }

  @Test func `times beyond every calendar do not stop a courier`() {
    let all = [
      entry("started", ["id": "x"]),
      entry("final", ["text": "x", "start": .number("9223372036854775807")]),
      entry("ended", ["milliseconds": .number("1e300")]),
    ]
    #expect(lines(all).count == 1)
    #expect(file(all)["duration_ms"] != nil)
  }

  @Test func `what was extracted stands in the file with its reasons`() {
    let found = Extracted(
      fields: .made(["colour": "blue", "year": .null]), reasons: .made(["year": "not said"]),
      isFinal: true)
    let file = file([started(), ended()]).with(found, at: start)
    #expect(file["extracted"]?["colour"] == "blue")
    #expect(file["extracted_reasons"]?["year"] == "not said")
    #expect(file["extracted_reason"] == .null)
    #expect(file["extracted_at"] == "2025-06-15T15:06:40.000Z")
  }
}
