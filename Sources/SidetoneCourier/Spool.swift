// What the courier knows, in one SQLite file: how far each journal was read, the entries of calls
// that have not ended, and what is still to be delivered to whom. A batch of journal entries and
// all that follows from it is one transaction, so a courier that is killed anywhere goes on exactly
// where it was.
//
// The write-ahead log is synced when it is carried over into the file (`settle`), not at each
// transaction: a loss of power may take the spool back to an earlier transaction, and as long as
// the journal still has what followed, nothing is lost. So a journal's segments are deleted only
// behind `settle`. What is not in any journal, such as the result of an extraction, is synced at
// once.
//
//     positions      one row for each journal: how far it was read
//     calls          one row for each call: its order number, its state, its file's name
//     entries        what was said in calls that have not ended
//     outgoing       one row for each event and destination; `due` is set for the oldest of a call
//     destinations   counters, and whether it was turned off

import SidetoneRecords

package final class Spool {
  private static let format: Int64 = 1
  /// What a row costs beside its body, roughly.
  static let rowBytes = 200

  let database: Database
  let bytesMax: Int
  let disturbance: Disturbance?
  /// Bytes of what waits to be delivered, with what the rows cost. Entries of calls that go on are
  /// not among them: they leave when their calls end, and that is learned by reading on only.
  private(set) var bytes = 0

  /// Opens the file, or makes it. A `Trouble` of the kind `.damaged`: its content cannot be read.
  package init(
    path: String, bytesMax: Int, disturbance: Disturbance? = nil
  ) throws(Trouble) {
    database = try Database(path)
    self.bytesMax = bytesMax
    self.disturbance = disturbance
    try database.run("PRAGMA auto_vacuum=INCREMENTAL")
    try database.run("PRAGMA journal_mode=WAL")
    try database.run("PRAGMA synchronous=NORMAL")
    try makeTables(path)
    try recount()
  }

  /// Counts what is there, where another process may have put something in.
  func recount() throws(Trouble) {
    let sum = try database.statement(
      """
      SELECT COALESCE(SUM(LENGTH(body)+?),0) FROM outgoing
      """
    ).first(.integer(Int64(Self.rowBytes))) { $0.integer(0) }
    bytes = Int(sum ?? 0)
  }

  private func makeTables(_ path: String) throws(Trouble) {
    let version = try database.statement("PRAGMA user_version").first { $0.integer(0) } ?? 0
    guard version <= Self.format else {
      throw Trouble(
        "\(path) was written by a later version (format \(version), this one knows up to"
          + " \(Self.format)); use that version, or move the file away")
    }
    if version == Self.format { return }
    try database.run(
      """
      BEGIN IMMEDIATE;
      CREATE TABLE IF NOT EXISTS positions(
        instance TEXT PRIMARY KEY, segment INTEGER, offset INTEGER, closed INTEGER);
      CREATE TABLE IF NOT EXISTS calls(
        call TEXT PRIMARY KEY, instance TEXT, id TEXT, started INTEGER, last INTEGER,
        number INTEGER, extractions INTEGER, state INTEGER, name TEXT, document BLOB);
      CREATE INDEX IF NOT EXISTS calls_open ON calls(instance) WHERE state=0;
      CREATE INDEX IF NOT EXISTS calls_name ON calls(name) WHERE name IS NOT NULL;
      CREATE TABLE IF NOT EXISTS entries(
        call TEXT, number INTEGER, body BLOB, PRIMARY KEY(call, number)) WITHOUT ROWID;
      CREATE TABLE IF NOT EXISTS outgoing(
        row INTEGER PRIMARY KEY AUTOINCREMENT, destination TEXT, call TEXT, id TEXT, kind TEXT,
        at INTEGER, body BLOB, attempts INTEGER, due INTEGER, reason TEXT);
      CREATE UNIQUE INDEX IF NOT EXISTS outgoing_once ON outgoing(destination, id);
      CREATE INDEX IF NOT EXISTS outgoing_due ON outgoing(destination, due) WHERE due IS NOT NULL;
      CREATE INDEX IF NOT EXISTS outgoing_call ON outgoing(destination, call, row);
      CREATE INDEX IF NOT EXISTS outgoing_rest ON outgoing(call);
      CREATE INDEX IF NOT EXISTS outgoing_kind ON outgoing(kind, row);
      CREATE TABLE IF NOT EXISTS destinations(
        name TEXT PRIMARY KEY, delivered INTEGER, failed INTEGER, dropped INTEGER, off TEXT);
      PRAGMA user_version=\(Self.format);
      COMMIT
      """)
  }

  // MARK: Transactions

  /// All or nothing. `isSynced`: it lies on the disk when this returns.
  func transaction(
    isSynced: Bool = false, _ body: () throws(Trouble) -> Void
  ) throws(Trouble) {
    let before = bytes
    if isSynced { try database.run("PRAGMA synchronous=FULL") }
    defer { if isSynced { try? database.run("PRAGMA synchronous=NORMAL") } }
    try database.run("BEGIN IMMEDIATE")
    do throws(Trouble) {
      try body()
      try disturbance?.pass("commit", database.path)
      try database.run("COMMIT")
    } catch {
      // Where the library has rolled back by itself there is nothing left to roll back.
      try? database.run("ROLLBACK")
      bytes = before
      throw error
    }
  }

  /// Carries everything over into the file, synced. False where another process stands in the way.
  func settle() throws(Trouble) -> Bool {
    try disturbance?.pass("settle", database.path)
    try database.run(
      "DELETE FROM calls WHERE state=2 AND rowid<(SELECT MAX(rowid) FROM calls)-10000")
    try database.run("PRAGMA incremental_vacuum(1000)")
    let isDone = try database.statement("PRAGMA wal_checkpoint(TRUNCATE)").first { row in
      row.integer(0) == 0 && row.integer(1) == row.integer(2)
    }
    return isDone ?? false
  }

  func grow(_ count: Int) { bytes += count }

  // MARK: Journals

  struct Progress {
    var position: JournalPosition
    /// Everything of it was taken over, and its calls are closed.
    var isClosed: Bool
  }

  func progress(of instance: String) throws(Trouble) -> Progress? {
    try database.statement("SELECT segment,offset,closed FROM positions WHERE instance=?")
      .first(.text(instance)) { row in
        Progress(
          position: JournalPosition(
            segment: UInt32(row.integer(0)), offset: UInt64(row.integer(1))),
          isClosed: row.integer(2) != 0)
      }
  }

  func set(_ progress: Progress, of instance: String) throws(Trouble) {
    try database.statement("REPLACE INTO positions VALUES(?,?,?,?)").run(
      .text(instance), .integer(Int64(progress.position.segment)),
      .integer(Int64(progress.position.offset)), .integer(progress.isClosed ? 1 : 0))
  }

  func forget(_ instance: String) throws(Trouble) {
    try database.statement("DELETE FROM positions WHERE instance=?").run(.text(instance))
  }

  func instances() throws(Trouble) -> [String] {
    try database.statement("SELECT instance FROM positions").all { $0.text(0) }
  }

  // MARK: Calls

  struct CallRow {
    enum State: Int64 {
      case open, ended
      /// Nothing of it is left to deliver; kept for a while, so that what comes late is known.
      case done
    }

    var call: String
    var instance: String
    var id: String?
    /// Unix milliseconds of the beginning, or of the first that was heard of it.
    var started: Int64
    var last: Int64
    /// Entries so far; the order number of the last one.
    var number: Int64 = 0
    var extractions: Int64 = 0
    var state = State.open
    /// The name that its files have in common.
    var name: String?
    /// Its call file, as long as something may be added to it.
    var document: [UInt8]?
  }

  private static let callColumns =
    "call,instance,id,started,last,number,extractions,state,name,document"

  private static func call(of row: Row) -> CallRow {
    CallRow(
      call: row.text(0), instance: row.text(1), id: row.textOrNil(2), started: row.integer(3),
      last: row.integer(4), number: row.integer(5), extractions: row.integer(6),
      state: CallRow.State(rawValue: row.integer(7)) ?? .done, name: row.textOrNil(8),
      document: row.isNull(9) ? nil : row.bytes(9))
  }

  func call(_ key: String) throws(Trouble) -> CallRow? {
    try database.statement("SELECT \(Self.callColumns) FROM calls WHERE call=?")
      .first(.text(key), read: Self.call)
  }

  func openCalls(of instance: String) throws(Trouble) -> [CallRow] {
    try database.statement(
      "SELECT \(Self.callColumns) FROM calls WHERE instance=? AND state=0 ORDER BY rowid"
    ).all(.text(instance), read: Self.call)
  }

  func put(_ row: CallRow) throws(Trouble) {
    try database.statement(
      """
      INSERT INTO calls(\(Self.callColumns)) VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10)
      ON CONFLICT(call) DO UPDATE SET id=?3,started=?4,last=?5,number=?6,extractions=?7,state=?8,
        name=?9,document=?10
      """
    ).run(
      .text(row.call), .text(row.instance), SQLValue(row.id), .integer(row.started),
      .integer(row.last), .integer(row.number), .integer(row.extractions),
      .integer(row.state.rawValue), SQLValue(row.name), row.document.map { .bytes($0) } ?? .null)
  }

  /// Whether another call's files have that name.
  func isTaken(_ name: String, for call: String) throws(Trouble) -> Bool {
    let owner = try database.statement("SELECT 1 FROM calls WHERE name=? AND call<>?")
      .first(.text(name), .text(call)) { _ in true }
    return owner ?? false
  }

  // MARK: Entries

  func append(_ entry: [UInt8], number: Int64, of call: String) throws(Trouble) {
    try database.statement("INSERT OR IGNORE INTO entries VALUES(?,?,?)")
      .run(.text(call), .integer(number), .bytes(entry))
  }

  func history(of call: String) throws(Trouble) -> CallHistory {
    let all = try database.statement("SELECT body FROM entries WHERE call=? ORDER BY number")
      .all(.text(call)) { $0.bytes(0) }
    var history = CallHistory(call: call)
    for entry in all { if let entry = Entry(entry) { history.take(entry) } }
    return history
  }

  func deleteEntries(of call: String) throws(Trouble) {
    try database.statement("DELETE FROM entries WHERE call=?").run(.text(call))
  }
}
