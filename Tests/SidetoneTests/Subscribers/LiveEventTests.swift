// Events as JSON: whole objects whatever was said, read by somebody else's parser.

import Testing

@testable import Sidetone

struct LiveEventTests {
  private let time = WallTime(nanoseconds: 1_735_689_600_123_456_789)

  /// The objects that one event becomes in so much room.
  private func objects(
    _ event: Event, of call: String = "c-1", room: Int = 4096
  ) throws -> [[String: Any]] {
    var event = try #require(LiveEvent(event))
    let name = try #require(Name(kept(call)))
    var objects: [[String: Any]] = []
    while true {
      var out = Writer(kept(count: room))
      guard event.write(of: name, at: time, into: &out) else { return objects }
      try #require(!out.overflowed && out.count > 0)
      for index in 0..<out.count {
        try #require(out.written[index] >= 0x20 && out.written[index] != 0x7f)
      }
      objects.append(try Hearing.json(out.written.string))
    }
  }

  private func heard(
    _ text: String, isFinal: Bool = true, side: Event.Side = .only
  ) -> Event {
    .words(.heard(kept(text), isFinal: isFinal, side: side))
  }

  @Test(arguments: [
    (Event.Side.only, "caller"), (.caller, "caller"), (.agent, "agent"), (.channel(1), "channel 1"),
  ])
  func `a line names its call, its side, its time and its words`(
    side: Event.Side, name: String
  ) throws {
    for isFinal in [true, false] {
      let object = try objects(heard("good morning", isFinal: isFinal, side: side))[0]
      #expect(object.count == 5)
      #expect(object["type"] as? String == (isFinal ? "transcript.final" : "transcript.interim"))
      #expect(object["call_id"] as? String == "c-1")
      #expect(object["time"] as? String == "2025-01-01T00:00:00.123Z")
      #expect(object["side"] as? String == name)
      #expect(object["text"] as? String == "good morning")
    }
  }

  @Test func `what was heard of an answer stands apart from what was not`() throws {
    let event = Event.words(.interrupted(heard: 900, generated: 2000, words: kept("a b c"), cut: 3))
    let object = try objects(event)[0]
    #expect(object["type"] as? String == "transcript.final")
    #expect(object["side"] as? String == "agent" && object["interrupted"] as? Bool == true)
    #expect(object["text"] as? String == "a b" && object["unheard"] as? String == " c")
    #expect(object["heard_milliseconds"] as? Int == 900)
    #expect(object["generated_milliseconds"] as? Int == 2000)
    let bare = try objects(.words(.interrupted(heard: 9, generated: 20, words: .empty, cut: 0)))
    #expect(bare.count == 1 && bare[0]["type"] as? String == "transcript.interrupted")
    #expect(bare[0]["text"] == nil)
  }

  @Test func `a call that never started has no end, and what is for people only is not told`() {
    let ending = Event.Ending(
      cause: .left, milliseconds: 1, frames: 0, results: 0, isTwoWay: false, heardMilliseconds: 0,
      generatedMilliseconds: 0, interruptions: 0, lostBytes: 0, hasStarted: false)
    #expect(LiveEvent(.call(.ended(ending))) == nil)
    #expect(LiveEvent(.call(.stopReceived)) == nil && LiveEvent(.caller(.connected)) == nil)
  }

  @Test func `a key is for standard output alone`() throws {
    let event = Event.caller(.key(UInt8(ascii: "5")))
    #expect(LiveEvent(event)?.audience == .readers)
    let object = try objects(event)[0]
    #expect(object["type"] as? String == "call.key" && object["key"] as? String == "5")
  }

  @Test(arguments: [
    (#"a \"quote\" \\ \/ \u00e9\n"#, "a \"quote\" \\ / é\n"),
    (#"\ud83d\ude00 😀"#, "😀 😀"),
    (#"\ud83d alone, \ude00 alone"#, "\u{fffd} alone, \u{fffd} alone"),
    (#"\u001b[31m \u202e"#, "\u{1b}[31m \u{202e}"),
    ("\u{1b}[31m \u{202e}\u{7f}\u{85}\u{e0041}\t", "\u{1b}[31m \u{202e}\u{7f}\u{85}\u{e0041}\t"),
    (#"no \escape \u12 at the end \"#, #"no \escape \u12 at the end \"#),
    ("a bare \" quote", "a bare \" quote"), ("", ""),
  ])
  func `words come out as they were meant, and never speak to a terminal`(
    text: String, meant: String
  ) throws {
    let said = try objects(heard(text))
    #expect(said.count == 1 && said[0]["text"] as? String == meant)
    let call = "\u{202e}x"
    #expect(try objects(heard("y"), of: call)[0]["call_id"] as? String == call)
  }

  @Test(arguments: [900, 2048, 4080])
  func `words that are too long for one object are told in several, none lost`(room: Int) throws {
    var random = SeededRandom(seed: UInt64(room))
    let pieces = [
      "word ", "é", "😀", #"\n"#, #"\ud83d\ude00"#, #"\""#, "\u{202e}", "\u{7f}", #"\u0007"#,
    ]
    let text = (0..<3000).map { _ in pieces.randomElement(using: &random)! }.joined()
    let meant = try #require(
      Hearing.json("{\"a\":\"" + text.replacing("\u{7f}", with: "\\u007f") + "\"}")["a"] as? String)
    let cut = text.utf8.count / 2
    let events = [
      heard(text, isFinal: false), .words(.said(kept(text))),
      .words(.interrupted(heard: 1, generated: 2, words: kept(text), cut: wordEnd(text, cut))),
    ]
    for event in events {
      let objects = try objects(event, room: room)
      #expect(objects.count > 3)
      let told = objects.map {
        ($0["text"] as? String ?? "") + ($0["unheard"] as? String ?? "")
      }.joined()
      #expect(told == meant)
      #expect(objects.dropLast().allSatisfy { $0["continues"] as? Bool == true })
      #expect(objects.last?["continues"] == nil)
    }
  }

  /// The end of a word near there.
  private func wordEnd(_ text: String, _ place: Int) -> Int {
    Array(text.utf8)[..<place].lastIndex(of: 0x20) ?? 0
  }

  @Test func `bytes without sense make sense in JSON`() throws {
    var random = SeededRandom(seed: 9)
    for _ in 0..<500 {
      var bytes = random.bytes(Int.random(in: 0..<60, using: &random))
      for index in bytes.indices where bytes[index] % 5 == 0 {
        bytes[index] = [0x5c, 0x75, 0x22, 0xd8, 0x44].randomElement(using: &random)!
      }
      #expect(try objects(.words(.said(kept(bytes)))).count == 1)
    }
  }
}
