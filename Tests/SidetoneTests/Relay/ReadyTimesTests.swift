// How long an upstream's sessions took to be ready: in the last line of a call, in what is written
// down of it, and in the metrics.

import Foundation
import TestSupport
import Testing

@testable import Sidetone

struct ReadyTimesTests {
  /// A caller of `/talk`, whose sessions take so long each, one behind the loss of the other.
  private func call(_ kind: String, readyAfter spans: [Int]) throws -> Rig {
    let rig = Talk.rig("ucid", with: kind) { $0.records = Config.Records() }
    let caller = try #require(rig.open("/talk"))
    rig.say(try #require(Talk.starts["ucid"]), on: caller)
    for (number, span) in spans.enumerated() {
      // The handshake, then the description.
      rig.advance(milliseconds: span / 2)
      let model = try #require(rig.answerDial())
      rig.advance(milliseconds: span - span / 2)
      rig.answer(Talk.ready(kind), on: model)
      // It does its work: what follows is no failure to begin.
      rig.advance(milliseconds: 2000)
      guard number + 1 < spans.count else { break }
      rig.fail(model)
      try stepToDial(rig)
    }
    rig.fail(caller)
    rig.advance(milliseconds: 12_000)
    return rig
  }

  /// Time goes on to the moment of the next dial, and no further.
  private func stepToDial(_ rig: Rig) throws {
    let dialled = rig.dialled.count
    for _ in 0..<1000 where rig.dialled.count == dialled { rig.step() }
    try #require(rig.dialled.count == dialled + 1)
  }

  private func connected(_ rig: Rig) throws -> [Int?] {
    try rig.entries.filter { $0.contains(#""kind":"connected""#) }
      .map { try Hearing.json($0)["milliseconds"] as? Int }
  }

  @Test(arguments: ["openai", "gemini"])
  func `one session`(kind: String) throws {
    let rig = try call(kind, readyAfter: [120])
    let end = try #require(rig.log.last { $0.contains("call_ended") })
    #expect(end.contains(", upstream ready after 120 ms") && !end.contains("again"))
    #expect(try connected(rig) == [120])
    let metrics = try rig.metrics()
    #expect(metrics.contains("\nsidetone_upstream_ready_seconds_sum 0.120000\n"))
    #expect(metrics.contains("\nsidetone_upstream_ready_seconds_bucket{le=\"0.100000\"} 0\n"))
    #expect(metrics.contains("\nsidetone_upstream_ready_seconds_bucket{le=\"0.200000\"} 1\n"))
  }

  @Test(arguments: ["openai", "gemini"])
  func `of later sessions the longest`(kind: String) throws {
    let rig = try call(kind, readyAfter: [120, 300, 200])
    let end = try #require(rig.log.last { $0.contains("call_ended") })
    #expect(end.contains(", upstream ready after 120 ms, again after 300 ms at most"))
    #expect(try connected(rig) == [120, 300, 200])
    let metrics = try rig.metrics()
    #expect(metrics.contains("\nsidetone_upstream_ready_seconds_count 3\n"))
    #expect(metrics.contains("\nsidetone_upstream_ready_seconds_sum 0.620000\n"))
  }

  @Test func `a session that waits for a quiet moment was ready before`() throws {
    let talk = try Talk("ucid", with: "gemini") { $0.records = Config.Records() }
    talk.say(4000)
    talk.tell(#"{"goAway":{"timeLeft":"4s"}}"#)
    try stepToDial(talk.rig)
    talk.rig.advance(milliseconds: 100)
    let second = try #require(talk.rig.answerDial())
    talk.rig.answer(Talk.ready("gemini"), on: second)
    talk.rig.advance(milliseconds: 8000)
    #expect(try connected(talk.rig) == [0, 100])
    talk.expectAllHome()
  }

  @Test func `a call that never had one says nothing of it`() throws {
    let rig = Talk.rig { $0.records = Config.Records() }
    let caller = try #require(rig.open("/talk"))
    rig.start(caller)
    rig.fail(caller)
    rig.advance(milliseconds: 12_000)
    #expect(rig.log.contains { $0.contains("call_ended") })
    #expect(!rig.log.contains { $0.contains("ready after") })
    #expect(try rig.metrics().contains("\nsidetone_upstream_ready_seconds_count 0\n"))
  }
}
