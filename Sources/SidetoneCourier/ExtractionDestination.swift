// Extraction as a destination of the courier: its state machine (Extraction.swift) joined with an
// HTTP client of its own.

import Sidetone

extension ExtractionConfig {
  /// Bytes of a schema's file.
  private static let schemaBytesMax = 1 << 20

  /// The state machine that these settings ask for, and its schema.
  func read(_ files: FileSystem) throws(CourierMistake) -> (Extraction, ExtractionSchema) {
    let endpoint = try ChatEndpoint(url: url, model: model, key: key, allowsPlain: isPlain)
    let text = files.read(schemaFile, bytesMax: Self.schemaBytesMax + 1)
    guard let text, text.count <= Self.schemaBytesMax else {
      throw CourierMistake(
        sentence: "`schema` names \(printable(schemaFile)), which cannot be read or has more than "
          + "\(Self.schemaBytesMax) bytes")
    }
    let schema = try ExtractionSchema(text)
    return (try Extraction(endpoint, schema, live: live, random: .unforeseen()), schema)
  }
}

package final class ExtractionDestination: Destination {
  package let name = "extraction"
  package let shownName: String
  package var extracts: Bool { true }

  private var extraction: Extraction
  private let client: HTTPClient
  /// The rows of events by the numbers of their requests.
  private var rows: [UInt64: Int64] = [:]
  private var finished: [Finished] = []
  /// The last time that was told.
  private var now: Int64

  package init(_ extraction: Extraction, client: HTTPClient, at now: Int64) {
    shownName = "extraction by \(extraction.place)"
    self.extraction = extraction
    self.client = client
    self.now = now
  }

  /// As the settings have it.
  package convenience init(
    _ config: ExtractionConfig, _ files: FileSystem, at now: Int64
  ) throws(Trouble) {
    let extraction: Extraction
    do throws(CourierMistake) {
      (extraction, _) = try config.read(files)
    } catch {
      throw Trouble("extraction cannot be used: \(error.sentence)")
    }
    self.init(extraction, client: try HTTPClient(), at: now)
  }

  package func wants(_ kind: EventKind) -> Bool { extraction.wants(kind) }

  package var room: Int { extraction.room(at: now) }

  package func begin(_ event: OutgoingEvent, transcript: () -> JSONTree, at now: Int64) {
    self.now = now
    if let done = extraction.begin(event, transcript(), at: now) { finished.append(done) }
    ask()
  }

  package var awaited: [Awaited] { [Awaited(descriptor: client.descriptor)] }

  package var wakeTime: Int64? {
    if !finished.isEmpty { return now }
    let times = [extraction.wakeTime(at: now), client.waitMilliseconds.map { now + Int64($0) }]
    return times.compactMap(\.self).min()
  }

  package func advance(at now: Int64) -> [Finished] {
    self.now = now
    for ended in client.advance() {
      guard let row = rows.removeValue(forKey: ended.id) else { continue }
      if let done = extraction.finished(row, ended.result, at: now) { finished.append(done) }
    }
    ask()
    defer { finished.removeAll() }
    return finished
  }

  private func ask() {
    while let asked = extraction.next(at: now) { rows[client.begin(asked.request)] = asked.row }
  }
}
