// A relay with one caller on a bench. Bytes go in as a test wants them cut; what the relay asks for
// is thrown away, since only its books are looked at.

import TestSupport

@testable import Sidetone

struct TestRelay {
  private let driver: EngineDriver
  private let link: SlotID
  var relay: Relay { driver.relay }

  /// A route for one carrier, to the upstream of that kind.
  init(carrier: String, upstream: String = "deepgram") {
    var config = Config.small(callsMax: 1, otherLinksMax: 2)
    config.limits.mediumBuffersMax = 1
    config.limits.largeBuffersMax = 1
    config.addUpstream(upstream)
    config.addRoute("/call", [carrier], to: upstream)
    driver = EngineDriver(config: config)
    link = driver.open("/call")!
  }

  func receive(_ bytes: [UInt8]) { driver.feed(bytes, on: link) }

  /// A message as a client sends it: masked.
  static func message(_ opcode: WebSocket.Opcode, _ payload: [UInt8]) -> [UInt8] {
    Frames.frame(opcode, payload, isMasked: true)
  }

  /// What a caller's messages have come to, in one line.
  var books: String {
    let totals = relay.totals
    return "calls \(relay.callsInUse) started \(totals.callsStarted) frames \(totals.frames) "
      + "bad \(totals.messagesBad) \(totals.framesBad) ignored \(totals.messagesIgnored)"
  }
}
