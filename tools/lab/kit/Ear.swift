// One channel of a transcript: hears tones and keeps the words until they are final. Audio time is
// the only time here: what has been said by when depends on the samples alone, however they were
// cut or hurried.
//
//     |----- final -----|--------- window: words that may still change ---------|
//                       ^ windowStart                                           ^ seconds heard

struct Ear {
  /// Words of the tone code are 60 ms apart, so a shorter silence ends nothing.
  private static let silenceMin = 0.2
  /// A window that grows longer is made final up to the last whole word.
  private static let windowMax = 5.0
  private static let interimEvery = 1.0

  /// What is to be told.
  enum Event: Equatable {
    case speechStarted(at: Double)
    case results(Results)
    case utteranceEnd(lastWordEnd: Double)
  }

  struct Results: Equatable {
    var start: Double
    var end: Double
    var words: [HeardWord]
    var isFinal = false
    var isSpeechFinal = false
    var isFromFinalize = false
  }

  private let request: DeepgramRequest
  private var resample: Resample
  private var tones = ToneDecoder()
  private var windowStart = 0.0
  private var words: [HeardWord] = []
  private var interimAt = Self.interimEvery
  private var isSpeaking = false
  private var lastWordEnd: Double?

  init(_ request: DeepgramRequest) {
    self.request = request
    resample = Resample(from: request.rate, to: Tones.sampleRate)
  }

  var isInWord: Bool { tones.openSince != nil }
  /// Seconds of audio that no final result has covered.
  var buffered: Double { tones.seconds - windowStart }

  /// Hears a short stretch of samples, 20 ms say, and answers what is to be told after it.
  mutating func hear(_ samples: [Int16]) -> [Event] {
    take(tones.hear(resample.convert(samples)))
    var events: [Event] = []
    let now = tones.seconds
    if let began = words.first?.start ?? tones.openSince, !isSpeaking {
      isSpeaking = true
      if request.reportsSpeech { events.append(.speechStarted(at: began)) }
    }
    if isSilent(at: now) {
      isSpeaking = false
      events.append(.results(final(upTo: now, isSpeechFinal: true)))
    } else if now - windowStart >= Self.windowMax {
      let end = tones.openSince ?? now
      events.append(.results(final(upTo: max(end, windowStart), isSpeechFinal: !isSpeaking)))
    } else if request.interimResults, now >= interimAt {
      interimAt = now + Self.interimEvery
      events.append(.results(Results(start: windowStart, end: now, words: words)))
    }
    if let wait = request.utteranceEnd, let last = lastWordEnd, tones.openSince == nil,
      now - last >= Double(wait) / 1000
    {
      lastWordEnd = nil
      events.append(.utteranceEnd(lastWordEnd: last))
    }
    return events
  }

  private func isSilent(at now: Double) -> Bool {
    guard let last = words.last?.end, let endpointing = request.endpointing else { return false }
    return tones.openSince == nil && now - last >= max(Double(endpointing) / 1000, Self.silenceMin)
  }

  private mutating func take(_ heard: [HeardWord]) {
    words += heard
    lastWordEnd = heard.last?.end ?? lastWordEnd
  }

  private mutating func final(upTo end: Double, isSpeechFinal: Bool) -> Results {
    defer {
      words = []
      windowStart = end
      interimAt = end + Self.interimEvery
    }
    return Results(
      start: windowStart, end: end, words: words, isFinal: true, isSpeechFinal: isSpeechFinal)
  }

  /// All whole words now; a word that is being said stays for the next window.
  mutating func finalize() -> Results {
    var results = final(
      upTo: max(tones.openSince ?? tones.seconds, windowStart), isSpeechFinal: true)
    results.isFromFinalize = true
    isSpeaking = tones.openSince != nil
    return results
  }

  /// The stream is over: everything, and `[?]` for a word that broke off.
  mutating func finish() -> Results {
    let tail = [Int16](repeating: 0, count: request.rate / 50)
    take(tones.hear(resample.convert(tail)))
    let end = max(windowStart, tones.seconds - 0.02)
    take(tones.finish())
    return final(upTo: end, isSpeechFinal: true)
  }
}
