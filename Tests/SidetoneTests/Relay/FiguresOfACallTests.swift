// What is written down of a call's sound, gaps and delays when it has ended, of every carrier, in
// calls that are listened to and in talks.

import Foundation
import TestSupport
import Testing

@testable import Sidetone

struct FiguresOfACallTests {
  /// A caller who speaks, and what became of the call.
  private struct Caller {
    let rig: Rig
    let link: SlotID
    let wire: CarrierWire
    var number = 0

    /// Samples, a message every 20 ms.
    mutating func speak(_ samples: [Int16], track: String = "inbound") {
      let piece = wire.format.rate / 50
      for place in stride(from: 0, to: samples.count - piece + 1, by: piece) {
        rig.feed(
          wire.message(Array(samples[place..<place + piece]), number, track: track), on: link)
        rig.advance(milliseconds: 20)
        number += 1
      }
    }

    func tone(_ decibels: Double, seconds: Double) -> [Int16] {
      Sine(hertz: 1000, rate: wire.format.rate, decibels: decibels).samples(
        Int(seconds * Double(wire.format.rate)))
    }

    func silence(seconds: Double) -> [Int16] {
      [Int16](repeating: 0, count: Int(seconds * Double(wire.format.rate)))
    }

    /// The entry of the call's end.
    func ended() throws -> [String: Any] {
      rig.end(link)
      rig.advance(milliseconds: 12_000)
      let entry = try #require(rig.entries.last { $0.contains(#""kind":"ended""#) })
      return try Hearing.json(entry)
    }
  }

  /// A caller who is listened to.
  private func listened(
    _ wire: CarrierWire, start: String? = nil, _ change: (inout Config) -> Void = { _ in }
  ) throws -> (Caller, upstream: SlotID) {
    let rig = Rig {
      $0.records = Config.Records()
      if wire.carrier != "raw" { $0.routes[0].carriers = [wire.carrier] }
      change(&$0)
    }
    let link = try #require(rig.open(wire.path))
    if let start = start ?? wire.start { rig.say(start, on: link) }
    return (Caller(rig: rig, link: link, wire: wire), try #require(rig.answerDial()))
  }

  private func talking(_ wire: CarrierWire) throws -> (Caller, Talk) {
    let talk = try Talk(wire.carrier, start: wire.start) { $0.records = Config.Records() }
    return (Caller(rig: talk.rig, link: talk.caller, wire: wire), talk)
  }

  private func side(_ name: String, _ ended: [String: Any]) throws -> [String: Any] {
    let levels = try #require(ended["levels"] as? [String: Any])
    return try #require(levels[name] as? [String: Any], "\(name) of \(levels)")
  }

  private func gaps(_ side: [String: Any]) throws -> [Int] {
    let gaps = try #require(side["gaps"] as? [String: Int])
    return [gaps["count"] ?? -1, gaps["total_ms"] ?? -1]
  }

  private func expect(
    _ side: [String: Any], level: Double, silence: Double = 0, clipping: Double = 0,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let measured = try #require(side["level_dbfs"] as? Double, sourceLocation: sourceLocation)
    #expect(abs(measured - level) < 0.5, sourceLocation: sourceLocation)
    let share = try #require(side["silence"] as? Double, sourceLocation: sourceLocation)
    #expect(abs(share - silence) < 0.06, sourceLocation: sourceLocation)
    #expect(side["clipping"] as? Double == clipping, sourceLocation: sourceLocation)
  }

  @Test(arguments: CarrierWire.all)
  func `a caller's tone and its pauses are measured`(wire: CarrierWire) throws {
    var (caller, _) = try listened(wire)
    caller.speak(caller.tone(-20, seconds: 3))
    caller.speak(caller.silence(seconds: 3))
    let ended = try caller.ended()
    let side = try side("caller", ended)
    try expect(side, level: -23, silence: 0.5)
    #expect(try gaps(side) == [0, 0])
    #expect((ended["levels"] as? [String: Any])?["agent"] is NSNull)
  }

  @Test(arguments: CarrierWire.talking)
  func `of a talk both sides are measured`(wire: CarrierWire) throws {
    var (caller, talk) = try talking(wire)
    let agent = Sine(hertz: 1000, rate: 24_000, decibels: -10).samples(48_000)
    talk.say(agent.flatMap { [UInt8(truncatingIfNeeded: $0), UInt8(truncatingIfNeeded: $0 >> 8)] })
    talk.end()
    caller.speak(caller.tone(-30, seconds: 3))
    let ended = try caller.ended()
    try expect(try side("caller", ended), level: -33)
    try expect(try side("agent", ended), level: -13)
    #expect(try gaps(try side("agent", ended)) == [0, 0])
  }

  @Test(arguments: CarrierWire.all)
  func `a clipped square wave is clipped`(wire: CarrierWire) throws {
    var (caller, _) = try listened(wire)
    caller.speak((0..<wire.format.rate).map { $0 / 8 & 1 == 0 ? Int16.max : .min })
    let side = try side("caller", try caller.ended())
    #expect(side["clipping"] as? Double == 1)
    #expect(try #require(side["level_dbfs"] as? Double) > -0.3)
  }

  @Test(arguments: CarrierWire.all)
  func `a second that is dropped is a gap of a second`(wire: CarrierWire) throws {
    var (caller, _) = try listened(wire)
    caller.speak(caller.tone(-20, seconds: 1))
    caller.rig.advance(milliseconds: 1000)
    caller.number += 50
    caller.speak(caller.tone(-20, seconds: 1))
    #expect(try gaps(try side("caller", try caller.ended())) == [1, 1000])
  }

  @Test func `numbers that are missing are gaps, with and without a pause`() throws {
    let wire = try #require(CarrierWire.all.first { $0.carrier == "telnyx" })
    var (caller, _) = try listened(wire)
    for _ in 0..<3 {
      caller.speak(caller.tone(-20, seconds: 0.5))
      caller.rig.advance(milliseconds: 20)
      caller.number += 1
    }
    caller.speak(caller.tone(-20, seconds: 0.5))
    let late = caller.wire.message(caller.silence(seconds: 0.02), caller.number - 5)
    caller.rig.feed(late, on: caller.link)
    let ended = try caller.ended()
    #expect(try gaps(try side("caller", ended)) == [3, 60])
    let leg = try #require(ended["caller"] as? [String: Int])
    #expect(leg["missing_frames"] == 3 && leg["late_frames"] == 1)
  }

  @Test func `where silence fills what the carrier's clock passed over there is one gap`() throws {
    var (caller, _) = try listened(CarrierWire.all[0]) { $0.routes[0].fillsGaps = true }
    caller.speak(caller.tone(-20, seconds: 1))
    caller.rig.advance(milliseconds: 1000)
    caller.number += 50
    caller.speak(caller.tone(-20, seconds: 1))
    caller.rig.advance(milliseconds: 500)
    caller.number += 25
    caller.speak(caller.tone(-20, seconds: 1))
    #expect(try gaps(try side("caller", try caller.ended())) == [2, 1500])
  }

  @Test func `two tracks are the caller and the agent`() throws {
    let (caller, _) = try listened(
      CarrierWire.all[0],
      start: try #require(Talk.starts["twilio"]).replacing(
        #"["inbound"]"#, with: #"["inbound","outbound"]"#))
    let (loud, soft) = (caller.tone(-10, seconds: 2), caller.tone(-40, seconds: 2))
    for place in stride(from: 0, to: loud.count, by: 160) {
      let piece = place..<place + 160
      for (samples, track) in [(loud, "inbound"), (soft, "outbound")] {
        caller.rig.feed(
          caller.wire.message(Array(samples[piece]), place / 160, track: track), on: caller.link)
      }
      caller.rig.advance(milliseconds: 20)
    }
    let ended = try caller.ended()
    try expect(try side("caller", ended), level: -13)
    try expect(try side("agent", ended), level: -43)
    #expect(try gaps(try side("caller", ended)) == [0, 0])
    #expect(try side("agent", ended)["gaps"] is NSNull)
  }

  @Test func `a second track that was not announced is measured from where it begins`() throws {
    var (caller, _) = try listened(CarrierWire.all[0])
    caller.speak(caller.tone(-10, seconds: 1))
    let first = caller.wire.message(caller.tone(-40, seconds: 0.02), 50, track: "outbound")
    caller.rig.feed(first, on: caller.link)
    _ = caller.rig.answerDial()
    let (loud, soft) = (caller.tone(-10, seconds: 2), caller.tone(-40, seconds: 2))
    for place in stride(from: 0, to: loud.count, by: 160) {
      for (samples, track) in [(loud, "inbound"), (soft, "outbound")] {
        caller.rig.feed(
          caller.wire.message(
            Array(samples[place..<place + 160]), 51 + place / 160, track: track), on: caller.link)
      }
      caller.rig.advance(milliseconds: 20)
    }
    let ended = try caller.ended()
    // The first message of the second track has none of the first beside it, and is looked at.
    try expect(try side("caller", ended), level: -13, silence: 0.09)
    try expect(try side("agent", ended), level: -43)
  }

  @Test func `the track of the agent alone is the agent's`() throws {
    var (caller, upstream) = try listened(CarrierWire.all[0]) { $0.printsTranscripts = true }
    caller.speak(caller.tone(-20, seconds: 1), track: "outbound")
    caller.rig.hear("good day", on: upstream)
    let ended = try caller.ended()
    try expect(try side("agent", ended), level: -23)
    #expect((ended["levels"] as? [String: Any])?["caller"] is NSNull)
    #expect(caller.rig.log.contains("[FINAL] Transcription: [agent] good day (CA1)\n"))
    #expect(caller.rig.entries.contains { $0.contains(#""side":"agent","text":"good day""#) })
  }

  @Test func `channels of a raw client have their numbers`() throws {
    let rig = Rig { $0.records = Config.Records() }
    let link = try #require(
      rig.open("/ws/transcribe?call_id=c-1&channels=2&encoding=linear16&sample_rate=8000"))
    _ = try #require(rig.answerDial())
    let left = Sine(hertz: 1000, rate: 8000, decibels: -10).samples(8000)
    for place in stride(from: 0, to: 8000, by: 160) {
      let bytes = left[place..<place + 160].flatMap { (sample: Int16) -> [UInt8] in
        [UInt8(truncatingIfNeeded: sample), UInt8(truncatingIfNeeded: sample >> 8), 0, 0]
      }
      rig.feed(Frames.frame(.binary, bytes, isMasked: true), on: link)
      rig.advance(milliseconds: 20)
    }
    let ended = try Caller(rig: rig, link: link, wire: CarrierWire.all[0]).ended()
    try expect(try side("channel 0", ended), level: -13)
    let right = try side("channel 1", ended)
    #expect(right["level_dbfs"] is NSNull && right["silence"] as? Double == 1)
  }

  @Test func `samples that lie the other way round are measured once that is heard`() throws {
    let wire = CarrierWire(
      carrier: "telnyx", encoding: "L16",
      format: Format(codec: .linear16, rate: 16_000, isBigEndian: true))
    var (caller, _) = try listened(wire)
    caller.speak(caller.tone(-30, seconds: 3))
    try expect(try side("caller", try caller.ended()), level: -33)
  }

  @Test func `an agent that falls silent in the middle of something has a gap`() throws {
    var (caller, talk) = try talking(CarrierWire.all[0])
    for pause in [1000, 0] {
      talk.say([UInt8](repeating: 0x11, count: 300 * 48))
      talk.rig.advance(milliseconds: pause)
    }
    talk.end()
    talk.finish()
    talk.rig.advance(milliseconds: 3000)
    // Behind a pause something new.
    talk.say([UInt8](repeating: 0x11, count: 300 * 48), item: "item_2")
    talk.end(item: "item_2")
    caller.speak(caller.tone(-20, seconds: 1))
    let gaps = try gaps(try side("agent", try caller.ended()))
    #expect(gaps[0] == 1 && (650...750).contains(gaps[1]))
  }

  @Test func `a model's sessions are one call: what is sent again is not measured again`() throws {
    var (caller, talk) = try talking(CarrierWire.all[0])
    caller.speak(caller.tone(-20, seconds: 2))
    talk.rig.fail(talk.model)
    talk.rig.advance(milliseconds: 500)
    let second = try #require(talk.rig.answerDial())
    talk.rig.answer(Talk.ready("openai"), on: second)
    caller.number += 25
    caller.speak(caller.tone(-20, seconds: 2))
    let side = try side("caller", try caller.ended())
    try expect(side, level: -23)
    #expect(try gaps(side) == [1, 500])
  }

  @Test func `how late frames were is told of each call`() throws {
    var (caller, upstream) = try listened(CarrierWire.all[0])
    caller.speak(caller.tone(-20, seconds: 1))
    caller.rig.stall(upstream)
    caller.speak(caller.silence(seconds: 0.02))
    caller.rig.unstall(upstream)
    let delays = try #require(try caller.ended()["delays"] as? [String: Int])
    #expect(delays["frames"] == 51 && delays["p50_us"] == 20)
    #expect(delays["p99_us"] == 20_000 && delays["max_us"] == 20_000)
  }

  @Test func `of a call without audio nothing is known, and nothing is said`() throws {
    let (caller, _) = try listened(CarrierWire.all[0])
    let ended = try caller.ended()
    #expect(ended["levels"] == nil && ended["delays"] == nil)
  }

  @Test func `of audio that no upstream ever took the gaps are known, not the sound`() throws {
    let rig = Rig { $0.records = Config.Records() }
    let link = try #require(rig.open("/media"))
    rig.start(link)
    var caller = Caller(rig: rig, link: link, wire: CarrierWire.all[0])
    caller.speak(caller.tone(-20, seconds: 1))
    let side = try side("caller", try caller.ended())
    #expect(side["level_dbfs"] is NSNull && side["silence"] is NSNull)
    #expect(side["clipping"] is NSNull)
    #expect(try gaps(side) == [0, 0])
  }
}
