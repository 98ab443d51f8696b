// Every frame.
//
// What was recorded, on its way to the caller. It lies in the memory of its route, ready at the
// caller's rate, and stays there: only what is soon played is taken into the ring, so however many
// callers hear it at once, they need no more room than others.
//
//   recorded ──takeRecorded──▶ ring ──play──▶ the caller's outbox
//
// What the agent says behind it waits behind it: then the rest is taken at once.

extension Downlink {
  /// Signed 16 bits a sample.
  static let recordedBytes = 2
  /// So much is taken ahead, several pieces of any carrier's; where less is left, more is taken.
  private static let aheadMilliseconds = 200
  private static let leastMilliseconds = 100
  private static let stepMilliseconds = 10

  /// Takes what is soon played.
  @_noAllocation mutating func takeRecorded(_ store: Store) {
    _ = takeRecorded(until: Self.aheadMilliseconds, store)
  }

  /// Takes all that is left. False where there is no room for it.
  @_noAllocation mutating func takeAllRecorded(_ store: Store) -> Bool {
    let blocks = recorded.count / BlockPool.blockBytes &+ 1
    guard store.pool.free &- blocks > store.limits.callsMax else { return false }
    return takeRecorded(until: .max, store)
  }

  private mutating func takeRecorded(until milliseconds: Int, _ store: Store) -> Bool {
    let step = reply.rate &* Self.stepMilliseconds / 1000 &* Self.recordedBytes
    let enough = milliseconds == .max ? Int.max : reply.rate &* milliseconds / 1000
    while !recorded.isEmpty, waiting < enough {
      let count = Samples.encode(recorded.bytes.prefix(step), as: reply, into: store.converted)
      guard keep(ready: store.converted.prefix(count), in: store.pool) else { return false }
      recorded = LentBytes(recorded.bytes.dropping(step))
    }
    return true
  }

  /// Takes the oldest stretch out where it is being played and a caller who speaks does not end it;
  /// it is put back when the others are gone.
  @_noAllocation mutating func takeUninterrupted(at now: Instant) -> Utterance? {
    guard utterances.count > 0, utterances[0].isUninterrupted,
      playout.played(at: now) < utterances[0].start &+ utterances[0].length
    else { return nil }
    return utterances.removeFirst()
  }

  /// More of it is wanted before anything else happens.
  @inline(__always) var isRecordedDue: Bool {
    !recorded.isEmpty && waiting < reply.rate &* Self.leastMilliseconds / 1000
  }
}
