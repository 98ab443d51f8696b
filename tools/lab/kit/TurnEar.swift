// Hears a caller's turns: sound begins one, a silence ends it, and the words of the tone code lie
// between. Time is that of the audio alone, so the same audio is heard the same however it was cut.
//
//     silence | sound . pauses between words . sound | silence of `silence` seconds | ...
//             ^ started                                                             ^ stopped

struct TurnEar {
  enum Event: Equatable {
    /// Seconds of audio before the first sound.
    case started(at: Double)
    /// Seconds of audio heard, the silence included, and what was said.
    case stopped(at: Double, words: [HeardWord])
  }

  /// Words of the tone code are 60 ms apart, so a shorter silence ends nothing.
  private static let silenceMin = 0.1
  /// The root mean square above which a stretch is sound: 36 dB below the largest sample.
  private static let loudness = 500.0

  /// Seconds of silence that end a turn; nil: only `finish` does.
  var silence: Double?
  let rate: Int

  private var resample: Resample
  private var tones = ToneDecoder()
  private var words: [HeardWord] = []
  /// Samples that do not fill a stretch yet.
  private var pending: [Int16] = []
  private var samplesHeard = 0
  private let origin: Double
  private(set) var isSpeaking = false
  private var quietSamples = 0

  /// `origin` is how many seconds of audio were heard before by another ear.
  init(rate: Int, silence: Double?, origin: Double = 0) {
    self.rate = rate
    self.silence = silence
    self.origin = origin
    resample = Resample(from: rate, to: Tones.sampleRate)
  }

  /// Seconds of audio taken in.
  var seconds: Double { origin + Double(samplesHeard + pending.count) / Double(rate) }

  mutating func hear(_ samples: [Int16]) -> [Event] {
    pending += samples
    // Stretches of 10 ms.
    let step = rate / 100
    var events: [Event] = []
    var begin = 0
    while begin + step <= pending.count {
      take(Array(pending[begin..<begin + step]), &events)
      begin += step
    }
    pending.removeFirst(begin)
    return events
  }

  private mutating func take(_ stretch: [Int16], _ events: inout [Event]) {
    let energy = stretch.reduce(0.0) { $0 + Double($1) * Double($1) }
    let isLoud = energy > Self.loudness * Self.loudness * Double(stretch.count)
    if isLoud && !isSpeaking {
      isSpeaking = true
      events.append(.started(at: origin + Double(samplesHeard) / Double(rate)))
    }
    samplesHeard += stretch.count
    quietSamples = isLoud ? 0 : quietSamples + stretch.count
    words += tones.hear(resample.convert(stretch))
    guard let silence, isSpeaking else { return }
    if Double(quietSamples) >= max(silence, Self.silenceMin) * Double(rate) {
      isSpeaking = false
      let time = origin + Double(samplesHeard) / Double(rate)
      events.append(.stopped(at: time, words: takeWords()))
    }
  }

  /// The turn ends here, by order: what was said since the last one.
  mutating func finish() -> [HeardWord] {
    // The resampler holds back less than this.
    let tail = [Int16](repeating: 0, count: rate / 50)
    words += tones.hear(resample.convert(pending + tail)) + tones.finish()
    self = TurnEar(rate: rate, silence: silence, origin: seconds, words: words)
    return takeWords()
  }

  private init(rate: Int, silence: Double?, origin: Double, words: [HeardWord]) {
    self.init(rate: rate, silence: silence, origin: origin)
    self.words = words
  }

  private mutating func takeWords() -> [HeardWord] {
    defer { words = [] }
    return words
  }
}
