// The byte order of 16-bit samples, heard from sound of several kinds.

import Testing

@testable import Sidetone

struct ByteOrderTests {
  private enum Sound: CaseIterable { case tone, quiet, hiss, law }

  private func samples(_ sound: Sound, _ count: Int) -> [Int16] {
    var random = SeededRandom(seed: 1)
    var phase = 0.0
    return (0..<count).map { _ in
      phase += 0.3 + Double.random(in: 0..<0.1, using: &random)
      // A triangle is tone enough.
      let wave = abs(phase.truncatingRemainder(dividingBy: 4) - 2) - 1
      switch sound {
      case .tone: return Int16(wave * 8000)
      case .quiet: return Int16(wave * 40)
      case .hiss: return Int16.random(in: -2...2, using: &random)
      case .law: return Int16(wave * 250) * 32
      }
    }
  }

  private func bytes(_ samples: [Int16], isBigEndian: Bool) -> Bytes {
    let audio = kept(count: 2 * samples.count)
    for (index, sample) in samples.enumerated() {
      audio.store(isBigEndian ? sample.byteSwapped : sample, at: 2 * index)
    }
    return audio
  }

  @Test(arguments: [8000, 16_000, 24_000])
  func `200 ms of sound say which byte comes first`(rate: Int) {
    for sound in Sound.allCases {
      for isBigEndian in [false, true] {
        var order = ByteOrder(rate: rate)
        let audio = bytes(samples(sound, rate), isBigEndian: isBigEndian)
        let piece = rate / 50 * 2
        for start in stride(from: 0, to: rate / 50 * 8 * 2, by: piece) {
          order.hear(audio[start..<start + piece])
          #expect(order.verdict == nil)
        }
        for start in stride(from: rate / 50 * 16, to: audio.count, by: piece) {
          order.hear(audio[start..<start + piece])
        }
        #expect(order.verdict == isBigEndian, "\(sound)")
      }
    }
  }

  @Test func `silence decides nothing, and does not spoil what follows it`() {
    var order = ByteOrder(rate: 8000)
    for level: Int16 in [0, 0x0101, 700] {
      for _ in 0..<100 { order.hear(bytes(Array(repeating: level, count: 80), isBigEndian: false)) }
      #expect(order.verdict == nil)
    }
    order.hear(bytes(samples(.tone, 4000), isBigEndian: true))
    #expect(order.verdict == true)
  }

  @Test func `noise at full scale sounds the same both ways and decides nothing`() {
    var random = SeededRandom(seed: 9)
    var order = ByteOrder(rate: 8000)
    order.hear(kept(random.bytes(64_000)))
    #expect(order.verdict == nil)
  }

  @Test func `a verdict stays; odd and empty pieces do no harm`() {
    var order = ByteOrder(rate: 8000)
    order.hear(.empty)
    order.hear(kept([1]))
    order.hear(bytes(samples(.tone, 4000), isBigEndian: false))
    #expect(order.verdict == false)
    order.hear(bytes(samples(.tone, 8000), isBigEndian: true))
    #expect(order.verdict == false)
  }
}
