// A relay on a bench: one caller, no driver. Bytes go in as a test wants them cut; what the relay
// asks for is thrown away, since only its books are looked at.

@testable import Sidetone

final class TestRelay {
  let relay: Relay
  private let link: SlotID
  private let now = Instant(nanoseconds: 1_000_000_000)

  /// A route for one carrier, to the upstream of that kind.
  init(carrier: String, upstream kind: String = "deepgram") {
    var config = Config()
    config.limits.callsMax = 1
    config.limits.otherLinksMax = 2
    config.limits.mediumBuffersMax = 1
    config.limits.largeBuffersMax = 1
    var upstream = Config.Upstream()
    upstream.name = "upstream"
    upstream.kind = kind
    upstream.key = "test"
    config.upstreams = [upstream]
    var route = Config.Route()
    route.path = "/call"
    route.carriers = [carrier]
    route.upstream = "upstream"
    config.routes = [route]
    relay = Relay(config: config, seed: [1], now: now, wall: WallTime(nanoseconds: 0))
    link = relay.accepted(on: 0, from: .here, at: now)!
    receive(
      Array(
        (["GET /call HTTP/1.1"] + socket() + ["", ""]).joined(separator: "\r\n").utf8))
  }

  func receive(_ bytes: [UInt8]) {
    var rest = bytes[...]
    while !rest.isEmpty {
      let place = relay.room(for: link)
      let count = min(place.count, rest.count)
      if count == 0 { return }
      Array(rest.prefix(count)).withBytes { place.copy($0) }
      rest = rest.dropFirst(count)
      relay.received(count, on: link, at: now)
      while relay.next() != nil {}
    }
  }

  /// A message as a client sends it: masked.
  static func message(_ opcode: WebSocket.Opcode, _ payload: [UInt8]) -> [UInt8] {
    payload.withBytes { payload in
      written { WebSocket.encode(opcode, payload, key: 0x1a2b_3c4d, into: &$0) }.array
    }
  }

  /// What a caller's messages have come to, in one line.
  var books: String {
    let totals = relay.totals
    return "calls \(relay.callsInUse) started \(totals.callsStarted) frames \(totals.frames) "
      + "bad \(totals.messagesBad) \(totals.framesBad) ignored \(totals.messagesIgnored)"
  }
}
