// Whether a caller's audio comes much faster than its format allows for, second after second, as
// live audio of another rate does: judged in the first seconds of a call. A file comes in one
// burst, and is then held back.

struct SpeedCheck: BitwiseCopyable {
  private static let window = Instant.Span.seconds(1)
  private static let windowsMax = 10
  private static let fastMax = 3
  private static let fastPercent = 150

  /// When the present window is over; `never` where nothing is judged.
  private var nextTime = Instant.never
  private var hasBegun = false
  private var bytes = 0
  private var windows = 0
  /// Windows in a row that were too fast.
  private var fast = 0

  /// When it is to look again.
  func time(after lastAudio: Instant) -> Instant {
    hasBegun ? nextTime : lastAudio == .never ? .never : .zero
  }

  /// Begins with the first audio; at the end of a window: how fast it was, in percent, where that
  /// is now to be said.
  mutating func look(received: Int, as format: Format, at now: Instant) -> Int? {
    guard hasBegun else {
      hasBegun = true
      bytes = received
      nextTime = now + Self.window
      return nil
    }
    guard nextTime <= now else { return nil }
    let span = (now - nextTime + Self.window).milliseconds
    let percent = (received &- bytes) &* 1000 / span &* 100 / format.bytesPerSecond
    bytes = received
    windows &+= 1
    fast = percent >= Self.fastPercent ? fast &+ 1 : 0
    let isOver = fast == Self.fastMax || windows == Self.windowsMax
    nextTime = isOver ? .never : now + Self.window
    return fast == Self.fastMax ? percent : nil
  }
}
