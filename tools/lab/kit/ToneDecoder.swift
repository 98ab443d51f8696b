// Hears words in a stream of samples, in pieces of any size. A word lies between a start mark and
// an end mark; only when the end mark has been heard are the symbols between them read, all at
// once, from the samples that are kept. Marks are found wherever they lie, so nothing before a word
// can harm it.
//
//        start          bytes of the word        checksum       end
//     |  mark  |  240 samples each  ...        |      |      |  mark  |   silence
//              ^ begin                                       ^ end: a multiple of 240 later

package struct HeardWord: Equatable, Sendable {
  /// What a damaged word is called.
  package static let damagedText = "[?]"

  package var text: String
  /// Seconds of audio since the first sample that was heard, silence included.
  package var start: Double
  package var end: Double
  package var isDamaged: Bool { text == Self.damagedText }
}

package struct ToneDecoder {
  /// The last samples heard; the place of a sample is its position modulo the size.
  private var kept = [Int16](repeating: 0, count: Self.keptSamples)
  /// How many samples have been heard.
  private var position = 0
  private var sums = MarkSums()
  private var startRun = MarkRun()
  private var endRun = MarkRun()
  private var word: OpenWord?
  private var heard: [HeardWord] = []

  private static let keptSamples = 32768
  /// The marks are looked for once in so many samples.
  private static let stride = 5
  private static let openSamplesMax =
    (Tones.wordBytesMax + Tones.checksumBytes + 2) * Tones.symbolSamples
  /// A word that breaks off is given up after so much quiet.
  private static let quietSamplesMax = 800

  /// A word whose start mark was heard.
  private struct OpenWord {
    /// Where its first byte begins.
    var begin: Int
    /// The energy of its start mark, to tell quiet from sound.
    var energy: Int
    var quietSamples = 0
  }

  package init() {}

  /// Seconds of audio heard so far.
  package var seconds: Double { Double(position) / Double(Tones.sampleRate) }

  /// Where the word that is being said began; nil between words.
  package var openSince: Double? {
    word.map { Double($0.begin - Tones.symbolSamples) / Double(Tones.sampleRate) }
  }

  /// Listens to 8 kHz samples and answers the words that ended in them.
  package mutating func hear(_ samples: some Sequence<Int16>) -> [HeardWord] {
    for sample in samples {
      let oldest = kept[(position - Tones.windowSamples) & (Self.keptSamples - 1)]
      sums.slide(in: sample, out: oldest, phase: position % Tones.windowSamples)
      kept[position & (Self.keptSamples - 1)] = sample
      position += 1
      if position % Self.stride == 0 { look() }
    }
    defer { heard.removeAll() }
    return heard
  }

  /// The stream is over: a word that has begun will not be completed.
  package mutating func finish() -> [HeardWord] {
    _ = hear(repeatElement(0, count: 0))
    if word != nil { giveUp(at: position) }
    defer { heard.removeAll() }
    return heard
  }

  private mutating func look() {
    if let middle = startRun.step(sums.start, energy: sums.energy, at: position) {
      if word != nil { giveUp(at: middle - Tones.symbolSamples) }
      word = OpenWord(begin: middle + Tones.guardSamples, energy: startRun.peakEnergy)
    }
    if let middle = endRun.step(sums.end, energy: sums.energy, at: position) {
      close(at: middle - Tones.windowSamples - Tones.guardSamples)
    }
    guard var open = word else { return }
    open.quietSamples = sums.energy < open.energy / 64 ? open.quietSamples + Self.stride : 0
    word = open
    if open.quietSamples > Self.quietSamplesMax || position - open.begin > Self.openSamplesMax {
      giveUp(at: position - open.quietSamples)
    }
  }

  private mutating func giveUp(at end: Int) {
    let begin = (word?.begin ?? end + Tones.symbolSamples) - Tones.symbolSamples
    word = nil
    report(HeardWord.damagedText, from: begin, to: max(begin, end))
  }

  /// An end mark begins at `end`.
  private mutating func close(at end: Int) {
    let over = end + Tones.symbolSamples
    guard let open = word, let text = read(from: open.begin, to: end) else {
      return giveUp(at: over)
    }
    word = nil
    report(text, from: open.begin - Tones.symbolSamples, to: over)
  }

  private mutating func report(_ text: String, from begin: Int, to end: Int) {
    let rate = Double(Tones.sampleRate)
    heard.append(
      HeardWord(text: text, start: max(0, Double(begin) / rate), end: Double(end) / rate))
  }

  /// The text between two marks, or nil where any of it is in doubt.
  private func read(from begin: Int, to end: Int) -> String? {
    let length = end - begin
    let count = (length + Tones.symbolSamples / 2) / Tones.symbolSamples
    guard count > Tones.checksumBytes, count <= Tones.wordBytesMax + Tones.checksumBytes,
      abs(length - count * Tones.symbolSamples) <= 2 * Tones.guardSamples
    else { return nil }
    var bytes: [UInt8] = []
    for index in 0..<count {
      guard let byte = symbol(at: begin + index * length / count + Tones.guardSamples) else {
        return nil
      }
      bytes.append(byte)
    }
    let text = bytes.dropLast(Tones.checksumBytes)
    let sum = UInt16(bytes[count - 2]) << 8 | UInt16(bytes[count - 1])
    guard Tones.checksum(text) == sum else { return nil }
    return String(validating: text, as: UTF8.self)
  }

  /// The byte whose tones fill the window that begins at `begin`; nil where they do not stand out.
  private func symbol(at begin: Int) -> UInt8? {
    let window = (begin..<begin + Tones.windowSamples).map { kept[$0 & (Self.keptSamples - 1)] }
    var energy = 0.0
    for sample in window { energy += Double(sample) * Double(sample) }
    let low = Self.loudest(in: window, of: Tones.low)
    let high = Self.loudest(in: window, of: Tones.high)
    // Alone, the two tones hold all the energy; a second speaker or a cut leaves them less than
    // half.
    let share = (low.power + high.power) / (energy * Double(Tones.windowSamples) / 2)
    guard low.isClear, high.isClear, share >= 0.5 else { return nil }
    return UInt8(low.nibble | high.nibble << 4)
  }

  private struct Loudest {
    var nibble = 0
    var power = 0.0
    var second = 0.0
    /// At least 6 dB above every other tone of its half.
    var isClear: Bool { power > 0 && power >= 4 * second }
  }

  private static func loudest(in window: [Int16], of tone: (Int) -> Int) -> Loudest {
    var best = Loudest()
    for nibble in 0..<16 {
      let step = tone(nibble)
      var turn = 0
      var real = 0
      var imaginary = 0
      for sample in window {
        real += Int(sample) * Wave.cosine[turn]
        imaginary += Int(sample) * Wave.sine[turn]
        turn += step
        if turn >= Tones.windowSamples { turn -= Tones.windowSamples }
      }
      let power = Wave.power(real, imaginary)
      if power > best.power {
        best = Loudest(nibble: nibble, power: power, second: best.power)
      } else {
        best.second = max(best.second, power)
      }
    }
    return best
  }
}
