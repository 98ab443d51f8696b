// The courier where something is in its way: no room, a clock that is set back, odd entries, a
// spool or a directory that is not as it was.

import Foundation
import SidetoneRecords
import Testing

@testable import SidetoneCourier

@Suite struct CourierTroubleTests {
  private let folder = Folder()
  private let call = wholeCall

  // MARK: Room

  @Test func `a dead hook costs its own events only, the oldest interim lines first`() throws {
    let many = (1...40).flatMap { number in
      [
        started("C\(number)", of: number), entry("interim", of: number, ["text": "x"]),
        spoken("hello", of: number), ended(of: number),
      ]
    }
    try journal(folder, many)
    let (hook, ear) = (Sink(), Ear())
    hook.answer = { _, _ in nil }
    let courier = try courier(folder, [hook], ear: ear, room: 60_000)
    for time in 0..<8 { _ = try courier.step(at: start + Int64(time) * 2000) }
    #expect(folder.names("calls").count == 40)
    #expect(courier.spool.bytes < 60_000)
    #expect(ear.events.allSatisfy { $0 == "events_dropped" })
    let interim = try courier.spool.database.statement(
      "SELECT COUNT(*) FROM outgoing WHERE kind='transcript.interim'"
    ).first { $0.integer(0) }
    #expect(interim == 0)
    #expect(try courier.spool.figures(of: "hook").dropped > 40)
    #expect(try courier.spool.figures(of: "files").dropped == 0)
  }

  @Test func `where even the files cannot be written, journals wait`() throws {
    let many = (1...600).flatMap { [started("C\($0)", of: $0), ended(of: $0)] }
    try journal(folder, many)
    var isFailing = true
    let ear = Ear()
    let courier = try courier(
      folder, ear: ear, room: 60_000,
      disturbance: Disturbance { deed, _ in isFailing && deed == "rename" ? 28 : nil })
    for time in 0..<10 { _ = try courier.step(at: start + Int64(time) * 1000) }
    #expect(courier.spool.bytes < 1_000_000)
    #expect(ear.events.contains("spool_full"))
    #expect(folder.names("journal") != [])
    isFailing = false
    for time in 1...100 { _ = try courier.step(at: start + 1_000_000 + Int64(time) * 31_000) }
    #expect(folder.names("calls").count == 600)
    #expect(ear.events.contains("spool_has_room"))
  }

  @Test func `a call that goes on for long takes no room from what is to be delivered`() throws {
    let lines = (1...1000).map { spoken("line \($0) of a very long call", after: Int64($0)) }
    try journal(folder, [started()] + lines + [ended()])
    let courier = try courier(folder, room: 60_000)
    for time in 0..<20 { _ = try courier.step(at: start + Int64(time) * 1000) }
    let transcript = try #require(
      folder.tree("transcripts/call_TEST-001_1750000000000_transcript.json"))
    #expect(transcript["conversation"]?.elements.count == 1000)
  }

  @Test func `a call whose extraction had to make room says so in its file`() throws {
    try journal(folder, (1...40).flatMap { [started("C\($0)", of: $0), ended(of: $0)] })
    let model = Sink("extraction", [.ended])
    model.extracts = true
    model.answer = { _, _ in nil }
    let courier = try courier(folder, [model], room: 30_000)
    for time in 0..<20 { _ = try courier.step(at: start + Int64(time) * 2000) }
    let files = folder.names("calls").compactMap { folder.tree("calls/\($0)") }
    let reasons = files.compactMap { $0["extracted_reason"]?.string }
    #expect(reasons.count == 40)
    #expect(reasons.contains { $0.hasPrefix("more waited for extraction") })
  }

  // MARK: A clock that is set back

  @Test(arguments: [5000, 86_400_000 * 365])
  func `what is due soon is so after the clock was set back`(by milliseconds: Int64) throws {
    try journal(folder, call)
    let hook = Sink("hook", [.ended])
    var answers = 0
    hook.answer = { event, now in
      answers += 1
      return Finished(
        row: event.row, verdict: answers == 1 ? .again(at: now + 60_000, reason: "") : .delivered)
    }
    let courier = try courier(folder, [hook])
    try courier.run(at: start)
    _ = try courier.step(at: start - milliseconds)
    _ = try courier.step(at: start - milliseconds + 59_000)
    #expect(answers == 1)
    _ = try courier.step(at: start - milliseconds + 60_000)
    #expect(answers == 2)
  }

  @Test func `a courier that is started with the clock years back goes on at once`() throws {
    try journal(folder, call)
    let hook = Sink("hook", [.ended])
    hook.answer = { Finished(row: $0.row, verdict: .again(at: $1 + 60_000, reason: "")) }
    try courier(folder, [hook]).run(at: start)
    hook.answer = { event, _ in Finished(row: event.row, verdict: .delivered) }
    let past = start - 86_400_000 * 365
    let second = try Courier(
      directory: folder.path, destinations: [hook], word: Ear().word, at: past)
    _ = try second.step(at: past)
    #expect(hook.begun.count == 2)
    #expect(try second.waitingCount() == 0)
  }

  // MARK: Odd entries

  @Test func `an event of a call whose beginning is gone gets no number that another had`() throws {
    try journal(folder, [spoken("hello", after: 5000), ended()])
    let hook = Sink("hook", [.final])
    try courier(folder, [hook]).run()
    #expect(hook.ids == ["\(key(1))-\(start + 5001)"])
  }

  @Test func `what is nested deeply is text in the files`() throws {
    let deep = String(repeating: "[", count: 29) + "1" + String(repeating: "]", count: 29)
    let parameters = JSONTree.made(["deep": try #require(JSONTree(Array(deep.utf8)))])
    try journal(
      folder, [entry("started", ["id": "TEST-001", "parameters": parameters]), ended()])
    let ear = Ear()
    try courier(folder, ear: ear).run()
    #expect(ear.events.isEmpty)
    let file = try #require(folder.tree("calls/call_TEST-001_1750000000000.json"))
    let text = String(decoding: file.compact, as: UTF8.self)
    #expect(text.contains("[[[[") && text.contains("]]]]"))
  }

  @Test(arguments: ["", "1", "00000000000000.1", "000000000000000\n", "000000000000000A"])
  func `a call's key is sixteen digits`(_ key: String) {
    let entry = JSONTree.made(["kind": "started", "call": .text(key), "at": .integer(1)])
    #expect(Entry(entry.compact) == nil)
  }

  @Test func `a relay of which nobody knows whether it lives keeps its journal`() throws {
    let relay = try Relay(folder, "1750000000000-1", [started()])
    let lock = "\(folder.path)/journal/1750000000000-1/lock"
    try FileManager.default.removeItem(atPath: lock)
    try FileManager.default.createSymbolicLink(atPath: lock, withDestinationPath: lock)
    let ear = Ear()
    let courier = try courier(folder, ear: ear)
    for time in 0..<5 { _ = try courier.step(at: start + Int64(time) * 2000) }
    #expect(folder.names("journal") == ["1750000000000-1"])
    #expect(folder.names("calls").isEmpty)
    #expect(ear.events == ["journal_unasked"])
    relay.die()
  }

  // MARK: The spool's own troubles

  @Test func `a spool that is no database is put aside, and journals are read again`() throws {
    folder.put(String(repeating: "no database", count: 1000), "courier.sqlite")
    try journal(folder, call)
    let ear = Ear()
    try courier(folder, ear: ear).run()
    #expect(ear.events == ["spool_damaged"])
    #expect(folder.names("").contains { $0.hasPrefix("courier.sqlite.damaged-") })
    #expect(folder.names("calls").count == 1)
  }

  @Test func `where nothing more can be taken in, what waits is delivered all the same`() throws {
    let relay = try Relay(folder, "1750000000000-1", [started()])
    let hook = Sink("hook", [.started])
    hook.answer = { event, now in
      Finished(
        row: event.row,
        verdict: event.attempts == 0 ? .again(at: now + 1000, reason: "503") : .delivered)
    }
    var isFull = false
    let courier = try courier(
      folder, [hook],
      disturbance: Disturbance { deed, _ in
        // The first thing that is committed in a step is what was read.
        guard isFull, deed == "commit" else { return nil }
        isFull = false
        return 28
      })
    try courier.run(at: start)
    relay.write([spoken("hello")])
    isFull = true
    #expect(throws: Trouble.self) { try courier.step(at: start + 1000) }
    #expect(hook.begun.count == 2)
    #expect(try courier.waitingCount() == 0)
    relay.die()
  }

  @Test func `what a relay left that was killed at its birth is removed`() throws {
    let (left, young, held) = (".1749999000000-7", ".1750000000000-8", ".1749999000000-9")
    for name in [left, young, held] { folder.put("", "journal/\(name)/lock") }
    let lock = try FileSystem().lock("\(folder.path)/journal/\(held)/lock")
    defer { _ = lock.map { close($0) } }
    _ = try courier(folder)
    #expect(folder.names("journal") == [held, young])
  }

  @Test func `a directory that is taken away is said, and the courier ends`() throws {
    try journal(folder, call)
    let courier = try courier(folder)
    try FileManager.default.removeItem(atPath: folder.path)
    courier.mustScan = true
    #expect { try courier.step(at: start) } throws: { ($0 as? Trouble)?.kind == .gone }
  }

  @Test func `a transaction that finds no room leaves everything to be done again`() throws {
    try journal(folder, call)
    var fails = 3
    let hook = Sink()
    let courier = try courier(
      folder, [hook],
      disturbance: Disturbance { deed, _ in
        guard deed == "commit", fails > 0 else { return nil }
        fails -= 1
        return 28
      })
    for time in 0..<3 {
      #expect(throws: Trouble.self) { try courier.step(at: start + Int64(time) * 1000) }
    }
    try courier.run()
    #expect(Set(hook.ids) == Set([1, 2, 3, 4, 5].map { "\(key(1))-\($0)" }))
    #expect(folder.names("calls").count == 1)
  }
}
