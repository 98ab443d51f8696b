// What settings take from the rows of carriers and upstreams: their names, what they say to
// operators, and the names of variables that belong to them.

import Sidetone

/// A row of Upstream.all or Carrier.all and what it says to operators.
struct UpstreamRow: Sendable {
  let name: String
  let row: Upstream
  let settings: Upstream.Settings
}

struct CarrierRow: Sendable {
  let name: String
  let row: Carrier
  let settings: Carrier.Settings
  /// What its signatures are checked against; nil: it does not sign.
  let secret: Carrier.Secret?
}

let upstreamRows = Upstream.all.map {
  UpstreamRow(name: $0.name.description, row: $0, settings: $0.settings())
}
let carrierRows = Carrier.all.map {
  CarrierRow(
    name: $0.name.description, row: $0, settings: $0.settings(), secret: $0.signature?.secret())
}
let carrierNames = carrierRows.map(\.name)
let upstreamKinds = upstreamRows.map(\.name)

func upstreamRow(of kind: String) -> UpstreamRow? { upstreamRows.first { $0.name == kind } }

extension UpstreamRow {
  /// Where it is dialled when no url says otherwise; nil: nowhere.
  var endpoint: Config.Endpoint? {
    settings.service?.endpoint
  }
}

// MARK: - Variables

extension UpstreamRow {
  /// All that it needs, its own first.
  var services: [Upstream.Service] {
    [settings.service, settings.thinks, settings.speaks].compactMap { $0 }
  }
}

/// Names that services, carriers and users write, and the variable that each stands for. The key of
/// a service serves every upstream of that kind which has no key of its own.
let foreignNames: [(name: String, variable: String)] =
  upstreamRows.flatMap { row -> [(name: String, variable: String)] in
    guard let service = row.settings.service else { return [] }
    return [
      (service.keyVariable, upstreamVariable(row.name, "key")),
      (service.urlVariable, upstreamVariable(row.name, "url")),
    ].filter { !$0.0.isEmpty }
  }
  + upstreamRows.flatMap { row in
    row.settings.options.filter { !$0.variable.isEmpty }.map {
      ($0.variable, upstreamVariable(row.name, $0.name))
    }
  }
  + carrierRows.flatMap(\.controlVariables)
  + carrierRows.compactMap { row in
    row.secret.map { ($0.variable, "SIDETONE_AUTH_\($0.setting.uppercased())") }
  }
  + [
    ("SIDETONE_API_KEYS", "SIDETONE_AUTH_API_KEYS"), ("LITELLM_URL", "SIDETONE_AUTH_LITELLM_URL"),
    ("LITELLM_MASTER_KEY", "SIDETONE_AUTH_LITELLM_MASTER_KEY"),
  ]

/// What a setting of `[upstreams.NAME]` is called in the environment.
func upstreamVariable(_ name: String, _ key: String) -> String {
  "SIDETONE_UPSTREAMS_\(name)_\(key)".uppercased().replacing("-", with: "_")
}

/// What is said about these names in help: who is served by them, in the order of the rows.
package var foreignNamesHelp: [String] {
  let services = upstreamRows.compactMap(\.settings.service)
  let others = upstreamRows.flatMap { $0.services.dropFirst() }.map(\.keyVariable)
  var texts = services.flatMap { [$0.keyVariable, $0.urlVariable] } + others
  texts.removeAll(where: \.isEmpty)
  for option in optionNames {
    let holders = upstreamRows.filter { row in
      row.settings.options.contains { $0.name == option && !$0.variable.isEmpty }
    }
    guard let row = holders.first?.settings.options.first(where: { $0.name == option }) else {
      continue
    }
    let whose = holders.count == 1 ? holders[0].name : holders.count == 2 ? "both" : "all"
    texts.append("\(row.variable) (the \(option) of \(whose))")
  }
  texts += services.flatMap(\.optionVariables).map(\.variable)
  // Rows of one vendor have one key.
  texts = texts.enumerated().filter { texts.firstIndex(of: $0.element) == $0.offset }
    .map(\.element)
  return texts
    + carrierRows.compactMap(\.secret).map {
      $0.note.isEmpty ? $0.variable : "\($0.variable) (\($0.note))"
    } + carrierRows.flatMap(\.controlVariables).map(\.name)
    + ["\(portVariable) (a port on every address)"]
}

/// "X_API_KEY to have calls transcribed by X", and the like: what must be set before anything is
/// served.
package var keysHelp: String {
  let services = upstreamRows.compactMap { row in
    row.settings.service.map {
      (name: row.settings.displayName, key: $0.keyVariable, talks: row.row.voice != nil)
    }
  }
  let listening = services.filter { !$0.talks }.map {
    "\($0.key) to have calls transcribed by \($0.name)"
  }
  // Rows of one vendor have one key.
  let keys = services.filter(\.talks).map(\.key).reduce(into: [String]()) { keys, key in
    if !keys.contains(key) { keys.append(key) }
  }
  let talking = keys.joined(separator: " or ")
  let voices = talking.isEmpty ? [] : ["\(talking) to have callers talk with a voice model"]
  return (listening + voices).joined(separator: ", ")
}

// MARK: - Options

/// The options of all kinds of upstreams, each name once, in the order of the rows.
let optionNames: [String] = upstreamRows.flatMap(\.settings.options).map(\.name)
  .reduce(into: []) { names, name in if !names.contains(name) { names.append(name) } }

/// What the rows say about one option: what stands for all of them alone, otherwise each with its
/// kind, as in "one (this), two (that)".
func describe(_ option: String, _ say: (Upstream.Option) -> String) -> String {
  let takers = upstreamRows.filter { !$0.settings.options.isEmpty }
  let rows = takers.compactMap { row in
    row.settings.options.first { $0.name == option }.map { (kind: row.name, text: say($0)) }
  }
  if rows.count == takers.count, Set(rows.map(\.text)).count == 1 { return rows[0].text }
  return rows.filter { !$0.text.isEmpty }.map { "\($0.text) (\($0.kind))" }
    .joined(separator: ", ")
}

/// The forms that kinds give to one option, each once.
func forms(of option: String) -> [Upstream.Form] {
  upstreamRows.flatMap(\.settings.options).filter { $0.name == option }.map(\.form)
    .reduce(into: []) { forms, form in if !forms.contains(form) { forms.append(form) } }
}

extension Upstream.Form {
  /// For people.
  var text: String {
    switch self {
    case .word, .name, .prose: "text"
    case .words(let words): words.joined(separator: ", ")
    case .integer(let range): numberForm(range)
    case .decimal(let range): "number \(short(range.lowerBound))…\(short(range.upperBound))"
    }
  }

  private func short(_ number: Double) -> String {
    number == number.rounded() ? "\(Int(number))" : "\(number)"
  }

  func read(_ written: Written) throws(Refusal) -> String {
    switch self {
    case .word, .name:
      let text = try oneLine(try written.text())
      guard text.utf8.count <= 128 else { throw Refusal("must be at most 128 bytes long") }
      if self == .name, text.isEmpty { throw Refusal("must not be empty") }
      return text
    case .prose(let bytesMax): return try readProse(try written.text(), bytesMax: bytesMax)
    case .words(let words): return try readWord(written, among: words)
    case .integer(let range): return "\(try written.integer(in: range))"
    case .decimal(let range): return try written.decimal(in: range)
    }
  }
}

// MARK: - Names and keys

func readCarrier(_ name: String) throws(Refusal) -> String {
  guard carrierNames.contains(name) else {
    throw Refusal(unknown("names", name, among: carrierNames))
  }
  return name
}

func readCallKind(_ name: String) throws(Refusal) -> Config.CallKind {
  guard let kind = Config.CallKind(rawValue: name) else {
    throw Refusal(unknown("names", name, among: Config.CallKind.allCases.map(\.rawValue)))
  }
  return kind
}

func readKind(_ name: String) throws(Refusal) -> String {
  guard upstreamKinds.contains(name) else {
    throw Refusal(unknown("names", name, among: upstreamKinds))
  }
  return name
}

/// The length of a text in a query: letters, digits and `-._~` stand for themselves (RFC 3986
/// §2.3), every other byte takes three.
func encodedBytes(_ text: String) -> Int {
  text.utf8.reduce(0) { $0 + (isNameByte($1) || $1 == 0x2E || $1 == 0x7E ? 1 : 3) }
}

/// SHA-256 of a key's bytes.
package func sha256(_ key: String) -> [UInt8] {
  Bytes.withTemporary(Digest.sha256Bytes) { digest in
    Array(key.utf8).withBytes { Digest.sha256($0, into: digest) }
    return digest.array
  }
}
