// Every frame.
//
// Keeps turns apart while many calls run, if the settings ask for it. Frames that came meanwhile
// share a wake-up then, which saves processor time and costs each of them some of the gap. Among
// few calls nothing is shared, so a gap would only cost: it begins with 20,000 frames a second from
// callers, which are 400 calls.

import Sidetone

struct TurnGap {
  private static let framesPerSecondMin = 20_000
  /// How long frames are counted before they are judged.
  private static let window = Instant.Span.milliseconds(100)

  private let gap: Instant.Span
  private let framesPerSecondMin: Int
  private var windowBegan = Instant.zero
  private var frames = 0
  /// Whether turns are kept apart at present.
  private(set) var isOn = false

  init(microseconds: Int, framesPerSecondMin: Int = Self.framesPerSecondMin) {
    gap = .microseconds(microseconds)
    self.framesPerSecondMin = framesPerSecondMin
  }

  /// Something came from a caller: a frame, as a rule.
  @inline(__always) mutating func countFrame() { frames &+= 1 }

  /// Judges the frames of a window that is over.
  @inline(__always) mutating func turnBegins(at now: Instant) {
    let span = now - windowBegan
    guard gap > .zero, span >= Self.window else { return }
    isOn = frames * 1_000_000 >= framesPerSecondMin * span.microseconds
    windowBegan = now
    frames = 0
  }

  /// When the loop may wait for events again after a turn: never later than `wake`, when something
  /// is due. Nil: now.
  @inline(__always) func pauseEnd(afterTurnAt began: Instant, wake: Instant) -> Instant? {
    guard isOn else { return nil }
    return min(began + gap, wake)
  }
}
