// Text as sound that survives a telephone: two tones for each byte, a mark before and behind each
// word, and a checksum, so that a word is heard as it was said or reported as damaged, never as
// another word. The encoder half; `ToneDecoder` is the other. TONES.md beside the lab describes the
// code in one page.

import Glibc

package enum Tones {
  package static let sampleRate = 8000
  /// How long one symbol lasts: 30 ms.
  static let symbolSamples = 240
  /// Each tone is a multiple of 40 Hz, so a window of 200 samples holds whole periods of all of
  /// them and no tone leaks into the place of another.
  static let windowSamples = 200
  static let guardSamples = (symbolSamples - windowSamples) / 2
  /// Silence behind each word: 60 ms.
  static let gapSamples = 480
  /// Longer words are said in pieces.
  package static let wordBytesMax = 64
  static let checksumBytes = 2

  /// The tones in units of 40 Hz: one of sixteen low ones for the low half of a byte, one of
  /// sixteen high ones for the high half.
  static func low(_ nibble: Int) -> Int { 8 + 2 * nibble }  // 320 ... 1520 Hz
  static func high(_ nibble: Int) -> Int { 44 + 2 * nibble }  // 1760 ... 2960 Hz
  static let startMark = (low: 40, high: 76)  // 1600 and 3040 Hz
  static let endMark = (low: 42, high: 78)  // 1680 and 3120 Hz

  /// The sound of a text, 8 kHz PCM16: its words in order, each followed by a short silence. A full
  /// `level` of 1 would just reach the largest sample.
  package static func encode(_ text: String, level: Double = 0.4) -> [Int16] {
    var samples: [Int16] = []
    for word in words(of: text) { append(word, to: &samples, level: level) }
    return samples
  }

  /// The words that a listener will hear: split at white space, and in pieces where a word is
  /// longer than `wordBytesMax` bytes of UTF-8.
  package static func words(of text: String) -> [String] {
    var words: [String] = []
    for word in text.split(whereSeparator: \.isWhitespace) {
      var piece = ""
      for scalar in word.unicodeScalars {
        if piece.utf8.count + String(scalar).utf8.count > wordBytesMax {
          words.append(piece)
          piece = ""
        }
        piece.unicodeScalars.append(scalar)
      }
      words.append(piece)
    }
    return words
  }

  private static func append(_ word: String, to samples: inout [Int16], level: Double) {
    let bytes = [UInt8](word.utf8)
    let sum = checksum(bytes[...])
    append(startMark, to: &samples, level: level)
    for byte in bytes + [UInt8(sum >> 8), UInt8(sum & 0xff)] {
      append((low(Int(byte & 15)), high(Int(byte >> 4))), to: &samples, level: level)
    }
    append(endMark, to: &samples, level: level)
    samples.append(contentsOf: repeatElement(0, count: gapSamples))
  }

  /// One symbol: its two tones, with edges rounded over 2.5 ms so that they do not click.
  private static func append(
    _ pair: (low: Int, high: Int), to samples: inout [Int16], level: Double
  ) {
    let edge = Double(guardSamples)
    for index in 0..<symbolSamples {
      let fromEdge = Double(min(index, symbolSamples - 1 - index)) + 0.5
      let shape = fromEdge >= edge ? 1 : 0.5 - 0.5 * cos(.pi * fromEdge / edge)
      let turn = 2 * Double.pi * Double(index) / Double(windowSamples)
      let wave = sin(turn * Double(pair.low)) + sin(turn * Double(pair.high))
      samples.append(Int16((wave / 2 * level * shape * 32767).rounded()))
    }
  }

  /// CRC-16 with the polynomial x¹⁶+x¹²+x⁵+1, beginning with all ones.
  static func checksum(_ bytes: ArraySlice<UInt8>) -> UInt16 {
    var sum: UInt16 = 0xffff
    for byte in bytes {
      sum ^= UInt16(byte) << 8
      for _ in 0..<8 { sum = sum & 0x8000 != 0 ? sum << 1 ^ 0x1021 : sum << 1 }
    }
    return sum
  }
}
