// A verb of the command line: what it does, which options it takes, and the help that follows from
// both. An option that does not exist is refused by name.

struct Option: Sendable {
  let name: String
  /// What stands behind the option, for example `FILE`; nil for a switch.
  let value: String?
  let help: String
  var isRepeated = false

  init(_ name: String, _ value: String, _ help: String, isRepeated: Bool = false) {
    self.name = name
    self.value = value
    self.help = help
    self.isRepeated = isRepeated
  }

  init(_ name: String, _ help: String) {
    self.name = name
    self.value = nil
    self.help = help
  }
}

/// What several verbs take.
extension Option {
  static let port = Option(
    "port", "N", "where to listen; 0, the default, takes a free port and prints it")
  static let key = Option("key", "KEY", "let in only this key; the default is any")
  static let faults = Option(
    "faults", "SCHEDULE", "what the next requests meet, separated by commas; then ok")
}

struct Verb: Sendable {
  let name: String
  /// What stands behind the verb in the first line of its help.
  let usage: String
  /// One line for the list of verbs.
  let summary: String
  let description: String
  let options: [Option]
  /// Behind the options; may be empty.
  var notes = ""
  let run: @Sendable (Arguments) throws(Failure) -> Int32

  var help: String {
    var text = "sidetone-lab \(name) \(usage)\n\n\(description)\n"
    if !options.isEmpty { text += "\n" }
    let heads = options.map { "  --" + $0.name + ($0.value.map { " " + $0 } ?? "") }
    let column = 2 + (heads.map(\.count).max() ?? 0)
    for (head, option) in zip(heads, options) {
      let lines = option.help.split(separator: "\n")
      text += head + String(repeating: " ", count: column - head.count)
      text += lines.joined(separator: "\n" + String(repeating: " ", count: column)) + "\n"
    }
    return notes.isEmpty ? text : text + "\n" + notes
  }
}

/// The words behind a verb, sorted into options and the rest.
struct Arguments {
  private var values: [String: [String]] = [:]
  private(set) var rest: [String] = []

  init(_ words: [String], of verb: Verb) throws(Failure) {
    var words = words[...]
    while let word = words.popFirst() {
      guard word.hasPrefix("--") else {
        rest.append(word)
        continue
      }
      let halves = word.dropFirst(2).split(separator: "=", maxSplits: 1)
      let name = halves.first.map(String.init) ?? ""
      guard let option = verb.options.first(where: { $0.name == name }) else {
        throw Failure.misuse(
          "\(verb.name) has no option --\(name); see sidetone-lab \(verb.name) --help")
      }
      var value = halves.count > 1 ? String(halves[1]) : ""
      if let wanted = option.value, halves.count == 1 {
        guard let next = words.popFirst() else {
          throw Failure.misuse("--\(name) needs a \(wanted)")
        }
        value = next
      }
      if !option.isRepeated && values[name] != nil {
        throw Failure.misuse("--\(name) is given twice")
      }
      values[name, default: []].append(value)
    }
  }

  func has(_ name: String) -> Bool { values[name] != nil }
  func all(_ name: String) -> [String] { values[name] ?? [] }
  func text(_ name: String) -> String? { values[name]?.first }

  func number(_ name: String, _ range: ClosedRange<Double>) throws(Failure) -> Double? {
    guard let text = text(name) else { return nil }
    guard let value = Double(text), range.contains(value) else {
      throw Failure.misuse(
        "--\(name) is a number from \(range.lowerBound) to \(range.upperBound), not \(text)")
    }
    return value
  }

  func port(_ name: String) throws(Failure) -> UInt16? {
    guard let text = text(name) else { return nil }
    guard let port = UInt16(text) else { throw Failure.misuse("--\(name) is a port, not \(text)") }
    return port
  }

  /// The only word that is no option.
  func only(_ what: String) throws(Failure) -> String {
    guard rest.count == 1 else {
      throw Failure.misuse(rest.isEmpty ? "\(what) is missing" : "too many words: \(rest)")
    }
    return rest[0]
  }
}
