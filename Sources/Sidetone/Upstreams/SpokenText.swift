// What models write for the eye, and a voice would read aloud: marks of emphasis, headings and
// lists, backticks, the address behind a link. It is taken out of a text on its way to the voice,
// piece by piece where the piece lies; what decides about a mark is the letter on either side of
// it, and where in its line it stands, which is known from one piece to the next.
//
//     **Two** ways, see [our page](https://…):    Two ways, see our page:
//     - `call` us                                 call us
//
// What may be meant is left: "3 * 4", "snake_case", "#1", "-5", an address that stands by itself.

package struct SpokenText: BitwiseCopyable, Sendable {
  /// In front of what comes next, as it was written.
  private var before: UInt8 = newline
  /// Nothing was in this line but space and marks of its kind.
  private var startsLine = true
  private var link = Link.none

  private enum Link: BitwiseCopyable {
    case none
    /// Behind the text of what may be one.
    case text
    /// In its address, and so many brackets deep.
    case address(Int)
  }

  private static let newline = UInt8(ascii: "\n")

  package init() {}

  /// What is spoken of the next piece; written over it from its front.
  package mutating func take(_ piece: Bytes) -> Bytes {
    var (at, count) = (0, 0)
    while at < piece.count {
      let end = at + markLength(piece, at)
      if end == at {
        piece[count] = piece[at]
        count += 1
      }
      let next = max(end, at + 1)
      follow(piece[at..<next], isMark: end > at)
      at = next
    }
    return piece.prefix(count)
  }

  /// What stands there is passed.
  private mutating func follow(_ text: Bytes, isMark: Bool) {
    let last = text[text.count - 1]
    switch link {
    case .address(let depth):
      switch last {
      case UInt8(ascii: "("): link = .address(depth + 1)
      case UInt8(ascii: ")"): link = depth > 1 ? .address(depth - 1) : .none
      case Self.newline: link = .none
      default: break
      }
    case .text where last == UInt8(ascii: "("): link = .address(1)
    default: link = last == UInt8(ascii: "]") ? .text : .none
    }
    before = last
    startsLine = last == Self.newline || startsLine && (isMark || Self.isSpace(last))
  }

  /// How many bytes there are a mark that is not spoken; 0: none.
  private func markLength(_ text: Bytes, _ at: Int) -> Int {
    let byte = text[at]
    switch link {
    case .address: return byte == Self.newline ? 0 : 1
    case .text where byte == UInt8(ascii: "("): return 1
    default: break
    }
    var end = at + 1
    while end < text.count, text[end] == byte { end += 1 }
    let count = end - at
    // What the next piece begins with is not known: a mark belongs to what stands in front of it.
    let behind = end < text.count ? text[end] : nil
    let isBeforeSpace = behind.map(Self.isSpace) ?? false
    switch byte {
    case UInt8(ascii: "`"), UInt8(ascii: "["), UInt8(ascii: "]"): return count
    case UInt8(ascii: "!"): return count == 1 && behind == UInt8(ascii: "[") ? 1 : 0
    case UInt8(ascii: "~"): return count == 2 ? 2 : 0
    case UInt8(ascii: "#"):
      return startsLine && count <= 6 && isBeforeSpace ? count + 1 : 0
    case UInt8(ascii: "-"), UInt8(ascii: "+"), UInt8(ascii: ">"):
      if startsLine, count == 1, isBeforeSpace { return behind == Self.newline ? 1 : 2 }
      return startsLine && byte == UInt8(ascii: "-") && count >= 3 ? count : 0
    case UInt8(ascii: "*"):
      if startsLine { return count == 1 && behind == UInt8(ascii: " ") ? 2 : count }
      if Self.isSpace(before), isBeforeSpace { return 0 }
      let isProduct = Self.isDigit(before) && behind.map(Self.isDigit) == true
      return isProduct ? 0 : count
    case UInt8(ascii: "_"):
      if startsLine, count >= 3 { return count }
      let isInside = Self.isWord(before) && behind.map(Self.isWord) == true
      return isInside || Self.isSpace(before) && isBeforeSpace ? 0 : count
    default: return 0
    }
  }

  static func isSpace(_ byte: UInt8) -> Bool {
    byte == 0x20 || byte == 0x09 || byte == 0x0d || byte == newline
  }

  private static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }

  /// A letter or a digit, whatever the script.
  private static func isWord(_ byte: UInt8) -> Bool {
    isDigit(byte) || (0x41...0x5a).contains(byte & 0xdf) || byte >= 0x80
  }
}
