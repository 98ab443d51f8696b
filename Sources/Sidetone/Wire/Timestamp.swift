// Wall-clock time as people and records read it: RFC 3339, UTC, milliseconds.

extension Writer {
  /// For example `2026-11-20T10:00:00.123Z`. Times before 1970 are written as 1970.
  package mutating func write(timestamp time: WallTime) {
    let milliseconds = max(0, Int(time.nanoseconds / 1_000_000))
    let seconds = milliseconds / 1000
    write(day: time.day)
    write("T")
    write(decimal: seconds / 3600 % 24, width: 2)
    write(":")
    write(decimal: seconds / 60 % 60, width: 2)
    write(":")
    write(decimal: seconds % 60, width: 2)
    write(".")
    write(decimal: milliseconds % 1000, width: 3)
    write("Z")
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
