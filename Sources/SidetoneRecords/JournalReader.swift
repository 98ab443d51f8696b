// Reads a journal, while it is being written or after its relay has died. It returns each entry
// once, in order. Where there is nothing more a later call may find more: a record that is not
// whole is one that is being written, or that never will be, as long as nothing lies behind it.

import Sidetone

package enum JournalItem: Equatable, Sendable {
  /// A JSON object, as it was put.
  case entry([UInt8])
  /// Nothing more now.
  case end
  /// So many bytes are skipped, which are no records; the sentence says where.
  case damaged(bytes: Int, String)
  /// The next segment was written by a later version of this program. It stays, the position before
  /// it too: whoever knows that version reads on from there. To be treated as an end.
  case tooNew(version: Int)
}

package struct JournalReader {
  /// Behind what was returned last.
  package private(set) var position: JournalPosition
  /// Why the last end may be none: what the disk said. Empty where it said nothing.
  package private(set) var trouble = ""

  private let directory: String
  private let disk: any Disk
  private var segment: SegmentFile?
  /// The sequence numbers of what was returned since the last damage: what has one of these is a
  /// twin, left behind by a write that failed and was made again elsewhere.
  private var returned: ClosedRange<UInt64>?

  /// `directory`: of one instance.
  package init(directory: String, from position: JournalPosition = .start) {
    self.init(directory: directory, from: position, disk: LinuxDisk())
  }

  package init(directory: String, from position: JournalPosition, disk: any Disk) {
    self.directory = directory
    self.position = position
    self.disk = disk
  }

  package mutating func next() -> JournalItem {
    trouble = ""
    while true {
      guard let segment = segment ?? open() else { return .end }
      switch look(segment) {
      case .record(let length):
        if let entry = take(length, of: segment) { return .entry(entry) }
      case .head(let end): position.offset = UInt64(end)
      case .tooNew(let version): return .tooNew(version: Int(version))
      case .nothing:
        if let item = lookBehind(segment) { return item }
      }
    }
  }

  /// The segment at the position, or the next one that is there.
  private mutating func open() -> SegmentFile? {
    do throws(DiskError) {
      guard let number = try numbers().first(where: { $0 >= position.segment }) else { return nil }
      let opened = try SegmentFile(number, in: directory, on: disk)
      if number != position.segment { position = JournalPosition(segment: number, offset: 0) }
      segment = opened
      return opened
    } catch {
      trouble = JournalStart.sentence(error, directory)
      return nil
    }
  }

  private func numbers() throws(DiskError) -> [UInt32] {
    try disk.names(in: directory).compactMap(JournalPath.number).sorted()
  }

  private var offset: Int { Int(position.offset) }

  private enum Found {
    case record(Int)
    case head(end: Int)
    case tooNew(UInt32)
    /// Neither a record nor a head.
    case nothing
  }

  /// What lies at the position.
  private func look(_ segment: SegmentFile) -> Found {
    if offset > 0 {
      let bytes = segment.bytes(at: offset, JournalRecord.bytesMax)
      if case .record(let length) = JournalRecord.read(bytes) { return .record(length) }
      return .nothing
    }
    switch SegmentHead.read(segment.bytes(at: 0, SegmentHead.bytesMax)) {
    case .head(let end): return .head(end: end)
    case .tooNew(let version): return .tooNew(version)
    case .unfinished, .damaged: return .nothing
    }
  }

  /// Nil: it is a twin.
  private mutating func take(_ length: Int, of segment: SegmentFile) -> [UInt8]? {
    let record = segment.bytes(at: offset, length)
    position.offset += UInt64(length)
    let entry = record.dropping(JournalRecord.headBytes)
    if JournalRecord.isOwn(record) { return entry.array }
    let sequence = JournalRecord.sequence(of: record)
    if let returned, returned.contains(sequence) { return nil }
    let first = min(returned?.lowerBound ?? sequence, sequence)
    returned = first...max(returned?.upperBound ?? sequence, sequence)
    return entry.array
  }

  // MARK: Where no record is

  /// Nil: look again.
  private mutating func lookBehind(_ segment: SegmentFile) -> JournalItem? {
    // In this order: a segment is complete once there is another behind it.
    let next: UInt32?
    do throws(DiskError) {
      next = try numbers().first { $0 > segment.number }
    } catch {
      trouble = JournalStart.sentence(error, directory)
      return .end
    }
    segment.forget()
    if case .nothing = look(segment) {} else { return nil }
    let size = segment.size
    if offset < size {
      if let record = firstRecord(behind: offset, in: segment) {
        // While we looked the writer may have gone on.
        segment.forget()
        if case .nothing = look(segment) {} else { return nil }
        return skip(to: record, of: segment, "before the next record")
      }
      if next != nil { return skip(to: size, of: segment, "up to the segment's end") }
      let isHead = offset == 0 && size >= SegmentHead.bytes
      if isHead, SegmentHead.read(segment.bytes(at: 0, SegmentHead.bytesMax)) == .damaged {
        return skip(to: size, of: segment, "of what should be a segment")
      }
    }
    guard let next else {
      if let error = segment.trouble { trouble = JournalStart.sentence(error, directory) }
      return .end
    }
    position = JournalPosition(segment: next, offset: 0)
    self.segment = nil
    return nil
  }

  private func firstRecord(behind start: Int, in segment: SegmentFile) -> Int? {
    var at = start + 1
    while true {
      let run = segment.run(at: at)
      if run.isEmpty { return nil }
      guard let found = run.firstIndex(of: JournalRecord.firstMark) else {
        at += run.count
        continue
      }
      at += found
      let bytes = segment.bytes(at: at, JournalRecord.bytesMax)
      if case .record = JournalRecord.read(bytes) { return at }
      at += 1
    }
  }

  private mutating func skip(
    to end: Int, of segment: SegmentFile, _ where: String
  ) -> JournalItem {
    let count = end - offset
    var sentence =
      "\(JournalPath.segment(segment.number)): \(count) bytes from \(offset) on, "
      + "\(`where`), are no records"
    let record = segment.bytes(at: end, JournalRecord.bytesMax)
    if let last = returned?.upperBound, case .record = JournalRecord.read(record) {
      let next = JournalRecord.sequence(of: record)
      if next > last { sentence += "; at most \(next - last - 1) entries" }
    }
    returned = nil
    if let error = segment.trouble { sentence += "; the disk: \(LinuxDisk.text(error.number))" }
    position.offset = UInt64(end)
    return .damaged(bytes: count, sentence)
  }
}

extension JournalReader {
  /// The names under `<directory>/journal`, the oldest first: `directory` is that of all records.
  package static func instances(of directory: String) -> [String] {
    let names = try? LinuxDisk().names(in: JournalPath.journals(directory))
    return (names ?? []).filter(JournalPath.isSafe).sorted { one, other in
      (one.utf8.count, one) < (other.utf8.count, other)
    }
  }

  /// Of the relay that writes a journal.
  package enum Writer: Equatable, Sendable {
    case alive, dead
    /// The disk does not say; why.
    case unknown(String)
  }

  /// Whether the relay that writes there lives. `instanceDirectory`: as given to `init`.
  package static func writer(of instanceDirectory: String) -> Writer {
    let path = JournalPath.lock(instanceDirectory)
    do throws(DiskError) {
      return try LinuxDisk().isLocked(path) ? .alive : .dead
    } catch {
      return .unknown(JournalStart.sentence(error, path))
    }
  }
}
