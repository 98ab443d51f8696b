// Every frame.
//
// Two tracks of one call, sent as separate messages, become one stream of two channels (sample by
// sample, the first track left). They are laid side by side by the time stamps of the carrier's
// media clock:
//
//     inbound    ####|####|####|
//     outbound   ####|####|
//                         ^ given out up to here: where both are known
//
// A track that is late is waited for, at most 40 ms of the other's audio, or a message's where
// those are longer; then silence stands in for it, and it goes on behind that. This is the one
// exception to "a frame leaves in the turn in which it came".
//
// Clocks have any origin, and need not agree: where a track's clock lies beside the other's is what
// its first piece says, and anew whenever it is more than a second off.

/// One-byte samples (G.711) of two tracks. The audio itself lies in a block that the call's owner
/// lends.
package struct Pairing: BitwiseCopyable, Sendable {
  /// How far one track may run ahead of the other at least: 40 ms of 8 kHz.
  package static let waitSamples = 320
  /// The most that is laid down at once.
  package static let sliceSamples = capacity / 2
  /// What one track's half of the block holds.
  private static let capacity = BlockPool.blockBytes / 2
  /// A clock that is farther off has another origin now.
  private static let second = 8000
  /// After so many late pieces in a row a clock has gone back.
  private static let repeatsMax = 3

  /// Positions in samples since the stream began. `start` is given out already.
  private var start = 0
  private var ends = InlineArray<2, Int>(repeating: 0)
  /// Where the next samples of the piece that was placed last belong.
  private var position = 0
  /// How far one track may run ahead of the other: tracks come in turn, so by a whole piece.
  private var wait = waitSamples
  private var clocks = InlineArray<2, Clock>(repeating: Clock())
  private let silence: UInt8

  /// A track's media clock, in samples. Its numbers may be of any size: sums wrap around.
  private struct Clock: BitwiseCopyable {
    enum Stage: BitwiseCopyable, Equatable {
      /// Nothing was heard of it.
      case unknown
      case runs
      /// So many of its last pieces in a row were ones that it had sent before.
      case repeated(Int)
    }
    var stage = Stage.unknown
    /// From its time to a position.
    var offset = 0
    /// The time behind its last piece.
    var end = 0
  }

  package init(silence: UInt8) { self.silence = silence }

  /// Samples that wait for their partner.
  package var waiting: Int { @_noAllocation get { max(ends[0], ends[1]) &- start } }

  /// A piece of `count` samples comes: where it belongs, which `put` goes by. `timestamp` in
  /// milliseconds; negative: right behind the track's last. Answers how many samples at its front
  /// its track has sent before: they are to be dropped.
  @_noAllocation package mutating func place(_ count: Int, track: Int, timestamp: Int) -> Int {
    let known = max(ends[track], start)
    position = known
    wait = max(wait, min(count, Self.capacity))
    guard timestamp >= 0 else { return 0 }
    let time = timestamp &* 8
    findOffset(of: track, at: time, known)
    position = time &+ clocks[track].offset
    var late = 0
    if position < known {
      let back = clocks[track].end &- time
      late = sentBefore(count, back: back, track: track)
      if late == count { return late }
      clocks[track].offset = known &- time &- late
      position = known
    } else {
      clocks[track].stage = .runs
    }
    clocks[track].end = time &+ count
    return late
  }

  /// How many samples at the front of a piece whose time lies `back` its track has sent before. The
  /// same again, or what overtook it has been heard; so many times in a row it is the clock that
  /// went back. What is late only since silence stood in for it is no less worth hearing.
  private mutating func sentBefore(_ count: Int, back: Int, track: Int) -> Int {
    var repeats = 1
    if case .repeated(let before) = clocks[track].stage { repeats = before &+ 1 }
    guard back > 0, back <= Self.second, repeats < Self.repeatsMax,
      clocks[track].stage != .unknown
    else {
      clocks[track].stage = .runs
      return 0
    }
    clocks[track].stage = .repeated(repeats)
    return min(back, count)
  }

  /// The offset holds unless it is more than a second off; then the other's may do, if it has just
  /// been found, or both clocks are one.
  private mutating func findOffset(of track: Int, at time: Int, _ known: Int) {
    if clocks[track].stage != .unknown, isNear(time &+ clocks[track].offset, known) { return }
    let other = clocks[1 &- track]
    let isShared = other.stage != .unknown && isNear(time &+ other.offset, known)
    clocks[track].offset = isShared ? other.offset : known &- time
    clocks[track].stage = .unknown
  }

  private func isNear(_ position: Int, _ known: Int) -> Bool {
    let off = position &- known
    return off >= -Self.second && off <= Self.second
  }

  /// Lays samples of the piece that was placed last down, at most `sliceSamples`, the next ones
  /// behind them. Then `ready` says what may be taken. False: first that is to be taken, since
  /// there is no room yet.
  @_noAllocation package mutating func put(_ samples: Bytes, track: Int, in block: Bytes) -> Bool {
    precondition(samples.count <= Self.sliceSamples)
    let half = block[track &* Self.capacity..<(track &+ 1) &* Self.capacity]
    // The other track's samples may have been given out beyond it in the meantime.
    position = max(position, max(ends[track], start))
    let hasRoom = position &+ samples.count &- start <= Self.capacity
    let upTo = hasRoom ? position : min(position, start &+ Self.capacity)
    if upTo > ends[track] {
      half[ends[track] &- start..<upTo &- start].fill(silence)
      ends[track] = upTo
    }
    guard hasRoom else { return false }
    half.copy(samples, at: position &- start)
    position &+= samples.count
    ends[track] = position
    return true
  }

  /// How long, in milliseconds, a track is waited for.
  package var waitMilliseconds: Int { @_noAllocation get { wait / 8 } }

  /// How many samples of both channels must be given out at least for so many more to have room,
  /// behind the place that was found for them.
  @_noAllocation package func ready(for count: Int) -> Int {
    let missing = position &+ count &- start &- Self.capacity
    return max(ready(), min(missing, waiting))
  }

  /// How many samples of both channels may be given out now: as far as both are known, or up to the
  /// time that is waited behind the one that is ahead. `isFinal`: all there is.
  @_noAllocation package func ready(isFinal: Bool = false) -> Int {
    let both = min(ends[0], ends[1])
    let ahead = max(ends[0], ends[1])
    return (isFinal ? ahead : max(both, ahead &- wait)) &- start
  }

  /// Writes `count` samples of each channel, interleaved, into `place` (twice as many bytes).
  @_noAllocation package mutating func take(_ count: Int, from block: Bytes, into place: Bytes) {
    precondition(place.count == 2 &* count)
    for track in 0..<2 {
      let half = block[track &* Self.capacity..<(track &+ 1) &* Self.capacity]
      let known = min(max(ends[track] &- start, 0), count)
      for index in 0..<known { place[2 &* index &+ track] = half[index] }
      for index in known..<count { place[2 &* index &+ track] = silence }
    }
    drop(count, in: block)
  }

  /// Lets go of `count` samples of each channel.
  @_noAllocation package mutating func drop(_ count: Int, in block: Bytes) {
    precondition(count <= ready(isFinal: true))
    for track in 0..<2 {
      let half = block[track &* Self.capacity..<(track &+ 1) &* Self.capacity]
      let left = max(ends[track] &- start &- count, 0)
      half.copy(half[count..<count &+ left])
      ends[track] = max(ends[track], start &+ count)
    }
    start &+= count
  }
}
