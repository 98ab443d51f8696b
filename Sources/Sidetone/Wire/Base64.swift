// Every frame.
//
// Base64 with the standard alphabet (RFC 4648 §4). Decoding forgives missing padding, since some
// carriers leave it out, and nothing else: no white space, no foreign character, no stray bits
// behind the last byte. The work is done by the kernels in CKernels/base64.c. What is written in
// another way and can mean but one thing is put right where it lies (`decodeInPlace`).

import CKernels

package enum Base64 {
  /// How many bytes `source` decodes to, judged by its length and padding alone; nil where no text
  /// of that length can be base64.
  @inline(__always) package static func decodedCount(of source: Bytes) -> Int? {
    decodedCount(ofDigits: source.count &- padding(of: source))
  }

  @inline(__always) private static func decodedCount(ofDigits digits: Int) -> Int? {
    digits & 3 == 1 ? nil : digits / 4 &* 3 &+ (digits & 3) &* 3 / 4
  }

  /// Decodes all of `source` and returns the number of bytes written; nil where it is not base64,
  /// and then `destination` holds rubbish. `destination` has room for `decodedCount` bytes, and may
  /// begin where `source` begins.
  @_noAllocation package static func decode(_ source: Bytes, into destination: Bytes) -> Int? {
    let digits = source.count &- padding(of: source)
    guard let count = decodedCount(ofDigits: digits) else { return nil }
    precondition(count <= destination.count, "the destination has room for decodedCount")
    let written = unsafe ck_base64_decode(destination.base, source.base, digits)
    return written < 0 ? nil : written
  }

  /// How many characters `count` bytes become, padding included.
  @_noAllocation package static func encodedCount(of count: Int) -> Int { (count &+ 2) / 3 &* 4 }

  /// Encodes all of `source` with padding and returns the number of characters written.
  /// `destination` has room for `encodedCount` and does not overlap `source`.
  @_noAllocation package static func encode(_ source: Bytes, into destination: Bytes) -> Int {
    let count = encodedCount(of: source.count)
    precondition(count <= destination.count, "the destination has room for encodedCount")
    unsafe ck_base64_encode(destination.base, source.base, source.count)
    return count
  }

  /// The characters `=` at the end that may be there: only where they fill the last group of four.
  @inline(__always) private static func padding(of source: Bytes) -> Int {
    let count = source.count
    guard count >= 4, count & 3 == 0, source[count &- 1] == 0x3d else { return 0 }
    return source[count &- 2] == 0x3d ? 2 : 1
  }

  // MARK: Other spellings

  /// Decodes where it lies, whatever the spelling, and returns the number of bytes at its
  /// beginning; nil where it is no base64, and then it holds rubbish.
  @_noAllocation package static func decodeInPlace(_ text: Bytes) -> Int? {
    if dataStart(in: text) > 0 { return straighten(text).flatMap { decode($0, into: $0) } }
    let digits = text.count &- padding(of: text)
    let written = unsafe ck_base64_decode(text.base, text.base, digits)
    if written >= 0 { return written }
    // Whole groups in front of the first odd character are decoded; what is behind is as it was.
    let start = -1 &- written
    guard let rest = straighten(text.dropping(start)),
      let more = decode(rest, into: text.dropping(start / 4 &* 3))
    else { return nil }
    return start / 4 &* 3 &+ more
  }

  /// Writes another spelling of base64 in the standard one, where it lies: the alphabet for URLs
  /// (RFC 4648 §5), white space, the head of a `data:` URL, padding of any length. Nil, and nothing
  /// done, where it is no spelling of base64; what was standard already comes back as it was.
  @inline(never) @_noAllocation private static func straighten(_ text: Bytes) -> Bytes? {
    var end = text.count
    while end > 0, text[end &- 1] == 0x3d || text[end &- 1] <= 0x20 { end &-= 1 }
    let start = dataStart(in: text.prefix(end))
    for index in start..<end where value(of: text[index]) == 0 { return nil }
    var count = 0
    for index in start..<end {
      let byte = value(of: text[index])
      guard byte > 0x20 else { continue }
      text[count] = byte
      count &+= 1
    }
    return text.prefix(count)
  }

  /// Behind the head of a `data:` URL (RFC 2397), where there is one.
  private static func dataStart(in text: Bytes) -> Int {
    guard text.count >= 5, text.prefix(5).equalsIgnoringCase("data:"),
      let comma = text.firstIndex(of: 0x2c), comma >= 7,
      text[comma &- 7..<comma].equalsIgnoringCase(";base64")
    else { return 0 }
    return comma &+ 1
  }

  /// A character in the standard alphabet; a space for white space, 0 for what stands in none.
  private static func value(of byte: UInt8) -> UInt8 {
    switch byte {
    case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x2b, 0x2f: byte
    case 0x2d: 0x2b
    case 0x5f: 0x2f
    case 0x20, 0x09, 0x0a, 0x0d: 0x20
    default: 0
    }
  }
}
