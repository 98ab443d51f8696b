// One setting: its name, what it takes, what it stands at, and one sentence. TOML, environment,
// flags, `--help` and "did you mean" all read the same row, so none of them can forget one.

/// A row, for settings of a `Target`: the whole draft, or one upstream of it.
struct Setting<Target>: Sendable {
  let table: String
  let key: String
  /// What it takes, for people: "number 1…100", "text".
  let form: String
  /// The value it has where nobody sets it, for people; empty: none.
  var standard = ""
  let help: String
  /// Secrets stay out of messages and off the command line.
  var isSecret = false
  /// When a value counts that was changed while the relay runs; every row says so.
  var effect: Effect?
  let assign: @Sendable (inout Target, Written) throws(Refusal) -> Void
}

/// When a changed value counts.
enum Effect: Sendable {
  /// From SIGHUP on, for what begins then.
  case reload
  /// From the next start on.
  case restart
  /// From SIGHUP on where it was set before and is still; to set it or to take it away needs a
  /// restart.
  case reloadWhileSet
}

/// A value as it was written: in a typed file, or as the text of a variable or flag.
enum Written: Sendable {
  case node(TOMLNode)
  case text(String)
}

extension Written {
  func text() throws(Refusal) -> String {
    switch self {
    case .text(let text): return text
    case .node(let node):
      guard case .text(let text) = node.value else {
        throw Refusal("must be a text in quotes, not \(node.kind)")
      }
      return text
    }
  }

  func integer(in range: ClosedRange<Int>) throws(Refusal) -> Int {
    var number: Int?
    switch self {
    case .text(let text): number = Int(text)
    case .node(let node): if case .integer(let value) = node.value { number = value }
    }
    guard let number, range.contains(number) else {
      throw Refusal("must be a whole number from \(range.lowerBound) to \(range.upperBound)")
    }
    return number
  }

  /// A number with or without a fraction, in the shortest way in which JSON would write it.
  func decimal(in range: ClosedRange<Double>) throws(Refusal) -> String {
    var number: Double?
    switch self {
    case .text(let text):
      if text.utf8.allSatisfy({ (0x30...0x39).contains($0) || $0 == 0x2E }) {
        number = Double(text)
      }
    case .node(let node):
      if case .integer(let value) = node.value { number = Double(value) }
      if case .fraction(let value) = node.value { number = value }
    }
    guard let number, range.contains(number) else {
      throw Refusal("must be a number from \(range.lowerBound) to \(range.upperBound)")
    }
    // Thousandths are fine enough, and never come out with an exponent.
    return "\((number * 1000).rounded() / 1000)"
  }

  func boolean() throws(Refusal) -> Bool {
    switch self {
    case .text("true"), .text("1"), .text("yes"): return true
    case .text("false"), .text("0"), .text("no"): return false
    case .node(let node): if case .boolean(let value) = node.value { return value }
    default: break
    }
    throw Refusal("must be true or false")
  }

  /// Comma separated, or a TOML list of texts; empty members are dropped.
  func list() throws(Refusal) -> [String] {
    if case .node(let node) = self, case .array(let members) = node.value {
      var all: [String] = []
      for member in members { all.append(try Written.node(member).text()) }
      return all
    }
    return try text().split(separator: ",").map { String(trimmed($0)) }.filter { !$0.isEmpty }
  }
}

// MARK: - Kinds of rows

extension Setting {
  static func text(
    _ table: String, _ key: String, form: String = "text", standard: String = "", help: String,
    _ field: WritableKeyPath<Target, String> & Sendable,
    check: @escaping @Sendable (String) throws(Refusal) -> String = { text throws(Refusal) in text }
  ) -> Self {
    Self(table: table, key: key, form: form, standard: standard, help: help) {
      target, written throws(Refusal) in
      target[keyPath: field] = try check(try oneLine(try written.text()))
    }
  }

  static func integer(
    _ table: String, _ key: String, in range: ClosedRange<Int>, standard: Int, help: String,
    _ field: WritableKeyPath<Target, Int> & Sendable
  ) -> Self {
    Self(table: table, key: key, form: numberForm(range), standard: "\(standard)", help: help) {
      target, written throws(Refusal) in
      target[keyPath: field] = try written.integer(in: range)
    }
  }

  static func toggle(
    _ table: String, _ key: String, standard: Bool, help: String,
    _ field: WritableKeyPath<Target, Bool> & Sendable
  ) -> Self {
    Self(table: table, key: key, form: "true or false", standard: "\(standard)", help: help) {
      target, written throws(Refusal) in
      target[keyPath: field] = try written.boolean()
    }
  }

  static func list<Member>(
    _ table: String, _ key: String, form: String, standard: String = "", help: String,
    _ field: WritableKeyPath<Target, [Member]> & Sendable,
    each: @escaping @Sendable (String) throws(Refusal) -> Member
  ) -> Self {
    Self(table: table, key: key, form: form, standard: standard, help: help) {
      target, written throws(Refusal) in
      var members: [Member] = []
      for text in try written.list() { members.append(try each(try oneLine(text))) }
      target[keyPath: field] = members
    }
  }

  /// One of a few words.
  static func choice<Value>(
    _ table: String, _ key: String, standard: String, help: String,
    _ field: WritableKeyPath<Target, Value> & Sendable, among values: [(String, Value)]
  ) -> Self where Value: Sendable {
    let words = values.map(\.0)
    let form = words.joined(separator: ", ")
    return Self(table: table, key: key, form: form, standard: standard, help: help) {
      target, written throws(Refusal) in
      let word = try oneLine(try written.text())
      guard let value = values.first(where: { $0.0 == word }) else {
        throw Refusal("must be one of \(form)")
      }
      target[keyPath: field] = value.1
    }
  }

  func secret() -> Self {
    var row = self
    row.isSecret = true
    return row
  }

  func counts(from effect: Effect) -> Self {
    var row = self
    row.effect = effect
    return row
  }

  /// Its value is a file's name, and what counts is what is in it.
  var namesFile: Bool { form.hasPrefix("FILE") }
}

func numberForm(_ range: ClosedRange<Int>) -> String {
  "number \(range.lowerBound)…\(range.upperBound)"
}

/// Control characters have no place in a setting, and would forge lines in a request's head.
func oneLine(_ text: String) throws(Refusal) -> String {
  guard text.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }) else {
    throw Refusal("must not contain line ends or other control characters")
  }
  return text
}

// MARK: - Names

extension Setting {
  /// `SIDETONE_LISTEN_ADDRESS` for `[listen] address`.
  var variable: String { "SIDETONE_\(table)_\(key)".uppercased() }
  /// `--listen-address`, by the same rule.
  var flag: String { flagName(of: variable) }
}

func flagName(of variable: String) -> String {
  "--" + variable.dropFirst("SIDETONE_".count).lowercased().map { $0 == "_" ? "-" : $0 }
}

func variableName(of flag: String) -> String {
  "SIDETONE_" + flag.dropFirst(2).uppercased().map { $0 == "-" ? "_" : $0 }
}

/// Letters, digits, `_` and `-`.
func isNameByte(_ byte: UInt8) -> Bool {
  switch byte {
  case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x5F, 0x2D: true
  default: false
  }
}

func trimmed(_ text: Substring) -> Substring {
  var text = text.drop { $0 == " " || $0 == "\t" }
  while let last = text.last, last == " " || last == "\t" { text.removeLast() }
  return text
}
