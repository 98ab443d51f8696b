// What is a mistake in the schema of a function's arguments: by it nothing could be judged, or not
// what was meant.

import Sidetone

enum FunctionSchema {
  private static let types = [
    "object", "array", "string", "number", "integer", "boolean", "null",
  ]
  private static let bounds = [
    "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems",
  ]

  /// The first one, as what follows the setting's name; nil: there is none. The text is JSON.
  static func mistake(in text: String) -> String? {
    Array(text.utf8).withBytes { bytes in
      JSON.whole(of: bytes).flatMap { mistake(of: $0, in: bytes, at: "") }
    }
  }

  private static func mistake(of schema: JSON.Value, in text: Bytes, at place: String) -> String? {
    if schema.kind == .true || schema.kind == .false { return nil }
    guard schema.kind == .object else { return "has no schema at \(place)" }
    var members = JSON.Members(of: schema, in: text)
    while let member = members.next() {
      let name = JSON.string(member.name, in: text)
      let path = place.isEmpty ? name : "\(place).\(name)"
      if let found = mistake(of: member.value, named: name, in: text, at: path) { return found }
    }
    return nil
  }

  /// The same of a schema's keyword.
  private static func mistake(
    of value: JSON.Value, named name: String, in text: Bytes, at path: String
  ) -> String? {
    switch name {
    case "type":
      let wrong = values(value, in: text).first {
        $0.kind != .string || !types.contains(JSON.string($0, in: text).lowercased())
      }
      guard let wrong else { return nil }
      let shown = wrong.kind == .string ? JSON.string(wrong, in: text) : "what stands there"
      return "has \(path): \"\(shown)\" is no type; write \(types.joined(separator: ", "))"
    case "properties":
      guard value.kind == .object else { return "has \(path), which must be an object" }
      var members = JSON.Members(of: value, in: text)
      while let member = members.next() {
        let inner = "\(path).\(JSON.string(member.name, in: text))"
        if let found = mistake(of: member.value, in: text, at: inner) { return found }
      }
    case "required":
      let isList = value.kind == .array && values(value, in: text).allSatisfy { $0.kind == .string }
      if !isList { return "has \(path), but required must be a list of names" }
    case "enum": if value.kind != .array { return "has \(path), which must be a list" }
    case "additionalProperties", "items":
      if value.kind != .array { return mistake(of: value, in: text, at: path) }
    case "anyOf", "oneOf", "allOf":
      guard value.kind == .array else { return "has \(path), which must be a list" }
      for part in values(value, in: text) {
        if let found = mistake(of: part, in: text, at: path) { return found }
      }
    default:
      if bounds.contains(name), value.kind != .number {
        return "has \(path), which must be a number"
      }
    }
    return nil
  }

  /// The elements of a list; of anything else itself.
  private static func values(_ value: JSON.Value, in text: Bytes) -> [JSON.Value] {
    guard value.kind == .array else { return [value] }
    var found: [JSON.Value] = []
    var elements = JSON.Elements(of: value, in: text)
    while let element = elements.next() { found.append(element) }
    return found
  }
}
