// How late the frames of one call were, in a hundred bytes.

import Testing

@testable import Sidetone

struct CallDelaysTests {
  private func figures(_ microseconds: [Int]) -> Event.Delays? {
    var delays = CallDelays()
    for delay in microseconds { delays.record(.microseconds(delay)) }
    return delays.figures
  }

  @Test func `without a frame nothing is known`() { #expect(figures([]) == nil) }

  @Test func `a share is told to the next quarter of a power of two up`() throws {
    for microseconds in stride(from: 20, through: 50_000, by: 7) {
      let all = try #require(
        figures([Int](repeating: microseconds, count: 99) + [100_000, 100_000]))
      #expect(all.frames == 101 && all.worst == .microseconds(100_000))
      #expect(all.median >= .microseconds(microseconds))
      #expect(all.median.microseconds <= microseconds * 5 / 4 + 1)
      #expect(all.high == .microseconds(100_000))
    }
  }

  @Test func `no share is more than the worst`() throws {
    let all = try #require(figures([3, 3, 3]))
    #expect(all.median == .microseconds(3) && all.high == all.median && all.worst == all.median)
    #expect(try #require(figures([0])).worst == .zero)
  }

  @Test func `half and the hundredth are told apart`() throws {
    let all = try #require(
      figures([Int](repeating: 50, count: 985) + [Int](repeating: 5000, count: 15)))
    #expect((50...64).contains(all.median.microseconds))
    #expect((5000...6250).contains(all.high.microseconds))
  }

  @Test func `a call of days keeps its shares`() throws {
    var delays = CallDelays()
    for frame in 0..<400_000 {
      delays.record(.microseconds(frame % 50 == 0 ? 5000 : 50))
    }
    let all = try #require(delays.figures)
    #expect(all.frames == 400_000)
    #expect((50...64).contains(all.median.microseconds))
    #expect((5000...6250).contains(all.high.microseconds))
  }

  @Test func `what a call keeps of its figures is small`() {
    let bytes =
      MemoryLayout<CallDelays>.size + 3 * MemoryLayout<SoundMeter>.size + MemoryLayout<Gaps>.size
      + MemoryLayout<Event.SideFigures.Gaps>.size + 2 * MemoryLayout<UInt32>.size
    #expect(bytes <= 256)
  }
}
