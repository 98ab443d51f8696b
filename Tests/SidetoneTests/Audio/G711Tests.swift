// G.711 over all of its 256 codes and all 65,536 samples, against the definition.
import Testing

@testable import Sidetone

struct G711Tests {
  private let samples = Int16.min...Int16.max
  private let codes = UInt8.min...UInt8.max

  @Test(arguments: [
    (0, 0xff, 0, 0xd5, 8), (100, 0xf2, 104, 0xd3, 104), (-100, 0x72, -104, 0x53, -104),
    (1000, 0xce, 988, 0xfa, 1008), (-1000, 0x4e, -988, 0x7a, -1008),
    (8000, 0xa0, 7932, 0x8a, 8064), (-8000, 0x20, -7932, 0x0a, -8064),
    (32767, 0x80, 32124, 0xaa, 32256), (-32768, 0x00, -32124, 0x2a, -32256),
  ])
  func `known samples have their known codes`(
    sample: Int, mulaw: Int, fromMulaw: Int, alaw: Int, fromAlaw: Int
  ) {
    #expect(G711.mulaw(Int16(sample)) == UInt8(mulaw))
    #expect(G711.linear(mulaw: UInt8(mulaw)) == Int16(fromMulaw))
    #expect(G711.alaw(Int16(sample)) == UInt8(alaw))
    #expect(G711.linear(alaw: UInt8(alaw)) == Int16(fromAlaw))
  }

  /// Eight segments of 16 equal steps; from each segment to the next the step doubles, but for
  /// A-law's first two.
  @Test func `each code means the middle of its step`() {
    for code in codes {
      let mu = ~code
      let muSegment = Int(mu >> 4 & 7)
      // 14-bit values: segment n has 16 steps of 2^(n+1), the middle of its first is 33 (2^n - 1).
      let muStep = 2 << muSegment
      let muFirst = 33 * (1 << muSegment) - 33
      let muMiddle = muFirst + Int(mu & 15) * muStep
      #expect(G711.linear(mulaw: code) == Int16((mu & 0x80 == 0 ? 1 : -1) * muMiddle * 4))

      let a = code ^ 0x55
      let aSegment = Int(a >> 4 & 7)
      // 13-bit values, in half units so that the middle is whole.
      let aStep = aSegment < 2 ? 2 : 1 << aSegment
      let aStart = aSegment == 0 ? 0 : 16 << aSegment
      let aMiddle = aStart + Int(a & 15) * aStep + aStep / 2
      #expect(G711.linear(alaw: code) == Int16((a & 0x80 == 0 ? -1 : 1) * aMiddle * 8))
    }
  }

  @Test func `every code survives the way out and back`() {
    for code in codes {
      #expect(G711.alaw(G711.linear(alaw: code)) == code)
      // µ-law has two zeros; the negative one comes back as the positive.
      let again = G711.mulaw(G711.linear(mulaw: code))
      #expect(again == (code == 0x7f ? 0xff : code))
    }
  }

  @Test func `every sample gets the nearest code, and louder never becomes quieter`() {
    var lastMulaw = Int16.min
    var lastAlaw = Int16.min
    for sample in samples {
      let mulaw = G711.linear(mulaw: G711.mulaw(sample))
      let alaw = G711.linear(alaw: G711.alaw(sample))
      var isRight = mulaw >= lastMulaw && alaw >= lastAlaw
      lastMulaw = mulaw
      lastAlaw = alaw
      // Half a step of the segment: at most 1 in 32 of the distance to the segment's origin.
      let size = abs(Int(sample))
      let clipped = min(size, 32635)
      isRight = isRight && abs(abs(Int(mulaw)) - clipped) <= max(4, (clipped + 132) / 32)
      isRight = isRight && abs(abs(Int(alaw)) - size) <= max(8, size / 32 + 1)
      if !isRight { Issue.record("sample \(sample)") }
    }
  }

  @Test func `buffers agree with samples, and encoding may be in place`() {
    let pcm = ForbiddenPage(count: 131_072)
    let coded = ForbiddenPage(count: 65_536)
    let back = ForbiddenPage(count: 131_072)
    for sample in samples { pcm.bytes.store(sample, at: (Int(sample) + 32_768) * 2) }

    #expect(G711.encode(mulaw: pcm.bytes, into: coded.bytes) == 65_536)
    #expect(G711.decode(mulaw: coded.bytes, into: back.bytes) == 131_072)
    for index in 0..<65_536 {
      let code = coded.bytes[index]
      let sample = back.bytes.load(Int16.self, at: index * 2)
      let isRight = code == G711.mulaw(Int16(index - 32_768)) && sample == G711.linear(mulaw: code)
      if !isRight { Issue.record("sample \(index - 32_768)") }
    }

    #expect(G711.encode(alaw: pcm.bytes, into: coded.bytes) == 65_536)
    #expect(G711.decode(alaw: coded.bytes, into: back.bytes) == 131_072)
    #expect(G711.encode(alaw: pcm.bytes, into: pcm.bytes) == 65_536)
    #expect(pcm.bytes.prefix(65_536).equals(coded.bytes))
    for index in 0..<65_536 {
      let code = coded.bytes[index]
      let sample = back.bytes.load(Int16.self, at: index * 2)
      let isRight = code == G711.alaw(Int16(index - 32_768)) && sample == G711.linear(alaw: code)
      if !isRight { Issue.record("sample \(index - 32_768)") }
    }
  }
}
