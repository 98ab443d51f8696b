// Moments as people and files write them: RFC 3339, UTC.

import Sidetone

/// With milliseconds.
package func timestamp(_ milliseconds: Int64) -> String {
  let (nanoseconds, isTooLarge) = milliseconds.multipliedReportingOverflow(by: 1_000_000)
  var text = [UInt8](repeating: 0, count: 24)
  text.withMutableBytes { bytes in
    var writer = Writer(bytes)
    writer.write(timestamp: WallTime(nanoseconds: isTooLarge ? .max : nanoseconds))
  }
  return String(decoding: text, as: UTF8.self)
}

/// Unix milliseconds of a day, or of a moment to the second or millisecond; nil of anything else.
package func unixMilliseconds(of text: String) -> Int64? {
  let whole =
    switch text.utf8.count {
    case 10: "\(text)T00:00:00.000Z"
    case 20: "\(text.dropLast()).000Z"
    default: text
    }
  let numbers = whole.split { !$0.isASCII || !$0.isNumber }.compactMap { Int64($0) }
  guard numbers.count == 7, numbers[0] >= 1970 else { return nil }
  let days = days(numbers[0], numbers[1], numbers[2])
  let minutes = (days * 24 + numbers[3]) * 60 + numbers[4]
  let milliseconds = (minutes * 60 + numbers[5]) * 1000 + numbers[6]
  // What is no day, such as the 31st of June, and what is written otherwise, comes out as another.
  return timestamp(milliseconds) == whole ? milliseconds : nil
}

/// Days since 1970 of a date in the Gregorian calendar: years begin in March, so that a leap day is
/// the last of its year.
private func days(_ year: Int64, _ month: Int64, _ day: Int64) -> Int64 {
  let isEarly = month <= 2
  let years = isEarly ? year - 1 : year
  let leapDays = years / 4 - years / 100 + years / 400
  let months = isEarly ? month + 9 : month - 3
  return years * 365 + leapDays + (months * 153 + 2) / 5 + day - 1 - 719_468
}
