// A transfer that goes on behind the session in which it was asked for.

import Sidetone
import TestSupport
import Testing

struct TransferTroubleTests {
  /// The session closes for a reason that no other attempt mends.
  private func loseForGood(_ order: OrderTalk) throws {
    order.rig.fail(order.talk.model)
    order.rig.advance(milliseconds: 400)
    let link = try #require(order.rig.dialled.last)
    order.rig.connected(link)
    order.rig.feed("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n", on: link)
  }

  @Test func `one that was asked for outlives the last session`() throws {
    let order = try OrderTalk { $0.routes[3].goodbyeAudio = .tone(500) }
    order.transfer()
    try loseForGood(order)
    order.rig.advance(milliseconds: 3000)
    #expect(order.rig.relay.callsInUse == 1 && order.talk.heardBytes() == 0)
    order.rig.fetcherSays("answer 1 200 whole\n\n{}")
    order.rig.advance(milliseconds: 5000)
    #expect(order.rig.relay.callsInUse == 1 && order.talk.heardBytes() == 0)
    order.stop()
    #expect(order.rig.relay.callsInUse == 0 && order.end.contains("transferred"))
    #expect(order.rig.relay.totals.functionsAnswered == 1)
    order.rig.advance(milliseconds: 10_000)
    #expect(order.rig.relay.missing == [])
  }

  @Test func `one that waits for last words is asked for behind the last session`() throws {
    let order = try OrderTalk()
    order.transfer(saying: 3000)
    try loseForGood(order)
    #expect(order.rig.fetches == [] && order.rig.relay.callsInUse == 1)
    order.rig.advance(milliseconds: 3000)
    #expect(order.rig.fetches.count == 1 && order.talk.heardBytes() >= 24_000)
    order.rig.fetcherSays("answer 1 200 whole\n\n{}")
    order.stop()
    #expect(order.rig.relay.callsInUse == 0 && order.end.contains("transferred"))
    order.rig.advance(milliseconds: 10_000)
    #expect(order.rig.relay.missing == [])
  }

  @Test(arguments: ["answer 1 404 whole\n\n", ""])
  func `refused behind the last session the call says goodbye, and ends by its loss`(
    refusal: String
  ) throws {
    let order = try OrderTalk { $0.routes[3].goodbyeAudio = .tone(500) }
    order.transfer()
    try loseForGood(order)
    if refusal.isEmpty {
      // The carrier says nothing.
      order.rig.advance(milliseconds: 8000)
    } else {
      order.rig.fetcherSays(refusal)
    }
    order.rig.advance(milliseconds: 500)
    #expect(order.talk.heardBytes() > 0 && order.rig.relay.callsInUse == 1)
    #expect(order.rig.log.contains { $0.contains("goodbye") })
    order.rig.advance(milliseconds: 8000)
    #expect(order.rig.relay.callsInUse == 0 && order.end.contains("upstream_"))
    #expect(order.rig.relay.totals.functionsFailed == 1)
    order.rig.advance(milliseconds: 10_000)
    #expect(order.rig.relay.missing == [])
  }

  @Test func `a caller who has heard nobody for too long is transferred all the same`() throws {
    let order = try OrderTalk { $0.limits.deadAirSeconds = 2 }
    order.transfer()
    order.rig.fail(order.talk.model)
    order.rig.advance(milliseconds: 5000)
    #expect(order.rig.relay.callsInUse == 1)
    order.rig.fetcherSays("answer 1 200 whole\n\n{}")
    order.stop()
    #expect(order.rig.relay.callsInUse == 0 && order.end.contains("transferred"))
    order.rig.advance(milliseconds: 200_000)
    #expect(order.rig.relay.missing == [])
  }

  @Test(arguments: [200, 404])
  func `it goes on while another upstream takes over`(status: Int) throws {
    let order = try OrderTalk {
      $0.addUpstream("gemini")
      $0.routes[3].fallback = "gemini"
    }
    order.transfer(saying: 2000)
    try loseForGood(order)
    #expect(order.rig.relay.totals.fallbacks == 1 && order.rig.fetches == [])
    order.rig.advance(milliseconds: 2000)
    #expect(order.rig.fetches.count == 1)
    let link = try #require(order.rig.answerDial())
    order.rig.answer(Talk.ready("gemini"), on: link)
    order.rig.fetcherSays("answer 1 \(status) whole\n\n{}")
    #expect(order.rig.relay.callsInUse == 1)
    #expect(order.rig.closed.contains(link) == (status == 200))
    order.stop()
    order.rig.advance(milliseconds: 6000)
    #expect(order.end.contains(status == 200 ? "transferred" : "stopped"))
    order.rig.advance(milliseconds: 200_000)
    #expect(order.rig.relay.missing == [])
  }
}
