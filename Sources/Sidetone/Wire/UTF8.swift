// Every frame.
//
// Judges UTF-8 as it arrives (RFC 3629 §4): a byte that cannot be part of any valid text is refused
// the moment it is seen, wherever the pieces were cut. It never looks at a byte twice and keeps
// none.

import CKernels

package struct UTF8Validator: BitwiseCopyable, Sendable {
  /// Continuation bytes that the character under way still needs.
  private var missing: UInt8 = 0
  /// What the next of them may be. Only the second byte of a character is held to less than 80..BF:
  /// that is where overlong forms, surrogates and code points past 10FFFF show.
  private var low: UInt8 = 0x80
  private var high: UInt8 = 0xbf

  package init() {}

  /// Whether the text so far ends with a whole character.
  package var isComplete: Bool { missing == 0 }

  /// Takes the next piece; false as soon as the text cannot become valid any more.
  @_noAllocation package mutating func accept(_ piece: Bytes) -> Bool {
    var index = 0
    while index < piece.count {
      if missing == 0 {
        let rest = piece.dropping(index)
        index &+= unsafe ck_ascii(rest.base, rest.count)
        if index == piece.count { break }
        guard begin(with: piece[index]) else { return false }
      } else {
        let byte = piece[index]
        guard byte >= low && byte <= high else { return false }
        missing &-= 1
        low = 0x80
        high = 0xbf
      }
      index &+= 1
    }
    return true
  }

  /// The first byte of a character that is not ASCII.
  private mutating func begin(with byte: UInt8) -> Bool {
    switch byte {
    case 0xc2...0xdf: missing = 1
    case 0xe0...0xef: missing = 2
    case 0xf0...0xf4: missing = 3
    default: return false  // a stray continuation byte, an overlong C0 or C1, or beyond F4
    }
    switch byte {
    case 0xe0: low = 0xa0  // below: fits in two bytes
    case 0xed: high = 0x9f  // above: surrogates D800..DFFF
    case 0xf0: low = 0x90  // below: fits in three bytes
    case 0xf4: high = 0x8f  // above: past 10FFFF
    default: break
    }
    return true
  }
}
