// Programs that do not read what they are told, or come too often: what they miss is counted and
// told, and nobody else notices.

import TestSupport
import Testing

@testable import Sidetone

struct SlowSubscribersTests {
  /// So many lines of about a KiB each, the last of which has this number.
  private func hear(_ count: Int, upTo last: Int, on upstream: SlotID, _ rig: Rig) {
    for number in (last - count + 1)...last {
      rig.hear("\(number) " + String(repeating: "word ", count: 200), on: upstream)
      rig.advance(milliseconds: 100)
    }
  }

  private func number(_ event: Hearing.Event) -> Int? {
    event["text"]?.split(separator: " ").first.flatMap { Int($0) }
  }

  @Test(arguments: [false, true])
  func `one that does not read is told how much it missed, and then what comes next`(
    isSocket: Bool
  ) throws {
    let rig = Rig.heard()
    let (caller, upstream) = try rig.listened()
    let slow = try Hearing(rig, isSocket: isSocket)
    let quick = try Hearing(rig)
    rig.stall(slow.link)
    hear(60, upTo: 60, on: upstream, rig)
    #expect(try quick.events().compactMap(number) == Array(1...60))
    rig.unstall(slow.link)
    var events = try slow.events()
    let missed = try #require(events.last)
    #expect(missed.type == "events.missed" && missed.id.isEmpty)
    let told = events.dropLast().compactMap(number)
    #expect(told == Array(1...told.count) && (24...32).contains(told.count))
    #expect(missed.data["count"] as? Int == 60 - told.count)
    #expect(rig.relay.totals.subscriberEventsMissed == 60 - told.count)
    hear(1, upTo: 61, on: upstream, rig)
    events = try slow.events()
    #expect(events.compactMap(number) == [61])
    // What the numbers of a stream leave out is what was missed.
    if !isSocket { #expect(events.map(\.id) == ["61"]) }
    // The caller has all of it.
    let results = rig.messages(from: caller, isCaller: true)
    #expect(results.filter { $0.contains("\"transcript\"") }.count >= 61)
  }

  @Test func `it is told again when half of its outbox is free, and not for every gap`() throws {
    let rig = Rig.heard()
    let (_, upstream) = try rig.listened()
    let slow = try Hearing(rig)
    rig.stall(slow.link)
    hear(40, upTo: 40, on: upstream, rig)
    let missed = rig.relay.totals.subscriberEventsMissed
    #expect(missed > 0)
    for number in 41...45 {
      rig.push(1024, through: slow.link)
      hear(1, upTo: number, on: upstream, rig)
    }
    #expect(rig.relay.totals.subscriberEventsMissed == missed + 5)
    rig.push(Limits.subscriberOutboxBytesMax / 2, through: slow.link)
    hear(1, upTo: 46, on: upstream, rig)
    rig.unstall(slow.link)
    let events = try slow.events()
    #expect(events.filter { $0.type == "events.missed" }.count == 1)
    #expect(events.suffix(2).map(\.type) == ["events.missed", "transcript.final"])
    #expect(events.suffix(2).first?.data["count"] as? Int == missed + 5)
    #expect(events.last.flatMap(number) == 46)
  }

  @Test func `one that leaves in the middle of a line gives everything back`() throws {
    let rig = Rig.heard()
    let (_, upstream) = try rig.listened()
    let free = rig.relay.blocksFree
    let leaving = try Hearing(rig)
    let other = try Hearing(rig, isSocket: true)
    rig.stall(leaving.link)
    hear(3, upTo: 3, on: upstream, rig)
    rig.push(100, through: leaving.link)
    rig.fail(leaving.link)
    hear(1, upTo: 4, on: upstream, rig)
    #expect(try other.events().compactMap(number) == [1, 2, 3, 4])
    rig.fail(other.link)
    #expect(rig.relay.subscribersInUse == 0 && rig.relay.blocksFree == free)
  }

  @Test func `the last blocks are the calls'`() throws {
    let rig = Rig.heard(by: 1)
    let (_, upstream) = try rig.listened()
    let hearing = try Hearing(rig)
    rig.stall(hearing.link)
    let pool = rig.relay.store.pool
    var taken: [Int32] = []
    while pool.free > 90 { taken.append(pool.take()) }
    hear(30, upTo: 30, on: upstream, rig)
    #expect(rig.relay.totals.subscriberEventsMissed > 10)
    #expect(rig.relay.blocksFree >= 80)
    for block in taken { pool.give(block) }
    rig.unstall(hearing.link)
    let events = try hearing.events()
    #expect(events.last?.type == "events.missed")
  }

  @Test func `a stream whose socket takes nothing is let go, one that takes little is not`() throws
  {
    let rig = Rig.heard()
    let (dead, slow) = (try Hearing(rig), try Hearing(rig))
    rig.stall(dead.link)
    rig.stall(slow.link)
    for _ in 0..<5 {
      rig.advance(milliseconds: 15_000)
      rig.push(1, through: slow.link)
    }
    #expect(rig.wasReset.contains(dead.link) && !rig.isGone(slow.link))
    #expect(rig.log.contains { $0.contains("unsubscribed: 127.0.0.1: silent") })
    #expect(rig.relay.subscribersInUse == 1)
  }

  @Test func `each is written to at once, then not again for a moment`() throws {
    let rig = Rig.heard()
    let hearing = try Hearing(rig)
    _ = hearing.taken()
    let (_, upstream) = try rig.listened()
    rig.turn(at: rig.now)
    #expect(!hearing.taken().isEmpty)
    rig.hear("one", on: upstream)
    rig.hear("two", on: upstream)
    rig.turn(at: rig.now)
    #expect(hearing.taken().isEmpty && rig.relay.wakeTime == rig.now + .milliseconds(100))
    rig.turn(at: rig.now + .milliseconds(100))
    let text = String(decoding: hearing.taken(), as: UTF8.self)
    #expect(text.contains("one") && text.contains("two"))
  }

  @Test func `few are written to in one turn, and all in a few`() throws {
    let rig = Rig.heard(by: 40) { $0.limits.otherLinksMax = 64 }
    let crowd = try (0..<40).map { _ in try Hearing(rig) }
    for hearing in crowd { _ = hearing.taken() }
    let (_, upstream) = try rig.listened()
    _ = upstream
    var counts: [Int] = []
    var told: Set<Int> = []
    while counts.reduce(0, +) < 40, counts.count < 30 {
      rig.turn(at: rig.now)
      let new = crowd.indices.filter { !crowd[$0].taken().isEmpty }
      told.formUnion(new)
      counts.append(new.count)
    }
    #expect(counts == Array(repeating: 2, count: 20) && told.count == 40)
    #expect(rig.relay.wakeTime > rig.now)
  }
}

extension Loss {
  static let subscribers = [
    Loss("a subscriber that does not read", "subscriberEventsMissed", "unsubscribed") {
      let rig = Rig.heard()
      let (_, upstream) = try rig.listened()
      let slow = try Hearing(rig)
      rig.stall(slow.link)
      for _ in 0..<60 { rig.hear(String(repeating: "word ", count: 200), on: upstream) }
      rig.fail(slow.link)
      return rig
    }
  ]
}
