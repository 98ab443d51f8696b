// The schema as a model is asked by it: the fields that are wanted, each of which may be null, and
// beside them `reasons`. Where the schema can be said in the strict form, it is: there every
// property is required, nothing else is allowed, and what may be missing may be null.

import Sidetone

package struct AskedSchema: Sendable {
  package let tree: JSONTree
  /// Whether a server may be asked to hold the model to it.
  package let isStrict: Bool
}

extension ExtractionSchema {
  package func asked(for wanted: Set<String>) -> AskedSchema {
    let isStrict = Self.canBeStrict(rootSource) && Self.canBeStrict(definitions)
    var properties: [JSONTree.Member] = []
    for member in rootSource["properties"]?.members ?? [] where wanted.contains(member.name) {
      let field = Self.rewritten(member.value, isStrict)
      properties.append(JSONTree.Member(member.name, Self.nullable(field)))
    }
    let names = properties.map(\.name)
    properties.append(JSONTree.Member("reasons", Self.reasons(names)))
    var root = JSONTree.object(rootSource.members.filter { Self.isAboutFields($0.name) })
    root.set("type", "object")
    root.set("properties", .object(properties))
    root.set("required", .list((names + ["reasons"]).map(JSONTree.text)))
    root.set("additionalProperties", .bool(false))
    for member in definitions.members {
      root.set(
        member.name,
        .object(
          member.value.members.map {
            JSONTree.Member($0.name, Self.rewritten($0.value, isStrict))
          }))
    }
    return AskedSchema(tree: root, isStrict: isStrict)
  }

  /// The parts of the whole schema that others refer to, under their names.
  private var definitions: JSONTree {
    .object(source.members.filter { $0.name == "$defs" || $0.name == "definitions" })
  }

  private static func isAboutFields(_ name: String) -> Bool {
    name == "title" || name == "description"
  }

  private static func reasons(_ fields: [String]) -> JSONTree {
    let reason: JSONTree = .made(["type": .list(["string", "null"])])
    return .made([
      "type": "object",
      "description": "for each field that is null, why it is, in one short sentence; else null",
      "properties": .object(fields.map { JSONTree.Member($0, reason) }),
      "required": .list(fields.map(JSONTree.text)),
      "additionalProperties": .bool(false),
    ])
  }

  private static let loose: Set<String> = [
    "oneOf", "allOf", "not", "if", "patternProperties", "propertyNames", "dependentRequired",
    "dependentSchemas", "unevaluatedProperties", "prefixItems", "contains",
  ]

  /// Whether the strict form says the same: all objects have properties and no others.
  private static func canBeStrict(_ tree: JSONTree) -> Bool {
    if tree.members.contains(where: { loose.contains($0.name) }) { return false }
    if let others = tree["additionalProperties"], others != .bool(false) { return false }
    if tree["type"] == "object", tree["properties"] == nil { return false }
    return tree.members.allSatisfy { member in
      switch member.name {
      case "properties", "$defs", "definitions":
        member.value.members.allSatisfy { canBeStrict($0.value) }
      case "items": canBeStrict(member.value)
      case "anyOf": member.value.elements.allSatisfy(canBeStrict)
      default: true
      }
    }
  }

  private static func rewritten(_ tree: JSONTree, _ isStrict: Bool) -> JSONTree {
    guard case .object(let members) = tree else { return tree }
    let required = Set((tree["required"]?.elements ?? []).compactMap(\.string))
    var out: [JSONTree.Member] = []
    for member in members {
      var value = member.value
      switch member.name {
      case "nullable", "default", "examples", "$schema", "$id", "$comment": continue
      case "properties":
        value = .object(
          value.members.map { property in
            let inner = rewritten(property.value, isStrict)
            let isOptional = !required.contains(property.name)
            return JSONTree.Member(property.name, isOptional ? nullable(inner) : inner)
          })
      case "items", "additionalProperties": value = rewritten(value, isStrict)
      case "anyOf", "oneOf", "allOf":
        value = .list(value.elements.map { rewritten($0, isStrict) })
      default: break
      }
      out.append(JSONTree.Member(member.name, value))
    }
    var whole = JSONTree.object(out)
    if isStrict, let properties = whole["properties"] {
      whole.set("required", .list(properties.members.map { .text($0.name) }))
      whole.set("additionalProperties", .bool(false))
    }
    return tree["nullable"]?.isTrue ?? false ? nullable(whole) : whole
  }

  /// The same, or null.
  private static func nullable(_ tree: JSONTree) -> JSONTree {
    guard case .object(let members) = tree else { return tree }
    var whole = tree
    let isPlain = !members.contains {
      ["anyOf", "oneOf", "allOf", "$ref", "const"].contains($0.name)
    }
    if isPlain, let type = tree["type"] {
      var kinds: [JSONTree] = if case .list(let list) = type { list } else { [type] }
      if !kinds.contains("null") { kinds.append("null") }
      whole.set("type", .list(kinds))
      if case .list(let choices)? = tree["enum"], !choices.contains(.null) {
        whole.set("enum", .list(choices + [.null]))
      }
      return whole
    }
    return .made(["anyOf": .list([tree, .made(["type": "null"])])])
  }
}
