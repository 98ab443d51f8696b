// Every frame.
//
// Numbered pieces of audio that overtook each other, put right. What comes in its turn passes
// untouched; what comes up to three places too early is held until those before it have come or
// are given up; what comes twice or too late is dropped.
//
//     given out   │ missing │ held │ (not yet) │ held │
//     ────────────┼─────────┼──────┼───────────┼──────┼────
//              expected    +1     +2          +3     beyond: the missing one is given up
//
// A number far off (a stream that began anew, or nonsense) is where the numbers go on from; every
// step either takes the piece or moves `expected` on, so no number makes this run long. How long a
// piece may be held is for the owner to watch: about 60 ms, then `giveUp`.

/// The audio itself lies in a block that the call's owner lends.
package struct Reorder: BitwiseCopyable, Sendable {
  /// How far ahead of its turn a piece may be.
  package static let window = 3
  /// The longest piece that can be held: 20 ms at 16 kHz, two bytes a sample.
  package static let pieceBytesMax = 640
  /// Numbers farther away than this are a new beginning, not a loss.
  private static let leap = 50

  package enum Verdict: BitwiseCopyable, Equatable, Sendable {
    /// It is this piece's turn; then `next` gives those that waited for it.
    case pass
    /// Kept for later.
    case held
    /// It was had before, or given up: to be dropped.
    case late
    /// So many pieces in front are given up: silence of `pieceBytes` stands in for each, then
    /// `next` gives those that waited, and then this piece is to be offered again.
    case gap(missing: Int)
  }

  /// The number of the next piece in turn; -1 before the first.
  private var expected = -1
  /// What is held, by number modulo the window: its number (-1: nothing) and its length.
  private var orders = InlineArray<3, Int>(repeating: -1)
  private var lengths = InlineArray<3, Int>(repeating: 0)
  /// How many pieces are held.
  package private(set) var waiting = 0
  /// The length of the latest piece, which is what a missing one is taken to have had.
  package private(set) var pieceBytes = 0

  package init() {}

  /// Judges a piece, and copies it into `block` (1,920 bytes) where it is to be held. An `order`
  /// below 0 is none: such a piece passes. `next` has given out all it had before.
  @_noAllocation package mutating func take(
    _ piece: Bytes, order: Int, in block: Bytes
  ) -> Verdict {
    guard order >= 0 else { return .pass }
    if expected < 0 { expected = order }
    let ahead = order &- expected
    if ahead < 0, ahead >= -Self.leap { return .late }
    if ahead > 0, ahead <= Self.window, piece.count <= Self.pieceBytesMax {
      return hold(piece, order, in: block)
    }
    if ahead < -Self.leap || ahead > Self.leap {
      if waiting > 0 { return .gap(missing: giveUp()) }
    } else if ahead > 0 {
      // Beyond the window, or too long to be held.
      let reach = piece.count <= Self.pieceBytesMax ? ahead &- Self.window : ahead
      return .gap(missing: skip(atMost: reach))
    }
    precondition(waiting == 0 || !isHeld(expected), "what waited was taken first")
    pieceBytes = piece.count
    expected = order &+ 1
    return .pass
  }

  /// The next piece of those that waited whose turn it is; nil where there is none. It lies in
  /// `block` until the next `take`.
  @_noAllocation package mutating func next(in block: Bytes) -> Bytes? {
    guard waiting > 0, isHeld(expected) else { return nil }
    let slot = expected % Self.window
    let start = slot &* Self.pieceBytesMax
    orders[slot] = -1
    waiting &-= 1
    expected &+= 1
    return block[start..<start &+ lengths[slot]]
  }

  /// Waits no longer for what is missing in front of the first piece that is held: how many those
  /// are; then `next` gives what waited. 0 where nothing is held.
  @_noAllocation package mutating func giveUp() -> Int {
    waiting > 0 ? skip(atMost: Self.window) : 0
  }

  /// Moves on by so many pieces, but not past one that is held.
  private mutating func skip(atMost most: Int) -> Int {
    var missing = 0
    while missing < most, !isHeld(expected) {
      expected &+= 1
      missing &+= 1
    }
    precondition(missing > 0, "what waited was taken first")
    return missing
  }

  private mutating func hold(_ piece: Bytes, _ order: Int, in block: Bytes) -> Verdict {
    let slot = order % Self.window
    guard orders[slot] != order else { return .late }
    block.copy(piece, at: slot &* Self.pieceBytesMax)
    orders[slot] = order
    lengths[slot] = piece.count
    waiting &+= 1
    pieceBytes = piece.count
    return .held
  }

  private func isHeld(_ order: Int) -> Bool { orders[order % Self.window] == order }
}
