// What was typed behind `sidetone`: one verb, and flags. A flag is `--name value` or
// `--name=value`.

import Glibc
import SidetoneSettings

struct Arguments {
  enum Verb: String, CaseIterable {
    case serve, check, doctor, version, help

    var takesSettings: Bool { self == .serve || self == .check || self == .doctor }
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
  /// Flags that are settings, by their names with both dashes.
  var settings: [(name: String, value: String)] = []

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
      if name == "--config" { file = value } else { settings.append((name, value)) }
    }
  }
}

/// What was typed, the program's name first, as the kernel keeps it. The list that a program is
/// handed is found through the environment's place in memory: a library that is loaded beside it
/// and sets a variable before it begins moves that.
func typedWords(kernel path: String = "/proc/self/cmdline") -> [String] {
  let file = open(path, O_RDONLY | O_CLOEXEC)
  guard file >= 0 else { return CommandLine.arguments }
  defer { close(file) }
  var bytes: [UInt8] = []
  var piece = [UInt8](repeating: 0, count: 16_384)
  while true {
    let count = read(file, &piece, piece.count)
    if count <= 0 { break }
    bytes += piece.prefix(count)
  }
  // Each word ends with a zero.
  guard bytes.popLast() == 0 else { return CommandLine.arguments }
  return bytes.split(separator: 0, omittingEmptySubsequences: false).map {
    String(decoding: $0, as: UTF8.self)
  }
}

/// A flag without the value that may stand behind it: it may be a secret.
private func shown(_ word: String) -> String {
  String(word.prefix { $0 != "=" })
}
