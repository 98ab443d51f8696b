// What is measured of audio of a known level.

import TestSupport
import Testing

@testable import Sidetone

struct SoundMeterTests {
  static let formats = [
    Format.mulaw8k, Format(codec: .alaw, rate: 8000), Format(codec: .linear16, rate: 8000),
    Format(codec: .linear16, rate: 16_000, isBigEndian: true),
    Format(codec: .linear16, rate: 44_100),
  ]

  /// What is measured of samples that come in pieces of 20 ms.
  private func measured(_ samples: [Int16], _ format: Format, channel: Int = 0) -> Sound? {
    var meter = SoundMeter()
    let audio = encoded(samples, format)
    let piece = format.bytes(forMilliseconds: 20)
    let every = format.bytes(forMilliseconds: SoundMeter.everyMilliseconds)
    for place in stride(from: 0, to: audio.count - piece + 1, by: piece) {
      guard meter.isDue(at: place) else { continue }
      meter.look(
        at: kept(Array(audio[place..<place + piece])), format, channel: channel, place: place,
        every: every)
    }
    return meter.sound
  }

  private func encoded(_ samples: [Int16], _ format: Format) -> [UInt8] {
    let wide = kept(
      samples.flatMap { [UInt8(truncatingIfNeeded: $0), UInt8(truncatingIfNeeded: $0 >> 8)] })
    let narrow = kept(count: samples.count * format.bytesPerSample)
    _ = Samples.encode(wide, as: format, into: narrow)
    return narrow.array
  }

  private func tone(_ decibels: Double, _ format: Format, seconds: Int = 3) -> [Int16] {
    Sine(hertz: 1000, rate: format.rate, decibels: decibels).samples(seconds * format.rate)
  }

  @Test(arguments: formats, [-1.0, -6, -20, -40])
  func `a sine is 3 dB below its peaks`(format: Format, peak: Double) throws {
    let sound = try #require(measured(tone(peak, format), format))
    #expect(abs(Double(try #require(sound.level)) / 10 - (peak - 3.01)) < 0.5)
    #expect(sound.clipped == 0 && sound.silence == 0)
  }

  @Test(arguments: formats)
  func `a clipped square wave is clipped throughout`(format: Format) throws {
    let samples = (0..<format.rate).map { $0 / 4 & 1 == 0 ? Int16.max : .min }
    let sound = try #require(measured(samples, format))
    #expect(sound.clipped == 1_000_000)
    #expect(try #require(sound.level) <= 0 && sound.level! >= -2)
  }

  @Test(arguments: formats)
  func `of half silence the level is that of the other half`(format: Format) throws {
    let silence = [Int16](repeating: 0, count: 3 * format.rate)
    let sound = try #require(measured(tone(-10, format) + silence, format))
    #expect(abs(sound.silence - 500) <= 25)
    #expect(abs(Double(try #require(sound.level)) / 10 + 13.01) < 0.5)
  }

  @Test func `noise below 50 dB is silence, a little more is not`() throws {
    let format = Format(codec: .linear16, rate: 8000)
    #expect(measured(tone(-48, format), format)?.silence == 1000)
    #expect(measured(tone(-46, format), format)?.silence == 0)
  }

  @Test(arguments: formats) func `silence has no level`(format: Format) {
    let sound = measured([Int16](repeating: 0, count: format.rate), format)
    #expect(sound == Sound(level: nil, clipped: 0, silence: 1000))
  }

  @Test func `what nobody looked at is not known`() {
    let format = Format.mulaw8k
    #expect(measured([], format) == nil)
    var meter = SoundMeter()
    meter.look(at: kept(count: 7), format, place: 0, every: 2400)
    #expect(meter.sound == nil)
  }

  @Test(arguments: [Format.Codec.mulaw, .alaw, .linear16])
  func `channels are told apart`(codec: Format.Codec) throws {
    let format = Format(codec: codec, rate: 8000, channels: 2)
    let (left, right) = (tone(-6, format), tone(-26, format))
    let both = zip(left, right).flatMap { [$0, $1] }
    for (channel, peak) in [(0, -6.0), (1, -26)] {
      let level = try #require(measured(both, format, channel: channel)?.level)
      #expect(abs(Double(level) / 10 - (peak - 3.01)) < 0.5)
    }
  }

  @Test func `of every 300 ms the beginning is looked at, and nothing twice`() {
    var meter = SoundMeter()
    let loud = kept(encoded(tone(-6, .mulaw8k, seconds: 1), .mulaw8k))
    let silence = kept([UInt8](repeating: 0xff, count: 160))
    meter.look(at: loud, .mulaw8k, place: 0, every: 2400)
    #expect(!meter.isDue(at: 0) && !meter.isDue(at: 2399) && meter.isDue(at: 2400))
    meter.look(at: silence, .mulaw8k, place: 2500, every: 2400)
    #expect(!meter.isDue(at: 4899) && meter.sound?.silence == 500)
  }
}
