// An upstream that many calls lose at once: they come back one after the other, and the log says it
// once.

import TestSupport
import Testing

@testable import Sidetone

struct TroubleTests {
  private static func rig(calls: Int, _ change: (inout Config) -> Void = { _ in }) -> Rig {
    Rig {
      $0.limits.callsMax = calls
      change(&$0)
    }
  }

  @Test func `calls that lose their upstream together dial again one after the other`() throws {
    let rig = Self.rig(calls: 200) { $0.limits.redialsPerSecondMax = 100 }
    var upstreams: [SlotID] = []
    for _ in 0..<200 {
      _ = try #require(rig.open("/ws/transcribe"))
      upstreams.append(try #require(rig.answerDial()))
    }
    #expect(rig.dialled.count == 200)
    _ = rig.takenLog()
    for upstream in upstreams { rig.fail(upstream) }
    var times: [Int: Int] = [:]
    var seen = rig.dialled.count
    for _ in 0..<4000 {
      rig.advance(milliseconds: 1)
      let now = Int(rig.now.nanoseconds / 1_000_000)
      if rig.dialled.count > seen { times[now] = rig.dialled.count - seen }
      // It answers once, and dies.
      for link in rig.dialled[seen...] {
        rig.connected(link)
        if let answer = Frames.answer(to: rig.taken(from: link)) { rig.feed(answer, on: link) }
        rig.fail(link)
      }
      seen = rig.dialled.count
    }
    #expect(times.values.allSatisfy { $0 == 1 })
    for start in times.keys {
      #expect((start..<start + 1000).reduce(0) { $0 + (times[$1] ?? 0) } <= 101)
    }
    #expect(times.count > 350)
    let log = rig.takenLog().filter { $0.contains("upstream_") }
    #expect(log.count < 60)
    rig.advance(milliseconds: 60_000)
    let told = try #require(rig.log.first { $0.contains("upstream_trouble") })
    #expect(told.contains("deepgram: ") && told.contains("lines not shown: "))
    #expect(rig.log.filter { $0.contains("upstream_trouble") }.count <= 2)
  }

  @Test func `first dials are not counted, and go at once`() throws {
    let rig = Self.rig(calls: 300) { $0.limits.redialsPerSecondMax = 1 }
    for _ in 0..<300 { _ = try #require(rig.open("/ws/transcribe")) }
    #expect(rig.dialled.count == 300)
  }

  @Test func `a call that ends while it waits for its turn leaves nothing behind`() throws {
    let rig = Self.rig(calls: 20) { $0.limits.redialsPerSecondMax = 1 }
    var callers: [SlotID] = []
    for _ in 0..<20 {
      callers.append(try #require(rig.open("/ws/transcribe")))
      rig.fail(try #require(rig.answerDial()))
    }
    rig.advance(milliseconds: 500)
    #expect(rig.dialled.count == 21)
    for caller in callers { rig.fail(caller) }
    rig.advance(milliseconds: 60_000)
    #expect(rig.relay.missing == [])
  }

  @Test func `who ends while it waits for its turn is not waited for by those behind`() throws {
    for leaving in [1..<11, 5..<15, 1..<2, 10..<20, 19..<20, 1..<20] {
      let rig = Self.rig(calls: 20) { $0.limits.redialsPerSecondMax = 1 }
      let legs = try (0..<20).map { _ in
        (caller: try #require(rig.open("/ws/transcribe")), model: try #require(rig.answerDial()))
      }
      rig.advance(milliseconds: 2000)
      // The first is dialled at once, the others line up.
      for leg in legs {
        rig.fail(leg.model)
        rig.advance(milliseconds: 1)
      }
      #expect(rig.dialled.count == 21)
      for leg in legs[leaving] { rig.fail(leg.caller) }
      let left = 19 - leaving.count
      for dialled in 0..<left {
        rig.advance(milliseconds: 1000)
        #expect(rig.dialled.count == 22 + dialled, "\(leaving)")
      }
      for leg in legs { rig.fail(leg.caller) }
      rig.advance(milliseconds: 60_000)
      #expect(rig.relay.missing == [])
    }
  }

  @Test func `calls that lose working sessions in one turn dial at once, one after the other`()
    throws
  {
    let rig = Self.rig(calls: 500) { $0.limits.redialsPerSecondMax = 100 }
    var upstreams: [SlotID] = []
    for _ in 0..<500 {
      _ = try #require(rig.open("/ws/transcribe"))
      upstreams.append(try #require(rig.answerDial()))
    }
    rig.advance(milliseconds: 2000)
    for upstream in upstreams { rig.fail(upstream) }
    let begin = rig.now
    var times: [Int] = []
    while times.count < 500, rig.now < begin + .seconds(6) {
      rig.advance(milliseconds: 1)
      let fresh = rig.dialled.count - 500 - times.count
      times += Array(repeating: (rig.now - begin).milliseconds, count: fresh)
    }
    #expect(times.count == 500 && times[0] <= 1)
    #expect(zip(times.dropFirst(), times.dropFirst(2)).allSatisfy { $1 - $0 == 10 })
  }

  @Test func `one loss is dialled again as soon as before, a little later by chance`() throws {
    var pauses: Set<Int> = []
    for seed: UInt8 in 0..<20 {
      var config = Config.small()
      config.addUpstream("deepgram")
      config.addRoute("/ws/transcribe", ["raw"], to: "deepgram")
      let rig = EngineDriver(config: config, seed: [seed])
      _ = try #require(rig.open("/ws/transcribe"))
      rig.fail(try #require(rig.answerDial()))
      let begin = rig.now
      while rig.dialled.count == 1 { rig.step() }
      pauses.insert((rig.now - begin).microseconds)
    }
    #expect(pauses.allSatisfy { (100_000...150_000).contains($0) } && pauses.count > 10)
  }

  @Test func `few troubles are told one by one`() {
    var troubles = Troubles()
    let start = Instant(nanoseconds: 1)
    func isToldOf(_ upstream: String, after seconds: Int = 0) -> Bool {
      troubles.admit(kept(upstream), isLoss: true, at: start + .seconds(seconds))
    }
    func isToldThatWell(_ upstream: String) -> Bool {
      troubles.admitsGood(kept(upstream), at: start)
    }
    for _ in 0..<20 { #expect(isToldOf("a")) }
    #expect(troubles.nextDue == .never && isToldThatWell("a"))
    #expect(!isToldOf("a") && isToldOf("b"))
    #expect(!isToldThatWell("a") && isToldThatWell("b"))
    let early = troubles.due(at: start + .seconds(59))
    let told = troubles.due(at: start + .seconds(60))
    #expect(told?.losses == 21 && told?.unshown == 2 && told?.upstream.equals(kept("a")) == true)
    let again = troubles.due(at: start + .seconds(60))
    #expect(early?.losses == nil && again?.losses == nil)
    #expect(isToldOf("a", after: 61))
  }
}
