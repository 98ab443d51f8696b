// What Twilio does with a call when its REST API is asked to update it: the call goes on by other
// TwiML, and the stream ends. Keys cannot be sent so: they would end the stream as well. Source:
// Twilio's "Call resource" and "<Dial>" pages.

extension Carrier.Control {
  static let twilio = Self(
    service: {
      Carrier.ControlService(
        url: "https://api.twilio.com", urlVariable: "TWILIO_API_URL",
        key: .signatures(variable: "TWILIO_AUTH_TOKEN"))
    },
    credentials: .account, body: .form, abilities: [.transfers, .speaks],
    write: TwilioControl.write)
}

private enum TwilioControl {
  /// Longer TwiML is refused; counted there in characters.
  private static let twimlBytesMax = 4000

  static func write(
    _ order: Carrier.Order, _ handle: Carrier.Handle, _ path: inout Writer, _ body: inout Writer,
    _ scratch: Bytes
  ) -> Bool {
    guard case .transfer(let target, let text) = order else { return false }
    path.write("/2010-04-01/Accounts/")
    path.write(segment: handle.account)
    path.write("/Calls/")
    path.write(segment: handle.call)
    path.write(".json")
    var twiml = Writer(scratch.prefix(twimlBytesMax))
    twiml.write("<Response>")
    if !text.isEmpty {
      twiml.write("<Say>")
      twiml.write(xml: text)
      twiml.write("</Say>")
    }
    let isNumber = target[0] == UInt8(ascii: "+") || target[0] &- 0x30 < 10
    twiml.write(isNumber ? "<Dial>" : "<Dial><Sip>")
    twiml.write(xml: target)
    twiml.write(isNumber ? "</Dial></Response>" : "</Sip></Dial></Response>")
    body.write("Twiml=")
    Query.encode(twiml.written, into: &body)
    return !twiml.overflowed
  }
}
