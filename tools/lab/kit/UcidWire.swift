// The ucid stream of Ozonetel, CloudAgent and KooKoo: JSON whose audio is an array of samples, 80
// of them every 10 ms. KooKoo adds fields to `start`, leaves `event` out of its media messages,
// begins with a message of another rate that is to be dropped, and acknowledges what carries a
// `seqid`.

package struct UcidWire: Wire {
  package let uplink = WireFormat(.linear16)
  package let downlink = WireFormat(.linear16)
  package let callID: String

  private static let samplesPerMessage = 80
  private static let called = "918000000001"

  private let isKooKoo: Bool
  private let parameters: [Parameter]
  /// The wall clock at the beginning, in milliseconds since 1970, and how far the audio has come.
  private let begunAt: Int
  private var milliseconds = 0

  package init(isKooKoo: Bool = false, parameters: [Parameter] = [], begunAt: Int = 0) {
    self.isKooKoo = isKooKoo
    self.parameters = parameters
    self.begunAt = begunAt
    callID = String((0..<17).map { _ in "123456789".randomElement() ?? "1" })
  }

  package mutating func begin() -> [WireMessage] {
    guard isKooKoo else {
      return [.text("{\"event\":\"start\",\"ucid\":\"\(callID)\",\"type\":\"text\"}")]
    }
    // The call's own parameters are an object inside a string.
    let headers = JSON.quote(JSON(parameters).text)
    return [
      .text(
        "{\"event\":\"start\",\"type\":\"text\",\"ucid\":\"\(callID)\",\"did\":\"\(Self.called)\","
          + "\"call_id\":\"919800000001\",\"x_headers\":\(headers)}"),
      media([Int16](repeating: 0, count: 160), rate: 16000),
    ]
  }

  private func media(_ samples: [Int16], rate: Int) -> WireMessage {
    .text(
      "{" + (isKooKoo ? "" : "\"event\":\"media\",") + "\"type\":\"media\",\"ucid\":\"\(callID)\","
        + "\"data\":{\"samples\":[" + samples.map { "\($0)" }.joined(separator: ",")
        + "],\"bitsPerSample\":16,\"sampleRate\":\(rate),\"channelCount\":1,"
        + "\"numberOfFrames\":\(samples.count),\"type\":\"data\"}}")
  }

  package mutating func media(_ bytes: [UInt8], at milliseconds: Int) -> [WireMessage] {
    self.milliseconds = milliseconds
    return [media(uplink.read(bytes), rate: uplink.rate)]
  }

  package mutating func digit(_ digit: Character) -> [WireMessage] { [] }

  package mutating func played(_ mark: String) -> [WireMessage] {
    [
      .text(
        "{\"event\":\"mark\",\"type\":\"ack\",\"ucid\":\"\(callID)\",\"seqid\":\(JSON.quote(mark)),"
          + "\"timestamp\":\(begunAt + milliseconds)}")
    ]
  }

  package mutating func end() -> [WireMessage] {
    let called = isKooKoo ? ",\"did\":\"\(Self.called)\"" : ""
    return [.text("{\"event\":\"stop\",\"type\":\"text\",\"ucid\":\"\(callID)\"\(called)}")]
  }

  package func read(_ message: WireMessage) -> [WireEvent] {
    guard case .text(let text) = message else { return [.wrong("the vendor reads text only")] }
    guard let message = JSON(text.utf8) else { return [.wrong("no JSON: \(text.prefix(200))")] }
    switch message["command"]?.string {
    case "clearBuffer": return [.clear]
    case "callDisconnect": return [.hangUp]
    case let name?: return [.wrong("an unknown command: \(name)")]
    case nil: break
    }
    guard let samples = samples(of: message, in: text) else {
      return [.wrong("the vendor's form is another one: \(text.prefix(200))")]
    }
    let audio = WireEvent.audio(downlink.write(samples))
    guard isKooKoo, let mark = message["seqid"]?.string else { return [audio] }
    return [audio, .mark(mark)]
  }

  /// The samples of a media message that is what the vendor's own would be, fields in their order.
  private func samples(of message: JSON, in text: String) -> [Int16]? {
    let head = "{\"event\":\"media\",\"type\":\"media\",\"ucid\":\(JSON.quote(callID)),"
    guard text.hasPrefix(head), let data = message["data"],
      message.keys.isSubset(of: ["event", "type", "ucid", "seqid", "data"]),
      data["bitsPerSample"]?.number == 16, data["sampleRate"]?.number == Double(downlink.rate),
      data["channelCount"]?.number == 1, data["type"]?.string == "data",
      data["numberOfFrames"]?.number == Double(Self.samplesPerMessage),
      let items = data["samples"]?.array
    else { return nil }
    let samples = items.compactMap { $0.number.flatMap { Int16(exactly: $0) } }
    return samples.count == items.count && samples.count == Self.samplesPerMessage ? samples : nil
  }
}
