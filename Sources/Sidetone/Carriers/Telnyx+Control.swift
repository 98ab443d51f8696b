// What Telnyx does with a call when its Call Control API is asked to: commands by the call's id.
// Where a transfer fails at its far end, only a webhook says so. Source: Telnyx's "Call Control"
// API reference.

extension Carrier.Control {
  static let telnyx = Self(
    service: {
      Carrier.ControlService(
        url: "https://api.telnyx.com", urlVariable: "TELNYX_API_URL",
        key: .own(
          variable: "TELNYX_API_KEY",
          help: "Telnyx's API key, by which it is asked to transfer calls and to press keys."))
    },
    credentials: .bearer, body: .json, abilities: [.transfers, .sendsDigits],
    write: TelnyxControl.write)
}

private enum TelnyxControl {
  static func write(
    _ order: Carrier.Order, _ handle: Carrier.Handle, _ path: inout Writer, _ body: inout Writer,
    _ scratch: Bytes
  ) -> Bool {
    path.write("/v2/calls/")
    path.write(segment: handle.call)
    switch order {
    case .transfer(let target, _):
      path.write("/actions/transfer")
      body.write("{\"to\":\"")
      body.write(json: target)
    case .digits(let digits):
      path.write("/actions/send_dtmf")
      body.write("{\"digits\":\"")
      body.write(json: digits)
    }
    body.write("\"}")
    return true
  }
}
