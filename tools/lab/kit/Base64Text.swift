// Base64 (RFC 4648 §4; §5 where it is asked for) for the lab's messages.

package enum Base64Text {
  private static let digits = Array(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
  private static let urlDigits: [UInt8] =
    digits.dropLast(2) + [UInt8(ascii: "-"), UInt8(ascii: "_")]
  private static let padding = UInt8(ascii: "=")
  /// What each byte stands for; 64 where it is no digit.
  private static let values = (0...255).map { byte in
    UInt8(digits.firstIndex(of: UInt8(byte)) ?? 64)
  }

  package static func encode(_ bytes: some Collection<UInt8>, forURL: Bool = false) -> String {
    let digits = forURL ? Self.urlDigits : Self.digits
    let bytes = Array(bytes)
    var text: [UInt8] = []
    text.reserveCapacity((bytes.count + 2) / 3 * 4)
    for begin in stride(from: 0, to: bytes.count, by: 3) {
      let count = min(3, bytes.count - begin)
      var bits = 0
      for place in 0..<3 { bits = bits << 8 | (place < count ? Int(bytes[begin + place]) : 0) }
      for place in 0..<4 {
        text.append(place <= count ? digits[bits >> (18 - 6 * place) & 63] : padding)
      }
    }
    return String(decoding: text, as: UTF8.self)
  }

  /// Nil where the text is not base64 with its padding.
  package static func decode(_ text: String) -> [UInt8]? {
    let bytes = Array(text.utf8)
    guard bytes.count % 4 == 0 else { return nil }
    let padded = bytes.suffix(2).filter { $0 == padding }.count
    var result: [UInt8] = []
    result.reserveCapacity(bytes.count / 4 * 3)
    var bits = 0
    for (place, byte) in bytes.dropLast(padded).enumerated() {
      let value = values[Int(byte)]
      guard value < 64 else { return nil }
      bits = (bits << 6 | Int(value)) & 0xff_ffff
      if place % 4 > 0 { result.append(UInt8(truncatingIfNeeded: bits >> (6 - 2 * (place % 4)))) }
    }
    return result
  }
}
