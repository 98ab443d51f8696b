// The heap of deadlines, against a plain table.

import Testing

@testable import Sidetone

struct TimersTests {
  @Test func `a deadline is due at its time, once, and not before`() {
    var timers = Timers(capacity: 4)
    defer { timers.deallocate() }
    timers.set(2, Instant(nanoseconds: 100))
    #expect(timers.earliest == Instant(nanoseconds: 100))
    #expect(timers.due(at: Instant(nanoseconds: 99)) == nil)
    #expect(timers.due(at: Instant(nanoseconds: 100)) == 2)
    #expect(timers.due(at: .never) == nil)
    #expect(timers.earliest == .never && timers.deadline(of: 2) == .never)
  }

  @Test func `setting it again moves it; never takes it out`() {
    var timers = Timers(capacity: 4)
    defer { timers.deallocate() }
    timers.set(0, Instant(nanoseconds: 10))
    timers.set(1, Instant(nanoseconds: 20))
    timers.set(0, Instant(nanoseconds: 30))
    #expect(timers.earliest == Instant(nanoseconds: 20))
    timers.set(1, .never)
    timers.set(1, .never)
    #expect(timers.earliest == Instant(nanoseconds: 30))
    #expect(timers.deadline(of: 0) == Instant(nanoseconds: 30))
  }

  @Test(arguments: 1...30)
  func `the heap agrees with a plain table of deadlines`(seed: UInt64) {
    var dice = SeededRandom(seed: seed)
    var timers = Timers(capacity: 40)
    defer { timers.deallocate() }
    var table: [Int: Instant] = [:]
    var now = Instant.zero
    for _ in 0..<2000 {
      switch Int.random(in: 0..<4, using: &dice) {
      case 0, 1:
        let key = Int.random(in: 0..<40, using: &dice)
        let at = now + .microseconds(Int.random(in: 0..<50, using: &dice))
        timers.set(key, at)
        table[key] = at
      case 2:
        let key = Int.random(in: 0..<40, using: &dice)
        timers.set(key, .never)
        table[key] = nil
      default:
        now = now + .microseconds(Int.random(in: 0..<10, using: &dice))
        while let key = timers.due(at: now) {
          #expect(table[key] == table.values.min())
          #expect(table[key].map { $0 <= now } == true)
          table[key] = nil
        }
        #expect(table.values.allSatisfy { $0 > now })
      }
      #expect(timers.earliest == table.values.min() ?? .never)
    }
    for key in 0..<40 { #expect(timers.deadline(of: key) == table[key] ?? .never) }
  }
}
