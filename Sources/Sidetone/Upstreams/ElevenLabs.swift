// ElevenLabs' voices, `/v1/text-to-speech/{voice}/multi-stream-input`. Text goes up as JSON, and
// audio comes as base64 in JSON that has no type: a message is told by its members. Rules that
// shape this file, from ElevenLabs' API reference and the models of its own client:
// - each answer is a context of its own, which its first text begins; texts end with a space;
// - text is held back until there is enough of it, unless its message says `flush`; a context that
//   is closed makes no more audio but of what was flushed, and `isFinal` says that all has come: so
//   each piece is flushed, and the end of an answer is the closing of its context;
// - there is no other way to clear one, so what was flushed still comes, under its name;
// - a connection without text is closed after `inactivity_timeout` seconds, at most 180;
// - unless a format is asked for, audio is MP3.

extension Synthesizer {
  package static let elevenLabs = Synthesizer(
    name: "elevenlabs",
    cascade: "cascade-elevenlabs",
    displayName: "ElevenLabs",
    standardVoice: "21m00Tcm4TlvDq8ikWAM",
    standardModel: "eleven_flash_v2_5",
    keyHeader: "xi-api-key",
    keyScheme: "",
    says: { $0.rate > 24_000 ? Format(codec: .linear16, rate: 24_000) : usualFormat($0) },
    path: ElevenLabs.path,
    query: ElevenLabs.query,
    speech: SpeechPath(payload: "audio", item: "contextId", last: "isFinal"),
    namesAnswers: true,
    clearsByEnding: true,
    write: ElevenLabs.write,
    read: ElevenLabs.read,
    refused: ElevenLabs.refused,
    closed: { code, reason in
      ElevenLabs.verdict(reason) ?? (code == 1008 ? ElevenLabs.refused(400) : ElevenLabs.lost)
    },
    flushesPerMinuteMax: .max,
    service: {
      Upstream.Service(
        host: "api.elevenlabs.io", path: "/v1/text-to-speech", keyVariable: "ELEVENLABS_API_KEY",
        urlVariable: "ELEVENLABS_TTS_URL")
    })
}

private enum ElevenLabs {
  // MARK: What it is told

  static func path(_ session: Synthesizer.Session, _ base: Bytes, _ writer: inout Writer) {
    writer.write(base)
    writer.write("/")
    // As it is percent-encoded in a query it may hold what would be another path.
    for index in 0..<session.voice.count {
      switch session.voice[index] {
      case UInt8(ascii: "/"): writer.write("%2F")
      case UInt8(ascii: "?"): writer.write("%3F")
      case UInt8(ascii: "+"): writer.write("%20")
      case let byte: writer.write(byte: byte)
      }
    }
    writer.write("/multi-stream-input")
  }

  static func query(_ session: Synthesizer.Session, _ writer: inout Writer) {
    writer.write("output_format=")
    writer.write(encoding(session.says))
    writer.write(decimal: session.says.rate)
    writer.write("&inactivity_timeout=180")
    if !session.model.isEmpty {
      writer.write("&model_id=")
      writer.write(session.model)
    }
    // Others refuse it.
    if !session.language.isEmpty, session.model.containsIgnoringCase("_v2_5") {
      writer.write("&language_code=")
      writer.write(session.language)
    }
  }

  private static func encoding(_ format: Format) -> StaticString {
    switch format.codec {
    case .mulaw: "ulaw_"
    case .alaw: "alaw_"
    case .linear16: "pcm_"
    }
  }

  static func write(
    _ command: Synthesizer.Command, _ session: Synthesizer.Session, _ writer: inout Writer
  ) {
    switch command {
    case .say(let words):
      writer.write("{\"text\":\"")
      writer.write(json: words)
      let endsWithSpace = !words.isEmpty && words[words.count - 1] == UInt8(ascii: " ")
      writer.write(endsWithSpace ? "\",\"context_id\":\"" : " \",\"context_id\":\"")
      writer.write(decimal: session.answer)
      writer.write("\",\"flush\":true}")
    case .end, .clear:
      writer.write("{\"context_id\":\"")
      writer.write(decimal: session.answer)
      writer.write("\",\"close_context\":true}")
    case .finish: writer.write("{\"close_socket\":true}")
    case .flush: break
    }
  }

  // MARK: What it says

  static func read(_ message: Bytes) -> Synthesizer.Event {
    guard JSON.isValid(message), let whole = JSON.whole(of: message), whole.kind == .object else {
      return .malformed
    }
    var news = Synthesizer.Event()
    news.answer = text("contextId", in: message)
    func has(_ name: StaticString) -> Bool { JSON.find(name, in: message) != nil }
    func isTrue(_ name: StaticString) -> Bool { JSON.find(name, in: message)?.kind == .true }
    // It is written in both ways.
    if isTrue("isFinal") || isTrue("is_final") {
      news.isFlushed = true
    } else if has("error") || has("code") {
      let (code, sentence) = (text("error", in: message), text("message", in: message))
      news.complaint = Upstream.Complaint(
        code: code, message: sentence.isEmpty ? code : sentence,
        verdict: verdict(message[code]) ?? lost)
    } else if !has("audio"), !has("isFinal"), !has("is_final"), !has("alignment") {
      let type = JSON.find("type", in: message)
      guard whole.range.count > 2, type == nil || type?.kind == .string else { return .malformed }
      news.unknown = type?.range ?? 0..<0
    }
    return news
  }

  private static func text(_ name: StaticString, in message: Bytes) -> Range<Int> {
    let value = JSON.find(name, in: message)
    return value?.kind == .string ? value?.range ?? 0..<0 : 0..<0
  }

  /// By the word for what went wrong, in an error or as the reason of a close; nil: none is known.
  static func verdict(_ reason: Bytes) -> Upstream.Verdict? {
    func isAbout(_ word: StaticString) -> Bool { reason.containsIgnoringCase(word) }
    if isAbout("api_key") || isAbout("unauthorized") || isAbout("permission") {
      return refused(401)
    }
    if isAbout("quota") || isAbout("payment") { return refused(402) }
    if isAbout("too_many") || isAbout("rate_limit") || isAbout("busy") { return refused(429) }
    if isAbout("timeout") || isAbout("internal") { return lost }
    if isAbout("voice") || isAbout("model") || isAbout("invalid") || isAbout("format") {
      return refused(400)
    }
    return nil
  }

  static let lost = Upstream.Verdict(
    retry: true, cause: .upstreamLost, code: "upstream_lost",
    sentence: "ElevenLabs ended the session of its voice")

  static func refused(_ status: Int) -> Upstream.Verdict {
    switch status {
    case 401, 403:
      Upstream.Verdict(
        retry: false, cause: .upstreamKey, code: "upstream_key",
        sentence: "ElevenLabs refused the relay's key: set ELEVENLABS_API_KEY to one with access")
    case 402:
      Upstream.Verdict(
        retry: false, cause: .upstreamRefused, code: "upstream_payment",
        sentence: "ElevenLabs' account has no credit left")
    case 429:
      Upstream.Verdict(
        retry: true, cause: .upstreamBusy, code: "upstream_busy",
        sentence: "ElevenLabs' limit of concurrent voices is reached")
    case 500...599: lost
    case 400, 404, 422:
      Upstream.Verdict(
        retry: false, cause: .upstreamRefused, code: "upstream_refused",
        sentence: "ElevenLabs refused what its voice was told: check model, voice and language")
    default: .misplaced(status)
    }
  }
}
