// Every frame.
//
// What a peer has cost of late beside the audio that a call is about: its frames, whichever they
// are, and the bytes of those messages that are no audio. Both have a price in time, and time pays:
//
//     paid ------- now ----------- paidUntil ----- now + burst
//                   \____ debt ____/    what it may still spend at once
//
// A debt beyond the burst has the peer wait: it is not read until time has paid the excess. Its
// bytes stay in the kernel, and so with the peer. One who then is in debt without a break, and at
// its end, for as long as `floodSpan`, sends for sending's sake. A call needs a hundredth of it.

package struct Account: BitwiseCopyable, Sendable {
  /// Prices, and what may be owed.
  package struct Terms: BitwiseCopyable, Sendable {
    var frame: Int64
    var byte: Int64
    var burst: Int64

    /// So many frames and bytes a second, and so many seconds' worth at once.
    init(framesPerSecond: Int64, bytesPerSecond: Int64, seconds: Int64) {
      frame = 1_000_000_000 / framesPerSecond
      byte = 1_000_000_000 / bytesPerSecond
      burst = seconds * 1_000_000_000
    }

    static let caller = Terms(framesPerSecond: 2000, bytesPerSecond: 128 << 10, seconds: 2)
    /// Models send all that they have to say at once.
    static let upstream = Terms(framesPerSecond: 5000, bytesPerSecond: 1 << 20, seconds: 4)
  }

  static let floodSpan = Instant.Span.seconds(10)

  private var paidUntil = Instant.zero
  /// Since when it has been in debt.
  private var inDebtSince = Instant.zero
  /// How long it must wait.
  private(set) var waitsUntil = Instant.zero

  package init() {}

  /// One thing costs no more than may be owed, so that nobody waits longer than for that.
  @_noAllocation @inline(__always) mutating func charge(
    frames: Int, bytes: Int, _ terms: Terms, at now: Instant
  ) {
    let cost = min(Int64(frames) &* terms.frame &+ Int64(bytes) &* terms.byte, terms.burst)
    if paidUntil <= now {
      paidUntil = now
      inDebtSince = now
    }
    paidUntil = Instant(nanoseconds: paidUntil.nanoseconds &+ cost)
    waitsUntil = Instant(nanoseconds: paidUntil.nanoseconds &- terms.burst)
  }

  @inline(__always) func mustWait(at now: Instant) -> Bool { waitsUntil > now }

  /// Asked at the end of its wait.
  @_noAllocation func isFlood(at now: Instant) -> Bool {
    now - inDebtSince >= Self.floodSpan && paidUntil > now
  }
}
