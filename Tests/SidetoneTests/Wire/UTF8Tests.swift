// The validator against tables and against the standard library, whole and in every pair of pieces.

import Testing

@testable import Sidetone

@Suite struct UTF8Tests {
  /// Whether no byte was refused, and whether the text may end there.
  private func judge(_ text: [UInt8], cutAt cut: Int = 0) -> (isValid: Bool, isComplete: Bool) {
    var validator = UTF8Validator()
    for piece in [text[..<cut], text[cut...]] {
      let page = ForbiddenPage(Array(piece))
      if !validator.accept(page.bytes) { return (false, false) }
    }
    return (true, validator.isComplete)
  }

  static let valid: [[UInt8]] = [
    [], [0x00], [0x7f], [0xc2, 0x80], [0xdf, 0xbf], [0xe0, 0xa0, 0x80], [0xec, 0xbf, 0xbf],
    [0xed, 0x80, 0x80], [0xed, 0x9f, 0xbf], [0xee, 0x80, 0x80], [0xef, 0xbf, 0xbf],
    [0xef, 0xbb, 0xbf], [0xf0, 0x90, 0x80, 0x80], [0xf3, 0xbf, 0xbf, 0xbf],
    [0xf4, 0x80, 0x80, 0x80], [0xf4, 0x8f, 0xbf, 0xbf],
    Array("Grüße, κόσμε, 한국어, हिन्दी, 🎧🎤".utf8),
    [UInt8](repeating: 0x61, count: 130) + Array("é".utf8) + [UInt8](repeating: 0x61, count: 70),
  ]

  /// Bad text, and how many of its bytes could still have become valid.
  static let invalid: [(text: [UInt8], good: Int)] = [
    ([0x80], 0), ([0xbf], 0), ([0x61, 0x80], 1),  // continuation bytes without a beginning
    ([0xc0, 0x80], 0), ([0xc1, 0xbf], 0),  // overlong forms
    ([0xe0, 0x80, 0x80], 1), ([0xe0, 0x9f, 0xbf], 1),
    ([0xf0, 0x80, 0x80, 0x80], 1), ([0xf0, 0x8f, 0xbf, 0xbf], 1),
    ([0xed, 0xa0, 0x80], 1), ([0xed, 0xbf, 0xbf], 1),  // surrogates
    ([0xed, 0xa0, 0x80, 0xed, 0xb0, 0x80], 1),
    ([0xf4, 0x90, 0x80, 0x80], 1), ([0xf5, 0x80, 0x80, 0x80], 0),  // past 10FFFF
    ([0xf8, 0x88, 0x80, 0x80, 0x80], 0), ([0xfc, 0x84, 0x80, 0x80, 0x80, 0x80], 0),
    ([0xfe], 0), ([0xff], 0),
    ([0xc2, 0x41], 1), ([0xe2, 0x82, 0x41], 2), ([0xf0, 0x9f, 0x8e, 0x41], 3),  // cut short
    ([0xe2, 0xc2, 0x80], 1), ([0xf0, 0x9f, 0xf0], 2),
  ]

  @Test(arguments: valid) func `accepts valid text however it is cut`(text: [UInt8]) {
    for cut in 0...text.count {
      let judged = judge(text, cutAt: cut)
      #expect(judged.isValid && judged.isComplete)
    }
  }

  @Test(arguments: invalid) func `refuses bad text at its first bad byte`(text: [UInt8], good: Int)
  {
    for cut in 0...text.count {
      #expect(!judge(text, cutAt: cut).isValid)
    }
    for count in 0...good {
      #expect(judge(Array(text[..<count])).isValid)
    }
    #expect(!judge(Array(text[...good])).isValid)
  }

  @Test func `knows that a cut character is not complete`() {
    for character in ["é", "€", "🎧"] {
      let text = Array(character.utf8)
      for count in 1..<text.count {
        let judged = judge([0x61] + text[..<count])
        #expect(judged.isValid && !judged.isComplete)
      }
    }
  }

  @Test func `agrees with the standard library on every sequence of border values`() {
    let borders: [UInt8] = [
      0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xec,
      0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xff,
    ]
    for a in borders {
      for b in borders {
        for c in borders {
          for text in [[a, b], [a, b, c], [a, b, c, 0x80], [0x41, a, b, c, 0xbf]] {
            text.withBytes { bytes in
              var validator = UTF8Validator()
              let judged = validator.accept(bytes) && validator.isComplete
              let expected = String(validating: text, as: UTF8.self) != nil
              if judged != expected { Issue.record("\(text)") }
            }
          }
        }
      }
    }
  }
}
