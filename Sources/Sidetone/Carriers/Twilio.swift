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
    control: .twilio,
    settings: {
      Settings(displayName: "Twilio", paths: ["/media", "/media-stream", "/ws", "/ws/phone"])
    })
}

private enum Twilio {
  /// `connected` comes first and `start` second. Others say `connected` in the same words.
  static func recognise(_ message: Bytes) -> Bool {
    guard let event = JSON.find("event", in: message) else { return false }
    if JSON.text(event, in: message, equals: "connected") {
      guard let name = JSON.find("protocol", in: message) else { return false }
      return JSON.text(name, in: message, equals: "Call")
    }
    return JSON.text(event, in: message, equals: "start")
      && JSON.find("start", "streamSid", in: message) != nil
      && JSON.find("start", "callSid", in: message) != nil
  }

  static func read(_ message: Bytes) -> Carrier.Event {
    guard let event = JSON.find("event", in: message), event.kind == .string else {
      return .malformed("no text under \"event\"")
    }
    func isNamed(_ name: StaticString) -> Bool { JSON.text(event, in: message, equals: name) }
    if isNamed("start") { return start(message) }
    if isNamed("connected") { return .connected }
    if isNamed("stop") { return .stopped }
    if isNamed("dtmf") {
      return Carrier.key(JSON.find("dtmf", "digit", in: message), in: message)
    }
    if isNamed("mark") { return Carrier.mark(in: message) }
    // Media comes here only where the scanner found no payload in it.
    if isNamed("media") { return .malformed("media without a payload") }
    return .ignored
  }

  private static func start(_ message: Bytes) -> Carrier.Event {
    guard let stream = id(JSON.find("start", "streamSid", in: message)),
      let call = id(JSON.find("start", "callSid", in: message))
    else { return .malformed("a start without streamSid and callSid") }
    let encoding = JSON.find("start", "mediaFormat", "encoding", in: message)
    let rate = JSON.find("start", "mediaFormat", "sampleRate", in: message)
    let isMulaw = encoding.map { AudioType($0, in: message)?.codec == .mulaw } ?? true
    let isAt8k = rate.map { JSON.integer($0, in: message) == 8000 } ?? true
    guard isMulaw, isAt8k else {
      return .refused("the stream must be audio/x-mulaw at 8000 Hz")
    }
    let parameters = JSON.find("start", "customParameters", in: message)
    let tracks = JSON.find("start", "tracks", in: message)
    var started = Carrier.Start(
      call: call, stream: stream, format: .mulaw8k,
      tracks: tracks.map { hasBoth($0, in: message) } == true ? 2 : 1,
      parameters: parameters.flatMap { $0.kind == .object ? $0.range : nil } ?? 0..<0)
    started.account = id(JSON.find("start", "accountSid", in: message)) ?? 0..<0
    return .started(started)
  }

  private static func id(_ value: JSON.Value?) -> Range<Int>? {
    guard let value, value.kind == .string, !value.range.isEmpty else { return nil }
    return value.range
  }

  /// `["inbound","outbound"]`, in either order.
  private static func hasBoth(_ list: JSON.Value, in message: Bytes) -> Bool {
    var hasInbound = false
    var hasOutbound = false
    var tracks = JSON.Elements(of: list, in: message)
    while let track = tracks.next() {
      if JSON.text(track, in: message, equals: "inbound") { hasInbound = true }
      if JSON.text(track, in: message, equals: "outbound") { hasOutbound = true }
    }
    return hasInbound && hasOutbound
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
}
