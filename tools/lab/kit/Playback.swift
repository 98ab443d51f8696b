// What a carrier does with the audio that comes for its caller, and what the caller hears: it is
// kept in a buffer and played in real time from its arrival, and words are heard only in what was
// played. Time is given from outside, so the same calls always play the same.
//
//                 play clock                       end of the buffer
//     ───played──────┤▓▓▓▓▓▓▓ waits to be played ▓▓▓▓▓▓▓├─── quiet ───
//                    ▲                                  ▲ a mark that comes now stands here
//
// An empty buffer plays quiet. What then arrives is played `delay` later where it begins a stretch
// of speech, and at once where it was only late.

package struct Playback {
  package enum Output: Equatable {
    case word(HeardWord)
    /// All audio before this mark has been played, or thrown away.
    case mark(String)
    /// Something audible was played.
    case sound
  }

  /// How the other side's messages came, and what became of their samples.
  package struct Figures: Equatable {
    package fileprivate(set) var messages = 0
    package fileprivate(set) var samplesReceived = 0
    package fileprivate(set) var samplesPlayed = 0
    /// Thrown away by a clear.
    package fileprivate(set) var samplesCleared = 0
    /// Messages for which the buffer had run dry in the middle of a stretch, and the longest wait
    /// in seconds.
    package fileprivate(set) var late = 0
    package fileprivate(set) var latest = 0.0
    /// The most that ever waited to be played, in seconds.
    package fileprivate(set) var mostAhead = 0.0
  }

  /// A message that comes after a longer gap begins a new stretch and is not late.
  private static let gapSeconds = 0.25
  /// Quieter samples are no sound: comfort noise, and what conversions leave of silence.
  private static let audible = 100

  package let rate: Int
  package private(set) var figures = Figures()
  /// All that was played, quiet included, since the beginning.
  package private(set) var line: [Int16] = []

  private let begin: Double
  private let delay: Int
  private var queue: [Int16] = []
  /// Where in the line the first sample of the queue belongs.
  private var queuePlace = 0
  /// Where the last stretch ended; nil before the first and after a clear.
  private var stretchEnd: Int?
  private var marks: [(name: String, place: Int)] = []
  private var resample: Resample
  private var ear = ToneDecoder()
  private var outputs: [Output] = []

  /// Begins to play at `now`, on any clock that only goes forward, in seconds.
  package init(rate: Int, delay: Double = 0, at now: Double) {
    self.rate = rate
    self.delay = Int((delay * Double(rate)).rounded())
    begin = now
    resample = Resample(from: rate, to: Tones.sampleRate)
  }

  /// Whether everything has been played.
  package var isEmpty: Bool { queue.isEmpty }

  /// When `advance` would bring a mark back; nil: no mark waits.
  package var wakeTime: Double? {
    marks.first.map { begin + (Double($0.place) + 0.5) / Double(rate) }
  }

  // MARK: Inputs

  package mutating func advance(to now: Double) -> [Output] {
    play(to: place(at: now))
    return take()
  }

  package mutating func receive(_ samples: [Int16], at now: Double) -> [Output] {
    let here = place(at: now)
    play(to: here)
    figures.messages += 1
    figures.samplesReceived += samples.count
    if queue.isEmpty {
      let gap = stretchEnd.map { here - $0 } ?? .max
      let isLate = Double(gap) < Self.gapSeconds * Double(rate)
      if isLate && gap > 0 {
        figures.late += 1
        figures.latest = max(figures.latest, Double(gap) / Double(rate))
      }
      queuePlace = isLate ? here : here + delay
    }
    queue += samples
    figures.mostAhead = max(figures.mostAhead, Double(queueEnd - here) / Double(rate))
    return take()
  }

  /// Comes back when the audio before it has been played, at once where none waits.
  package mutating func mark(_ name: String, at now: Double) -> [Output] {
    play(to: place(at: now))
    if queue.isEmpty { outputs.append(.mark(name)) } else { marks.append((name, queueEnd)) }
    return take()
  }

  /// Empties the buffer, which brings back all marks.
  package mutating func clear(at now: Double) -> [Output] {
    play(to: place(at: now))
    figures.samplesCleared += queue.count
    queue.removeAll()
    stretchEnd = nil
    returnMarks(upTo: .max)
    return take()
  }

  /// Nothing more will come: plays to the end, and answers the last words.
  package mutating func finish() -> [Output] {
    play(to: max(line.count, queueEnd))
    // Enough quiet for the last sample to come out of the conversion.
    play(to: line.count + rate / 10)
    outputs += ear.finish().map { .word($0) }
    return take()
  }

  // MARK: The clock

  private var queueEnd: Int { queuePlace + queue.count }

  private func place(at now: Double) -> Int {
    max(line.count, Int(((now - begin) * Double(rate)).rounded(.down)))
  }

  private mutating func play(to place: Int) {
    let from = line.count
    guard place > from else { return returnMarks(upTo: from) }
    let begins = queue.isEmpty ? place : min(max(queuePlace, from), place)
    let count = min(queue.count, place - begins)
    let audio = queue.prefix(count)
    var played = [Int16](repeating: 0, count: begins - from)
    played += audio
    played += repeatElement(0, count: place - begins - count)
    if audio.contains(where: { abs(Int($0)) >= Self.audible }) { outputs.append(.sound) }
    if count > 0 {
      queue.removeFirst(count)
      queuePlace = begins + count
      stretchEnd = queuePlace
      figures.samplesPlayed += count
    }
    line += played
    outputs += ear.hear(resample.convert(played)).map { .word($0) }
    returnMarks(upTo: place)
  }

  private mutating func returnMarks(upTo place: Int) {
    while let mark = marks.first, mark.place <= place {
      marks.removeFirst()
      outputs.append(.mark(mark.name))
    }
  }

  private mutating func take() -> [Output] {
    defer { outputs.removeAll() }
    return outputs
  }
}
