// A transfer that goes on behind the session in which it was asked for, and one for which the
// carrier knows another key than the first.

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

  // MARK: Keys

  @Test func `of several keys the one by which the carrier knows the account is found`() throws {
    let order = try OrderTalk {
      $0[carrier: "twilio"].secrets = ["a", "b", "c"].map { Array($0.utf8) }
    }
    order.transfer(#"{"to":"sales","summary":"Hello."}"#)
    let first = order.request
    #expect(first.contains("basic AC1 a"))
    order.rig.fetcherSays("answer 1 401 whole\n\n{\"code\":20003}")
    #expect(order.talk.told() == [] && order.rig.fetches.count == 2)
    #expect(order.request.contains("basic AC1 b") && order.request.last == first.last)
    order.rig.fetcherSays("answer 2 200 whole\n\n{}")
    #expect(order.talk.told().first == order.call.answer("t", TransferTests.done, name: "transfer"))
    order.stop()
    #expect(order.end.contains("transferred") && order.rig.relay.totals.functionsFailed == 0)
    order.rig.advance(milliseconds: 10_000)
    #expect(order.rig.relay.missing == [])
  }

  @Test func `where none of them is known the carrier has refused, once`() throws {
    let order = try OrderTalk { $0[carrier: "twilio"].secrets = ["a", "b"].map { Array($0.utf8) } }
    order.transfer()
    order.rig.fetcherSays("answer 1 401 whole\n\n")
    order.rig.fetcherSays("answer 2 401 whole\n\n")
    let error = order.call.error("the carrier refused with 401")
    #expect(
      order.talk.told() == [order.call.answer("t", error, name: "transfer")] + order.call.goOn)
    #expect(order.rig.relay.totals.functionsFailed == 1 && order.rig.fetches.count == 2)
    order.talk.expectAllHome()
  }
}
