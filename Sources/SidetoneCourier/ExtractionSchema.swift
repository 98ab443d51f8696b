// The JSON Schema of what is to be extracted, read once at the start: what is no schema is refused
// with its place, and what is not enforced here is named once. Enforced are `type`, `properties`,
// `required`, `additionalProperties`, `items`, `enum`, `const`, `anyOf`, `oneOf`, `allOf`,
// `nullable`, `$ref` within the schema, the bounds of numbers, lengths and counts, and `pattern`
// as far as ExtractionPattern.swift goes.
//
// Schemas are kept as nodes that name each other by number, so that one may contain itself.

import Sidetone

package struct ExtractionSchema: Sendable {
  enum Kind: String, CaseIterable, Sendable {
    case object, array, string, number, integer, boolean, null
  }

  struct Bound: Sendable {
    let value: Double
    /// As it is written.
    let text: String
  }

  struct Property: Sendable {
    let name: String
    let node: Int
  }

  /// What a value must keep; nil and empty: nothing.
  struct Node: Sendable {
    var isNever = false
    var kinds: Set<Kind>?
    var properties: [Property] = []
    var required: [String] = []
    /// What members without a property of their own must keep; `forbidsOthers`: there are none.
    var others: Int?
    var forbidsOthers = false
    var items: Int?
    var choices: [JSONTree]?
    var constant: JSONTree?
    var bounds: [String: Bound] = [:]
    var pattern: ExtractionPattern?
    var anyOf: [Int] = []
    var oneOf: [Int] = []
    var allOf: [Int] = []
  }

  /// As it was written.
  let source: JSONTree
  /// The part of it that says what the fields are.
  let rootSource: JSONTree
  let nodes: [Node]
  /// The node of that part.
  let root: Int
  /// The names of what is extracted, in their order.
  package let fields: [String]
  /// Sentences about what is in the schema and not enforced, each once.
  package let warnings: [String]

  /// - Parameter text: the schema's file. Throws a sentence that names the place in it.
  package init(_ text: [UInt8]) throws(CourierMistake) {
    guard let source = JSONTree(text) else {
      throw CourierMistake(sentence: "the schema is not JSON, or lies more than 31 deep")
    }
    guard case .object = source else {
      throw CourierMistake(sentence: "the schema must be a JSON object")
    }
    var reader = ExtractionSchemaReader(source)
    let top = try reader.node(at: "#")
    try reader.checkEnds()
    self.source = source
    (root, rootSource) = reader.target(of: top)
    nodes = reader.nodes
    let node = nodes[root]
    fields = node.properties.map(\.name)
    var warnings = reader.warnings
    if !(node.anyOf + node.oneOf + node.allOf).isEmpty || node.choices != nil {
      warnings.append("the schema at #: of all fields together only their own schemas are enforced")
    }
    self.warnings = warnings
    guard !fields.isEmpty, node.kinds == nil || node.kinds == [.object] else {
      throw CourierMistake(
        sentence: "the schema at # must be of type object and have `properties`: the fields")
    }
    if fields.contains("reasons") {
      throw CourierMistake(
        sentence: "the schema at #/properties/reasons: this name is taken by the reasons why "
          + "fields are null")
    }
  }
}

/// Reads a schema into nodes.
struct ExtractionSchemaReader {
  private let source: JSONTree
  private(set) var nodes: [ExtractionSchema.Node] = []
  private(set) var warnings: [String] = []
  /// Nodes by their place, so that what is referred to is read once.
  private var places: [String: Int] = [:]
  private var references: [Int: String] = [:]

  private static let silent: Set<String> = [
    "$schema", "$id", "$defs", "definitions", "$comment", "title", "description", "examples",
    "default", "deprecated", "readOnly", "writeOnly", "name", "strict",
  ]
  private static let bounds: Set<String> = [
    "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minLength", "maxLength",
    "minItems", "maxItems",
  ]

  init(_ source: JSONTree) { self.source = source }

  /// The node behind all references, and what is written there.
  func target(of node: Int) -> (Int, JSONTree) {
    var node = node
    var place = "#"
    for _ in nodes {
      guard let next = references[node], let number = places[next] else { break }
      (node, place) = (number, next)
    }
    return (node, value(at: place) ?? source)
  }

  /// The node of the schema at a JSON pointer.
  mutating func node(at place: String) throws(CourierMistake) -> Int {
    if let known = places[place] { return known }
    guard let schema = value(at: place) else {
      throw mistake(place, "there is nothing to refer to")
    }
    let number = nodes.count
    places[place] = number
    nodes.append(ExtractionSchema.Node())
    switch schema {
    case .bool(let allows): nodes[number].isNever = !allows
    case .object(let members):
      for member in members { try read(member, of: number, at: place) }
      if schema["nullable"]?.isTrue ?? false { nodes[number].allowNull() }
    default: throw mistake(place, "a schema is an object, or true or false")
    }
    return number
  }

  /// A schema may contain itself, but not be one of its own conditions: a value would be held
  /// against it for ever.
  func checkEnds() throws(CourierMistake) {
    var isDone = [Bool](repeating: false, count: nodes.count)
    var path: [Int] = []
    func visit(_ number: Int) throws(CourierMistake) {
      if isDone[number] { return }
      if path.contains(number) {
        let place = places.first { $0.value == number }?.key ?? "#"
        throw mistake(place, "it leads back to itself by `$ref` or alternatives alone")
      }
      path.append(number)
      let node = nodes[number]
      for next in node.allOf + node.anyOf + node.oneOf { try visit(next) }
      path.removeLast()
      isDone[number] = true
    }
    for number in nodes.indices { try visit(number) }
  }

  private func value(at place: String) -> JSONTree? {
    var value = source
    for part in place.split(separator: "/", omittingEmptySubsequences: false).dropFirst() {
      let name = Self.unescaped(part)
      if case .list(let elements) = value {
        guard let index = Int(name), elements.indices.contains(index) else { return nil }
        value = elements[index]
      } else {
        guard let member = value[name] else { return nil }
        value = member
      }
    }
    return value
  }

  /// RFC 6901: `~1` is a slash, `~0` a tilde.
  private static func unescaped(_ part: Substring) -> String {
    part.split(separator: "~1", omittingEmptySubsequences: false)
      .map { $0.split(separator: "~0", omittingEmptySubsequences: false).joined(separator: "~") }
      .joined(separator: "/")
  }

  private static func escaped(_ name: String) -> String {
    var out = ""
    for character in name {
      switch character {
      case "~": out += "~0"
      case "/": out += "~1"
      default: out.append(character)
      }
    }
    return out
  }

  private func mistake(_ place: String, _ sentence: String) -> CourierMistake {
    CourierMistake(sentence: "the schema at \(printable(place)): \(sentence)")
  }

  private mutating func read(
    _ member: JSONTree.Member, of number: Int, at place: String
  ) throws(CourierMistake) {
    let here = "\(place)/\(Self.escaped(member.name))"
    switch member.name {
    case "type": nodes[number].kinds = try kinds(member.value, here)
    case "properties": try readProperties(member.value, of: number, here)
    case "required": nodes[number].required = try names(member.value, here)
    case "additionalProperties":
      if member.value == .bool(false) {
        nodes[number].forbidsOthers = true
      } else {
        nodes[number].others = try node(at: here)
      }
    case "items":
      if case .list = member.value { throw mistake(here, "a list of schemas is not supported") }
      nodes[number].items = try node(at: here)
    case "enum":
      guard case .list(let choices) = member.value, !choices.isEmpty else {
        throw mistake(here, "must be a list with something in it")
      }
      nodes[number].choices = choices
    case "const": nodes[number].constant = member.value
    case "pattern": try readPattern(member.value, of: number, here)
    case "anyOf": nodes[number].anyOf = try alternatives(member.value, here)
    case "oneOf": nodes[number].oneOf = try alternatives(member.value, here)
    case "allOf": nodes[number].allOf += try alternatives(member.value, here)
    case "$ref":
      guard case .text(let target) = member.value, target == "#" || target.hasPrefix("#/") else {
        throw mistake(here, "only references within the schema are known, as #/$defs/name")
      }
      let referred = try node(at: target)
      references[number] = target
      nodes[number].allOf.append(referred)
    case "nullable": break
    default: try readBound(member, of: number, here)
    }
  }

  private mutating func readBound(
    _ member: JSONTree.Member, of number: Int, _ here: String
  ) throws(CourierMistake) {
    if Self.bounds.contains(member.name) {
      guard case .number(let text) = member.value, let value = Double(text) else {
        throw mistake(here, "must be a number")
      }
      nodes[number].bounds[member.name] = ExtractionSchema.Bound(value: value, text: text)
    } else if !Self.silent.contains(member.name) {
      let sentence = "`\(printable(member.name))` is told to the model and not enforced"
      if !warnings.contains(where: { $0.hasSuffix(sentence) }) {
        warnings.append("the schema at \(printable(here)): \(sentence)")
      }
    }
  }

  private mutating func readProperties(
    _ value: JSONTree, of number: Int, _ here: String
  ) throws(CourierMistake) {
    guard case .object(let members) = value else {
      throw mistake(here, "must be an object of schemas")
    }
    for member in members
    where !nodes[number].properties.contains(where: {
      $0.name == member.name
    }) {
      let node = try node(at: "\(here)/\(Self.escaped(member.name))")
      nodes[number].properties.append(ExtractionSchema.Property(name: member.name, node: node))
    }
  }

  private mutating func readPattern(
    _ value: JSONTree, of number: Int, _ here: String
  ) throws(CourierMistake) {
    guard case .text(let text) = value else { throw mistake(here, "must be a text") }
    do throws(ExtractionPattern.Mistake) {
      nodes[number].pattern = try ExtractionPattern(text)
    } catch {
      switch error {
      case .malformed(let sentence): throw mistake(here, sentence)
      case .unsupported(let what):
        warnings.append(
          "the schema at \(printable(here)): the pattern has \(what), which is told to the model "
            + "and not enforced")
      }
    }
  }

  private func kinds(
    _ value: JSONTree, _ here: String
  ) throws(CourierMistake) -> Set<ExtractionSchema.Kind> {
    let all = ExtractionSchema.Kind.allCases.map(\.rawValue).joined(separator: ", ")
    let named: [JSONTree] = if case .list(let list) = value { list } else { [value] }
    let kinds = named.map { $0.string.flatMap(ExtractionSchema.Kind.init) }
    guard !kinds.isEmpty, !kinds.contains(nil) else {
      throw mistake(here, "must be one of \(all), or a list of these")
    }
    return Set(kinds.compactMap(\.self))
  }

  private func names(_ value: JSONTree, _ here: String) throws(CourierMistake) -> [String] {
    guard case .list(let list) = value, !list.contains(where: { $0.string == nil }) else {
      throw mistake(here, "must be a list of names")
    }
    return list.compactMap(\.string)
  }

  private mutating func alternatives(
    _ value: JSONTree, _ here: String
  ) throws(CourierMistake) -> [Int] {
    guard case .list(let list) = value, !list.isEmpty else {
      throw mistake(here, "must be a list of schemas with something in it")
    }
    var numbers: [Int] = []
    for index in list.indices { numbers.append(try node(at: "\(here)/\(index)")) }
    return numbers
  }
}

extension ExtractionSchema.Node {
  fileprivate mutating func allowNull() {
    kinds?.insert(.null)
    choices?.append(.null)
  }
}
