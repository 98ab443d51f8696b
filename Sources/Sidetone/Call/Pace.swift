// Every frame.

/// How fast a backlog may go: a bucket that fills at a multiple of real time and holds one second,
/// so that a live caller's frames always pass at once. It counts millionths of a byte, which makes
/// it exact to the microsecond, however often it is asked.
struct Pace: BitwiseCopyable, Sendable {
  private static let unit = 1_000_000
  private var bytesPerSecond = 0
  private var percent = 0
  private var bucket = 0
  private var filled = Instant.zero

  init() {}

  init(bytesPerSecond: Int, percent: Int, at now: Instant) {
    self.bytesPerSecond = bytesPerSecond
    self.percent = percent
    restart(at: now)
  }

  /// `extra`: so much more may go at once.
  @_noAllocation mutating func restart(with extra: Int = 0, at now: Instant) {
    bucket = (bytesPerSecond &+ extra) &* Self.unit
    filled = now
  }

  /// Bytes a second, which is also units a microsecond.
  private var rate: Int { bytesPerSecond &* percent / 100 }

  @_noAllocation mutating func allowance(at now: Instant) -> Int {
    guard percent > 0 else { return .max }
    let microseconds = (now - filled).microseconds
    if microseconds > 0 {
      let gained = min(microseconds, 10_000_000) &* rate
      bucket = max(bucket, min(bucket &+ gained, bytesPerSecond &* Self.unit))
      filled = filled + .microseconds(microseconds)
    }
    return max(bucket, 0) / Self.unit
  }

  @_noAllocation mutating func spend(_ bytes: Int) {
    if percent > 0 { bucket &-= bytes &* Self.unit }
  }

  @_noAllocation func time(for bytes: Int, at now: Instant) -> Instant {
    guard percent > 0, bytes &* Self.unit > bucket else { return now }
    return filled + .microseconds((bytes &* Self.unit &- bucket &+ rate &- 1) / rate)
  }
}
