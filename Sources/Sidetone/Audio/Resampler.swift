// One stream of libsoxr from one sample rate to another, and how it must be set so that it adds no
// more than its filter's own delay.
//
// libsoxr filters by transforms: nothing comes out before a whole block can, a block being the
// points of the transform less the taps of the filter and one. With stock settings that holds sound
// back for 37 to 115 ms. Here the edges of each filter are chosen so that its taps leave a block
// that divides 10 ms, and the stream is primed with as many zeros as the filter looks ahead. From
// then on each 10 ms in give exactly 10 ms out, in the same call.
//
// The stream must be fed whole multiples of 10 ms and never be flushed.

import CSoxr

/// A primed stream. A plain value: `delete` ends what it names.
@safe struct Resampler: BitwiseCopyable, @unchecked Sendable {
  private let stream: OpaquePointer?

  /// A new, primed stream that is not yet warm; nil where there is no memory for it. `silence` and
  /// `scratch` hold a piece at the highest rate each.
  init?(_ recipe: Recipe, silence: Bytes, scratch: Bytes) {
    let filter = recipe.filter
    let phase = recipe.phase.rawValue
    unsafe stream = csoxr_create(
      recipe.from, recipe.to, filter.passband, filter.stopband, phase, filter.size)
    if unsafe stream == nil { return nil }
    _ = process(silence.prefix(recipe.prime &* Samples.floatSize), into: scratch)
  }

  /// Feeds floats; how many came out, at most as many as `out` holds, or -1.
  @_noAllocation func process(_ floats: Bytes, into out: Bytes) -> Int {
    let size = Samples.floatSize
    return unsafe csoxr_process(
      stream, floats.base, floats.count / size, out.base, out.count / size)
  }

  func delete() {
    unsafe csoxr_delete(stream)
  }
}

extension Resampler {
  /// How a stream is set for a pair of rates, by profile: `lowest` has the shortest filters, whose
  /// images between 16 and 24 kHz are 69 dB down instead of 103; `balanced` is flat to 92 % of the
  /// band; `fidelity` has linear phase, which delays all frequencies alike, by 3 to 6 ms.
  struct Recipe: Sendable {
    let profile: Config.Profile
    /// Samples a second.
    let from: Int
    let to: Int
    let filter: Filter
    let phase: Phase
    /// Zeros fed once, so that the first block is complete as early as its filter allows.
    let prime: Int
    /// How much later 1 kHz comes out than it went in, beyond the wait for the frame itself.
    let delayMicroseconds: Int

    enum Phase: Double, Sendable {
      case minimum = 0
      case linear = 50
    }

    /// The band passes up to `passband` of the lower rate's Nyquist frequency and stops from
    /// `stopband`; transforms have 2^`size` points.
    struct Filter: Sendable {
      let passband: Double
      let stopband: Double
      let size: UInt32

      /// Blocks of 160, 120 and 240 samples at the common rate (16, 24 or 48 kHz). The edges lie in
      /// the middle of what gives this length, so that rounding elsewhere cannot change it.
      static let taps97 = Filter(passband: 0.869, stopband: 1.131, size: 8)
      static let taps137 = Filter(passband: 0.862, stopband: 1.138, size: 8)
      static let taps273 = Filter(passband: 0.9315, stopband: 1.0685, size: 9)
    }

    init(
      _ profile: Config.Profile, _ from: Int, _ to: Int, _ filter: Filter, _ phase: Phase,
      prime: Int, delay: Int
    ) {
      self.profile = profile
      self.from = from
      self.to = to
      self.filter = filter
      self.phase = phase
      self.prime = prime
      delayMicroseconds = delay
    }

    /// Found by trying: of all settings whose block divides the frame the best of each kind, with
    /// the delay measured from impulses at successive samples. 97 taps are the only length that
    /// fits twice the rate, so two profiles agree there. The tests measure each row again.
    static let all: [Recipe] = [
      Recipe(.lowest, 8_000, 16_000, .taps97, .minimum, prime: 3, delay: 240),
      Recipe(.lowest, 8_000, 24_000, .taps137, .minimum, prime: 3, delay: 340),
      Recipe(.lowest, 16_000, 24_000, .taps137, .minimum, prime: 3, delay: 160),
      Recipe(.lowest, 24_000, 16_000, .taps137, .minimum, prime: 4, delay: 140),
      Recipe(.lowest, 24_000, 8_000, .taps137, .minimum, prime: 8, delay: 300),
      Recipe(.lowest, 16_000, 8_000, .taps97, .minimum, prime: 5, delay: 240),
      Recipe(.balanced, 8_000, 16_000, .taps97, .minimum, prime: 3, delay: 240),
      Recipe(.balanced, 8_000, 24_000, .taps273, .minimum, prime: 3, delay: 310),
      Recipe(.balanced, 16_000, 24_000, .taps273, .minimum, prime: 3, delay: 150),
      Recipe(.balanced, 24_000, 16_000, .taps273, .minimum, prime: 5, delay: 150),
      Recipe(.balanced, 24_000, 8_000, .taps273, .minimum, prime: 9, delay: 310),
      Recipe(.balanced, 16_000, 8_000, .taps97, .minimum, prime: 5, delay: 240),
      Recipe(.fidelity, 8_000, 16_000, .taps97, .linear, prime: 24, delay: 3_000),
      Recipe(.fidelity, 8_000, 24_000, .taps273, .linear, prime: 46, delay: 5_750),
      Recipe(.fidelity, 16_000, 24_000, .taps273, .linear, prime: 46, delay: 2_870),
      Recipe(.fidelity, 24_000, 16_000, .taps273, .linear, prime: 68, delay: 2_830),
      Recipe(.fidelity, 24_000, 8_000, .taps273, .linear, prime: 136, delay: 5_670),
      Recipe(.fidelity, 16_000, 8_000, .taps97, .linear, prime: 48, delay: 3_000),
    ]
  }
}
