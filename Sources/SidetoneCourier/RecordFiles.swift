// The destination `files`: for each call that has ended a transcript and a call file, under
//
//     transcripts/call_{id}_{started}_transcript.json        first
//     calls/call_{id}_{started}.json                         second
//
// and what is extracted later in the call file once more. A file is there whole or not at all, and
// both are there when the event counts as delivered. Many calls that end together share the syncing
// of the two directories.

import Sidetone

package final class RecordFiles: Destination {
  package static let destinationName = "files"
  static let transcripts = "transcripts"
  static let calls = "calls"

  package let name = RecordFiles.destinationName
  package var shownName: String { name }
  package var form: EventForm { .files }

  private let directory: String
  private let files: FileSystem
  private var queue: [OutgoingEvent] = []

  /// The directory need not be there yet, and may hold files of others.
  package init(directory: String, files: FileSystem) {
    self.directory = directory
    self.files = files
  }

  package func wants(_ kind: EventKind) -> Bool { kind == .ended || kind == .extracted }

  package var room: Int { 64 - queue.count }

  package func begin(_ event: OutgoingEvent, transcript: () -> JSONTree, at now: Int64) {
    queue.append(event)
  }

  package var awaited: [Awaited] { [] }
  package var wakeTime: Int64? { queue.isEmpty ? nil : 0 }

  package func advance(at now: Int64) -> [Finished] {
    let batch = queue
    queue = []
    var troubles = write(batch, Self.transcripts) { content in
      content["transcript"].map { ("\(content.fileName)_transcript.json", $0) }
    }
    let rest = batch.filter { troubles[$0.row] == nil }
    let others = write(rest, Self.calls) { content in
      content["call"].map { ("\(content.fileName).json", $0) }
    }
    troubles.merge(others) { first, _ in first }
    return batch.compactMap { event in
      guard let trouble = troubles[event.row] else {
        return Finished(row: event.row, verdict: .delivered)
      }
      // As if nothing had been said: a process that is killed reports nothing.
      if trouble.kind == .killed { return nil }
      let time = now + Self.pause(after: event.attempts)
      return Finished(row: event.row, verdict: .again(at: time, reason: trouble.sentence))
    }
  }

  /// Milliseconds until it is tried again: a quarter of a second, and up to half a minute.
  private static func pause(after attempts: Int) -> Int64 { min(250 << min(attempts, 7), 30_000) }

  /// Writes one of the two files of each event, and makes their names last. The trouble of each
  /// that has any.
  private func write(
    _ batch: [OutgoingEvent], _ folder: String, _ file: (JSONTree) -> (String, JSONTree)?
  ) -> [Int64: Trouble] {
    guard !batch.isEmpty else { return [:] }
    let place = "\(directory)/\(folder)"
    var troubles: [Int64: Trouble] = [:]
    var written: [Int64] = []
    for event in batch {
      guard let body = JSONTree(event.body) else {
        troubles[event.row] = Trouble("what the spool has of call \(event.call) cannot be read")
        continue
      }
      guard let (name, content) = file(body) else { continue }
      do throws(Trouble) {
        if !files.isDirectory(place) { try files.makeDirectory(place) }
        try files.write(content.indented, to: name, in: place)
        written.append(event.row)
      } catch {
        troubles[event.row] = error
      }
    }
    if written.isEmpty { return troubles }
    do throws(Trouble) {
      try files.syncDirectory(place)
    } catch {
      for row in written { troubles[row] = error }
    }
    return troubles
  }

  // MARK: Names

  /// The name that a call's two files have in common: its id and its beginning, and where another
  /// call has that name already, its key as well.
  static func name(
    id: String?, key: String, started: Int64, isTaken: (String) throws(Trouble) -> Bool
  ) throws(Trouble) -> String {
    let name = "call_\(SafeName.make(id ?? key))_\(started)"
    return try isTaken(name) ? "\(name)_\(SafeName.make(key))" : name
  }

  /// Whether one of the two files is there and is another call's.
  func isTaken(_ name: String, for key: String) -> Bool {
    let paths = [
      "\(directory)/\(Self.transcripts)/\(name)_transcript.json",
      "\(directory)/\(Self.calls)/\(name).json",
    ]
    return paths.contains { path in
      guard files.exists(path) else { return false }
      return files.read(path, bytesMax: 1 << 26).flatMap(JSONTree.init)?["call_key"]
        != .text(key)
    }
  }

  static func transcriptPath(_ name: String) -> String {
    "\(transcripts)/\(name)_transcript.json"
  }

  /// The body of an event for this destination.
  static func body(name: String, transcript: JSONTree?, call: JSONTree) -> [UInt8] {
    var body = JSONTree.made(["name": .text(name), "call": call])
    if let transcript { body.set("transcript", transcript) }
    return body.compact
  }
}

extension JSONTree {
  fileprivate var fileName: String { self["name"]?.string ?? "" }
}
