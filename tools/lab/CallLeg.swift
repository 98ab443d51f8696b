// A caller's socket: a carrier's wire over a WebSocket, from the handshake to the end, which is
// told exactly once. What the two kinds of call have in common.

import LabKit

final class CallLeg {
  var opened: () -> Void = {}
  /// What the carrier understood, and the time at which it was read.
  var heard: (WireEvent, Double) -> Void = { _, _ in }
  var ended: () -> Void = {}
  /// What went wrong, once the call is over.
  private(set) var problem: String?
  private(set) var isOver = false

  /// The relay may take 5 s for its last words; the rest is for the way.
  private static let goodbyeSeconds = 12.0
  private static let handshakeSeconds = 15.0
  private static let backlogBytesMax = 256 * 1024

  private var wire: any Wire
  private let peer: Peer
  private let loop: Loop

  init(_ plan: CallPlan, on loop: Loop) throws(Failure) {
    wire = try plan.wire()
    self.loop = loop
    peer = try Peer(to: plan.target, headers: plan.headers, trust: plan.trust, on: loop)
    peer.handle = { [self] event in take(event) }
    // Nothing on the other side may keep a caller waiting for ever.
    loop.after(Self.handshakeSeconds) { [self] in
      if !peer.hasOpened { end("no answer to the handshake within \(Self.handshakeSeconds) s") }
    }
  }

  var uplink: WireFormat { wire.uplink }
  var downlink: WireFormat { wire.downlink }
  var callID: String { wire.callID }
  /// The other side does not take what it is sent.
  var isHeldBack: Bool { peer.stream.outgoingBytes > Self.backlogBytesMax }

  // MARK: Our side

  func media(_ bytes: [UInt8], at milliseconds: Int) { send(wire.media(bytes, at: milliseconds)) }
  func digit(_ digit: Character) { send(wire.digit(digit)) }
  func played(_ mark: String) { send(wire.played(mark)) }

  /// Says goodbye; `ended` follows when the relay has closed, or has not in time.
  func hangUp() {
    let goodbye = wire.end()
    if goodbye.isEmpty { return peer.close(wait: Self.goodbyeSeconds) }
    send(goodbye)
    loop.after(Self.goodbyeSeconds) { [self] in
      end("the relay did not close within \(Self.goodbyeSeconds) s after our goodbye")
    }
  }

  private func send(_ messages: [WireMessage]) {
    for message in messages {
      switch message {
      case .text(let text): peer.send(text: text)
      case .binary(let bytes): peer.send(binary: bytes)
      }
    }
  }

  func end(_ cause: String?) {
    guard !isOver else { return }
    isOver = true
    problem = problem ?? cause
    ended()
  }

  // MARK: The other side

  private func take(_ event: Peer.Event) {
    switch event {
    case .opened:
      send(wire.begin())
      opened()
    case .text(let bytes): read(.text(String(decoding: bytes, as: UTF8.self)))
    case .binary(let bytes): read(.binary(bytes))
    case .closed(let how): end(how.problem)
    }
  }

  private func read(_ message: WireMessage) {
    let now = Loop.now
    for event in wire.read(message) {
      switch event {
      case .wrong(let reason): problem = problem ?? reason
      case .line(let line): Console.say(line)
      default: heard(event, now)
      }
    }
  }
}

extension Peer.End {
  /// Why this end is no good end of a call; nil where it is one.
  var problem: String? {
    switch self {
    case .close(1000, _), .close(1005, _): nil
    case .close(let code, let reason): "the relay closed with \(code) \(reason)"
    case .refused(let status, let body): "the relay refused the call: \(status)\n\(body)"
    case .broken(let reason): reason
    }
  }
}
