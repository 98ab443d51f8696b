// What an agent says on its way to its caller: taken in pieces of any length, given out to the
// sample, and nothing kept.

import Testing

@testable import Sidetone

/// A downlink with a pool of its own.
private final class Bench {
  static let model = Format(codec: .linear16, rate: 24_000)
  let pool: BlockPool
  let resamplers = ResamplerPool(profile: .balanced, streamsMax: 2)
  var downlink: Downlink
  private let scratch = kept(count: 4096)
  private let says: Format
  private let reply: Format

  init(
    _ says: Format = model, to reply: Format = .mulaw8k, blocks: Int = 1000,
    millisecondsMax: Int = 30_000
  ) {
    pool = BlockPool(blocks: blocks)
    self.says = says
    self.reply = reply
    downlink = Downlink(
      says: says, reply: reply,
      conversion: Conversion(from: says, to: reply, in: resamplers)!,
      pacing: Carrier.Pacing(
        payloadEncoding: .base64, leadMilliseconds: 200, pieceMilliseconds: 40,
        leastMilliseconds: 0,
        hasMarks: true), millisecondsMax: millisecondsMax)
  }

  deinit {
    pool.deallocate()
    resamplers.deallocate()
  }

  private var odd: UInt8?

  func keep(_ audio: [UInt8]) -> Downlink.Kept {
    let result = downlink.keep(kept(Talk.base64(audio)), behind: odd, in: pool)
    if case .bytes(_, let odd) = result { self.odd = odd }
    return result
  }

  /// What is kept now belongs to another item.
  func nextItem() { odd = nil }

  /// Converts all that can be, in turns of so many frames; how many turns that took.
  @discardableResult func convert(budget: Int = 1000) -> Int {
    var turns = 0
    while downlink.hasToConvert, turns < 10_000 {
      turns += 1
      if downlink.convert(budget: budget, scratch: scratch, in: pool, resamplers) == 0 { break }
    }
    return turns
  }

  /// Speech comes in another format from now on.
  func follow(_ says: Format) -> Bool {
    let conversion = Conversion(from: says, to: reply, in: resamplers)!
    return downlink.follow(says, by: conversion, scratch: scratch, in: pool, resamplers)
  }

  /// Everything that can be played.
  func play() -> [UInt8] {
    var audio: [UInt8] = []
    while downlink.waiting > 0 {
      let count = min(downlink.waiting, 320)
      audio += downlink.next(count, scratch: scratch, in: pool).array
      downlink.advance(count, in: pool)
    }
    return audio
  }

  /// What a conversion of all of it at once gives.
  func expected(_ audio: [UInt8]) -> [UInt8] {
    var conversion = Conversion(from: says, to: reply, in: resamplers)!
    var out = [UInt8](repeating: 0, count: conversion.outputBytes(for: audio.count))
    audio.withBytes { input in
      out.withMutableBytes { conversion.convert(input, into: $0, in: resamplers) }
    }
    conversion.release(to: resamplers)
    return out
  }
}

extension Downlink.Kept {
  fileprivate var bytes: Int? { if case .bytes(let count, _) = self { count } else { nil } }
  fileprivate var isFull: Bool { if case .full = self { true } else { false } }
  fileprivate var isMalformed: Bool { if case .malformed = self { true } else { false } }
}

private func speech(_ milliseconds: Int, hertz: Double = 437, rate: Int = 24_000) -> [UInt8] {
  Sine(hertz: hertz, rate: rate).samples(milliseconds * rate / 1000).flatMap {
    [UInt8(truncatingIfNeeded: $0), UInt8(truncatingIfNeeded: $0 >> 8)]
  }
}

struct DownlinkTests {
  @Test(arguments: [1, 3, 479, 480, 481, 2047, 2048, 2049, 6001])
  func `pieces of any length make the same sound as one`(length: Int) {
    let bench = Bench()
    let audio = speech(300)
    let expected = bench.expected(audio)
    var at = 0
    var bytes = 0
    while at < audio.count {
      bytes += bench.keep(Array(audio[at..<min(at + length, audio.count)])).bytes ?? 0
      #expect(bytes % 2 == 0)
      bench.convert()
      at += length
    }
    #expect(bytes == audio.count)
    #expect(bench.play() == expected)
    #expect(bench.downlink.waiting == 0 && bench.downlink.waitingMilliseconds == 0)
  }

  @Test func `the same format passes through to the byte`() {
    let bench = Bench(.mulaw8k, to: .mulaw8k)
    let audio = (0..<9001).map { UInt8(truncatingIfNeeded: $0 * 31) }
    for piece in [audio.prefix(1), audio[1..<5000], audio[5000...]] {
      #expect(bench.keep(Array(piece)).bytes == piece.count)
    }
    #expect(!bench.downlink.hasToConvert && bench.downlink.waiting == 9001)
    #expect(bench.play() == audio)
    #expect(bench.pool.free >= bench.pool.capacity - 1)
  }

  @Test func `a turn converts no more than its budget, and the next goes on`() {
    let bench = Bench()
    #expect(bench.keep(speech(1000)).bytes == 48_000)
    bench.convert(budget: 0)
    #expect(bench.downlink.waiting == 0)
    #expect(bench.convert(budget: 7) == 8)
    #expect(bench.downlink.waiting == 8000)
  }

  @Test func `at the end of speech a step is filled up and the filter's tail follows`() {
    let bench = Bench()
    // 14 ms: a step and four tenths.
    _ = bench.keep(speech(14))
    bench.convert()
    #expect(bench.downlink.waiting == 80 && !bench.downlink.isLast)
    bench.downlink.finish()
    bench.convert()
    #expect(bench.downlink.waiting == 80 + 80 + 160 && bench.downlink.isLast)
    bench.convert()
    #expect(bench.downlink.waiting == 320)
    // The last that was said is in it, and silence behind.
    let audio = bench.play()
    #expect(audio[100..<110].contains { $0 & 0x7f < 0x70 })
    #expect(audio.suffix(80).allSatisfy { $0 == 0xff || $0 == 0x7f })
  }

  @Test(arguments: [1, 9, 10, 14, 75])
  func `what came before another format is heard to its end`(milliseconds: Int) {
    let bench = Bench()
    _ = bench.keep(speech(milliseconds))
    #expect(bench.follow(Format(codec: .linear16, rate: 16_000)))
    #expect(!bench.downlink.isLast && bench.downlink.waitingMilliseconds >= milliseconds + 20)
    _ = bench.keep(speech(milliseconds, rate: 16_000))
    bench.downlink.finish()
    bench.convert()
    let audio = bench.play()
    let tails = 2 * 160
    #expect(audio.count == 2 * ((milliseconds + 9) / 10 * 80) + tails)
  }

  @Test func `a dry pool at another format says that something is lost`() {
    let bench = Bench(blocks: 3)
    _ = bench.keep(speech(14))
    var taken: [Chain] = []
    while bench.pool.free > 0 {
      var chain = Chain()
      let isAppended = chain.append(kept([1]), from: bench.pool)
      #expect(isAppended)
      taken.append(chain)
    }
    #expect(!bench.follow(Format(codec: .linear16, rate: 16_000)))
    for index in taken.indices { taken[index].clear(in: bench.pool) }
    #expect(bench.downlink.waitingMilliseconds == 0)
  }

  @Test func `nothing is filled up where the formats are one`() {
    let bench = Bench(.mulaw8k, to: .mulaw8k)
    _ = bench.keep([1, 2, 3])
    bench.downlink.finish()
    bench.convert()
    #expect(bench.downlink.isLast && bench.play() == [1, 2, 3])
  }

  @Test(arguments: [(24_000, 24_000), (24_000, 8_000)])
  func `half a sample at the end of an item does not turn the next one into noise`(
    says: Int, reply: Int
  ) {
    let bench = Bench(
      Format(codec: .linear16, rate: says), to: Format(codec: .linear16, rate: reply))
    let audio = speech(100, rate: says)
    _ = bench.keep(audio + [7])
    bench.downlink.finish()
    bench.convert()
    _ = bench.play()
    bench.nextItem()
    _ = bench.keep(audio)
    bench.convert()
    let played = bench.play()
    let pairs = stride(from: 0, to: played.count - 1, by: 2).map {
      Int(Int16(bitPattern: UInt16(played[$0]) | UInt16(played[$0 + 1]) << 8))
    }
    // A sine of 437 Hz hardly changes from one sample to the next; noise does.
    let steps = zip(pairs, pairs.dropFirst()).map { abs($0 - $1) }
    #expect(steps.max() ?? 0 < 12_000)
    #expect(played.count >= audio.count * reply / says)
  }

  @Test func `what goes beyond the longest wait is not kept`() {
    let bench = Bench(millisecondsMax: 1000)
    for _ in 0..<10 { #expect(bench.keep(speech(100)).bytes == 4800) }
    for _ in 0..<3 { #expect(bench.keep(speech(100)).isFull) }
    #expect(bench.downlink.waitingMilliseconds == 1000)
    bench.convert()
    #expect(bench.downlink.waiting == 8000)
    _ = bench.downlink.next(80, scratch: kept(count: 4096), in: bench.pool)
    bench.downlink.advance(800, in: bench.pool)
    #expect(bench.keep(speech(100)).bytes == 4800)
  }

  @Test func `in a dry pool speech is not kept, whatever its length`() {
    for length in [20, 60, 500] {
      let bench = Bench(blocks: 2)
      #expect(bench.keep(speech(20)).bytes == 960)
      var cut = 0
      for _ in 0..<5 {
        let kept = bench.keep(speech(length))
        #expect(!kept.isMalformed)
        if kept.isFull { cut += length }
      }
      #expect(cut > 0)
    }
  }

  @Test func `where a dry pool has no room for what is converted it waits`() {
    let bench = Bench(blocks: 2)
    #expect(bench.keep(speech(40)).bytes == 1920)
    var hog = Chain()
    _ = hog.append(kept(count: 1), from: bench.pool)
    bench.convert()
    #expect(bench.downlink.hasToConvert && bench.downlink.waiting == 0)
    hog.clear(in: bench.pool)
    bench.convert()
    #expect(bench.downlink.waiting == 320)
  }

  @Test func `what is no base64 leaves nothing behind`() {
    let bench = Bench()
    for text in ["a", "ab=c", "####"] {
      #expect(bench.downlink.keep(kept(text), behind: nil, in: bench.pool).isMalformed)
    }
    #expect(bench.downlink.keep(.empty, behind: 7, in: bench.pool).bytes == 0)
    #expect(bench.downlink.waitingMilliseconds == 0 && !bench.downlink.hasToConvert)
  }

  @Test func `what is cleared gives its blocks back, and the filter forgets it`() {
    let bench = Bench()
    _ = bench.keep(speech(2000, hertz: 3000))
    bench.convert(budget: 20)
    bench.downlink.finish()
    bench.downlink.clear(in: bench.pool, bench.resamplers)
    #expect(bench.pool.free == bench.pool.capacity)
    #expect(bench.downlink.waiting == 0 && !bench.downlink.hasToConvert && !bench.downlink.isLast)
    _ = bench.keep(speech(100))
    bench.convert()
    #expect(bench.play() == bench.expected(speech(100)))
  }

  @Test func `everything is given back at the end`() {
    let bench = Bench()
    _ = bench.keep(speech(500))
    bench.convert(budget: 5)
    bench.downlink.release(to: bench.pool, bench.resamplers)
    #expect(bench.pool.free == bench.pool.capacity && bench.resamplers.inUse == 0)
  }

  @Test func `the end is where the next piece will be played`() {
    let bench = Bench()
    #expect(bench.downlink.end == 0)
    _ = bench.keep(speech(1000))
    bench.convert(budget: 10)
    #expect(bench.downlink.end == 8000)
    bench.downlink.advance(320, in: bench.pool)
    _ = bench.downlink.playout.send(320, isEnd: false, at: .zero)
    #expect(bench.downlink.end == 8000)
  }
}
