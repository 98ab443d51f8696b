// Text on its way into XML, in which our webhooks and some carriers' orders are written.

extension Writer {
  /// Writes `text` so that it may stand in an element or an attribute. What XML 1.0 cannot hold
  /// becomes a space.
  package mutating func write(xml text: Bytes) {
    for index in 0..<text.count {
      switch text[index] {
      case UInt8(ascii: "&"): write("&amp;")
      case UInt8(ascii: "<"): write("&lt;")
      case UInt8(ascii: ">"): write("&gt;")
      case UInt8(ascii: "\""): write("&quot;")
      case UInt8(ascii: "'"): write("&apos;")
      case 0..<0x20, 0x7f: write(" ")
      default: write(byte: text[index])
      }
    }
  }
}
