// What a voice model of the simulation says: items whose sound tells which item it is, and where in
// it.

import Sidetone

/// How an item can be known again from what its caller is sent.
enum Sound {
  /// G.711 on both sides: every byte arrives as it was, and says its place.
  case exact
  /// Converted: each item is one level, so that its samples can be counted.
  case level
}

struct Item {
  let call: Int
  let index: Int
  /// In samples at 8 kHz.
  let length: Int
  /// What the relay has been handed of it, in bytes as they were sent, and when.
  private(set) var handed = 0
  private(set) var handings: [(at: Instant, bytes: Int)] = []
  /// It was interrupted, or its audio came too late.
  var isVoid = false
  /// No more of it comes.
  var isOver = false
  /// The relay knows of it, if only from its words.
  var isKnown = false
  /// Samples that have left the relay for its caller.
  var departed = 0
  /// What the caller had really heard of it when it was interrupted.
  var truth: Int?
  /// The relay told the model how much was heard, in milliseconds.
  var told: Int?

  var name: String { "item_\(call)_\(index)" }

  init(call: Int, index: Int, length: Int) {
    self.call = call
    self.index = index
    self.length = length
  }

  mutating func hand(_ bytes: Int, at now: Instant) {
    handed += bytes
    handings.append((now, handed))
    isKnown = true
  }

  /// When so many bytes had been handed over; nil: they never were.
  func time(of bytes: Int) -> Instant? { handings.first { $0.bytes >= bytes }?.at }

  // MARK: Sound

  static func bytesPerSample(_ sound: Sound) -> Int { sound == .exact ? 1 : 6 }

  /// Its byte of G.711; none is silence.
  func byte(at position: Int) -> UInt8 { audio(call: call * 1000 + index, at: position) }

  /// Its samples; no neighbours are alike.
  var level: Int16 { [4000, -4000, 8000, -8000, 12_000, -12_000, 16_000, -16_000][index % 8] }

  func isLevel(_ sample: Int16) -> Bool { abs(Int(sample) - Int(level)) < 1100 }

  func bytes(_ range: Range<Int>, as sound: Sound) -> [UInt8] {
    switch sound {
    case .exact: return range.map { byte(at: $0) }
    case .level:
      let low = UInt8(truncatingIfNeeded: level)
      let high = UInt8(truncatingIfNeeded: level >> 8)
      return range.map { $0 % 2 == 0 ? low : high }
    }
  }
}

// MARK: Base64

func base64(_ bytes: [UInt8]) -> String {
  var text = [UInt8](repeating: 0, count: Base64.encodedCount(of: bytes.count))
  let count = bytes.withBytes { bytes in text.withMutableBytes { Base64.encode(bytes, into: $0) } }
  return String(decoding: text.prefix(count), as: UTF8.self)
}

/// The bytes of the base64 text between `start` and the next quote; nil where it is not there.
func payload(of text: [UInt8], behind start: StaticString) -> [UInt8]? {
  guard let from = place(behind: start, in: text) else { return nil }
  let end = text[from...].firstIndex(of: 0x22) ?? text.count
  var encoded = Array(text[from..<end])
  let count = encoded.withMutableBytes { Base64.decode($0, into: $0) }
  return count.map { Array(encoded.prefix($0)) }
}

/// Where `text` goes on behind the first `words`.
func place(behind words: StaticString, in text: [UInt8]) -> Int? {
  words.withUTF8Buffer { words in
    guard let first = words.first, text.count >= words.count else { return nil }
    var at = 0
    while at <= text.count - words.count {
      if text[at] == first, (1..<words.count).allSatisfy({ text[at + $0] == words[$0] }) {
        return at + words.count
      }
      at += 1
    }
    return nil
  }
}
