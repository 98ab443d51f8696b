// What lies in a segment: a head, then records without a gap. Integers are little-endian.
//
//     head     0 "sidetone"   8 version   12 bytes of the head   16 segment's number   20 nothing
//             24 Unix milliseconds of its making   32 instance, filled up with zeros
//             … the head's last four bytes: CRC-32C of what is before them
//     record   0 mark   4 bytes of the entry   8 CRC-32C   12 sequence   20 the entry
//
// Magic, version, length and CRC of a head stay where they are in every version, so that one from
// the future is known for what it is. The mark is no UTF-8, and an entry is: so no entry looks like
// a record, and behind damage the next record is found.

import CKernels
import Sidetone

package struct SegmentHead: Equatable {
  package static let version: UInt32 = 1
  package static let bytes = 128
  /// A head of another version may be as long as that.
  package static let bytesMax = 4096
  package static let instanceBytesMax = 92

  package var number: UInt32
  package var unixMilliseconds: Int64
  package var instance: String

  private static let magic: StaticString = "sidetone"
  private static let crcBytes = 4

  package init(number: UInt32, unixMilliseconds: Int64, instance: String) {
    self.number = number
    self.unixMilliseconds = unixMilliseconds
    self.instance = instance
  }

  func write(to place: Bytes) {
    let head = place.prefix(Self.bytes)
    head.fill(0)
    head.copy(Self.magic.bytes)
    head.store(Self.version, at: 8)
    head.store(UInt32(Self.bytes), at: 12)
    head.store(number, at: 16)
    head.store(unixMilliseconds, at: 24)
    for (index, byte) in instance.utf8.prefix(Self.instanceBytesMax).enumerated() {
      head[32 + index] = byte
    }
    let end = Self.bytes - Self.crcBytes
    head.store(head.prefix(end).crc32c, at: end)
  }

  /// What the beginning of a segment is.
  enum Reading: Equatable {
    /// Ours, and the records begin at `end`.
    case head(end: Int)
    /// Of a version that this program does not know.
    case tooNew(UInt32)
    /// Right as far as it goes: the rest is still to be written.
    case unfinished
    case damaged
  }

  static func read(_ start: Bytes) -> Reading {
    let known = start.prefix(min(start.count, 8))
    if !known.equals(magic.bytes.prefix(known.count)) { return .damaged }
    guard start.count >= 16 else { return .unfinished }
    let count = Int(start.load(UInt32.self, at: 12))
    guard count >= 16 + crcBytes, count <= bytesMax else { return .damaged }
    guard start.count >= count else { return .unfinished }
    let end = count - crcBytes
    guard start.load(UInt32.self, at: end) == start.prefix(end).crc32c else { return .damaged }
    let found = start.load(UInt32.self, at: 8)
    return found > version ? .tooNew(found) : .head(end: count)
  }
}

package enum JournalRecord {
  package static let headBytes = 20
  package static let bytesMax = headBytes + JournalLimits.entryBytesMax
  /// The first byte of the mark.
  static let firstMark: UInt8 = 0xf5
  private static let mark: UInt32 = 0xfaf9_f8f5
  /// Set in the sequence of an entry that the writer itself has made, and that was never put: it
  /// has the number of the last one before it.
  private static let own: UInt64 = 1 << 63

  static func write(_ entry: Bytes, sequence: UInt64, isOwn: Bool, to place: Bytes) {
    place.store(mark, at: 0)
    place.store(UInt32(entry.count), at: 4)
    place.store(sequence | (isOwn ? own : 0), at: 12)
    place.copy(entry, at: headBytes)
    place.store(crc(place.prefix(headBytes + entry.count)), at: 8)
  }

  /// Over the length, the sequence and the entry.
  private static func crc(_ record: Bytes) -> UInt32 {
    let length = record[4..<8].crc32c
    let rest = record.dropping(12)
    return unsafe ck_crc32c(length, rest.base, rest.count)
  }

  /// All of it, head and entry.
  static func length(of record: Bytes) -> Int {
    headBytes + Int(record.load(UInt32.self, at: 4))
  }
  static func sequence(of record: Bytes) -> UInt64 { record.load(UInt64.self, at: 12) & ~own }
  static func isOwn(_ record: Bytes) -> Bool { record.load(UInt64.self, at: 12) & own != 0 }

  enum Reading: Equatable {
    /// So many bytes are a record.
    case record(Int)
    /// Right as far as it goes: the rest is still to be written, or never was.
    case unfinished
    case damaged
  }

  /// What lies at the beginning of these bytes.
  static func read(_ bytes: Bytes) -> Reading {
    guard bytes.count >= 4 else {
      let expected: [UInt8] = [0xf5, 0xf8, 0xf9, 0xfa]
      return bytes.array == Array(expected[..<bytes.count]) ? .unfinished : .damaged
    }
    guard bytes.load(UInt32.self, at: 0) == mark else { return .damaged }
    guard bytes.count >= headBytes else { return .unfinished }
    let length = length(of: bytes)
    guard length > headBytes, length <= bytesMax else { return .damaged }
    guard bytes.count >= length else { return .unfinished }
    let record = bytes.prefix(length)
    return record.load(UInt32.self, at: 8) == crc(record) ? .record(length) : .damaged
  }
}

extension Bytes {
  var crc32c: UInt32 { unsafe ck_crc32c(0, base, count) }
}
