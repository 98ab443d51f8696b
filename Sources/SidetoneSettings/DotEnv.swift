// `.env`: lines of NAME=value. Programs disagree about its finer points, so only what they all read
// alike is taken; the rest is refused with its line instead of guessed, for a key that was read
// wrongly fails much later and far from here.
//
//     # a comment on a line of its own
//     NAME = value
//     export NAME='single quotes: taken as it stands'
//     NAME="double quotes: \" \\ \$ \n are understood"   # a comment may follow a closing quote

package struct DotEnvEntry: Sendable, Equatable {
  package var name: String
  package var value: String
  package var line: Int
}

/// Reads a whole file. The file is shared with other programs, so the values of names that are not
/// `ours` are judged by one rule only: it must be clear where they end.
package func readDotEnv(_ text: String, file: String, ours: (String) -> Bool) -> (
  entries: [DotEnvEntry], mistakes: [Mistake]
) {
  var entries: [DotEnvEntry] = []
  var mistakes: [Mistake] = []
  var rest = Substring(text)
  if rest.unicodeScalars.first == "\u{FEFF}" { rest.unicodeScalars.removeFirst() }
  // "\r\n" is one Character, so both kinds of line end are newlines here.
  let lines = rest.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
  for (index, line) in lines.enumerated() {
    do throws(Refusal) {
      guard let (name, text) = try splitDotEnvLine(line) else { continue }
      let value = try readDotEnvValue(text, isOurs: ours(name))
      entries.append(DotEnvEntry(name: name, value: value, line: index + 1))
    } catch {
      mistakes.append(Mistake(.file(file, line: index + 1), error.text))
    }
  }
  return (entries, mistakes)
}

/// The two sides of the equals sign; nil where the line is blank or a comment.
private func splitDotEnvLine(_ line: Substring) throws(Refusal) -> (String, Substring)? {
  var line = trimmed(line)
  if line.isEmpty || line.first == "#" { return nil }
  if line.hasPrefix("export "), !trimmed(line.dropFirst(7)).hasPrefix("=") {
    line = trimmed(line.dropFirst(7))
  }
  guard let equals = line.firstIndex(of: "=") else {
    throw Refusal("no `=`: write NAME=value")
  }
  let name = trimmed(line[..<equals])
  guard !name.isEmpty, name.utf8.allSatisfy({ isNameByte($0) || $0 == 0x2E }) else {
    throw Refusal("left of `=` must stand one name of letters, digits and `_`")
  }
  return (String(name), trimmed(line[line.index(after: equals)...]))
}

private func readDotEnvValue(_ text: Substring, isOurs: Bool) throws(Refusal) -> String {
  guard let first = text.first else { return "" }
  if first == "\"" || first == "'" { return try readQuoted(text, quote: first, isOurs: isOurs) }
  if text.hasPrefix("#") || text.contains(" #") || text.contains("\t#") {
    throw Refusal(
      "a comment behind an unquoted value: put it on a line of its own, or the value in quotes")
  }
  if isOurs, let odd = text.first(where: { "#\"'$`\\".contains($0) }) {
    throw Refusal("`\(odd)` in an unquoted value: put the value in single quotes")
  }
  return String(text)
}

private func readQuoted(
  _ text: Substring, quote: Character, isOurs: Bool
) throws(Refusal) -> String {
  var value = ""
  var rest = text.dropFirst()
  while let character = rest.popFirst() {
    if character == quote {
      let behind = trimmed(rest)
      if behind.isEmpty || (behind.first == "#" && behind.count < rest.count) { return value }
      throw Refusal("text behind the closing quote")
    }
    if isOurs, quote == "\"", character == "$" {
      throw Refusal("`$` in double quotes: nothing is filled in; use single quotes, or `\\$`")
    }
    guard quote == "\"", character == "\\" else {
      value.append(character)
      continue
    }
    switch rest.popFirst() {
    case "n": value.append("\n")
    case .some(let escaped) where !isOurs || "\"\\$".contains(escaped): value.append(escaped)
    default: throw Refusal("only \\\" \\\\ \\$ and \\n are understood behind a backslash")
    }
  }
  throw Refusal("the closing quote is missing")
}
