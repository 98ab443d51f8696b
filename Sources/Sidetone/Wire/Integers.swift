// Every frame.
//
// Signed 16-bit samples as the inside of a JSON array: `0,12,-7`. Nothing but what RFC 8259 §6
// calls an integer is read: no fraction, no exponent, no plus sign, no leading zero. A number is
// taken eight bytes at a time: where it ends and what it is worth come out of the same word without
// a branch that the sound could mislead.

package enum Integers {
  /// The most samples that one message may hold: 40 ms at 24 kHz.
  package static let countMax = 960

  /// How many samples a list that is sound holds: one more than it has commas, none where there is
  /// nothing but white space.
  @_noAllocation package static func count(in text: Bytes) -> Int {
    var commas = 0
    var at = 0
    while at &+ 8 <= text.count {
      // A byte's top bit is set exactly where the byte is a comma.
      let other = text.load(UInt64.self, at: at) ^ (ones &* UInt64(comma))
      let low = (other & ~tops) &+ ~tops
      commas &+= (~(low | other) & tops).nonzeroBitCount
      at &+= 8
    }
    while at < text.count {
      if text[at] == comma { commas &+= 1 }
      at &+= 1
    }
    return commas == 0 && skipSpace(in: text, from: 0) == text.count ? 0 : commas &+ 1
  }

  /// Reads all of `text` as little-endian samples of two bytes to the front of `place` and returns
  /// their count. Nil where something is no such sample, or where they do not fit; then `place`
  /// holds rubbish. The two do not overlap.
  @_noAllocation package static func parse(_ text: Bytes, into place: Bytes) -> Int? {
    var at = 0
    var count = 0
    let samplesMax = place.count / 2
    while at &+ 8 <= text.count {
      let number = Number(text.load(UInt64.self, at: at))
      guard number.isSound, number.end == comma else { break }
      guard count < samplesMax else { return nil }
      place.store(number.value, at: 2 &* count)
      count &+= 1
      at &+= number.length &+ 1
    }
    return parseRest(of: text, from: at, into: place, count)
  }

  /// The same, one byte at a time: white space, and the last numbers.
  private static func parseRest(
    of text: Bytes, from start: Int, into place: Bytes, _ before: Int
  ) -> Int? {
    var at = skipSpace(in: text, from: start)
    var count = before
    // Behind a comma there must be a number.
    if at == text.count { return count == 0 ? 0 : nil }
    while true {
      var word: UInt64 = 0
      var length = 0
      while length < 7, at &+ length < text.count {
        word |= UInt64(text[at &+ length]) << UInt64(8 &* length)
        length &+= 1
      }
      let number = Number(word)
      guard number.isSound, 2 &* count &+ 2 <= place.count else { return nil }
      place.store(number.value, at: 2 &* count)
      count &+= 1
      at = skipSpace(in: text, from: at &+ number.length)
      if at == text.count { return count }
      guard text[at] == comma else { return nil }
      at = skipSpace(in: text, from: at &+ 1)
    }
  }

  private static func skipSpace(in text: Bytes, from start: Int) -> Int {
    var at = start
    while at < text.count {
      let byte = text[at]
      guard byte == 0x20 || byte == 0x0a || byte == 0x0d || byte == 0x09 else { break }
      at &+= 1
    }
    return at
  }

  fileprivate static let comma = UInt8(ascii: ",")
  fileprivate static let ones: UInt64 = 0x0101_0101_0101_0101
  fileprivate static let tops: UInt64 = 0x8080_8080_8080_8080
}

// MARK: Writing

extension Integers {
  /// How many characters the list of these samples (little-endian, two bytes each) has.
  @_noAllocation package static func textCount(of samples: Bytes) -> Int {
    var count = 0
    for index in 0..<samples.count / 2 {
      let value = Int32(samples.load(Int16.self, at: 2 &* index))
      let magnitude = abs(value)
      count &+= 2
      if value < 0 { count &+= 1 }
      if magnitude > 9 { count &+= 1 }
      if magnitude > 99 { count &+= 1 }
      if magnitude > 999 { count &+= 1 }
      if magnitude > 9999 { count &+= 1 }
    }
    return max(count &- 1, 0)
  }

  /// Writes the list of these samples to `place`, which has exactly `textCount` bytes.
  @_noAllocation package static func write(_ samples: Bytes, into place: Bytes) {
    var at = 0
    for index in 0..<samples.count / 2 {
      var (text, length) = text(of: samples.load(Int16.self, at: 2 &* index))
      text |= UInt64(comma) << UInt64(8 &* length)
      if at &+ 8 <= place.count {
        place.store(text, at: at)
      } else {
        // No comma behind the last.
        for offset in 0..<min(length &+ 1, place.count &- at) {
          place[at &+ offset] = UInt8(truncatingIfNeeded: text >> UInt64(8 &* offset))
        }
      }
      at &+= length &+ 1
    }
    precondition(at == (samples.count < 2 ? 0 : place.count &+ 1), "the place has textCount bytes")
  }

  /// The digits of a sample and its sign, the first lowest, and how many bytes they are.
  @inline(__always) private static func text(of sample: Int16) -> (UInt64, Int) {
    let magnitude = UInt64(sample.magnitude)
    // Four digits behind the ten thousands, by halves: hundreds and the rest, then tens and ones,
    // each division a multiplication that is exact in this range.
    let high = magnitude / 10_000
    let low = magnitude % 10_000
    let hundreds = (low &* 5243) >> 19
    let pairs = hundreds | (low &- 100 &* hundreds) << 16
    let tens = ((pairs &* 103) >> 10) & 0x000f_000f
    let digits = high | (tens | (pairs &- 10 &* tens) << 8) << 8
    let zeros = min(digits.trailingZeroBitCount >> 3, 4)
    let text = (digits | 0x30_3030_3030) >> UInt64(8 &* zeros)
    let isNegative = sample < 0
    return (
      isNegative ? text << 8 | UInt64(UInt8(ascii: "-")) : text,
      5 &- zeros &+ (isNegative ? 1 : 0)
    )
  }
}

/// What the eight bytes at the beginning of a number say.
private struct Number {
  /// Whether it is an integer of 16 bits, written as it should be; otherwise the rest is rubbish.
  let isSound: Bool
  /// Its bytes, sign included.
  let length: Int
  let value: Int16
  /// The byte behind it.
  let end: UInt8

  @inline(__always) init(_ word: UInt64) {
    let sign: UInt64 = word & 0xff == 0x2d ? 1 : 0
    let text = word >> (8 &* sign)
    let digits = text ^ (Integers.ones &* 0x30)
    // The top bit of the bytes that are no digit; a carry can only disturb those above the first.
    let others = ((digits &+ Integers.ones &* 0x76) | digits) & Integers.tops
    let count = others.trailingZeroBitCount >> 3
    // The digits moved to the top, so that the bytes below them count as zeros in front.
    let aligned = digits &<< UInt64(64 &- 8 &* count)
    // Tens, hundreds and ten thousands are each summed up in one step.
    let pairs = (aligned &* 10 &+ aligned >> 8) & 0x00ff_00ff_00ff_00ff
    let fours = (pairs &* 100 &+ pairs >> 16) & 0x0000_ffff_0000_ffff
    let magnitude = (fours &* 10_000 &+ fours >> 32) & 0xffff_ffff
    // Faults are summed up, since a branch on each would depend on the sound.
    let isOtherLength: UInt64 = UInt(bitPattern: count &- 1) > 4 ? 1 : 0
    let isTooLarge: UInt64 = magnitude > 32_767 &+ sign ? 1 : 0
    let isOneDigit: UInt64 = count == 1 ? 1 : 0
    let hasLeadingZero: UInt64 = digits & 0xff | isOneDigit == 0 ? 1 : 0
    isSound = isOtherLength | isTooLarge | hasLeadingZero == 0
    length = count &+ Int(sign)
    value = Int16(truncatingIfNeeded: sign == 0 ? Int64(magnitude) : 0 &- Int64(magnitude))
    end = UInt8(truncatingIfNeeded: text >> UInt64(8 &* min(count, 7)))
  }
}
