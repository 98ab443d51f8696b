// Any bytes are judged without a trap, and as a plain recursive reader judges them. In a valid
// document every value that the walkers reach is valid by itself, every text survives being written
// and read, and every number means one thing.

import Sidetone

func fuzzJSON(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
  let input = FuzzInput(start, count)
  let memory = ExactMemory(input.rest)
  let document = memory.bytes

  let isValid = JSON.isValid(document)
  var reader = Reader(text: document.array)
  precondition(isValid == reader.accepts(), "two readers of one grammar")

  _ = JSON.find("event", in: document)
  _ = JSON.find("channel", "alternatives", "0", "transcript", in: document)
  if isValid { wrapped(document) { walk($0, in: $1) } }
  checkText(of: document)
  return 0
}

/// Hands over what is in `document` as the value of a member; nothing where it is then too deep.
private func wrapped(_ document: Bytes, _ body: (JSON.Value, Bytes) -> Void) {
  let memory = ExactMemory(count: document.count + 6)
  var out = Writer(memory.bytes)
  out.write("{\"v\":")
  out.write(document)
  out.write("}")
  if let value = JSON.find("v", in: out.written) { body(value, out.written) }
}

private func walk(_ value: JSON.Value, in document: Bytes) {
  switch value.kind {
  case .object:
    precondition(JSON.isValid(document[value.range]))
    var members = JSON.Members(of: value, in: document)
    while let member = members.next() {
      walk(member.name, in: document)
      walk(member.value, in: document)
    }
  case .array:
    precondition(JSON.isValid(document[value.range]))
    var elements = JSON.Elements(of: value, in: document)
    while let element = elements.next() { walk(element, in: document) }
  case .string:
    let room = ExactMemory(count: value.range.count)
    var text = Writer(room.bytes)
    JSON.unescape(value, in: document, to: &text)
    precondition(!text.overflowed, "text is never longer than its escaped form")
    precondition(value.hasEscapes || text.written.equals(document[value.range]))
    checkText(of: text.written)
    checkNumber(value, in: document)
  case .number: checkNumber(value, in: document)
  case .true: precondition(document[value.range].equals("true"))
  case .false: precondition(document[value.range].equals("false"))
  case .null: precondition(document[value.range].equals("null"))
  }
}

private func checkNumber(_ value: JSON.Value, in document: Bytes) {
  _ = JSON.decimal(value, scale: 6, in: document)
  guard let integer = JSON.integer(value, in: document) else { return }
  precondition(JSON.decimal(value, scale: 0, in: document) == integer)
}

/// Any bytes make a valid string, and read back as themselves where they were text.
private func checkText(of bytes: Bytes) {
  let room = ExactMemory(count: bytes.count * 6 + 2)
  var out = Writer(room.bytes)
  out.write("\"")
  out.write(json: bytes)
  out.write("\"")
  precondition(!out.overflowed && JSON.isValid(out.written))
  guard String(validating: bytes.array, as: UTF8.self) != nil else { return }
  wrapped(out.written) { value, document in
    let back = ExactMemory(count: value.range.count)
    var text = Writer(back.bytes)
    JSON.unescape(value, in: document, to: &text)
    precondition(text.written.equals(bytes))
  }
}

/// The grammar of RFC 8259, one function per rule, with no thought for speed.
private struct Reader {
  let text: [UInt8]
  private var place = 0

  init(text: [UInt8]) { self.text = text }

  mutating func accepts() -> Bool {
    String(validating: text, as: UTF8.self) != nil && value(depth: 0) && end()
  }

  private mutating func end() -> Bool {
    space()
    return place == text.count
  }

  private mutating func space() {
    while place < text.count, [0x20, 0x09, 0x0a, 0x0d].contains(text[place]) { place += 1 }
  }

  /// Takes a character of the set.
  private mutating func take(_ set: String) -> Bool {
    guard place < text.count, set.utf8.contains(text[place]) else { return false }
    place += 1
    return true
  }

  private mutating func token(_ character: String) -> Bool {
    space()
    return take(character)
  }

  private mutating func value(depth: Int) -> Bool {
    if token("{") { return items(until: "}", depth: depth + 1, isObject: true) }
    if token("[") { return items(until: "]", depth: depth + 1, isObject: false) }
    if take("\"") { return string() }
    for word in ["true", "false", "null"] where text[place...].starts(with: word.utf8) {
      place += word.utf8.count
      return true
    }
    return number()
  }

  private mutating func items(until bracket: String, depth: Int, isObject: Bool) -> Bool {
    guard depth <= JSON.depthMax else { return false }
    if token(bracket) { return true }
    repeat {
      if isObject { guard token("\""), string(), token(":") else { return false } }
      guard value(depth: depth) else { return false }
    } while token(",")
    return token(bracket)
  }

  private mutating func string() -> Bool {
    while place < text.count, text[place] >= 0x20 {
      if take("\"") { return true }
      if take("\\") {
        if take("u") {
          for _ in 0..<4 { guard take("0123456789abcdefABCDEF") else { return false } }
        } else if !take("\"\\/bfnrt") {
          return false
        }
      } else {
        place += 1
      }
    }
    return false
  }

  private mutating func number() -> Bool {
    _ = take("-")
    if !take("0") { guard digits() else { return false } }
    if take(".") { guard digits() else { return false } }
    if take("eE") {
      _ = take("+-")
      return digits()
    }
    return true
  }

  private mutating func digits() -> Bool {
    guard take("0123456789") else { return false }
    while take("0123456789") {}
    return true
  }
}
