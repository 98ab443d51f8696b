// G.711 as the recommendation words it, one sample at a time: written apart from the relay's own
// tables, so that the lab can judge them.

package enum Law: Sendable {
  case mu, a

  /// The byte that stands for a sample of 0.
  package var silence: UInt8 { self == .mu ? 0xff : 0xd5 }

  package func encode(_ sample: Int16) -> UInt8 {
    switch self {
    case .mu:
      let magnitude = min(Int(sample.magnitude), 32635) + 132
      let segment = Self.highestBit(magnitude) - 7
      let byte = (sample < 0 ? 0x80 : 0) | segment << 4 | magnitude >> (segment + 3) & 15
      return ~UInt8(byte)
    case .a:
      // Negative values are mirrored round -1/2, as one's complement does.
      let magnitude = Int(sample < 0 ? ~sample : sample) >> 3
      let segment = max(0, Self.highestBit(magnitude) - 4)
      let step = segment < 2 ? magnitude >> 1 & 15 : magnitude >> segment & 15
      return UInt8((sample < 0 ? 0 : 0x80) | segment << 4 | step) ^ 0x55
    }
  }

  package func decode(_ byte: UInt8) -> Int16 {
    switch self {
    case .mu:
      let bits = Int(~byte)
      let magnitude = ((bits & 15) << 3 + 132) << (bits >> 4 & 7) - 132
      return Int16(bits & 0x80 != 0 ? -magnitude : magnitude)
    case .a:
      let bits = Int(byte ^ 0x55)
      let segment = bits >> 4 & 7
      let step = (bits & 15) << 4 + 8
      let magnitude = segment == 0 ? step : (step + 256) << (segment - 1)
      return Int16(bits & 0x80 != 0 ? magnitude : -magnitude)
    }
  }

  private static func highestBit(_ value: Int) -> Int {
    value == 0 ? 0 : Int.bitWidth - 1 - value.leadingZeroBitCount
  }
}
