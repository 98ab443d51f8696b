// The lab's carriers, when they are asked to act on a call.

import Testing

@testable import LabKit

@Suite struct CarrierTwinTests {
  private func twilio(
    _ body: String, target: String = "/2010-04-01/Accounts/AC1/Calls/CA1.json",
    as proof: String = "AC1:token", faults: FaultSchedule = FaultSchedule()
  ) -> CarrierTwin.Taken {
    var twin = CarrierTwin(.twilio, of: "CA1", key: "token", faults: faults)
    return twin.take(
      CarrierTwin.Request(
        target: target, authorization: "Basic " + Base64Text.encode(Array(proof.utf8)),
        contentType: "application/x-www-form-urlencoded", body: Array(body.utf8)))
  }

  private func telnyx(
    _ body: String, target: String = "/v2/calls/v3%3AC1/actions/transfer", key: String = "KEY1"
  ) -> CarrierTwin.Taken {
    var twin = CarrierTwin(.telnyx, of: "v3:C1", key: "KEY1")
    return twin.take(
      CarrierTwin.Request(
        target: target, authorization: "Bearer \(key)", contentType: "application/json",
        body: Array(body.utf8)))
  }

  private static let dial = "Twiml=%3CResponse%3E%3CDial%3E%2B4930123%3C%2FDial%3E%3C%2FResponse%3E"

  @Test func `a call that is updated to dial goes there`() {
    let taken = twilio(Self.dial)
    #expect(taken.deed == .transfer(to: "+4930123", saying: "") && taken.reaction.status == 200)
    let said = twilio(
      "Twiml=<Response><Say>a+%26amp;+b</Say><Dial><Sip>sip:a@b?c=1%26amp;d</Sip></Dial></Response>"
    )
    #expect(said.deed == .transfer(to: "sip:a@b?c=1&d", saying: "a & b"))
  }

  @Test(arguments: [
    ("Twiml=<Response><Dial></Dial></Response>", 400), ("Status=completed", 400),
    ("Twiml=<Response><Say>a<b</Say><Dial>1</Dial></Response>", 400),
    ("Twiml=<Response><Dial>1%26nbsp;</Dial></Response>", 400), ("", 400),
  ])
  func `what is no TwiML is refused`(body: String, status: Int) {
    let taken = twilio(body)
    #expect(taken.deed == nil && taken.reaction.status == status)
  }

  @Test func `it wants to know who asks, and of which call`() {
    #expect(twilio(Self.dial, as: "AC2:token").reaction.status == 401)
    #expect(twilio(Self.dial, as: "AC1:other").reaction.status == 401)
    let other = twilio(Self.dial, target: "/2010-04-01/Accounts/AC1/Calls/CA2.json")
    #expect(other.reaction.status == 404 && other.deed == nil)
    #expect(telnyx("{\"to\":\"1\"}", key: "no").reaction.status == 401)
    #expect(telnyx("{\"to\":\"1\"}", target: "/v2/calls/x/actions/transfer").reaction.status == 404)
  }

  @Test func `Telnyx transfers and presses`() {
    #expect(telnyx("{\"to\":\"+1\"}").deed == .transfer(to: "+1", saying: ""))
    #expect(telnyx("{}").reaction.status == 422)
    let keys = "/v2/calls/v3%3AC1/actions/send_dtmf"
    #expect(telnyx("{\"digits\":\"1w#\"}", target: keys).deed == .press("1w#"))
    #expect(telnyx("{\"digits\":\"x\"}", target: keys).reaction.status == 422)
  }
}
