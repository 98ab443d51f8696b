// A TOML file as a tree of nodes that know their lines. The parser is toml++ (CToml).

import CToml

struct TOMLNode: Sendable {
  indirect enum Value: Sendable {
    case table([TOMLNode])
    case array([TOMLNode])
    case text(String)
    case integer(Int)
    case fraction(Double)
    case boolean(Bool)
    case other
  }
  /// Empty for the document and for members of arrays.
  var key: String
  /// From 1; 0 for the document.
  var line: Int
  var value: Value

  /// What the value is, for a sentence about what it should have been.
  var kind: String {
    switch value {
    case .table: "a table"
    case .array: "a list"
    case .text: "a text"
    case .integer, .fraction: "a number"
    case .boolean: "true or false"
    case .other: "a date or time"
    }
  }
}

/// The members of the document's table, or the syntax error.
func parseTOML(_ text: String, file: String) throws(Mistakes) -> [TOMLNode] {
  var bytes = text
  let document = bytes.withUTF8 { utf8 in
    utf8.withMemoryRebound(to: CChar.self) { characters in
      guard let base = characters.baseAddress else { return ctoml_parse("", 0) }
      return ctoml_parse(base, characters.count)
    }
  }
  defer { ctoml_free(document) }
  let errorLine = ctoml_error_line(document)
  if errorLine > 0 {
    let reason = withoutValues(swiftString(ctoml_error_text(document)))
    throw Mistakes([Mistake(.file(file, line: Int(errorLine)), "syntax: \(reason)")])
  }
  // Parents stand before their children, so going backwards every node is whole when it is handed
  // up.
  var members: [Int: [TOMLNode]] = [:]
  for index in stride(from: Int(ctoml_count(document)) - 1, through: 1, by: -1) {
    let node = ctoml_at(document, index)
    let own: [TOMLNode] = (members.removeValue(forKey: index) ?? []).reversed()
    let value: TOMLNode.Value =
      switch node.kind {
      case CTOML_TABLE: .table(own)
      case CTOML_ARRAY: .array(own)
      case CTOML_STRING: .text(swiftString(node.string))
      case CTOML_INTEGER: .integer(Int(node.integer))
      case CTOML_FRACTION: .fraction(node.fraction)
      case CTOML_BOOLEAN: .boolean(node.boolean != 0)
      default: .other
      }
    let line = node.line > 0 ? Int(node.line) : own.map(\.line).min() ?? 0
    members[Int(node.parent), default: []].append(
      TOMLNode(key: swiftString(node.key), line: line, value: value))
  }
  return (members[0] ?? []).reversed()
}

/// The parser's sentence without the text it quotes from the file, which may be half a secret.
/// Single characters stay: they show what is in the way.
private func withoutValues(_ sentence: String) -> String {
  let parts = sentence.split(separator: "'", omittingEmptySubsequences: false)
  guard parts.count > 1 else { return sentence }
  return parts.enumerated().map { index, part in
    index % 2 == 1 && part.count > 1 && index + 1 < parts.count ? "…" : String(part)
  }.joined(separator: "'")
}

private func swiftString(_ text: ctoml_text) -> String {
  text.bytes.withMemoryRebound(to: UInt8.self, capacity: text.count) {
    String(decoding: UnsafeBufferPointer(start: $0, count: text.count), as: UTF8.self)
  }
}
