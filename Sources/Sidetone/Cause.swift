// Why a call ended: one word for logs and records, the code with which the caller's socket is
// closed, and the sentence that goes with it.

package enum Cause: UInt8, BitwiseCopyable, Sendable {
  case none
  case stopped, closed, left, hungUp, callerQuiet, modelQuiet, transferred, silent, tooLong
  case draining, shutDown
  case unrecognised, unsupported, badMessages, malformedFrames, notUTF8, tooLarge, tooSlow, flooding
  case noToken, wrongToken, wrongChoice, unclaimed, crowded
  case noMemory, upstreamRefused, upstreamLost, upstreamBusy, upstreamKey

  /// RFC 6455 §7.4.1.
  package var closeCode: UInt16 {
    switch self {
    case .none, .stopped, .closed, .left, .hungUp, .callerQuiet, .transferred: return 1000
    case .draining, .shutDown, .tooLong: return 1001
    case .malformedFrames: return 1002
    case .unsupported: return 1003
    case .notUTF8: return 1007
    case .unrecognised, .badMessages, .silent, .flooding: return 1008
    case .noToken, .wrongToken, .wrongChoice, .unclaimed: return 1008
    case .tooLarge: return 1009
    case .upstreamRefused, .upstreamLost, .upstreamKey, .modelQuiet: return 1011
    case .noMemory, .upstreamBusy, .crowded, .tooSlow: return 1013
    }
  }

  /// What happened and, where there is one, the remedy. At most 123 bytes, as a close frame allows.
  package var sentence: StaticString {
    switch self {
    case .none, .stopped, .closed, .left, .hungUp, .callerQuiet, .transferred: return ""
    case .silent: return "nothing was heard from you, not even an answer to a ping"
    case .tooLong: return "the longest call that limits.call_seconds_max allows is over"
    case .draining: return "the relay is draining and the drain deadline has passed"
    case .shutDown: return "the relay is shutting down"
    case .unrecognised:
      return "expected the start message of a known carrier, or binary audio on a raw route"
    case .unsupported: return "the stream is not one that this route can take; the log says why"
    case .badMessages: return "too many messages without sense in a minute"
    case .malformedFrames: return "the frames break the WebSocket protocol"
    case .notUTF8: return "a text message was not UTF-8"
    case .tooLarge:
      return "a message was larger than limits.carrier_message_bytes_max allows"
    case .tooSlow: return "you did not read what was sent to you"
    case .flooding: return "you sent far more frames, fragments or bytes than a call needs"
    case .noToken:
      return "this route wants the call token that its webhook gave: <Parameter name=token>"
    case .wrongToken: return "the call token is unknown, used, or older than 120 seconds"
    case .wrongChoice:
      return "what bot_type or another parameter asks for cannot be served; the log says why"
    case .unclaimed: return "the caller that a webhook announced did not come"
    case .crowded: return "too many sockets owe their call token, and you gave way to another"
    case .noMemory: return "the relay has no buffer left for this message; try again"
    case .upstreamRefused: return "the upstream refused the session"
    case .upstreamLost: return "the upstream was lost and did not come back"
    case .modelQuiet: return "the model has not answered for too long"
    case .upstreamBusy: return "the upstream has no session left; try again later"
    case .upstreamKey: return "the upstream refused the relay's key"
    }
  }

  /// The same where it is read later: every end has a sentence.
  package var recordSentence: StaticString {
    switch self {
    case .none: return "nobody said why"
    case .stopped: return "the carrier said that the call has ended"
    case .closed: return "the caller closed its socket"
    case .left: return "the caller's connection ended without a word"
    case .hungUp: return "the agent hung up"
    case .callerQuiet: return "the caller said nothing, not even when asked"
    case .transferred: return "the carrier was asked to transfer the call, and has taken it"
    default: return sentence
    }
  }

  package var word: StaticString {
    switch self {
    case .none: return "none"
    case .stopped: return "stopped"
    case .closed: return "closed"
    case .left: return "left"
    case .hungUp: return "hung_up"
    case .callerQuiet: return "caller_quiet"
    case .modelQuiet: return "model_quiet"
    case .transferred: return "transferred"
    case .silent: return "silent"
    case .tooLong: return "too_long"
    case .draining: return "draining"
    case .shutDown: return "shut_down"
    case .unrecognised: return "unrecognised"
    case .unsupported: return "unsupported"
    case .badMessages: return "bad_messages"
    case .malformedFrames: return "malformed_frames"
    case .notUTF8: return "not_utf8"
    case .tooLarge: return "too_large"
    case .tooSlow: return "too_slow"
    case .flooding: return "flooding"
    case .noToken: return "no_token"
    case .wrongToken: return "wrong_token"
    case .wrongChoice: return "wrong_choice"
    case .unclaimed: return "unclaimed"
    case .crowded: return "crowded"
    case .noMemory: return "no_memory"
    case .upstreamRefused: return "upstream_refused"
    case .upstreamLost: return "upstream_lost"
    case .upstreamBusy: return "upstream_busy"
    case .upstreamKey: return "upstream_key"
    }
  }
}
