// One connection: in which phase it is, where its unfinished bytes lie, what waits to be written,
// and what the driver has yet to be asked for.

package struct Link: BitwiseCopyable, Sendable {
  package enum Phase: UInt8, BitwiseCopyable, Sendable {
    /// Server side: a request is awaited, or its body. Ways out: caller, leaving.
    case request
    /// The carrier's side of a call. Way out: leaving.
    case caller
    /// Client side: asked for with `.dial`. Ways out: upgrade, gone.
    case dialling
    /// The request is sent, the answer is awaited. Ways out: setup, upstream, leaving.
    case upgrade
    /// The socket stands, the session was described; its word that it is ready is awaited. Ways
    /// out: upstream, leaving.
    case setup
    /// The upstream's side of a call. Way out: leaving.
    case upstream
    /// The last bytes are being written; what comes is thrown away. Way out: gone.
    case leaving
    /// Only the driver has still to be told.
    case gone
  }

  /// What the driver is to be asked for, at most once each.
  package struct Wants: OptionSet, BitwiseCopyable, Sendable {
    package let rawValue: UInt8
    package init(rawValue: UInt8) { self.rawValue = rawValue }
    static let dial = Wants(rawValue: 1)
    static let resume = Wants(rawValue: 2)
    static let write = Wants(rawValue: 4)
    static let close = Wants(rawValue: 8)
    static let reset = Wants(rawValue: 16)
  }

  package var phase = Phase.request
  package var wants = Wants()
  package var peer = Address.none
  package var listener = 0
  package var call = SlotID.none
  package var webSocket = WebSocket(role: .server, messageBytesMax: 0)
  package var inbox = Inbox()
  package var outbox = Chain()
  /// How much of the frame at the front of the outbox is still to be sent; 0: it begins there.
  package var frontRest = 0

  /// Its reader was told to wait: `room` was empty.
  package var isHeldBack = false
  /// Our Close frame is out; nothing may follow it (RFC 6455 §5.5.1).
  package var isCloseSent = false
  /// When the oldest audio in the outbox came to us; `never` where there is none.
  package var audioSince = Instant.never

  package var lastHeard = Instant.zero
  package var pingSent = false

  package init() {}
}

/// Where the unfinished bytes of a link lie between two reads. Whole messages never get here: they
/// are handled in the shared read buffer. A short rest waits in a block, a message longer than that
/// in a buffer of its own size class, from which it does not move again.
package struct Inbox: BitwiseCopyable, Sendable {
  package enum Store: BitwiseCopyable, Sendable {
    case none
    case block(Int32)
    case medium(Int32)
    case large(Int32)
  }
  package var store = Store.none
  package var count = 0
  package init() {}
}
