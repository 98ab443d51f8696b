// Fills a JSON schema from the words of a call, without a model: what an answer of a chat endpoint
// would hold if the model looked for the plainest. An enum is the first choice that was said, a
// number the first that was said, a text what the caller said last or, by its pattern, the first
// word that fits; what was not said is null where null may be.

struct SchemaFiller {
  /// The whole schema, in which references are looked up.
  private let root: JSON
  private let lines: [String]
  private let words: [String]
  private static let depthMax = 16

  /// - Parameter transcript: lines of `caller: …` and others; without any of the caller's, all of
  ///   it is taken as theirs.
  init(_ schema: JSON, transcript: String) {
    root = schema
    let all = transcript.split(whereSeparator: \.isNewline).map(String.init)
    let theirs = all.filter { $0.hasPrefix("caller: ") }.map { String($0.dropFirst(8)) }
    lines = theirs.isEmpty ? all : theirs
    words = lines.flatMap { line in
      line.split { !($0.isLetter || $0.isNumber || "-_.".contains($0)) }
        .map { $0.lowercased().trimming { $0 == "." } }
    }
  }

  func filled() -> JSON { fill(root, depth: 0) }

  private func fill(_ schema: JSON, depth: Int) -> JSON {
    guard depth < Self.depthMax else { return .null }
    if let path = schema["$ref"]?.string { return fill(find(path), depth: depth + 1) }
    if let value = schema["const"] { return value }
    for name in ["anyOf", "oneOf", "allOf"] {
      guard let choices = schema[name]?.array else { continue }
      let filled = choices.map { fill($0, depth: depth + 1) }
      return filled.first { $0 != .null } ?? .null
    }
    let kinds = schema["type"]?.array?.compactMap(\.string) ?? [schema["type"]?.string ?? "string"]
    let mayBeNull = kinds.contains("null")
    if let choices = schema["enum"]?.array { return choice(of: choices) }
    switch kinds.first(where: { $0 != "null" }) {
    case "object": return object(schema, depth: depth)
    case "array": return array(schema, depth: depth)
    case "boolean": return boolean ?? (mayBeNull ? .null : false)
    case "integer": return number(schema, isWhole: true) ?? (mayBeNull ? .null : least(schema))
    case "number": return number(schema, isWhole: false) ?? (mayBeNull ? .null : least(schema))
    case "string": return text(schema) ?? (mayBeNull ? .null : "")
    default: return .null
    }
  }

  /// `#/$defs/name` and the like.
  private func find(_ path: String) -> JSON {
    var place: JSON? = root
    for part in path.split(separator: "/") where part != "#" {
      let name = part.replacing("~1", with: "/").replacing("~0", with: "~")
      place = place?[String(name)]
    }
    return place ?? .null
  }

  private func object(_ schema: JSON, depth: Int) -> JSON {
    var whole: JSON.Members = [:]
    for (name, property) in schema["properties"]?.members?.all ?? [] where name != "reasons" {
      whole[name] = fill(property, depth: depth + 1)
    }
    guard let reasons = schema["properties"]?["reasons"] else { return .object(whole) }
    guard let reasoned = reasons["properties"]?.members else {
      whole["reasons"] = fill(reasons, depth: depth + 1)
      return .object(whole)
    }
    // Why its neighbours are null.
    var sentences: JSON.Members = [:]
    for (name, _) in reasoned.all {
      sentences[name] = whole[name] == .null ? "it was not said" : .null
    }
    whole["reasons"] = .object(sentences)
    return .object(whole)
  }

  private func array(_ schema: JSON, depth: Int) -> JSON {
    let item = fill(schema["items"] ?? .null, depth: depth + 1)
    let count = max(item == .null ? 0 : 1, Int(schema["minItems"]?.number ?? 0))
    return .array(Array(repeating: item, count: min(count, 100)))
  }

  private func choice(of choices: [JSON]) -> JSON {
    let said = " " + words.joined(separator: " ") + " "
    let found = choices.first { choice in
      guard let name = choice.string else { return false }
      let spoken = name.lowercased().replacing("_", with: " ").replacing("-", with: " ")
      return said.contains(" \(name.lowercased()) ") || said.contains(" \(spoken) ")
    }
    return found ?? (choices.contains(.null) ? .null : choices.last ?? .null)
  }

  private var boolean: JSON? {
    if words.contains("yes") { return true }
    return words.contains("no") ? false : nil
  }

  private func number(_ schema: JSON, isWhole: Bool) -> JSON? {
    let least = schema["minimum"]?.number ?? -.infinity
    let most = schema["maximum"]?.number ?? .infinity
    return words.lazy.compactMap { Double($0) }
      .first { $0 >= least && $0 <= most && (!isWhole || $0 == $0.rounded()) }.map { .number($0) }
  }

  private func least(_ schema: JSON) -> JSON { .number(schema["minimum"]?.number ?? 0) }

  private func text(_ schema: JSON) -> JSON? {
    guard let pattern = schema["pattern"]?.string else { return lines.last.map { .string($0) } }
    guard let expression = try? Regex(pattern) else { return nil }
    return words.first { $0.firstMatch(of: expression) != nil }.map { .string($0) }
  }
}

extension String {
  fileprivate func trimming(_ isOdd: (Character) -> Bool) -> String {
    var rest = Substring(self)
    while let last = rest.last, isOdd(last) { rest.removeLast() }
    return String(rest)
  }
}
