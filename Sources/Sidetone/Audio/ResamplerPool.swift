// Resamplers made, primed and warmed at start, so that a call takes one that is ready and no frame
// allocates. A stream is fed 20 ms at a time, or 10 where there is no more: its queues, through
// which a window moves, have grown to what that needs once each of them was gone through. One that
// comes home is fed silence, after which it equals a new one bit for bit; it is never torn down
// before the end.

/// A plain value over memory taken at start; its owner calls `deallocate` at the very end. One
/// thread's at a time.
package struct ResamplerPool: Sendable {
  /// The most that is done at a time. After as much silence nothing is left of what went in before:
  /// every filter is shorter.
  static let pieceMilliseconds = 20
  /// The samples of a piece at the highest rate.
  static let pieceSamplesMax = 480
  /// Pieces after which the windows have gone through all queues: 1.5 s.
  private static let warmingPieces = 75

  /// The name of a stream that is taken.
  package struct Stream: BitwiseCopyable, Sendable {
    fileprivate let pair: Int
    fileprivate let slot: SlotID
  }

  package let profile: Config.Profile
  private var places: InlineArray<6, Slab<Resampler?>>
  private let buffers: BufferPool
  /// Room for the samples of a piece on its way in, and on its way out. Valid until the next piece.
  let samples: Bytes
  private let resampled: Bytes
  /// The same as floats, and a piece of silence.
  private let floats: Bytes
  private let resampledFloats: Bytes
  private let silence: Bytes

  /// Of each pair of rates.
  var streamsMax: Int { places[0].capacity }

  /// Makes `ready` streams for each pair of rates named; more are made when they are asked for, at
  /// most `streamsMax` of each pair, and kept. Traps where a stream does not keep its promise of
  /// exact counts, which another build of libsoxr might not.
  package init(
    profile: Config.Profile, ready: [(from: Int, to: Int, count: Int)] = [], streamsMax: Int
  ) {
    self.profile = profile
    places = InlineArray { _ in Slab(capacity: streamsMax, repeating: nil) }
    buffers = BufferPool(buffers: 5, bytes: Self.pieceSamplesMax * Samples.floatSize)
    samples = buffers.bytes(0)
    resampled = buffers.bytes(1)
    floats = buffers.bytes(2)
    resampledFloats = buffers.bytes(3)
    silence = buffers.bytes(4)
    silence.fill(0)
    for (from, to, count) in ready {
      guard let pair = Self.pair(from: from, to: to) else {
        preconditionFailure("rates that can be converted")
      }
      precondition(count <= streamsMax)
      for index in 0..<count {
        guard let stream = make(pair) else { preconditionFailure("memory for a resampler") }
        places[pair][index] = stream
      }
    }
  }

  package func deallocate() {
    for pair in places.indices {
      for index in 0..<places[pair].capacity { places[pair][index]?.delete() }
      places[pair].deallocate()
    }
    buffers.deallocate()
  }

  /// The six pairs of rates.
  private static func rates(_ pair: Int) -> (from: Int, to: Int) {
    switch pair {
    case 0: (8_000, 16_000)
    case 1: (8_000, 24_000)
    case 2: (16_000, 24_000)
    case 3: (24_000, 16_000)
    case 4: (24_000, 8_000)
    case 5: (16_000, 8_000)
    default: preconditionFailure("six pairs")
    }
  }

  /// Which pair this is; nil for rates that are not converted.
  @_noAllocation static func pair(from: Int, to: Int) -> Int? {
    for pair in 0..<6 {
      let rates = rates(pair)
      if rates.from == from && rates.to == to { return pair }
    }
    return nil
  }

  /// Streams that somebody holds.
  package var inUse: Int {
    var count = 0
    for pair in places.indices { count += places[pair].inUse }
    return count
  }

  /// Streams that exist, held or not.
  package var made: Int {
    var count = 0
    for pair in places.indices {
      for index in 0..<places[pair].capacity where places[pair][index] != nil { count += 1 }
    }
    return count
  }

  /// A stream like new; nil for rates that are not converted, and where all are held. The lowest
  /// place goes out first, and one that came home before any other: so a new stream is made only
  /// where no made one is free.
  package func take(from: Int, to: Int) -> Stream? {
    guard let pair = Self.pair(from: from, to: to), let slot = places[pair].take() else {
      return nil
    }
    if places[pair][slot.index] == nil {
      guard let stream = make(pair) else {
        places[pair].release(slot)
        return nil
      }
      places[pair][slot.index] = stream
    }
    return Stream(pair: pair, slot: slot)
  }

  @_noAllocation package func give(_ stream: Stream) {
    _ = settle(stream)
    places[stream.pair].release(stream.slot)
  }

  /// Feeds a piece of silence, which makes a stream equal to a new one, bit for bit. What it brings
  /// out is the end of the sound that went in before; valid until the next piece.
  @_noAllocation package func settle(_ stream: Stream) -> Bytes {
    process(silence(stream.pair), by: stream)
  }

  /// Feeds 10 or 20 ms of samples; exactly as much comes out, valid until the next piece.
  @_noAllocation func resample(_ piece: Bytes, by stream: Stream) -> Bytes {
    let input = floats.prefix(piece.count / Samples.size &* Samples.floatSize)
    Samples.widen(piece, into: input)
    return process(input, by: stream)
  }

  private func process(_ piece: Bytes, by stream: Stream) -> Bytes {
    guard places[stream.pair].holds(stream.slot),
      let resampler = places[stream.pair][stream.slot.index]
    else {
      preconditionFailure("a stream is used by who holds it")
    }
    let output = process(piece, pair: stream.pair, resampler)
    let rounded = resampled.prefix(output.count / Samples.floatSize &* Samples.size)
    Samples.round(output, into: rounded)
    return rounded
  }

  private func process(_ piece: Bytes, pair: Int, _ resampler: Resampler) -> Bytes {
    let rates = Self.rates(pair)
    let steps = piece.count / Self.bytes(10, of: rates.from)
    precondition(piece.count == Self.bytes(10 &* steps, of: rates.from))
    let output = resampledFloats.prefix(Self.bytes(10 &* steps, of: rates.to))
    let count = resampler.process(piece, into: output)
    precondition(
      count &* Samples.floatSize == output.count, "a fitted stream gives as long as it takes")
    return output
  }

  private static func bytes(_ milliseconds: Int, of rate: Int) -> Int {
    milliseconds &* rate / 1000 &* Samples.floatSize
  }

  private func silence(_ pair: Int) -> Bytes {
    silence.prefix(Self.bytes(Self.pieceMilliseconds, of: Self.rates(pair).from))
  }

  /// A primed and warm stream. Its windows go through the queues twice, the second time shifted by
  /// half a piece, as they are when a piece was short.
  private func make(_ pair: Int) -> Resampler? {
    let recipe = recipe(pair)
    guard let resampler = Resampler(recipe, silence: silence, scratch: resampledFloats) else {
      return nil
    }
    let piece = silence(pair)
    for _ in 0..<Self.warmingPieces { _ = process(piece, pair: pair, resampler) }
    _ = process(piece.prefix(piece.count / 2), pair: pair, resampler)
    for _ in 0..<Self.warmingPieces { _ = process(piece, pair: pair, resampler) }
    return resampler
  }

  private func recipe(_ pair: Int) -> Resampler.Recipe {
    let rates = Self.rates(pair)
    let recipe = Resampler.Recipe.all.first {
      $0.profile == profile && $0.from == rates.from && $0.to == rates.to
    }
    guard let recipe else { preconditionFailure("a row for every pair and profile") }
    return recipe
  }

  /// By how much a stream delays 1 kHz.
  package func delayMicroseconds(of stream: Stream) -> Int {
    recipe(stream.pair).delayMicroseconds
  }
}
