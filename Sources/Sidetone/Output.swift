// What the relay asks its driver for, and what a driver tells it of a connection that failed.

/// What the relay asks its driver to do. Bytes are not in it: they lie in the link's outbox.
package enum Output: Equatable, Sendable {
  /// Open a connection to `Config.upstreams[upstream].endpoint`; answer with `connected` or
  /// `failed`.
  case dial(SlotID, upstream: Int)
  /// The outbox of this link has bytes: `outgoing`, write, `sent`, until it is empty or the socket
  /// is full (then again when it is writable). Named at most once per turn and link.
  case write(SlotID)
  /// Look for readable bytes on this link again; before, `room` was empty.
  case resumeReading(SlotID)
  /// The relay is done with this link. Write out what its socket still holds, tell the peer
  /// (close_notify, FIN), and let go of it; the name is dead already.
  case close(SlotID)
  /// As `close`, but at once: what was not written is lost, the peer sees a reset.
  case reset(SlotID)
  /// No call is left after `drain` or `stop`; told once.
  case drained
}

/// What the driver has yet to be asked for about one link, at most once each.
package struct PendingOutputs: OptionSet, BitwiseCopyable, Sendable {
  package let rawValue: UInt8
  package init(rawValue: UInt8) { self.rawValue = rawValue }
  static let dial = PendingOutputs(rawValue: 1)
  static let resume = PendingOutputs(rawValue: 2)
  static let write = PendingOutputs(rawValue: 4)
  static let close = PendingOutputs(rawValue: 8)
  static let reset = PendingOutputs(rawValue: 16)
}

/// Why a connection could not be made or broke.
package enum LinkFailure: Equatable, BitwiseCopyable, Sendable {
  case refused, unreachable, timedOut, reset, nameNotFound, nameTimedOut, tlsFailed
  case notTLS, certificateRefused, noDescriptor, noMemory, flooding
  /// What answers there speaks no HTTP, opens no WebSocket, or breaks the rules of its frames.
  case notHTTP(HTTP.Fault)
  case notWebSocket(Upgrade.AnswerFault)
  case brokenFrames(WebSocket.Failure)

  var sentence: StaticString {
    switch self {
    case .refused: return "the connection was refused"
    case .unreachable: return "the network is unreachable"
    case .timedOut: return "no answer in time"
    case .reset: return "the connection broke"
    case .nameNotFound: return "the host name does not exist"
    case .nameTimedOut: return "the host name could not be resolved in time"
    case .tlsFailed: return "the TLS handshake failed"
    case .notTLS: return "what answers there does not speak TLS: is it ws:// and not wss://?"
    case .notHTTP(.notHTTP):
      return "what answers there does not speak HTTP: check scheme and port of the upstream's url"
    case .notHTTP(.headTooLarge), .notHTTP(.tooManyFields):
      return
        "the answer's head is longer than limits.head_bytes_max (SIDETONE_LIMITS_HEAD_BYTES_MAX)"
    case .notHTTP: return "the answer is malformed HTTP"
    case .notWebSocket(let fault): return fault.sentence
    case .brokenFrames(let failure): return failure.sentence
    case .certificateRefused: return "the certificate could not be verified"
    case .noDescriptor: return "the relay has no descriptor left"
    case .noMemory: return "the relay has no buffer left"
    case .flooding: return "it sent far more messages than a call needs"
    }
  }
}

extension Upgrade.AnswerFault {
  fileprivate var sentence: StaticString {
    switch self {
    case .noUpgrade: "the answer accepts the WebSocket, but without Upgrade: websocket"
    case .noConnection: "the answer accepts the WebSocket, but without Connection: Upgrade"
    case .wrongAccept: "the answer's Sec-WebSocket-Accept is not the one of our request"
    case .unaskedExtension: "the answer wants a WebSocket extension that nobody asked for"
    case .unaskedProtocol: "the answer names a subprotocol that nobody offered"
    }
  }
}

extension WebSocket.Failure {
  /// What an upstream did.
  fileprivate var sentence: StaticString {
    switch self {
    case .messageTooLarge:
      """
      a message was larger than limits.upstream_message_bytes_max \
      (SIDETONE_LIMITS_UPSTREAM_MESSAGE_BYTES_MAX)
      """
    case .notUTF8: "a text message was not UTF-8"
    default: reason
    }
  }
}
