// The table of resamplers, each row measured again on the libsoxr that is installed here: exact
// counts, delay, noise, images and aliases, and that a settled stream is a new one.
import CMalloc
import Glibc
import Testing

@testable import Sidetone

struct ResamplerTests {
  /// What each row promises beside its delay: rejection of the nearest image, and signal to noise
  /// of a sine at -1 dBFS, in decibels. Sixteen bits end at 98.
  struct Row: CustomTestStringConvertible, Sendable {
    let profile: Config.Profile
    let from: Int
    let to: Int
    let rejection: Double
    let signalToNoise: Double

    init(_ profile: Config.Profile, _ from: Int, _ to: Int, _ rejection: Double, _ noise: Double) {
      self.profile = profile
      self.from = from * 1000
      self.to = to * 1000
      self.rejection = rejection
      signalToNoise = noise
    }

    var testDescription: String { "\(profile) \(from) to \(to)" }
    /// The upper end of speech.
    var bandEdge: Double { min(from, to) == 8_000 ? 3_400 : 7_000 }
  }

  static let rows = [
    Row(.lowest, 8, 16, 99, 93.9), Row(.lowest, 8, 24, 98, 94.0), Row(.lowest, 16, 24, 69, 94.1),
    Row(.lowest, 24, 16, 69, 94.9), Row(.lowest, 24, 8, 98, 95.9), Row(.lowest, 16, 8, 99, 95.4),
    Row(.balanced, 8, 16, 99, 93.9), Row(.balanced, 8, 24, 104, 93.9),
    Row(.balanced, 16, 24, 103, 94.0), Row(.balanced, 24, 16, 103, 95.0),
    Row(.balanced, 24, 8, 104, 95.9), Row(.balanced, 16, 8, 99, 95.4),
    Row(.fidelity, 8, 16, 99, 95.2), Row(.fidelity, 8, 24, 104, 94.9),
    Row(.fidelity, 16, 24, 103, 94.7), Row(.fidelity, 24, 16, 103, 95.8),
    Row(.fidelity, 24, 8, 104, 96.9), Row(.fidelity, 16, 8, 99, 96.9),
  ]

  @Test func `there is a row for every pair and profile`() {
    let recipes = Resampler.Recipe.all
    #expect(recipes.count == 18 && Self.rows.count == 18)
    for row in Self.rows {
      let same = recipes.filter {
        $0.profile == row.profile && $0.from == row.from && $0.to == row.to
      }
      #expect(same.count == 1, "\(row.testDescription)")
    }
  }

  static func linear(_ from: Int, _ to: Int, in pool: ResamplerPool) -> Conversion? {
    Conversion(
      from: Format(codec: .linear16, rate: from), to: Format(codec: .linear16, rate: to), in: pool)
  }

  /// A resampler that gave less or more would trap.
  @Test(arguments: rows)
  func `each 10, 20 or 30 ms in give as much out, from the first call`(row: Row) {
    let rig = ResamplerRig(row)
    var random = SeededRandom(seed: 5)
    for _ in 0..<1_000 {
      let pieces = Int.random(in: 1...3, using: &random)
      let noise = (0..<row.from / 100 * pieces).map { _ in
        Int16.random(in: -9_000...9_000, using: &random)
      }
      #expect(rig.piece(noise).count == row.to / 100 * pieces)
    }
  }

  @Test(arguments: rows)
  func `1 kHz is delayed as the table says`(row: Row) {
    // Group delay: how much more 1020 Hz lags behind than 980 Hz.
    let lags = [980.0, 1_020.0].map { hertz in
      SineFit(ResamplerRig(row).heard(hertz), hertz: hertz, rate: row.to).lag
    }
    var difference = lags[1] - lags[0]
    if difference < 0 { difference += 2 * .pi }
    let delay = difference / (2 * .pi * 40) * 1_000_000
    let promised = Double(ResamplerRig(row).conversion.delayMicroseconds)
    #expect(abs(delay - promised) < 12, "measured \(delay) µs")
  }

  @Test(arguments: rows)
  func `a sine comes out as clean and as loud as 16 bits allow`(row: Row) {
    let fit = SineFit(ResamplerRig(row).heard(997), hertz: 997, rate: row.to)
    #expect(fit.signalToNoise > row.signalToNoise - 0.3)
    #expect(abs(fit.level + 1) < 0.01)
    let edge = SineFit(ResamplerRig(row).heard(row.bandEdge), hertz: row.bandEdge, rate: row.to)
    #expect(abs(edge.level + 1) < 0.01)
  }

  /// Upwards the image of the band's edge beside it, downwards what would fold onto the edge.
  @Test(arguments: rows)
  func `images and aliases are kept out`(row: Row) {
    let lower = Double(min(row.from, row.to))
    let mirror = lower - row.bandEdge
    let isUp = row.to > row.from
    let heard = ResamplerRig(row).heard(isUp ? row.bandEdge : mirror)
    let unwanted = SineFit(heard, hertz: isUp ? mirror : row.bandEdge, rate: row.to)
    #expect(-1 - unwanted.level > min(row.rejection - 1, 100))
  }

  @Test(arguments: rows)
  func `20 ms of silence make a stream equal to a new one`(row: Row) {
    let used = ResamplerRig(row)
    let fresh = ResamplerRig(row)
    var random = SeededRandom(seed: 9)
    func noise() -> [Int16] {
      (0..<row.from / 50).map { _ in Int16.random(in: .min ... .max, using: &random) }
    }
    for _ in 0..<50 { _ = used.piece(noise()) }
    used.conversion.settle(in: used.pool)
    for _ in 0..<50 {
      let piece = noise()
      #expect(used.piece(piece) == fresh.piece(piece))
    }
  }

  @Test func `a pool makes what it was told, then more on demand, and keeps them`() throws {
    let pool = ResamplerPool(
      profile: .balanced, ready: [(8_000, 24_000, 2), (24_000, 8_000, 1)], streamsMax: 3)
    defer { pool.deallocate() }
    #expect(pool.made == 3 && pool.inUse == 0)
    let held = try (0..<3).map { _ in try #require(pool.take(from: 8_000, to: 24_000)) }
    #expect(pool.made == 4 && pool.inUse == 3)
    #expect(pool.take(from: 8_000, to: 24_000) == nil)
    #expect(pool.take(from: 8_000, to: 48_000) == nil)
    for stream in held { pool.give(stream) }
    #expect(pool.made == 4 && pool.inUse == 0)
  }

  @Test func `what a stream takes is in the plan`() async {
    await #expect(processExitsWith: .success) {
      for profile in Config.Profile.allCases {
        let before = allocated()
        let pool = ResamplerPool(profile: profile, ready: allPairs(10), streamsMax: 10)
        precondition(allocated() - before < 60 * Limits.resamplerBytes)
        pool.deallocate()
      }
    }
  }

  /// In a process of its own, where nobody else allocates.
  @Test func `no memory is taken while frames run`() async {
    await #expect(processExitsWith: .success) {
      for profile in Config.Profile.allCases {
        let pool = ResamplerPool(profile: profile, ready: allPairs(1), streamsMax: 1)
        let conversions = allPairs(1).map { ResamplerTests.linear($0.from, $0.to, in: pool)! }
        let sound = Buffer(count: 4_800)
        let place = Buffer(count: 14_400)
        sound.bytes.fill(0x11)
        var random = SeededRandom(seed: 3)
        func frame() {
          for conversion in conversions {
            let input = conversion.stepBytes * Int.random(in: 1...10, using: &random)
            let output = conversion.outputBytes(for: input)
            conversion.convert(
              sound.bytes.prefix(input), into: place.bytes.prefix(output), in: pool)
          }
        }
        frame()  // What Swift's runtime wants for itself.
        let before = allocated()
        for _ in 0..<3_000 { frame() }
        precondition(allocated() == before)
      }
    }
  }
}

private func allPairs(_ count: Int) -> [(from: Int, to: Int, count: Int)] {
  ResamplerTests.rows.prefix(6).map { ($0.from, $0.to, count) }
}

/// Bytes that this process has taken from malloc.
private func allocated() -> Int {
  let info = mallinfo2()
  return Int(info.uordblks + info.hblkhd)
}

/// The conversion of a row, samples to samples.
final class ResamplerRig {
  let pool: ResamplerPool
  let conversion: Conversion
  private let row: ResamplerTests.Row

  init(_ row: ResamplerTests.Row) {
    self.row = row
    pool = ResamplerPool(profile: row.profile, streamsMax: 1)
    conversion = ResamplerTests.linear(row.from, row.to, in: pool)!
  }

  deinit { pool.deallocate() }

  func piece(_ samples: [Int16]) -> [Int16] {
    let little = Format(codec: .linear16, rate: row.from)
    let source = ForbiddenPage(encoded(samples, as: little))
    let place = ForbiddenPage(count: conversion.outputBytes(for: source.bytes.count))
    conversion.convert(source.bytes, into: place.bytes, in: pool)
    return decoded(place.bytes.array, as: little)
  }

  /// What comes out of one second of a sine at -1 dBFS, but for its first and last 50 ms.
  func heard(_ hertz: Double) -> ArraySlice<Int16> {
    let out = piece(Sine(hertz: hertz, rate: row.from).samples(row.from))
    return out[row.to / 20..<row.to - row.to / 20]
  }
}
