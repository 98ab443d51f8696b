// The codecs over all 256 codes of G.711 and all 65,536 samples, against the definition.
import Testing

@testable import Sidetone

struct SamplesTests {
  private static let mulaw = Format.mulaw8k
  private static let alaw = Format(codec: .alaw, rate: 8_000)
  private static let little = Format(codec: .linear16, rate: 8_000)
  private static let big = Format(codec: .linear16, rate: 8_000, isBigEndian: true)
  private static let everySample = Array(Int16.min...Int16.max)
  private static let everyCode = Array(UInt8.min...UInt8.max)

  @Test(arguments: [
    (0, 0xff, 0, 0xd5, 8), (100, 0xf2, 104, 0xd3, 104), (-100, 0x72, -104, 0x53, -104),
    (1000, 0xce, 988, 0xfa, 1008), (-1000, 0x4e, -988, 0x7a, -1008),
    (8000, 0xa0, 7932, 0x8a, 8064), (-8000, 0x20, -7932, 0x0a, -8064),
    (32767, 0x80, 32124, 0xaa, 32256), (-32768, 0x00, -32124, 0x2a, -32256),
  ])
  func `known samples have their known codes`(
    sample: Int, mulaw: Int, fromMulaw: Int, alaw: Int, fromAlaw: Int
  ) {
    #expect(encoded([Int16(sample)], as: Self.mulaw) == [UInt8(mulaw)])
    #expect(decoded([UInt8(mulaw)], as: Self.mulaw) == [Int16(fromMulaw)])
    #expect(encoded([Int16(sample)], as: Self.alaw) == [UInt8(alaw)])
    #expect(decoded([UInt8(alaw)], as: Self.alaw) == [Int16(fromAlaw)])
  }

  /// Eight segments of 16 equal steps; from each segment to the next the step doubles, but for
  /// A-law's first two.
  @Test func `each code means the middle of its step`() {
    let fromMulaw = decoded(Self.everyCode, as: Self.mulaw)
    let fromAlaw = decoded(Self.everyCode, as: Self.alaw)
    for code in Self.everyCode {
      let mu = ~code
      let muSegment = Int(mu >> 4 & 7)
      // 14-bit values: segment n has 16 steps of 2^(n+1), the middle of its first is 33 (2^n - 1).
      let muStep = 2 << muSegment
      let muFirst = 33 * (1 << muSegment) - 33
      let muMiddle = muFirst + Int(mu & 15) * muStep
      #expect(fromMulaw[Int(code)] == Int16((mu & 0x80 == 0 ? 1 : -1) * muMiddle * 4))

      let a = code ^ 0x55
      let aSegment = Int(a >> 4 & 7)
      // 13-bit values, in half units so that the middle is whole.
      let aStep = aSegment < 2 ? 2 : 1 << aSegment
      let aStart = aSegment == 0 ? 0 : 16 << aSegment
      let aMiddle = aStart + Int(a & 15) * aStep + aStep / 2
      #expect(fromAlaw[Int(code)] == Int16((a & 0x80 == 0 ? -1 : 1) * aMiddle * 8))
    }
  }

  @Test func `every code survives the way out and back`() {
    let again = { format in encoded(decoded(Self.everyCode, as: format), as: format) }
    #expect(again(Self.alaw) == Self.everyCode)
    // µ-law has two zeros; the negative one comes back as the positive.
    #expect(again(Self.mulaw) == Self.everyCode.map { $0 == 0x7f ? 0xff : $0 })
  }

  @Test func `every sample gets the nearest code, and louder never becomes quieter`() {
    let mulaw = decoded(encoded(Self.everySample, as: Self.mulaw), as: Self.mulaw)
    let alaw = decoded(encoded(Self.everySample, as: Self.alaw), as: Self.alaw)
    #expect(mulaw == mulaw.sorted() && alaw == alaw.sorted())
    for (index, sample) in Self.everySample.enumerated() {
      // Half a step of the segment: at most 1 in 32 of the distance to the segment's origin.
      let size = abs(Int(sample))
      let clipped = min(size, 32635)
      let muError = abs(abs(Int(mulaw[index])) - clipped)
      let aError = abs(abs(Int(alaw[index])) - size)
      if muError > max(4, (clipped + 132) / 32) || aError > max(8, size / 32 + 1) {
        Issue.record("sample \(sample)")
      }
    }
  }

  @Test func `linear samples keep their value in either byte order`() {
    #expect(encoded([0x1234, -2], as: Self.little) == [0x34, 0x12, 0xfe, 0xff])
    #expect(encoded([0x1234, -2], as: Self.big) == [0x12, 0x34, 0xff, 0xfe])
    for format in [Self.little, Self.big] {
      #expect(decoded(encoded(Self.everySample, as: format), as: format) == Self.everySample)
    }
  }

  @Test(arguments: [mulaw, alaw])
  func `encoding may be in place`(format: Format) {
    let place = ForbiddenPage(
      Self.everySample.flatMap { [UInt8($0 & 0xff), UInt8($0 >> 8 & 0xff)] })
    #expect(Samples.encode(place.bytes, as: format, into: place.bytes) == 65_536)
    #expect(place.bytes.prefix(65_536).array == encoded(Self.everySample, as: format))
  }

  @Test func `floats have the scale of samples`() {
    #expect(rounded(Self.everySample.map(Float.init)) == Self.everySample)
    let source = ForbiddenPage(encoded(Self.everySample, as: Self.little))
    let place = ForbiddenPage(count: 2 * source.bytes.count)
    Samples.widen(source.bytes, into: place.bytes)
    for (index, sample) in Self.everySample.enumerated() {
      let value = Float(bitPattern: place.bytes.load(UInt32.self, at: 4 * index))
      if value != Float(sample) { Issue.record("sample \(sample)") }
    }
  }

  @Test func `floats become the nearest sample, and the loudest where they are louder`() {
    #expect(rounded([0.4, 0.6, -0.4, -0.6, 0.5, 1.5, -0.5, -1.5]) == [0, 1, 0, -1, 0, 2, 0, -2])
    #expect(rounded([32766.6, 32767.4, 1e9, .infinity]) == [32767, 32767, 32767, 32767])
    #expect(rounded([-32767.6, -32768.4, -1e9, -.infinity]) == [-32768, -32768, -32768, -32768])
    for count in 0..<40 {
      #expect(rounded([Float](repeating: 7.7, count: count)) == [Int16](repeating: 8, count: count))
    }
  }

  /// Every length, since vectors leave a rest.
  @Test(arguments: [mulaw, alaw, little, big])
  func `nothing beside the samples is read or written`(format: Format) {
    for count in 0..<70 {
      let wire = Array(Self.everyCode.prefix(count * format.bytesPerSample))
      #expect(encoded(decoded(wire, as: format), as: format).count == wire.count)
    }
  }
}

/// Floats as samples, between forbidden pages.
private func rounded(_ floats: [Float]) -> [Int16] {
  let source = ForbiddenPage(count: 4 * floats.count)
  for (index, value) in floats.enumerated() {
    source.bytes.store(value.bitPattern, at: 4 * index)
  }
  let place = ForbiddenPage(count: 2 * floats.count)
  Samples.round(source.bytes, into: place.bytes)
  return (0..<floats.count).map { place.bytes.load(Int16.self, at: 2 * $0) }
}

/// One step of a codec, between forbidden pages.
func decoded(_ bytes: [UInt8], as format: Format) -> [Int16] {
  let source = ForbiddenPage(bytes)
  let place = ForbiddenPage(count: bytes.count / format.bytesPerSample * 2)
  #expect(Samples.decode(source.bytes, as: format, into: place.bytes) == place.bytes.count)
  return (0..<place.bytes.count / 2).map { place.bytes.load(Int16.self, at: $0 * 2) }
}

func encoded(_ samples: [Int16], as format: Format) -> [UInt8] {
  let source = ForbiddenPage(count: samples.count * 2)
  for (index, sample) in samples.enumerated() { source.bytes.store(sample, at: index * 2) }
  let place = ForbiddenPage(count: samples.count * format.bytesPerSample)
  #expect(Samples.encode(source.bytes, as: format, into: place.bytes) == place.bytes.count)
  return place.bytes.array
}
