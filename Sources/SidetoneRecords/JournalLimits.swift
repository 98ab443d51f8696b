// How much a journal may take, where its files lie, and what its parts tell each other.

import Sidetone

package struct JournalLimits: Sendable, Equatable {
  /// The longest entry, in bytes.
  package static var entryBytesMax: Int { @_noLocks get { 16_384 } }

  /// What waits between the relay's thread and the one that appends.
  package var ringBytes = 1 << 20
  /// What has been taken out of the ring and is not synced yet. It is kept so long, so that it can
  /// be written once more where the disk failed.
  package var stagedBytes = 1 << 21
  /// A segment is ended before it would be longer.
  package var segmentBytes = 4 << 20
  /// What all journals under the directory may take. Beyond it entries are dropped, interim ones
  /// from 15/16 of it on.
  package var bytesMax = 256 << 20
  /// How long after the first entry that is not synced a sync begins.
  package var syncMilliseconds = 50

  package init() {}

  /// Beyond so many bytes of all journals entries are dropped; of at least 1 MiB.
  package init(bytesMax: Int) {
    self.bytesMax = bytesMax
    segmentBytes = min(segmentBytes, bytesMax / 8)
  }

  /// The memory that a writer takes at its start.
  package var memoryBytes: Int { ringBytes + stagedBytes + JournalRecord.bytesMax }

  func check() {
    precondition(ringBytes >= 2 * JournalRecord.bytesMax, "the ring takes an entry")
    precondition(stagedBytes >= 2 * JournalRecord.bytesMax, "a record can be staged")
    precondition(segmentBytes >= SegmentHead.bytes + JournalRecord.bytesMax, "a segment takes one")
    precondition(bytesMax >= 4 * segmentBytes, "the courier deletes whole segments")
    precondition(syncMilliseconds >= 0)
  }
}

/// A place in a journal, behind an entry.
package struct JournalPosition: Sendable, Equatable, Comparable {
  /// 0: before the first segment.
  package var segment: UInt32
  /// From the beginning of the segment's file.
  package var offset: UInt64

  package static let start = JournalPosition(segment: 0, offset: 0)

  package init(segment: UInt32, offset: UInt64) {
    self.segment = segment
    self.offset = offset
  }

  package static func < (one: Self, other: Self) -> Bool {
    (one.segment, one.offset) < (other.segment, other.offset)
  }
}

/// Why entries were dropped.
package enum JournalLoss: Int, Sendable, CaseIterable {
  /// The ring was full: the disk did not keep up, or took nothing.
  case full
  /// Interim lines, of which the last word comes later, that had to make room.
  case interim
  /// The journals have reached `bytesMax`: nobody takes away what was delivered.
  case limit
  /// The disk failed several times at the same place.
  case disk
  /// Empty, or longer than `entryBytesMax`.
  case size

  /// For people.
  package var sentence: String {
    switch self {
    case .full: "the disk did not keep up"
    case .interim: "interim lines had to make room"
    case .limit: "the journals had reached their limit"
    case .disk: "the disk failed"
    case .size: "an entry was too long"
    }
  }
}

/// Entries dropped, by reason.
package struct JournalLosses: Sendable, Equatable {
  private var counts = InlineArray<5, Int>(repeating: 0)

  package init() {}

  package subscript(reason: JournalLoss) -> Int {
    get { counts[reason.rawValue] }
    set { counts[reason.rawValue] = newValue }
  }

  package var total: Int { JournalLoss.allCases.reduce(0) { $0 + self[$1] } }

  package static func == (one: Self, other: Self) -> Bool {
    JournalLoss.allCases.allSatisfy { one[$0] == other[$0] }
  }
}

package struct JournalStatus: Sendable, Equatable {
  /// Put so far, dropped ones too.
  package var entries = 0
  package var dropped = JournalLosses()
  /// What all journals under the directory take, as far as is known.
  package var bytes = 0
  /// Begun by this writer.
  package var segments = 0
  /// What the disk said last when it failed; empty where it never did.
  package var lastError = ""
  /// Whether the disk is failing now.
  package var isFailing = false
  /// How long the last sync took.
  package var syncSeconds = 0.0

  package init() {}
}

/// A journal that cannot be begun.
package struct JournalError: Error, Equatable, Sendable {
  /// What is wrong, and what to do.
  package let sentence: String
}

/// Where the files of journals lie.
enum JournalPath {
  static func journals(_ directory: String) -> String { "\(directory)/journal" }
  static func instance(_ directory: String, _ name: String) -> String {
    "\(journals(directory))/\(name)"
  }
  /// Not yet locked, and so not yet to be looked at.
  static func unborn(_ directory: String, _ name: String) -> String {
    "\(journals(directory))/.\(name)"
  }
  static func lock(_ instance: String) -> String { "\(instance)/lock" }

  private static let ending = ".segment"
  private static let digits = 8

  static func segment(_ number: UInt32) -> String {
    let text = String(number)
    return String(repeating: "0", count: max(digits - text.count, 0)) + text + ending
  }

  /// The number in the name of a segment's file; nil for another file.
  static func number(of name: String) -> UInt32? {
    guard name.hasSuffix(ending) else { return nil }
    let text = name.dropLast(ending.count)
    guard text.count >= digits, text.utf8.allSatisfy({ $0 &- 0x30 <= 9 }) else { return nil }
    return UInt32(text).flatMap { $0 > 0 ? $0 : nil }
  }

  /// Whether a name can be a directory's, and means no other one.
  static func isSafe(_ name: String) -> Bool {
    let bytes = name.utf8
    guard !bytes.isEmpty, bytes.count <= SegmentHead.instanceBytesMax, bytes.first != 0x2e else {
      return false
    }
    return bytes.allSatisfy { byte in
      let letter = byte | 0x20
      return byte &- 0x30 <= 9 || letter &- 0x61 <= 25 || [0x2d, 0x2e, 0x5f].contains(byte)
    }
  }
}
