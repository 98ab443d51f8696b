// Gemini Live: what operators set of it, when models end, and the message that asks for a session.
// Which keys that message may have depends on the model's family, and one that the model does not
// take closes the connection, so only what every family takes is written without a look:
//
//     family                      thinkingConfig              languageCode
//     2.5 native audio            a budget: left out          with its region
//     3.1                         a level, where it is set    the same
//     3.8 live                    none                        the same
//     3.8 live extended thinking  a level, always             the same
//
// What was said before is told to those that take `historyConfig` as what they begin with, and they
// wait for it; 2.5 takes it at any time, in silence as long as the turn is not complete.

extension Gemini {
  /// By Google's page of deprecations; where it gives no day, one by which the model was gone.
  /// Models of the enterprise service have names without `preview`, and later ends.
  static let ends: [Upstream.ModelEnd] = [
    .init("gemini-2.0-flash-live-001", Day(2025, 12, 9), replacement: current),
    .init("gemini-live-2.5-flash-preview*", Day(2025, 12, 9), replacement: current),
    .init("gemini-2.5-flash-preview-native-audio-dialog", Day(2025, 12, 9), replacement: current),
    .init(
      "gemini-2.5-flash-exp-native-audio-thinking-dialog", Day(2025, 12, 9), replacement: current),
    .init("gemini-2.5-flash-native-audio-preview-09-2025", Day(2026, 3, 19), replacement: current),
    .init("gemini-2.5-flash-native-audio-preview-12-2025", Day(2026, 11, 17), replacement: current),
    .init("gemini-3.1-flash-live-preview*", Day(2026, 11, 17), replacement: current),
    .init("gemini-live-2.5-flash-native-audio", Day(2026, 12, 13), replacement: current),
  ]
  private static let current: StaticString = "gemini-3.8-live"

  static func settings() -> Upstream.Settings {
    Upstream.Settings(
      displayName: "Gemini",
      service: .init(
        host: "generativelanguage.googleapis.com",
        path: "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent",
        keyVariable: "GEMINI_API_KEY", urlVariable: "GEMINI_LIVE_URL",
        keyPrefix: "AIza",
        otherKeyVariables: ["GOOGLE_API_KEY", "GOOGLE_GEMINI_API_KEY", "GOOGLE_AI_API_KEY"]),
      options: [
        .model("models/\(current)"), .voice("Puck"), .language("en-US"), .instructions, .greeting,
        .silence(""),
        .init(
          "thinking_level", .words(levels.map(\.description)),
          help: "How long it thinks before it speaks, where the model takes a level."),
      ],
      paths: [.init("/ws/phone", bot: "gemini-live", isFirst: true)],
      urlKeys: ["key", "access_token"], complaints: complaints)
  }

  private static let levels: [StaticString] = ["minimal", "low", "medium", "high"]

  /// What its models would not take.
  private static func complaints(_ options: Upstream.Options) -> [Upstream.Settings.Complaint] {
    var found: [Upstream.Settings.Complaint] = []
    let model = options.value(of: "model") ?? ""
    let family = Array(model.utf8).withBytes { Family($0) }
    if let level = options.value(of: "thinking_level") {
      if family == .live || family == .budgeted {
        found.append(.init("thinking_level", "\(model) takes none, so it is not sent"))
      } else if family == .thinking, level == "minimal" {
        found.append(.init("thinking_level", "\(model) takes low, medium or high; low is sent"))
      }
    }
    if let language = options.value(of: "language"), !language.isEmpty {
      let code = Bytes.withTemporary(codeBytesMax) { place in
        var writer = Writer(place)
        Array(language.utf8).withBytes { writeLanguageCode(of: $0, &writer) }
        return writer.written.string
      }
      if code.isEmpty {
        found.append(
          .init("language", "no region is known for `\(language)`, so the model chooses by itself"))
      }
    }
    return found
  }

  /// Models that take the same keys.
  enum Family {
    case budgeted, levelled, live, thinking

    init(_ model: Bytes) {
      if model.containsIgnoringCase("extended-thinking") {
        self = .thinking
      } else if model.containsIgnoringCase("gemini-3.1") {
        self = .levelled
      } else if model.containsIgnoringCase("2.5") || model.containsIgnoringCase("2.0") {
        self = .budgeted
      } else {
        self = .live
      }
    }

    /// Whether it begins with what was said before, where it is asked to.
    var awaitsHistory: Bool { self != .budgeted }
  }
}

// MARK: - A session

extension Gemini {
  static func setup(_ session: Upstream.Session, _ writer: inout Writer) {
    let model = session.wish(for: "model")
    writer.write("{\"setup\":{")
    if let model { writeModel(model, &writer) }
    writer.write("\"generationConfig\":{\"responseModalities\":[\"AUDIO\"]")
    writeThinking(session.value(of: "thinking_level"), Family(model ?? .empty), &writer)
    writeSpeech(session, &writer)
    writer.write("},")
    if let text = session.wish(for: "system_instruction") ?? session.value(of: "instructions") {
      writer.write("\"systemInstruction\":{\"parts\":[{\"text\":\"")
      writer.write(jsonOfEncoded: text)
      writer.write("\"}]},")
    }
    writeFunctions(session.functions, Family(model ?? .empty), &writer)
    if !session.history.isEmpty, Family(model ?? .empty).awaitsHistory {
      writer.write("\"historyConfig\":{\"initialHistoryInClientContent\":true},")
    }
    if let silence = session.value(of: "silence_milliseconds")?.decimal {
      writer.write("\"realtimeInputConfig\":{\"automaticActivityDetection\":")
      writer.write("{\"silenceDurationMs\":")
      writer.write(decimal: silence)
      writer.write("}},")
    }
    writer.write("\"inputAudioTranscription\":{},\"outputAudioTranscription\":{},")
    writer.write("\"sessionResumption\":{")
    if !session.handle.isEmpty {
      writer.write("\"handle\":\"")
      writer.write(session.handle)
      writer.write("\"")
    }
    // Without it a session ends after fifteen minutes of audio.
    writer.write("},\"contextWindowCompression\":{\"slidingWindow\":{}}}}")
  }

  /// All of it at once. A turn that is not complete is not answered.
  static func writeHistory(
    _ session: Upstream.Session, _ history: inout Upstream.History, _ writer: inout Writer
  ) {
    let isAwaited =
      history.isAwaited && Family(session.wish(for: "model") ?? .empty).awaitsHistory
    if history.isEmpty, !isAwaited { return }
    writer.write("{\"clientContent\":{\"turns\":[")
    history.write(
      into: &writer, from: "{\"role\":\"model\",\"parts\":[{\"text\":\"",
      others: "{\"role\":\"user\",\"parts\":[{\"text\":\"", end: "\"}]}")
    writer.write(isAwaited ? "],\"turnComplete\":true}}" : "],\"turnComplete\":false}}")
  }

  /// A bare name is one of the public models; other resources are named by their whole path.
  private static func writeModel(_ model: Bytes, _ writer: inout Writer) {
    writer.write("\"model\":\"")
    let isPath = model.firstIndex(of: 0x2f) != nil || model.containsIgnoringCase("%2f")
    if !isPath { writer.write("models/") }
    writer.write(jsonOfEncoded: model)
    writer.write("\",")
  }

  private static func writeThinking(_ wish: Bytes?, _ family: Family, _ writer: inout Writer) {
    let level = wish ?? .empty
    let isNamed = levels.contains { level.equals($0) }
    switch family {
    case .budgeted, .live: return
    case .levelled where !isNamed: return
    case .levelled, .thinking: break
    }
    writer.write(",\"thinkingConfig\":{\"thinkingLevel\":\"")
    if family == .thinking, !isNamed || level.equals("minimal") {
      writer.write("LOW")
    } else {
      for index in 0..<level.count { writer.write(byte: level[index] & 0xdf) }
    }
    writer.write("\"}")
  }

  private static func writeSpeech(_ session: Upstream.Session, _ writer: inout Writer) {
    Bytes.withTemporary(codeBytesMax) { place in
      var code = Writer(place)
      if let language = session.wish(for: "language") { writeLanguageCode(of: language, &code) }
      let voice = session.wish(for: "voice")
      if voice == nil, code.written.isEmpty { return }
      writer.write(",\"speechConfig\":{")
      if let voice {
        writer.write("\"voiceConfig\":{\"prebuiltVoiceConfig\":{\"voiceName\":\"")
        writer.write(jsonOfEncoded: voice)
        writer.write(code.written.isEmpty ? "\"}}" : "\"}},")
      }
      if !code.written.isEmpty {
        writer.write("\"languageCode\":\"")
        writer.write(code.written)
        writer.write("\"")
      }
      writer.write("}")
    }
  }
}

// MARK: - Languages

extension Gemini {
  /// A language of three letters, the hyphen and a region of two.
  private static let codeBytesMax = 8

  /// Languages that callers name without a region, or by another name than the service's.
  private static let codes: [(language: StaticString, code: StaticString)] = [
    ("ar", "ar-XA"), ("bn", "bn-IN"), ("cmn", "cmn-CN"), ("de", "de-DE"), ("en", "en-US"),
    ("es", "es-US"), ("fr", "fr-FR"), ("gu", "gu-IN"), ("hi", "hi-IN"), ("id", "id-ID"),
    ("it", "it-IT"), ("ja", "ja-JP"), ("kn", "kn-IN"), ("ko", "ko-KR"), ("ml", "ml-IN"),
    ("mr", "mr-IN"), ("nl", "nl-NL"), ("pl", "pl-PL"), ("pt", "pt-BR"), ("ru", "ru-RU"),
    ("ta", "ta-IN"), ("te", "te-IN"), ("th", "th-TH"), ("tr", "tr-TR"), ("vi", "vi-VN"),
    ("zh", "cmn-CN"),
  ]

  /// The service closes the connection over a language without a region, and over words such as
  /// `auto`. A region that is there is kept, in the service's spelling; one that is not is the
  /// language's most spoken one; nothing is written where none is known, and the model chooses.
  static func writeLanguageCode(of tag: Bytes, _ writer: inout Writer) {
    let end = separator(in: tag)
    let language = tag.prefix(end)
    guard language.count == 2 || language.count == 3, isLetters(language) else { return }
    if !language.equalsIgnoringCase("zh"), let region = region(in: tag.dropping(end)) {
      for index in 0..<language.count { writer.write(byte: language[index] | 0x20) }
      writer.write("-")
      for index in 0..<region.count { writer.write(byte: region[index] & 0xdf) }
      return
    }
    for known in codes where language.equalsIgnoringCase(known.language) {
      writer.write(known.code)
      return
    }
  }

  /// The first part of two letters: a script, such as Hans, may stand before it.
  private static func region(in rest: Bytes) -> Bytes? {
    var rest = rest
    while !rest.isEmpty {
      rest = rest.dropping(1)
      let end = separator(in: rest)
      let part = rest.prefix(end)
      if part.count == 2, isLetters(part) { return part }
      rest = rest.dropping(end)
    }
    return nil
  }

  private static func separator(in text: Bytes) -> Int {
    for index in 0..<text.count
    where text[index] == UInt8(ascii: "-") || text[index] == UInt8(ascii: "_") {
      return index
    }
    return text.count
  }

  private static func isLetters(_ text: Bytes) -> Bool {
    for index in 0..<text.count where !(0x61...0x7a).contains(text[index] | 0x20) { return false }
    return true
  }
}
