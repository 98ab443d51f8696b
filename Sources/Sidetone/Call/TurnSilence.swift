// Every frame.
//
// The end of what a caller says, found by the relay: so much silence behind a voice. It is looked
// for in what the upstream was sent, so in whatever a new session is sent again as well.
//
//                a voice           enough silence          words are asked for
//     quiet ──────────────▶ voice ───────────────▶ found ◀───────────────────▶ asked
//       ▲                     ▲                      │    only guesses come     │
//       │                     └───── a voice ────────┴──────────────────────────┤
//       └─────────────────────────────────────── they are all there ────────────┘
//
// 1. Whoever listens is told by asking for its words as final, which is due as soon as it is found,
//    and again, a few times, where only guesses come.
// 2. A line that falls silent altogether, and a client's own wish, have them asked for as well.
// 3. It is off where the service finds the pauses. It belongs to a cascade (`turn_detection`).

struct TurnSilence: BitwiseCopyable, Sendable {
  private enum State: BitwiseCopyable { case off, quiet, voice, found, asked }

  private var state = State.off
  private var detector = VoiceDetector()
  /// Bytes of silence since the last voice.
  private var silence = 0
  /// How many milliseconds of it are enough.
  private(set) var milliseconds = 0
  /// How often words were asked for and not said to be those.
  private var asks: UInt8 = 0
  /// How often only guesses came of that.
  private var vain: UInt8 = 0
  /// So often nothing more is expected of them.
  private static let vainMax = 4

  /// A session begins, of which so many milliseconds of silence are a pause; nil: its service finds
  /// them.
  @_noAllocation mutating func begin(_ milliseconds: Int?) {
    state = milliseconds == nil ? .off : .quiet
    self.milliseconds = milliseconds ?? 0
    (silence, asks, vain) = (0, 0, 0)
  }

  var isOn: Bool { @inline(__always) get { state != .off } }
  /// The caller has paused, and nobody was told.
  var isFound: Bool { @inline(__always) get { state == .found } }
  /// The caller speaks, as far as a detector of voices knows.
  var isVoice: Bool { @inline(__always) get { state == .voice } }
  /// It does not speak, and nobody is to be told.
  var isQuiet: Bool { @inline(__always) get { state == .quiet || state == .asked } }

  /// The upstream was sent this audio of one channel. True: with it the silence is long enough.
  @_noAllocation mutating func hear(_ audio: Bytes, _ format: Format) -> Bool {
    if detector.hears(audio, format) {
      state = .voice
      (silence, vain) = (0, 0)
      return false
    }
    silence &+= audio.count
    guard state == .voice, silence >= format.bytes(forMilliseconds: milliseconds) else {
      return false
    }
    state = .found
    return true
  }

  /// The words so far are asked for as final.
  @_noAllocation mutating func ask() {
    guard isOn else { return }
    state = .asked
    asks &+= 1
  }

  /// Words came that were asked for. Whether they are those that were asked for last.
  @_noAllocation mutating func isAnswered() -> Bool {
    if asks > 0 { asks &-= 1 }
    return asks == 0
  }

  /// All that was said is there.
  @_noAllocation mutating func end() {
    if state == .asked { state = .quiet }
    (asks, vain) = (0, 0)
  }

  /// What was asked for is not waited for any longer.
  @_noAllocation mutating func giveUp() { asks = 0 }

  /// Too little came of what was asked for: it is to be asked for again. False: often enough.
  @_noAllocation mutating func askAgain() -> Bool {
    vain &+= 1
    guard vain < Self.vainMax else { return false }
    state = .found
    return true
  }
}
