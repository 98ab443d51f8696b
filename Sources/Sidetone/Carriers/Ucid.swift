// The vendors that name a call by its `ucid`: JSON text messages, audio as arrays of 16-bit samples
// at 8 kHz, 80 of them (10 ms) in each message and in both directions. `event` says what a message
// is and `type` which audio is; some leave `event` out of audio, and some audio comes without a
// start. Source: the vendors' integration guide for bidirectional streams.

extension Carrier {
  package static let ucid = Carrier(
    name: "ucid",
    media: Media(
      when: "type", is: "media", at: "data", "samples", rate: "sampleRate",
      channels: "channelCount", as: .integers),
    recognise: Ucid.recognise,
    open: nil,
    read: Ucid.read,
    write: Ucid.write,
    envelope: Ucid.envelope,
    isHeldBack: false,
    // Nobody documents what happens to audio that is sent far ahead of its time.
    playout: Pacing(
      payloadEncoding: .integers, leadMilliseconds: 20, pieceMilliseconds: 10,
      leastMilliseconds: 10,
      hasMarks: false),
    phrases: Phrases(
      started: "🎤 New call started", id: "UCID", heard: "📝 Transcription completed"),
    settings: { Settings(displayName: "ucid", paths: ["/ws"]) })
}

private enum Ucid {
  private static let format = Format(codec: .linear16, rate: 8000)

  static func recognise(_ message: Bytes) -> Bool { JSON.find("ucid", in: message) != nil }

  static func read(_ message: Bytes) -> Carrier.Event {
    if has("type", "media", message) {
      // The scanner takes audio out before it gets here, but not before there is a call.
      guard let samples = JSON.find("data", "samples", in: message), samples.kind == .array else {
        return .malformed("media without samples")
      }
      return start(message, isAudio: true)
    }
    if has("event", "start", message) { return start(message, isAudio: false) }
    // Whatever id it names: a socket is one call, and vendors' own scripts end it by another.
    if has("event", "stop", message) { return .stopped }
    if has("event", "mark", message) {
      guard let id = JSON.find("seqid", in: message), id.kind == .string else {
        return .malformed("a mark without seqid")
      }
      return .mark(id.range)
    }
    if JSON.find("event", in: message) == nil, JSON.find("type", in: message) == nil {
      return .malformed("neither \"event\" nor \"type\"")
    }
    return .ignored
  }

  /// `x_headers`, where the vendors put parameters, is a text with JSON in it, not an object.
  private static func start(_ message: Bytes, isAudio: Bool) -> Carrier.Event {
    guard let id = id(message) else {
      return .malformed("no ucid: a text, or a number without point and exponent")
    }
    var start = Carrier.Start(call: id, stream: id, format: format, isAudio: isAudio)
    if !isAudio {
      start.quotedParameters = text("x_headers", message)
      start.called = text("did", message)
    }
    return .started(start)
  }

  /// The inside of a string; empty where there is none of that name.
  private static func text(_ name: StaticString, _ message: Bytes) -> Range<Int> {
    guard let value = JSON.find(name, in: message), value.kind == .string else { return 0..<0 }
    return value.range
  }

  /// The id as it is written: a number may have more digits than any integer of ours.
  private static func id(_ message: Bytes) -> Range<Int>? {
    guard let value = JSON.find("ucid", in: message), !value.range.isEmpty else { return nil }
    switch value.kind {
    case .string: return value.range
    case .number:
      let text = message[value.range]
      for index in 0..<text.count where text[index] &- 0x30 > 9 { return nil }
      return value.range
    default: return nil
    }
  }

  private static func has(_ key: StaticString, _ text: StaticString, _ message: Bytes) -> Bool {
    guard let value = JSON.find(key, in: message) else { return false }
    return JSON.text(value, in: message, equals: text)
  }

  static func write(
    _ answer: Carrier.Command, _ context: Carrier.Context, _ writer: inout Writer
  ) -> Carrier.Framing {
    switch answer {
    case .clear: writer.write("{\"command\":\"clearBuffer\"}")
    case .ready, .transcript, .response, .error, .mark: return .none
    }
    return .whole
  }

  /// In the order of the vendors' own messages. `numberOfFrames` counts samples; every message we
  /// send has 80 (`leastMilliseconds`).
  static func envelope(_ stream: Name, _ prefix: inout Writer, _ suffix: inout Writer) {
    prefix.write("{\"event\":\"media\",\"type\":\"media\",\"ucid\":\"")
    prefix.write(stream)
    prefix.write("\",\"data\":{\"samples\":[")
    suffix.write(
      """
      ],"bitsPerSample":16,"sampleRate":8000,"channelCount":1,"numberOfFrames":80,"type":"data"}}
      """)
  }
}
