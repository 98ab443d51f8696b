// What a server says about when to come back (RFC 9110 §10.2.3): seconds, or a date.

package enum HTTPRetryAfter {
  /// The milliseconds to wait from `now` (Unix milliseconds), never negative; nil where the value
  /// is neither a number of seconds nor a date of the form that is sent today (§5.6.7).
  package static func milliseconds(_ value: String, at now: Int64) -> Int64? {
    let text = value.trimmed
    if !text.isEmpty, text.utf8.allSatisfy({ $0 &- 0x30 <= 9 }) {
      // More than 13 digits are longer than anything that is heeded.
      return (Int64(text.prefix(13)) ?? 0) * 1000
    }
    return date(text).map { max(0, $0 - now) }
  }

  /// `Sun, 06 Nov 1994 08:49:37 GMT` in Unix milliseconds.
  private static func date(_ text: Substring) -> Int64? {
    let parts = text.split(separator: " ")
    guard parts.count == 6, parts[0].count == 4, parts[0].last == ",", parts[5] == "GMT",
      let day = number(parts[1], 1...31), let year = number(parts[3], 1970...9999),
      let month = months.firstIndex(of: String(parts[2]))
    else { return nil }
    let clock = parts[4].split(separator: ":", omittingEmptySubsequences: false)
    guard clock.count == 3, let hour = number(clock[0], 0...23),
      let minute = number(clock[1], 0...59), let second = number(clock[2], 0...60)
    else { return nil }
    let days = daysSince1970(year: year, month: Int64(month) + 1, day: day)
    return (((days * 24 + hour) * 60 + minute) * 60 + second) * 1000
  }

  private static let months = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
  ]

  private static func number(_ text: Substring, _ range: ClosedRange<Int64>) -> Int64? {
    guard text.utf8.allSatisfy({ $0 &- 0x30 <= 9 }), let value = Int64(text),
      range.contains(value)
    else { return nil }
    return value
  }

  /// The Gregorian calendar; the year is taken to begin in March, so that the leap day is its last.
  private static func daysSince1970(year: Int64, month: Int64, day: Int64) -> Int64 {
    let marchYear = month <= 2 ? year - 1 : year
    let marchMonth = (month + 9) % 12
    let days = 365 * marchYear + marchYear / 4 - marchYear / 100 + marchYear / 400
    return days + (153 * marchMonth + 2) / 5 + day - 1 - 719_468
  }
}

extension String {
  /// Without spaces and tabs around it.
  fileprivate var trimmed: Substring {
    let start = drop { $0 == " " || $0 == "\t" }
    let end = start.lastIndex { $0 != " " && $0 != "\t" }
    return end.map { start[...$0] } ?? ""
  }
}
