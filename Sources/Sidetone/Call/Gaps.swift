// Every frame.
//
// Where a caller's audio was missing, as it would be heard by a listener who plays it as it comes:
// there is nothing to play from where the audio that came is over until more comes.
//
//     spurtAt        runs dry      more comes
//   ────┴───────────────┴──────────────┴────────────
//        audio that came  ── late by ──
//
// 1. A pause is a gap where it makes the next audio more than 100 ms late.
// 2. So is whatever never came, by the carrier's own numbers or its clock, however short.
// 3. What never came may be why there was a pause: so much of it as fits is the same gap.

package struct Gaps: BitwiseCopyable, Sendable {
  /// How late audio may be before that is a gap.
  package static let lateness = Instant.Span.milliseconds(100)

  package private(set) var figures = Event.SideFigures.Gaps()
  /// How much of the latest pause is not explained yet, and when it was over.
  private var pause: UInt32 = 0
  private var pauseEnd = Instant.zero
  /// Since when audio has been played without a pause, and with which byte of the call that began.
  private var spurtAt = Instant.zero
  private var spurt = 0

  package init() {}

  /// Whether so long a time since the last audio has to be looked at; before the first, always.
  @inline(__always) package static func mayBegin(after last: Instant, at now: Instant) -> Bool {
    UInt64(bitPattern: (now - last).nanoseconds) > UInt64(lateness.nanoseconds)
  }

  /// Audio comes after a pause, the first of all where `last` is `never`; so many bytes came before
  /// it.
  @_noAllocation package mutating func paused(
    after last: Instant, received: Int, as format: Format, at now: Instant
  ) {
    if last != .never {
      let dry = spurtAt + .milliseconds(format.milliseconds(forBytes: received &- spurt))
      guard now - dry > Self.lateness else { return }
      pause = UInt32(clamping: (now - dry).milliseconds)
      pauseEnd = now
      figures.count &+= 1
      figures.milliseconds &+= pause
    }
    spurt = received
    spurtAt = now
  }

  /// So many bytes never came; silence stands in for them.
  @_noAllocation package mutating func missed(
    _ bytes: Int, as format: Format, at now: Instant
  ) {
    let length = UInt32(clamping: format.milliseconds(forBytes: bytes))
    let isPause = pause > 0 && now - pauseEnd <= Self.lateness
    let explained = isPause ? min(length, pause) : 0
    if isPause { spurt &+= bytes } else { figures.count &+= 1 }
    pause &-= explained
    figures.milliseconds &+= length &- explained
  }

  /// What was one channel of one-byte samples is one of two.
  @_noAllocation mutating func becomeTwoChannels() { spurt &*= 2 }
}
