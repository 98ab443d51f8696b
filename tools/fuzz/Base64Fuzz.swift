// Decoding answers as a decoder does that works bit by bit, in place and elsewhere, and touches
// nothing outside; what is encoded decodes to what it was.

import Sidetone

func fuzzBase64(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
  let input = FuzzInput(start, count)
  let source = ExactMemory(input.rest)
  let expected = decodeBits(input.rest)

  let room = Base64.decodedCount(of: source.bytes)
  precondition(expected == nil || room == expected?.count, "the count is known beforehand")
  if let room {
    let destination = ExactMemory(count: room)
    let written = Base64.decode(source.bytes, into: destination.bytes)
    precondition(written == expected?.count)
    if let expected { precondition(destination.bytes.array == expected) }
  }

  let encoded = ExactMemory(count: Base64.encodedCount(of: source.bytes.count))
  precondition(Base64.encode(source.bytes, into: encoded.bytes) == encoded.bytes.count)
  let again = Base64.decode(encoded.bytes, into: encoded.bytes)
  precondition(again == source.bytes.count)
  precondition(encoded.bytes.prefix(source.bytes.count).equals(source.bytes))

  if let expected {
    precondition(Base64.decode(source.bytes, into: source.bytes) == expected.count)
    precondition(source.bytes.prefix(expected.count).array == expected)
  }
  return 0
}

/// RFC 4648 §4 to the letter; padding may be missing as a whole.
private func decodeBits(_ text: UnsafeBufferPointer<UInt8>) -> [UInt8]? {
  let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
  var digits = Array(text)
  if digits.count % 4 == 0 {
    for _ in 0..<2 where digits.last == UInt8(ascii: "=") { digits.removeLast() }
  }
  guard digits.count % 4 != 1 else { return nil }
  var decoded: [UInt8] = []
  var bits = 0
  var bitCount = 0
  for digit in digits {
    guard let value = alphabet.firstIndex(of: digit) else { return nil }
    bits = bits << 6 | value
    bitCount += 6
    if bitCount >= 8 {
      bitCount -= 8
      decoded.append(UInt8(bits >> bitCount))
      bits &= 1 << bitCount - 1
    }
  }
  return bits == 0 ? decoded : nil
}
