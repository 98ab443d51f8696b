// Deepgram: what operators set of it, the options of a session, and what of them does not go
// together, after its API reference and its own client.

extension Deepgram {
  static let allowed: StaticString = """
    language, model, diarize, keyterm, keywords, redact, smart_format, punctuate, numerals, \
    endpointing, utterance_end_ms, vad_events, tag, version, profanity_filter, interim_results, \
    dictation, filler_words, search, replace, extra, mip_opt_out, language_hint, diarize_model, \
    detect_entities, no_delay
    """
  /// Those that may stand several times.
  static let lists: StaticString =
    "keyterm, keywords, search, replace, redact, tag, extra, language_hint"

  static func settings() -> Upstream.Settings {
    let results = [("interim_results", "true"), ("punctuate", "true")]
    let telephony = [("model", "nova-2"), ("language", "en-US")] + results
    return Upstream.Settings(
      displayName: "Deepgram",
      service: .init(
        host: "api.deepgram.com", path: "/v1/listen", keyVariable: "DEEPGRAM_API_KEY",
        urlVariable: "DEEPGRAM_URL",
        optionVariables: [
          ("DEEPGRAM_MODEL", "model"), ("DEEPGRAM_LANGUAGE", "language"), ("DEEPGRAM_OPTIONS", ""),
        ]),
      paths: [
        .init("/media", options: telephony, takesVariables: true),
        .init("/media-stream", options: telephony, takesVariables: true),
        .init("/ws/transcribe", options: [("model", "nova-2"), ("language", "en")] + results),
      ],
      passesOptions: true,
      owned: [
        ("encoding", ownAudio), ("sample_rate", ownAudio), ("channels", ownAudio),
        ("multichannel", ownAudio), ("callback", elsewhere), ("callback_method", elsewhere),
      ],
      complaints: complaints)
  }

  private static let ownAudio = "is said by the relay, as each call's audio is"
  private static let elsewhere = "would send the results elsewhere than to the relay"

  // MARK: What each may be

  private enum Value {
    case truth
    case milliseconds(ClosedRange<Int>)
    case words([String])
    case pair
    case text(bytesMax: Int)
  }

  private static let values: [(name: String, value: Value)] =
    [
      "diarize", "smart_format", "punctuate", "numerals", "vad_events", "profanity_filter",
      "interim_results", "dictation", "filler_words", "mip_opt_out", "detect_entities", "no_delay",
    ].map { ($0, .truth) }
    + [
      ("endpointing", .milliseconds(0...60_000)),
      ("utterance_end_ms", .milliseconds(1000...60_000)),
      ("diarize_model", .words(["latest", "v1"])),
      ("redact", .words(["true", "false", "pci", "numbers", "aggressive_numbers", "ssn", "pii"])),
      ("replace", .pair), ("extra", .pair), ("tag", .text(bytesMax: 128)),
    ]

  private static func fault(_ text: String, _ value: Value) -> String? {
    switch value {
    case .truth:
      return text == "true" || text == "false" ? nil : "is true or false"
    case .milliseconds(let range):
      if let number = Int(text), range.contains(number) { return nil }
      return "is a number of milliseconds from \(range.lowerBound) on"
    case .words(let words):
      return words.contains(text) ? nil : "is one of \(words.joined(separator: ", "))"
    case .pair:
      let isPair = text.contains(":") && !text.hasPrefix(":")
      return isPair && text.utf8.count <= 2048 ? nil : "is a name and a value with a colon between"
    case .text(let bytesMax):
      return text.utf8.count <= bytesMax ? nil : "has at most \(bytesMax) bytes"
    }
  }

  // MARK: What does not go together

  private static let onlyRecorded = [
    "utterances", "utt_split", "paragraphs", "summarize", "topics", "intents", "sentiment",
    "detect_language", "measurements",
  ]

  private static func complaints(_ options: Upstream.Options) -> [Upstream.Settings.Complaint] {
    var found: [Upstream.Settings.Complaint] = []
    for option in options.all {
      if option.name == "endpointing", option.value == "false" { continue }
      let value = values.first { $0.name == option.name }?.value
      if let value, let fault = fault(option.value, value) {
        found.append(.init(option.name, fault))
      }
      if onlyRecorded.contains(option.name) {
        found.append(.init(option.name, "is for recordings; a stream that asks for it is refused"))
      }
    }
    let lists = lists.description.split(separator: ", ").map(String.init)
    for name in Set(options.all.map(\.name)).subtracting(lists).sorted()
    where options.values(of: name).count > 1 {
      found.append(.init(name, "stands several times, and counts once"))
    }
    return found + conflicts(options)
  }

  private static func conflicts(_ options: Upstream.Options) -> [Upstream.Settings.Complaint] {
    var found: [Upstream.Settings.Complaint] = []
    func complain(_ option: String, _ text: String, if isFound: Bool) {
      if isFound, options.has(option) { found.append(.init(option, text)) }
    }
    func isOn(_ name: String) -> Bool { options.value(of: name) == "true" }
    let model = options.value(of: "model") ?? ""
    let language = options.value(of: "language") ?? "en"
    let isMulti = language == "multi"
    let isThird = model == "nova-3" || model.hasPrefix("nova-3-")
    let isSecond = model == "nova-2" || model.hasPrefix("nova-2-")
    complain("keywords", "\(model) does not take it: write keyterm", if: isThird)
    complain("keyterm", "is for nova-3: write keywords", if: !isThird)
    complain("detect_entities", "is for nova-3", if: !isThird && isOn("detect_entities"))
    complain("model", "is spoken to at /v2/listen, not here", if: model.hasPrefix("flux"))
    complain("utterance_end_ms", "needs interim_results = true", if: !isOn("interim_results"))
    complain("language", "multi is for nova-2 and nova-3", if: isMulti && !isThird && !isSecond)
    complain("language_hint", "is for nova-3 with language = multi", if: !isThird || !isMulti)
    complain("dictation", "needs punctuate = true", if: isOn("dictation") && !isOn("punctuate"))
    let isEnglish = language == "en" || language.hasPrefix("en-")
    complain("filler_words", "is for English", if: isOn("filler_words") && !isEnglish)
    let keywords = options.values(of: "keywords").count
    complain("keywords", "stands \(keywords) times; 100 are taken", if: keywords > 100)
    let terms = options.values(of: "keyterm")
    // A token is a word or a part of one, so there are no fewer of them.
    let words = terms.reduce(0) { $0 + $1.split(separator: " ").count }
    complain("keyterm", "holds \(words) words; 500 tokens are taken in all", if: words > 500)
    complain(
      "keyterm", "takes one term each, and no commas", if: terms.contains { $0.contains(",") })
    return found
  }
}
