// A voice told from noise, in every encoding, by what is wrong to miss.

import Glibc
import TestSupport
import Testing

@testable import Sidetone

struct VoiceDetectorTests {
  /// Noise of this level, root mean square, as samples of a Gauss-like distribution.
  static func noise(_ decibels: Double, _ count: Int, _ random: inout SeededRandom) -> [Int16] {
    let amplitude = 32_768 * pow(10, decibels / 20)
    return (0..<count).map { _ in
      var sum = 0.0
      for _ in 0..<12 { sum += Double.random(in: -0.5...0.5, using: &random) }
      return Int16(clamping: Int((sum * amplitude).rounded()))
    }
  }

  static func encoded(_ samples: [Int16], _ format: Format) -> [UInt8] {
    let wide = kept(
      samples.flatMap { [UInt8(truncatingIfNeeded: $0), UInt8(truncatingIfNeeded: $0 >> 8)] })
    let narrow = kept(count: samples.count * format.bytesPerSample)
    _ = Samples.encode(wide, as: format, into: narrow)
    return narrow.array
  }

  /// In which of the pieces of 20 ms there is a voice.
  private func voices(
    _ samples: [Int16], _ format: Format, _ detector: inout VoiceDetector
  ) -> [Bool] {
    let audio = Self.encoded(samples, format)
    let piece = format.bytes(forMilliseconds: 20)
    return stride(from: 0, to: audio.count - piece + 1, by: piece).map {
      detector.hears(kept(Array(audio[$0..<$0 + piece])), format)
    }
  }

  @Test(arguments: SoundMeterTests.formats, [-66.0, -42])
  func `steady noise is no voice once it is known, what is louder is`(
    format: Format, level: Double
  ) {
    var random = SeededRandom(seed: UInt64(format.rate) + UInt64(-level))
    var detector = VoiceDetector()
    _ = voices(Self.noise(level, 6 * format.rate, &random), format, &detector)
    #expect(detector.isSure)
    let noise = voices(Self.noise(level, 2 * format.rate, &random), format, &detector)
    #expect(noise.count(where: { $0 }) <= 1)
    let louder = zip(
      Self.noise(level, format.rate, &random),
      Sine(hertz: 300, rate: format.rate, decibels: level + 13).samples(format.rate)
    ).map { $0 &+ $1 }
    #expect(voices(louder, format, &detector).allSatisfy { $0 })
  }

  @Test(arguments: SoundMeterTests.formats) func `digital silence is no voice`(format: Format) {
    var detector = VoiceDetector()
    let silence = [Int16](repeating: 0, count: 8 * format.rate)
    #expect(!voices(silence, format, &detector).contains(true))
    let quiet = Sine(hertz: 200, rate: format.rate, decibels: -50).samples(format.rate)
    #expect(voices(quiet, format, &detector).allSatisfy { $0 })
  }

  @Test func `a hiss is a voice sooner than a hum`() {
    var random = SeededRandom(seed: 7)
    for (isHiss, isExpected) in [(true, true), (false, false)] {
      var detector = VoiceDetector()
      _ = voices(Self.noise(-55, 48_000, &random), .mulaw8k, &detector)
      // 4 dB above what was there, all of it.
      let more =
        isHiss
        ? Self.noise(-51, 8000, &random)
        : Sine(hertz: 100, rate: 8000, decibels: -49).samples(8000)
      let found = voices(more, Format(codec: .linear16, rate: 8000), &detector)
      #expect(found.dropFirst(3).contains(true) == isExpected)
    }
  }

  @Test func `what is loud is always a voice, and noise that has changed is learned`() {
    var random = SeededRandom(seed: 3)
    var detector = VoiceDetector()
    let tone = Sine(hertz: 440, rate: 8000, decibels: -25).samples(8000 * 20)
    #expect(voices(tone, .mulaw8k, &detector).allSatisfy { $0 })
    for level in [-45.0, -60, -42] {
      _ = voices(Self.noise(level, 8000 * 6, &random), .mulaw8k, &detector)
      let after = voices(Self.noise(level, 8000 * 10, &random), .mulaw8k, &detector)
      #expect(after.count(where: { $0 }) <= 2, "\(level)")
    }
  }

  @Test func `audio in pieces of any length is listened to`() {
    var detector = VoiceDetector()
    for count in 1..<400 {
      _ = detector.hears(kept([UInt8](repeating: 0xff, count: count)), .mulaw8k)
    }
    let loud = Self.encoded(
      Sine(hertz: 440, rate: 8000, decibels: -10).samples(17), .mulaw8k)
    #expect(detector.hears(kept(loud), .mulaw8k) && !detector.hears(.empty, .mulaw8k))
  }

  @Test func `the channels of two are told apart`() {
    let format = Format(codec: .linear16, rate: 8000, channels: 2)
    let tone = Sine(hertz: 440, rate: 8000, decibels: -20).samples(160)
    let audio = Self.encoded(tone.flatMap { [0, $0] }, Format(codec: .linear16, rate: 8000))
    var (first, second) = (VoiceDetector(), VoiceDetector())
    #expect(!first.hears(kept(audio), format) && second.hears(kept(audio), format, channel: 1))
  }
}
