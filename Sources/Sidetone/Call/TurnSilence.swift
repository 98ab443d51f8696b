// Every frame.
//
// The end of what a caller says, found by the relay: so much silence behind a voice. It is looked
// for in what the upstream was sent, so in whatever a new session is sent again as well.
//
//               a voice                 enough silence             it was told
//     told ───────────────▶ voice ────────────────────▶ found ───────────────────▶ told
//                             ▲                           │
//                             └──────── a voice ──────────┘
//
// Whoever listens is told by asking for its words as final, which is due as soon as it is found. It
// belongs to the cascade whose route asks for it.

struct TurnSilence: BitwiseCopyable, Sendable {
  private enum State: BitwiseCopyable { case off, voice, found, told }

  private var state = State.off
  private var detector = VoiceDetector()
  /// Bytes of silence since the last voice, and how many milliseconds of it are enough.
  private var silence = 0
  private var enough = 0

  /// It looks for nothing.
  init() {}

  /// A session begins, of which so many milliseconds of silence are a pause; nil: its service finds
  /// them.
  @_noAllocation mutating func begin(_ milliseconds: Int?) {
    state = milliseconds == nil ? .off : .told
    enough = milliseconds ?? 0
    silence = 0
  }

  var isOn: Bool { @inline(__always) get { state != .off } }
  /// The caller has paused, and nobody was told.
  var isFound: Bool { @inline(__always) get { state == .found } }
  /// The caller speaks, as far as a detector of voices knows.
  var isVoice: Bool { @inline(__always) get { state == .voice } }

  /// The upstream was sent this audio of one channel. True: with it the silence is long enough.
  @_noAllocation mutating func hear(_ audio: Bytes, _ format: Format) -> Bool {
    if detector.hears(audio, format) {
      state = .voice
      silence = 0
      return false
    }
    silence &+= audio.count
    guard state == .voice, silence >= format.bytes(forMilliseconds: enough) else { return false }
    state = .found
    return true
  }

  /// The words so far are asked for as final.
  @_noAllocation mutating func tell() { if isOn { state = .told } }
}
