// What a call takes: its slot, what only a call that talks has beside it, and the plan of both.

import TestSupport
import Testing

@testable import Sidetone

struct PlanTests {
  @Test func `a slot holds what every call needs, and what talking takes lies beside it`() {
    #expect(MemoryLayout<Call>.stride <= 5 * 1024)
    #expect(Limits.conversationBytes <= 8 * 1024)
  }

  /// KiB a call of what the engine plans for a service of a thousand, with so many that talk.
  private func planned(twoWayCalls: Int) -> Double {
    var config = Config()
    config.limits.subscribersMax = 0
    config.addUpstream("openai", key: twoWayCalls > 0 ? "test" : "")
    config.limits.twoWayCallsMax = max(twoWayCalls, 1)
    return Double(config.plan.reduce(0) { $0 + $1.bytes }) / 1024 / 1000
  }

  @Test func `what is planned keeps the bounds of a call`() {
    // The fixed buffers of the whole service are in it: ten KiB a call.
    #expect(planned(twoWayCalls: 0) < 80)
    #expect(planned(twoWayCalls: 250) - planned(twoWayCalls: 0) < 40)
    #expect(planned(twoWayCalls: 1000) < 256)
  }

  @Test func `only calls that talk borrow memory for it, and give it back`() throws {
    let talk = try Talk()
    let listener = try #require(talk.rig.open("/media"))
    talk.rig.start(listener)
    #expect(talk.rig.relay.conversationsInUse == 1)
    talk.say(100)
    talk.rig.say(#"{"event":"stop","streamSid":"MZ1"}"#, on: talk.caller)
    talk.rig.advance(milliseconds: 10_000)
    #expect(talk.rig.relay.conversationsInUse == 0)
  }
}
