// JSON for the lab: whole messages as values, read by a parser written apart from the relay's own,
// so that the lab can judge what the relay writes. Nothing here runs for a frame of the relay.

package enum JSON: Equatable, Sendable {
  case null
  case bool(Bool)
  case number(Double)
  case string(String)
  case array([JSON])
  case object(Members)

  package subscript(_ key: String) -> JSON? {
    get { if case .object(let members) = self { members[key] } else { nil } }
    set {
      guard case .object(var members) = self else { return }
      members[key] = newValue
      self = .object(members)
    }
  }
  package subscript(_ index: Int) -> JSON? {
    if case .array(let items) = self, items.indices.contains(index) { items[index] } else { nil }
  }
  package var string: String? { if case .string(let text) = self { text } else { nil } }
  package var number: Double? { if case .number(let value) = self { value } else { nil } }
  package var array: [JSON]? { if case .array(let items) = self { items } else { nil } }
  package var members: Members? { if case .object(let members) = self { members } else { nil } }
  package var bool: Bool? { if case .bool(let value) = self { value } else { nil } }

  /// The value that `text` writes, or nil where it is not exactly one JSON value (RFC 8259).
  package init?(_ text: some Sequence<UInt8>) {
    var reader = Reader(text: Array(text))
    guard let value = reader.value(depth: 0) else { return nil }
    reader.skipSpace()
    guard reader.place == reader.text.count else { return nil }
    self = value
  }

  /// The text as a JSON string, quotes included.
  package static func quote(_ text: String) -> String {
    // Most texts, and long ones like audio, hold nothing to escape.
    if text.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x22 && $0 != 0x5c }) { return "\"\(text)\"" }
    var quoted = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"", "\\":
        quoted += "\\"
        quoted.unicodeScalars.append(scalar)
      case "\0"..<" ":
        let digits = String(scalar.value, radix: 16)
        quoted += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: quoted.unicodeScalars.append(scalar)
      }
    }
    return quoted + "\""
  }

  /// The value as text in which every letter of a string is an escape, where that is the member
  /// `key`; for readers that find strings without reading JSON.
  package func text(escaping key: String, _ string: String) -> String {
    let digits = string.utf16.map { unit in
      let digits = String(unit, radix: 16)
      return "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
    }
    return text.replacing(
      "\"\(key)\":" + Self.quote(string), with: "\"\(key)\":\"\(digits.joined())\"")
  }

  /// The value as text, without spaces; a whole number is written as one.
  package var text: String {
    switch self {
    case .null: "null"
    case .bool(let value): "\(value)"
    case .number(let value): Int(exactly: value).map { "\($0)" } ?? "\(value)"
    case .string(let text): Self.quote(text)
    case .array(let items): "[\(items.map(\.text).joined(separator: ","))]"
    case .object(let members):
      "{\(members.all.map { "\(Self.quote($0.key)):\($0.value.text)" }.joined(separator: ","))}"
    }
  }
}

// MARK: Written in Swift

extension JSON {
  /// What an object holds, in the order in which it was written; that order makes no two objects
  /// different.
  package struct Members: Equatable, Sendable, ExpressibleByDictionaryLiteral {
    package private(set) var all: [(key: String, value: JSON)] = []

    package init(dictionaryLiteral elements: (String, JSON)...) {
      for (key, value) in elements { self[key] = value }
    }

    package var count: Int { all.count }

    package subscript(_ key: String) -> JSON? {
      get { all.first { $0.key == key }?.value }
      set {
        let index = all.firstIndex { $0.key == key }
        switch (index, newValue) {
        case (let index?, let value?): all[index].value = value
        case (let index?, nil): all.remove(at: index)
        case (nil, let value?): all.append((key, value))
        case (nil, nil): break
        }
      }
    }

    package static func == (left: Members, right: Members) -> Bool {
      left.count == right.count && left.all.allSatisfy { right[$0.key] == $0.value }
    }
  }
}

extension JSON: ExpressibleByDictionaryLiteral, ExpressibleByArrayLiteral,
  ExpressibleByStringInterpolation, ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral,
  ExpressibleByBooleanLiteral, ExpressibleByNilLiteral
{
  package init(dictionaryLiteral elements: (String, JSON)...) {
    var members: Members = [:]
    for (key, value) in elements { members[key] = value }
    self = .object(members)
  }
  package init(arrayLiteral elements: JSON...) { self = .array(elements) }
  package init(stringLiteral value: String) { self = .string(value) }
  package init(integerLiteral value: Int) { self = .number(Double(value)) }
  package init(floatLiteral value: Double) { self = .number(value) }
  package init(booleanLiteral value: Bool) { self = .bool(value) }
  package init(nilLiteral: ()) { self = .null }
  package init(_ value: Int) { self = .number(Double(value)) }
}

private struct Reader {
  let text: [UInt8]
  var place = 0

  private var next: UInt8? { place < text.count ? text[place] : nil }

  mutating func skipSpace() {
    while let byte = next, byte == 0x20 || byte == 0x09 || byte == 0x0a || byte == 0x0d {
      place += 1
    }
  }

  private mutating func take(_ literal: String) -> Bool {
    guard text[place...].starts(with: literal.utf8) else { return false }
    place += literal.utf8.count
    return true
  }

  mutating func value(depth: Int) -> JSON? {
    guard depth < 64 else { return nil }
    skipSpace()
    switch next {
    case UInt8(ascii: "{"): return object(depth: depth)
    case UInt8(ascii: "["): return array(depth: depth)
    case UInt8(ascii: "\""): return string().map { .string($0) }
    case UInt8(ascii: "t"): return take("true") ? .bool(true) : nil
    case UInt8(ascii: "f"): return take("false") ? .bool(false) : nil
    case UInt8(ascii: "n"): return take("null") ? .null : nil
    default: return number()
    }
  }

  private mutating func object(depth: Int) -> JSON? {
    var members: JSON.Members = [:]
    place += 1
    skipSpace()
    if take("}") { return .object(members) }
    while true {
      skipSpace()
      guard let key = string() else { return nil }
      skipSpace()
      guard take(":"), let item = value(depth: depth + 1) else { return nil }
      members[key] = item
      skipSpace()
      if take("}") { return .object(members) }
      guard take(",") else { return nil }
    }
  }

  private mutating func array(depth: Int) -> JSON? {
    var items: [JSON] = []
    place += 1
    skipSpace()
    if take("]") { return .array(items) }
    while true {
      guard let item = value(depth: depth + 1) else { return nil }
      items.append(item)
      skipSpace()
      if take("]") { return .array(items) }
      guard take(",") else { return nil }
    }
  }

  private mutating func number() -> JSON? {
    let start = place
    func isDigit(_ byte: UInt8?) -> Bool { byte.map { $0 >= 0x30 && $0 <= 0x39 } ?? false }
    _ = take("-")
    let whole = place
    while isDigit(next) { place += 1 }
    guard place > whole, text[whole] != 0x30 || place == whole + 1 else { return nil }
    if take(".") {
      guard isDigit(next) else { return nil }
      while isDigit(next) { place += 1 }
    }
    if take("e") || take("E") {
      _ = take("+") || take("-")
      guard isDigit(next) else { return nil }
      while isDigit(next) { place += 1 }
    }
    return Double(String(decoding: text[start..<place], as: UTF8.self)).map { .number($0) }
  }

  private mutating func string() -> String? {
    guard next == UInt8(ascii: "\"") else { return nil }
    place += 1
    var bytes: [UInt8] = []
    while let byte = next {
      place += 1
      switch byte {
      case UInt8(ascii: "\""): return String(validating: bytes, as: UTF8.self)
      case UInt8(ascii: "\\"):
        guard let escaped = escape() else { return nil }
        bytes += escaped
      case 0..<0x20: return nil
      default: bytes.append(byte)
      }
    }
    return nil
  }

  private mutating func escape() -> [UInt8]? {
    guard let byte = next else { return nil }
    place += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return [byte]
    case UInt8(ascii: "b"): return [0x08]
    case UInt8(ascii: "f"): return [0x0c]
    case UInt8(ascii: "n"): return [0x0a]
    case UInt8(ascii: "r"): return [0x0d]
    case UInt8(ascii: "t"): return [0x09]
    case UInt8(ascii: "u"):
      guard var code = unit() else { return nil }
      if code >= 0xd800, code < 0xdc00 {
        // A character beyond the basic plane is written as a pair of surrogates (RFC 8259 §7).
        guard take("\\u"), let second = unit(), second >= 0xdc00, second < 0xe000 else {
          return nil
        }
        code = 0x10000 + (code - 0xd800) << 10 + (second - 0xdc00)
      }
      return Unicode.Scalar(code).map { Array(String(Character($0)).utf8) }
    default: return nil
    }
  }

  private mutating func unit() -> UInt32? {
    guard place + 4 <= text.count else { return nil }
    defer { place += 4 }
    return UInt32(String(decoding: text[place..<place + 4], as: UTF8.self), radix: 16)
  }
}
