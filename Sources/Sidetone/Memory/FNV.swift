// FNV-1a, 64 bits: for finding what is alike. Whoever chooses the bytes can choose a likeness, so
// what is found by it is looked at.

struct FNV {
  private(set) var value: UInt64 = 0xcbf2_9ce4_8422_2325

  @inline(__always) mutating func add(_ byte: UInt8) {
    value = (value ^ UInt64(byte)) &* 0x100_0000_01b3
  }
}
