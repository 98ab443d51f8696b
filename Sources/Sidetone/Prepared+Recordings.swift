// What was recorded for callers, made ready: samples at each rate that they may be sent.

struct Recording: Sendable {
  private var sounds: [(rate: Int, samples: Text)] = []
  /// A caller who speaks does not end it.
  let isUninterrupted: Bool
  /// What is said in it, as the inside of a JSON string; empty: nobody knows.
  private(set) var words = Text([])

  /// Whole steps of 10 ms of signed 16-bit samples, at this many a second; nil: there are none.
  func samples(at rate: Int) -> Bytes? {
    for sound in sounds where sound.rate == rate { return sound.samples.bytes }
    return nil
  }

  init(
    _ greeting: Config.Greeting?, _ profile: Config.Profile, isUninterrupted: Bool = false
  ) {
    self.isUninterrupted = isUninterrupted
    guard let greeting else { return }
    if let speech = greeting.speech { words = Text(jsonEscaped(speech.text)) }
    // A text that nobody has spoken yet.
    if greeting.samples.isEmpty { return }
    let pool = ResamplerPool(profile: profile, streamsMax: 1)
    defer { pool.deallocate() }
    let source = Format(codec: .linear16, rate: greeting.rate)
    let step = greeting.rate / 100
    let count = (greeting.samples.count + step - 1) / step * step
    var bytes = [UInt8]()
    bytes.reserveCapacity(2 * count)
    for index in 0..<count {
      let sample = index < greeting.samples.count ? greeting.samples[index] : 0
      bytes.append(UInt8(truncatingIfNeeded: sample))
      bytes.append(UInt8(truncatingIfNeeded: sample >> 8))
    }
    sounds = Config.Greeting.readyRates.map { rate in
      let target = Format(codec: .linear16, rate: rate)
      guard var conversion = Conversion(from: source, to: target, in: pool) else {
        preconditionFailure("settings take only rates that can be converted")
      }
      defer { conversion.release(to: pool) }
      var samples = [UInt8](repeating: 0, count: conversion.outputBytes(for: bytes.count))
      bytes.withMutableBytes { from in
        samples.withMutableBytes { conversion.convert(from, into: $0, in: pool) }
      }
      return (rate, Text(samples))
    }
  }
}

private func jsonEscaped(_ text: String) -> [UInt8] {
  // The longest escape of a byte has six.
  var place = [UInt8](repeating: 0, count: 6 * text.utf8.count)
  return place.withMutableBytes { place in
    var writer = Writer(place)
    Array(text.utf8).withBytes { writer.write(json: $0) }
    return writer.written.array
  }
}
