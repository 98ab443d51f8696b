// Every frame.
//
// An upstream's audio is data too: where in its messages what it says lies, as a path of names, read
// by one generic scanner. No upstream's name and no upstream's code is here.

package struct SpeechPath: BitwiseCopyable, Sendable {
  /// One piece of speech in a message.
  package struct Piece: Equatable, Sendable {
    /// Base64 text.
    package var payload: Range<Int>
    /// The name of what is being said; empty where it has none.
    package var item = 0..<0
    /// The message says more than this piece, so it has to be read as well.
    package var isNotAll = false
  }

  package enum Located: Equatable, Sendable {
    case speech(Piece)
    case other
    case malformed
  }
}
