// The raw transcription client: binary audio up, JSON text down. It has no start message; the query
// of its handshake says what it sends. Everything we send is a text message: `ready`, `transcript`,
// the upstream's own message, `error`. It may send the text messages Finalize and CloseStream, and
// before its audio one that says what that is; all others are of no concern.

extension Carrier {
  package static let raw = Carrier(
    name: "raw",
    media: .binary,
    recognise: nil,
    open: Raw.open,
    read: Raw.read,
    write: Raw.write,
    envelope: { _, _, _ in },
    isHeldBack: true,
    playout: Pacing(
      payloadEncoding: .binary, leadMilliseconds: 200, pieceMilliseconds: 40, leastMilliseconds: 0,
      hasMarks: false),
    settings: { Settings(displayName: "raw", paths: ["/ws/transcribe"]) })

  /// Whether a query's parameter is the raw client's own; all others are the upstream's options.
  package static func isRawParameter(_ name: Bytes) -> Bool {
    name.equals("call_id") || name.equals("sample_rate") || name.equals("encoding")
      || name.equals("channels")
  }
}

private enum Raw {
  static func open(_ query: Bytes) -> Carrier.Opening {
    var call = Name()
    var codec = Format.Codec.linear16
    var rate = 8000
    var channels = 1
    var pairs = Query(query)
    while let pair = pairs.next() {
      let name = pair.name
      let value = pair.value
      if name.equals("call_id") {
        guard let given = Name(value), isPlain(value) else {
          return .refused(
            parameter: "call_id",
            allowed: "1 to 96 characters out of letters, digits, '-', '_', '.', ':', '+', '@'")
        }
        call = given
      } else if name.equals("encoding") {
        guard let given = encoding(value) else {
          return .refused(parameter: "encoding", allowed: "linear16, mulaw, alaw")
        }
        codec = given
      } else if name.equals("sample_rate") {
        guard let given = value.decimal, Format.rates.contains(given)
        else {
          return .refused(
            parameter: "sample_rate", allowed: "8000, 16000, 24000, 32000, 44100, 48000")
        }
        rate = given
      } else if name.equals("channels") {
        guard let given = value.decimal, given == 1 || given == 2 else {
          return .refused(parameter: "channels", allowed: "1, 2")
        }
        channels = given
      }
    }
    if codec != .linear16 && rate != 8000 {
      return .refused(parameter: "sample_rate", allowed: "8000 with mulaw and alaw")
    }
    return .start(call: call, format: Format(codec: codec, rate: rate, channels: channels))
  }

  private static func encoding(_ value: Bytes) -> Format.Codec? {
    if value.equals("linear16") { return .linear16 }
    if value.equals("mulaw") { return .mulaw }
    if value.equals("alaw") { return .alaw }
    return nil
  }

  /// Characters that need no escape in JSON, in a path or in a log, whoever reads it later.
  private static func isPlain(_ text: Bytes) -> Bool {
    guard !text.isEmpty else { return false }
    for index in 0..<text.count {
      switch text[index] {
      case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x2b, 0x2d, 0x2e, 0x3a, 0x40, 0x5f: continue
      default: return false
      }
    }
    return true
  }

  static func read(_ message: Bytes) -> Carrier.Event {
    if let type = JSON.find("type", in: message) {
      if JSON.text(type, in: message, equals: "Finalize") { return .finalize }
      if JSON.text(type, in: message, equals: "CloseStream") { return .finish }
    }
    // What it leaves out is as in the call's format, which is known elsewhere.
    let usual = Format(codec: .linear16, rate: 8000)
    return Carrier.audio(statedIn: message, orAs: usual) == nil ? .ignored : .format(usual)
  }

  static func write(
    _ answer: Carrier.Command, _ context: Carrier.Context, _ writer: inout Writer
  ) -> Carrier.Framing {
    switch answer {
    case .ready:
      writer.write("{\"type\":\"ready\"")
    case .transcript(let text, let isFinal, let confidence, let channel, let channels, let ends):
      writer.write("{\"type\":\"transcript\",\"text\":\"")
      writer.write(jsonText: text)
      writer.write("\",\"is_final\":")
      writer.write(isFinal ? "true" : "false")
      writer.write(",\"confidence\":")
      if confidence.isEmpty { writer.write("null") } else { writer.write(confidence) }
      if let ends { writer.write(ends ? ",\"speech_final\":true" : ",\"speech_final\":false") }
      if channels > 1 {
        writer.write(",\"channel\":")
        writer.write(decimal: channel)
      }
    case .response(let upstream):
      writer.write("{\"type\":\"")
      writer.write(upstream)
      writer.write("_response\",\"data\":")
      let prefix = writer.count
      if context.offsetMicroseconds > 0 {
        writer.write(",\"stream_offset_seconds\":")
        writer.write(decimal: context.offsetMicroseconds / 1_000_000)
        writer.write(".")
        writer.write(decimal: context.offsetMicroseconds % 1_000_000, width: 6)
      }
      tail(context, &writer)
      return .around(suffix: writer.count - prefix)
    case .error(let code, let message, let isFinal, let words, let request):
      writer.write("{\"type\":\"error\",\"code\":\"")
      writer.write(code)
      writer.write("\",\"message\":\"")
      writer.write(message)
      writer.write("\"")
      if let isFinal { writer.write(isFinal ? ",\"final\":true" : ",\"final\":false") }
      if !words.isEmpty {
        writer.write(",\"reason\":\"")
        writer.write(json: words)
        writer.write("\"")
      }
      if !request.isEmpty {
        writer.write(",\"request_id\":\"")
        request.write(json: &writer)
        writer.write("\"")
      }
    case .mark: return .none
    case .clear: writer.write("{\"type\":\"clear\"")
    }
    tail(context, &writer)
    return .whole
  }

  private static func tail(_ context: Carrier.Context, _ writer: inout Writer) {
    writer.write(",\"call_id\":\"")
    writer.write(context.call)
    writer.write("\",\"timestamp\":\"")
    writer.write(timestamp: context.now)
    writer.write("\"}")
  }
}

// MARK: What a text says of the audio

extension Carrier {
  /// Many clients say first what their audio is: as a media type, or as a rate with a codec and
  /// channels beside it, also in an object of its own. What is left out is as in `usual`. A format,
  /// or refused where that cannot be served; nil: it says nothing of audio.
  static func audio(statedIn message: Bytes, orAs usual: Format) -> Carrier.Event? {
    var scanner = JSON.Scanner(message)
    guard let whole = scanner.value(), scanner.isAtEnd, whole.kind == .object else { return nil }
    return StatedAudio(in: whole, message).event(orAs: usual)
  }
}

private struct StatedAudio {
  private enum Encoding {
    case unsaid
    case known(Format.Codec)
    /// One that cannot be served, as the sentence says.
    case other(StaticString)
    /// A word that may be another's affair: of text, of files.
    case unclear
  }
  private var encoding = Encoding.unsaid
  private var rate = 0
  private var channels = 0

  private static let unknown: StaticString =
    "the audio is said to be of an encoding that is not known here; send linear16, mulaw or alaw"
  private static let compressed: StaticString =
    "the audio is said to be compressed; send linear16, mulaw or alaw"

  /// The first that says something counts; what stands outside goes before what stands within.
  init(in object: JSON.Value, _ message: Bytes, isOuter: Bool = true) {
    var members = JSON.Members(of: object, in: message)
    while let member = members.next() {
      func isNamed(_ names: [StaticString]) -> Bool {
        names.contains { JSON.text(member.name, in: message, equals: $0) }
      }
      let number = JSON.integer(member.value, in: message) ?? 0
      if isNamed(["content-type", "content_type", "contentType"]) {
        addType(member.value, message)
      } else if isNamed(["sample_rate", "sampleRate", "sample-rate"]) {
        if rate == 0 { rate = number }
      } else if isNamed(["channels", "channelCount"]) {
        if channels == 0 { channels = number }
      } else if isNamed(["encoding", "codec"]) {
        if case .unsaid = encoding { encoding = Self.encoding(member.value, message) }
      }
    }
    guard isOuter else { return }
    members = JSON.Members(of: object, in: message)
    while let member = members.next() {
      guard member.value.kind == .object else { continue }
      let inner = Self(in: member.value, message, isOuter: false)
      // Others beside it speak of something else.
      guard inner.saysSomething else { continue }
      add(inner)
      break
    }
  }

  private var saysSomething: Bool {
    switch encoding {
    case .known, .other: true
    case .unsaid, .unclear: rate != 0
    }
  }

  private mutating func add(_ other: Self) {
    if case .unsaid = encoding { encoding = other.encoding }
    if rate == 0 { rate = other.rate }
    if channels == 0 { channels = other.channels }
  }

  private mutating func addType(_ value: JSON.Value, _ message: Bytes) {
    guard let type = AudioType(value, in: message), value.range.count >= 6,
      message[value.range].prefix(5).equalsIgnoringCase("audio")
    else { return }
    if case .unsaid = encoding {
      encoding = Self.encoding(value, message)
      if case .unclear = encoding { encoding = .other(Self.unknown) }
    }
    if rate == 0 { rate = type.rate }
    if channels == 0 { channels = type.channels }
  }

  /// A codec by one of its names, of which many are about.
  private static func encoding(_ value: JSON.Value, _ message: Bytes) -> Encoding {
    guard let type = AudioType(value, in: message) else { return .unsaid }
    if let codec = type.formatCodec { return .known(codec) }
    let text = message[value.range]
    let start = text.firstIndex(of: UInt8(ascii: "/")).map { $0 + 1 } ?? 0
    let end = text.firstIndex(of: UInt8(ascii: ";"), from: start) ?? text.count
    let word = text[start..<end]
    func isOne(of names: [StaticString]) -> Bool {
      names.contains { word.equalsIgnoringCase($0) }
    }
    if isOne(of: ["pcm_s16le", "pcm_s16", "s16", "int16"]) { return .known(.linear16) }
    if isOne(of: ["pcm_mulaw", "mu-law", "mu_law"]) { return .known(.mulaw) }
    if isOne(of: ["pcm_alaw", "a-law", "a_law"]) { return .known(.alaw) }
    if isOne(of: ["opus", "ogg_opus", "ogg-opus", "webm_opus", "webm-opus"]) {
      return .other("the audio is said to be opus; send linear16, mulaw or alaw")
    }
    if isOne(of: ["pcm_f32le", "f32le", "f32", "float32", "float", "pcm_f32"]) {
      return .other("the audio is said to be floats (pcm_f32le); send linear16, mulaw or alaw")
    }
    if isOne(of: ["pcm_s16be", "s16be", "pcm_s24le", "s24le", "pcm_s32le", "s32le", "pcm_u8"]) {
      return .other("the audio is said to be other samples; send linear16 (pcm_s16le)")
    }
    if isOne(of: ["flac", "mp3", "mpeg", "aac", "g722", "g729", "amr", "amr-nb", "amr-wb"])
      || isOne(of: ["speex", "ogg", "webm", "mp4", "vorbis"])
    {
      return .other(compressed)
    }
    // The file's head says what it holds.
    if isOne(of: ["wav", "wave", "x-wav", "vnd.wave"]) { return .unsaid }
    return .unclear
  }

  func event(orAs usual: Format) -> Carrier.Event? {
    var codec = usual.codec
    switch encoding {
    case .known(let said): codec = said
    case .other(let sentence): return .refused(sentence)
    case .unclear:
      if rate == 0 { return nil }
      return .refused(Self.unknown)
    case .unsaid:
      if rate == 0 { return nil }
    }
    let isLinear = codec == .linear16
    let hertz = rate != 0 ? rate : isLinear ? usual.rate : 8000
    guard isLinear || hertz == 8000 else {
      return .refused("mulaw and alaw are of 8000 Hz; another rate needs linear16")
    }
    guard Format.rates.contains(hertz), channels >= 0, channels <= 2 else {
      return .refused("the samples must be of 8000 to 48000 Hz, in one channel or two")
    }
    return .format(
      Format(codec: codec, rate: hertz, channels: channels > 0 ? channels : usual.channels))
  }
}
