// Every frame.
//
// When what the agent says goes to its caller.

package struct Playout: BitwiseCopyable, Sendable {
  /// How a carrier wants to be sent audio.
  package struct Manner: BitwiseCopyable, Sendable {
    package var carriage: Media.Carriage
    /// How far ahead of what is being played we may be.
    package var leadMilliseconds: Int
    /// The largest piece in one message.
    package var pieceMilliseconds: Int
    /// Every message holds just such a piece; what is missing is silence.
    package var isExact: Bool
    /// It says what it has played.
    package var hasMarks: Bool
  }
}
