// The mask and ASCII kernels against the obvious loop: every length, every phase of the key, every
// overlap, with a forbidden page behind.

import CKernels
import Testing

@testable import Sidetone

@Suite struct MaskTests {
  private static let key: UInt32 = 0xd1c2_b3a4

  private func naive(_ bytes: [UInt8], _ key: UInt32) -> [UInt8] {
    bytes.enumerated().map { $1 ^ UInt8(truncatingIfNeeded: key >> UInt32(8 * ($0 % 4))) }
  }

  @Test(arguments: 0...3) func `masks in place as the obvious loop`(phase: Int) {
    var random = SeededRandom(seed: 1)
    let key = WebSocket.rotate(Self.key, by: phase)
    for count in 0...200 {
      let plain = random.bytes(count)
      let page = ForbiddenPage(plain)
      let isASCII = ck_mask(page.bytes.base, count, key)
      let expected = naive(plain, key)
      #expect(page.bytes.array == expected)
      #expect(isASCII == expected.allSatisfy { $0 < 0x80 })
    }
  }

  @Test(arguments: 0...3) func `masks while copying as the obvious loop`(phase: Int) {
    var random = SeededRandom(seed: 2)
    let key = WebSocket.rotate(Self.key, by: phase)
    for count in 0...200 {
      let plain = random.bytes(count)
      let from = ForbiddenPage(plain)
      let to = ForbiddenPage(count: count)
      let isASCII = ck_mask_copy(to.bytes.base, from.bytes.base, count, key)
      let expected = naive(plain, key)
      #expect(to.bytes.array == expected)
      #expect(from.bytes.array == plain)
      #expect(isASCII == expected.allSatisfy { $0 < 0x80 })
    }
  }

  @Test func `masks while moving to the front over itself`() {
    var random = SeededRandom(seed: 3)
    for distance in 1...70 {
      for count in [0, 1, 7, 8, 9, 31, 64, 65, 200] {
        let plain = random.bytes(count)
        let page = ForbiddenPage([UInt8](repeating: 0, count: distance) + plain)
        _ = ck_mask_copy(page.bytes.base, page.bytes.base + distance, count, Self.key)
        #expect(page.bytes.prefix(count).array == naive(plain, Self.key))
      }
    }
  }

  @Test func `rotating the key masks pieces like the whole`() {
    var random = SeededRandom(seed: 4)
    let plain = random.bytes(64)
    for cut in 0...64 {
      let page = ForbiddenPage(plain)
      _ = ck_mask(page.bytes.base, cut, Self.key)
      _ = ck_mask(page.bytes.base + cut, 64 - cut, WebSocket.rotate(Self.key, by: cut))
      #expect(page.bytes.array == naive(plain, Self.key))
    }
  }

  @Test func `tells whether the result is ASCII wherever the other byte lies`() {
    for count in 1...80 {
      for place in 0..<count {
        var plain = [UInt8](repeating: 0x7f, count: count)
        plain[place] = 0x80
        let masked = ForbiddenPage(naive(plain, Self.key))
        #expect(!ck_mask(masked.bytes.base, count, Self.key))
      }
      let ascii = ForbiddenPage(naive([UInt8](repeating: 0x7f, count: count), Self.key))
      #expect(ck_mask(ascii.bytes.base, count, Self.key))
    }
  }

  @Test func `counts leading ASCII exactly`() {
    for count in 0...200 {
      let page = ForbiddenPage([UInt8](repeating: 0x7f, count: count))
      #expect(ck_ascii(page.bytes.base, count) == count)
      for place in stride(from: count - 1, through: 0, by: -1) {
        page.bytes[place] = 0x80
        if ck_ascii(page.bytes.base, count) != place { Issue.record("\(count), \(place)") }
      }
    }
  }
}
