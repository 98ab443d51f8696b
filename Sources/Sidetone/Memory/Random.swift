// Every frame.
//
// Randomness as an input: the driver gives 32 bytes once, and ChaCha8 (the stream cipher of RFC
// 8439 with eight rounds) makes the rest. Mask keys must be unpredictable (RFC 6455 §10.3), and the
// same seed must give the same run, so that the simulation can replay a failure.

package struct Random: Sendable {
  private var key = InlineArray<8, UInt32>(repeating: 0)
  private var counter: UInt64 = 0
  private var pool = InlineArray<16, UInt32>(repeating: 0)
  private var used = 16

  /// `seed`: 32 bytes; fewer are filled up with zeros.
  package init(seed: [UInt8]) {
    for index in 0..<min(seed.count, 32) {
      key[index / 4] |= UInt32(seed[index]) << UInt32(8 * (index % 4))
    }
  }

  @_noAllocation package mutating func next() -> UInt32 {
    if used == 16 { refill() }
    let word = pool[used]
    used &+= 1
    return word
  }

  @_noAllocation package mutating func next64() -> UInt64 {
    UInt64(next()) << 32 | UInt64(next())
  }

  /// Fills the window with random bytes.
  @_noAllocation package mutating func fill(_ bytes: Bytes) {
    var index = 0
    while index < bytes.count {
      var word = next()
      for _ in 0..<min(4, bytes.count &- index) {
        bytes[index] = UInt8(truncatingIfNeeded: word)
        word >>= 8
        index &+= 1
      }
    }
  }

  @_noAllocation private mutating func refill() {
    var input = InlineArray<16, UInt32>(repeating: 0)
    input[0] = 0x6170_7865
    input[1] = 0x3320_646e
    input[2] = 0x7962_2d32
    input[3] = 0x6b20_6574
    for index in 0..<8 { input[4 &+ index] = key[index] }
    input[12] = UInt32(truncatingIfNeeded: counter)
    input[13] = UInt32(truncatingIfNeeded: counter >> 32)
    pool = input
    for _ in 0..<4 {
      quarter(0, 4, 8, 12)
      quarter(1, 5, 9, 13)
      quarter(2, 6, 10, 14)
      quarter(3, 7, 11, 15)
      quarter(0, 5, 10, 15)
      quarter(1, 6, 11, 12)
      quarter(2, 7, 8, 13)
      quarter(3, 4, 9, 14)
    }
    for index in 0..<16 { pool[index] &+= input[index] }
    counter &+= 1
    used = 0
  }

  @_noAllocation private mutating func quarter(_ a: Int, _ b: Int, _ c: Int, _ d: Int) {
    pool[a] &+= pool[b]
    pool[d] = rotate(pool[d] ^ pool[a], 16)
    pool[c] &+= pool[d]
    pool[b] = rotate(pool[b] ^ pool[c], 12)
    pool[a] &+= pool[b]
    pool[d] = rotate(pool[d] ^ pool[a], 8)
    pool[c] &+= pool[d]
    pool[b] = rotate(pool[b] ^ pool[c], 7)
  }

  @_noAllocation private func rotate(_ word: UInt32, _ bits: UInt32) -> UInt32 {
    word << bits | word >> (32 &- bits)
  }
}
