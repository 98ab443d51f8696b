// Every frame.
//
// What a peer has cost of late: its frames, whichever they are, the bytes of messages that are no
// audio, and of an upstream all bytes. (A caller's audio is held to the speed of its upstream, or
// to real time.) Each has a price in time, and time pays:
//
//     paid ------- now ----------- paidUntil ----- now + burst
//                   \____ debt ____/    what it may still spend at once
//
// A debt beyond the burst has the peer wait: it is not read until time has paid the excess. Its
// bytes stay in the kernel, and so with the peer. Who is still in debt when a wait ends, and has
// been without a break for `floodSpan`, sends for sending's sake. A call needs a few hundredths of
// what is allowed.

package struct Account: BitwiseCopyable, Sendable {
  /// Prices, and what may be owed.
  package struct Terms: BitwiseCopyable, Sendable {
    var frame: Int64
    var byte: Int64
    var byteBesideAudio: Int64
    var burst: Int64

    /// So many of each a second, and so many seconds' worth at once. `bytes`: whatever they are;
    /// nil: audio costs nothing.
    init(frames: Int64, bytes: Int64?, bytesBesideAudio: Int64, seconds: Int64) {
      frame = 1_000_000_000 / frames
      byte = bytes.map { 1_000_000_000 / $0 } ?? 0
      byteBesideAudio = 1_000_000_000 / bytesBesideAudio - byte
      burst = seconds * 1_000_000_000
    }

    static let caller = Terms(
      frames: 2000, bytes: nil, bytesBesideAudio: 128 << 10, seconds: 2)
    /// Models send all that they have to say at once: four minutes of it, and then 32 times as fast
    /// as anybody hears it.
    static let upstream = Terms(
      frames: 5000, bytes: 2 << 20, bytesBesideAudio: 1 << 20, seconds: 8)
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
    frames: Int, bytes: Int, besideAudio: Int, _ terms: Terms, at now: Instant
  ) {
    let cost = min(
      Int64(frames) &* terms.frame &+ Int64(bytes) &* terms.byte
        &+ Int64(besideAudio) &* terms.byteBesideAudio, terms.burst)
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
