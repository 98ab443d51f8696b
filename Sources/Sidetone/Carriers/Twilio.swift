// Twilio Media Streams: JSON text messages, µ-law at 8 kHz in base64. Twilio is the client; one
// stream is one socket; it takes no message on a one-way stream, and on a two-way one only those
// with exactly the fields it documents. Source: Twilio's "Media Streams - WebSocket Messages" page.

extension Carrier {
  package static let twilio = Carrier(
    name: "twilio",
    media: Media(
      when: "event", is: "media", at: "media", "payload", timestamp: "timestamp", track: "track",
      as: .base64),
    recognise: Twilio.recognise,
    open: nil,
    read: Twilio.read,
    write: Twilio.write,
    envelope: Twilio.envelope,
    isHeldBack: false,
    playout: Pacing(
      payloadEncoding: .base64, leadMilliseconds: 200, pieceMilliseconds: 40, leastMilliseconds: 0,
      hasMarks: true),
    signature: .twilio,
    webhook: .plain,
    settings: {
      Settings(displayName: "Twilio", paths: ["/media", "/media-stream", "/ws", "/ws/phone"])
    })
}

private enum Twilio {
  /// `connected` comes first and `start` second. Others say `connected` in the same words.
  static func recognise(_ message: Bytes) -> Bool {
    guard let event = text("event", in: message) else { return false }
    if message[event].equals("connected") {
      guard let name = text("protocol", in: message) else { return false }
      return message[name].equals("Call")
    }
    return message[event].equals("start")
      && JSON.find("start", "streamSid", in: message) != nil
      && JSON.find("start", "callSid", in: message) != nil
  }

  static func read(_ message: Bytes) -> Carrier.Event {
    guard let event = text("event", in: message) else {
      return .malformed("no text under \"event\"")
    }
    let name = message[event]
    if name.equals("start") { return start(message) }
    if name.equals("connected") { return .connected }
    if name.equals("stop") { return .stopped }
    if name.equals("dtmf") { return digit(message) }
    if name.equals("mark") {
      guard let mark = JSON.find("mark", "name", in: message), mark.kind == .string else {
        return .malformed("a mark without a name")
      }
      return .mark(mark.range)
    }
    // Media comes here only where the scanner found no payload in it.
    if name.equals("media") { return .malformed("media without a payload") }
    return .ignored
  }

  private static func start(_ message: Bytes) -> Carrier.Event {
    guard let stream = JSON.find("start", "streamSid", in: message), stream.kind == .string,
      let call = JSON.find("start", "callSid", in: message), call.kind == .string,
      stream.range.count <= Name.bytesMax, call.range.count <= Name.bytesMax,
      !stream.hasEscapes, !call.hasEscapes
    else { return .malformed("a start without streamSid and callSid") }
    if let encoding = JSON.find("start", "mediaFormat", "encoding", in: message),
      !message[encoding.range].equals("audio/x-mulaw")
    {
      return .refused("the stream must be audio/x-mulaw at 8000 Hz")
    }
    if let rate = JSON.find("start", "mediaFormat", "sampleRate", in: message),
      JSON.integer(rate, in: message) != 8000
    {
      return .refused("the stream must be audio/x-mulaw at 8000 Hz")
    }
    let parameters = JSON.find("start", "customParameters", in: message)
    let hasBoth = JSON.find("start", "tracks", in: message).map { hasTwo(message[$0.range]) }
    return .started(
      Carrier.Start(
        call: call.range, stream: stream.range, format: .mulaw8k, tracks: hasBoth == true ? 2 : 1,
        parameters: parameters.flatMap { $0.kind == .object ? $0.range : nil } ?? 0..<0))
  }

  /// `["inbound","outbound"]`, in either order.
  private static func hasTwo(_ list: Bytes) -> Bool {
    guard let comma = list.firstIndex(of: 0x2c) else { return false }
    return list.dropping(comma).firstIndex(of: 0x22) != nil
  }

  private static func digit(_ message: Bytes) -> Carrier.Event {
    guard let digit = JSON.find("dtmf", "digit", in: message), digit.kind == .string,
      digit.range.count == 1
    else { return .malformed("a dtmf event without one digit") }
    return .digit(message[digit.range.lowerBound])
  }

  /// Exactly the documented fields, as everything that Twilio is sent.
  static func write(
    _ answer: Carrier.Command, _ context: Carrier.Context, _ writer: inout Writer
  ) -> Carrier.Framing {
    switch answer {
    case .mark(let name):
      writer.write("{\"event\":\"mark\",\"streamSid\":\"")
      writer.write(context.stream)
      writer.write("\",\"mark\":{\"name\":\"")
      writer.write(name)
      writer.write("\"}}")
      return .whole
    case .clear:
      writer.write("{\"event\":\"clear\",\"streamSid\":\"")
      writer.write(context.stream)
      writer.write("\"}")
      return .whole
    case .ready, .transcript, .response, .error: return .none
    }
  }

  /// Exactly these fields: one more or less and Twilio ignores the message (warning 31951).
  static func envelope(_ stream: Name, _ prefix: inout Writer, _ suffix: inout Writer) {
    prefix.write("{\"event\":\"media\",\"streamSid\":\"")
    prefix.write(stream)
    prefix.write("\",\"media\":{\"payload\":\"")
    suffix.write("\"}}")
  }

  private static func text(_ key: StaticString, in message: Bytes) -> Range<Int>? {
    guard let value = JSON.find(key, in: message), value.kind == .string else { return nil }
    return value.range
  }
}
