// Who speaks in a two-way call, and what the model is owed. Each input says what the model or the
// caller did; what the model has to be told follows from the state (`nextCommand`).
//
//              caller interrupts                agent begins an item
//   callerSpeaking ◀─────────── quiet ───────────────────────────▶ agentSpeaking
//        │                     ▲  │ ▲                                │     │
//        │                     │  │ └────── turn over, session gone ─┘     │ caller
//        │          turn over, │  ▼ an answer is owed: it is asked for     │ interrupts
//        │        session gone │ answerAsked                               ▼
//        │                     └──────────────────────────────────── agentCutOff
//        └─▶ agentSpeaking, answerAsked               (from any of them: over)
//
// 1. A model makes one answer at a time: a key that is pressed while its turn is open is answered
//    when that turn is over. The answer is owed until it was asked for, also over the loss of a
//    session.
// 2. An interruption ends what was owed: the model answers what the caller says now.
// 3. What is void after an interruption is told by name where the model names its items
//    (Utterances); where it does not, everything is void until its turn is over.
// 4. Sessions come and go under it. A call is greeted once, by its first session; keys that are
//    pressed before a session stands wait for it.

package struct Dialogue: BitwiseCopyable, Sendable {
  /// What the model is to be asked for, as soon as no turn of its is open.
  package enum Owed: BitwiseCopyable, Sendable { case nothing, answer }

  /// What of a turn that was cut off is not to be heard.
  package enum Voided: BitwiseCopyable, Sendable {
    /// The items that were begun, each by its name.
    case items
    /// Whatever comes before the turn is over.
    case everything
  }

  package enum State: Equatable, BitwiseCopyable, Sendable {
    /// Nobody's turn is open. Ways out: any.
    case quiet(Owed)
    /// The caller has begun to speak. Ways out: any.
    case callerSpeaking
    /// The model was asked for an answer that has not begun. Ways out: any.
    case answerAsked
    /// Its turn is open. Ways out: quiet (turn over), agentCutOff, over.
    case agentSpeaking(Owed)
    /// The caller spoke over it. `isTurnOpen`: the end of its turn is still to come. Ways out:
    /// quiet (turn over), agentSpeaking (another item begins), over.
    case agentCutOff(Voided, isTurnOpen: Bool, Owed)
    /// The call is ending: nothing more is said. No way out.
    case over
  }

  package private(set) var state = State.quiet(.nothing)
  private var greeting = Greeting.due
  /// What an interruption voids with this model.
  private let voids: Voided
  /// Keys of which the model was not told yet, oldest first.
  private var keys = InlineArray<16, UInt8>(repeating: 0)
  private var keyCount = 0

  private enum Greeting: BitwiseCopyable { case due, asked, given }

  /// Nobody's turn is open, and nothing is owed.
  package var isIdle: Bool { state == .quiet(.nothing) && keyCount == 0 && greeting != .asked }

  package init(_ voice: Upstream.Voice? = nil) {
    voids = voice?.isVoidUntilTurnEnds == true ? .everything : .items
  }

  /// Whether what comes is not to be heard.
  package var isVoid: Bool {
    @inline(__always) get {
      switch state {
      case .agentCutOff(.everything, _, _), .over: true
      case .quiet, .callerSpeaking, .answerAsked, .agentSpeaking, .agentCutOff: false
      }
    }
  }

  private var owed: Owed {
    switch state {
    case .quiet(let owed), .agentSpeaking(let owed), .agentCutOff(_, _, let owed): owed
    case .callerSpeaking, .answerAsked, .over: .nothing
    }
  }

  private var isTurnOpen: Bool {
    switch state {
    case .agentSpeaking: true
    case .agentCutOff(_, let isTurnOpen, _): isTurnOpen
    case .quiet, .callerSpeaking, .answerAsked, .over: false
    }
  }
}

// MARK: Turns

extension Dialogue {
  /// The agent says something new.
  package mutating func agentBegan() {
    greeting = .given
    if state != .over { state = .agentSpeaking(owed) }
  }

  /// The caller has begun to speak.
  package mutating func interrupted() {
    greeting = .given
    switch (state, voids) {
    case (.over, _): break
    case (_, .everything): state = .agentCutOff(.everything, isTurnOpen: isTurnOpen, .nothing)
    case (_, .items) where isTurnOpen: state = .agentCutOff(.items, isTurnOpen: true, .nothing)
    case (_, .items): state = .callerSpeaking
    }
  }

  /// The agent's turn is over, or the caller's words so far are complete.
  package mutating func turnEnded() {
    if state != .over { state = .quiet(owed) }
  }

  /// The caller pressed a key: the model is told, and asked to answer. A key for which there is no
  /// room is not told.
  package mutating func press(_ key: UInt8) {
    if keyCount < keys.count {
      keys[keyCount] = key
      keyCount &+= 1
    }
    switch state {
    case .quiet, .callerSpeaking, .answerAsked: state = .quiet(.answer)
    case .agentSpeaking: state = .agentSpeaking(.answer)
    case .agentCutOff(let voided, let isTurnOpen, _):
      state = .agentCutOff(voided, isTurnOpen: isTurnOpen, .answer)
    case .over: break
    }
  }

  /// What the model has to be told next, or nil.
  package mutating func nextCommand() -> Upstream.Command? {
    if keyCount > 0 {
      let key = keys[0]
      for index in 1..<keyCount { keys[index &- 1] = keys[index] }
      keyCount &-= 1
      return .digit(key)
    }
    guard owed == .answer, !isTurnOpen else { return nil }
    if case .agentCutOff(let voided, let isTurnOpen, _) = state {
      state = .agentCutOff(voided, isTurnOpen: isTurnOpen, .nothing)
    } else {
      state = .answerAsked
    }
    return .respond
  }
}

// MARK: Sessions

extension Dialogue {
  /// A session stands: true where it shall greet, since none has. `greets`: who speaks first is the
  /// model.
  package mutating func sessionBegan(greets: Bool = true) -> Bool {
    if case .agentCutOff(_, let isTurnOpen, let owed) = state {
      state = isTurnOpen ? .agentSpeaking(owed) : .quiet(owed)
    }
    if !greets { greeting = .given }
    guard greeting == .due else { return false }
    greeting = .asked
    return true
  }

  /// The session is gone, and its turn with it.
  package mutating func sessionEnded() {
    if greeting == .asked { greeting = .due }
    if state != .over { state = .quiet(state == .answerAsked ? .answer : owed) }
  }

  /// The call is ending.
  package mutating func close() { state = .over }
}
