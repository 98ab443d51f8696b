// Cartesia's voices, `/tts/websocket`. Text goes up as JSON that repeats voice and format with each
// piece; audio comes as base64 in JSON. Rules that shape this file, from Cartesia's API reference
// and the models of its own client:
// - each answer is a context of its own; its last piece says that it does not continue, and `done`
//   that all of it has come;
// - a context that is cancelled is not acknowledged: a few of its chunks may still come;
// - text is held back for `max_buffer_delay_ms`, whose default has changed: sentences need none;
// - the interface has a date, which the query states.

extension Synthesizer {
  package static let cartesia = Synthesizer(
    name: "cartesia",
    cascade: "cascade-cartesia",
    displayName: "Cartesia",
    standardVoice: "f786b574-daa5-4673-aa0c-cbe3e8534c02",
    standardModel: "sonic-3",
    keyHeader: "X-API-Key",
    keyScheme: "",
    says: usualFormat,
    query: { _, writer in writer.write("cartesia_version=2026-08-14") },
    speech: SpeechPath(
      when: "type", is: "chunk", or: "", payload: "data", item: "context_id", response: ""),
    namesAnswers: true,
    write: Cartesia.write,
    read: Cartesia.read,
    refused: Cartesia.refused,
    closed: { code, _ in code == 1008 ? Cartesia.refused(400) : Cartesia.lost },
    flushesPerMinuteMax: .max,
    service: {
      Upstream.Service(
        host: "api.cartesia.ai", path: "/tts/websocket", keyVariable: "CARTESIA_API_KEY",
        urlVariable: "CARTESIA_TTS_URL", keyPrefix: "sk_car_")
    })
}

private enum Cartesia {
  // MARK: What it is told

  static func write(
    _ command: Synthesizer.Command, _ session: Synthesizer.Session, _ writer: inout Writer
  ) {
    switch command {
    case .say(let words): write(words, continues: true, session, &writer)
    case .end: write(.empty, continues: false, session, &writer)
    case .clear:
      writer.write("{\"context_id\":\"")
      writer.write(decimal: session.answer)
      writer.write("\",\"cancel\":true}")
    case .flush, .finish: break
    }
  }

  private static func write(
    _ words: Bytes, continues: Bool, _ session: Synthesizer.Session, _ writer: inout Writer
  ) {
    writer.write("{\"model_id\":\"")
    session.model.isEmpty ? writer.write("sonic-3") : writer.write(jsonOfEncoded: session.model)
    writer.write("\",\"transcript\":\"")
    writer.write(json: words)
    writer.write("\",\"voice\":{\"mode\":\"id\",\"id\":\"")
    writer.write(jsonOfEncoded: session.voice)
    writer.write("\"}")
    if !session.language.isEmpty {
      writer.write(",\"language\":\"")
      writer.write(jsonOfEncoded: session.language)
      writer.write("\"")
    }
    writer.write(",\"context_id\":\"")
    writer.write(decimal: session.answer)
    writer.write("\",\"output_format\":{\"container\":\"raw\",\"encoding\":\"")
    writer.write(encoding(session.says))
    writer.write("\",\"sample_rate\":")
    writer.write(decimal: session.says.rate)
    writer.write(continues ? "},\"continue\":true" : "},\"continue\":false")
    writer.write(",\"max_buffer_delay_ms\":0}")
  }

  private static func encoding(_ format: Format) -> StaticString {
    switch format.codec {
    case .mulaw: "pcm_mulaw"
    case .alaw: "pcm_alaw"
    case .linear16: "pcm_s16le"
    }
  }

  // MARK: What it says

  static func read(_ message: Bytes) -> Synthesizer.Event {
    guard JSON.isValid(message), let type = JSON.find("type", in: message), type.kind == .string
    else { return .malformed }
    var news = Synthesizer.Event()
    news.answer = text("context_id", in: message)
    func isNamed(_ name: StaticString) -> Bool { JSON.text(type, in: message, equals: name) }
    if isNamed("done") {
      news.isFlushed = true
    } else if isNamed("error") {
      news.complaint = complaint(message)
    } else if !isNamed("chunk"), !isNamed("timestamps"), !isNamed("phoneme_timestamps"),
      !isNamed("flush_done")
    {
      news.unknown = type.range
    }
    return news
  }

  /// Errors have had another shape: one sentence under `error`.
  private static func complaint(_ message: Bytes) -> Upstream.Complaint {
    let status = JSON.find("status_code", in: message).flatMap { message[$0.range].decimal }
    let sentences = ["message", "title", "error"].map { text($0, in: message) }
    return Upstream.Complaint(
      code: text("error_code", in: message), message: sentences.first { !$0.isEmpty } ?? 0..<0,
      verdict: refused(status ?? 500))
  }

  private static func text(_ name: StaticString, in message: Bytes) -> Range<Int> {
    let value = JSON.find(name, in: message)
    return value?.kind == .string ? value?.range ?? 0..<0 : 0..<0
  }

  static let lost = Upstream.Verdict(
    retry: true, cause: .upstreamLost, code: "upstream_lost",
    sentence: "Cartesia ended the session of its voice")

  static func refused(_ status: Int) -> Upstream.Verdict {
    switch status {
    case 401, 403:
      Upstream.Verdict(
        retry: false, cause: .upstreamKey, code: "upstream_key",
        sentence: "Cartesia refused the relay's key: set CARTESIA_API_KEY to one with access")
    case 402:
      Upstream.Verdict(
        retry: false, cause: .upstreamRefused, code: "upstream_payment",
        sentence: "Cartesia's account has no credit left")
    case 429:
      Upstream.Verdict(
        retry: true, cause: .upstreamBusy, code: "upstream_busy",
        sentence: "Cartesia's limit of concurrent contexts is reached")
    case 500...599: lost
    case 400, 404, 422:
      Upstream.Verdict(
        retry: false, cause: .upstreamRefused, code: "upstream_refused",
        sentence: "Cartesia refused what its voice was told: check model, voice and language")
    default: .misplaced(status)
    }
  }
}
