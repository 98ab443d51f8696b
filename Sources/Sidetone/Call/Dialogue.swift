// Who speaks in a two-way call, and who is owed an answer. Nothing is done here: each input says
// what the model or the caller did, and returns what the call has to do about it.
//
//                 caller interrupts                 agent begins an item
//   callerSpeaking ◀────────────── quiet ──────────────────────────▶ agentSpeaking
//        │                         │  ▲ ▲                               │     │
//        │ key pressed             │  │ └──────── turn over ────────────┘     │ caller
//        └──────────▶ answerAsked ◀┘  │                                       │ interrupts
//                        │            └── turn over, session gone ──┐         ▼
//                        └── agent begins an item ▶ agentSpeaking   └── agentCutOff
//
// 1. A model makes one answer at a time: a key that is pressed while its turn is open is answered
//    when that turn is over. The answer is owed until then, also over the loss of a session.
// 2. An interruption ends what was owed: the model answers what the caller says now.
// 3. What is void after an interruption is told by name where the model names its items
//    (Utterances); where it does not, everything is void until its turn is over.
// 4. Sessions come and go under it. A call is greeted once, by its first session.

package struct Dialogue: BitwiseCopyable, Sendable {
  /// What the caller waits for when the agent's turn is over.
  enum Owed: BitwiseCopyable { case nothing, answer }

  /// What of a turn that was cut off is not to be heard.
  enum Voided: BitwiseCopyable {
    /// The items that were begun, each by its name.
    case items
    /// Whatever comes before the turn is over.
    case everything
  }

  enum State: BitwiseCopyable {
    /// Nobody's turn is open. Ways out: any.
    case quiet(Owed)
    /// The caller has begun to speak. Ways out: any.
    case callerSpeaking
    /// The model was asked for an answer that has not begun. Ways out: any.
    case answerAsked
    /// Its turn is open. Ways out: quiet, answerAsked (turn over), agentCutOff.
    case agentSpeaking(Owed)
    /// The caller spoke over it. `isTurnOpen`: the end of its turn is still to come. Ways out:
    /// quiet, answerAsked (turn over), agentSpeaking (another item begins).
    case agentCutOff(Voided, isTurnOpen: Bool, Owed)
  }

  private(set) var state = State.quiet(.nothing)
  private var greeting = Greeting.due
  /// What an interruption voids with this model.
  private let voids: Voided
  /// Keys that were pressed before the model stood.
  private var keys = InlineArray<16, UInt8>(repeating: 0)
  private var keyCount = 0

  private enum Greeting: BitwiseCopyable { case due, given }

  init(_ voice: Upstream.Voice? = nil) {
    voids = voice?.isVoidUntilTurnEnds == true ? .everything : .items
  }

  /// Whether what comes belongs to a turn that was interrupted.
  var isVoid: Bool {
    @inline(__always) get {
      if case .agentCutOff(.everything, _, _) = state { return true }
      return false
    }
  }

  private var owed: Owed {
    switch state {
    case .quiet(let owed), .agentSpeaking(let owed), .agentCutOff(_, _, let owed): owed
    case .callerSpeaking, .answerAsked: .nothing
    }
  }

  private var isTurnOpen: Bool {
    switch state {
    case .agentSpeaking: true
    case .agentCutOff(_, let isTurnOpen, _): isTurnOpen
    case .quiet, .callerSpeaking, .answerAsked: false
    }
  }
}

// MARK: Turns

extension Dialogue {
  /// The agent says something new.
  mutating func agentBegan() { state = .agentSpeaking(owed) }

  /// The caller has begun to speak.
  mutating func interrupted() {
    switch voids {
    case .everything: state = .agentCutOff(.everything, isTurnOpen: isTurnOpen, .nothing)
    case .items where isTurnOpen: state = .agentCutOff(.items, isTurnOpen: true, .nothing)
    case .items: state = .callerSpeaking
    }
  }

  /// The agent's turn is over, or the caller's words so far are complete. True: now the model is to
  /// be asked for the answer that is owed.
  mutating func turnEnded() -> Bool {
    let isOwed = owed == .answer
    state = isOwed ? .answerAsked : .quiet(.nothing)
    return isOwed
  }

  /// What the model was told last shall be answered. True: it is to be asked now; false: when its
  /// turn is over.
  mutating func wantAnswer() -> Bool {
    switch state {
    case .quiet, .callerSpeaking, .answerAsked:
      state = .answerAsked
      return true
    case .agentSpeaking:
      state = .agentSpeaking(.answer)
      return false
    case .agentCutOff(let voided, let isTurnOpen, _):
      state = .agentCutOff(voided, isTurnOpen: isTurnOpen, isTurnOpen ? .answer : .nothing)
      return !isTurnOpen
    }
  }
}

// MARK: Sessions

extension Dialogue {
  /// A session stands: true for the first one of a call, which is asked to greet.
  mutating func sessionBegan() -> Bool {
    if case .agentCutOff(_, let isTurnOpen, let owed) = state {
      state = isTurnOpen ? .agentSpeaking(owed) : .quiet(owed)
    }
    defer { greeting = .given }
    return greeting == .due
  }

  /// The session is gone, and its turn with it.
  mutating func sessionEnded() { state = .quiet(owed) }

  // MARK: Keys

  /// A key is kept until the model stands; what has no room is not told.
  mutating func keep(key: UInt8) {
    guard keyCount < keys.count else { return }
    keys[keyCount] = key
    keyCount &+= 1
  }

  /// The key that has waited longest for the model, or nil.
  mutating func nextKey() -> UInt8? {
    guard keyCount > 0 else { return nil }
    let key = keys[0]
    for index in 1..<keyCount { keys[index &- 1] = keys[index] }
    keyCount &-= 1
    return key
  }
}
