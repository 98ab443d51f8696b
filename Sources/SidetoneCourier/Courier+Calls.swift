// The courier and the calls: what an entry means for its call, and what is to be told of it.

import Sidetone
import SidetoneRecords

extension Courier {
  /// Takes over one entry. Only within a transaction.
  func take(_ bytes: [UInt8], of instance: String, at now: Int64) throws(Trouble) {
    guard let entry = Entry(bytes) else {
      word.log(
        .error, "entry_unreadable",
        "an entry of \(bytes.count) bytes in \(journalPath(instance)) is none and is passed over")
      return
    }
    if entry.call == Entry.noCall { return try takeOfRelay(entry, bytes, of: instance) }
    var call =
      try spool.call(entry.call)
      ?? Spool.CallRow(call: entry.call, instance: instance, started: entry.at, last: entry.at)
    guard call.state == .open else {
      word.log(
        .warning, "entry_late",
        "an entry \"\(entry.kind)\" of call \(entry.call) came after its end and is passed over")
      return
    }
    // The beginning of a call may be gone with a spool that was damaged. Its numbers then go on
    // from the time, so that no event gets an id that another had.
    if call.number == 0, entry.kind != "started" { call.number = max(0, entry.at) }
    call.number += 1
    call.last = max(call.last, entry.at)
    if entry.kind == "started" {
      call.id = entry.text("id").flatMap { $0.isEmpty ? nil : $0 }
      call.started = entry.at
    }
    if entry.kind != "interim" { try spool.append(bytes, number: call.number, of: call.call) }
    if entry.kind == "ended" {
      try end(&call, with: entry, at: now)
    } else if let kind = Self.eventKind(of: entry) {
      try enqueue(kind, entry, of: call, at: now)
    }
    try spool.put(call)
    if call.state == .ended { try spool.finish(call.call) }
  }

  /// Lines were lost whose call nobody knows: every call that was open then may be the one.
  private func takeOfRelay(
    _ entry: Entry, _ bytes: [UInt8], of instance: String
  ) throws(Trouble) {
    guard entry.kind == "missing" else { return }
    let reason = entry.text("reason") ?? "no reason is given"
    word.log(
      .error, "journal_lost",
      "\(entry.integer("count") ?? 0) entries of \(journalPath(instance)) were lost: \(reason)")
    for var call in try spool.openCalls(of: instance) {
      call.number += 1
      try spool.append(bytes, number: call.number, of: call.call)
      try spool.put(call)
    }
  }

  /// Nobody knows what stood there: every call that was open then says so.
  func takeDamage(of instance: String) throws(Trouble) {
    for var call in try spool.openCalls(of: instance) {
      call.number += 1
      let entry = JSONTree.made([
        "kind": "missing", "call": .text(Entry.noCall), "at": .integer(call.last),
        "count": .integer(0), "reason": "a part of the journal cannot be read",
      ])
      try spool.append(entry.compact, number: call.number, of: call.call)
      try spool.put(call)
    }
  }

  /// Closes a journal whose relay is dead: its calls have ended with it. Only within a transaction.
  func close(_ instance: String, at now: Int64) throws(Trouble) {
    for call in try spool.openCalls(of: instance) {
      let ending = Entry.killed(call.call, started: call.started, last: call.last)
      try take(ending, of: instance, at: now)
    }
    guard let journal = journals[instance] else { return }
    // What a later version has written stays for it.
    try spool.set(
      Spool.Progress(position: journal.reader.position, isClosed: !journal.isTooNew), of: instance)
  }

  // MARK: Events

  /// Nil for what is told to nobody at once.
  private static func eventKind(of entry: Entry) -> EventKind? {
    switch entry.kind {
    case "started": .started
    case "final", "said", "interrupted": .final
    case "interim": .interim
    default: nil
    }
  }

  private func wanting(_ kind: EventKind, _ form: EventForm) -> [any Destination] {
    destinations.enumerated().filter { index, destination in
      destination.form == form && destination.wants(kind) && !offs.contains(index)
    }.map(\.element)
  }

  private func enqueue(
    _ kind: EventKind, _ entry: Entry, of call: Spool.CallRow, at now: Int64
  ) throws(Trouble) {
    let wanting = wanting(kind, .data)
    guard !wanting.isEmpty else { return }
    var data = JSONTree.made(["call_id": .known(call.id), "call_key": .text(call.call)])
    switch kind {
    case .started:
      data.set("started_at", .text(timestamp(entry.at)))
      for member in entry.object.members where !["kind", "call", "at", "id"].contains(member.name) {
        data.set(member.name, member.value)
      }
    default:
      for member in SpokenLine(entry)?.tree(started: call.started).members ?? [] {
        data.set(member.name, member.value)
      }
      data.set("final", .bool(kind == .final))
    }
    let event = OutgoingEvent(
      row: 0, id: "\(call.call)-\(call.number)", kind: kind, call: call.call, at: entry.at,
      body: data.compact)
    for destination in wanting { try spool.enqueue(event, to: destination.name, at: now) }
  }

  /// The call's end: its files are named and made, and told to everybody.
  private func end(
    _ call: inout Spool.CallRow, with entry: Entry, at now: Int64
  ) throws(Trouble) {
    let history = try spool.history(of: call.call)
    let key = call.call
    let name = try RecordFiles.name(
      id: history.id, key: key, started: history.startedAt ?? call.started
    ) { (name) throws(Trouble) -> Bool in
      if try spool.isTaken(name, for: key) { return true }
      return writer?.isTaken(name, for: key) ?? false
    }
    let id = "\(call.call)-\(call.number)"
    let extracts = destinations.contains { $0.extracts }
    let file = history.callFile(
      transcriptPath: RecordFiles.transcriptPath(name), eventID: id,
      unextracted: extracts ? "extraction has not finished yet" : "no extraction is configured")
    let transcript = history.transcript
    var event = OutgoingEvent(
      row: 0, id: id, kind: .ended, call: call.call, at: entry.at,
      body: RecordFiles.body(name: name, transcript: transcript, call: file))
    for destination in wanting(.ended, .files) {
      try spool.enqueue(event, to: destination.name, at: now)
    }
    let others = wanting(.ended, .data)
    if !others.isEmpty {
      var data = file
      data.set("conversation", transcript["conversation"] ?? .list([]))
      event.body = data.compact
      for destination in others { try spool.enqueue(event, to: destination.name, at: now) }
    }
    for (index, destination) in destinations.enumerated() where destination.extracts {
      // What would be looked for while the call runs is looked for in all of it.
      try spool.removeLines(of: call.call, for: destination.name, except: underWay[index], at: now)
    }
    try spool.deleteEntries(of: call.call)
    call.state = .ended
    call.name = name
    call.document = file.compact
  }

  private var writer: RecordFiles? {
    for destination in destinations { if let files = destination as? RecordFiles { return files } }
    return nil
  }

  // MARK: Extraction

  /// What was found in a call is told, and once it has ended, added to its file. Only within a
  /// transaction.
  func take(_ extracted: Extracted, of key: String, at now: Int64) throws(Trouble) {
    guard var call = try spool.call(key), call.state != .done else { return }
    call.extractions += 1
    let data = JSONTree.made([
      "call_id": .known(call.id), "call_key": .text(key), "extracted": extracted.fields,
      "reasons": extracted.reasons, "final": .bool(extracted.isFinal),
    ])
    var event = OutgoingEvent(
      row: 0, id: "\(key)-x\(call.extractions)", kind: .extracted, call: key, at: now,
      body: data.compact)
    for destination in wanting(.extracted, .data) {
      try spool.enqueue(event, to: destination.name, at: now)
    }
    if extracted.isFinal, let document = call.document.flatMap(JSONTree.init) {
      event.body = try rewrite(&call, document.with(extracted, at: now))
      try enqueueForFiles(event, at: now)
    }
    try spool.put(call)
  }

  /// Extraction gave a call up: its file says why. Only within a transaction.
  func takeUnextracted(_ reason: String, of key: String, at now: Int64) throws(Trouble) {
    guard var call = try spool.call(key), let document = call.document.flatMap(JSONTree.init)
    else { return }
    call.extractions += 1
    let body = try rewrite(&call, document.unextracted(reason))
    let event = OutgoingEvent(
      row: 0, id: "\(key)-x\(call.extractions)", kind: .extracted, call: key, at: now, body: body)
    try enqueueForFiles(event, at: now)
    try spool.put(call)
  }

  private func rewrite(_ call: inout Spool.CallRow, _ file: JSONTree) throws(Trouble) -> [UInt8] {
    call.document = file.compact
    return RecordFiles.body(name: call.name ?? "", transcript: nil, call: file)
  }

  private func enqueueForFiles(_ event: OutgoingEvent, at now: Int64) throws(Trouble) {
    for destination in wanting(.extracted, .files) {
      try spool.enqueue(event, to: destination.name, at: now)
    }
  }
}
