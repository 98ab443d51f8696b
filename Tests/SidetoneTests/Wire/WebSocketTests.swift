// The receiving half of the WebSocket codec: what the RFC shows, what it allows, what it forbids.
// Every input is also cut at every byte, and given byte by byte.

import Testing

@testable import Sidetone

@Suite struct WebSocketTests {
  // MARK: The examples of RFC 6455 §5.7

  @Test func readsTheExamplesOfTheRFC() {
    #expect(
      Receiver.eventsOfEverySplit(of: [0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f], as: .client)
        == [.text("Hello")])
    let masked: [UInt8] = [
      0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58,
    ]
    #expect(Receiver.eventsOfEverySplit(of: masked, as: .server) == [.text("Hello")])
    let fragments: [UInt8] = [0x01, 0x03, 0x48, 0x65, 0x6c, 0x80, 0x02, 0x6c, 0x6f]
    #expect(Receiver.eventsOfEverySplit(of: fragments, as: .client) == [.text("Hello")])
    let ping: [UInt8] = [0x89, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f]
    #expect(Receiver.eventsOfEverySplit(of: ping, as: .client) == [.ping(Array("Hello".utf8))])
    let pong: [UInt8] = [
      0x8a, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58,
    ]
    #expect(Receiver.eventsOfEverySplit(of: pong, as: .server) == [.pong(Array("Hello".utf8))])
    let short = [UInt8](repeating: 7, count: 256)
    #expect(
      Receiver.eventsOfEverySplit(of: [0x82, 0x7e, 0x01, 0x00] + short, as: .client)
        == [.binary(short)])
    let long = [UInt8](repeating: 9, count: 65536)
    #expect(
      Receiver.events(of: [0x82, 0x7f, 0, 0, 0, 0, 0, 1, 0, 0] + long, as: .client)
        == [.binary(long)])
  }
}
