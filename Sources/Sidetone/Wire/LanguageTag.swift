// The name of a language as services write it (BCP 47), such as en or pt-BR, kept inline.

package struct LanguageTag: Equatable, BitwiseCopyable, Sendable {
  private static let bytesMax = 15
  private var storage = InlineArray<15, UInt8>(repeating: 0)
  private var length: UInt8 = 0

  package init() {}

  /// Empty where `text` is longer than any tag in use, or has anything but letters, digits and
  /// hyphens.
  package init(_ text: Bytes) {
    guard text.count <= Self.bytesMax else { return }
    for index in 0..<text.count {
      let byte = text[index]
      let isLetter = (0x61...0x7a).contains(byte | 0x20)
      guard isLetter || byte == UInt8(ascii: "-") || byte &- 0x30 <= 9 else { return }
      storage[index] = byte
    }
    length = UInt8(text.count)
  }

  package var isEmpty: Bool { length == 0 }

  package static func == (one: LanguageTag, other: LanguageTag) -> Bool {
    guard one.length == other.length else { return false }
    for index in 0..<Int(one.length) where one.storage[index] != other.storage[index] {
      return false
    }
    return true
  }

  package func write(to writer: inout Writer) {
    for index in 0..<Int(length) { writer.write(byte: storage[index]) }
  }
}
