// How many entries were dropped, and of how many the journal's readers were told.

import Sidetone

struct JournalTally {
  /// Dropped, ever.
  private(set) var dropped = JournalLosses()
  private var told = JournalLosses()
  /// Not before that.
  var tellAt: Int64 = .min

  mutating func add(_ reason: JournalLoss, _ count: Int) { dropped[reason] += count }

  /// What the ring has dropped, ever, for a reason that only the ring has.
  mutating func ring(_ reason: JournalLoss, _ count: Int) {
    add(reason, count - fromRing[reason])
    fromRing[reason] = count
  }
  private var fromRing = JournalLosses()

  /// Nobody misses an interim line: its last word comes later.
  func untold(_ reason: JournalLoss) -> Int {
    reason == .interim ? 0 : dropped[reason] - told[reason]
  }
  var untold: Int { JournalLoss.allCases.reduce(0) { $0 + untold($1) } }

  mutating func told(_ reason: JournalLoss) { told[reason] = dropped[reason] }

  /// An entry that tells was lost as well.
  mutating func untell(_ entry: Bytes) {
    guard let count = JSON.find("count", in: entry), let said = entry[count.range].decimal,
      let reason = JSON.find("reason", in: entry)
    else { return }
    for loss in JournalLoss.allCases where entry[reason.range].string == loss.sentence {
      told[loss] -= said
    }
  }

  func entry(_ reason: JournalLoss, at now: JournalCore.Moment) -> [UInt8] {
    let call = String(repeating: "0", count: 16)
    let text =
      "{\"kind\":\"missing\",\"call\":\"\(call)\",\"at\":\(now.unixMilliseconds),"
      + "\"count\":\(untold(reason)),\"reason\":\"\(reason.sentence)\"}"
    return Array(text.utf8)
  }
}
