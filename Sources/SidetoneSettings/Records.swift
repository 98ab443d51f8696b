// Records: where what is said is kept, which servers are told of it, and what a model is asked
// about it. Everything here needs a directory: `[records]` in the file means `data`, and so does
// nothing else.

import Sidetone

extension Setting where Target == Draft {
  static let records: [Self] =
    [
      .text(
        "records", "directory", form: "DIRECTORY", standard: "data where [records] stands",
        help:
          "Where transcripts, call files and the journal are kept; this alone turns records on.",
        \.records.directory, check: readDirectory
      ).counts(from: .restart),
      .integer(
        "records", "close_wait_milliseconds", in: 0...10_000,
        standard: Config.Records().closeWaitMilliseconds,
        help: "How long a caller's Close waits until the call's files are there; 0: not at all.",
        \.records.closeWaitMilliseconds
      ).counts(from: .reload),
      .integer(
        "records", "journal_megabytes_max", in: 8...1_048_576,
        standard: Config.Records().journalMegabytesMax,
        help:
          "What the journal may take; beyond it interim lines are lost first, then all, counted.",
        \.records.journalMegabytesMax
      ).counts(from: .restart),
      .integer(
        "records", "spool_megabytes_max", in: 8...1_048_576,
        standard: Config.Records().spoolMegabytesMax,
        help: "What events that wait for their servers may take; the oldest interim ones go first.",
        \.records.spoolMegabytesMax
      ).counts(from: .reload),
    ] + extraction.map { $0.counts(from: .reload) }

  private static let extraction: [Self] = [
    .text(
      "records", "extraction_url", form: "URL",
      help: "[records.extraction] url: a chat endpoint, such as https://host/v1.",
      \.extraction.url, check: readHTTP),
    .text(
      "records", "extraction_model", help: "[records.extraction] model: the one that is asked.",
      \.extraction.model),
    .text(
      "records", "extraction_key", help: "[records.extraction] key: the secret it wants.",
      \.extraction.key, check: readSecret
    ).secret(),
    .text(
      "records", "extraction_key_file", form: "FILE",
      help: "[records.extraction] key_file: a file that holds it.",
      \.extraction.key, check: readSecretFile),
    .text(
      "records", "extraction_schema", form: "FILE",
      help: "[records.extraction] schema: the JSON schema of what is wanted.",
      \.extraction.schemaFile, check: readableFile),
    .list(
      "records", "extraction_live", form: "FIELD, …",
      help: "[records.extraction] live: fields that are looked for while the call runs.",
      \.extraction.liveFields, each: oneLine),
    .toggle(
      "records", "extraction_plain", standard: false,
      help: "[records.extraction] plain: http:// will do, though it is not this machine.",
      \.extraction.isPlain),
  ]
}

/// A hook of the file, and where its parts stand.
struct WrittenHook {
  var hook = Config.Hook()
  var place: Place
  var places: [String: Place] = [:]
  var isRefused = false

  func place(of key: String) -> Place { places[key] ?? place }
}

extension Setting where Target == WrittenHook {
  static let all: [Self] = [
    .text(
      "records.webhooks", "url", form: "URL", help: "Where events are posted.",
      \.hook.url, check: readHTTP),
    .list(
      "records.webhooks", "secrets", form: "whsec_…, …",
      help: "What they are signed with (Standard Webhooks); two while they change.",
      \.hook.secrets, each: readHookSecret
    ).secret(),
    .list(
      "records.webhooks", "events", form: "EVENT, …",
      standard: Config.Hook.standardEvents.joined(separator: ", "),
      help: "Which: \(Config.Hook.allEvents.joined(separator: ", ")).",
      \.hook.events, each: readHookEvent),
    .toggle(
      "records.webhooks", "plain", standard: false,
      help: "http:// will do, though it is not this machine.", \.hook.isPlain),
  ]
}

func readDirectory(_ text: String) throws(Refusal) -> String {
  guard (1...3000).contains(text.utf8.count) else {
    throw Refusal("must be a directory's name of 1 to 3000 bytes")
  }
  return text
}

/// As the one who signs with it judges it.
func readHookSecret(_ text: String) throws(Refusal) -> String {
  let text = try readSecret(text)
  do throws(WebhookSecret.Mistake) {
    _ = try WebhookSecret(text)
  } catch {
    throw Refusal(error.sentence)
  }
  return text
}

private func readHookEvent(_ text: String) throws(Refusal) -> String {
  guard Config.Hook.allEvents.contains(text) else {
    throw Refusal(unknown("event", text, among: Config.Hook.allEvents))
  }
  return text
}

// MARK: - From the file

extension Draft {
  /// `[records]`, with `[[records.webhooks]]` and `[records.extraction]` in it.
  mutating func read(file: String, records members: [TOMLNode]) {
    for member in members {
      let place = Place.file(file, line: member.line)
      switch (member.key, member.value) {
      case ("webhooks", .array(let hooks)): for hook in hooks { readHook(file: file, hook) }
      case ("webhooks", _): refuse(place, "webhooks are a list of tables: [[records.webhooks]]")
      case ("extraction", .table(let fields)):
        noteName("records.extraction", at: place)
        for var field in fields {
          field.key = "extraction_" + field.key
          read(file: file, record: field)
        }
      case ("extraction", _): refuse(place, "extraction is a table: write [records.extraction]")
      default: read(file: file, record: member)
      }
    }
  }

  private mutating func read(file: String, record member: TOMLNode) {
    let place = Place.file(file, line: member.line)
    let rows = Setting<Draft>.records
    if let row = rows.first(where: { $0.key == member.key }) {
      assign(row, .node(member), at: place)
    } else {
      let names = rows.map(\.key) + ["webhooks", "extraction"]
      refuse(place, unknown("in [records]", member.key, among: names))
    }
  }

  private mutating func readHook(file: String, _ node: TOMLNode) {
    var written = WrittenHook(place: .file(file, line: node.line))
    guard case .table(let members) = node.value else {
      return refuse(written.place, "webhooks are a list of tables: write [[records.webhooks]]")
    }
    let rows = Setting<WrittenHook>.all
    for member in members {
      let place = Place.file(file, line: member.line)
      written.places[member.key] = place
      guard let row = rows.first(where: { $0.key == member.key }) else {
        refuse(place, unknown("in [[records.webhooks]]", member.key, among: rows.map(\.key)))
        continue
      }
      do throws(Refusal) {
        try row.assign(&written, .node(member))
      } catch {
        written.isRefused = true
        refuse(place, "[[records.webhooks]] \(row.key) \(error.text)")
      }
      noteValue("records.webhooks.\(hooks.count + 1).\(row.key)", .node(member))
    }
    hooks.append(written)
  }
}

// MARK: - What no single value can tell

extension Draft {
  /// Whether the file has the table itself, not only what lies below it.
  static func hasRecordsTable(_ nodes: [TOMLNode], in text: String) -> Bool {
    guard let records = nodes.first(where: { $0.key == "records" }) else { return false }
    guard case .table(let members) = records.value else { return true }
    let below = ["webhooks", "extraction"]
    if members.contains(where: { !below.contains($0.key) }) { return true }
    // An empty table is one as well: then its line is its own, and not that of what lies below.
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    guard lines.indices.contains(records.line - 1) else { return false }
    let line = lines[records.line - 1].filter { !$0.isWhitespace }
    return line.hasPrefix("[records]") || line.hasPrefix("records=")
  }

  mutating func finishRecords() {
    let isOn =
      former.map { $0.config.records != nil }
      ?? (hasRecordsTable || places["records.directory"] != nil)
    if former != nil, !isOn { return }
    let need =
      "needs a directory for what waits: write [records] directory = \"data\", or set "
      + "SIDETONE_RECORDS_DIRECTORY"
    for hook in hooks { judge(hook, isOn: isOn, need) }
    let extractionPlace = place(
      of: "records.extraction", "records.extraction_url", "records.extraction_model",
      "records.extraction_schema", "records.extraction_live")
    if extractionPlace != .standard { judgeExtraction(at: extractionPlace, isOn: isOn, need) }
    guard isOn else { return }
    if extractionPlace != .standard { records.extraction = extraction }
    records.hooks = hooks.map(\.hook)
    if let kept = former?.config.records {
      records.directory = kept.directory
      records.journalMegabytesMax = kept.journalMegabytesMax
    }
    config.records = records
  }

  private mutating func judge(_ written: WrittenHook, isOn: Bool, _ need: String) {
    if written.isRefused { return }
    if !isOn { refuse(written.place, "[[records.webhooks]] \(need)") }
    if written.hook.url.isEmpty { refuse(written.place, "[[records.webhooks]] needs a url") }
    if written.hook.secrets.isEmpty {
      refuse(
        written.place,
        "[[records.webhooks]] needs secrets, since events are signed: "
          + "`echo whsec_$(openssl rand -base64 24)` makes one")
    }
    if written.hook.secrets.count > Config.Hook.secretsMax {
      refuse(
        written.place(of: "secrets"),
        "[[records.webhooks]] secrets has \(written.hook.secrets.count): one, or two while the old "
          + "one and the new one are exchanged")
    }
    if written.hook.events.isEmpty {
      refuse(written.place(of: "events"), "[[records.webhooks]] events must name one at least")
    }
    judge(
      written.hook.url, isPlain: written.hook.isPlain, "[[records.webhooks]] url",
      at: written.place(of: "url"))
  }

  private mutating func judgeExtraction(at place: Place, isOn: Bool, _ need: String) {
    if !isOn { refuse(place, "[records.extraction] \(need)") }
    refuseFile("key_file", beside: "records.extraction_", "records.extraction")
    for (key, value) in [
      ("url", extraction.url), ("model", extraction.model), ("schema", extraction.schemaFile),
    ] where value.isEmpty && !refused.contains("records.extraction_\(key)") {
      refuse(place, "[records.extraction] needs a \(key)")
    }
    judge(
      extraction.url, isPlain: extraction.isPlain, "[records.extraction] url",
      at: self.place(of: "records.extraction_url", "records.extraction"))
  }

  /// What is said must not travel in the clear, but on this machine, or where that was asked for.
  mutating func judge(
    _ url: String, isPlain: Bool, by setting: String = "plain", _ name: String, at place: Place
  ) {
    guard url.hasPrefix("http://"), !isPlain, !isLoopback(origin: url) else { return }
    refuse(place, "\(name) begins with http://: use https://, or say \(setting) = true")
  }
}
