// Every frame.
//
// How late we make a frame: the time from the turn in which its bytes were read to the moment at
// which the other leg's socket had taken them. Kept as a histogram with steps of about 6 %, which
// is all that a percentile needs.

@safe package struct LatencyHistogram: @unchecked Sendable {
  /// Each power of two is cut into 16 steps; 64 powers would be more than enough for nanoseconds.
  private static let steps = 16
  private var counts = InlineArray<768, UInt64>(repeating: 0)
  package private(set) var count: UInt64 = 0
  package private(set) var sum = Instant.Span.zero
  package private(set) var worst = Instant.Span.zero

  package init() {}

  @_noAllocation package mutating func record(_ delay: Instant.Span) {
    let nanoseconds = UInt64(max(delay.nanoseconds, 0))
    counts[Self.bucket(of: nanoseconds)] &+= 1
    count &+= 1
    sum = sum + delay
    if delay > worst { worst = delay }
  }

  /// The delay that this share of the frames (0 to 1000 per mille) did not exceed, to the next step
  /// up. Not marked: the compiler believes that to let go of a span may free something.
  package func percentile(perMille: UInt64) -> Instant.Span {
    guard count > 0 else { return .zero }
    let rank = (count &* perMille &+ 999) / 1000
    let counts = counts.span
    var seen: UInt64 = 0
    for bucket in 0..<counts.count {
      seen &+= counts[bucket]
      if seen >= rank, seen > 0 { return min(Self.ceiling(of: bucket), worst) }
    }
    return worst
  }

  /// How many frames were delayed by no more than this. Not marked, as `percentile` is not.
  package func count(upTo delay: Instant.Span) -> UInt64 {
    // Read through a span: an element of an array in here would be read from a copy of them all.
    let counts = counts.span
    var seen: UInt64 = 0
    for bucket in 0..<Self.bucket(of: UInt64(max(delay.nanoseconds, 0)) &+ 1) {
      seen &+= counts[bucket]
    }
    return seen
  }

  private static func bucket(of nanoseconds: UInt64) -> Int {
    guard nanoseconds >= 16 else { return Int(nanoseconds) }
    let power = 63 &- nanoseconds.leadingZeroBitCount
    let step = Int(nanoseconds >> UInt64(power &- 4)) & 15
    return min((power &- 3) &* steps &+ step, 767)
  }

  private static func ceiling(of bucket: Int) -> Instant.Span {
    guard bucket >= 16 else { return Instant.Span(nanoseconds: Int64(bucket)) }
    let power = bucket / steps &+ 3
    let step = bucket % steps
    let ceiling = (UInt64(16 &+ step &+ 1) << UInt64(power &- 4)) &- 1
    return Instant.Span(nanoseconds: Int64(ceiling))
  }
}
