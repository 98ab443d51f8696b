// What every file must keep, whatever its language: its length, the length of its lines and
// functions, the comment on top, and no marks of unfinished work.

enum Style {
  static let lineColumnsMax = 100
  static let fileLinesMax = 500
  static let functionLinesMax = 70

  private static let unfinished = ["TODO", "FIXME", "XXX", "HACK"]
  /// Paths that exist on somebody's machine only.
  private static let privatePaths = ["home", "root", "Users", "work", "tmp"].map { "/\($0)/" }

  static func check(_ file: SourceFile) -> [Finding] {
    func finding(_ number: Int, _ what: String) -> Finding {
      Finding(path: file.path, number: number, what: what)
    }
    var findings: [Finding] = []
    if file.lines.count > fileLinesMax {
      findings.append(
        finding(
          fileLinesMax + 1, "the file has \(file.lines.count) lines, more than \(fileLinesMax)"))
    }
    if file.header.isEmpty {
      findings.append(finding(1, "the file does not begin with a comment that says what it is"))
    }
    for (index, line) in file.lines.enumerated() {
      // A text that stands in quotes is as long as it is.
      let isComment = line.drop { $0 == " " }.hasPrefix("//")
      let isQuoted = file.code[index].count { $0 != " " } <= lineColumnsMax && !isComment
      if line.count > lineColumnsMax, !isQuoted {
        findings.append(finding(index + 1, "the line has \(line.count) columns"))
      }
      if isNamedTwice(file, index) {
        findings.append(finding(index + 1, "a test's name is its function's, a sentence: `…`"))
      }
      // This file must name what it looks for.
      if file.path == "tools/tidy/Style.swift" { continue }
      for mark in unfinished where Words.contains(line, mark) {
        findings.append(finding(index + 1, "unfinished work: \(mark)"))
      }
      for path in privatePaths where line.contains("\"\(path)") || line.contains(" \(path)") {
        findings.append(finding(index + 1, "a path of one machine: \(path)"))
      }
    }
    return findings + functions(in: file)
  }

  /// A test that has a title beside its function's name, or a name that is no sentence.
  private static func isNamedTwice(_ file: SourceFile, _ index: Int) -> Bool {
    guard file.path.hasPrefix("Tests/"), let test = file.lines[index].firstRange(of: "@Test")
    else { return false }
    let rest = file.lines[index][test.upperBound...]
    if rest.hasPrefix("(\"") { return true }
    return rest.firstRange(of: " func ").map { !rest[$0.upperBound...].hasPrefix("`") } ?? false
  }

  private static func functions(in file: SourceFile) -> [Finding] {
    guard file.isSwift else { return [] }
    var findings: [Finding] = []
    for (index, line) in file.code.enumerated() where Functions.isDeclared(on: line) {
      let length = Functions.length(from: index, in: file.code)
      if length > functionLinesMax {
        let what = "the function has \(length) lines, more than \(functionLinesMax)"
        findings.append(Finding(path: file.path, number: index + 1, what: what))
      }
    }
    return findings
  }
}

/// Finds whole words in a line.
enum Words {
  static func contains(_ line: some StringProtocol, _ word: String) -> Bool {
    all(in: line).contains { $0 == word }
  }

  static func all(in line: some StringProtocol) -> [Substring] {
    Substring(line).split { !isPart($0) }
  }

  static func isPart(_ character: Character) -> Bool {
    character.isLetter || character.isNumber || character == "_"
  }
}

/// Finds declarations of functions in blanked code.
enum Functions {
  static func isDeclared(on line: String) -> Bool { name(on: line) != nil }

  /// The name declared on this line; `init` for an initializer.
  static func name(on line: String) -> Substring? {
    let words = Words.all(in: line)
    if let index = words.firstIndex(of: "func"), index + 1 < words.count { return words[index + 1] }
    guard let index = words.firstIndex(of: "init"), !line.contains(".init") else { return nil }
    let modifiers: Set<Substring> = [
      "package", "private", "fileprivate", "internal", "convenience", "inlinable",
      "_noAllocation", "_noLocks", "inline", "always", "__always",
    ]
    return words[..<index].allSatisfy(modifiers.contains) ? "init" : nil
  }

  /// Lines from the declaration to the brace that closes its body; 1 where it has no body.
  static func length(from start: Int, in code: [String]) -> Int {
    var depth = 0
    for (index, line) in code[start...].enumerated() {
      for character in line {
        if character == "{" { depth += 1 }
        guard character == "}" else { continue }
        depth -= 1
        if depth == 0 { return index + 1 }
        if depth < 0 { return 1 }
      }
    }
    return 1
  }
}
