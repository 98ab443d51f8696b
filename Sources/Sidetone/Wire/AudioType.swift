// Every frame.
//
// A media type of audio, as carriers and upstreams state it: `audio/l16;rate=16000`,
// `audio/pcm; rate=24000; channels=1`, `audio/x-mulaw`. Or the name of a codec alone.

package struct AudioType: BitwiseCopyable, Equatable, Sendable {
  package enum Codec: BitwiseCopyable, Sendable { case linear, mulaw, alaw }

  /// Nil: none of those that are known here.
  package var codec: Codec?
  /// Samples a second, and channels; 0 where it does not say.
  package var rate = 0
  package var channels = 0

  /// Reads the inside of a string; what is no media type is the name of a codec.
  @_noAllocation package init(_ text: Bytes) {
    let end = text.firstIndex(of: UInt8(ascii: ";")) ?? text.count
    codec = Self.codec(of: Self.trimmed(text.prefix(end)))
    var rest = text.dropping(end)
    while !rest.isEmpty {
      rest = rest.dropping(1)
      let end = rest.firstIndex(of: UInt8(ascii: ";")) ?? rest.count
      take(Self.trimmed(rest.prefix(end)))
      rest = rest.dropping(end)
    }
  }

  /// A parameter: `name=value`, the value perhaps in quotes.
  private mutating func take(_ parameter: Bytes) {
    guard let equals = parameter.firstIndex(of: UInt8(ascii: "=")) else { return }
    let name = Self.trimmed(parameter.prefix(equals))
    guard let value = Self.trimmed(parameter.dropping(equals &+ 1)).decimal else { return }
    if name.equalsIgnoringCase("rate") || name.equalsIgnoringCase("samplerate") {
      rate = value
    } else if name.equalsIgnoringCase("channels") {
      channels = value
    }
  }

  private static func codec(of name: Bytes) -> Codec? {
    var word = name
    if let slash = name.firstIndex(of: UInt8(ascii: "/")) {
      // In JSON the slash may be escaped.
      guard name.prefix(min(name.count, 5)).equalsIgnoringCase("audio") else { return nil }
      word = name.dropping(slash &+ 1)
    }
    if word.count > 2, word.prefix(2).equalsIgnoringCase("x-") { word = word.dropping(2) }
    switch word.count {
    case 3:
      return word.equalsIgnoringCase("l16") || word.equalsIgnoringCase("pcm")
        || word.equalsIgnoringCase("raw") ? .linear : nil
    case 4:
      if word.equalsIgnoringCase("pcmu") || word.equalsIgnoringCase("ulaw") { return .mulaw }
      if word.equalsIgnoringCase("pcma") || word.equalsIgnoringCase("alaw") { return .alaw }
      return nil
    case 5:
      if word.equalsIgnoringCase("mulaw") || word.equalsIgnoringCase("basic") { return .mulaw }
      return word.equalsIgnoringCase("pcm16") || word.equalsIgnoringCase("slin16")
        || word.equalsIgnoringCase("s16le") ? .linear : nil
    case 8: return word.equalsIgnoringCase("linear16") ? .linear : nil
    case 9:
      if word.equalsIgnoringCase("g711_ulaw") { return .mulaw }
      return word.equalsIgnoringCase("g711_alaw") ? .alaw : nil
    default: return nil
    }
  }

  /// Without white space and quotes around it.
  private static func trimmed(_ text: Bytes) -> Bytes {
    var start = 0
    var end = text.count
    while start < end, isEdge(text[start]) { start &+= 1 }
    while end > start, isEdge(text[end &- 1]) { end &-= 1 }
    return text[start..<end]
  }

  private static func isEdge(_ byte: UInt8) -> Bool {
    byte <= 0x20 || byte == 0x22 || byte == 0x5c
  }
}

extension AudioType {
  /// What a JSON string says, escapes put right.
  package init?(_ value: JSON.Value, in message: Bytes) {
    guard value.kind == .string, value.range.count <= 256 else { return nil }
    guard value.hasEscapes else {
      self.init(message[value.range])
      return
    }
    self = Bytes.withTemporary(256) { place in
      var text = Writer(place)
      JSON.unescape(value, in: message, to: &text)
      return AudioType(text.written)
    }
  }
}
