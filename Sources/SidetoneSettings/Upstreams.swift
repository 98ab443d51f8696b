// Upstreams: the rows of `[upstreams.NAME]`, and the rules that tie them to their kinds.

import Sidetone

extension Setting where Target == Config.Upstream {
  /// The table is `upstreams.NAME`.
  static let all: [Self] =
    [
      .text(
        "upstreams", "kind",
        help: "What it speaks: \(upstreamKinds.joined(separator: ", ")). Default: NAME.",
        \.kind, check: readKind),
      Self(
        table: "upstreams", key: "url", form: "URL",
        standard: "", help: "Where to dial, such as wss://api.deepgram.com/v1/listen."
      ) { upstream, written throws(Refusal) in
        let caFile = upstream.endpoint.caFile
        upstream.endpoint = try readEndpoint(try written.text())
        upstream.endpoint.caFile = caFile
      },
      .text("upstreams", "key", help: "The secret it wants.", \.key, check: readSecret).secret(),
      .text(
        "upstreams", "key_file", form: "FILE",
        help: "A file that holds the secret, instead of `key`.",
        \.key, check: readSecretFile),
      .text(
        "upstreams", "ca_file", form: "FILE",
        help: "PEM file with the authorities to trust instead of the system's.",
        \.endpoint.caFile, check: readableFile),
      .integer(
        "upstreams", "pace_percent", in: 0...10_000, standard: Config.Upstream().pacePercent,
        help: "How fast a backlog is sent, in percent of real time; 0: as fast as it is taken.",
        \.pacePercent),
      .integer(
        "upstreams", "sessions_max", in: 0...100_000, standard: Config.Upstream().sessionsMax,
        help: "Sessions at once; 0: as many as calls.", \.sessionsMax),
    ] + voiceModels

  /// What voice models are told; which of them take what stands in Vendors.swift.
  private static let voiceModels: [Self] = [
    option("model", help: "Which model talks.") { written throws(Refusal) in
      let model = try word(written)
      if model.isEmpty { throw Refusal("must not be empty") }
      return model
    },
    option("voice", help: "The voice it talks with.", word),
    option("language", help: "The caller's language, such as en or en-US.", word),
    option(
      "instructions", help: "What it is told to be and do, up to 8 KiB."
    ) { written throws(Refusal) in
      try readProse(try written.text(), bytesMax: Limits.instructionBytesMax)
    },
    Self(
      table: "upstreams", key: "instructions_file", form: "FILE",
      help: "A file that holds the instructions, instead of `instructions`."
    ) { upstream, written throws(Refusal) in
      let text = try readTextFile(
        try oneLine(try written.text()), bytesMax: Limits.instructionBytesMax)
      upstream.set("instructions", try readProse(text, bytesMax: Limits.instructionBytesMax))
    },
    option(
      "greeting",
      help: "What it is asked at the start, so that it speaks first; empty: the caller begins."
    ) { written throws(Refusal) in
      try readProse(try written.text(), bytesMax: Limits.settingBytesMax)
    },
    option(
      "transcription_model", help: "Which model writes down what the caller says; empty: none.",
      word),
    option(
      "turn_detection", form: "server_vad, semantic_vad, none",
      help: "What decides that the caller has finished: silence, sense, or nothing."
    ) { written throws(Refusal) in
      try readWord(written, among: ["server_vad", "semantic_vad", "none"])
    },
    option(
      "silence_milliseconds", form: numberForm(50...10_000),
      help: "The silence after which the caller has finished."
    ) { written throws(Refusal) in "\(try written.integer(in: 50...10_000))" },
    option(
      "threshold", form: "number 0…1", help: "How loud speech must be."
    ) { written throws(Refusal) in try written.decimal(in: 0...1) },
    option(
      "audio", form: "pcm, g711",
      help: "PCM at 24 kHz, or the caller's own G.711, which needs no conversion."
    ) { written throws(Refusal) in try readWord(written, among: ["pcm", "g711"]) },
    option(
      "speed", form: "number 0.25…1.5", help: "How fast it talks."
    ) { written throws(Refusal) in try written.decimal(in: 0.25...1.5) },
  ]

  private static func option(
    _ key: String, form: String = "text", help: String,
    _ read: @escaping @Sendable (Written) throws(Refusal) -> String
  ) -> Self {
    Self(
      table: "upstreams", key: key, form: form, standard: standards(of: key), help: help
    ) { upstream, written throws(Refusal) in
      upstream.set(key, try read(written))
    }
  }

  private static func word(_ written: Written) throws(Refusal) -> String {
    let text = try oneLine(try written.text())
    guard text.utf8.count <= 128 else { throw Refusal("must be at most 128 bytes long") }
    return text
  }
}

extension Config.Upstream {
  mutating func set(_ option: String, _ value: String) {
    options.removeAll { $0.name == option }
    options.append((name: option, value: value))
  }
}

// MARK: - What no single value can tell

extension Draft {
  mutating func finishUpstreams() {
    for index in upstreams.indices {
      var upstream = upstreams[index]
      let table = "upstreams.\(upstream.name)"
      if upstream.kind.isEmpty { upstream.kind = upstream.name }
      guard let row = Upstream.all.first(where: { $0.name.description == upstream.kind }) else {
        if !refused.contains("\(table).kind") {
          let place = place(of: table, "\(table).url", "\(table).key")
          refuse(place, "[\(table)] needs a kind: \(upstreamKinds.joined(separator: ", "))")
        }
        continue
      }
      if !row.isDialled, !upstream.endpoint.host.isEmpty {
        refuse(place(of: "\(table).url"), "[\(table)] url: \(upstream.kind) dials nobody")
      }
      if row.isDialled, upstream.endpoint.host.isEmpty {
        if let known = vendorEndpoints[upstream.kind] {
          let caFile = upstream.endpoint.caFile
          upstream.endpoint = known
          upstream.endpoint.caFile = caFile
        } else if !refused.contains("\(table).url") {
          refuse(place(of: table), "[\(table)] needs a url")
        }
      }
      if row.needsKey {
        upstream.keyVariable = vendorKeyNames[upstream.kind] ?? keyVariable(of: upstream.name)
        if upstream.key.isEmpty { upstream.key = vendorKeys[upstream.kind] ?? "" }
      }
      finishOptions(of: &upstream)
      upstreams[index] = upstream
    }
    config.upstreams = upstreams
  }

  /// Refuses what this kind does not take, and fills in what nobody has set.
  private mutating func finishOptions(of upstream: inout Config.Upstream) {
    let table = "upstreams.\(upstream.name)"
    let taken = vendorOptions[upstream.kind] ?? []
    for option in upstream.options where !taken.contains(where: { $0.name == option.name }) {
      let what = "[\(table)] \(option.name): \(upstream.kind) does not take it"
      let names = taken.map(\.name).joined(separator: ", ")
      let place = place(of: "\(table).\(option.name)", "\(table).\(option.name)_file")
      refuse(place, taken.isEmpty ? what : "\(what); it takes \(names)")
    }
    let written = upstream.options
    func value(_ name: String) -> String? { written.first { $0.name == name }?.value }
    let detection = value("turn_detection") ?? "server_vad"
    let ofSilence = ["silence_milliseconds", "threshold"]
    upstream.options = []
    for (name, standard) in taken {
      if detection != "server_vad", ofSilence.contains(name) {
        if value(name) == nil { continue }
        refuse(
          place(of: "\(table).\(name)"),
          "[\(table)] \(name) is for turn_detection = \"server_vad\"")
      }
      let value = value(name) ?? standard
      if !value.isEmpty { upstream.options.append((name: name, value: value)) }
    }
  }
}

/// What the key's own row would be called for this upstream.
private func keyVariable(of upstream: String) -> String {
  "SIDETONE_UPSTREAMS_\(String(upstream.map { $0 == "-" ? "_" : $0 }).uppercased())_KEY"
}
