// Sessions of a voice model that are kept ready for callers who are still to come.

import TestSupport
import Testing

@testable import Sidetone

struct WarmSessionsTests {
  private func rig(_ count: Int = 1, _ change: (inout Config) -> Void = { _ in }) -> Rig {
    let rig = Talk.rig {
      $0.routes[3].warm = count
      change(&$0)
    }
    rig.advance(milliseconds: 1)
    return rig
  }

  /// The session that was dialled last is ready.
  private func ready(_ rig: Rig) throws -> SlotID {
    let model = try #require(rig.answerDial())
    rig.answer(Talk.ready("openai"), on: model)
    _ = rig.messages(from: model, isCaller: false)
    return model
  }

  private func call(_ rig: Rig, _ query: String = "") throws -> SlotID {
    let caller = try #require(rig.open("/talk" + query))
    rig.start(caller)
    return caller
  }

  @Test func `a caller's first frame is heard in the turn it came in, and another is dialled`()
    throws
  {
    let rig = rig()
    #expect(rig.dialled.count == 1 && rig.relay.callsInUse == 1)
    let model = try ready(rig)
    let caller = try call(rig)
    rig.media(caller)
    #expect(rig.messages(from: model, isCaller: false).count == 1)
    #expect(rig.relay.totals.warmTaken == 1)
    rig.advance(milliseconds: 1)
    #expect(rig.dialled.count == 2 && rig.relay.callsInUse == 2)
    rig.answer(#"{"type":"response.created","response":{"id":"r1"}}"#, on: model)
    rig.expectAllHomeAfterStop()
  }

  @Test func `who asks for something of its own is dialled for, as is who comes too early`() throws
  {
    let rig = rig()
    _ = try call(rig)
    #expect(rig.dialled.count == 2 && rig.relay.totals.warmTaken == 0)
    let other = self.rig()
    _ = try ready(other)
    _ = try call(other, "?voice=cedar")
    #expect(other.dialled.count == 2 && other.relay.totals.warmTaken == 0)
    rig.expectAllHomeAfterStop()
    other.expectAllHomeAfterStop()
  }

  @Test func `what it says before it is taken is no trouble, and it grows old`() throws {
    let rig = rig()
    let model = try ready(rig)
    rig.answer(#"{"type":"rate_limits.updated","rate_limits":[]}"#, on: model)
    for _ in 0..<59 {
      rig.advance(milliseconds: 1000)
      rig.answer(#"{"type":"rate_limits.updated","rate_limits":[]}"#, on: model)
    }
    #expect(rig.dialled.count == 1 && rig.relay.totals.warmAged == 0)
    rig.advance(milliseconds: 2500)
    #expect(rig.dialled.count == 2 && rig.relay.totals.warmAged == 1)
    #expect(rig.relay.totals.warmLost == 0)
    rig.expectAllHomeAfterStop()
  }

  @Test func `one that is lost as it is taken is dialled again, and nothing is lost of the call`()
    throws
  {
    let rig = rig()
    let model = try ready(rig)
    let caller = try call(rig)
    rig.media(caller)
    rig.fail(model)
    for _ in 0..<20 {
      rig.media(caller)
      rig.advance(milliseconds: 20)
    }
    let second = try #require(
      rig.dialled.dropFirst().first { rig.taken(from: $0).isEmpty && !rig.isGone($0) })
    #expect(second != model && rig.relay.totals.upstreamsLost == 1)
    rig.advance(milliseconds: 500)
    #expect(rig.relay.callsInUse == 2 && rig.relay.totals.audioLost == 0)
    rig.expectAllHomeAfterStop()
  }

  @Test func `an upstream that cannot be had is not run over`() {
    let rig = rig(3)
    for _ in 0..<600 {
      if let dialled = rig.dialled.last, !rig.isGone(dialled) { rig.fail(dialled) }
      rig.advance(milliseconds: 200)
    }
    #expect(rig.relay.totals.warmLost > 0 && rig.dialled.count < 120, "\(rig.dialled.count)")
    rig.expectAllHomeAfterStop()
  }

  @Test func `a warm session gives way to a caller who needs its place`() throws {
    let rig = rig(1) { $0.upstreams[2].sessionsMax = 2 }
    _ = try ready(rig)
    _ = try call(rig, "?voice=cedar")
    _ = try call(rig, "?voice=verse")
    rig.advance(milliseconds: 1100)
    #expect(rig.relay.callsInUse == 2 && rig.relay.totals.requestsRefused == 0)
    #expect(rig.relay.totals.warmLost == 1)
    rig.expectAllHomeAfterStop()
  }

  @Test func `no more are dialled than leave a quarter of the places, and none while draining`()
    throws
  {
    let rig = rig(8) { $0.upstreams[2].sessionsMax = 4 }
    rig.advance(milliseconds: 5000)
    #expect(rig.relay.callsInUse == 3)
    let dialled = rig.dialled.count
    rig.relay.drain(at: rig.now)
    rig.perform()
    rig.advance(milliseconds: 5000)
    #expect(rig.relay.callsInUse == 0 && rig.dialled.count == dialled)
    rig.expectAllHomeAfterStop()
  }
}
