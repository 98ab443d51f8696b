// Where a caller's audio was missing, by when it came and by what never did.

import Testing

@testable import Sidetone

struct GapsTests {
  /// A caller of 20 ms frames of µ-law, by hand.
  private struct Caller {
    var gaps = Gaps()
    var now = Instant.zero
    private var last = Instant.never
    private var received = 0

    mutating func frame(_ milliseconds: Int = 20) {
      if Gaps.mayBegin(after: last, at: now) {
        gaps.paused(after: last, received: received, as: .mulaw8k, at: now)
      }
      last = now
      received += 8 * milliseconds
    }

    /// So many frames, each when it is time for it.
    mutating func speak(_ frames: Int) {
      for _ in 0..<frames {
        frame()
        now = now + .milliseconds(20)
      }
    }

    mutating func pause(_ milliseconds: Int) { now = now + .milliseconds(milliseconds) }

    /// So much never came, and silence stands in for it.
    mutating func miss(_ milliseconds: Int) {
      gaps.missed(8 * milliseconds, as: .mulaw8k, at: now)
      received += 8 * milliseconds
    }

    var figures: [UInt32] { [gaps.figures.count, gaps.figures.milliseconds] }
  }

  @Test func `who sends in time has no gaps, nor who sends in advance`() {
    var caller = Caller()
    caller.speak(500)
    for _ in 0..<100 { caller.frame() }
    caller.pause(1900)
    caller.speak(50)
    #expect(caller.figures == [0, 0])
  }

  @Test func `a second that never comes is a gap of a second`() {
    var caller = Caller()
    caller.speak(50)
    caller.pause(1000)
    caller.speak(50)
    #expect(caller.figures == [1, 1000])
    caller.pause(1000)
    caller.speak(1)
    #expect(caller.figures == [2, 2000])
  }

  @Test(arguments: [(100, 0), (101, 1)])
  func `audio may be 100 ms late`(pause: Int, gaps: UInt32) {
    var caller = Caller()
    caller.speak(50)
    caller.pause(pause)
    caller.speak(50)
    #expect(caller.figures[0] == gaps)
  }

  @Test func `what comes late and all at once was a gap all the same`() {
    var caller = Caller()
    caller.speak(50)
    caller.pause(500)
    for _ in 0..<25 { caller.frame() }
    #expect(caller.figures == [1, 500])
  }

  @Test func `large messages last as long as they are`() {
    var caller = Caller()
    for _ in 0..<10 {
      caller.frame(1000)
      caller.pause(1000)
    }
    #expect(caller.figures == [0, 0])
  }

  @Test func `each frame that never came is a gap, however short`() {
    var caller = Caller()
    for _ in 0..<3 {
      caller.speak(2)
      caller.pause(20)
      caller.miss(20)
    }
    caller.speak(2)
    #expect(caller.figures == [3, 60])
  }

  @Test func `what never came is no second gap beside its pause`() {
    var caller = Caller()
    caller.speak(50)
    caller.pause(1000)
    caller.frame()
    caller.miss(600)
    caller.miss(400)
    caller.pause(20)
    caller.speak(50)
    #expect(caller.figures == [1, 1000])
    caller.pause(300)
    caller.speak(1)
    #expect(caller.figures == [2, 1300])
  }

  @Test func `more that never came than there was a pause makes the gap longer`() {
    var caller = Caller()
    caller.speak(50)
    caller.pause(200)
    caller.frame()
    caller.miss(300)
    #expect(caller.figures == [1, 300])
  }
}
