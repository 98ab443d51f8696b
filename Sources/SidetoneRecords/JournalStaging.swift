// The records that are not synced yet, in the order of their entries, ready to be written. Places
// are counted from the journal's beginning, and never again from zero.

import Sidetone

struct JournalStaging {
  private let buffer: Buffer
  /// The place that lies at the buffer's beginning.
  private var base = 0
  /// Of the oldest record that is kept, and behind the newest one.
  private(set) var start = 0
  private(set) var end = 0

  init(capacity: Int) { buffer = Buffer(count: capacity) }

  func bytes(_ range: Range<Int>) -> Bytes {
    precondition(range.lowerBound >= start && range.upperBound <= end)
    return buffer.bytes[range.lowerBound - base..<range.upperBound - base]
  }

  /// The record that begins at this place.
  func record(at place: Int) -> Bytes {
    let rest = bytes(place..<end)
    return rest.prefix(JournalRecord.length(of: rest))
  }

  /// The places where records begin, from one up to another.
  func places(_ range: Range<Int>) -> [Int] {
    var places: [Int] = []
    var place = range.lowerBound
    while place < range.upperBound {
      places.append(place)
      place += record(at: place).count
    }
    return places
  }

  /// False: there is no room.
  mutating func add(_ entry: Bytes, sequence: UInt64, isOwn: Bool = false) -> Bool {
    let length = JournalRecord.headBytes + entry.count
    guard end - start + length <= buffer.bytes.count else { return false }
    if end - base + length > buffer.bytes.count { moveDown() }
    let place = buffer.bytes.dropping(end - base)
    JournalRecord.write(entry, sequence: sequence, isOwn: isOwn, to: place)
    end += length
    return true
  }

  private mutating func moveDown() {
    buffer.bytes.copy(bytes(start..<end))
    base = start
  }

  /// What lies before this place is synced or given up.
  mutating func release(before place: Int) {
    precondition(place >= start && place <= end)
    start = place
  }
}
