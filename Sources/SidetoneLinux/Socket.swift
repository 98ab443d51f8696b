// Every frame.
//
// One TCP connection as the loop sees it: a plain value in a slot of a fixed table. The slot's name
// (index and generation) travels with its events, so one for a socket that is gone is recognised. A
// socket owns its descriptor; the loop closes it in the sweep after the turn.

import CLinux
import Sidetone

struct Socket: BitwiseCopyable {
  /// When it is read. Calm: at once, since its last share of reading held all that there was. Busy:
  /// it has more to say than a call needs, and is read after all others, a share at a time. Asking:
  /// what comes is a request, which may cost more than a frame; at once where the turn has time.
  enum Pace: UInt8 { case calm, busy, asking }

  /// The way of a socket. Every stage can also end at once, by an error or a deadline.
  ///
  ///     dialled:   resolving -> connecting -> handshaking (TLS only) -> open
  ///     accepted:                             handshaking (TLS only) -> open
  ///     both:      open -> flushing (while the kernel does not take our last bytes) -> lingering
  enum Stage: UInt8 { case free, resolving, connecting, handshaking, open, flushing, lingering }

  var stage = Stage.free
  var pace = Pace.calm
  var isDialled = false
  /// The peer has sent its end of stream.
  var hasEnded = false
  var descriptor: Int32 = -1
  /// What it is watched for.
  var watched: Readiness = []
  /// Index of the listener it came from, or of the upstream it goes to.
  var origin: Int32 = 0
  /// How many addresses have been tried, and what became of the last one.
  var attempts: Int32 = 0
  var failure = LinkFailure.unreachable
  /// The engine's name for it; `.none` after `close`.
  var link = SlotID.none
  var peer = Address.none
  /// When a dial is given up altogether, or the TLS handshake of one that came.
  var handshakeDeadline = Instant.never
  var tls = TLSLink()
}

/// The calls on descriptors, as outcomes.
enum SocketCall {
  @inline(__always) static func read(_ descriptor: Int32, into place: Bytes) -> Outcome {
    perform { unsafe cl_recv(descriptor, place.base, place.count) }
  }

  /// Throws away what has come; how many bytes.
  static func discard(_ descriptor: Int32, atMost count: Int) -> Outcome {
    perform { cl_discard(descriptor, count) }
  }

  @inline(__always) static func write(_ descriptor: Int32, _ bytes: Bytes) -> Outcome {
    perform { unsafe cl_send(descriptor, bytes.base, bytes.count) }
  }

  /// A new descriptor, and who is at the other end.
  static func accept(on listener: Int32, peer: inout Address) -> Outcome {
    var raw = cl_address()
    let outcome = perform { unsafe Int(cl_accept(listener, &raw)) }
    peer = Address(raw)
    return outcome
  }

  /// Begins a connection; `done` holds the descriptor, which becomes writable when it stands or
  /// failed.
  static func connect(to address: Address) -> Outcome {
    var raw = cl_address(address)
    let made = perform { unsafe Int(cl_socket(&raw)) }
    guard case .done(let number) = made else { return made }
    let descriptor = Int32(number)
    _ = cl_set_options(descriptor, userTimeoutMilliseconds)
    switch perform({ unsafe Int(cl_connect(descriptor, &raw)) }) {
    case .done, .failed(.inProgress): return made
    case .wouldBlock:
      _ = cl_close(descriptor)
      return .failed(.noBufferSpace)
    case .failed(let error):
      _ = cl_close(descriptor)
      return .failed(error)
    }
  }

  /// After this long without an acknowledgement the kernel gives a peer up.
  static let userTimeoutMilliseconds: UInt32 = 30_000
}

extension LinkFailure {
  /// What an error of connect, read or write means to the engine.
  init(_ error: Errno, otherwise: LinkFailure = .reset) {
    switch error {
    case .connectionRefused: self = .refused
    case .timedOut: self = .timedOut
    case .hostUnreachable, .networkUnreachable: self = .unreachable
    case .tooManyFiles, .tooManyFilesInSystem: self = .noDescriptor
    case .noMemory, .noBufferSpace: self = .noMemory
    default: self = otherwise
    }
  }
}

extension Address {
  init(_ raw: cl_address) { self.init(high: raw.high, low: raw.low, port: raw.port) }

  /// Dotted quad or IPv6 text without brackets; "localhost" is 127.0.0.1.
  init?(text: String, port: UInt16) {
    var raw = cl_address()
    let numeric = text == "localhost" ? "127.0.0.1" : text
    guard unsafe cl_parse_address(numeric, port, &raw) else { return nil }
    self.init(raw)
  }
}

extension cl_address {
  init(_ address: Address) {
    self.init(high: address.high, low: address.low, port: address.port)
  }
}
