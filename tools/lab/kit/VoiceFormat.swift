// How a voice model's audio is written: PCM16 of either of its rates, or G.711 at 8 kHz.

package struct VoiceFormat: Equatable, Sendable {
  package enum Coding: Sendable { case pcm, mulaw, alaw }

  package let coding: Coding
  package let rate: Int

  package static let pcm24 = VoiceFormat.pcm(24_000)
  package static let mulaw = VoiceFormat(coding: .mulaw, rate: 8000)
  package static let alaw = VoiceFormat(coding: .alaw, rate: 8000)
  package static func pcm(_ rate: Int) -> VoiceFormat { VoiceFormat(coding: .pcm, rate: rate) }

  package var sampleBytes: Int { coding == .pcm ? 2 : 1 }
  package var bytesPerSecond: Int { rate * sampleBytes }

  /// How many whole milliseconds `bytes` bytes last.
  package func milliseconds(_ bytes: Int) -> Int { bytes * 1000 / bytesPerSecond }

  package func decode(_ bytes: [UInt8]) -> [Int16] {
    switch coding {
    case .mulaw: bytes.map { Law.mu.decode($0) }
    case .alaw: bytes.map { Law.a.decode($0) }
    case .pcm:
      stride(from: 0, to: bytes.count - 1, by: 2).map {
        Int16(bitPattern: UInt16(bytes[$0]) | UInt16(bytes[$0 + 1]) << 8)
      }
    }
  }

  package func encode(_ samples: [Int16]) -> [UInt8] {
    switch coding {
    case .mulaw: samples.map { Law.mu.encode($0) }
    case .alaw: samples.map { Law.a.encode($0) }
    case .pcm:
      samples.flatMap { [UInt8(truncatingIfNeeded: $0), UInt8(truncatingIfNeeded: $0 >> 8)] }
    }
  }
}
