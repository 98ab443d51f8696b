// RFC 3339 time stamps, against known moments and against the rule of the calendar.
import Testing

@testable import Sidetone

struct TimestampTests {
  private func text(_ seconds: Int64, _ nanoseconds: Int64 = 0) -> String {
    let time = WallTime(nanoseconds: seconds * 1_000_000_000 + nanoseconds)
    return written { $0.write(timestamp: time) }.string
  }

  @Test(
    arguments: [
      (0, "1970-01-01T00:00:00.000Z"), (951_782_399, "2000-02-28T23:59:59.000Z"),
      (951_782_400, "2000-02-29T00:00:00.000Z"), (951_868_800, "2000-03-01T00:00:00.000Z"),
      (1_709_164_800, "2024-02-29T00:00:00.000Z"), (1_740_787_200, "2025-03-01T00:00:00.000Z"),
      (1_735_689_599, "2024-12-31T23:59:59.000Z"), (1_735_689_600, "2025-01-01T00:00:00.000Z"),
      (4_107_542_400, "2100-03-01T00:00:00.000Z"), (4_107_456_000, "2100-02-28T00:00:00.000Z"),
      (2_147_483_648, "2038-01-19T03:14:08.000Z"),
    ] as [(Int64, String)])
  func `known moments are written`(seconds: Int64, expected: String) {
    #expect(text(seconds) == expected)
  }

  @Test func `fractions are cut to milliseconds, never rounded into the future`() {
    #expect(text(0, 999_999_999) == "1970-01-01T00:00:00.999Z")
    #expect(text(0, 1_000_000) == "1970-01-01T00:00:00.001Z")
    #expect(text(0, 999_999) == "1970-01-01T00:00:00.000Z")
  }

  @Test func `every day until 2262 follows the one before`() {
    let place = kept(count: 32)
    var day: Int64 = 0
    for year in 1970..<2262 {
      let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
      for (month, days) in [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
        .enumerated()
      {
        for date in 1...days {
          var out = Writer(place)
          out.write(timestamp: WallTime(nanoseconds: day * 86_400_000_000_000))
          let number = [0..<4, 5..<7, 8..<10].map { out.written[$0].decimal }
          guard number == [year, month + 1, date] else {
            Issue.record("day \(day) is \(out.written.string)")
            return
          }
          day += 1
        }
      }
    }
  }
}
