// Directories that go away, journals with what is wanted in them, and destinations that do as they
// are told.

import CLinux
import Foundation
import Sidetone
import SidetoneRecords

@testable import SidetoneCourier

/// Foundation has another one.
typealias Destination = SidetoneCourier.Destination

/// Removed with what is in it when nobody needs it any more.
final class Folder {
  let path: String

  init() {
    path = NSTemporaryDirectory() + "courier-" + UUID().uuidString
    try! FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  /// A copy of another one, as it is now.
  init(copying other: Folder) {
    path = NSTemporaryDirectory() + "courier-" + UUID().uuidString
    try! FileManager.default.copyItem(atPath: other.path, toPath: path)
  }

  func names(_ below: String) -> [String] {
    let all = (try? FileManager.default.contentsOfDirectory(atPath: "\(path)/\(below)")) ?? []
    return all.sorted()
  }

  func tree(_ file: String) -> JSONTree? {
    FileManager.default.contents(atPath: "\(path)/\(file)").flatMap { JSONTree(Array($0)) }
  }

  func text(_ file: String) -> String {
    let data = FileManager.default.contents(atPath: "\(path)/\(file)") ?? Data()
    return String(decoding: data, as: UTF8.self)
  }

  func mode(_ file: String) -> Int? {
    let attributes = try? FileManager.default.attributesOfItem(atPath: "\(path)/\(file)")
    return attributes?[.posixPermissions] as? Int
  }

  func put(_ text: String, _ file: String) {
    let place = URL(fileURLWithPath: "\(path)/\(file)")
    try! FileManager.default.createDirectory(
      at: place.deletingLastPathComponent(), withIntermediateDirectories: true)
    try! Data(text.utf8).write(to: place)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }
}

// MARK: Entries

let start: Int64 = 1_750_000_000_000

/// The key of a call by a small number.
func key(_ number: Int) -> String {
  let text = String(number, radix: 16)
  return String(repeating: "0", count: 16 - text.count) + text
}

/// An entry, `after` milliseconds after the beginning.
func entry(
  _ kind: String, of call: Int = 1, after: Int64 = 0,
  _ members: KeyValuePairs<String, JSONTree> = [:]
) -> [UInt8] {
  let head: [JSONTree.Member] = [
    .init("kind", .text(kind)), .init("call", .text(key(call))),
    .init("at", .integer(start + after)),
  ]
  return JSONTree.object(head + members.map { .init($0.key, $0.value) }).compact
}

func started(_ id: String = "TEST-001", of call: Int = 1, after: Int64 = 0) -> [UInt8] {
  entry(
    "started", of: call, after: after,
    [
      "id": .text(id), "stream": "S1", "path": "/ws", "carrier": "raw", "peer": "127.0.0.1",
      "upstream": "hear", "service": "echo", "model": "", "two_way": .bool(true),
      "parameters": .made(["shop": "7"]),
    ])
}

func spoken(
  _ text: String, of call: Int = 1, after: Int64 = 1000, side: String = "caller"
) -> [UInt8] {
  entry("final", of: call, after: after, ["side": .text(side), "text": .text(text)])
}

func ended(of call: Int = 1, after: Int64 = 9000) -> [UInt8] {
  entry(
    "ended", of: call, after: after,
    ["cause": "stopped", "sentence": "", "milliseconds": .integer(after)])
}

/// With a line of each kind.
let wholeCall = [
  started(), entry("interim", ["side": "caller", "text": "a"]), spoken("a blue hatchback"),
  entry("said", ["text": "Thank you."]), ended(),
]

func history(_ entries: [[UInt8]]) -> CallHistory {
  var history = CallHistory(call: key(1))
  for bytes in entries { history.take(Entry(bytes)!) }
  return history
}

// MARK: Journals

/// The journal of a relay that lives until `die`.
final class Relay {
  let writer: JournalWriter

  init(_ folder: Folder, _ instance: String = "1750000000000-1", _ entries: [[UInt8]] = []) throws {
    writer = try JournalWriter(directory: folder.path, instance: instance)
    write(entries)
  }

  /// Returns when all of it can be read.
  func write(_ entries: [[UInt8]]) {
    for entry in entries { _ = entry.withBytes { writer.put($0) } }
    writer.wake()
    let last = UInt64(writer.status.entries)
    while writer.synced < last { cl_sleep_until(cl_monotonic() + 200_000) }
  }

  func die() { writer.close(waitingMilliseconds: 10_000) }
}

/// Of a relay that is dead.
func journal(
  _ folder: Folder, as instance: String = "1750000000000-1", _ entries: [[UInt8]]
) throws {
  try Relay(folder, instance, entries).die()
}

// MARK: Destinations

/// Takes events and answers as it is told.
final class Sink: Destination {
  let name: String
  var shownName: String { name }
  var wanted: Set<EventKind>
  var extracts = false
  var roomMax = 8
  /// Nil: nothing is answered yet.
  var answer: (OutgoingEvent, Int64) -> Finished? = { event, _ in
    Finished(row: event.row, verdict: .delivered)
  }
  private(set) var begun: [OutgoingEvent] = []
  private(set) var transcripts: [JSONTree] = []
  private(set) var held: [OutgoingEvent] = []

  init(_ name: String = "hook", _ wanted: Set<EventKind> = Set(EventKind.allCases)) {
    self.name = name
    self.wanted = wanted
  }

  func wants(_ kind: EventKind) -> Bool { wanted.contains(kind) }
  var room: Int { roomMax - held.count }
  func begin(_ event: OutgoingEvent, transcript: () -> JSONTree, at now: Int64) {
    begun.append(event)
    held.append(event)
    transcripts.append(transcript())
  }
  var awaited: [Awaited] { [] }
  var wakeTime: Int64? { nil }
  func advance(at now: Int64) -> [Finished] {
    let finished = held.compactMap { answer($0, now) }
    let rows = finished.map(\.row)
    held.removeAll { rows.contains($0.row) }
    return finished
  }

  var ids: [String] { begun.map(\.id) }
  var kinds: [EventKind] { begun.map(\.kind) }
}

/// The word of a courier that nobody started: what it says to the log.
final class Ear {
  private(set) var lines: [(level: LogLevel, event: String, text: String)] = []
  let word = RelayWord(nil)

  init() {
    word.elsewhere = { [weak self] level, event, text in self?.lines.append((level, event, text)) }
  }

  var events: [String] { lines.map(\.event) }
}

/// A courier over a folder, with the files and what else is named.
func courier(
  _ folder: Folder, _ sinks: [any Destination] = [], ear: Ear = Ear(), room: Int = 1 << 30,
  disturbance: Disturbance? = nil
) throws -> Courier {
  let files = RecordFiles(directory: folder.path, files: FileSystem(disturbance: disturbance))
  return try Courier(
    directory: folder.path, destinations: [files] + sinks, word: ear.word, spoolBytesMax: room,
    disturbance: disturbance, at: start)
}

extension Courier {
  /// Steps until nothing is left for this time.
  func run(at now: Int64 = start + 100_000) throws {
    mustScan = true
    var isDone = false
    while !isDone {
      let hasMore = try step(at: now)
      isDone = try !hasMore && isIdle(at: now)
    }
  }
}
