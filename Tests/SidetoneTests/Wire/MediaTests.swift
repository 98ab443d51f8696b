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

  private let twilio = """
    {"event":"media","sequenceNumber":"4","streamSid":"MZ00000000000000000000000000000001",\
    "media":{"track":"inbound","chunk":"2","timestamp":"20","payload":"/////w=="}}
    """

  @Test func `a usual message yields payload, time and track`() throws {
    let piece = try #require(locate(twilio))
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
}
