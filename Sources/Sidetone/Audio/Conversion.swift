// Every frame.
//
// One direction of a call between two formats, decided once when the call starts. Where both agree
// bytes pass untouched; where only the codec or the byte order differs samples are written anew;
// where the rate differs they go through a resampler that this conversion holds until `release`.
//
//     bytes -> [decode] -> 20 ms of samples -> [resample] -> 20 ms of samples -> [encode] -> bytes
//
// What goes in comes out as long as it was, in the same call.

/// A plain value that lives in its call's slot. Holds a stream of the pool it was made with, so it
/// must be released before it is forgotten; the pool's `inUse` proves that it was.
package struct Conversion: BitwiseCopyable, Sendable {
  private var from: Format
  private var to: Format
  private let stream: ResamplerPool.Stream?
  /// Whether bytes pass as they are.
  package private(set) var isIdentity: Bool
  /// By how much 1 kHz is delayed, beyond the wait for the frame itself.
  package let delayMicroseconds: Int
  /// What comes in must be a multiple of this: 10 ms where the rate differs, one sample where only
  /// the codec or the byte order does, one byte where nothing does.
  package private(set) var stepBytes: Int

  /// The one that changes nothing.
  package init() {
    from = Format(codec: .mulaw, rate: 8_000)
    to = from
    stream = nil
    isIdentity = true
    delayMicroseconds = 0
    stepBytes = 1
  }

  /// Nil where `exists` says no, and where the pool has no stream left.
  package init?(from: Format, to: Format, in pool: ResamplerPool) {
    if from == to {
      self = Conversion()
      return
    }
    guard Self.exists(from: from, to: to) else { return nil }
    self.from = from
    self.to = to
    isIdentity = false
    if from.rate == to.rate {
      stream = nil
      delayMicroseconds = 0
      stepBytes = from.bytesPerSample
      return
    }
    guard let stream = pool.take(from: from.rate, to: to.rate) else { return nil }
    self.stream = stream
    delayMicroseconds = pool.delayMicroseconds(of: stream)
    stepBytes = from.bytes(forMilliseconds: 10)
  }

  /// Whether there is a way between two formats: they are the same, or have one channel each and
  /// rates that are equal or among 8, 16 and 24 kHz.
  @_noAllocation package static func exists(from: Format, to: Format) -> Bool {
    if from == to { return true }
    guard from.channels == 1, to.channels == 1 else { return false }
    return from.rate == to.rate || ResamplerPool.pair(from: from.rate, to: to.rate) != nil
  }

  /// Exactly the bytes that come out for so many that come in, a multiple of `stepBytes`.
  @_noAllocation package func outputBytes(for inputBytes: Int) -> Int {
    precondition(inputBytes % stepBytes == 0, "whole steps")
    if isIdentity { return inputBytes }
    return inputBytes / from.bytesPerSample &* to.rate / from.rate &* to.bytesPerSample
  }

  /// Converts all of `input`, a multiple of `stepBytes`, into all of `output`, which has exactly
  /// `outputBytes` for it and does not overlap it.
  @_noAllocation package func convert(
    _ input: Bytes, into output: Bytes, in pool: ResamplerPool
  ) {
    precondition(output.count == outputBytes(for: input.count))
    if isIdentity {
      output.copy(input)
      return
    }
    var taken = 0
    var written = 0
    while taken < input.count {
      let piece = input[taken..<min(taken &+ pieceBytes, input.count)]
      let decoded = Samples.decode(piece, as: from, into: pool.samples)
      var samples = pool.samples.prefix(decoded)
      if let stream { samples = pool.resample(samples, by: stream) }
      written &+= Samples.encode(samples, as: to, into: output.dropping(written))
      taken &+= piece.count
    }
  }

  /// What is done at a time, which the pool's scratch holds at any rate that is converted.
  private var pieceBytes: Int {
    stream == nil
      ? ResamplerPool.pieceSamplesMax &* from.bytesPerSample
      : from.bytes(forMilliseconds: ResamplerPool.pieceMilliseconds)
  }

  /// The bytes of the tail: 20 ms where there is a resampler, none elsewhere.
  package var tailBytes: Int {
    @_noAllocation get {
      stream == nil ? 0 : to.bytes(forMilliseconds: ResamplerPool.pieceMilliseconds)
    }
  }

  /// Where speech has ended, what the filter still holds of it, and silence behind it: `tailBytes`.
  /// Then the conversion is settled.
  @_noAllocation package func tail(into output: Bytes, in pool: ResamplerPool) {
    precondition(output.count == tailBytes)
    if let stream { _ = Samples.encode(pool.settle(stream), as: to, into: output) }
  }

  /// Forgets what went through, so that what comes next is converted as by a new conversion.
  @_noAllocation package func settle(in pool: ResamplerPool) {
    if let stream { _ = pool.settle(stream) }
  }

  /// The same conversion for samples whose bytes lie the other way round.
  @_noAllocation package mutating func turn(from: Format, to: Format) {
    precondition(from.rate == self.from.rate && to.rate == self.to.rate || isIdentity)
    self.from = from
    self.to = to
    isIdentity = from == to
    if stream == nil { stepBytes = isIdentity ? 1 : from.bytesPerSample }
  }

  /// Gives the stream back; this becomes the conversion that changes nothing.
  @_noAllocation package mutating func release(to pool: ResamplerPool) {
    if let stream { pool.give(stream) }
    self = Conversion()
  }
}
