// Base64 (RFC 4648 §4) for the lab's messages.

package enum Base64Text {
  private static let digits = Array(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
  /// The value of each digit; -1 for every other byte.
  private static let values = (0...255).map { byte in
    Int8(digits.firstIndex(of: UInt8(byte)) ?? -1)
  }

  package static func encode(_ bytes: some Collection<UInt8>) -> String {
    var text: [UInt8] = []
    var rest = Array(bytes)[...]
    while !rest.isEmpty {
      let group = rest.prefix(3)
      let bits = group.reduce(0) { $0 << 8 | Int($1) } << (8 * (3 - group.count))
      for place in 0..<4 {
        text.append(place <= group.count ? digits[bits >> (18 - 6 * place) & 63] : 0x3d)
      }
      rest = rest.dropFirst(3)
    }
    return String(decoding: text, as: UTF8.self)
  }

  /// Nil where the text is not base64 with its padding.
  package static func decode(_ text: String) -> [UInt8]? {
    let bytes = Array(text.utf8)
    guard bytes.count % 4 == 0 else { return nil }
    let padding = bytes.suffix(2).filter { $0 == 0x3d }.count
    var result: [UInt8] = []
    var bits = 0
    for (place, byte) in bytes.dropLast(padding).enumerated() {
      let digit = values[Int(byte)]
      guard digit >= 0 else { return nil }
      bits = bits << 6 | Int(digit)
      if place % 4 > 0 { result.append(UInt8(truncatingIfNeeded: bits >> (6 - 2 * (place % 4)))) }
    }
    return result
  }
}
