// Telnyx media streaming: JSON text messages, RTP payloads in base64. Its names are in snake case,
// its media may arrive out of order, and the codec it sends has nothing to do with the one it
// takes. Source: Telnyx's "Media streaming over WebSockets" guide and WebSocket API reference.

extension Carrier {
  package static let telnyx = Carrier(
    name: "telnyx",
    media: Media(
      when: "event", is: "media", at: "media", "payload", timestamp: "timestamp", track: "track",
      order: "chunk", as: .base64),
    recognise: Telnyx.recognise,
    open: nil,
    read: Telnyx.read,
    write: Telnyx.write,
    envelope: Telnyx.envelope,
    isHeldBack: false,
    playout: Pacing(
      payloadEncoding: .base64, leadMilliseconds: 200, pieceMilliseconds: 40, leastMilliseconds: 20,
      hasMarks: true),
    isReordered: true,
    isByteOrderHeard: true,
    takesChosenFormat: true,
    signature: .telnyx,
    webhook: .telnyx,
    control: .telnyx,
    settings: {
      Settings(displayName: "Telnyx", paths: ["/media", "/media-stream", "/ws", "/ws/phone"])
    })
}

private enum Telnyx {
  /// `connected` with a protocol is what others say as well; `start` is its own.
  static func recognise(_ message: Bytes) -> Bool {
    guard let event = JSON.find("event", in: message) else { return false }
    if JSON.text(event, in: message, equals: "connected") {
      guard let name = JSON.find("protocol", in: message) else { return true }
      return JSON.text(name, in: message, equals: "Call")
    }
    return JSON.text(event, in: message, equals: "start")
      && JSON.find("stream_id", in: message) != nil
      && JSON.find("start", "call_control_id", in: message) != nil
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
    if isNamed("error") {
      guard let payload = JSON.find("payload", in: message) else {
        return .malformed("an error without a payload")
      }
      return .complaint(payload.range)
    }
    // Media comes here only where the scanner found no payload in it.
    if isNamed("media") { return .malformed("media without a payload") }
    return .ignored
  }

  private static func start(_ message: Bytes) -> Carrier.Event {
    // The stream's id stands beside `start`, not in it.
    guard let stream = id(JSON.find("stream_id", in: message)),
      let call = id(JSON.find("start", "call_control_id", in: message))
    else { return .malformed("a start without stream_id and call_control_id") }
    let encoding = JSON.find("start", "media_format", "encoding", in: message)
    let rate = JSON.find("start", "media_format", "sample_rate", in: message)
    guard let format = format(encoding, rate, in: message), isMono(message) else {
      return .refused(
        "the stream must be PCMU, PCMA or L16 (8000 Hz; L16 also 16000 or 24000), of one channel")
    }
    let parameters = JSON.find("start", "custom_parameters", in: message)
    var reply: Format?
    if let asked = replyAsked(parameters, in: message) {
      guard let format = self.format(asked.codec, asked.rate, in: message) else {
        return .refused(
          "bidirectional_codec must be PCMU, PCMA or L16 (8000 Hz; L16 also 16000 or 24000)")
      }
      reply = format
    }
    return .started(
      Carrier.Start(
        // No message of ours names the stream, so it may be of any length.
        call: call, stream: stream.count <= Name.bytesMax ? stream : 0..<0, format: format,
        reply: reply,
        parameters: parameters.flatMap { $0.kind == .object ? $0.range : nil } ?? 0..<0))
  }

  private static func id(_ value: JSON.Value?) -> Range<Int>? {
    guard let value, value.kind == .string, !value.range.isEmpty else { return nil }
    return value.range
  }

  private static func isMono(_ message: Bytes) -> Bool {
    guard let channels = JSON.find("start", "media_format", "channels", in: message) else {
      return true
    }
    return JSON.integer(channels, in: message) == 1
  }

  /// What Telnyx takes is set where the stream is asked for (stream_bidirectional_codec and
  /// …_sampling_rate); its messages never say. Our webhook sets what the settings choose. Whoever
  /// sets something else says so in custom parameters of the same names; nil: nobody did.
  private static func replyAsked(
    _ parameters: JSON.Value?, in message: Bytes
  ) -> (codec: JSON.Value?, rate: JSON.Value?)? {
    guard let parameters, parameters.kind == .object else { return nil }
    let codec = JSON.find("bidirectional_codec", in: message, under: parameters)
    let rate = JSON.find("bidirectional_sampling_rate", in: message, under: parameters)
    return codec == nil && rate == nil ? nil : (codec, rate)
  }

  /// Nil: not to be served. What is not said is PCMU, and L16 is 16 kHz.
  private static func format(
    _ encoding: JSON.Value?, _ rate: JSON.Value?, in message: Bytes
  ) -> Format? {
    var codec = Format.Codec.mulaw
    if let encoding {
      guard let given = AudioType(encoding, in: message)?.formatCodec else { return nil }
      codec = given
    }
    var hertz = codec == .linear16 ? 16_000 : 8000
    if let rate {
      guard let given = JSON.integer(rate, in: message) else { return nil }
      hertz = given
    }
    switch (codec, hertz) {
    case (_, 8000), (.linear16, 16_000), (.linear16, 24_000):
      return Format(codec: codec, rate: hertz)
    default: return nil
    }
  }

  /// Only what was asked for by name goes out; the stream's id is not needed.
  static func write(
    _ answer: Carrier.Command, _ context: Carrier.Context, _ writer: inout Writer
  ) -> Carrier.Framing {
    switch answer {
    case .mark(let name):
      writer.write("{\"event\":\"mark\",\"mark\":{\"name\":\"")
      writer.write(name)
      writer.write("\"}}")
      return .whole
    case .clear:
      writer.write("{\"event\":\"clear\"}")
      return .whole
    case .ready, .transcript, .response, .error: return .none
    }
  }

  static func envelope(_ stream: Name, _ prefix: inout Writer, _ suffix: inout Writer) {
    prefix.write("{\"event\":\"media\",\"media\":{\"payload\":\"")
    suffix.write("\"}}")
  }
}
