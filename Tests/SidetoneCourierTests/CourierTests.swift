// The courier, step by step: what is told to whom, and what becomes of journals.

import Foundation
import SidetoneRecords
import Testing

@testable import SidetoneCourier

@Suite struct CourierTests {
  private let folder = Folder()
  private let call = wholeCall

  // MARK: Events

  @Test func `each destination gets what it wants, in the order of the call`() throws {
    try journal(folder, call)
    let (all, some) = (Sink("all"), Sink("some", [.ended]))
    try courier(folder, [all, some]).run()
    #expect(all.kinds == [.started, .interim, .final, .final, .ended])
    #expect(all.ids == [1, 2, 3, 4, 5].map { "\(key(1))-\($0)" })
    #expect(some.kinds == [.ended])
    #expect(some.ids == ["\(key(1))-5"])
  }

  @Test func `an event says what happened, and of which call`() throws {
    try journal(folder, call)
    let hook = Sink()
    try courier(folder, [hook]).run()
    let bodies = hook.begun.compactMap { JSONTree($0.body) }
    #expect(bodies.allSatisfy { $0["call_id"] == "TEST-001" && $0["call_key"] == .text(key(1)) })
    #expect(bodies[0]["carrier"] == "raw")
    #expect(bodies[0]["parameters"]?["shop"] == "7")
    #expect(bodies[1]["final"] == .bool(false))
    #expect(bodies[2]["text"] == "a blue hatchback")
    #expect(bodies[3]["speaker"] == "agent")
    #expect(bodies[4]["conversation"]?.elements.count == 2)
    #expect(bodies[4]["cause"]?["word"] == "stopped")
    #expect(bodies[4]["event_id"] == .text(hook.ids[4]))
    let file = try #require(folder.tree("calls/\(folder.names("calls")[0])"))
    #expect(file["event_id"] == bodies[4]["event_id"])
  }

  @Test func `an event that fails is given again later, and the rest of its call waits`() throws {
    try journal(folder, call + [started("B", of: 2), ended(of: 2)])
    let hook = Sink("hook", [.started, .ended])
    hook.answer = { event, now in
      event.call == key(1) && event.attempts < 2
        ? Finished(row: event.row, verdict: .again(at: now + 1000, reason: "500"))
        : Finished(row: event.row, verdict: .delivered)
    }
    let courier = try courier(folder, [hook])
    for time in [0, 500, 1000, 2000] { try courier.run(at: start + Int64(time)) }
    let first = hook.begun.filter { $0.call == key(1) }
    #expect(first.map(\.kind) == [.started, .started, .started, .ended])
    #expect(Set(first.prefix(3).map(\.id)).count == 1)
    #expect(hook.begun.filter { $0.call == key(2) }.map(\.kind) == [.started, .ended])
    #expect(folder.names("calls").count == 2, "the files do not wait for a hook")
  }

  @Test func `an event is with a destination once, however long that takes`() throws {
    try journal(folder, call)
    let hook = Sink("hook", [.ended])
    hook.answer = { _, _ in nil }
    let courier = try courier(folder, [hook])
    for time in 0..<5 { _ = try courier.step(at: start + Int64(time) * 10_000) }
    #expect(hook.begun.count == 1)
    #expect(try !courier.isIdle(at: start))
    hook.answer = { event, _ in Finished(row: event.row, verdict: .delivered) }
    try courier.run()
    #expect(hook.begun.count == 1)
    #expect(try courier.waitingCount() == 0)
  }

  @Test func `what was under way when a courier died is given again, with the same id`() throws {
    try journal(folder, call)
    let (first, second) = (Sink("hook", [.ended]), Sink("hook", [.ended]))
    first.answer = { _, _ in nil }
    let dying = try courier(folder, [first])
    _ = try dying.step(at: start)
    _ = try dying.step(at: start)
    try courier(folder, [second]).run()
    #expect(first.ids == second.ids)
    #expect(first.begun.map(\.body) == second.begun.map(\.body))
  }

  @Test func `a hook that is off gets nothing any more, also from the next courier`() throws {
    try journal(folder, call)
    let hook = Sink()
    hook.answer = { event, _ in Finished(row: event.row, verdict: .off(reason: "410 Gone")) }
    let ear = Ear()
    let first = try courier(folder, [hook], ear: ear)
    try first.run()
    #expect(hook.begun.count == 1)
    #expect(ear.events == ["hook_off"])
    #expect(try first.waitingCount() == 0)
    try journal(folder, as: "1750000000000-2", [started("B", of: 2), ended(of: 2)])
    try first.run()
    let again = Ear()
    let second = try courier(folder, [hook], ear: again)
    try second.run()
    #expect(hook.begun.count == 1)
    #expect(again.events == ["hook_off"])
    #expect(folder.names("calls").count == 2)
  }

  @Test func `the ends of calls are told again, with the same id, also to a hook that was off`()
    throws
  {
    try journal(folder, call)
    try journal(
      folder, as: "1750000000000-2", [started("B", of: 2, after: 5000), ended(of: 2)])
    let (hook, ear) = (Sink("hook", [.ended]), Ear())
    hook.answer = { event, _ in Finished(row: event.row, verdict: .off(reason: "410 Gone")) }
    let courier = try courier(folder, [hook], ear: ear)
    try courier.run()
    let config = CourierConfig(directory: folder.path)
    hook.answer = { event, _ in Finished(row: event.row, verdict: .delivered) }
    func again(since: Int64) throws -> [String] {
      let before = hook.begun.count
      let (calls, count) = try redeliver(
        config, since: since, to: [hook], FileSystem(), at: start)
      #expect(calls == count)
      try courier.run()
      #expect(hook.begun.count == before + count)
      return hook.begun.suffix(count).map(\.id)
    }
    #expect(try Set(again(since: start)) == ["\(key(1))-5", "\(key(2))-2"])
    #expect(ear.events == ["hook_off", "hook_on"])
    #expect(try again(since: start + 1) == ["\(key(2))-2"])
    let body = try #require(hook.begun.last.flatMap { JSONTree($0.body) })
    #expect(body["conversation"] == .list([]))
    #expect(body["call_id"] == "B")
    #expect(courier.spool.bytes == 0)
    #expect(folder.names("journal") == [])
  }

  @Test func `an event that is given up is counted and said`() throws {
    try journal(folder, call)
    let (hook, ear) = (Sink("hook", [.ended]), Ear())
    hook.answer = { event, _ in Finished(row: event.row, verdict: .givenUp(reason: "too old")) }
    let courier = try courier(folder, [hook], ear: ear)
    try courier.run()
    #expect(ear.events == ["delivery_given_up"])
    #expect(try courier.spool.figures(of: "hook").failed == 1)
  }

  @Test func `what waits for a hook that is no longer named is said and kept`() throws {
    try journal(folder, call)
    let hook = Sink("old hook", [.ended])
    hook.answer = { _, _ in nil }
    let first = try courier(folder, [hook])
    _ = try first.step(at: start)
    let ear = Ear()
    let second = try courier(folder, ear: ear)
    #expect(ear.events == ["destination_unknown"])
    #expect(try second.waitingCount() > 0)
  }

  // MARK: Extraction

  @Test func `what is found after a call stands in its file and is told`() throws {
    try journal(folder, call)
    let (extraction, hook) = (Sink("extraction", [.ended]), Sink("hook", [.extracted]))
    extraction.extracts = true
    let fields = JSONTree.made(["colour": "blue", "year": .null])
    extraction.answer = { event, _ in
      let found = Extracted(fields: fields, reasons: .made(["year": "not said"]), isFinal: true)
      return Finished(row: event.row, verdict: .delivered, extracted: found)
    }
    try courier(folder, [extraction, hook]).run()
    let file = try #require(folder.tree("calls/\(folder.names("calls")[0])"))
    #expect(file["extracted"] == fields)
    #expect(file["extracted_reasons"]?["year"] == "not said")
    #expect(file["extracted_reason"] == .null)
    #expect(file["cause"]?["word"] == "stopped", "the rest is as it was")
    #expect(hook.ids == ["\(key(1))-x1"])
    #expect(JSONTree(hook.begun[0].body)?["extracted"] == fields)
    #expect(extraction.transcripts[0]["conversation"]?.elements.count == 2)
  }

  @Test func `until then the file says that it is not finished, and why when it is given up`()
    throws
  {
    try journal(folder, call)
    let extraction = Sink("extraction", [.ended])
    extraction.extracts = true
    extraction.answer = { event, now in
      event.attempts == 0
        ? Finished(row: event.row, verdict: .again(at: now + 1000, reason: "503"))
        : Finished(row: event.row, verdict: .givenUp(reason: "the answer is prose"))
    }
    let courier = try courier(folder, [extraction])
    try courier.run(at: start)
    func file() -> JSONTree? { folder.tree("calls/\(folder.names("calls")[0])") }
    #expect(file()?["extracted_reason"] == "extraction has not finished yet")
    try courier.run(at: start + 1000)
    #expect(file()?["extracted_reason"] == "the answer is prose")
    #expect(file()?["extracted"] == .null)
  }

  @Test func `while a call runs what was found is told with all that was said so far`() throws {
    let relay = try Relay(folder, "1750000000000-1", [started(), spoken("a blue")])
    let (extraction, hook) = (Sink("extraction", [.final, .ended]), Sink("hook", [.extracted]))
    extraction.extracts = true
    extraction.answer = { event, _ in
      let found = Extracted(
        fields: .made(["colour": "blue"]), reasons: .object([]), isFinal: event.kind == .ended)
      return Finished(row: event.row, verdict: .delivered, extracted: found)
    }
    let courier = try courier(folder, [extraction, hook])
    try courier.run()
    #expect(hook.ids == ["\(key(1))-x1"])
    #expect(JSONTree(hook.begun[0].body)?["final"] == .bool(false))
    relay.write([spoken("hatchback")])
    try courier.run()
    #expect(extraction.transcripts[1]["conversation"]?.elements.count == 2)
    #expect(folder.names("calls") == [])
    relay.write([ended()])
    try courier.run()
    #expect(hook.ids.map { String($0.suffix(3)) } == ["-x1", "-x2", "-x3"])
    relay.die()
  }

  @Test func `lines that wait to be looked at are dropped when the call ends`() throws {
    try journal(folder, [started(), spoken("a"), spoken("b"), spoken("c"), ended()])
    let extraction = Sink("extraction", [.final, .ended])
    extraction.extracts = true
    try courier(folder, [extraction]).run()
    #expect(extraction.kinds == [.ended])
  }

  // MARK: Journals

  @Test func `a journal of a dead relay is gone when all of it is delivered`() throws {
    try journal(folder, call)
    let courier = try courier(folder)
    try courier.run()
    #expect(folder.names("journal") == [])
    #expect(try courier.spool.instances() == [])
  }

  @Test func `a call whose relay died has both files, and its cause says so`() throws {
    try journal(folder, [started(), spoken("still here", after: 700)])
    try courier(folder).run()
    let file = try #require(folder.tree("calls/call_TEST-001_1750000000000.json"))
    #expect(file["cause"]?["word"] == "killed")
    #expect(file["duration_ms"] == .integer(700))
    #expect(file["lines"] == .integer(1))
  }

  @Test func `a call whose relay lives stays open`() throws {
    let relay = try Relay(folder, "1750000000000-1", [started(), spoken("hello")])
    let courier = try courier(folder)
    try courier.run()
    #expect(folder.names("calls") == [])
    relay.write([ended()])
    try courier.run()
    #expect(folder.names("calls").count == 1)
    #expect(folder.names("journal").count == 1)
    relay.die()
    try courier.run(at: start + 200_000)
    #expect(folder.names("journal") == [])
    #expect(folder.names("calls").count == 1)
  }

  @Test func `several relays write under one directory at once`() throws {
    let relays = try (1...3).map { number in
      try Relay(folder, "1750000000000-\(number)", [started("R\(number)", of: number)])
    }
    let courier = try courier(folder)
    for (index, relay) in relays.enumerated() { relay.write([ended(of: index + 1)]) }
    try courier.run()
    #expect(folder.names("calls").count == 3)
    #expect(courier.followed.count == 3)
    for relay in relays { relay.die() }
  }

  @Test func `segments go when everything of them is in the spool, the last one stays`() throws {
    let relay = try Relay(folder, "1750000000000-1", [started()])
    let long = String(repeating: "x", count: 16_000)
    for _ in 0..<15 { relay.write([[UInt8]](repeating: spoken(long), count: 40)) }
    func segments() -> Int {
      folder.names("journal/1750000000000-1").filter { $0.hasSuffix(".segment") }.count
    }
    #expect(segments() == 3)
    let courier = try courier(folder)
    try courier.run(at: start)
    try courier.run(at: start + 1000)
    #expect(segments() == 1)
    relay.write([ended()])
    try courier.run(at: start + 2000)
    #expect(folder.tree("calls/\(folder.names("calls")[0])")?["lines"] == .integer(600))
    relay.die()
  }

  @Test func `a segment of a later version stays, and the calls before it are closed`() throws {
    try journal(folder, [started(), spoken("hello")])
    let place = "\(folder.path)/journal/1750000000000-1"
    try writeSegment(
      version: 2, after: "\(place)/00000001.segment", to: "\(place)/00000002.segment")
    let ear = Ear()
    let courier = try courier(folder, ear: ear)
    try courier.run()
    try courier.run(at: start + 200_000)
    #expect(ear.events == ["journal_too_new"])
    #expect(folder.names("calls").count == 1)
    #expect(folder.names("journal/1750000000000-1").contains("00000002.segment"))
    let next = try SidetoneCourierTests.courier(folder)
    try next.run()
    #expect(folder.names("calls").count == 1)
  }

  /// A second segment with the head of the first one, but for its number and its version.
  private func writeSegment(version: UInt8, after first: String, to path: String) throws {
    var head = Array(try Data(contentsOf: URL(fileURLWithPath: first)).prefix(SegmentHead.bytes))
    (head[8], head[16]) = (version, 2)
    let sum = crc32c(head.dropLast(4))
    for place in 0..<4 {
      head[head.count - 4 + place] = UInt8(truncatingIfNeeded: sum >> (8 * UInt32(place)))
    }
    try Data(head).write(to: URL(fileURLWithPath: path))
  }

  /// Bit by bit, as RFC 3720 has it.
  private func crc32c(_ bytes: some Sequence<UInt8>) -> UInt32 {
    var sum = ~UInt32(0)
    for byte in bytes {
      sum ^= UInt32(byte)
      for _ in 0..<8 { sum = sum & 1 == 1 ? sum >> 1 ^ 0x82f6_3b78 : sum >> 1 }
    }
    return ~sum
  }

  @Test func `a damaged part is said, and calls that were open then say it too`() throws {
    try journal(folder, [started(), spoken("broken"), spoken("whole"), ended()])
    let path = "\(folder.path)/journal/1750000000000-1/00000001.segment"
    var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
    let place = try #require(bytes.range(of: Data("broken".utf8))).lowerBound
    bytes[place] ^= 1
    try bytes.write(to: URL(fileURLWithPath: path))
    let ear = Ear()
    try courier(folder, ear: ear).run()
    #expect(ear.events == ["journal_damaged"])
    let file = try #require(folder.tree("calls/call_TEST-001_1750000000000.json"))
    #expect(file["lines"] == .integer(1))
    #expect(file["missing_reasons"] == .list(["a part of the journal cannot be read"]))
  }

  @Test func `what comes after a call's end is said and changes nothing`() throws {
    try journal(folder, call + [spoken("late"), ended()])
    let ear = Ear()
    try courier(folder, ear: ear).run()
    #expect(ear.events == ["entry_late", "entry_late"])
    #expect(folder.names("calls").count == 1)
  }

  @Test func `an entry that is none is said and passed over`() throws {
    try journal(folder, [started(), Array("{\"kind\":\"final\"}".utf8), ended()])
    let ear = Ear()
    try courier(folder, ear: ear).run()
    #expect(ear.events == ["entry_unreadable"])
    #expect(folder.names("calls").count == 1)
  }

  @Test func `losses of a relay are said, and stand in the calls that were open`() throws {
    let lost = JSONTree.made([
      "kind": "missing", "call": .text(Entry.noCall), "at": .integer(start), "count": .integer(4),
      "reason": "the disk did not keep up",
    ]).compact
    try journal(folder, [started(), lost, ended(), started("B", of: 2), ended(of: 2)])
    let ear = Ear()
    try courier(folder, ear: ear).run()
    #expect(ear.events == ["journal_lost"])
    #expect(
      folder.tree("calls/call_TEST-001_1750000000000.json")?["missing_of_relay"] == .integer(4))
    #expect(folder.tree("calls/call_B_1750000000000.json")?["missing_of_relay"] == .integer(0))
  }
}
