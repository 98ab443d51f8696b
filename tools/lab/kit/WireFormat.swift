// How samples are written on a wire, and back.

package struct WireFormat: Equatable, Sendable {
  package enum Coding: String, Sendable { case linear16, mulaw, alaw }

  package var coding: Coding
  package var rate: Int
  package var channels: Int
  /// Only linear16 has an order of bytes.
  package var isBigEndian = false

  package static let telephone = WireFormat(.mulaw)
  /// What voice models say.
  package static let pcm24 = WireFormat.pcm(24_000)
  package static func pcm(_ rate: Int) -> WireFormat { WireFormat(.linear16, rate: rate) }

  package init(_ coding: Coding, rate: Int = 8000, channels: Int = 1, isBigEndian: Bool = false) {
    self.coding = coding
    self.rate = rate
    self.channels = channels
    self.isBigEndian = isBigEndian
  }

  package var sampleBytes: Int { coding == .linear16 ? 2 : 1 }
  package var bytesPerSecond: Int { rate * channels * sampleBytes }

  /// How many whole milliseconds `bytes` bytes last.
  package func milliseconds(_ bytes: Int) -> Int { bytes * 1000 / bytesPerSecond }

  /// A stretch of quiet, in whole frames of samples.
  package func silence(seconds: Double) -> [UInt8] {
    let samples = Int((seconds * Double(rate)).rounded()) * channels
    return write([Int16](repeating: 0, count: samples))
  }

  /// Samples, channel by channel where there are several, as the wire has them.
  package func write(_ samples: some Sequence<Int16>) -> [UInt8] {
    switch coding {
    case .mulaw: samples.map { Law.mu.encode($0) }
    case .alaw: samples.map { Law.a.encode($0) }
    case .linear16: writeLinear(samples)
    }
  }

  /// An answer of a voice model is written at once, so this must not take long.
  private func writeLinear(_ samples: some Sequence<Int16>) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(2 * samples.underestimatedCount)
    for sample in samples {
      let value = isBigEndian ? sample.byteSwapped : sample
      bytes.append(UInt8(truncatingIfNeeded: value))
      bytes.append(UInt8(truncatingIfNeeded: value >> 8))
    }
    return bytes
  }

  /// The samples that are whole in `bytes`.
  package func read(_ bytes: [UInt8]) -> [Int16] {
    switch coding {
    case .mulaw: bytes.map { Law.mu.decode($0) }
    case .alaw: bytes.map { Law.a.decode($0) }
    case .linear16:
      stride(from: 0, to: bytes.count - 1, by: 2).map {
        let (first, second) = (UInt16(bytes[$0]), UInt16(bytes[$0 + 1]))
        return Int16(bitPattern: isBigEndian ? first << 8 | second : second << 8 | first)
      }
    }
  }

  /// The bytes of a recording in this format; a mono recording is said on all channels.
  package func encode(_ recording: Recording) -> [UInt8] {
    let sound = recording.resampled(to: rate)
    let rows = channels == 1 ? [sound.mono] : sound.channels
    return write(
      (0..<(rows.first?.count ?? 0)).flatMap { index in
        (0..<channels).map { rows[min($0, rows.count - 1)][index] }
      })
  }

  package func decode(_ bytes: [UInt8]) -> Recording {
    let samples = read(bytes)
    let whole = samples.count / channels * channels
    return Recording(
      rate: rate,
      channels: (0..<channels).map { channel in
        stride(from: channel, to: whole, by: channels).map { samples[$0] }
      })
  }

  /// The words of the tone code in what was heard.
  package func words(in bytes: [UInt8]) -> [String] {
    let sound = decode(bytes).resampled(to: Tones.sampleRate)
    var ear = ToneDecoder()
    let heard = ear.hear(sound.mono)
    return (heard + ear.finish()).map(\.text)
  }
}
