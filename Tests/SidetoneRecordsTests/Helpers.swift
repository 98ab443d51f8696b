// What the tests of the journal share: directories that go away, entries with numbers, and all that
// a journal holds.

import CLinux
import Foundation
import Sidetone
import Testing

@testable import SidetoneRecords

/// A directory that is removed with its owner.
final class Scratch {
  let path: String

  init() {
    let base = FileManager.default.temporaryDirectory.path
    path = "\(base)/sidetone-records-\(UUID().uuidString)"
    try? FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func journal(_ instance: String = "1-1") -> String { "\(path)/journal/\(instance)" }

  func segment(_ number: UInt32, of instance: String = "1-1") -> String {
    "\(journal(instance))/\(JournalPath.segment(number))"
  }

  func content(_ path: String) -> [UInt8] {
    FileManager.default.contents(atPath: path).map { [UInt8]($0) } ?? []
  }

  func write(_ bytes: [UInt8], to path: String) {
    let folder = (path as NSString).deletingLastPathComponent
    try? FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    #expect(FileManager.default.createFile(atPath: path, contents: Data(bytes)))
  }
}

enum Entry {
  /// An entry that says its number in `at`.
  static func numbered(_ number: Int, kind: String = "final", filling: Int = 0) -> [UInt8] {
    let text = String(repeating: "x", count: filling)
    return Array(
      "{\"kind\":\"\(kind)\",\"call\":\"00000000000000ab\",\"at\":\(number),\"text\":\"\(text)\"}"
        .utf8)
  }

  static func number(_ entry: [UInt8]) -> Int? {
    entry.withBytes { bytes in
      JSON.find("at", in: bytes).flatMap { bytes[$0.range].decimal }
    }
  }

  static func kind(_ entry: [UInt8]) -> String {
    entry.withBytes { bytes in
      JSON.find("kind", in: bytes).map { bytes[$0.range].string } ?? ""
    }
  }

  static func count(_ entry: [UInt8]) -> Int {
    entry.withBytes { bytes in
      JSON.find("count", in: bytes).flatMap { bytes[$0.range].decimal } ?? 0
    }
  }
}

extension JournalReader {
  /// All that can be read now, up to an end.
  mutating func rest() -> [JournalItem] {
    var items: [JournalItem] = []
    while true {
      let item = next()
      if item == .end { return items }
      items.append(item)
      if case .tooNew = item { return items }
    }
  }
}

extension [JournalItem] {
  var entries: [[UInt8]] {
    compactMap { if case .entry(let entry) = $0 { entry } else { nil } }
  }
  /// Of the entries that were put.
  var numbers: [Int] {
    entries.filter { Entry.kind($0) != "missing" }.compactMap(Entry.number)
  }
  /// How many entries are said to be missing.
  var missing: Int {
    entries.filter { Entry.kind($0) == "missing" }.reduce(0) { $0 + Entry.count($1) }
  }
  var damagedBytes: [Int] {
    compactMap { if case .damaged(let bytes, _) = $0 { bytes } else { nil } }
  }
}

extension JournalWriter {
  @discardableResult func put(_ entry: [UInt8]) -> Bool { entry.withBytes { put($0) } }

  /// Waits for the writer's word, at most ten seconds.
  func waitUntilSynced(_ sequence: UInt64) {
    wake()
    let end = cl_monotonic() + 10_000_000_000
    while synced < sequence, cl_monotonic() < end {
      _ = cl_wait_readable(news, 1000)
      _ = cl_counter_take(news)
    }
  }
}

extension JournalLimits {
  /// Small enough to be reached.
  static var small: JournalLimits {
    var limits = JournalLimits()
    limits.ringBytes = 1 << 16
    limits.stagedBytes = 1 << 16
    limits.segmentBytes = 1 << 15
    limits.bytesMax = 1 << 20
    limits.syncMilliseconds = 1
    return limits
  }
}
