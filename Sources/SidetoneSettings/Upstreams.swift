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
        standard: "", help: "Where to dial\(exampleURL)."
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
      .choice(
        "upstreams", "key_scheme", standard: "as the kind has it",
        help: "What stands before the key in `Authorization`; Bearer for tokens that expire.",
        \.keyScheme, among: ["Token", "Bearer"].map { ($0, $0) }),
      Self(
        table: "upstreams", key: "private", form: "true or false", standard: "false",
        help: "It stands in our own network: plain ws:// will do, and so will no key."
      ) { upstream, written throws(Refusal) in
        upstream.isPrivate = try written.boolean()
      },
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
    ] + cascade + optionNames.flatMap(options)

  private static let exampleURL =
    upstreamRows.lazy.compactMap(\.settings.service).first.map {
      ", such as wss://\($0.host)\($0.path)"
    } ?? ""

  /// The rows of one option; which kinds take it is judged when the kind is known, and so is what
  /// only some of them take.
  private static func options(_ name: String) -> [Self] {
    let option = upstreamRows.lazy.flatMap(\.settings.options).first { $0.name == name }
    guard let option else { return [] }
    let row = Self(
      table: "upstreams", key: name,
      form: forms(of: name).count == 1 ? option.form.text : describe(name) { $0.form.text },
      standard: describe(name, \.standard), help: option.help
    ) { upstream, written throws(Refusal) in
      upstream.set(name, try read(written, as: forms(of: name)))
    }
    guard option.mayBeFile, case .prose(let bytesMax) = option.form else { return [row] }
    let file = Self(
      table: "upstreams", key: "\(name)_file", form: "FILE",
      help: "A file that holds the \(name), instead of `\(name)`."
    ) { upstream, written throws(Refusal) in
      let text = try readTextFile(try oneLine(try written.text()), bytesMax: bytesMax)
      upstream.set(name, try option.form.read(.text(text)))
    }
    return [row, file]
  }

  /// What one of the forms makes of it; where none does, what the first says is wrong.
  private static func read(
    _ written: Written, as forms: [Upstream.Form]
  ) throws(Refusal) -> String {
    var first: Refusal?
    for form in forms {
      do throws(Refusal) {
        return try form.read(written)
      } catch {
        first = first ?? error
      }
    }
    throw first ?? Refusal("is not known")
  }
}

extension Config.Upstream {
  mutating func set(_ option: String, _ value: String) {
    options.removeAll { $0.name == option }
    options.append((name: option, value: value))
  }
}

// MARK: - What no single value can tell

/// Whether an option names a model.
func isModel(_ option: String) -> Bool { option == "model" || option.hasSuffix("_model") }

extension Draft {
  mutating func finishUpstreams() {
    for index in upstreams.indices {
      var upstream = upstreams[index]
      let table = "upstreams.\(upstream.name)"
      for row in Setting<Config.Upstream>.all { refuseFile(row.key, beside: "\(table).", table) }
      if upstream.kind.isEmpty { upstream.kind = upstream.name }
      judgeNetwork(of: upstream)
      guard let kind = upstreamRow(of: upstream.kind) else {
        if !refused.contains("\(table).kind") {
          let place = place(of: table, "\(table).url", "\(table).key")
          refuse(place, "[\(table)] needs a kind: \(upstreamKinds.joined(separator: ", "))")
        }
        continue
      }
      let row = kind.row
      if !row.isDialled, !upstream.endpoint.host.isEmpty {
        refuse(place(of: "\(table).url"), "[\(table)] url: \(upstream.kind) dials nobody")
      }
      if row.isDialled, upstream.endpoint.host.isEmpty {
        if let known = kind.endpoint {
          let caFile = upstream.endpoint.caFile
          upstream.endpoint = known
          upstream.endpoint.caFile = caFile
        } else if !refused.contains("\(table).url") {
          refuse(place(of: table), "[\(table)] needs a url")
        }
      }
      if row.needsKey {
        if hasKeyInURL(upstream, kind) {
          upstream.key = ""
        } else if upstream.isPrivate {
          upstream.key = keyOfItsOwn(upstream)
        } else {
          if upstream.key.isEmpty { upstream.key = sharedKeys[upstream.kind]?.value ?? "" }
          upstream.keyVariable =
            kind.settings.service?.keyVariable ?? upstreamVariable(upstream.name, "key")
        }
        judgeKey(of: upstream, kind)
      }
      judgeURL(of: upstream, kind)
      finishOptions(of: &upstream, kind.settings.options)
      finishCascade(of: &upstream, kind)
      upstreams[index] = upstream
    }
    config.upstreams = upstreams + speakers
  }

  /// The service's variable is about to take the place of the key of the upstream with its name.
  mutating func keepOwnKey(of name: String) {
    guard !isShared(keyOf: name), let upstream = upstreams.first(where: { $0.name == name }) else {
      return
    }
    ownKeys[name] = upstream.key
  }

  private func isShared(keyOf name: String) -> Bool {
    guard let shared = sharedKeys[name] else { return false }
    let isHeld = upstreams.contains { $0.name == name && $0.key == shared.value }
    return isHeld && shared.place == places["upstreams.\(name).key"]
  }

  /// A private upstream may be reached in the clear, and is not the service that the shared key is
  /// for: it has a key of its own, or none.
  private mutating func keyOfItsOwn(_ upstream: Config.Upstream) -> String {
    guard isShared(keyOf: upstream.name) else {
      if upstream.key.isEmpty, sharedKeys[upstream.kind] != nil { warnKeyless(upstream) }
      return upstream.key
    }
    if let own = ownKeys[upstream.name], !own.isEmpty { return own }
    warnKeyless(upstream)
    return ""
  }

  private mutating func warnKeyless(_ upstream: Config.Upstream) {
    warn(
      place(of: "upstreams.\(upstream.name)"),
      "[upstreams.\(upstream.name)] is private, so it is not sent the service's key; if it wants "
        + "one, set \(upstreamVariable(upstream.name, "key"))")
  }

  /// Refuses what this kind does not take, and fills in what nobody has set.
  private mutating func finishOptions(
    of upstream: inout Config.Upstream, _ taken: [Upstream.Option]
  ) {
    let table = "upstreams.\(upstream.name)"
    for option in upstream.options where !taken.contains(where: { $0.name == option.name }) {
      let what = "[\(table)] \(option.name): \(upstream.kind) does not take it"
      let names = taken.map(\.name).joined(separator: ", ")
      refuse(placeOfOption(option.name, table), taken.isEmpty ? what : "\(what); it takes \(names)")
    }
    let written = upstream.options
    func value(_ name: String) -> String? { written.first { $0.name == name }?.value }
    upstream.options = []
    for option in taken {
      if let (other, only) = option.condition,
        (value(other) ?? taken.first { $0.name == other }?.standard) != only
      {
        if value(option.name) == nil { continue }
        refuse(
          place(of: "\(table).\(option.name)"),
          "[\(table)] \(option.name) is for \(other) = \"\(only)\"")
      }
      var kept = value(option.name) ?? option.standard
      if let own = value(option.name), forms(of: option.name).count > 1 {
        do throws(Refusal) {
          kept = try option.form.read(.text(own))
        } catch {
          refuse(placeOfOption(option.name, table), "[\(table)] \(option.name) \(error.text)")
        }
      }
      if !kept.isEmpty { upstream.options.append((name: option.name, value: kept)) }
    }
    judgeOptions(of: upstream, written: Set(written.map(\.name)))
  }

  /// What is known about options that the kind takes: models that end, and what does not go
  /// together.
  private mutating func judgeOptions(of upstream: Config.Upstream, written: Set<String>) {
    guard let kind = upstreamRow(of: upstream.kind) else { return }
    let table = "upstreams.\(upstream.name)"
    for option in upstream.options where isModel(option.name) {
      let place = placeOfOption(option.name, table)
      let isWritten = written.contains(option.name)
      judge(model: option.value, of: kind, "[\(table)] \(option.name)", at: place, isWritten)
    }
    for complaint in kind.settings.complaints(Upstream.Options(upstream.options))
    where written.contains(complaint.option) {
      let place = placeOfOption(complaint.option, table)
      warn(place, "[\(table)] \(complaint.option): \(complaint.text)")
    }
  }

  /// A model whose end is past is a mistake where somebody wrote it; one that has an end, or stands
  /// there by default, is worth a warning.
  mutating func judge(
    model: String, of kind: UpstreamRow, _ what: String, at place: Place, _ isWritten: Bool
  ) {
    guard let today, let end = Array(model.utf8).withBytes({ kind.row.end(of: $0) }) else { return }
    let isPast = end.day <= today
    let text =
      "\(what): \(model) \(isPast ? "has ended on" : "ends on") \(end.day); "
      + "\(end.replacement) replaces it"
    if isPast, isWritten { refuse(place, text) } else { warn(place, text) }
  }

  private func placeOfOption(_ name: String, _ table: String) -> Place {
    place(of: "\(table).\(name)", "\(table).\(name)_file")
  }
}
