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
// A track that is late is waited for, at most 40 ms of the other's audio; then silence stands in
// for it, and what comes afterwards for that time is dropped. This is the one exception to "a frame
// leaves in the turn in which it came".

/// One-byte samples (G.711) of two tracks. The audio itself lies in a block that the call's owner
/// lends.
package struct Pairing: BitwiseCopyable, Sendable {
  /// How far one track may run ahead of the other: 40 ms of 8 kHz.
  package static let waitSamples = 320
  /// What one track's half of the block holds.
  private static let capacity = BlockPool.blockBytes / 2

  /// Positions in samples since the stream began. `start` is given out already.
  private var start = -1
  private var ends = InlineArray<2, Int>(repeating: 0)
  private let silence: UInt8
  package private(set) var dropped = 0

  package init(silence: UInt8) { self.silence = silence }

  /// Samples that wait for their partner.
  package var waiting: Int {
    @_noAllocation get { start < 0 ? 0 : max(ends[0], ends[1]) &- start }
  }

  /// Lays a piece of a track down. `timestamp` in milliseconds; negative: right behind the track's
  /// last. Then `ready` says what may be taken. False: the piece is longer than the block holds.
  @_noAllocation package mutating func put(
    _ samples: Bytes, track: Int, timestamp: Int, in block: Bytes
  ) -> Bool {
    guard samples.count <= Self.capacity / 2, timestamp < 1 << 40 else { return false }
    var position = timestamp < 0 ? max(ends[track], start) : timestamp &* 8
    if start < 0 {
      start = position
      ends[0] = position
      ends[1] = position
    }
    var rest = samples
    // Time that was given out already, or that this track has spoken for: late or repeated.
    let known = max(ends[track], start)
    if position < known {
      let late = min(known &- position, rest.count)
      dropped &+= late
      rest = rest.dropping(late)
      position &+= late
      if rest.isEmpty { return true }
    }
    if position &+ rest.count &- start > Self.capacity { jump(to: position, in: block) }
    let half = block[track &* Self.capacity..<(track &+ 1) &* Self.capacity]
    if position > ends[track] {
      half[ends[track] &- start..<position &- start].fill(silence)
    }
    half.copy(rest, at: position &- start)
    ends[track] = position &+ rest.count
    return true
  }

  /// A leap of the media clock (a paused stream): what waits is forgotten, the gap is not made up.
  private mutating func jump(to position: Int, in block: Bytes) {
    dropped &+= waiting
    start = position
    ends[0] = position
    ends[1] = position
  }

  /// How many samples of both channels may be given out now: as far as both are known, or up to 40
  /// ms behind the one that is ahead. `isFinal`: all there is.
  @_noAllocation package func ready(isFinal: Bool = false) -> Int {
    guard start >= 0 else { return 0 }
    let both = min(ends[0], ends[1])
    let ahead = max(ends[0], ends[1])
    return (isFinal ? ahead : max(both, ahead &- Self.waitSamples)) &- start
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
