// A cascade: Deepgram listens (`/v1/listen`), a chat endpoint thinks, a voice of the list
// `Synthesizer.all` speaks. This row is the part that listens, whose socket is the session's; what
// it heard means the same as with a model that does all three by itself. What is thought and spoken
// is Cascade's to see to. Rules that shape this file, beside those of Deepgram's other row:
// - the first words of what somebody says are the interruption: a cough has none;
// - what was said is over with `speech_final`, or else with `UtteranceEnd`, which comes where noise
//   hides the pause; both may be said of the same words;
// - with `turn_detection = "relay"` the relay listens for the pause and asks for a Finalize, which
//   is not always answered (its page on Finalize): Cascade waits for that only so long.
// Models whose name begins with `flux` are spoken to at `/v2/listen`, and decide by sense that the
// caller has finished (`TurnInfo`):
// - `StartOfTurn` is the interruption, and the words of `EndOfTurn` are those of the whole turn;
// - a KeepAlive ends the session, pings keep it; a turn for which no more audio comes never ends
//   unless `ForceEndTurn` ends it.

extension Upstream {
  static func cascade(_ speaker: Synthesizer) -> Upstream {
    Upstream(
      name: speaker.cascade,
      isDialled: true,
      needsKey: true,
      keyHeader: "Authorization",
      keyScheme: "Token ",
      hears: { caller, session in caller.channels == 1 ? Deepgram.hears(caller, session) : nil },
      voice: Voice(
        says: { caller, _ in speaker.says(caller) },
        speech: speaker.speech, hasItems: false, functions: Chat.functions, history: .described),
      envelope: { _, _, _ in },
      allowed: voiceOptions,
      query: CascadeEar.query,
      setup: { _, _ in },
      read: CascadeEar.read,
      write: CascadeEar.write,
      refused: Deepgram.refused,
      closed: Deepgram.closed,
      timing: Timing(
        keepAliveAfter: .seconds(4), finalizeAfter: .seconds(1), openingSilenceMilliseconds: 20,
        chunkMillisecondsMax: 100, acknowledges: false, lastWordsWithin: .seconds(2)),
      turnSilence: CascadeEar.turnSilence,
      phrases: Phrases(
        dialled: "Cascade: Deepgram connection initiated", connected: "Cascade: Deepgram listens"),
      settings: { cascadeSettings(speaker) },
      reasonHeaders: ReasonHeaders(words: "dg-error", request: "dg-request-id"),
      speaker: speaker)
  }
}

private enum CascadeEar {
  private static func isFlux(_ session: Upstream.Session) -> Bool {
    session.value(of: "listen_model")?.starts(with: "flux") ?? false
  }

  static func query(_ session: Upstream.Session, _ writer: inout Writer) {
    writer.write("encoding=")
    writer.write(session.hears.codec.word)
    writer.write("&sample_rate=")
    writer.write(decimal: session.hears.rate)
    write("model", session.value(of: "listen_model"), &writer)
    if !isFlux(session) {
      let ownSilence = turnSilence(session)
      writer.write("&channels=1&interim_results=true&punctuate=true&utterance_end_ms=")
      // Deepgram takes from 1 to 5 s.
      writer.write(decimal: min(max(1000, ownSilence ?? 0), 5000))
      write("language", session.wish(for: "language"), &writer)
      if ownSilence == nil {
        write("endpointing", session.value(of: "silence_milliseconds"), &writer)
      } else {
        writer.write("&endpointing=false")
      }
    }
    if session.fixed.isEmpty { return }
    writer.write("&")
    writer.write(session.fixed)
  }

  static func turnSilence(_ session: Upstream.Session) -> Int? {
    guard session.value(of: "turn_detection")?.equals("relay") == true else { return nil }
    return session.value(of: "silence_milliseconds")?.decimal
  }

  private static func write(_ name: StaticString, _ value: Bytes?, _ writer: inout Writer) {
    guard let value else { return }
    writer.write("&")
    writer.write(name)
    writer.write("=")
    writer.write(value)
  }

  static func write(
    _ command: Upstream.Command, _ session: Upstream.Session, _ writer: inout Writer
  ) {
    guard isFlux(session) else { return Deepgram.write(command, &writer) }
    switch command {
    case .finalize: writer.write("{\"type\":\"ForceEndTurn\"}")
    case .finish: Deepgram.write(command, &writer)
    default: break
    }
  }

  /// Every result with words in it interrupts, and all ends of speech count: Cascade knows which of
  /// them are the first.
  static func read(_ message: Bytes) -> Upstream.Event {
    // Half a result could be taken for somebody's last words.
    guard JSON.isValid(message) else { return .malformed }
    var news = Deepgram.read(message)
    guard let heard = news.heard else {
      guard let type = JSON.find("type", in: message) else { return news }
      func isNamed(_ name: StaticString) -> Bool { JSON.text(type, in: message, equals: name) }
      if isNamed("TurnInfo") { return readTurn(message) }
      if isNamed("UtteranceEnd") { news.isCallerDone = true }
      if isNamed("Connected") || isNamed("ConfigureSuccess") { return Upstream.Event() }
      return news
    }
    news.heard = nil
    news.isInterrupted = !heard.text.isEmpty
    guard heard.isFinal else { return news }
    if !heard.text.isEmpty {
      var words = Upstream.Words(text: heard.text, isWhole: false, language: heard.language)
      words.isApart = true
      news.callerWords = words
      news.speech = Upstream.Speech(end: heard.endMicroseconds)
    }
    // Without words it was a stretch of silence.
    news.isSilenceHeard = heard.endsSpeech == true || heard.text.isEmpty
    news.isFinalAsAsked = JSON.find("from_finalize", in: message)?.kind == .true
    news.isCallerDone = news.isSilenceHeard || news.isFinalAsAsked
    return news
  }

  private static func readTurn(_ message: Bytes) -> Upstream.Event {
    guard let event = JSON.find("event", in: message), event.kind == .string else {
      return .malformed
    }
    var news = Upstream.Event()
    func isNamed(_ name: StaticString) -> Bool { JSON.text(event, in: message, equals: name) }
    if isNamed("StartOfTurn") {
      news.isInterrupted = true
    } else if isNamed("EndOfTurn") {
      news.isCallerDone = true
      guard let text = JSON.find("transcript", in: message), text.kind == .string,
        !text.range.isEmpty
      else { return news }
      news.isInterrupted = true
      news.callerWords = Upstream.Words(text: text.range, isWhole: true)
      let end = JSON.find("audio_window_end", in: message)
      let time = end.flatMap { JSON.decimal($0, scale: 6, in: message) }
      news.speech = Upstream.Speech(end: time ?? -1)
    } else if !isNamed("Update"), !isNamed("EagerEndOfTurn"), !isNamed("TurnResumed") {
      news.unknown = event.range
    }
    return news
  }
}

// MARK: - What operators set

extension CascadeEar {
  fileprivate static let options: [Upstream.Option] = [
    .init("listen_model", .name, standard: "nova-3", help: "Which model listens."),
    .init(
      "turn_detection", .words(["service", "relay"]), standard: "service",
      help: "Who finds the silence after which the caller has finished."),
    .silence("300"),
  ]
}

extension Upstream {
  private static func cascadeSettings(_ speaker: Synthesizer) -> Settings {
    let name = speaker.cascade.description
    var settings = Settings(
      displayName: "Cascade with \(speaker.displayName)'s voices",
      service: .init(
        host: "api.deepgram.com", path: "/v1/listen", keyVariable: "DEEPGRAM_API_KEY",
        urlVariable: "\(name.uppercased().replacing("-", with: "_"))_URL"),
      thinks: Chat.service,
      speaks: speaker.service(),
      options: [
        .model("gpt-6-luna"), .voice(speaker.standardVoice), .language("en"), .instructions,
        .init(
          "greeting", .prose(bytesMax: Limits.settingBytesMax),
          standard: "Hello, how can I help you?",
          help: "What it says first, word for word; empty: the caller begins."),
        .init(
          "temperature", .decimal(0...2), help: "How freely it thinks; empty: the model's own."),
        .init(
          "speak_model", .word, standard: speaker.standardModel,
          help: "Which model speaks; empty: the service's own."),
      ] + CascadeEar.options)
    settings.path = { options in
      options.value(of: "listen_model")?.hasPrefix("flux") == true ? "/v2/listen" : nil
    }
    // The first of them goes by what it is made of, and has a path of its own.
    let isFirst = Synthesizer.all.first.map { $0.name.description == speaker.name.description }
    settings.paths =
      isFirst == true
      ? [.init("/ws/phone", bot: "tts-llm-stt"), .init("/\(name)", isForAll: true)]
      : [.init("/ws/phone", bot: name)]
    return settings
  }
}
