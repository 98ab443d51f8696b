// Conversions as a call uses them: what passes untouched, what comes out for what goes in, and that
// sound survives the whole chain of codec, resampler and codec.
import Testing

@testable import Sidetone

struct ConversionTests {
  private static let mulaw = Format.mulaw8k
  private static let alaw = Format(codec: .alaw, rate: 8_000)
  private static func linear(_ rate: Int, isBigEndian: Bool = false) -> Format {
    Format(codec: .linear16, rate: rate, isBigEndian: isBigEndian)
  }

  @Test(arguments: [
    Format.mulaw8k, linear(24_000), Format(codec: .linear16, rate: 48_000, channels: 2),
  ])
  func `the same format on both sides passes untouched`(format: Format) throws {
    let rig = ConversionRig()
    let conversion = try #require(rig.conversion(format, format))
    #expect(conversion.isIdentity && conversion.delayMicroseconds == 0)
    #expect(conversion.tailBytes == 0 && conversion.stepBytes == 1 && rig.pool.made == 0)
    #expect(rig.convert([1, 2, 3], by: conversion) == [1, 2, 3])
    #expect(rig.convert([], by: Conversion()) == [])
  }

  @Test func `where only codec or byte order differs no resampler is held`() throws {
    let rig = ConversionRig()
    let (little, big) = (Self.linear(48_000), Self.linear(48_000, isBigEndian: true))
    let turned = try #require(rig.conversion(little, big))
    #expect(!turned.isIdentity && turned.stepBytes == 2 && turned.tailBytes == 0)
    let bytes = (0..<9_600).map { UInt8(truncatingIfNeeded: $0 * 7) }
    #expect(decoded(rig.convert(bytes, by: turned), as: big) == decoded(bytes, as: little))

    let law = try #require(rig.conversion(Self.mulaw, Self.alaw))
    let codes = Array(UInt8.min...UInt8.max)
    #expect(rig.convert(codes, by: law) == encoded(decoded(codes, as: Self.mulaw), as: Self.alaw))
    #expect(rig.pool.made == 0)
  }

  @Test(arguments: [
    (Format.mulaw8k, linear(24_000), 80, 480, 310), (linear(24_000), mulaw, 480, 80, 310),
    (mulaw, linear(16_000, isBigEndian: true), 80, 320, 240), (linear(16_000), alaw, 320, 80, 240),
    (linear(16_000), linear(24_000), 320, 480, 150),
    (linear(24_000), linear(16_000), 480, 320, 150),
  ])
  func `10 ms in are 10 ms out`(from: Format, to: Format, step: Int, out: Int, delay: Int) throws {
    let rig = ConversionRig()
    var conversion = try #require(rig.conversion(from, to))
    #expect(conversion.stepBytes == step && conversion.delayMicroseconds == delay)
    #expect(conversion.tailBytes == 2 * out && rig.pool.inUse == 1)
    for pieces in [1, 2, 3, 10, 1, 7, 0] {
      #expect(conversion.outputBytes(for: pieces * step) == pieces * out)
      let silence = [UInt8](repeating: from.silence, count: pieces * step)
      #expect(rig.convert(silence, by: conversion).count == pieces * out)
    }
    conversion.release(to: rig.pool)
    #expect(rig.pool.inUse == 0 && conversion.isIdentity)
    conversion.release(to: rig.pool)
  }

  @Test func `what nobody converts is refused, and a dry pool says so`() throws {
    let rig = ConversionRig()
    let stereo = Format(codec: .mulaw, rate: 8_000, channels: 2)
    for (from, to) in [
      (stereo, Self.mulaw), (Self.mulaw, stereo), (Self.linear(48_000), Self.linear(24_000)),
      (Self.linear(8_000), Self.linear(11_025)),
    ] {
      #expect(!Conversion.exists(from: from, to: to))
      #expect(rig.conversion(from, to) == nil)
    }
    var first = try #require(rig.conversion(Self.mulaw, Self.linear(24_000)))
    #expect(Conversion.exists(from: Self.alaw, to: Self.linear(24_000)))
    #expect(rig.conversion(Self.alaw, Self.linear(24_000)) == nil)
    first.release(to: rig.pool)
    #expect(rig.conversion(Self.alaw, Self.linear(24_000)) != nil)
  }

  @Test func `a call hears nothing of the one before`() throws {
    let rig = ConversionRig()
    let tone = encoded(Sine(hertz: 440, rate: 8_000).samples(800), as: Self.mulaw)
    func run() throws -> [UInt8] {
      var conversion = try #require(rig.conversion(Self.mulaw, Self.linear(24_000)))
      defer { conversion.release(to: rig.pool) }
      return rig.convert(tone, by: conversion)
    }
    let first = try run()
    #expect(try run() == first)
    #expect(rig.pool.made == 1)
  }

  @Test func `the tail brings out what the filter holds, and settles`() throws {
    let rig = ConversionRig(profile: .fidelity)
    let conversion = try #require(rig.conversion(Self.mulaw, Self.linear(24_000)))
    let tone = encoded(Sine(hertz: 440, rate: 8_000).samples(160), as: Self.mulaw)
    let whole = rig.convert(tone + [UInt8](repeating: 0xff, count: 160), by: conversion)
    var tail = [UInt8](repeating: 1, count: conversion.tailBytes)
    let before = rig.convert(tone, by: conversion)
    tail.withMutableBytes { conversion.tail(into: $0, in: rig.pool) }
    #expect(before + tail == whole)
    #expect(tail.contains { $0 != 0 })
    _ = rig.convert(tone, by: conversion)
    conversion.settle(in: rig.pool)
    #expect(rig.convert(tone, by: conversion) == before)
  }

  /// Through there and back, in pieces of 10 to 100 ms: one break anywhere would stand out of the
  /// sine by far more than rounding does.
  @Test(arguments: [(8_000, 24_000), (8_000, 16_000), (16_000, 24_000)])
  func `a minute of a sine comes out without a break`(lower: Int, higher: Int) throws {
    let rig = ConversionRig()
    let samples = Sine(hertz: 437, rate: lower, decibels: -10).samples(60 * lower)
    let heard = try rig.thereAndBack(
      encoded(samples, as: Self.linear(lower)), Self.linear(lower), Self.linear(higher))
    let out = decoded(heard, as: Self.linear(lower))
    #expect(out.count == samples.count)
    let fit = SineFit(out[lower..<2 * lower], hertz: 437, rate: lower)
    #expect(fit.signalToNoise > 80)
    var worst = 0.0
    for index in lower / 10..<out.count {
      worst = max(worst, abs(Double(out[index]) - fit.value(at: index)))
    }
    #expect(worst < 3, "\(worst) of 10,362")
  }

  /// Each way has one µ-law, whose own noise lies 37.2 dB below such tones; the two ways together
  /// have two.
  @Test(arguments: Config.Profile.allCases, [437.0, 3_137.0])
  func `the way to 24 kHz and back adds no noise to that of µ-law`(
    profile: Config.Profile, hertz: Double
  ) throws {
    let rig = ConversionRig(profile: profile)
    let near = Sine(hertz: hertz, rate: 8_000, decibels: -10).samples(16_000)
    let far = Sine(hertz: hertz, rate: 24_000, decibels: -10).samples(48_000)
    let wide = Self.linear(24_000)
    let up = try #require(rig.conversion(Self.mulaw, wide))
    let down = try #require(rig.conversion(wide, Self.mulaw))
    func fit(_ bytes: [UInt8], _ format: Format) -> SineFit {
      let heard = decoded(bytes, as: format).dropFirst(format.rate / 10)
      return SineFit(heard, hertz: hertz, rate: format.rate)
    }
    let sent = encoded(near, as: Self.mulaw)
    let carried = rig.convert(sent, by: up)
    let alone = fit(sent, Self.mulaw)
    for (there, least) in [
      (fit(carried, wide), 37),
      (fit(rig.convert(encoded(far, as: wide), by: down), Self.mulaw), 37),
      (fit(rig.convert(carried, by: down), Self.mulaw), 33.5),
    ] {
      #expect(there.signalToNoise > least)
      #expect(abs(there.level - alone.level) < 0.05)
    }
  }
}

/// A pool with one stream of each pair, and bytes in and out.
final class ConversionRig {
  let pool: ResamplerPool

  init(profile: Config.Profile = .balanced) {
    pool = ResamplerPool(profile: profile, streamsMax: 1)
  }

  deinit { pool.deallocate() }

  func conversion(_ from: Format, _ to: Format) -> Conversion? {
    Conversion(from: from, to: to, in: pool)
  }

  /// Between forbidden pages.
  func convert(_ input: [UInt8], by conversion: Conversion) -> [UInt8] {
    let source = ForbiddenPage(input)
    let place = ForbiddenPage(count: conversion.outputBytes(for: input.count))
    conversion.convert(source.bytes, into: place.bytes, in: pool)
    return place.bytes.array
  }

  /// Every piece through both conversions, 10 to 100 ms at a time.
  func thereAndBack(_ input: [UInt8], _ near: Format, _ far: Format) throws -> [UInt8] {
    let there = try #require(conversion(near, far))
    let back = try #require(conversion(far, near))
    var random = SeededRandom(seed: 21)
    var heard: [UInt8] = []
    var taken = 0
    while taken < input.count {
      let steps = Int.random(in: 1...10, using: &random)
      let piece = input[taken..<min(taken + steps * there.stepBytes, input.count)]
      heard += convert(convert(Array(piece), by: there), by: back)
      taken += piece.count
    }
    return heard
  }
}
