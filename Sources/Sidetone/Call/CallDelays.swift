// Every frame.
//
// How late the relay made the frames of one call, both ways: the same as LatencyHistogram tells of
// all calls, in a hundred bytes. Steps of a quarter of a power of two, from 16 µs to 58 ms; a step
// that is full halves them all, which leaves the shares as they were. More than four seconds are
// told as four.

package struct CallDelays: BitwiseCopyable, Sendable {
  private static let bucketsMax = 48
  /// The first step begins at 2 to this power, in nanoseconds.
  private static let firstPower = 14
  /// What a floating-point number has in front of all but the two highest bits of its fraction.
  private static let shift = 50
  private static let first = Int(Double(1 << firstPower).bitPattern >> shift)

  private var counts = InlineArray<48, UInt16>(repeating: 0)
  private var worstNanoseconds: UInt32 = 0
  private var frames: UInt32 = 0

  package init() {}

  @_noAllocation package mutating func record(_ delay: Instant.Span) {
    frames &+= 1
    let nanoseconds = UInt32(clamping: delay.nanoseconds)
    worstNanoseconds = max(worstNanoseconds, nanoseconds)
    // Its exponent and two bits: the number of the step.
    let step = Int(Double(nanoseconds).bitPattern >> Self.shift)
    let bucket = min(max(step &- Self.first, 0), Self.bucketsMax &- 1)
    counts[bucket] &+= 1
    if counts[bucket] == .max { halve() }
  }

  @inline(never) @_noAllocation private mutating func halve() {
    for bucket in 0..<Self.bucketsMax { counts[bucket] /= 2 }
  }

  /// Nil where no frame was sent on.
  package var figures: Event.Delays? {
    guard frames > 0 else { return nil }
    return Event.Delays(
      frames: Int(frames), median: percentile(500), high: percentile(990), worst: worst)
  }

  private var worst: Instant.Span { Instant.Span(nanoseconds: Int64(worstNanoseconds)) }

  /// What this share of the frames did not exceed, to the next step up.
  private func percentile(_ perMille: Int) -> Instant.Span {
    var all = 0
    for bucket in 0..<Self.bucketsMax { all &+= Int(counts[bucket]) }
    let rank = (all &* perMille &+ 999) / 1000
    var seen = 0
    for bucket in 0..<Self.bucketsMax &- 1 {
      seen &+= Int(counts[bucket])
      if seen >= rank { return min(Self.ceiling(of: bucket), worst) }
    }
    return worst
  }

  private static func ceiling(of bucket: Int) -> Instant.Span {
    let quarters = Int64(bucket & 3) &+ 5
    return Instant.Span(nanoseconds: quarters << Int64(firstPower &- 2 &+ bucket >> 2))
  }
}
