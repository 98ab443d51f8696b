// Twilio's Media Streams: JSON with base64 µ-law. Its rule for what comes back: exactly the known
// fields, or the message is ignored with a warning in the customer's debugger.
// https://www.twilio.com/docs/voice/media-streams/websocket-messages

package struct TwilioWire: Wire {
  package let uplink = WireFormat.telephone
  package let downlink = WireFormat.telephone
  package let callID = "CA" + Identifier.hexadecimal(32)

  private let streamSid = "MZ" + Identifier.hexadecimal(32)
  private let accountSid = "AC" + Identifier.hexadecimal(32)
  private let parameters: [Parameter]
  private var sequence = 0
  private var chunk = 0

  package init(parameters: [Parameter] = []) { self.parameters = parameters }

  /// Every message but the first carries its number and the stream's id.
  private mutating func message(_ event: String, _ body: String) -> [WireMessage] {
    sequence += 1
    return [
      .text(
        "{\"event\":\"\(event)\",\"sequenceNumber\":\"\(sequence)\",\"\(event)\":{\(body)},"
          + "\"streamSid\":\"\(streamSid)\"}")
    ]
  }

  package mutating func begin() -> [WireMessage] {
    let connected = "{\"event\":\"connected\",\"protocol\":\"Call\",\"version\":\"1.0.0\"}"
    return [.text(connected)]
      + message(
        "start",
        "\"accountSid\":\"\(accountSid)\",\"streamSid\":\"\(streamSid)\","
          + "\"callSid\":\"\(callID)\",\"tracks\":[\"inbound\"],"
          + "\"mediaFormat\":{\"encoding\":\"audio/x-mulaw\",\"sampleRate\":8000,\"channels\":1},"
          + "\"customParameters\":\(JSON(parameters).text)")
  }

  package mutating func media(_ bytes: [UInt8], at milliseconds: Int) -> [WireMessage] {
    chunk += 1
    return message(
      "media",
      "\"track\":\"inbound\",\"chunk\":\"\(chunk)\",\"timestamp\":\"\(milliseconds)\","
        + "\"payload\":\"\(Base64Text.encode(bytes))\"")
  }

  package mutating func digit(_ digit: Character) -> [WireMessage] {
    message("dtmf", "\"track\":\"inbound_track\",\"digit\":\"\(digit)\"")
  }

  package mutating func played(_ mark: String) -> [WireMessage] {
    message("mark", "\"name\":\(JSON.quote(mark))")
  }

  package mutating func end() -> [WireMessage] {
    message("stop", "\"accountSid\":\"\(accountSid)\",\"callSid\":\"\(callID)\"")
  }

  package func read(_ message: WireMessage) -> [WireEvent] {
    guard case .text(let text) = message else {
      return [.wrong("a binary message: Twilio ignores it (warning 31950)")]
    }
    let known = JSON(text.utf8).flatMap(event)
    return [known ?? .wrong("Twilio would ignore this (warning 31951): \(text.prefix(200))")]
  }

  private func event(_ message: JSON) -> WireEvent? {
    guard message["streamSid"]?.string == streamSid else { return nil }
    let name = message["event"]?.string ?? ""
    if name == "clear" { return message.keys == ["event", "streamSid"] ? .clear : nil }
    guard message.keys == ["event", "streamSid", name], let body = message[name] else { return nil }
    switch name {
    case "media" where body.keys == ["payload"]:
      return body["payload"]?.string.flatMap(Base64Text.decode).map { .audio($0) }
    case "mark" where body.keys == ["name"]: return body["name"]?.string.map { .mark($0) }
    default: return nil
    }
  }
}
