// What is still to be delivered. Of each call and destination only the oldest event has a time at
// which it is due; the next one gets one when it has gone.

extension Spool {
  /// Puts an event behind the others of its call, for one destination; `due` now where there is no
  /// other. An event that is there already stays as it is; whether it was not.
  @discardableResult
  func enqueue(
    _ event: OutgoingEvent, to destination: String, at now: Int64
  ) throws(Trouble) -> Bool {
    let added = try database.statement(
      """
      INSERT OR IGNORE INTO outgoing(destination,call,id,kind,at,body,attempts,due)
      VALUES(?1,?2,?3,?4,?5,?6,0,CASE WHEN EXISTS(
        SELECT 1 FROM outgoing WHERE destination=?1 AND call=?2) THEN NULL ELSE ?7 END)
      """
    ).run(
      .text(destination), .text(event.call), .text(event.id), .text(event.kind.rawValue),
      .integer(event.at), .bytes(event.body), .integer(now))
    if added > 0 { grow(event.body.count + Self.rowBytes) }
    return added > 0
  }

  /// What is due for a destination, the longest waiting first; `except`: those that it has.
  func due(
    for destination: String, at now: Int64, countMax: Int, except: Set<Int64>
  ) throws(Trouble) -> [OutgoingEvent] {
    guard countMax > 0 else { return [] }
    // Bodies are read of those alone that are handed out.
    let rows = try database.statement(
      "SELECT row FROM outgoing WHERE destination=? AND due<=? ORDER BY due,row LIMIT ?"
    ).all(.text(destination), .integer(now), .integer(Int64(countMax + except.count))) {
      $0.integer(0)
    }
    var events: [OutgoingEvent] = []
    for row in rows.filter({ !except.contains($0) }).prefix(countMax) {
      if let event = try event(row) { events.append(event) }
    }
    return events
  }

  func event(_ row: Int64) throws(Trouble) -> OutgoingEvent? {
    let statement = try database.statement(
      "SELECT id,kind,call,at,body,attempts FROM outgoing WHERE row=?")
    let found = try statement.first(.integer(row)) { columns in
      EventKind(rawValue: columns.text(1)).map { kind in
        OutgoingEvent(
          row: row, id: columns.text(0), kind: kind, call: columns.text(2),
          at: columns.integer(3), body: columns.bytes(4), attempts: Int(columns.integer(5)))
      }
    }
    return found ?? nil
  }

  /// When something is next due for a destination; nil: nothing waits that it does not have.
  func nextDue(for destination: String, except: Set<Int64>) throws(Trouble) -> Int64? {
    try database.statement(
      """
      SELECT row,due FROM outgoing WHERE destination=? AND due IS NOT NULL
      ORDER BY due,row LIMIT ?
      """
    ).all(.text(destination), .integer(Int64(except.count + 1))) { ($0.integer(0), $0.integer(1)) }
      .first { !except.contains($0.0) }?.1
  }

  /// What was due soon is due soon all the same.
  func clockWasSetBack(by milliseconds: Int64) throws(Trouble) {
    try database.statement("UPDATE outgoing SET due=due-? WHERE due IS NOT NULL")
      .run(.integer(milliseconds))
  }

  /// What would be due later than anything can be, by a clock that was set back since.
  func bringForward(from last: Int64, to now: Int64) throws(Trouble) {
    try database.statement("UPDATE outgoing SET due=? WHERE due>?")
      .run(.integer(now), .integer(last))
  }

  func postpone(_ row: Int64, to time: Int64, reason: String) throws(Trouble) {
    try database.statement("UPDATE outgoing SET attempts=attempts+1,due=?,reason=? WHERE row=?")
      .run(.integer(time), .text(reason), .integer(row))
  }

  /// Takes an event out and makes the next of its call due.
  func remove(_ row: Int64, at now: Int64) throws(Trouble) {
    let found = try database.statement(
      "SELECT destination,call,LENGTH(body) FROM outgoing WHERE row=?"
    ).first(.integer(row)) { ($0.text(0), $0.text(1), Int($0.integer(2))) }
    guard let (destination, call, count) = found else { return }
    try database.statement("DELETE FROM outgoing WHERE row=?").run(.integer(row))
    grow(-count - Self.rowBytes)
    try database.statement(
      """
      UPDATE outgoing SET due=?1 WHERE due IS NULL AND
        row=(SELECT MIN(row) FROM outgoing WHERE destination=?2 AND call=?3)
      """
    ).run(.integer(now), .text(destination), .text(call))
    try finish(call)
  }

  /// Takes out the lines of a call that a destination has not begun.
  func removeLines(
    of call: String, for destination: String, except: [Int64: Courier.UnderWay], at now: Int64
  ) throws(Trouble) {
    let rows = try database.statement(
      "SELECT row FROM outgoing WHERE destination=? AND call=? AND kind IN (?,?)"
    ).all(
      .text(destination), .text(call), .text(EventKind.final.rawValue),
      .text(EventKind.interim.rawValue)
    ) { $0.integer(0) }
    for row in rows where except[row] == nil { try remove(row, at: now) }
  }

  /// A call that has ended, and of which nothing is left to deliver, needs no document any more.
  func finish(_ call: String) throws(Trouble) {
    try database.statement(
      """
      UPDATE calls SET state=2,document=NULL,name=NULL WHERE call=?1 AND state=1
        AND NOT EXISTS(SELECT 1 FROM outgoing WHERE call=?1)
      """
    ).run(.text(call))
  }

  // MARK: Counting

  struct Figures: Equatable {
    var delivered: Int64 = 0
    var failed: Int64 = 0
    var dropped: Int64 = 0
    var off: String?
  }

  enum Counter: String { case delivered, failed, dropped }

  func count(_ counter: Counter, _ count: Int = 1, for destination: String) throws(Trouble) {
    try database.statement("INSERT OR IGNORE INTO destinations VALUES(?,0,0,0,NULL)")
      .run(.text(destination))
    try database.statement(
      "UPDATE destinations SET \(counter.rawValue)=\(counter.rawValue)+? WHERE name=?"
    ).run(.integer(Int64(count)), .text(destination))
  }

  func figures(of destination: String) throws(Trouble) -> Figures {
    let found = try database.statement(
      "SELECT delivered,failed,dropped,off FROM destinations WHERE name=?"
    ).first(.text(destination)) { row in
      Figures(
        delivered: row.integer(0), failed: row.integer(1), dropped: row.integer(2),
        off: row.textOrNil(3))
    }
    return found ?? Figures()
  }

  /// Events that wait, and since when the oldest does, in Unix milliseconds.
  func waiting() throws(Trouble) -> (count: Int64, oldest: Int64?) {
    let count = try database.statement("SELECT COUNT(*) FROM outgoing").first { $0.integer(0) }
    let oldest = try database.statement("SELECT at FROM outgoing ORDER BY row LIMIT 1")
      .first { $0.integer(0) }
    return (count ?? 0, oldest)
  }

  // MARK: Turning off, and room

  /// The destination wants nothing any more. Answers how much of it was dropped.
  func turnOff(_ destination: String, reason: String, at now: Int64) throws(Trouble) -> Int {
    let rows = try database.statement("SELECT row FROM outgoing WHERE destination=?")
      .all(.text(destination)) { $0.integer(0) }
    for row in rows { try remove(row, at: now) }
    try count(.dropped, rows.count, for: destination)
    try database.statement("UPDATE destinations SET off=? WHERE name=?")
      .run(.text(reason), .text(destination))
    return rows.count
  }

  func turnOn(_ destination: String) throws(Trouble) {
    try database.statement("UPDATE destinations SET off=NULL WHERE name=?")
      .run(.text(destination))
  }

  /// Destinations for which something waits.
  func waitingDestinations() throws(Trouble) -> [(name: String, count: Int64)] {
    try database.statement("SELECT destination,COUNT(*) FROM outgoing GROUP BY destination")
      .all { ($0.text(0), $0.integer(1)) }
  }

  /// Whether there is less room than a batch of entries may need.
  var isFull: Bool { bytes >= bytesMax }

  /// Drops events until there is room: those of destinations that are not `known` first, then
  /// interim lines, then what is oldest, but nothing of the destinations that are `kept`.
  func makeRoom(
    known: [String], kept: [String], at now: Int64
  ) throws(Trouble) -> Dropped {
    var dropped = Dropped()
    guard isFull else { return dropped }
    // A little more, so that not every batch comes here.
    let goal = bytesMax - bytesMax / 16
    let strange = try waitingDestinations().map(\.name).filter { !known.contains($0) }
    for name in strange where bytes > goal {
      try drop(until: goal, "destination=?", .text(name), at: now, &dropped)
    }
    try drop(until: goal, "kind=?", .text(EventKind.interim.rawValue), at: now, &dropped)
    let others = JSONTree.list(known.filter { !kept.contains($0) }.map { .text($0) })
    try drop(
      until: goal, "destination IN (SELECT value FROM json_each(?))",
      .text(String(decoding: others.compact, as: UTF8.self)), at: now, &dropped)
    for (name, count) in dropped.counts { try self.count(.dropped, count, for: name) }
    return dropped
  }

  /// What had to make room.
  struct Dropped {
    /// By destination.
    var counts: [String: Int] = [:]
    /// Ends of calls, by destination and call.
    var ends: [(destination: String, call: String)] = []
  }

  private func drop(
    until goal: Int, _ condition: String, _ value: SQLValue, at now: Int64,
    _ dropped: inout Dropped
  ) throws(Trouble) {
    while bytes > goal {
      let rows = try database.statement(
        "SELECT row,destination,call,kind FROM outgoing WHERE \(condition) ORDER BY row LIMIT 64"
      ).all(value) { ($0.integer(0), $0.text(1), $0.text(2), $0.text(3)) }
      if rows.isEmpty { return }
      for (row, destination, call, kind) in rows where bytes > goal {
        try remove(row, at: now)
        dropped.counts[destination, default: 0] += 1
        if kind == EventKind.ended.rawValue { dropped.ends.append((destination, call)) }
      }
    }
  }
}
