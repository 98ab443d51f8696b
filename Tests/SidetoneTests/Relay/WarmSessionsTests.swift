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

  /// All that were dialled and are there are gone, but this one.
  private func fail(_ rig: Rig, but kept: SlotID? = nil) {
    for link in rig.dialled where link != kept && !rig.isGone(link) { rig.fail(link) }
  }

  @Test func `one that is ready from before says nothing of those that are lost`() throws {
    let rig = rig(3)
    let model = try ready(rig)
    for _ in 0..<250 {
      fail(rig, but: model)
      rig.answer(#"{"type":"rate_limits.updated","rate_limits":[]}"#, on: model)
      rig.advance(milliseconds: 200)
    }
    #expect(!rig.isGone(model) && rig.relay.totals.warmLost >= 4)
    #expect(rig.dialled.count < 60, "\(rig.dialled.count)")
    rig.expectAllHomeAfterStop()
  }

  @Test func `one that was dialled behind a loss and is ready ends the pause`() throws {
    let rig = rig()
    for _ in 0..<1000 where rig.relay.totals.warmLost < 3 {
      fail(rig)
      rig.advance(milliseconds: 200)
    }
    let lost = rig.dialled.count
    for _ in 0..<1000 where rig.dialled.count == lost { rig.advance(milliseconds: 100) }
    _ = try ready(rig)
    rig.advance(milliseconds: 1100)
    // Who is taken is followed at once.
    _ = try call(rig)
    let dials = rig.dialled.count
    rig.advance(milliseconds: 10)
    #expect(rig.relay.totals.warmTaken == 1 && rig.dialled.count == dials + 1)
    rig.expectAllHomeAfterStop()
  }

  @Test func `one that fell back is given up, and another is dialled later`() throws {
    let rig = rig {
      $0.addUpstream("gemini")
      $0.routes[3].fallback = "gemini"
    }
    rig.connected(rig.dialled[0])
    rig.feed("HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n", on: rig.dialled[0])
    #expect(rig.relay.totals.fallbacks == 1 && rig.dialled.count == 2)
    let other = try #require(rig.answerDial())
    rig.answer(Talk.ready("gemini"), on: other)
    rig.advance(milliseconds: 1100)
    #expect(rig.relay.totals.warmLost == 1 && rig.relay.callsInUse == 0)
    rig.advance(milliseconds: 3000)
    #expect(rig.dialled.count == 3 && rig.relay.callsInUse == 1)
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

  @Test func `at the limit of sessions a caller gets the one that is ready`() throws {
    let rig = rig(1) { $0.upstreams[2].sessionsMax = 1 }
    let model = try ready(rig)
    let caller = try call(rig)
    rig.media(caller)
    #expect(rig.dialled.count == 1 && rig.relay.totals.warmTaken == 1)
    #expect(rig.messages(from: model, isCaller: false).count == 1)
    // Nobody else has a place.
    #expect(rig.open("/talk") == nil && rig.relay.totals.requestsRefused == 1)
    rig.expectAllHomeAfterStop()
    // Who asks for something of its own has the place.
    let other = self.rig(1) { $0.upstreams[2].sessionsMax = 1 }
    _ = try ready(other)
    _ = try other.talk(with: #""voice":"cedar""#)
    #expect(other.dialled.count == 2 && other.relay.totals.warmTaken == 0)
    other.advance(milliseconds: 1100)
    #expect(other.relay.callsInUse == 1 && other.relay.totals.warmLost == 1)
    other.expectAllHomeAfterStop()
  }

  @Test func `a webhook that dials ahead has the one that is ready`() throws {
    let rig = Talk.announcingRig { $0.routes[3].warm = 1 }
    rig.advance(milliseconds: 1)
    let model = try ready(rig)
    let token = try #require(try rig.announce())
    #expect(rig.dialled.count == 1 && rig.relay.totals.warmTaken == 1)
    // The next caller's is dialled.
    rig.advance(milliseconds: 1)
    #expect(rig.dialled.count == 2)
    let caller = try rig.talk(with: #""token":"\#(token)""#)
    rig.media(caller)
    #expect(rig.messages(from: model, isCaller: false).count == 1)
    #expect(rig.relay.callsInUse == 2)
    // What was chosen is dialled for.
    _ = try #require(try rig.announce("?voice=verse"))
    #expect(rig.relay.totals.warmTaken == 1)
    rig.expectAllHomeAfterStop()
  }

  /// Beside the usual one a route to gemini, which wants one as well.
  private func rigOfTwo() -> Rig {
    rig {
      $0.addUpstream("gemini")
      $0.addRoute("/gem", ["twilio"], to: "gemini")
      $0.routes[4].warm = 1
    }
  }

  @Test func `one upstream's trouble is not another's`() throws {
    let rig = rigOfTwo()
    let gemini = try #require(rig.answerDial())
    rig.answer(Talk.ready("gemini"), on: gemini)
    rig.connected(rig.dialled[0])
    rig.feed("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n", on: rig.dialled[0])
    rig.advance(milliseconds: 1000)
    #expect(rig.relay.totals.warmLost == 1)
    // Taken, it is followed at once; the other one is not.
    let caller = try #require(rig.open("/gem"))
    rig.start(caller)
    let dials = rig.dialled.count
    rig.advance(milliseconds: 10)
    #expect(rig.relay.totals.warmTaken == 1 && rig.dialled.count == dials + 1)
    rig.expectAllHomeAfterStop()
  }

  @Test func `settings that are read anew leave alone what they do not change`() throws {
    let rig = rigOfTwo()
    let dials = rig.dialled
    try rig.reload { $0.limits.pingSeconds += 1 }
    rig.advance(milliseconds: 1100)
    #expect(rig.dialled == dials && rig.relay.callsInUse == 2)
    try rig.reload { $0.upstreams[3].key = "fresh" }
    rig.advance(milliseconds: 10)
    #expect(rig.dialled.count == dials.count + 1 && rig.relay.callsInUse == 2)
    #expect(!rig.isGone(dials[0]) && rig.relay.totals.warmLost == 0)
    try rig.reload { $0.routes[3].warm = 0 }
    rig.advance(milliseconds: 1100)
    #expect(rig.relay.callsInUse == 1)
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
