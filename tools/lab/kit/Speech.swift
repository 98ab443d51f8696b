// One answer of a voice model: its words as tones in the format of the session, given out in
// pieces, each word's text just ahead of its sound.

struct Speech {
  let text: String
  let format: WireFormat
  let audio: [UInt8]
  /// When its first piece was sent.
  let beganAt: Double
  /// How many bytes of audio have been given out.
  private(set) var sentBytes = 0

  private struct Word {
    let text: String
    let begin: Int
    let end: Int
  }
  private let words: [Word]
  private var wordsSent = 0

  init(_ text: String, in format: WireFormat, at now: Double) {
    self.text = text
    self.format = format
    beganAt = now
    var samples: [Int16] = []
    var words: [Word] = []
    let scale = format.bytesPerSecond / Tones.sampleRate
    for word in Tones.words(of: text) {
      let begin = samples.count * scale
      samples += Tones.encode(word)
      words.append(Word(text: word, begin: begin, end: samples.count * scale))
    }
    self.words = words
    audio = format.write(Resample.all(samples, from: Tones.sampleRate, to: format.rate))
  }

  var isComplete: Bool { sentBytes == audio.count }
  /// Milliseconds of audio given out.
  var sentMilliseconds: Int { format.milliseconds(sentBytes) }
  /// When a listener who plays it from its beginning has heard all that was given out.
  var playedAt: Double { beganAt + Double(sentBytes) / Double(format.bytesPerSecond) }
  /// The text that was given out.
  var sentText: String { words.prefix(wordsSent).map(\.text).joined(separator: " ") }

  /// The next piece: up to `bytes` bytes of audio, and the words that begin in it.
  mutating func next(_ bytes: Int) -> (text: String, audio: ArraySlice<UInt8>) {
    let end = min(audio.count, sentBytes + bytes)
    var text = ""
    while wordsSent < words.count, words[wordsSent].begin < end {
      text += (wordsSent > 0 ? " " : "") + words[wordsSent].text
      wordsSent += 1
    }
    defer { sentBytes = end }
    return (text, audio[sentBytes..<end])
  }

  /// The words that are over after so many milliseconds.
  func heard(_ milliseconds: Int) -> String {
    let bytes = milliseconds * format.bytesPerSecond / 1000
    return words.filter { $0.end <= bytes }.map(\.text).joined(separator: " ")
  }
}
