// The courier and the journals: which there are, what is new in them, which of their relays are
// dead, and what of them may be deleted.

import Sidetone
import SidetoneRecords

struct FollowedJournal {
  var reader: JournalReader
  /// Nobody held its lock before it was read last, so that nothing more can come.
  var isDead = false
  /// Nothing more was there when it was read last.
  var isAtEnd = false
  /// The disk said why nothing more was there.
  var isUnread = false
  /// What comes next was written by a later version: it is left to that.
  var isTooNew = false
  /// Its relay is dead and its calls are closed, but it is kept.
  var isOver = false
  /// The oldest segment that may still be there.
  var firstSegment: UInt32 = 0

  /// All that its relay has ever written is read.
  var canBeClosed: Bool { isDead && isAtEnd && !isUnread && !isOver }
}

extension Courier {
  /// Entries of one journal in one transaction.
  static let batchMax = 256

  package static func journalDirectory(_ directory: String) -> String { "\(directory)/journal" }

  func journalPath(_ instance: String) -> String {
    "\(Self.journalDirectory(directory))/\(instance)"
  }

  /// Names of journals that are read now.
  package var followed: [String] { journals.keys.sorted() }

  /// Whether a relay still writes it, as far as was looked.
  func isLive(_ instance: String) -> Bool { journals[instance].map { !$0.isDead } ?? false }

  // MARK: Reading

  /// Takes over what is new, as one transaction. Whether there may be more.
  func readJournals(at now: Int64) throws(Trouble) -> Bool {
    if mustScan || now >= scannedAt &+ scanEvery || now < scannedAt { try scan(at: now) }
    guard try !isHeldUp(at: now) else { return false }
    var batch: [(instance: String, items: [JournalItem])] = []
    for instance in journals.keys.sorted() {
      let items = read(instance)
      isChanged = isChanged || !items.isEmpty
      if !items.isEmpty { batch.append((instance, items)) }
    }
    let dead = journals.filter { $0.value.canBeClosed }.keys.sorted()
    if batch.isEmpty, dead.isEmpty { return false }
    try spool.transaction { () throws(Trouble) in
      for (instance, items) in batch {
        for item in items { try take(item, from: instance, at: now) }
        if let position = journals[instance]?.reader.position {
          try spool.set(Spool.Progress(position: position, isClosed: false), of: instance)
        }
      }
      for instance in dead { try close(instance, at: now) }
      try makeRoom(at: now)
    }
    for instance in dead {
      if journals[instance]?.isTooNew ?? false {
        journals[instance]?.isOver = true
      } else {
        journals[instance] = nil
        mayDelete = true
      }
    }
    return !batch.isEmpty && journals.values.contains { !$0.isAtEnd }
  }

  /// Whether nothing more can be taken: then the journals keep it, up to their own bound.
  private func isHeldUp(at now: Int64) throws(Trouble) -> Bool {
    if spool.isFull { try spool.transaction { () throws(Trouble) in try makeRoom(at: now) } }
    guard spool.isFull else {
      settled("room", "spool_has_room", "there is room again, and the journals are read on")
      return false
    }
    complain(
      .error, "spool_full",
      "what waits to be delivered takes \(spool.bytes) bytes, as much as it may, and nothing of it"
        + " can be dropped; journals are read on when something is delivered", about: "room")
    return true
  }

  private func makeRoom(at now: Int64) throws(Trouble) {
    let dropped = try spool.makeRoom(
      known: destinations.map(\.name),
      kept: destinations.filter { $0.form == .files }.map(\.name), at: now)
    let extracting = destinations.filter(\.extracts).map(\.name)
    for (name, call) in dropped.ends where extracting.contains(name) {
      try takeUnextracted(
        "more waited for extraction than may take room on the disk", of: call, at: now)
    }
    for (name, count) in dropped.counts.sorted(by: { $0.key < $1.key }) {
      let shown = destinations.first { $0.name == name }?.shownName ?? name
      word.log(
        .error, "events_dropped",
        "\(count) events for \(shown) were dropped: more waits than may take room on the disk")
    }
  }

  private func read(_ instance: String) -> [JournalItem] {
    guard var journal = journals[instance], !journal.isOver else { return [] }
    var items: [JournalItem] = []
    journal.isAtEnd = false
    reading: while items.count < Self.batchMax {
      let item = journal.reader.next()
      switch item {
      case .end:
        journal.isAtEnd = true
        journal.isUnread = !journal.reader.trouble.isEmpty
        if journal.isUnread {
          complain(.error, "journal_unread", journal.reader.trouble, about: "disk \(instance)")
        } else {
          settled("disk \(instance)", "journal_read", "\(journalPath(instance)) is read again")
        }
        break reading
      case .tooNew(let version):
        journal.isAtEnd = true
        journal.isTooNew = true
        complain(
          .error, "journal_too_new",
          "\(journalPath(instance)) has a segment of format \(version), which only a later version"
            + " can read; it is left there for it", about: "format \(instance)")
        break reading
      case .entry, .damaged: items.append(item)
      }
    }
    if journal.reader.position.segment > journal.firstSegment { mayDelete = true }
    journals[instance] = journal
    return items
  }

  private func take(
    _ item: JournalItem, from instance: String, at now: Int64
  ) throws(Trouble) {
    let path = journalPath(instance)
    switch item {
    case .end, .tooNew: break
    case .entry(let bytes): try take(bytes, of: instance, at: now)
    case .damaged(let count, let words):
      word.log(
        .error, "journal_damaged",
        "\(count) bytes of \(path) cannot be read and are passed over: \(words)")
      try takeDamage(of: instance)
    }
  }

  // MARK: Which there are

  private func scan(at now: Int64) throws(Trouble) {
    guard files.exists(spoolPath) else {
      throw Trouble("\(directory) was taken away while the courier ran", .gone)
    }
    if mustScan { try lookAgain() }
    mustScan = false
    scannedAt = now
    let names = JournalReader.instances(of: directory)
    for name in journals.keys where !names.contains(name) { journals[name] = nil }
    for name in names {
      let writer = JournalReader.writer(of: journalPath(name))
      if journals[name] == nil {
        let progress = try spool.progress(of: name)
        if progress?.isClosed ?? false { continue }
        let position = progress?.position ?? .start
        journals[name] = FollowedJournal(
          reader: JournalReader(directory: journalPath(name), from: position))
      }
      journals[name]?.isDead = writer == .dead
      tell(writer, of: name)
    }
  }

  /// A relay of which nobody knows whether it lives keeps its journal.
  private func tell(_ writer: JournalReader.Writer, of name: String) {
    if case .unknown(let sentence) = writer {
      complain(
        .error, "journal_unasked",
        "\(sentence); whether its relay lives is not known, and it is kept", about: "lock \(name)")
    } else {
      settled("lock \(name)")
    }
  }

  private static let segmentEnding = ".segment"

  /// The numbers of its segments, with their names.
  private func segments(of instance: String) -> [(number: UInt32, name: String)] {
    files.names(in: journalPath(instance)).compactMap { name in
      guard name.hasSuffix(Self.segmentEnding) else { return nil }
      return UInt32(name.dropLast(Self.segmentEnding.count)).map { ($0, name) }
    }
  }

  // MARK: Deleting

  /// Deletes segments of which everything is in the spool, and journals of dead relays, after the
  /// spool was synced.
  func deleteJournals(at now: Int64) throws(Trouble) {
    guard mayDelete, now >= deletedAt &+ scanEvery || now < deletedAt else { return }
    deletedAt = now
    mayDelete = false
    let closed = try closedInstances()
    let hasRead = journals.contains { $0.value.reader.position.segment > $0.value.firstSegment }
    guard hasRead || !closed.isEmpty else { return }
    guard try spool.settle() else {
      // Another process reads the spool: the next time.
      mayDelete = true
      return
    }
    do throws(Trouble) {
      for (instance, journal) in journals.sorted(by: { $0.key < $1.key }) {
        let place = journal.reader.position.segment
        for segment in segments(of: instance) where segment.number < place {
          try files.remove("\(journalPath(instance))/\(segment.name)")
        }
        journals[instance]?.firstSegment = place
      }
      for instance in closed { try deleteJournal(instance) }
      settled("deleting")
    } catch {
      if error.kind == .killed { throw error }
      mayDelete = true
      complain(.warning, "journal_kept", error.sentence, about: "deleting")
    }
  }

  /// Nothing depends on it.
  func tidyUp(at now: Int64) {
    do throws(Trouble) {
      try deleteUnborn(at: now)
    } catch {
      complain(.warning, "journal_kept", error.sentence, about: "tidying")
    }
  }

  /// Removes what relays have left that were killed while they made their journal: a hidden
  /// directory with nothing in it but its lock. A name begins with when the relay started.
  private func deleteUnborn(at now: Int64) throws(Trouble) {
    let place = Self.journalDirectory(directory)
    for name in files.names(in: place) where name.hasPrefix(".") {
      guard let started = Int64(name.dropFirst().prefix { $0 != "-" }) else { continue }
      let path = "\(place)/\(name)"
      guard started < now - Self.unbornMilliseconds, JournalReader.writer(of: path) == .dead else {
        continue
      }
      for file in files.names(in: path) { try files.remove("\(path)/\(file)") }
      try files.removeDirectory(path)
    }
  }

  /// A journal is made in less.
  private static let unbornMilliseconds: Int64 = 60_000

  private func closedInstances() throws(Trouble) -> [String] {
    var closed: [String] = []
    for instance in try spool.instances() {
      if try spool.progress(of: instance)?.isClosed ?? false { closed.append(instance) }
    }
    return closed
  }

  /// Of a journal that is closed. The spool forgets it last: one that it does not know is read.
  private func deleteJournal(_ instance: String) throws(Trouble) {
    let path = journalPath(instance)
    if files.exists(path) {
      for name in files.names(in: path) { try files.remove("\(path)/\(name)") }
      try files.removeDirectory(path)
      try files.syncDirectory(Self.journalDirectory(directory))
    }
    try spool.transaction { () throws(Trouble) in try spool.forget(instance) }
  }
}
