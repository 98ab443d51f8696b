// The histogram of delays, against a sorted list.

import Testing

@testable import Sidetone

struct LatencyHistogramTests {
  @Test func `nothing recorded is no delay`() {
    let delays = LatencyHistogram()
    #expect(delays.percentile(perMille: 990) == .zero && delays.worst == .zero)
  }

  @Test(arguments: 1...20)
  func `a percentile is the right rank, to a step of at most one sixteenth`(seed: UInt64) {
    var dice = SeededRandom(seed: seed)
    var delays = LatencyHistogram()
    var all: [Int64] = []
    for _ in 0..<1000 {
      let delay = Int64.random(in: 0...(1 << Int64.random(in: 1...40, using: &dice)), using: &dice)
      delays.record(Instant.Span(nanoseconds: delay))
      all.append(delay)
    }
    all.sort()
    for perMille in [1, 500, 900, 990, 999, 1000] as [UInt64] {
      let exact = all[Int((1000 * perMille + 999) / 1000) - 1]
      let told = delays.percentile(perMille: perMille).nanoseconds
      #expect(told >= exact && told <= exact + exact / 16 + 1)
    }
    #expect(delays.worst.nanoseconds == all.last)
    #expect(delays.sum.nanoseconds == all.reduce(0, +) && delays.count == 1000)
    for bound in all where bound > 0 {
      // A step that is not whole below the bound is left out.
      let told = delays.count(upTo: Instant.Span(nanoseconds: bound))
      let surely = all.count { $0 + $0 / 16 < bound }
      #expect(told >= surely && told <= all.count { $0 <= bound })
    }
  }

  @Test
  func `the count up to a delay grows to all of them, and a clock that stood still is no delay`() {
    var delays = LatencyHistogram()
    for delay in [-5, 0, 10, 1000, 1_000_000] as [Int64] {
      delays.record(Instant.Span(nanoseconds: delay))
    }
    #expect(delays.count(upTo: .zero) == 2)
    #expect(delays.count(upTo: .microseconds(2)) == 4)
    #expect(delays.count(upTo: .seconds(1)) == 5)
  }
}
