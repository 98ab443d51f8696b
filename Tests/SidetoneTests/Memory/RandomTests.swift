// The random stream: known, repeatable, and never reaching past what it fills.

import Testing

@testable import Sidetone

struct RandomTests {
  @Test func `the same seed is the same stream, another seed another`() {
    let seed = [UInt8](1...32)
    #expect(words(seed, 100) == words(seed, 100))
    #expect(words(seed, 100) != words([UInt8](2...33), 100))
  }

  @Test func `the key stream is ChaCha with eight rounds`() {
    // For the key and nonce of zeros, from an implementation of its own that agrees with OpenSSL's
    // ChaCha20 when it takes twenty rounds.
    let expected: [UInt8] = [
      0x3e, 0x00, 0xef, 0x2f, 0x89, 0x5f, 0x40, 0xd6, 0x7f, 0x5b, 0xb8, 0xe8, 0x1f, 0x09, 0xa5,
      0xa1,
      0x2c, 0x84, 0x0e, 0xc3, 0xce, 0x9a, 0x7f, 0x3b, 0x18, 0x1b, 0xe1, 0x88, 0xef, 0x71, 0x1a,
      0x1e,
    ]
    var random = Random(seed: [])
    let place = kept(count: 32)
    random.fill(place)
    #expect(place.array == expected)
  }

  @Test(arguments: 0...9)
  func `a fill of any length takes whole words, and touches nothing behind it`(count: Int) {
    let place = kept([UInt8](repeating: 0xaa, count: 12))
    var random = Random(seed: [7])
    random.fill(place.prefix(count))
    #expect(place.dropping(count).array == [UInt8](repeating: 0xaa, count: 12 - count))
    var other = Random(seed: [7])
    for _ in 0..<(count + 3) / 4 { _ = other.next() }
    #expect(random.next() == other.next())
  }

  private func words(_ seed: [UInt8], _ count: Int) -> [UInt32] {
    var random = Random(seed: seed)
    return (0..<count).map { _ in random.next() }
  }
}
