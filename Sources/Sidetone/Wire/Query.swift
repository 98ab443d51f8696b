// `a=b&c=d`, as in a URL's query and in the form that a webhook posts (WHATWG URL,
// application/x-www-form-urlencoded). Iterated where it lies; a part is decoded only when asked
// for.

package struct Query {
  /// One part as it was sent, still encoded; a part without `=` has an empty value.
  package struct Pair {
    package var name: Bytes
    package var value: Bytes
  }

  private let bytes: Bytes
  private var at = 0

  package init(_ bytes: Bytes) { self.bytes = bytes }

  /// The next part, empty ones left out; nil at the end.
  @_noAllocation package mutating func next() -> Pair? {
    while at < bytes.count {
      let end = bytes.firstIndex(of: 0x26, from: at) ?? bytes.count
      let part = bytes[at..<end]
      at = end &+ 1
      if part.isEmpty { continue }
      let equals = part.firstIndex(of: 0x3d) ?? part.count
      return Pair(name: part.prefix(equals), value: part.dropping(min(equals &+ 1, part.count)))
    }
    return nil
  }

  /// Whether the encoded name, once decoded, is that text (ASCII).
  @_noAllocation package static func isNamed(_ name: Bytes, _ text: StaticString) -> Bool {
    var at = 0
    let text = text.bytes
    for index in 0..<text.count {
      guard let byte = nextByte(name, &at), byte == text[index] else { return false }
    }
    return at == name.count
  }

  /// The first value of that name, still encoded, or nil.
  @_noAllocation package static func value(of name: StaticString, in query: Bytes) -> Bytes? {
    var parts = Query(query)
    while let pair = parts.next() {
      if isNamed(pair.name, name) { return pair.value }
    }
    return nil
  }

  // MARK: Decoding and encoding

  /// Writes the decoded bytes: `+` is a space, `%41` is an A, and a per cent sign that no two
  /// hexadecimal digits follow stands for itself.
  @_noAllocation package static func decode(_ encoded: Bytes, into out: inout Writer) {
    var at = 0
    while let byte = nextByte(encoded, &at) { out.write(byte: byte) }
  }

  /// Decodes where it lies and answers the front part that holds the result.
  @_noAllocation package static func decodeInPlace(_ encoded: Bytes) -> Bytes {
    var at = 0
    var count = 0
    while let byte = nextByte(encoded, &at) {
      encoded[count] = byte
      count &+= 1
    }
    return encoded.prefix(count)
  }

  /// Writes the bytes so that they may stand in a query: all but the unreserved (RFC 3986 §2.3) as
  /// %XX.
  @_noAllocation package static func encode(_ plain: Bytes, into out: inout Writer) {
    for index in 0..<plain.count {
      let byte = plain[index]
      switch byte {
      case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x2d, 0x2e, 0x5f, 0x7e:
        out.write(byte: byte)
      default:
        out.write(byte: 0x25)
        out.write(byte: upperHexDigit(byte >> 4))
        out.write(byte: upperHexDigit(byte & 15))
      }
    }
  }

  @_noAllocation fileprivate static func nextByte(_ encoded: Bytes, _ at: inout Int) -> UInt8? {
    guard at < encoded.count else { return nil }
    let byte = encoded[at]
    if byte == 0x25, at &+ 2 < encoded.count, let high = hexValue(encoded[at &+ 1]),
      let low = hexValue(encoded[at &+ 2])
    {
      at &+= 3
      return high << 4 | low
    }
    at &+= 1
    return byte == 0x2b ? 0x20 : byte
  }

  /// The value of a hexadecimal digit in either case, or nil.
  @_noAllocation package static func hexValue(_ byte: UInt8) -> UInt8? {
    switch byte {
    case 0x30...0x39: byte &- 0x30
    case 0x41...0x46: byte &- 0x37
    case 0x61...0x66: byte &- 0x57
    default: nil
    }
  }

  @_noAllocation private static func upperHexDigit(_ nibble: UInt8) -> UInt8 {
    nibble < 10 ? 0x30 &+ nibble : 0x37 &+ nibble
  }
}

extension Writer {
  /// Decodes what stands in a query and writes it as the inside of a JSON string. A byte that is
  /// not UTF-8 becomes U+FFFD.
  package mutating func write(jsonOfEncoded text: Bytes) {
    Bytes.withTemporary(4) { character in
      var check = UTF8Validator()
      var count = 0
      var at = 0
      var before = 0
      while let byte = Query.nextByte(text, &at) {
        character[count] = byte
        let isSound = check.accept(character[count..<count &+ 1])
        // A byte that breaks a character off may begin one itself: it is read again.
        if isSound || count == 0 { count &+= 1 } else { at = before }
        before = at
        if isSound, !check.isComplete { continue }
        write(json: character.prefix(count))
        check = UTF8Validator()
        count = 0
      }
      write(json: character.prefix(count))
    }
  }
}
