// Where the speech lies in an upstream's message, beside its type or deep in a list of parts.
import Testing

@testable import Sidetone

private let flat = SpeechPath(
  when: "type", is: "response.output_audio.delta", or: "response.audio.delta", payload: "delta",
  item: "item_id", response: "response_id")
private let nested = SpeechPath(
  at: "serverContent", "modelTurn", each: "parts", "inlineData", payload: "data",
  unless: "thought")
private let plain = SpeechPath(payload: "audio", item: "contextId", last: "isFinal")

struct SpeechPathTests {
  private static let delta = #"""
    {"type":"response.output_audio.delta","event_id":"e_17","response_id":"r_1","item_id":"i_1",\#
    "output_index":0,"content_index":0,"delta":"//79/v7//w=="}
    """#
  private static let turn = #"""
    {"serverContent":{"modelTurn":{"role":"model","parts":[{"text":"thinking","thought":true},\#
    {"inlineData":{"mimeType":"audio/pcm;rate=24000","data":"AAABAAIAAwA="}},\#
    {"inlineData":{"mimeType":"audio/pcm;rate=24000","data":"BAAFAA=="}}]}},\#
    "usageMetadata":{"totalTokenCount":405}}
    """#

  private static let paths = [(flat, delta), (nested, turn)]

  /// All that a message says, in order; nil where it is malformed.
  private func speech(_ path: SpeechPath, _ message: Bytes) -> [String]? {
    var texts: [String] = []
    var start = 0
    repeat {
      switch path.locate(message, from: start) {
      case .speech(let piece):
        texts.append(message[piece.payload].string)
        precondition(piece.next == 0 || piece.next > start)
        start = piece.next
      case .other: return texts
      case .malformed: return nil
      }
    } while start > 0
    return texts
  }
  private func speech(_ path: SpeechPath, _ message: String) -> [String]? {
    speech(path, kept(message))
  }
  private func first(_ path: SpeechPath, _ message: String) -> SpeechPath.Piece? {
    guard case .speech(let piece) = path.locate(kept(message)) else { return nil }
    return piece
  }

  @Test func `without a type its text is what tells it`() {
    let one = #"{"audio":"//79/v7//w==","isFinal":null,"contextId":"7"}"#
    let message = kept(one)
    guard case .speech(let piece) = plain.locate(message) else {
      Issue.record("no speech")
      return
    }
    #expect(message[piece.payload].equals("//79/v7//w==") && message[piece.item].equals("7"))
    #expect(!piece.isNotAll && piece.next == 0)
    let last = #"{"audio":"AAAA","isFinal":true,"contextId":"7"}"#
    #expect(first(plain, last)?.isNotAll == true)
    for quiet in [#"{"audio":null,"contextId":"7"}"#, #"{"isFinal":true}"#, "{}", "7"] {
      #expect(plain.locate(kept(quiet)) == .other, "\(quiet)")
    }
    for broken in ["", "{", one + "}", #"{"audio":"x""#] {
      #expect(plain.locate(kept(broken)) == .malformed, "\(broken)")
    }
    // A last one in front is not what the others are like.
    var learned = LearnedMessage()
    for text in [last, last, one, one, last, one] {
      #expect(
        learned.locate(kept(text), by: plain) == plain.locate(kept(text)), "\(text)")
    }
  }

  @Test
  func `beside its type it is found with its item, and is all that the message says`() throws {
    let message = kept(Self.delta)
    guard case .speech(let piece) = flat.locate(message) else {
      Issue.record("no speech")
      return
    }
    #expect(message[piece.payload].equals("//79/v7//w=="))
    #expect(message[piece.item].equals("i_1"))
    #expect(!piece.isNotAll && piece.next == 0)
  }

  @Test(arguments: [
    #"{"delta":"//8=","item_id":"i_1","type":"response.audio.delta"}"#,
    #" { "delta" : "//8=" , "x" : [{"type":"error"}] , "type" : "response.audio.delta" } "#,
    #"{"type":"response.output_audio.delta","delta":"\/\u002f8="}"#,
    #"{"t\u0079pe":"response.output\u005faudio.delta","d\u0065lta":"//8="}"#,
    #"{"type":"response.audio.delta","delta":"//8=","delta":"AAAA","type":"error"}"#,
  ])
  func `order, white space, unknown members, escapes and the older name make no difference`(
    message: String
  ) { #expect(speech(flat, message) == ["//8="]) }

  @Test(arguments: [
    "{}", "[]", "7", #"{"type":["response.audio.delta"],"delta":"AAAA"}"#,
    #"{"type":"response.audio.deltas","delta":"AAAA"}"#,
    #"{"type":"response.output_audio_transcript.delta","delta":"Hello"}"#,
    #"{"type":"error","type":"response.audio.delta","delta":"AAAA"}"#, #"{"delta":"AAAA"}"#,
  ])
  func `other events are other`(message: String) { #expect(speech(flat, message) == []) }

  @Test(arguments: [
    "", "{", #"{"type":"response.audio.delta"}"#, #"{"type":"response.audio.delta","delta":7}"#,
    #"{"type":"response.audio.delta","delta":null}"#, #"{"type":"error"}x"#,
    #"{"type":"response.audio.delta","delta":"AA\xAA"}"#, #"{"delta":"A",}"#,
  ])
  func `speech without a payload, and what is no JSON, is malformed`(message: String) {
    #expect(speech(flat, message) == nil)
  }

  @Test func `an item that is no string is none`() throws {
    let piece = try #require(
      first(flat, #"{"item_id":7,"delta":"AAAA","type":"response.audio.delta"}"#))
    #expect(piece.item.isEmpty)
  }

  @Test
  func `of a list every part that speaks is found, one after the other, and no thought`() throws {
    #expect(speech(nested, Self.turn) == ["AAABAAIAAwA=", "BAAFAA=="])
    let audio = #"{"inlineData":{"data":"AA=="}}"#
    let thought = #"{"inlineData":{"data":"BB=="},"thought":true}"#
    for (list, expected) in [
      ("", []), (audio, ["AA=="]), ("\(audio) , \(audio)", ["AA==", "AA=="]),
      ("\(thought),\(audio),\(thought)", ["AA=="]), ("7,[\(audio)],\(audio),null", ["AA=="]),
      (#"{"text":"a"}"#, []), (thought, []), (#"{"inlineData":{"mimeType":"x"}}"#, []),
      (#"{"inlineData":"AA=="},\#(audio)"#, ["AA=="]),
      (#"{"thought":false,"inlineData":{"data":"\/\/8="}},\#(audio)"#, ["//8=", "AA=="]),
    ] {
      let message = #"{"serverContent":{"modelTurn":{"parts":[\#(list)]}}}"#
      #expect(speech(nested, message) == expected, "\(message)")
    }
  }

  @Test func `what else a message says is told, wherever it stands`() throws {
    let turn = #""modelTurn":{"role":"model","parts":[{"inlineData":{"data":"AA=="}}]}"#
    for (message, isNotAll) in [
      (#"{"serverContent":{\#(turn)}}"#, false),
      (#"{"serverContent":{\#(turn),"turnComplete":true}}"#, true),
      (#"{"serverContent":{"outputTranscription":{"text":"a"},\#(turn)}}"#, true),
      (#"{"serverContent":{\#(turn)},"goAway":{"timeLeft":"9s"}}"#, true),
      (#"{"usageMetadata":{},"serverContent":{\#(turn)}}"#, true),
    ] {
      let piece = try #require(first(nested, message))
      #expect(piece.isNotAll == isNotAll, "\(message)")
    }
  }

  @Test(arguments: [
    ("{}", true), ("[]", true), (#"{"setupComplete":{}}"#, true),
    (#"{"serverContent":{"turnComplete":true}}"#, true), (#"{"serverContent":[]}"#, true),
    (#"{"serverContent":{"modelTurn":null}}"#, true),
    (#"{"serverContent":{"modelTurn":{"parts":{"inlineData":{"data":"AA=="}}}}}"#, true),
    (#"{"serverContent":{},"serverContent":{"modelTurn":{"parts":[]}}}"#, true),
    (#"{"serverContent":{"modelTurn":{"parts":[}}}"#, false),
    (#"{"serverContent":{"modelTurn":{"parts":[{"inlineData":{"data":7}}]}}}"#, false),
    (#"{"serverContent":{"modelTurn":{"parts":[]}}"#, false),
    (#"{"serverContent":{"modelTurn":{"parts":[]}}}}"#, false),
    (#"{"serverContent":{"modelTurn":{"parts":[{"inlineData":{"data":"AA=="}} 7]}}}"#, false),
  ])
  func `a message without the path is other, and a broken one is malformed`(
    message: String, isSound: Bool
  ) {
    #expect(speech(nested, message) == (isSound ? [] : nil))
  }

  @Test func `once a payload was unescaped where it lies, the message can still be read`() {
    let bytes = kept(#"{"delta":"\/\/8=","type":"response.audio.delta"}"#)
    _ = flat.locate(bytes)
    #expect(bytes.equals(#"{"delta":"//8=  ","type":"response.audio.delta"}"#))
  }

  @Test func `a payload may be empty, or as large as a message`() {
    let large = String(repeating: "QUJD", count: 200_000)
    #expect(
      speech(flat, #"{"type":"response.audio.delta","delta":"\#(large)"}"#) == [large])
    #expect(speech(flat, #"{"type":"response.audio.delta","delta":""}"#) == [""])
  }

  @Test(arguments: 0..<2)
  func `every truncation is malformed`(index: Int) {
    let (path, text) = Self.paths[index]
    let bytes = Array(text.utf8)
    for length in 0..<bytes.count {
      let page = ForbiddenPage(Array(bytes[..<length]))
      withExtendedLifetime(page) { #expect(path.locate(page.bytes) == .malformed) }
    }
  }

  @Test(arguments: 0..<2)
  func `no damage to a message is taken for a good one`(index: Int) {
    let (path, text) = Self.paths[index]
    var dice = SeededRandom(seed: 161)
    let bytes = Array(text.utf8)
    let page = ForbiddenPage(count: bytes.count)
    for _ in 0..<20_000 {
      bytes.withBytes { page.bytes.copy($0) }
      for _ in 0...Int.random(in: 0...2, using: &dice) {
        page.bytes[Int.random(in: 0..<bytes.count, using: &dice)] =
          UInt8.random(in: 0...255, using: &dice)
      }
      let isText = String(validating: page.bytes.array, as: UTF8.self) != nil
      let isValid = JSON.isValid(page.bytes)
      let texts = withExtendedLifetime(page) { speech(path, page.bytes) }
      if isText, texts != nil { #expect(isValid) }
    }
  }
}
