// SQLite as the spool uses it: statements that are prepared once, values in, rows out. The only
// file that calls the library.

import CCourier
import Sidetone

package enum SQLValue: Equatable, Sendable {
  case null
  case integer(Int64)
  case text(String)
  case bytes([UInt8])

  init(_ text: String?) { self = text.map { .text($0) } ?? .null }
  init(_ number: Int64?) { self = number.map { .integer($0) } ?? .null }
}

private enum Answer {
  static let ok = Int32(CSQ_OK)
  static let row = Int32(CSQ_ROW)
  static let done = Int32(CSQ_DONE)
  static let full = Int32(CSQ_FULL)
  static let readOnly = Int32(CSQ_READONLY)
  static let cannotOpen = Int32(CSQ_CANTOPEN)
  static let inputOutput = Int32(CSQ_IOERR)
  static let corrupt = Int32(CSQ_CORRUPT)
  static let noDatabase = Int32(CSQ_NOTADB)
  static let busy = Int32(CSQ_BUSY)
}

@safe package final class Database {
  private let handle: OpaquePointer
  package let path: String
  /// By their text, so that each is prepared once.
  private var prepared: [String: Statement] = [:]

  /// The Debian package that holds the library.
  static let package = "libsqlite3-0"

  /// Loads the library. Nil, or the sentence for a machine that has none.
  package static func missing() -> String? {
    guard let words = unsafe csq_load() else { return nil }
    return unsafe "the courier needs SQLite, and libsqlite3.so.0 could not be loaded"
      + " (\(String(cString: words))): apt-get install \(package)"
  }

  package init(_ path: String) throws(Trouble) {
    if let sentence = Self.missing() { throw Trouble(sentence) }
    self.path = path
    var opened: OpaquePointer?
    let result = unsafe csq_open(path, &opened)
    guard let opened = unsafe opened else { throw Trouble("there is no memory for \(path)") }
    unsafe handle = opened
    guard result == Answer.ok else {
      let trouble = self.trouble(result)
      unsafe csq_close(opened)
      throw trouble
    }
    _ = unsafe csq_wait_for_others(handle, 2000)
  }

  deinit {
    prepared = [:]
    unsafe csq_close(handle)
  }

  func run(_ sql: String) throws(Trouble) {
    let result = unsafe csq_run(handle, sql)
    guard result == Answer.ok else { throw trouble(result) }
  }

  /// The statement of that text.
  func statement(_ sql: String) throws(Trouble) -> Statement {
    if let known = prepared[sql] { return known }
    var statement: OpaquePointer?
    let result = unsafe csq_prepare(handle, sql, &statement)
    guard result == Answer.ok, let statement = unsafe statement else { throw trouble(result) }
    let made = unsafe Statement(statement, of: self)
    prepared[sql] = made
    return made
  }

  fileprivate var changes: Int { unsafe Int(csq_changes(handle)) }

  fileprivate func trouble(_ result: Int32) -> Trouble {
    let words = unsafe String(cString: csq_message(handle))
    let detail = unsafe "\(words), error \(csq_extended_code(handle))"
    switch result & 0xff {
    case Answer.full: return Trouble("\(path) has no room (\(detail)); make room there")
    case Answer.readOnly, Answer.cannotOpen:
      return Trouble(
        "\(path) cannot be written (\(detail)); let the user whom the relay runs as write there")
    case Answer.inputOutput:
      return Trouble("\(path) cannot be read or written (\(detail)); look at the disk")
    case Answer.corrupt, Answer.noDatabase:
      return Trouble("\(path) is damaged (\(detail))", .damaged)
    case Answer.busy:
      return Trouble("\(path) is held by another process (\(detail)); it is tried again")
    default: return Trouble("\(path) failed (\(detail))")
    }
  }
}

@safe package final class Statement {
  private let handle: OpaquePointer
  private unowned let database: Database

  fileprivate init(_ handle: OpaquePointer, of database: Database) {
    unsafe self.handle = handle
    self.database = database
  }

  deinit { unsafe csq_finalize(handle) }

  /// Runs it without looking at rows; how many it changed.
  @discardableResult func run(_ values: SQLValue...) throws(Trouble) -> Int {
    defer { unsafe csq_reset(handle) }
    try bind(values)
    var result = unsafe csq_step(handle)
    while result == Answer.row { result = unsafe csq_step(handle) }
    guard result == Answer.done else { throw database.trouble(result) }
    return database.changes
  }

  func all<Item>(_ values: SQLValue..., read: (Row) -> Item) throws(Trouble) -> [Item] {
    defer { unsafe csq_reset(handle) }
    try bind(values)
    var items: [Item] = []
    while true {
      let result = unsafe csq_step(handle)
      if result == Answer.done { return items }
      guard result == Answer.row else { throw database.trouble(result) }
      items.append(unsafe read(Row(handle)))
    }
  }

  func first<Item>(_ values: SQLValue..., read: (Row) -> Item) throws(Trouble) -> Item? {
    defer { unsafe csq_reset(handle) }
    try bind(values)
    let result = unsafe csq_step(handle)
    if result == Answer.done { return nil }
    guard result == Answer.row else { throw database.trouble(result) }
    return unsafe read(Row(handle))
  }

  private func bind(_ values: [SQLValue]) throws(Trouble) {
    for (index, value) in values.enumerated() {
      let place = Int32(index + 1)
      let result: Int32
      switch value {
      case .null: result = unsafe csq_bind_null(handle, place)
      case .integer(let number): result = unsafe csq_bind_integer(handle, place, number)
      case .text(let text):
        result = Array(text.utf8).withBytes {
          unsafe csq_bind_text(handle, place, $0.base, $0.count)
        }
      case .bytes(let bytes):
        result = bytes.withBytes { unsafe csq_bind_bytes(handle, place, $0.base, $0.count) }
      }
      guard result == Answer.ok else { throw database.trouble(result) }
    }
  }
}

/// A row while its statement stands on it. Columns count from 0.
@safe struct Row {
  private let handle: OpaquePointer

  fileprivate init(_ handle: OpaquePointer) { unsafe self.handle = handle }

  func isNull(_ column: Int) -> Bool { unsafe csq_is_null(handle, Int32(column)) != 0 }
  func integer(_ column: Int) -> Int64 { unsafe csq_integer(handle, Int32(column)) }
  func integerOrNil(_ column: Int) -> Int64? { isNull(column) ? nil : integer(column) }
  func text(_ column: Int) -> String { String(decoding: bytes(column), as: UTF8.self) }
  func textOrNil(_ column: Int) -> String? { isNull(column) ? nil : text(column) }

  func bytes(_ column: Int) -> [UInt8] {
    // The pointer first: the library may convert the value when it is asked for it.
    guard let start = unsafe csq_bytes(handle, Int32(column)) else { return [] }
    let count = unsafe csq_count(handle, Int32(column))
    return unsafe [UInt8](UnsafeRawBufferPointer(start: start, count: count))
  }
}
