// One file as the rules see it: its lines as written, and the same lines with comments and the
// contents of strings blanked, so that a rule about code is not fooled by words.

import Foundation

struct SourceFile {
  /// Relative to the top of the project.
  var path: String
  var lines: [String]
  /// As `lines`, one for one; only Swift, C and C++ are blanked.
  var code: [String]

  var name: String { String(path.split(separator: "/").last ?? "") }
  var isSwift: Bool { path.hasSuffix(".swift") }
  var isEngine: Bool { path.hasPrefix("Sources/Sidetone/") }

  /// The comment on top, without its marks; empty where there is none.
  var header: [String] {
    let mark = ["py", "sh", "toml"].contains(language) ? "#" : "//"
    let body = lines.drop { $0.hasPrefix("#!") || $0.hasPrefix("// swift-tools-version") }
    return body.prefix { $0.hasPrefix(mark) }.map { String($0.dropFirst(mark.count)) }
  }

  /// The ending of the name; a script without one is named by its first line.
  var language: String {
    if let dot = name.lastIndex(of: "."), dot != name.startIndex {
      return String(name[name.index(after: dot)...])
    }
    let first = lines.first ?? ""
    if first.contains("python") { return "py" }
    return first.hasPrefix("#!") ? "sh" : ""
  }

  static let languages: Set = ["swift", "c", "h", "cpp", "py", "js", "sh"]
  private static let roots = ["Sources", "Tests", "Benchmarks", "tools", "Package.swift", ".ci"]

  /// Every file of the project that is written in one of the languages.
  static func all() -> [SourceFile] {
    var paths: [String] = []
    for root in roots {
      var isFolder: ObjCBool = false
      guard FileManager.default.fileExists(atPath: root, isDirectory: &isFolder) else { continue }
      let below = isFolder.boolValue ? FileManager.default.enumerator(atPath: root) : nil
      paths += below.map { $0.compactMap { "\(root)/\($0)" } } ?? [root]
    }
    return paths.sorted().compactMap(SourceFile.init).filter { languages.contains($0.language) }
  }

  init?(path: String) {
    guard let data = FileManager.default.contents(atPath: path),
      let text = String(data: data, encoding: .utf8)
    else { return nil }
    self.path = path
    lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    if lines.last == "" { lines.removeLast() }
    code = lines
    if ["swift", "c", "h", "cpp"].contains(language) { code = Blanker.blank(lines) }
  }
}

/// Replaces comments and the insides of string literals by spaces, over the lines of a file.
private struct Blanker {
  private enum State {
    case code, comment
    case string(quotes: Int, hashes: Int)
  }
  private var state = State.code
  private var depth = 0

  static func blank(_ lines: [String]) -> [String] {
    var blanker = Blanker()
    return lines.map { blanker.blank($0) }
  }

  private mutating func blank(_ line: String) -> String {
    let text = Array(line.unicodeScalars)
    var out = String.UnicodeScalarView()
    var index = 0
    func starts(_ mark: String) -> Bool {
      text[index...].starts(with: mark.unicodeScalars)
    }
    while index < text.count {
      var taken = 1
      var shown = false
      switch state {
      case .comment:
        if starts("*/") {
          (taken, depth) = (2, depth - 1)
        } else if starts("/*") {
          (taken, depth) = (2, depth + 1)
        }
        if depth == 0 { state = .code }
      case .string(let quotes, let hashes):
        let closing =
          String(repeating: "\"", count: quotes) + String(repeating: "#", count: hashes)
        if starts(closing) {
          (taken, state) = (closing.count, .code)
        } else if hashes == 0,
          starts("\\")
        {
          taken = starts("\\(") ? interpolation(in: text, from: index) : 2
        }
      case .code:
        if starts("//") {
          taken = text.count - index
        } else if starts("/*") {
          (taken, depth, state) = (2, 1, .comment)
        } else if let (mark, opened) = opening(in: text, at: index) {
          (taken, state) = (mark, opened)
        } else {
          shown = true
        }
      }
      let end = min(index + taken, text.count)
      for scalar in text[index..<end] { out.append(shown ? scalar : " ") }
      index = end
    }
    if case .string(1, _) = state { state = .code }
    return String(out)
  }

  /// The mark that opens a string here, and the state it opens.
  private func opening(in text: [Unicode.Scalar], at index: Int) -> (Int, State)? {
    let hashes = text[index...].prefix { $0 == "#" }.count
    let quotes = text[(index + hashes)...].prefix { $0 == "\"" }.count
    if quotes == 0 { return nil }
    let count = quotes >= 3 ? 3 : 1
    return (hashes + count, .string(quotes: count, hashes: hashes))
  }

  /// The length of `\(…)`, strings inside it included.
  private func interpolation(in text: [Unicode.Scalar], from index: Int) -> Int {
    var open = 0
    var end = index + 1
    while end < text.count {
      if text[end] == "(" { open += 1 } else if text[end] == ")" { open -= 1 }
      end += 1
      if open == 0 { break }
    }
    return end - index
  }
}
