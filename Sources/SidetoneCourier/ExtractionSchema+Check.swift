// Holds a value against a schema. A complaint is a sentence that names the place, for the model
// that is to mend it and for people. Null is allowed in the place of any member that is not
// required, and of any field: it says that nothing is known.

import Sidetone

/// What is wrong with an answer.
package enum Complaint: Equatable, Sendable {
  /// A field that was asked for is not there; what the model does not know may stay so.
  case fieldMissing(String)
  case wrong(String)

  package var sentence: String {
    switch self {
    case .fieldMissing(let name):
      "\(printable(name)) is missing; where nothing is known it must be null"
    case .wrong(let sentence): sentence
    }
  }

  var isFieldMissing: Bool {
    if case .fieldMissing = self { true } else { false }
  }
}

extension ExtractionSchema {
  static let complaintsMax = 20

  /// What is wrong with the fields that a model gave; nothing where all is right.
  ///
  /// - Parameter fields: the fields that were asked for.
  package func complaints(about answer: JSONTree, fields: Set<String>) -> [Complaint] {
    var check = Check(schema: self)
    check.fields(of: answer, fields)
    return check.complaints
  }

  private struct Check {
    /// Schemas that are looked at before a check is given up: alternatives within alternatives
    /// multiply.
    static let stepsMax = 100_000
    static let depthMax = 200

    let schema: ExtractionSchema
    var complaints: [Complaint] = []
    private var steps = 0

    init(schema: ExtractionSchema) { self.schema = schema }

    mutating func fields(of answer: JSONTree, _ fields: Set<String>) {
      guard case .object(let members) = answer else {
        complain("", "must be an object, not \(Self.kind(of: answer))")
        return
      }
      let node = schema.nodes[schema.root]
      for property in node.properties where fields.contains(property.name) {
        if let value = answer[property.name] {
          if !value.isNull { check(value, property.node, property.name, 1) }
        } else if node.required.contains(property.name) {
          add(.fieldMissing(property.name))
        }
      }
      checkOthers(members, node, "", 0)
    }

    mutating func complain(_ place: String, _ sentence: String) {
      add(.wrong("\(place.isEmpty ? "the answer" : printable(place)) \(sentence)"))
    }

    private mutating func add(_ complaint: Complaint) {
      if complaints.count < ExtractionSchema.complaintsMax { complaints.append(complaint) }
    }

    mutating func check(_ value: JSONTree, _ number: Int, _ place: String, _ depth: Int) {
      steps += 1
      guard steps < Self.stepsMax, depth < Self.depthMax else {
        return complain(place, "is too much to check")
      }
      let node = schema.nodes[number]
      if node.isNever { return complain(place, "must not be there") }
      if let kinds = node.kinds, !kinds.contains(where: { Self.isOf($0, value) }) {
        let wanted = Kind.allCases.filter(kinds.contains).map(\.rawValue)
        return complain(
          place, "must be \(wanted.joined(separator: " or ")), not \(Self.kind(of: value))")
      }
      if let choices = node.choices, !choices.contains(where: { $0.isSame(as: value) }) {
        complain(place, "must be one of \(Self.shown(.list(choices))), not \(Self.shown(value))")
      }
      if let constant = node.constant, !constant.isSame(as: value) {
        complain(place, "must be \(Self.shown(constant)), not \(Self.shown(value))")
      }
      checkBounds(value, node, place)
      switch value {
      case .object(let members): checkMembers(members, value, node, place, depth)
      case .list(let elements):
        guard let items = node.items else { break }
        for (index, element) in elements.enumerated() {
          check(element, items, "\(place)[\(index)]", depth + 1)
        }
      default: break
      }
      for part in node.allOf { check(value, part, place, depth + 1) }
      checkAlternatives(value, node, place, depth)
    }

    private mutating func checkMembers(
      _ members: [JSONTree.Member], _ value: JSONTree, _ node: Node, _ place: String,
      _ depth: Int
    ) {
      for name in node.required where value[name] == nil {
        complain("\(place).\(name)", "is missing")
      }
      for property in node.properties {
        guard let member = value[property.name] else { continue }
        if member.isNull, !node.required.contains(property.name) { continue }
        check(member, property.node, "\(place).\(property.name)", depth + 1)
      }
      checkOthers(members, node, place, depth)
    }

    /// Members that are no properties.
    private mutating func checkOthers(
      _ members: [JSONTree.Member], _ node: Node, _ place: String, _ depth: Int
    ) {
      guard node.forbidsOthers || node.others != nil else { return }
      let known = Set(node.properties.map(\.name))
      for member in members where !known.contains(member.name) {
        // The reasons stand beside the fields.
        if place.isEmpty, member.name == "reasons" { continue }
        let here = place.isEmpty ? member.name : "\(place).\(member.name)"
        if node.forbidsOthers { complain(here, "is not asked for") }
        if let others = node.others { check(member.value, others, here, depth + 1) }
      }
    }

    private mutating func checkAlternatives(
      _ value: JSONTree, _ node: Node, _ place: String, _ depth: Int
    ) {
      if !node.anyOf.isEmpty {
        let (fitting, best) = fits(value, node.anyOf, place, depth)
        if fitting == 0 { complaints += best.prefix(ExtractionSchema.complaintsMax) }
      }
      if !node.oneOf.isEmpty {
        let (fitting, best) = fits(value, node.oneOf, place, depth)
        if fitting == 0 { complaints += best.prefix(ExtractionSchema.complaintsMax) }
        if fitting > 1 {
          complain(place, "fits \(fitting) of the schemas of which it must fit one")
        }
      }
    }

    /// How many alternatives the value fits, and the fewest complaints of one that it does not.
    private mutating func fits(
      _ value: JSONTree, _ alternatives: [Int], _ place: String, _ depth: Int
    ) -> (Int, [Complaint]) {
      let before = complaints
      defer { complaints = before }
      var fitting = 0
      var best: [Complaint]?
      for alternative in alternatives {
        complaints = []
        check(value, alternative, place, depth + 1)
        if complaints.isEmpty { fitting += 1 }
        if complaints.count < best?.count ?? .max { best = complaints }
      }
      return (fitting, best ?? [])
    }

    private mutating func checkBounds(_ value: JSONTree, _ node: Node, _ place: String) {
      func holds(_ name: String, _ fits: (Double) -> Bool) -> String? {
        node.bounds[name].flatMap { fits($0.value) ? nil : $0.text }
      }
      switch value {
      case .number(let text):
        guard let number = Double(text) else { return }
        if let bound = holds("minimum", { number >= $0 }) { complain(place, "is below \(bound)") }
        if let bound = holds("maximum", { number <= $0 }) { complain(place, "is above \(bound)") }
        if let bound = holds("exclusiveMinimum", { number > $0 }) {
          complain(place, "must be above \(bound)")
        }
        if let bound = holds("exclusiveMaximum", { number < $0 }) {
          complain(place, "must be below \(bound)")
        }
      case .text(let text):
        let length = Double(text.unicodeScalars.count)
        if let bound = holds("minLength", { length >= $0 }) {
          complain(place, "has fewer than \(bound) characters")
        }
        if let bound = holds("maxLength", { length <= $0 }) {
          complain(place, "has more than \(bound) characters")
        }
        if let pattern = node.pattern, !pattern.matches(text) {
          complain(place, "does not match the pattern \(printable(pattern.text))")
        }
      case .list(let elements):
        let count = Double(elements.count)
        if let bound = holds("minItems", { count >= $0 }) {
          complain(place, "has fewer than \(bound) elements")
        }
        if let bound = holds("maxItems", { count <= $0 }) {
          complain(place, "has more than \(bound) elements")
        }
      default: break
      }
    }

    private static func isOf(_ kind: Kind, _ value: JSONTree) -> Bool {
      switch (kind, value) {
      case (.object, .object), (.array, .list), (.string, .text), (.number, .number),
        (.boolean, .bool), (.null, .null):
        true
      case (.integer, .number(let text)): Double(text).map { $0 == $0.rounded() } ?? false
      default: false
      }
    }

    private static func kind(of value: JSONTree) -> String {
      switch value {
      case .object: "an object"
      case .list: "an array"
      case .text: "a string"
      case .number: "a number"
      case .bool: "a boolean"
      case .null: "null"
      }
    }

    private static func shown(_ value: JSONTree) -> String {
      printable(String(decoding: value.compact, as: UTF8.self))
    }
  }
}

extension JSONTree {
  /// Whether both say the same: 1 and 1.0 do, and objects with their members in another order.
  func isSame(as other: JSONTree) -> Bool {
    switch (self, other) {
    case (.number(let a), .number(let b)): return a == b || Double(a) == Double(b)
    case (.list(let a), .list(let b)):
      return a.count == b.count && zip(a, b).allSatisfy { $0.isSame(as: $1) }
    case (.object(let a), .object(let b)):
      return a.count == b.count
        && a.allSatisfy { other[$0.name]?.isSame(as: $0.value) ?? false }
    default: return self == other
    }
  }
}
