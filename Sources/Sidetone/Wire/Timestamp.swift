// Wall-clock time as people and records read it: RFC 3339, UTC, milliseconds.

extension Writer {
  /// For example `2026-11-20T10:00:00.123Z`. Times before 1970 are written as 1970.
  package mutating func write(timestamp time: WallTime) {
    let start = count
    write("0000-00-00T00:00:00.000Z")
    guard !overflowed else { return }
    let place = into[start..<count]
    let milliseconds = max(0, Int(time.nanoseconds / 1_000_000))
    let seconds = milliseconds / 1000
    let date = time.day
    place.write(pair: date.year / 100, at: 0)
    place.write(pair: date.year % 100, at: 2)
    place.write(pair: date.month, at: 5)
    place.write(pair: date.dayOfMonth, at: 8)
    place.write(pair: seconds / 3600 % 24, at: 11)
    place.write(pair: seconds / 60 % 60, at: 14)
    place.write(pair: seconds % 60, at: 17)
    place.write(pair: milliseconds % 1000 / 10, at: 20)
    place[22] = 0x30 &+ UInt8(truncatingIfNeeded: milliseconds % 10)
  }

  /// For example `2026-11-20`.
  package mutating func write(day: Day) {
    write(decimal: day.year, width: 4)
    write("-")
    write(decimal: day.month, width: 2)
    write("-")
    write(decimal: day.dayOfMonth, width: 2)
  }
}

extension WallTime {
  /// Its day, in UTC. Times before 1970 are of the first day of 1970.
  package var day: Day { Day(since1970: max(0, Int(nanoseconds / 1_000_000_000)) / 86_400) }
}

extension Day {
  /// The Gregorian date of a day counted from 1 January 1970. The year is taken to begin in March,
  /// so that the leap day is its last.
  init(since1970 day: Int) {
    // Days since 1 March 0000; an era has 400 years and 146,097 days.
    let shifted = day + 719_468
    let era = shifted / 146_097
    let dayOfEra = shifted % 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let marchMonth = (5 * dayOfYear + 2) / 153
    let month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9
    self.init(
      era * 400 + yearOfEra + (month <= 2 ? 1 : 0), month,
      dayOfYear - (153 * marchMonth + 2) / 5 + 1)
  }
}

extension Bytes {
  /// Two digits of a number below 100.
  @inline(__always) fileprivate func write(pair value: Int, at place: Int) {
    let digits = UInt16(truncatingIfNeeded: value / 10 | (value % 10) << 8)
    store(0x3030 | digits, at: place)
  }
}
