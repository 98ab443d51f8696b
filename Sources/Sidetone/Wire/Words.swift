// Messages between the processes of one relay: words with a space between them, then the rest.

/// The words of a message, one space between them.
struct Words {
  private(set) var rest: Bytes

  init(_ message: Bytes) { rest = message }

  mutating func next() -> Bytes {
    let end = rest.firstIndex(of: 0x20) ?? rest.count
    defer { rest = rest.dropping(min(end + 1, rest.count)) }
    return rest.prefix(end)
  }

  /// A decimal number of at most 18 digits.
  mutating func number() -> Int? {
    let word = next()
    guard (1...18).contains(word.count) else { return nil }
    var number = 0
    for index in 0..<word.count {
      guard (0x30...0x39).contains(word[index]) else { return nil }
      number = number &* 10 &+ Int(word[index] &- 0x30)
    }
    return number
  }

  /// A call's key: 16 digits.
  mutating func key() -> UInt64? {
    let word = next()
    guard word.count == 16 else { return nil }
    var key: UInt64 = 0
    for index in 0..<16 {
      guard let digit = Character(UnicodeScalar(word[index])).hexDigitValue else { return nil }
      key = key << 4 | UInt64(digit)
    }
    return key
  }
}
