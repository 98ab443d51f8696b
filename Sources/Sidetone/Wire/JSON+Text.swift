// Every frame.
//
// From the strings of a document to text, and from text to the body of a string. What we write is
// always valid, whatever bytes we were given.

extension JSON {
  /// The bytes that a string stands for, one after the other; ends with nil. Half a surrogate pair
  /// stands for U+FFFD.
  package struct Text {
    private let raw: Bytes
    private var at = 0
    /// Bytes of the last escaped character that are still to come, the next one lowest.
    private var pending: UInt32 = 0

    @_noAllocation package init(_ value: Value, in document: Bytes) {
      raw = document[value.range]
    }

    /// The inside of a string.
    @_noAllocation package init(_ inside: Bytes) { raw = inside }

    /// How much of the inside was read, where no character is under way.
    package var place: Int { at }

    @_noAllocation package mutating func next() -> UInt8? {
      if pending != 0 {
        let byte = UInt8(truncatingIfNeeded: pending)
        pending >>= 8
        return byte
      }
      guard at < raw.count else { return nil }
      let byte = raw[at]
      guard byte == UInt8(ascii: "\\") else {
        at &+= 1
        return byte
      }
      return escaped()
    }

    /// An escape that was cut off, which no whole text has, is the end.
    private mutating func escaped() -> UInt8? {
      guard at &+ 1 < raw.count else {
        at = raw.count
        return nil
      }
      let letter = raw[at &+ 1]
      if letter == UInt8(ascii: "u") { return character() }
      at &+= 2
      switch letter {
      case UInt8(ascii: "b"): return 0x08
      case UInt8(ascii: "f"): return 0x0c
      case UInt8(ascii: "n"): return 0x0a
      case UInt8(ascii: "r"): return 0x0d
      case UInt8(ascii: "t"): return 0x09
      default: return letter
      }
    }

    /// The first byte in UTF-8 of the character that `\u` begins; the others become pending.
    private mutating func character() -> UInt8? {
      guard var scalar = raw.escapedUnit(at: at) else {
        at = raw.count
        return nil
      }
      at &+= 6
      if scalar & 0xfc00 == 0xd800, let low = raw.escapedUnit(at: at), low & 0xfc00 == 0xdc00 {
        scalar = 0x10000 &+ (scalar & 0x3ff) << 10 &+ (low & 0x3ff)
        at &+= 6
      } else if scalar & 0xf800 == 0xd800 {
        scalar = 0xfffd
      }
      if scalar < 0x80 { return UInt8(scalar) }
      let last = 0x80 | scalar & 0x3f
      if scalar < 0x800 {
        pending = last
        return UInt8(0xc0 | scalar >> 6)
      }
      let third = 0x80 | scalar >> 6 & 0x3f
      if scalar < 0x10000 {
        pending = third | last << 8
        return UInt8(0xe0 | scalar >> 12)
      }
      pending = 0x80 | scalar >> 12 & 0x3f | third << 8 | last << 16
      return UInt8(0xf0 | scalar >> 18)
    }
  }

  /// Whether `value` is a string that stands for exactly `text`.
  @inline(__always) package static func text(
    _ value: Value, in document: Bytes, equals text: StaticString
  ) -> Bool {
    // Most are of another length, and without escapes that settles it.
    if value.hasEscapes { return isSame(value, in: document, as: text) }
    return value.range.count == text.utf8CodeUnitCount && value.kind == .string
      && document.holds(text, at: value.range.lowerBound)
  }

  @inline(never) @_noAllocation private static func isSame(
    _ value: Value, in document: Bytes, as text: StaticString
  ) -> Bool {
    Self.text(value, in: document, isSameAs: text.bytes)
  }

  /// The same of a text that is not known when this is compiled.
  @_noAllocation package static func text(
    _ value: Value, in document: Bytes, isSameAs expected: Bytes
  ) -> Bool {
    guard value.kind == .string else { return false }
    var characters = Text(value, in: document)
    var place = 0
    while let byte = characters.next() {
      guard place < expected.count, expected[place] == byte else { return false }
      place &+= 1
    }
    return place == expected.count
  }

  /// Writes the text that a string stands for. The writer may write over the string itself, since
  /// text is never longer than its escaped form.
  @_noAllocation package static func unescape(
    _ value: Value, in document: Bytes, to writer: inout Writer
  ) {
    guard value.hasEscapes else {
      writer.write(document[value.range])
      return
    }
    var characters = Text(value, in: document)
    while let byte = characters.next() { writer.write(byte: byte) }
  }
}

extension Writer {
  /// Writes `text` as the inside of a JSON string. A byte that is not UTF-8 becomes U+FFFD.
  @_noAllocation package mutating func write(json text: Bytes) {
    var written = 0
    var at = 0
    while at < text.count {
      let byte = text[at]
      let length = text.characterLength(at: at)
      if length > 1 || length == 1 && byte >= 0x20 && byte != 0x22 && byte != 0x5c {
        at &+= length
        continue
      }
      write(text[written..<at])
      length == 0 ? write("\u{fffd}") : write(jsonEscapeOf: byte)
      at &+= 1
      written = at
    }
    write(text.dropping(written))
  }

  @_noAllocation package mutating func write(json text: StaticString) { write(json: text.bytes) }

  /// Writes the inside of a peer's JSON string as it stands, but for halves of surrogate pairs:
  /// they become U+FFFD, since not every reader takes what is no character.
  @_noAllocation package mutating func write(jsonText text: Bytes) {
    var written = 0
    var at = 0
    while at < text.count {
      guard text[at] == UInt8(ascii: "\\") else {
        at &+= 1
        continue
      }
      let length = text.escapeLength(at: at)
      if text.isHalfPair(at: at, length: length) {
        write(text[written..<at])
        write("\u{fffd}")
        written = at &+ length
      }
      at &+= max(length, 1)
    }
    write(text.dropping(written))
  }

  private mutating func write(jsonEscapeOf byte: UInt8) {
    switch byte {
    case 0x22: write("\\\"")
    case 0x5c: write("\\\\")
    case 0x0a: write("\\n")
    case 0x0d: write("\\r")
    case 0x09: write("\\t")
    default:
      write(byte < 0x10 ? "\\u000" : "\\u001")
      write(byte: byte & 15 < 10 ? 0x30 &+ byte & 15 : 0x57 &+ byte & 15)
    }
  }
}

extension Bytes {
  /// How many bytes the UTF-8 character that begins here has; 0 where none does.
  @_noAllocation func characterLength(at place: Int) -> Int {
    var check = UTF8Validator()
    var end = place
    while end < count, check.accept(self[end..<end &+ 1]) {
      end &+= 1
      if check.isComplete { return end &- place }
    }
    return 0
  }
}

extension JSON {
  /// The longest beginning of a string's inside that cuts no character and no escape in two.
  @_noAllocation static func wholePrefix(of text: Bytes, upTo limit: Int) -> Int {
    var at = 0
    while at < text.count {
      var next = at &+ 1
      if text[at] == 0x5c {
        next = at &+ max(text.escapeLength(at: at), 1)
      } else {
        while next < text.count, text[next] & 0xc0 == 0x80 { next &+= 1 }
      }
      if next > limit { break }
      at = next
    }
    return at
  }
}
