// What audio is made of: codec, rate, channels, byte order. Sizes follow from it.

package struct Format: BitwiseCopyable, Equatable, Sendable {
  package enum Codec: UInt8, BitwiseCopyable, Sendable {
    /// G.711, one byte a sample.
    case mulaw, alaw
    /// Signed 16-bit PCM.
    case linear16

    package var word: StaticString {
      switch self {
      case .mulaw: "mulaw"
      case .alaw: "alaw"
      case .linear16: "linear16"
      }
    }
  }

  package var codec: Codec
  /// Samples a second and channel.
  package var rate: Int
  package var channels: Int
  /// The high byte comes first; only linear16 has a byte order, so never with G.711.
  package var isBigEndian: Bool

  package init(codec: Codec, rate: Int, channels: Int = 1, isBigEndian: Bool = false) {
    precondition(rate > 0 && channels > 0 && channels <= 2)
    self.codec = codec
    self.rate = rate
    self.channels = channels
    self.isBigEndian = isBigEndian && codec == .linear16
  }

  /// The rates of linear samples that callers may send.
  package static let rates = [8000, 16_000, 24_000, 32_000, 44_100, 48_000]

  package static let mulaw8k = Format(codec: .mulaw, rate: 8000)

  package var bytesPerSample: Int { @_noAllocation get { codec == .linear16 ? 2 : 1 } }
  /// The bytes of one sample of every channel; audio is never cut inside them.
  package var bytesPerFrame: Int { @_noAllocation get { bytesPerSample &* channels } }
  package var bytesPerSecond: Int { @_noAllocation get { rate &* bytesPerFrame } }

  /// Whole frames only.
  @_noAllocation package func bytes(forMilliseconds milliseconds: Int) -> Int {
    rate &* milliseconds / 1000 &* bytesPerFrame
  }

  /// How long so many bytes last, rounded down.
  @_noAllocation package func milliseconds(forBytes bytes: Int) -> Int {
    bytes / bytesPerFrame &* 1000 / rate
  }

  /// A byte that, repeated, is silence.
  package var silence: UInt8 {
    switch codec {
    case .mulaw: return 0xff
    case .alaw: return 0xd5
    case .linear16: return 0
    }
  }
}
