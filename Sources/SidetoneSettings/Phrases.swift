// What callers hear that no model says: the name of a WAV file, or a text with the cascade whose
// voice speaks it. What was spoken is kept in a file of its own, whose name follows from the text
// and the voice: another text or voice is another file, and nothing is spoken twice.

import Sidetone

extension Setting {
  /// A file of what was recorded for callers, or words that are to be.
  static func recording(
    _ table: String, _ key: String, help: String,
    _ field: WritableKeyPath<Target, Config.Greeting?> & Sendable
  ) -> Self {
    Self(table: table, key: key, form: "FILE or { say = text }", help: help) {
      target, written throws(Refusal) in
      if case .node(let node) = written, case .table(let members) = node.value {
        target[keyPath: field] = try readSpeech(members)
      } else {
        target[keyPath: field] = try readGreeting(try oneLine(try written.text()))
      }
    }
  }
}

/// `{ say = "…", voice = "…" }`: what it sounds like is looked up when all else was read.
private func readSpeech(_ members: [TOMLNode]) throws(Refusal) -> Config.Greeting {
  var speech = Config.Speech(text: "")
  for member in members {
    guard case .text(let text) = member.value else {
      throw Refusal("`\(member.key)` must be a text in quotes")
    }
    switch member.key {
    case "say": speech.text = try readProse(text, bytesMax: Limits.settingBytesMax)
    case "voice": speech.cascade = try oneLine(text)
    default: throw Refusal(unknown("has", member.key, among: ["say", "voice"]))
    }
  }
  guard speech.text.utf8.contains(where: { $0 > 0x20 }) else {
    throw Refusal("needs words: { say = \"One moment, please.\" }")
  }
  var greeting = Config.Greeting(rate: 24_000, samples: [])
  greeting.speech = speech
  return greeting
}

/// One of what may be recorded for callers.
func readPhrase(_ text: String) throws(Refusal) -> Config.Phrase {
  guard let phrase = Config.Phrase(rawValue: text) else {
    throw Refusal(unknown("names", text, among: Config.Phrase.allCases.map(\.rawValue)))
  }
  return phrase
}

extension Setting where Target == Draft {
  static let phrases: [Self] = [
    .text(
      "phrases", "directory", form: "DIRECTORY", standard: "data/phrases",
      help: "Where texts that callers hear are kept, once a cascade has spoken them.",
      \.config.phrasesDirectory, check: readDirectory
    ).counts(from: .reload)
  ]
}

// MARK: - Who speaks them

extension Draft {
  private static let ofRoutes:
    [(key: String, field: WritableKeyPath<WrittenRoute, Config.Greeting?> & Sendable)] = [
      ("greeting", \.route.greetingAudio), ("hold", \.route.holdAudio),
      ("goodbye", \.route.goodbyeAudio), ("apology", \.route.apologyAudio),
    ]

  /// Finds for each text the voice that speaks it, and its sound where that is kept.
  mutating func finishPhrases(_ routes: inout [WrittenRoute]) {
    for index in routes.indices {
      let route = routes[index]
      for (key, field) in Self.ofRoutes {
        routes[index][keyPath: field] = spoken(
          route[keyPath: field], on: route.route, at: route.place(of: key),
          "routes \(route.route.path).\(key)")
      }
      for (place, function) in route.route.functions.enumerated() {
        let written = functions.first { $0.function.name == function.name }
        routes[index].route.functions[place].phraseAudio = spoken(
          function.phraseAudio, on: route.route, at: written?.place(of: "phrase") ?? route.place,
          "functions \(function.name).phrase")
      }
    }
  }

  private mutating func spoken(
    _ greeting: Config.Greeting?, on route: Config.Route, at place: Place, _ setting: String
  ) -> Config.Greeting? {
    guard var greeting, var speech = greeting.speech else { return greeting }
    let cascades = config.namedUpstreams.filter { !$0.cascade.thinkURL.isEmpty }
    let upstream = route.upstream.isEmpty ? route.bots.first?.upstream : route.upstream
    let own = speech.cascade.isEmpty ? cascades.first { $0.name == upstream } : nil
    let standard = cascades.first { !$0.isWithoutKey } ?? cascades[0]
    let named = speech.cascade.isEmpty ? standard : cascades.first { $0.name == speech.cascade }
    guard let cascade = own ?? named else {
      refuse(place, "\(setting): " + unknown("voice", speech.cascade, among: cascades.map(\.name)))
      return nil
    }
    if cascade.isWithoutKey {
      warn(
        place,
        "\(setting) is not heard: \(cascade.name), which is to speak it, needs "
          + cascade.keyVariable)
    }
    let asked = config.asked(of: cascade, on: own == nil ? Config.Route() : route).options
    func value(_ name: String) -> String { asked.first { $0.name == name }?.value ?? "" }
    speech.cascade = cascade.name
    (speech.voice, speech.model) = (value("voice"), value("speak_model"))
    speech.language = value("language")
    let endpoint = cascade.cascade.speakEndpoint
    let parts = [
      speech.text, cascade.kind, endpoint.host, endpoint.path, speech.voice, speech.model,
      speech.language,
    ]
    let digest = sha256(parts.joined(separator: "\0"))
    let name = Bytes.withTemporary(32) { place in
      var writer = Writer(place)
      digest.withBytes { writer.write(hex: $0.prefix(16)) }
      return writer.written.string
    }
    speech.file = "\(config.phrasesDirectory)/\(name).wav"
    greeting.speech = speech
    // What cannot be read is spoken again.
    guard let kept = try? readGreeting(speech.file) else { return greeting }
    (greeting.rate, greeting.samples) = (kept.rate, kept.samples)
    noteContent(setting, of: speech.file)
    return greeting
  }
}
