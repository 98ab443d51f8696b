// WAV files as callers have them, and the rates and laws between them and the wire.

import Testing

@testable import LabKit

@Suite struct RecordingTests {
  private let stereo = Recording(rate: 16000, channels: [[1, -2, 32767], [-32768, 5, 6]])

  @Test func `what is written is read`() throws {
    #expect(try Recording(wav: stereo.wav) == stereo)
  }

  @Test func `unknown chunks are skipped`() throws {
    let file = stereo.wav
    let extra: [UInt8] = [UInt8]("LIST".utf8) + [3, 0, 0, 0, 1, 2, 3, 0]
    #expect(try Recording(wav: [UInt8](file[..<12]) + extra + file[12...]) == stereo)
  }

  @Test(arguments: [(7, Law.mu), (6, Law.a)]) func `companded files are read`(
    _ tag: Int, _ law: Law
  ) throws {
    var file = [UInt8](Recording(rate: 8000, channels: [[0]]).wav[..<40])
    file[20] = UInt8(tag)
    file[34] = 8
    file += [3, 0, 0, 0, 0x00, 0x80, 0x55]
    let expected = [0x00, 0x80, 0x55].map { law.decode($0) }
    #expect(try Recording(wav: file).channels == [expected])
  }

  @Test func `every cut is answered without a crash`() {
    let file = stereo.wav
    for length in 0..<file.count {
      let read = try? Recording(wav: [UInt8](file[..<length]))
      #expect(read == nil || read!.channels[0].count <= 3)
    }
  }

  @Test func `a strange coding is named`() {
    var file = stereo.wav
    file[20] = 85
    #expect(throws: Recording.Unreadable.self) { try Recording(wav: file) }
  }

  @Test func `resampling keeps the length in proportion`() {
    let samples = Tones.encode("hello")
    for rate in [16000, 24000, 44100] {
      let there = Resample.all(samples, from: 8000, to: rate)
      #expect(there.count == samples.count * rate / 8000)
      let back = Resample.all(there, from: rate, to: 8000)
      let loudest = zip(samples, back).map { abs(Int($0) - Int($1)) }.max() ?? 0
      #expect(loudest < 300)
    }
  }
}

@Suite struct LawTests {
  @Test func `mu law vectors`() {
    #expect(Law.mu.decode(0xff) == 0 && Law.mu.decode(0x7f) == 0)
    #expect(Law.mu.decode(0x80) == 32124 && Law.mu.decode(0x00) == -32124)
    #expect(Law.mu.encode(0) == 0xff && Law.mu.encode(32767) == 0x80)
    #expect(Law.mu.encode(-32768) == 0x00)
  }

  @Test func `a law vectors`() {
    #expect(Law.a.decode(0xd5) == 8 && Law.a.decode(0x55) == -8)
    #expect(Law.a.decode(0xaa) == 32256 && Law.a.decode(0x2a) == -32256)
    #expect(Law.a.encode(0) == 0xd5 && Law.a.encode(-1) == 0x55)
    #expect(Law.a.encode(32767) == 0xaa && Law.a.encode(-32768) == 0x2a)
  }

  @Test(arguments: [Law.mu, Law.a]) func `every byte stands for itself`(_ law: Law) {
    for byte in UInt8.min...UInt8.max where byte != 0x7f || law == .a {
      #expect(law.encode(law.decode(byte)) == byte)
    }
  }
}
