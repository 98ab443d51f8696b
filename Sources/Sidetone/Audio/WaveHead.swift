// The head of a WAV file (RIFF WAVE) in front of raw audio: what it says of the samples behind it.
// It may be cut anywhere, and may hold chunks that nobody asks for.
//
//     "RIFF" size "WAVE" { name size bytes }… "fmt " size format … "data" size samples

package struct WaveHead: BitwiseCopyable, Sendable {
  package enum Outcome {
    /// The head goes on in the next bytes.
    case needMore
    /// Behind it lies audio of this format; the rest of the bytes is the first of it.
    case audio(Format, Bytes)
    /// Samples that are none of ours.
    case unsupported
    /// No WAV file: all of it is audio, what is `held` and the rest.
    case other(Bytes)
  }

  private enum Stage: BitwiseCopyable {
    case none, file, chunk, format
    /// Over the bytes of a chunk that is of no concern.
    case skipping
  }

  private var stage = Stage.none
  private var wanted = 0
  private var skipped = 0
  private var count = 0
  private var bytes = InlineArray<40, UInt8>(repeating: 0)
  private var format: Format?

  package init() {}

  /// It has begun and not ended.
  package var isOpen: Bool { stage != .none }

  /// `RIFF`, a size, `WAVE`.
  package static let leastBytes = 12

  /// Whether bytes are, or may become, the beginning of one.
  package static func begins(_ bytes: Bytes) -> Bool {
    let name: StaticString = "RIFF"
    guard bytes.count >= leastBytes else {
      let count = min(bytes.count, 4)
      return count > 0 && bytes.prefix(count).equals(name.bytes.prefix(count))
    }
    return bytes.starts(with: name) && bytes[8..<12].equals("WAVE")
  }

  /// Takes what has come of it.
  package mutating func take(_ audio: Bytes) -> Outcome {
    if stage == .none { expect(.file, Self.leastBytes) }
    var rest = audio
    while true {
      while count < wanted, count < bytes.count, !rest.isEmpty {
        bytes[count] = rest[0]
        count += 1
        rest = rest.dropping(1)
      }
      let passed = min(max(wanted - bytes.count - skipped, 0), rest.count)
      if count == bytes.count, passed > 0 {
        skipped += passed
        rest = rest.dropping(passed)
      }
      guard count + skipped >= wanted else { return .needMore }
      if let outcome = finish(rest) { return outcome }
    }
  }

  /// It does not go on: true where what is `held` was audio.
  package mutating func close() -> Bool {
    defer { stage = .none }
    return stage == .file
  }

  /// What was taken of bytes that turned out to be none.
  package func held(into place: Bytes) -> Bytes {
    for index in 0..<min(count, place.count) { place[index] = bytes[index] }
    return place.prefix(min(count, place.count))
  }

  private mutating func expect(_ stage: Stage, _ wanted: Int) {
    self.stage = stage
    self.wanted = wanted
    count = 0
    skipped = 0
  }

  /// One part is whole: what comes next, or what the head has said.
  private mutating func finish(_ rest: Bytes) -> Outcome? {
    switch stage {
    case .none: return .other(rest)
    case .file:
      guard isNamed("RIFF", at: 0), isNamed("WAVE", at: 8) else {
        return end(.other(rest))
      }
      expect(.chunk, 8)
    case .chunk:
      let size = number(at: 4)
      // Chunks begin at even places.
      let whole = size + size % 2
      if isNamed("data", at: 0) {
        guard let format else { return end(.unsupported) }
        return end(.audio(format, rest))
      }
      guard whole <= 1 << 20 else { return end(.unsupported) }
      expect(isNamed("fmt ", at: 0) ? .format : .skipping, whole)
    case .format:
      guard wanted >= 16 else { return end(.unsupported) }
      format = formatSaid
      expect(.chunk, 8)
    case .skipping: expect(.chunk, 8)
    }
    return nil
  }

  private mutating func end(_ outcome: Outcome) -> Outcome {
    stage = .none
    format = nil
    return outcome
  }

  /// 16-bit linear samples, or G.711 at 8 kHz; the extensible form names its codec behind.
  private var formatSaid: Format? {
    var tag = number(at: 0) & 0xffff
    if tag == 0xfffe, wanted >= 26 { tag = number(at: 24) & 0xffff }
    let channels = number(at: 0) >> 16
    let rate = number(at: 4)
    let bits = number(at: 12) >> 16
    guard channels == 1 || channels == 2, Format.rates.contains(rate) else { return nil }
    switch (tag, bits) {
    case (1, 16): return Format(codec: .linear16, rate: rate, channels: channels)
    case (6, 8) where rate == 8000: return Format(codec: .alaw, rate: rate, channels: channels)
    case (7, 8) where rate == 8000: return Format(codec: .mulaw, rate: rate, channels: channels)
    default: return nil
    }
  }

  private func isNamed(_ name: StaticString, at place: Int) -> Bool {
    for index in 0..<4 where bytes[place + index] != name.bytes[index] { return false }
    return true
  }

  /// Little-endian, of four bytes.
  private func number(at place: Int) -> Int {
    var value = 0
    for index in 0..<4 { value |= Int(bytes[place + index]) << (8 * index) }
    return value
  }
}

/// Files that are no raw samples, by their first bytes.
package enum Container {
  package static func named(by bytes: Bytes) -> StaticString? {
    let marks: [(StaticString, Int, StaticString)] = [
      ("OggS", 0, "Ogg"), ("fLaC", 0, "FLAC"), ("RF64", 0, "RF64"), ("RIFX", 0, "RIFX"),
      ("FORM", 0, "AIFF"), (".snd", 0, "AU"), ("caff", 0, "CAF"), ("ftyp", 4, "MP4"),
      ("ID3", 0, "MP3"),
    ]
    for (mark, place, name) in marks where bytes.count >= place + 8 {
      if bytes.dropping(place).starts(with: mark) { return name }
    }
    let isMatroska = bytes.count >= 4 && bytes.load(UInt32.self, at: 0) == 0xa3df_451a
    return isMatroska ? "WebM" : nil
  }
}
