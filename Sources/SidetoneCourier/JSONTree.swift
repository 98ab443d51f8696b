// JSON as values that can be kept, changed and written again. The engine reads JSON where it lies
// and never builds it; the courier has the time, and takes entries apart with the engine's grammar.
// Numbers keep the text they had, so that what is copied is copied exactly.

import Sidetone

package enum JSONTree: Equatable, Sendable {
  case null
  case bool(Bool)
  case number(String)
  case text(String)
  case list([JSONTree])
  case object([Member])

  package struct Member: Equatable, Sendable {
    package var name: String
    package var value: JSONTree

    package init(_ name: String, _ value: JSONTree) {
      self.name = name
      self.value = value
    }
  }

  /// All of `document`, or nil where it is no JSON in UTF-8.
  package init?(_ document: [UInt8]) {
    let tree: JSONTree? = document.withBytes { bytes in
      guard JSON.isValid(bytes), let whole = JSON.whole(of: bytes) else { return nil }
      return Self.read(whole, in: bytes)
    }
    guard let tree else { return nil }
    self = tree
  }

  private static func read(_ value: JSON.Value, in document: Bytes) -> JSONTree {
    switch value.kind {
    case .null: return .null
    case .true: return .bool(true)
    case .false: return .bool(false)
    case .number: return .number(document[value.range].string)
    case .string: return .text(JSON.string(value, in: document))
    case .array:
      var elements = JSON.Elements(of: value, in: document)
      var list: [JSONTree] = []
      while let element = elements.next() { list.append(read(element, in: document)) }
      return .list(list)
    case .object:
      var members = JSON.Members(of: value, in: document)
      var object: [Member] = []
      while let member = members.next() {
        object.append(
          Member(JSON.string(member.name, in: document), read(member.value, in: document)))
      }
      return .object(object)
    }
  }
}

// MARK: Depth

extension JSONTree {
  /// The same, in which what lies deeper than so many containers is the text of its JSON.
  func flattened(below depth: Int) -> JSONTree {
    switch self {
    case .null, .bool, .number, .text: return self
    case .list, .object: if depth == 0 { return .text(String(decoding: compact, as: UTF8.self)) }
    }
    if case .list(let elements) = self {
      return .list(elements.map { $0.flattened(below: depth - 1) })
    }
    return .object(members.map { Member($0.name, $0.value.flattened(below: depth - 1)) })
  }
}

// MARK: Looking at one

extension JSONTree {
  /// The first member of that name; nil where there is none, or this is no object.
  package subscript(_ name: String) -> JSONTree? { members.first { $0.name == name }?.value }

  /// The members of an object; none of anything else.
  package var members: [Member] {
    guard case .object(let members) = self else { return [] }
    return members
  }

  package var elements: [JSONTree] {
    guard case .list(let elements) = self else { return [] }
    return elements
  }

  package var string: String? {
    guard case .text(let text) = self else { return nil }
    return text
  }

  package var isTrue: Bool { self == .bool(true) }
  package var isNull: Bool { self == .null }

  package var double: Double? {
    guard case .number(let text) = self else { return nil }
    return Double(text)
  }

  /// The nearest whole number; nil beyond 62 bits, and for anything that is no number.
  package var integer: Int64? {
    guard case .number(let text) = self else { return nil }
    if let exact = Int64(text) { return exact }
    guard let double = Double(text), double.magnitude < 0x1p62 else { return nil }
    return Int64(double.rounded())
  }
}

// MARK: Making one

extension JSONTree {
  package static func integer(_ value: some BinaryInteger) -> JSONTree { .number("\(value)") }

  /// To four places; what is no number is null.
  package static func decimal(_ value: Double) -> JSONTree {
    guard value.isFinite, value.magnitude < 1e15 else { return .null }
    return .number("\((value * 10_000).rounded() / 10_000)")
  }

  /// Null for nil and for an empty text.
  package static func known(_ text: String?) -> JSONTree {
    guard let text, !text.isEmpty else { return .null }
    return .text(text)
  }

  package static func made(_ members: KeyValuePairs<String, JSONTree>) -> JSONTree {
    .object(members.map { Member($0.key, $0.value) })
  }

  /// With that member in the place of the first of its name, or behind all; of an object only.
  package mutating func set(_ name: String, _ value: JSONTree) {
    var members = members
    if let place = members.firstIndex(where: { $0.name == name }) {
      members[place].value = value
    } else {
      members.append(Member(name, value))
    }
    self = .object(members)
  }
}

// MARK: Writing one

extension JSONTree {
  /// On one line.
  package var compact: [UInt8] {
    var bytes: [UInt8] = []
    write(to: &bytes, depth: nil)
    return bytes
  }

  /// For people: two spaces for each level, and a newline at the end.
  package var indented: [UInt8] {
    var bytes: [UInt8] = []
    write(to: &bytes, depth: 0)
    bytes.append(UInt8(ascii: "\n"))
    return bytes
  }

  private func write(to bytes: inout [UInt8], depth: Int?) {
    switch self {
    case .null: bytes += "null".utf8
    case .bool(let value): bytes += (value ? "true" : "false").utf8
    case .number(let text): bytes += text.utf8
    case .text(let text): Self.write(text, to: &bytes)
    case .list(let list):
      Self.write(list, "[", "]", to: &bytes, depth) { element, bytes, depth in
        element.write(to: &bytes, depth: depth)
      }
    case .object(let members):
      Self.write(members, "{", "}", to: &bytes, depth) { member, bytes, depth in
        Self.write(member.name, to: &bytes)
        bytes += (depth == nil ? ":" : ": ").utf8
        member.value.write(to: &bytes, depth: depth)
      }
    }
  }

  private static func write<Item>(
    _ items: [Item], _ opening: String, _ closing: String, to bytes: inout [UInt8], _ depth: Int?,
    _ one: (Item, inout [UInt8], Int?) -> Void
  ) {
    func beginLine(_ depth: Int?) {
      guard let depth else { return }
      bytes.append(UInt8(ascii: "\n"))
      bytes.append(contentsOf: repeatElement(UInt8(ascii: " "), count: 2 * depth))
    }
    bytes += opening.utf8
    let inner = depth.map { $0 + 1 }
    for (index, item) in items.enumerated() {
      if index > 0 { bytes.append(UInt8(ascii: ",")) }
      beginLine(inner)
      one(item, &bytes, inner)
    }
    if !items.isEmpty { beginLine(depth) }
    bytes += closing.utf8
  }

  /// A file may be shown on a terminal (`Mark`).
  private static func write(_ text: String, to bytes: inout [UInt8]) {
    bytes.append(UInt8(ascii: "\""))
    for scalar in text.unicodeScalars {
      switch scalar.value {
      case 0x22: bytes += "\\\"".utf8
      case 0x5c: bytes += "\\\\".utf8
      case 0x0a: bytes += "\\n".utf8
      case 0x0d: bytes += "\\r".utf8
      case 0x09: bytes += "\\t".utf8
      default:
        if let escapes = scalar.markEscapes {
          bytes += escapes.utf8
        } else {
          bytes += UTF8.encode(scalar)!
        }
      }
    }
    bytes.append(UInt8(ascii: "\""))
  }
}
