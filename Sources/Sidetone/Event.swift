// Everything about a call that is counted, or that somebody may want to read: one case each. A part
// of a call says what happened with `Turn.note`; what becomes of it (a counter, a line of the log,
// a line of the transcript) is decided in Turn+Notes, in one place for each.

/// What happens too often for a line, and is only counted.
package enum Tally: BitwiseCopyable, Sendable {
  /// Bytes from a peer, bytes to one, audio handed to an upstream.
  case bytesIn(Int)
  case bytesOut(Int)
  case bytesToUpstream(Int)
  /// So late was a frame whose bytes its peer's socket has just taken.
  case delay(Instant.Span)
  /// A caller's audio: taken; without sense; without room; twice or late; never seen (so many).
  case frame
  case frameBad
  case frameLost
  case frameLate
  case framesMissing(Int)
  /// An agent's speech: a piece that came; a message to its caller; no room for a piece; a piece of
  /// what was interrupted.
  case speechPiece
  case speechSent
  case speechCut
  case speechLate
  /// Messages: of no concern; without sense; too long to be repeated beside the original.
  case messageIgnored
  case messageBad
  case answerTooLong
  /// Whole requests; connections for which there was no slot.
  case request
  case linkRefused
}

/// What has a line. Texts point into messages, and are the inside of a JSON string where the
/// comment says so.
package enum Event: Sendable {
  // A call's beginning and end.
  case callStarted(carrier: StaticString, upstream: Bytes, path: Bytes)
  case callRefused(StaticString)
  case firstAudio(milliseconds: Int)
  case stopReceived
  case resultsMissing
  case callEnded(Ending)

  // Its caller.
  case badMessage(StaticString, soFar: Int)
  case carrierComplains(Bytes)
  case byteOrder(isBigEndian: Bool)
  /// A key that was pressed. It may be one of a card's number: for a terminal, never for the log.
  case digit(UInt8)

  // Its upstream.
  case upstreamConnected(Bytes, milliseconds: Int)
  case upstreamRefused(Bytes, status: Int, StaticString)
  case upstreamError(code: Bytes, message: Bytes)
  case upstreamClosed(code: UInt16, reason: Bytes)
  case upstreamBroke(Bytes, LinkFailure)
  /// A session is gone, whichever way; another will be dialled.
  case upstreamLost
  case redial

  // What was said: JSON strings' insides.
  case heard(Bytes, isFinal: Bool)
  case said(Bytes)
  /// Of `generated` milliseconds only `heard` were; the words are cut where that is by estimate.
  case interrupted(heard: Int, generated: Int, words: Bytes, cut: Int)
  /// The agent was cut short.
  case interruption

  // The relay.
  case draining(calls: Int)
  /// A request was; a line about it where `withheld` says how many had none before.
  case refused(StaticString, to: Address, withheld: Int?)

  /// The last line of a call.
  package struct Ending: Sendable {
    var cause: Cause
    var milliseconds: Int
    var frames: Int
    var results: Int
    var isTwoWay: Bool
    var heardMilliseconds: Int
    var generatedMilliseconds: Int
    var interruptions: Int
    var lostBytes: Int
    var hasStarted: Bool
  }
}
