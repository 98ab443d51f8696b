// Telnyx's media streaming in RTP mode: JSON with base64, two codecs that have nothing to do with
// each other, and no promise that chunks come in order.
// https://developers.telnyx.com/docs/voice/programmable-voice/media-streaming

package struct TelnyxWire: Wire {
  package let uplink: WireFormat
  package let downlink: WireFormat
  package let callID = "v3:" + Identifier.hexadecimal(40)

  private let streamID = Identifier.uuid()
  private let userID = Identifier.uuid()
  private let parameters: [Parameter]
  private let isShuffled: Bool
  private var sequence = 0
  private var chunk = 0
  /// A message that the network will deliver behind its successor.
  private var delayed: [WireMessage] = []

  /// `isShuffled`: every fifth chunk comes behind the next one, and every seventh comes twice.
  package init(
    uplink: WireFormat = .telephone, downlink: WireFormat = .telephone,
    parameters: [Parameter] = [], isShuffled: Bool = false
  ) {
    self.uplink = uplink
    self.downlink = downlink
    self.parameters = parameters
    self.isShuffled = isShuffled
  }

  /// The name that Telnyx has for a format.
  package static func name(of coding: WireFormat.Coding) -> String {
    switch coding {
    case .mulaw: "PCMU"
    case .alaw: "PCMA"
    case .linear16: "L16"
    }
  }

  private mutating func message(_ event: String, _ body: String) -> WireMessage {
    sequence += 1
    return .text(
      "{\"event\":\"\(event)\",\"sequence_number\":\"\(sequence)\","
        + "\"stream_id\":\"\(streamID)\",\"\(event)\":{\(body)}}")
  }

  package mutating func begin() -> [WireMessage] {
    [
      .text("{\"event\":\"connected\",\"version\":\"1.0.0\"}"),
      message(
        "start",
        "\"user_id\":\"\(userID)\",\"call_control_id\":\"\(callID)\","
          + "\"call_session_id\":\"\(Identifier.uuid())\",\"from\":\"+15550100001\","
          + "\"to\":\"+15550100002\",\"tags\":[],\"client_state\":null,"
          + "\"custom_parameters\":\(JSON(parameters).text),"
          + "\"media_format\":{\"encoding\":\"\(Self.name(of: uplink.coding))\","
          + "\"sample_rate\":\(uplink.rate),\"channels\":1}"),
    ]
  }

  package mutating func media(_ bytes: [UInt8], at milliseconds: Int) -> [WireMessage] {
    chunk += 1
    let made = message(
      "media",
      "\"track\":\"inbound\",\"chunk\":\"\(chunk)\",\"timestamp\":\"\(milliseconds)\","
        + "\"payload\":\"\(Base64Text.encode(bytes))\"")
    guard isShuffled else { return [made] }
    if chunk % 5 == 0 {
      delayed.append(made)
      return []
    }
    defer { delayed.removeAll() }
    return [made] + delayed + (chunk % 7 == 0 ? [made] : [])
  }

  package mutating func digit(_ digit: Character) -> [WireMessage] {
    sequence += 1
    return [
      .text(
        "{\"event\":\"dtmf\",\"stream_id\":\"\(streamID)\","
          + "\"occurred_at\":\"2025-01-01T00:00:05.000000Z\","
          + "\"sequence_number\":\"\(sequence)\",\"dtmf\":{\"digit\":\"\(digit)\"}}")
    ]
  }

  package mutating func played(_ mark: String) -> [WireMessage] {
    [message("mark", "\"name\":\(JSON.quote(mark))")]
  }

  package mutating func end() -> [WireMessage] {
    defer { delayed.removeAll() }
    return delayed + [
      message("stop", "\"user_id\":\"\(userID)\",\"call_control_id\":\"\(callID)\"")
    ]
  }

  package func read(_ message: WireMessage) -> [WireEvent] {
    guard case .text(let text) = message else { return [.wrong("Telnyx knows no binary message")] }
    guard let message = JSON(text.utf8) else {
      return [.wrong("Telnyx would answer malformed_frame (100003) to: \(text.prefix(200))")]
    }
    switch message["event"]?.string {
    case "media":
      let bytes = message["media"]?["payload"]?.string.flatMap(Base64Text.decode)
      guard let bytes else { return [.wrong("Telnyx would answer invalid_media (100004)")] }
      // In RTP mode a payload holds 20 ms to 30 s.
      let milliseconds = bytes.count * 1000 / downlink.bytesPerSecond
      guard (20...30_000).contains(milliseconds) else {
        return [.audio(bytes), .wrong("a payload of \(milliseconds) ms: Telnyx wants 20 to 30000")]
      }
      return [.audio(bytes)]
    case "mark":
      let name = message["mark"]?["name"]?.string
      return [name.map { .mark($0) } ?? .wrong("a mark without a name")]
    case "clear": return [.clear]
    default: return [.wrong("Telnyx would answer unknown_error (100002) to: \(text.prefix(200))")]
    }
  }
}
