// Text that comes from outside must not speak to a terminal, nor turn round what is read there:
// which characters could is said here, for all that shows text: log, journal, files, events.

/// A character that is shown as its number, `\u202e`, as JSON would write it, so that JSON stays
/// what it is: control characters, marks that change the direction of text, other line ends and
/// invisible tags.
package struct Mark {
  private let scalar: UInt32
  /// How many bytes it has; 0: what stands there is shown as it is.
  let length: Int

  init(_ text: Bytes, _ at: Int) {
    (scalar, length) = Self.find(text, at)
  }

  package static func isOne(_ scalar: UInt32) -> Bool {
    switch scalar {
    case 0..<0x20, 0x7f...0x9f, 0x061c, 0x200e, 0x200f, 0x2028...0x202e, 0x2066...0x2069,
      0xfeff, 0xe_0000...0xe_007f:
      true
    default: false
    }
  }

  /// Line ends and tabs of a text.
  var isSpace: Bool { scalar == 0x09 || scalar == 0x0a || scalar == 0x0d }

  private static func find(_ text: Bytes, _ at: Int) -> (UInt32, Int) {
    func rest(_ offset: Int) -> UInt32 {
      at &+ offset < text.count ? UInt32(text[at &+ offset]) & 0x3f : 0
    }
    let first = UInt32(text[at])
    let (scalar, length): (UInt32, Int) =
      switch first {
      case 0..<0x80: (first, 1)
      case 0xc2, 0xd8: ((first & 0x1f) << 6 | rest(1), 2)
      case 0xe2, 0xef: ((first & 0x0f) << 12 | rest(1) << 6 | rest(2), 3)
      case 0xf3: ((first & 0x07) << 18 | rest(1) << 12 | rest(2) << 6 | rest(3), 4)
      default: (0x20, 0)
      }
    return isOne(scalar) && at &+ length <= text.count ? (scalar, length) : (0, 0)
  }

  /// Its UTF-16.
  func units(_ take: (UInt16) -> Void) {
    guard scalar > 0xffff else { return take(UInt16(truncatingIfNeeded: scalar)) }
    let rest = scalar &- 0x1_0000
    take(UInt16(truncatingIfNeeded: 0xd800 | rest >> 10))
    take(UInt16(truncatingIfNeeded: 0xdc00 | rest & 0x3ff))
  }
}

extension Unicode.Scalar {
  /// As JSON escapes it where it is a mark (`Mark`); nil: it is shown as it is.
  package var markEscapes: String? {
    guard Mark.isOne(value) else { return nil }
    return String(self).utf16.reduce(into: "") { escapes, unit in
      let hex = String(unit, radix: 16)
      escapes += "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
    }
  }
}
