// Every frame.
//
// G.711 (ITU-T G.711, 1988): a sample in one byte, sign, three bits of exponent and four of
// mantissa, by µ-law (North America, Japan) and A-law (elsewhere). Both are computed, not looked
// up: a handful of instructions that the compiler turns into vectors where it helps.
//
//   µ-law   segment n begins at 33 · 2ⁿ⁺² of 14-bit magnitude + 33; all bits inverted on the wire
//   A-law   segment 0 is linear, segment n > 0 begins at 2ⁿ⁺⁷ of 16; even bits inverted on the wire
//
// Samples are 16 bits wide; G.711 itself speaks of 14 (µ) and 13 (A), the upper bits of ours.

package enum G711 {
  // MARK: µ-law

  /// The bias that makes every segment begin at a power of two, at 16-bit scale.
  private static let bias = 132
  /// The largest magnitude that the last segment can hold.
  private static let mulawMagnitudeMax = 32635

  @inline(__always) package static func mulaw(_ sample: Int16) -> UInt8 {
    let sign: UInt8 = sample < 0 ? 0x80 : 0
    let magnitude = UInt32(min(Int(sample.magnitude), mulawMagnitudeMax) &+ bias)
    // The highest bit, 7 to 14, names the segment.
    let segment = UInt32(24 &- magnitude.leadingZeroBitCount)
    let mantissa = (magnitude &>> (segment &+ 3)) & 15
    return ~(sign | UInt8(truncatingIfNeeded: segment &<< 4 | mantissa))
  }

  @inline(__always) package static func linear(mulaw byte: UInt8) -> Int16 {
    let bits = Int(~byte)
    let magnitude = ((bits & 15) &<< 3 &+ bias) &<< (bits &>> 4 & 7) &- bias
    return Int16(truncatingIfNeeded: bits & 0x80 == 0 ? magnitude : -magnitude)
  }

  // MARK: A-law

  @inline(__always) package static func alaw(_ sample: Int16) -> UInt8 {
    // Negative samples count from -1 downwards, so that zero belongs to the positive half.
    let magnitude = UInt32(sample < 0 ? Int(~sample) : Int(sample))
    let sign: UInt8 = sample < 0 ? 0 : 0x80
    // The highest bit, 8 to 14, names the segment; below it all is segment 0.
    let segment = UInt32(max(0, 24 &- magnitude.leadingZeroBitCount))
    let mantissa = (magnitude &>> (max(segment, 1) &+ 3)) & 15
    return (sign | UInt8(truncatingIfNeeded: segment &<< 4 | mantissa)) ^ 0x55
  }

  @inline(__always) package static func linear(alaw byte: UInt8) -> Int16 {
    let bits = Int(byte ^ 0x55)
    let segment = bits &>> 4 & 7
    let half = (bits & 15) &<< 4 &+ 8
    let magnitude = segment == 0 ? half : (half &+ 256) &<< (segment &- 1)
    return Int16(truncatingIfNeeded: bits & 0x80 == 0 ? -magnitude : magnitude)
  }
}

// Whole buffers. Samples are little-endian; each function returns the bytes it wrote.
extension G711 {
  /// `destination` has two bytes for each of `source`, and does not overlap it.
  @_noAllocation package static func decode(mulaw source: Bytes, into destination: Bytes) -> Int {
    precondition(destination.count >= source.count &* 2)
    for index in 0..<source.count {
      destination.store(linear(mulaw: source[index]), at: index &* 2)
    }
    return source.count &* 2
  }

  @_noAllocation package static func decode(alaw source: Bytes, into destination: Bytes) -> Int {
    precondition(destination.count >= source.count &* 2)
    for index in 0..<source.count {
      destination.store(linear(alaw: source[index]), at: index &* 2)
    }
    return source.count &* 2
  }

  /// `source` holds whole samples; `destination` has a byte for each, and may begin where `source`
  /// begins.
  @_noAllocation package static func encode(mulaw source: Bytes, into destination: Bytes) -> Int {
    precondition(source.count & 1 == 0 && destination.count >= source.count / 2)
    for index in 0..<source.count / 2 {
      destination[index] = mulaw(source.load(Int16.self, at: index &* 2))
    }
    return source.count / 2
  }

  @_noAllocation package static func encode(alaw source: Bytes, into destination: Bytes) -> Int {
    precondition(source.count & 1 == 0 && destination.count >= source.count / 2)
    for index in 0..<source.count / 2 {
      destination[index] = alaw(source.load(Int16.self, at: index &* 2))
    }
    return source.count / 2
  }
}
