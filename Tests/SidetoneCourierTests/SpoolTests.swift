// The spool: what is due when, and what goes first where room is short.

import Testing

@testable import SidetoneCourier

@Suite struct SpoolTests {
  private func spool(_ folder: Folder, room: Int = 1 << 20) throws -> Spool {
    try Spool(path: "\(folder.path)/courier.sqlite", bytesMax: room)
  }

  private func event(
    _ call: Int, _ number: Int, _ kind: EventKind = .final, bytes: Int = 10
  ) -> OutgoingEvent {
    OutgoingEvent(
      row: 0, id: "\(key(call))-\(number)", kind: kind, call: key(call), at: start,
      body: [UInt8](repeating: 0x20, count: bytes))
  }

  private func due(_ spool: Spool, at now: Int64 = start, _ name: String = "hook") throws
    -> [OutgoingEvent]
  {
    try spool.due(for: name, at: now, countMax: 100, except: [])
  }

  @Test func `of each call the oldest event is due, and the next when it has gone`() throws {
    let folder = Folder()
    let spool = try spool(folder)
    for (call, number) in [(1, 1), (1, 2), (2, 1), (1, 3)] {
      try spool.enqueue(event(call, number), to: "hook", at: start)
    }
    #expect(try due(spool).map(\.id) == ["\(key(1))-1", "\(key(2))-1"])
    try spool.remove(try #require(due(spool).first).row, at: start)
    #expect(try Set(due(spool).map(\.id)) == ["\(key(1))-2", "\(key(2))-1"])
  }

  @Test func `an event that failed holds up its own call and destination alone`() throws {
    let folder = Folder()
    let spool = try spool(folder)
    for name in ["hook", "other"] {
      try spool.enqueue(event(1, 1), to: name, at: start)
      try spool.enqueue(event(1, 2), to: name, at: start)
    }
    let first = try #require(due(spool).first)
    try spool.postpone(first.row, to: start + 5000, reason: "500")
    #expect(try due(spool) == [])
    #expect(try spool.nextDue(for: "hook", except: []) == start + 5000)
    #expect(try due(spool, "other").count == 1)
    let again = try #require(due(spool, at: start + 5000).first)
    #expect(again.id == first.id)
    #expect(again.attempts == 1)
  }

  @Test func `the same event is there once`() throws {
    let folder = Folder()
    let spool = try spool(folder)
    try spool.enqueue(event(1, 1), to: "hook", at: start)
    try spool.enqueue(event(1, 1), to: "hook", at: start)
    #expect(try spool.waiting().count == 1)
  }

  @Test func `what is counted of its size is what waits to be delivered`() throws {
    let folder = Folder()
    let spool = try spool(folder)
    #expect(spool.bytes == 0)
    try spool.enqueue(event(1, 1, bytes: 500), to: "hook", at: start)
    try spool.append([UInt8](repeating: 1, count: 300), number: 1, of: key(1))
    let full = spool.bytes
    #expect(full == 500 + Spool.rowBytes)
    #expect(try self.spool(folder).bytes == full)
    try spool.deleteEntries(of: key(1))
    try spool.remove(try #require(due(spool).first).row, at: start)
    #expect(spool.bytes == 0)
  }

  @Test func `a transaction that fails leaves nothing, not even in the count`() throws {
    let folder = Folder()
    let spool = try spool(folder)
    #expect(throws: Trouble.self) {
      try spool.transaction { () throws(Trouble) in
        try spool.enqueue(event(1, 1), to: "hook", at: start)
        throw Trouble("no")
      }
    }
    #expect(spool.bytes == 0)
    #expect(try spool.waiting().count == 0)
  }

  @Test func `where room is short interim lines go first, the oldest of them first`() throws {
    let folder = Folder()
    let spool = try spool(folder, room: 16_000)
    for number in 1...10 {
      let kind = number % 2 == 0 ? EventKind.interim : .final
      try spool.enqueue(event(number, number, kind, bytes: 1500), to: "hook", at: start)
    }
    let dropped = try spool.makeRoom(known: ["files", "hook"], kept: ["files"], at: start)
    #expect(dropped.counts == ["hook": 2])
    #expect(try due(spool).map(\.id).filter { $0.hasSuffix("-2") || $0.hasSuffix("-4") } == [])
    #expect(try due(spool).count == 8)
    #expect(try spool.figures(of: "hook").dropped == 2)
  }

  @Test func `then the oldest of what else there is, but nothing of the files`() throws {
    let folder = Folder()
    let spool = try spool(folder, room: 16_000)
    for number in 1...5 {
      try spool.enqueue(event(number, 1, .ended, bytes: 1500), to: "files", at: start)
      try spool.enqueue(event(number, 1, .ended, bytes: 1500), to: "hook", at: start)
    }
    let dropped = try spool.makeRoom(known: ["files", "hook"], kept: ["files"], at: start)
    #expect(dropped.counts == ["hook": 2])
    #expect(try due(spool).map(\.call) == [key(3), key(4), key(5)])
    #expect(try due(spool, "files").count == 5)
  }

  @Test func `before all else goes what nobody wants any more`() throws {
    let folder = Folder()
    let spool = try spool(folder, room: 8000)
    try spool.enqueue(event(1, 1, .interim, bytes: 3000), to: "hook", at: start)
    try spool.enqueue(event(1, 1, .ended, bytes: 3000), to: "gone", at: start)
    try spool.enqueue(event(2, 1, .ended, bytes: 3000), to: "hook", at: start)
    #expect(try spool.makeRoom(known: ["hook"], kept: [], at: start).counts == ["gone": 1])
  }

  @Test func `a destination that is off drops what waits and stays off`() throws {
    let folder = Folder()
    let spool = try spool(folder)
    for number in 1...3 { try spool.enqueue(event(1, number), to: "hook", at: start) }
    #expect(try spool.turnOff("hook", reason: "410 Gone", at: start) == 3)
    #expect(try spool.waiting().count == 0)
    let later = try self.spool(folder).figures(of: "hook")
    #expect(later.off == "410 Gone")
    #expect(later.dropped == 3)
  }

  @Test func `a spool of a later version is not touched`() throws {
    let folder = Folder()
    try spool(folder).database.run("PRAGMA user_version=99")
    #expect(throws: Trouble.self) { try spool(folder) }
  }
}
