// What was typed behind `sidetone`: one verb, and flags. A flag is `--name value` or
// `--name=value`.

import SidetoneSettings

struct Arguments {
  enum Verb: String, CaseIterable {
    case serve, check, doctor, phrases, courier, records, version, help

    var takesSettings: Bool {
      switch self {
      case .serve, .check, .doctor, .phrases, .courier, .records: true
      case .version, .help: false
      }
    }
  }

  /// What cannot be understood, as a sentence.
  struct Misuse: Error {
    var text: String
  }

  var verb = Verb.help
  /// `--help` stood somewhere: help about the verb.
  var wantsHelp = false
  /// The TOML file, where one was named.
  var file: String?
  /// What `records` is to do.
  var action = ""
  /// Flags of `courier` and `records` that are no settings, by their names with both dashes.
  var own: [String: String] = [:]
  /// Flags that are settings, by their names with both dashes.
  var settings: [(name: String, value: String)] = []

  /// What `records` can do.
  static let actions = ["journal", "redeliver"]
  /// Those that stand alone.
  private static let ownWords: [Verb: [String]] = [
    .courier: ["--once", "--fetches"], .phrases: ["--beside"],
  ]
  private static let ownFlags: [Verb: [String]] = [
    .courier: ["--socket"], .records: ["--call", "--since"],
  ]

  init(_ words: [String]) throws(Misuse) {
    var rest = words[...]
    guard let first = rest.popFirst() else { throw Misuse(text: "say what to do") }
    switch first {
    case "--help", "-h": verb = .help
    case "--version": verb = .version
    default:
      guard let named = Verb(rawValue: first) else {
        throw Misuse(text: unknown("", first, among: Verb.allCases.map(\.rawValue)))
      }
      verb = named
    }
    while let word = rest.popFirst() {
      if word == "--help" || word == "-h" {
        wantsHelp = true
        continue
      }
      if verb == .records, action.isEmpty, !word.hasPrefix("-") {
        guard Self.actions.contains(word) else {
          throw Misuse(text: unknown("records", word, among: Self.actions))
        }
        action = word
        continue
      }
      if Self.ownWords[verb]?.contains(word) == true {
        own[word] = ""
        continue
      }
      guard word.hasPrefix("--"), verb.takesSettings else {
        throw Misuse(text: "`\(verb.rawValue)` does not take `\(shown(word))`")
      }
      var name = word
      var value: String?
      if let equals = word.firstIndex(of: "=") {
        name = String(word[..<equals])
        value = String(word[word.index(after: equals)...])
      }
      value = value ?? rest.popFirst()
      guard let value else { throw Misuse(text: "`\(name)` needs a value") }
      if name == "--config" {
        file = value
      } else if name == "--directory", verb == .courier || verb == .records {
        settings.append(("--records-directory", value))
      } else if Self.ownFlags[verb]?.contains(name) == true {
        own[name] = value
      } else {
        settings.append((name, value))
      }
    }
  }
}

extension Arguments {
  /// What has another process of this program read the same settings.
  var words: [String] {
    (file.map { ["--config", $0] } ?? []) + settings.flatMap { [$0.name, $0.value] }
  }
}

/// What was typed, the program's name first, as the kernel keeps it. The list that a program is
/// handed is found through the environment's place in memory: a library that is loaded beside it
/// and sets a variable before it begins moves that.
func typedWords(kernel path: String = "/proc/self/cmdline") -> [String] {
  // Each word ends with a zero.
  guard var bytes = try? readFile(path, bytesMax: 4 << 20), bytes.popLast() == 0 else {
    return CommandLine.arguments
  }
  return bytes.split(separator: 0, omittingEmptySubsequences: false).map {
    String(decoding: $0, as: UTF8.self)
  }
}

/// A flag without the value that may stand behind it: it may be a secret.
private func shown(_ word: String) -> String {
  String(word.prefix { $0 != "=" })
}
