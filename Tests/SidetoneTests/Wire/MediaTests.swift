// Where the audio lies in a carrier's message, in the shapes that Twilio and its relatives use.
import Testing

@testable import Sidetone

struct MediaTests {
  private let media = Media(
    when: "event", is: "media", at: "media", "payload", timestamp: "timestamp", track: "track",
    as: .base64)

  /// The piece as text, or nil where the message is something else.
  private func locate(_ message: String) -> (payload: String, timestamp: Int, track: Media.Track)? {
    let text = Text(message)
    guard case .audio(let piece) = media.locate(text.bytes) else { return nil }
    return (text.bytes[piece.payload].string, piece.timestamp, piece.track)
  }
  private func outcome(_ message: String) -> Media.Located {
    let text = Text(message)
    return media.locate(text.bytes)
  }

  @Test func `a usual message yields payload, time and track`() throws {
    let piece = try #require(locate(Fixture.media))
    #expect(piece == ("/////w==", 20, .inbound))
  }

  @Test(arguments: [
    #"{"media":{"payload":"/////w==","timestamp":20,"track":"outbound"},"event":"media"}"#,
    #" { "media" : { "track" : "outbound" , "payload" : "/////w==" , "timestamp" : "20" } , "event" : "media" } "#,
    "{\n\t\"x\":[{\"media\":{\"payload\":\"AAAA\"}},1e3,null],\r\n\"event\":\"media\",\"media\":{\"a\":{\"payload\":\"AAAA\"},\"payload\":\"/////w==\",\"track\":\"outbound\",\"timestamp\":20.0}}",
    #"{"event":"media","media":{"payload":"\/\/\/\/\/w==","timestamp":"20","track":"outbound"}}"#,
    #"{"event":"media","media":{"payload":"/////\u0077==","timestamp":"20","track":"outbound"}}"#,
    #"{"\u0065vent":"m\u0065dia","\u006dedia":{"p\u0061yload":"/////w==","timestamp":"20","track":"outb\u006fund"}}"#,
    #"{"event":"media","media":{"payload":"/////w==","timestamp":"20","track":"outbound"},"media":{"payload":"AAAA"},"event":"stop"}"#,
  ])
  func `order, white space, unknown members and escapes make no difference`(message: String) throws
  {
    let piece = try #require(locate(message))
    #expect(piece == ("/////w==", 20, .outbound))
  }

  @Test(arguments: [
    Fixture.connected, Fixture.start, Fixture.digit, Fixture.mark, Fixture.stop, Fixture.results,
    "{}", "[]",
    "7", #"{"event":["media"],"media":{"payload":"AAAA"}}"#, #"{"media":{"payload":"AAAA"}}"#,
    #"{"event":"mediA","media":{"payload":"AAAA"}}"#,
    #"{"event":"media2","media":{"payload":"AAAA"}}"#,
    #"{"event":"mediamediamediamedia","media":{}}"#, #"{"x":{"event":"media"}}"#,
    #"{"event":"mark","event":"media","media":{"payload":"AAAA"}}"#,
  ])
  func `other events are other`(message: String) {
    #expect(outcome(message) == .other)
  }

  @Test(arguments: [
    "", "hello", "{", #"{"event":"media"}"#, #"{"event":"media","media":{}}"#,
    #"{"event":"media","media":"AAAA"}"#, #"{"event":"media","media":{"payload":7}}"#,
    #"{"event":"media","media":{"payload":null}}"#, #"{"event":"media","payload":"AAAA"}"#,
    #"{"event":"media","media":{"payload":["AAAA"]}}"#,
    #"{"event":"media","media":{"payload":"AAAA"}"#,
    #"{"event":"media","media":{"payload":"AAAA"}}}"#,
    #"{"event":"media","media":{"payload":"AA\xAA"}}"#,
    #"{"event":"media",,"media":{"payload":"AAAA"}}"#,
    #"{"event":"media","media":{"payload":"AAAA",}}"#,
    #"[{"event":"media"]"#,
  ])
  func `what is no JSON, or media without a payload, is malformed`(message: String) {
    #expect(outcome(message) == .malformed)
  }

  @Test(arguments: [
    (#""20""#, 20), ("20", 20), ("0", 0), (#""1735689600020""#, 1_735_689_600_020),
    (#""soon""#, -1),
    ("null", -1), (#""""#, -1), ("-5", -1), ("20.5", -1), ("1e99", -1), ("{}", -1),
  ])
  func `a timestamp is a string or a number, or absent`(written: String, expected: Int) {
    let piece = locate(#"{"event":"media","media":{"timestamp":\#(written),"payload":"AAAA"}}"#)
    #expect(piece?.timestamp == expected)
    #expect(piece?.payload == "AAAA")
  }

  @Test(arguments: [
    (#""outbound""#, Media.Track.outbound), (#""inbound""#, .inbound), (#""sideways""#, .inbound),
    ("1", .inbound), ("null", .inbound),
  ])
  func `a track is outbound when it says so`(written: String, expected: Media.Track) {
    #expect(
      locate(#"{"event":"media","media":{"payload":"AAAA","track":\#(written)}}"#)?.track
        == expected)
  }

  @Test func `payloads may be empty, or as large as a message`() {
    #expect(locate(#"{"event":"media","media":{"payload":""}}"#)?.payload == "")
    let large = String(repeating: "QUJD", count: 16_000)
    #expect(locate(#"{"event":"media","media":{"payload":"\#(large)"}}"#)?.payload == large)
  }

  @Test func `a carrier that names no timestamp and no track has neither`() {
    let plain = Media(when: "eventType", is: "chunk", at: "body", "data", as: .base64)
    let message = kept(#"{"body":{"":"20","timestamp":"20","data":"AAAA"},"eventType":"chunk"}"#)
    guard case .audio(let piece) = plain.locate(message) else {
      Issue.record("no audio")
      return
    }
    #expect(piece == Media.Piece(payload: 42..<46))
  }

  @Test func `a binary message is audio as a whole`() {
    #expect(
      Media.binary.locate(kept(count: 320)) == .audio(Media.Piece(payload: 0..<320)))
  }

  @Test func `every truncation is malformed`() {
    for message in Fixture.all {
      let bytes = Array(message.utf8)
      for length in 0..<bytes.count {
        let page = ForbiddenPage(Array(bytes[..<length]))
        #expect(media.locate(page.bytes) == .malformed)
      }
    }
  }

  @Test func `no damage to a message is taken for a good one`() {
    var random = SeededRandom(seed: 160)
    let bytes = Array(Fixture.media.utf8)
    for _ in 0..<20_000 {
      var damaged = bytes
      for _ in 0...Int.random(in: 0...2, using: &random) {
        damaged[Int.random(in: 0..<damaged.count, using: &random)] = UInt8.random(
          in: 0...255, using: &random)
      }
      let isText = String(validating: damaged, as: UTF8.self) != nil
      let place = kept(damaged)
      let isValid = JSON.isValid(place)
      switch media.locate(place) {
      case .audio(let piece):
        if isText { #expect(isValid) }
        #expect(piece.payload.upperBound <= damaged.count)
      case .other: if isText { #expect(isValid) }
      case .malformed: break
      }
    }
  }
}
