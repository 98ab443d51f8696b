// The tone code says what was said, or says that something is missing. It must never say anything
// else.

import Testing

@testable import LabKit

private let texts = [
  "hello", "a", "A z 0 9", "the quick brown fox jumps over the lazy dog",
  "Call +49 30 1234567, please: it's 3.50!", "grüße aus köln", "日本語 テスト", "x  y\tz\n",
]

/// What a listener makes of samples that arrive in pieces of `chunk`.
private func hear(_ samples: [Int16], chunk: Int = 160) -> [HeardWord] {
  var decoder = ToneDecoder()
  var words: [HeardWord] = []
  var place = 0
  while place < samples.count {
    let end = min(place + chunk, samples.count)
    words += decoder.hear(samples[place..<end])
    place = end
  }
  return words + decoder.finish()
}

private func text(_ words: [HeardWord]) -> [String] { words.map(\.text) }

@Suite struct TonesAsTheyAreSaid {
  @Test(arguments: texts) func `every text comes back`(_ said: String) {
    #expect(text(hear(Tones.encode(said))) == Tones.words(of: said))
  }

  @Test func `every byte comes back`() {
    for first in stride(from: 0x21, to: 0x7f, by: 16) {
      let said = String(decoding: (first..<min(first + 16, 0x7f)).map { UInt8($0) }, as: UTF8.self)
      #expect(text(hear(Tones.encode(said))) == [said])
    }
  }

  @Test func `a long word is said in pieces`() {
    let said = String(repeating: "0123456789", count: 20)
    let words = text(hear(Tones.encode(said)))
    #expect(words.joined() == said && words.count == 4)
  }

  @Test func `a sentence is said at least as fast as eight characters a second`() {
    let said = "the quick brown fox jumps over the lazy dog"
    let seconds = Double(Tones.encode(said).count) / 8000
    #expect(Double(said.count) / seconds >= 8)
  }

  @Test func `the size of the pieces makes no difference`() {
    let samples = Tones.encode("one two three")
    let whole = hear(samples, chunk: samples.count)
    for chunk in [1, 2, 3, 7, 79, 80, 160, 161, 320, 1000] {
      #expect(hear(samples, chunk: chunk) == whole)
    }
  }

  @Test func `every offset into the stream is heard`() {
    let samples = Tones.encode("so it goes")
    for offset in stride(from: 0, to: 400, by: 13) {
      let words = hear([Int16](repeating: 0, count: offset) + samples)
      #expect(text(words) == ["so", "it", "goes"])
    }
  }

  @Test func `words carry the times at which they were heard`() throws {
    let samples = [Int16](repeating: 0, count: 8000) + Tones.encode("hello you")
    let words = hear(samples)
    try #require(words.count == 2)
    // "hello": two marks, five bytes and two of checksum, 30 ms each.
    #expect(abs(words[0].start - 1) < 0.002 && abs(words[0].end - 1.27) < 0.002)
    #expect(abs(words[1].start - 1.33) < 0.002 && abs(words[1].end - 1.54) < 0.002)
  }

  @Test func `a cut at the start costs only the word it hits`() {
    let samples = Tones.encode("alpha beta gamma")
    for cut in stride(from: 40, to: 2100, by: 97) {
      let words = text(hear([Int16](samples[cut...])))
      #expect(words.suffix(2) == ["beta", "gamma"])
      #expect(words.dropLast(2).allSatisfy { $0 == "[?]" || $0 == "alpha" })
    }
  }
}

@Suite struct TonesOverALine {
  private let said = "the quick brown fox jumps over the lazy dog 0123456789"
  private var expected: [String] { Tones.words(of: said) }

  @Test(arguments: [Law.mu, Law.a]) func `companding`(_ law: Law) {
    let samples = Tones.encode(said).map { law.decode(law.encode($0)) }
    #expect(text(hear(samples)) == expected)
  }

  @Test(arguments: [16000, 24000, 44100, 48000]) func `another rate and back`(_ rate: Int) {
    let samples = Tones.encode(said).map { Law.mu.decode(Law.mu.encode($0)) }
    let there = Resample.all(samples, from: 8000, to: rate)
    #expect(text(hear(Resample.all(there, from: rate, to: 8000))) == expected)
  }

  @Test(arguments: [0.01, 0.05, 0.2, 0.9]) func `loudness`(_ level: Double) {
    let samples = Tones.encode(said, level: level).map { Law.mu.decode(Law.mu.encode($0)) }
    #expect(text(hear(samples)) == expected)
  }

  @Test func `loudness that changes all the time`() {
    let samples = Tones.encode(said).enumerated().map { index, sample in
      Int16(Int(sample) * (20 + index / 80 % 80) / 100)
    }
    #expect(text(hear(samples)) == expected)
  }

  @Test(arguments: 1...5) func `noise twenty decibels below`(_ seed: Int) {
    var random = SplitMix(seed: UInt64(seed))
    // Tones of level 0.4 have an effective value of 6553; a tenth of it as noise.
    let samples = Tones.encode(said).map { Int16(clamping: Int($0) + random.noise(655)) }
    #expect(text(hear(samples)) == expected)
  }

  @Test func `silence and noise alone say nothing`() {
    var random = SplitMix(seed: 7)
    #expect(hear([Int16](repeating: 0, count: 40_000)).isEmpty)
    #expect(hear((0..<40_000).map { _ in Int16(clamping: random.noise(3000)) }).isEmpty)
  }
}

@Suite struct TonesWithLosses {
  private let said = ["alpha", "beta", "gamma", "delta"]

  /// Every word that is heard was said, in order, and at most one is missing.
  private func harmed(_ words: [HeardWord]) -> Bool {
    let good = words.filter { !$0.isDamaged }.map(\.text)
    let missing = said.filter { !good.contains($0) }
    return good == said.filter { good.contains($0) } && missing.count <= 1
      && words.count - good.count == missing.count
  }

  @Test func `a frame that never came costs one word at most`() {
    let samples = Tones.encode(said.joined(separator: " "))
    for lost in stride(from: 0, to: samples.count - 160, by: 53) {
      let words = hear([Int16](samples[..<lost] + samples[(lost + 160)...]))
      #expect(harmed(words), "lost at \(lost): \(text(words))")
    }
  }

  @Test func `a symbol that never came is noticed by the checksum`() {
    let samples = Tones.encode("alpha")
    for symbol in 1...7 {
      let place = symbol * Tones.symbolSamples
      let words = hear([Int16](samples[..<place] + samples[(place + Tones.symbolSamples)...]))
      #expect(text(words) == ["[?]"])
    }
  }

  @Test func `a frame of silence costs one word at most`() {
    let samples = Tones.encode(said.joined(separator: " "))
    for lost in stride(from: 0, to: samples.count - 160, by: 53) {
      var damaged = samples
      for index in lost..<lost + 160 { damaged[index] = 0 }
      let words = hear(damaged)
      #expect(harmed(words), "silent at \(lost): \(text(words))")
    }
  }

  @Test func `frames in the wrong order invent nothing`() {
    let samples = Tones.encode(said.joined(separator: " "))
    for place in stride(from: 0, to: samples.count - 320, by: 160) {
      var swapped = samples
      swapped.replaceSubrange(
        place..<place + 320, with: samples[place + 160..<place + 320] + samples[place..<place + 160]
      )
      #expect(hear(swapped).allSatisfy { $0.isDamaged || said.contains($0.text) })
    }
  }

  @Test func `a word that breaks off is missing`() {
    let samples = Tones.encode("alpha beta")
    let cut = [Int16](samples[..<3000])
    #expect(text(hear(cut)) == ["alpha", "[?]"])
    #expect(text(hear(cut + [Int16](repeating: 0, count: 4000))) == ["alpha", "[?]"])
  }

  @Test(arguments: [10, 25, 50, 100]) func `two speakers never invent a word`(_ percent: Int) {
    let one = Tones.encode("alpha beta gamma delta")
    let two = Tones.encode("uniform victor whiskey")
    let known = Set(["alpha", "beta", "gamma", "delta", "uniform", "victor", "whiskey"])
    for offset in stride(from: 0, to: 2400, by: 151) {
      var mixed = one
      for (index, sample) in two.enumerated() where index + offset < mixed.count {
        let sum = Int(mixed[index + offset]) + Int(sample) * percent / 100
        mixed[index + offset] = Int16(clamping: sum)
      }
      #expect(hear(mixed).allSatisfy { $0.isDamaged || known.contains($0.text) })
    }
  }
}

/// A small generator whose numbers depend on the seed alone.
struct SplitMix {
  private var state: UInt64
  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ z >> 30) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ z >> 27) &* 0x94d0_49bb_1331_11eb
    return z ^ z >> 31
  }

  /// Noise with this effective value: the sum of twelve even draws is close to a bell curve.
  mutating func noise(_ effective: Int) -> Int {
    let sum = (0..<12).reduce(0.0) { total, _ in
      total + Double(next() >> 11) / Double(1 << 53) - 0.5
    }
    return Int(sum * Double(effective))
  }
}
