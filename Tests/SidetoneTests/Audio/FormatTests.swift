// The sizes that follow from a format.
import Testing

@testable import Sidetone

struct FormatTests {
  @Test(arguments: [
    (Format.mulaw8k, 160, 8_000, 1), (Format(codec: .alaw, rate: 8_000), 160, 8_000, 1),
    (Format(codec: .linear16, rate: 8_000), 320, 16_000, 2),
    (Format(codec: .linear16, rate: 16_000), 640, 32_000, 2),
    (Format(codec: .linear16, rate: 24_000, channels: 2), 1_920, 96_000, 4),
    (Format(codec: .mulaw, rate: 8_000, channels: 2), 320, 16_000, 2),
  ])
  func `20 ms, a second and one sample`(format: Format, frame: Int, second: Int, sample: Int) {
    #expect(format.bytes(forMilliseconds: 20) == frame)
    #expect(format.bytesPerSecond == second)
    #expect(format.bytesPerFrame == sample)
    #expect(format.milliseconds(forBytes: frame) == 20)
  }

  @Test func `sizes are whole samples, rounded down`() {
    let format = Format(codec: .linear16, rate: 11_025, channels: 2)
    #expect(format.bytes(forMilliseconds: 1) == 44)
    #expect(format.milliseconds(forBytes: 47) == 0)
  }

  @Test func `byte order matters to linear16 only`() {
    #expect(Format(codec: .mulaw, rate: 8_000, isBigEndian: true) == .mulaw8k)
    let little = Format(codec: .linear16, rate: 8_000)
    #expect(Format(codec: .linear16, rate: 8_000, isBigEndian: true) != little)
  }

  @Test(arguments: [
    (Format.mulaw8k, 0), (Format(codec: .alaw, rate: 8_000), 8),
    (Format(codec: .linear16, rate: 8_000), 0),
  ])
  func `silence decodes to the quietest sample`(format: Format, quietest: Int) {
    let sample = [UInt8](repeating: format.silence, count: format.bytesPerSample)
    #expect(decoded(sample, as: format) == [Int16(quietest)])
  }
}
