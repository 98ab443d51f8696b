// The bytes of a segment, and what a reader makes of bytes that are not quite a segment.

import CKernels
import Foundation
import RecordsSupport
import Sidetone
import Testing

@testable import SidetoneRecords

struct FormatTests {
  /// A head and the records of these entries, of which the first has sequence number 1.
  static func segment(_ entries: [[UInt8]], number: UInt32 = 1, first: UInt64 = 1) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: SegmentHead.bytes)
    bytes.withMutableBytes {
      SegmentHead(number: number, unixMilliseconds: 1, instance: "1-1").write(to: $0)
    }
    for (index, entry) in entries.enumerated() {
      bytes += record(entry, sequence: first + UInt64(index))
    }
    return bytes
  }

  static func record(_ entry: [UInt8], sequence: UInt64) -> [UInt8] {
    var record = [UInt8](repeating: 0, count: JournalRecord.headBytes + entry.count)
    record.withMutableBytes { place in
      entry.withBytes { JournalRecord.write($0, sequence: sequence, isOwn: false, to: place) }
    }
    return record
  }

  /// What is read of segments with these contents, in order from number 1.
  static func read(_ segments: [[UInt8]]) -> [JournalItem] {
    let disk = FakeDisk(seed: 0)
    for (index, bytes) in segments.enumerated() {
      disk.lay(bytes, at: "journal/\(JournalPath.segment(UInt32(index + 1)))")
    }
    var reader = JournalReader(directory: "journal", from: .start, disk: disk)
    return reader.rest()
  }

  private static let three = (1...3).map { Entry.numbered($0) }

  // MARK: Version 1

  /// Written once and for all: whatever comes later has to read this.
  @Test func `a segment of version 1 is read`() throws {
    let head: [UInt8] =
      Array("sidetone".utf8) + [1, 0, 0, 0, 128, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0]
      + [0x00, 0x14, 0x9c, 0xc2, 0x9a, 0x01, 0x00, 0x00] + Array("1764201600000-42".utf8)
      + [UInt8](repeating: 0, count: 76) + [0xb0, 0xd2, 0x91, 0xc2]
    let entry = Array("{\"kind\":\"key\",\"call\":\"00000000000000ab\",\"at\":5,\"new\":[1]}".utf8)
    let record: [UInt8] =
      [0xf5, 0xf8, 0xf9, 0xfa, 57, 0, 0, 0, 0xf5, 0x9d, 0x12, 0x6e] + [9, 0, 0, 0, 0, 0, 0, 0]
      + entry
    #expect(Self.read([head + record]) == [.entry(entry)])
    // And written as it was.
    var written = [UInt8](repeating: 0xff, count: SegmentHead.bytes)
    written.withMutableBytes {
      SegmentHead(
        number: 7, unixMilliseconds: 1_764_201_600_000, instance: "1764201600000-42"
      ).write(to: $0)
    }
    #expect(written == head)
    #expect(Self.record(entry, sequence: 9) == record)
  }

  @Test func `both ways to a CRC agree, and with the standard's example`() {
    let digits = Array("123456789".utf8)
    #expect(digits.withBytes { $0.crc32c } == 0xe306_9283)
    let bytes = (0..<300).map { UInt8(truncatingIfNeeded: $0 &* 167) }
    for count in 0...bytes.count {
      bytes.withBytes { all in
        #expect(
          ck_crc32c(7, all.base, count) == ck_crc32c_plain(7, all.base, count))
      }
    }
  }

  // MARK: Cut, damaged, from the future

  @Test func `a segment that is cut anywhere is read up to its last whole record`() {
    let whole = Self.segment(Self.three)
    let length = Self.record(Self.three[0], sequence: 1).count
    for count in 0..<whole.count {
      let items = Self.read([Array(whole[..<count])])
      let records = max(0, count - SegmentHead.bytes) / length
      #expect(items == Self.three[..<records].map { .entry($0) })
    }
  }

  @Test func `a cut segment with another behind it is damage, and told once`() {
    let whole = Self.segment(Self.three)
    let next = Self.segment([Entry.numbered(4)], number: 2, first: 4)
    for count in 1..<whole.count {
      let items = Self.read([Array(whole[..<count]), next])
      #expect(items.numbers.last == 4)
      let length = Self.record(Self.three[0], sequence: 1).count
      let start = SegmentHead.bytes
      let left = count < start ? count : (count - start) % length
      #expect(items.damagedBytes == (left > 0 ? [left] : []))
    }
    // An empty one was being made when its disk filled up.
    #expect(Self.read([[], next]).damagedBytes == [])
  }

  @Test func `one wrong byte anywhere costs one record at most`() {
    let whole = Self.segment(Self.three)
    let length = Self.record(Self.three[0], sequence: 1).count
    for place in whole.indices {
      var bytes = whole
      bytes[place] ^= 0x40
      let items = Self.read([bytes])
      let isHead = place < SegmentHead.bytes
      let hit = isHead ? 0 : (place - SegmentHead.bytes) / length + 1
      #expect(items.numbers == [1, 2, 3].filter { $0 != hit })
      // Nothing lies behind the last one: it may still be being written.
      if hit < 3 { #expect(items.damagedBytes == [isHead ? SegmentHead.bytes : length]) }
    }
  }

  @Test func `where entries were says the sentence`() throws {
    var bytes = Self.segment(Self.three)
    let length = Self.record(Self.three[0], sequence: 1).count
    bytes[SegmentHead.bytes + length + 30] ^= 1
    let item = try #require(
      Self.read([bytes]).first { if case .damaged = $0 { true } else { false } })
    guard case .damaged(_, let sentence) = item else { return }
    let start = SegmentHead.bytes + length
    #expect(
      sentence == "00000001.segment: \(length) bytes from \(start) on, before the next record, "
        + "are no records; at most 1 entries")
  }

  @Test func `zeros are no segment, and no record`() {
    let zeros = [UInt8](repeating: 0, count: 200_000)
    let next = Self.segment([Entry.numbered(4)], number: 2, first: 4)
    #expect(Self.read([zeros, next]).damagedBytes == [200_000])
    #expect(Self.read([zeros, next]).numbers == [4])
    #expect(Self.read([zeros]).damagedBytes == [200_000])
    // Behind records they are what a crash leaves where something was to be.
    #expect(Self.read([Self.segment(Self.three) + zeros]) == Self.three.map { .entry($0) })
    let between = Self.segment(Self.three) + zeros + Self.record(Entry.numbered(9), sequence: 9)
    let items = Self.read([between])
    #expect(items.numbers == [1, 2, 3, 9])
    #expect(items.damagedBytes == [200_000])
  }

  @Test func `any bytes end, and give no entry that was not put`() {
    var random = Random(seed: [7])
    for round in 0..<200 {
      var bytes = [UInt8](repeating: 0, count: Int(random.next() % 3000))
      bytes.withMutableBytes { random.fill($0) }
      // Marks without records.
      for index in bytes.indices where round % 2 == 0 && random.next() % 4 == 0 {
        bytes[index] = [0xf5, 0xf8, 0xf9, 0xfa][index % 4]
      }
      if round % 3 == 0 { bytes = Self.segment([]) + bytes }
      #expect(Self.read([bytes, Self.segment(Self.three, number: 2)]).numbers == [1, 2, 3])
    }
  }

  @Test func `a segment from the future is left in its place`() throws {
    var future = Self.segment(Self.three, number: 2)
    future.withMutableBytes { bytes in
      bytes.store(UInt32(2), at: 8)
      bytes.store(bytes.prefix(SegmentHead.bytes - 4).crc32c, at: SegmentHead.bytes - 4)
    }
    let scratch = Scratch()
    scratch.write(Self.segment([Entry.numbered(1)]), to: scratch.segment(1))
    scratch.write(future, to: scratch.segment(2))
    scratch.write(Self.segment(Self.three, number: 3), to: scratch.segment(3))
    var reader = JournalReader(directory: scratch.journal())
    #expect(reader.next() == .entry(Entry.numbered(1)))
    for _ in 0..<3 { #expect(reader.next() == .tooNew(version: 2)) }
    #expect(reader.position == JournalPosition(segment: 2, offset: 0))
    #expect(scratch.content(scratch.segment(2)) == future)
  }

  @Test func `a longer head of this version is read over`() {
    var longer = [UInt8](repeating: 0, count: 200)
    longer.withMutableBytes { bytes in
      SegmentHead(number: 1, unixMilliseconds: 1, instance: "1-1").write(to: bytes)
      bytes.store(UInt32(200), at: 12)
      bytes.store(bytes.prefix(196).crc32c, at: 196)
    }
    let items = Self.read([longer + Self.segment(Self.three).dropFirst(SegmentHead.bytes)])
    #expect(items == Self.three.map { .entry($0) })
  }

  @Test func `a twin of what was returned is passed over`() {
    let two = Self.segment([Entry.numbered(3), Entry.numbered(4)], number: 2, first: 3)
    #expect(Self.read([Self.segment(Self.three), two]).numbers == [1, 2, 3, 4])
  }

  @Test func `names of segments are numbers of eight digits or more`() {
    #expect(JournalPath.segment(1) == "00000001.segment")
    #expect(JournalPath.number(of: JournalPath.segment(.max)) == .max)
    for name in ["1.segment", "00000000.segment", "0000000x.segment", "00000001.segmen", "lock"] {
      #expect(JournalPath.number(of: name) == nil)
    }
    #expect(JournalPath.number(of: "99999999999.segment") == nil)
  }
}
