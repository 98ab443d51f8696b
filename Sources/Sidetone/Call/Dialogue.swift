// Who speaks in a two-way call, and what the model is owed and owes. Each input says what the model
// or the caller did; what the model has to be told follows from the state (`nextWish`).
//
//                    caller speaks                    an answer begins
//   callerSpeaking ◀─────────────── quiet ─────────────────────────────▶ agentSpeaking
//      ▲       │                   │     ▲                               ▲    │    │
//      │       │ its words are     │     └────────── its turn is over ───┼────┘    │ caller
//      │       │ complete          ▼ asked for                           │         │ speaks
//      │       └────────────▶ answerAwaited ─────── it begins ───────────┘         ▼
//      └────────────────────────────── its turn is over ────────────────────── agentCutOff
//
//                               (from any of them: over)
//
// 1. A model makes one answer at a time. It is open from the moment at which it was asked for, or
//    said that it begins, to the end of its turn; nothing else is asked for meanwhile.
// 2. An interruption voids every answer that has begun, and none that begins later. Where answers
//    have names (Responses), whatever belongs to a void one is void, however many came since. Where
//    they have none, what comes is void until the turn is over, the words of the caller have come,
//    or nothing came for a while.
// 3. Keys are one message: they wait for a pause or for `#`, then until nobody's answer is open.
// 4. What was asked for and brought no sound is owed: over the loss of a session, a refusal because
//    another answer was open, and a failure that passes. An interruption ends what was owed: the
//    model answers what the caller says now.
// 5. Sessions come and go under it. A call is greeted once.

package struct Dialogue: BitwiseCopyable, Sendable {
  /// What an answer is given to.
  package enum Prompt: Equatable, BitwiseCopyable, Sendable {
    case greeting, keys, words, functions
    /// The caller says nothing: of which the model is to be told, and of which it has been.
    case silence, silenceTold
  }

  /// How much of an answer has come: for one without a name `all` is known before its turn is over.
  package enum Sound: Equatable, BitwiseCopyable, Sendable { case none, some, all }

  package enum State: Equatable, BitwiseCopyable, Sendable {
    /// Nobody's turn is open. Ways out: any.
    case quiet
    /// The caller speaks, and nothing of an answer is still to come. Ways out: any.
    case callerSpeaking
    /// An answer has to come; until then it is waited for. Ways out: any.
    case answerAwaited(to: Prompt, until: Instant)
    /// An answer is open. Ways out: quiet (turn over), agentCutOff, over.
    case agentSpeaking(to: Prompt, Sound)
    /// The caller speaks, or has spoken, over an answer, the end of which is still to come. Without
    /// a name, what comes of an answer by `lateUntil` belongs to that one. Ways out: any.
    case agentCutOff(lateUntil: Instant)
    /// The call is ending: nothing more is said. No way out.
    case over
  }

  /// What the model shall be asked for, as soon as nothing is open.
  enum Request: Equatable, BitwiseCopyable {
    case none
    case due(Prompt, at: Instant)
  }

  package private(set) var state = State.quiet
  private(set) var request = Request.none
  private var greeting = Greeting.due
  private(set) var keys = PressedKeys()
  private(set) var responses = Responses()
  /// The model waits for what functions answer: it is asked for nothing meanwhile.
  private(set) var isWaiting = false
  private(set) var names: Names
  /// The caller has said something whole, and nothing has come of it.
  private(set) var isAnswerOwed = false
  /// Answers in a row that were asked for again.
  private var repeats = 0
  /// What was asked for last.
  private var asked = Prompt.words
  /// Changes with each answer that begins, and with each that begins to sound.
  private(set) var answersBegun: UInt8 = 0
  private(set) var soundsBegun: UInt8 = 0
  /// Changes with each thing that the caller does: begins to speak, has spoken, presses a key.
  private(set) var callerDoings: UInt8 = 0

  private enum Greeting: BitwiseCopyable { case due, given }
  /// Whether the model's answers have names.
  enum Names: BitwiseCopyable { case none, responses }

  /// Nothing came of an answer for so long: what comes now is another one. A model that was
  /// interrupted sends what is under way at once, and a caller who has just begun to speak is not
  /// answered so soon.
  static let latePause = Instant.Span.milliseconds(300)
  /// Keys are complete when none was pressed for so long, or by this one.
  static let keyPause = Instant.Span.seconds(1)
  static let endKey = UInt8(ascii: "#")
  /// So long an answer is waited for: a model with names says at once that it begins.
  private var patience: Instant.Span { names == .responses ? .seconds(5) : .seconds(20) }
  private static let patienceWithOthers = Instant.Span.seconds(30)
  static let repeatsMax = 3
  private static let repeatPause = Instant.Span.milliseconds(500)
  private static let repeatPauseMax = Instant.Span.seconds(20)

  package init(_ voice: Upstream.Voice? = nil) {
    names = voice?.hasItems == true ? .responses : .none
  }
}

extension Dialogue {
  /// Another model answers from now on; what is owed is owed by that one.
  mutating func become(_ voice: Upstream.Voice) {
    names = voice.hasItems ? .responses : .none
    responses = Responses()
  }
}

// MARK: The model's turn

extension Dialogue {
  /// What a piece of speech or of words is.
  package enum Piece: BitwiseCopyable, Sendable { case heard, void }

  /// Whether this is more of the answer that is being heard: the piece needs no other question.
  @inline(__always) package mutating func isBeingHeard(_ response: Bytes) -> Bool {
    guard case .agentSpeaking(_, .some) = state else { return false }
    return names == .none || responses.isLatest(response)
  }

  /// Whether this is the answer that was open last.
  package mutating func isLatest(_ response: Bytes) -> Bool { responses.isLatest(response) }

  /// Whether another answer has begun since this one.
  mutating func isOlder(_ response: Bytes) -> Bool {
    guard let number = responses.number(of: response) else { return false }
    return number < responses.latest
  }

  /// An answer says that it begins.
  package mutating func answerBegan(_ response: Bytes) {
    guard state != .over else { return }
    if isNameless(response) {
      responses.begin(.empty)
    } else {
      guard responses.number(of: response) == nil else { return }
      responses.announce(response)
    }
    open()
  }

  /// It has no name, or one that is longer than any that is kept.
  private func isNameless(_ response: Bytes) -> Bool {
    response.isEmpty || response.count > Name.bytesMax
  }

  private mutating func open() {
    answersBegun &+= 1
    isAnswerOwed = false
    switch state {
    case .answerAwaited(let prompt, _): state = .agentSpeaking(to: prompt, .none)
    case .quiet, .callerSpeaking, .agentSpeaking, .agentCutOff:
      state = .agentSpeaking(to: .words, .none)
    case .over: break
    }
  }

  /// A piece of an answer came, which may begin it.
  package mutating func came(_ response: Bytes, isSound: Bool, at now: Instant) -> Piece {
    if state == .over { return .void }
    let piece = isNameless(response) ? cameNameless(isSound, at: now) : cameNamed(response)
    if isSound, case .heard = piece, case .agentSpeaking(let prompt, let sound) = state,
      sound != .some
    {
      state = .agentSpeaking(to: prompt, .some)
      soundsBegun &+= 1
      repeats = 0
      keys.forgetTold()
    }
    return piece
  }

  private mutating func cameNamed(_ response: Bytes) -> Piece {
    if let number = responses.number(of: response) {
      return responses.isVoid(number) ? .void : .heard
    }
    // One that was announced so long ago that its name is forgotten.
    if responses.areAnnounced { return .void }
    responses.begin(response)
    open()
    return .heard
  }

  private mutating func cameNameless(_ isSound: Bool, at now: Instant) -> Piece {
    switch state {
    case .agentSpeaking: return .heard
    case .agentCutOff(let lateUntil) where now < lateUntil:
      state = .agentCutOff(lateUntil: now + Self.latePause)
      return .void
    // Words alone begin nothing: they may be late.
    case .agentCutOff where !isSound, .quiet where !isSound, .callerSpeaking where !isSound,
      .answerAwaited where !isSound:
      return .heard
    case .agentCutOff, .quiet, .callerSpeaking, .answerAwaited:
      responses.begin(.empty)
      open()
      return .heard
    case .over: return .void
    }
  }

  /// All of an answer without a name has come, though its turn may go on.
  package mutating func spoken() {
    if names == .none, case .agentSpeaking(let prompt, .some) = state {
      state = .agentSpeaking(to: prompt, .all)
    }
  }

  /// What became of an answer.
  package enum Ended: Equatable, BitwiseCopyable, Sendable {
    /// It was heard, or cut off by the caller, or nobody's.
    case well
    /// It brought no sound. `repeatAt`: when it is asked for again; `never` where it is not.
    case silent(repeatAt: Instant)
  }

  /// The turn of an answer is over.
  package mutating func answerEnded(
    _ response: Bytes, _ ending: Upstream.Ending, at now: Instant
  ) -> Ended {
    if state == .over { return .well }
    if isNameless(response) { return ended(ending, at: now) }
    if let number = responses.number(of: response) {
      return number == responses.latest ? ended(ending, at: now) : .well
    }
    if responses.areAnnounced { return .well }
    responses.begin(response)
    open()
    return ended(ending, at: now)
  }

  private mutating func ended(_ ending: Upstream.Ending, at now: Instant) -> Ended {
    isAnswerOwed = false
    switch state {
    case .quiet where ending.how == .idle, .callerSpeaking where ending.how == .idle,
      .answerAwaited where ending.how == .idle:
      return .well
    case .agentSpeaking(let prompt, .none): return silent(prompt, ending, at: now)
    case .agentSpeaking:
      state = .quiet
      return .well
    case .answerAwaited(let prompt, _): return silent(prompt, ending, at: now)
    case .agentCutOff where ending.how != .failed:
      state = .callerSpeaking
      return .well
    case .quiet, .callerSpeaking, .agentCutOff: return silent(.words, ending, at: now)
    case .over: return .well
    }
  }

  private mutating func silent(
    _ prompt: Prompt, _ ending: Upstream.Ending, at now: Instant
  ) -> Ended {
    state = .quiet
    // A cancelled one is nobody's loss, and one that calls functions goes on; behind another's
    // something is asked for already.
    if ending.how == .cancelled || ending.how == .calls || request != .none { return .well }
    guard let pause = ending.passesAfter, pause <= Self.repeatPauseMax,
      repeats < Self.repeatsMax
    else {
      repeats = 0
      keys.forgetTold()
      return .silent(repeatAt: .never)
    }
    repeats &+= 1
    let time = now + max(pause, Self.repeatPause)
    owe(prompt, at: time)
    return .silent(repeatAt: time)
  }

  /// What was asked for was refused, since an answer is open: it is asked for behind that.
  package mutating func askedTooEarly(at now: Instant) {
    guard state != .over else { return }
    // Without names the text about keys is refused, if there was one; nor is it silent any more.
    if asked != .silence, names == .responses || !keys.tellAgain(at: now) { owe(asked, at: now) }
    switch state {
    case .answerAwaited, .quiet:
      state = .answerAwaited(to: .words, until: now + Self.patienceWithOthers)
    case .agentSpeaking(_, let sound): state = .agentSpeaking(to: .words, sound)
    case .callerSpeaking, .agentCutOff: request = .none
    case .over: break
    }
  }

  private mutating func owe(_ prompt: Prompt, at time: Instant) {
    request = .due(prompt, at: time)
  }

  /// Time has passed. True: an answer that should long have begun has not; it is asked for once
  /// more.
  package mutating func expired(at now: Instant) -> Bool {
    guard case .answerAwaited(let prompt, let until) = state, until <= now else { return false }
    // It cannot answer before the functions that it has called have.
    if isWaiting {
      state = .answerAwaited(to: prompt, until: now + patience)
      return false
    }
    state = .quiet
    guard request == .none else { return false }
    if repeats == 0, names == .responses {
      repeats &+= 1
      owe(prompt, at: now)
    } else {
      keys.forgetTold()
      isAnswerOwed = prompt == .words || prompt == .keys || prompt == .functions
    }
    return true
  }
}

// MARK: The caller's turn

extension Dialogue {
  /// The caller has begun to speak.
  package mutating func interrupted(at now: Instant) {
    guard state != .over else { return }
    callerDoes()
    responses.voidAll()
    request = .none
    keys.end(at: now)
    switch (state, names) {
    case (.agentSpeaking(_, .all), .none), (.quiet, .none), (.callerSpeaking, .none),
      (.answerAwaited, .none):
      // Nothing is under way, though the turn's end may be.
      state = .agentCutOff(lateUntil: .zero)
    case (.agentSpeaking, _): state = .agentCutOff(lateUntil: now + Self.latePause)
    case (.agentCutOff, _), (.over, _): break
    case (.quiet, .responses), (.callerSpeaking, .responses), (.answerAwaited, .responses):
      state = .callerSpeaking
    }
  }

  mutating func callerDoes() {
    callerDoings &+= 1
    isAnswerOwed = false
  }

  /// Words of the caller came. Where nobody says when it begins and ends to speak, they tell.
  /// `isMurmur`: they want no answer.
  package mutating func callerSaid(isMurmur: Bool = false) {
    guard names == .none else { return }
    callerDoes()
    isAnswerOwed = !isMurmur
    switch state {
    case .quiet: state = .callerSpeaking
    case .agentCutOff: state = .agentCutOff(lateUntil: .zero)
    case .callerSpeaking, .answerAwaited, .agentSpeaking, .over: break
    }
  }

  /// The caller has said something whole, which will be answered without being asked.
  package mutating func callerEnded(at now: Instant) {
    callerDoes()
    isAnswerOwed = true
    // Whatever answers the caller's words knows what functions have answered.
    if names == .none, case .due(.functions, _) = request { request = .none }
    switch state {
    case .quiet, .callerSpeaking, .agentCutOff:
      state = .answerAwaited(to: .words, until: now + patience)
    case .answerAwaited, .agentSpeaking, .over: break
    }
  }

  /// The caller, who was heard to begin where nothing was under way, has said nothing.
  mutating func callerSaidNothing() {
    if case .agentCutOff = state { state = .quiet }
    if state == .callerSpeaking { state = .quiet }
  }

  /// The caller pressed a key; false: there is no room for it.
  package mutating func press(_ key: UInt8, at now: Instant) -> Bool {
    callerDoes()
    return keys.add(key, at: now)
  }

  /// The oldest key of which nobody has been told, which is the taker's from now on.
  mutating func takeKey() -> UInt8? { keys.takeUntold() }

  /// The caller says nothing, where it is its turn: the model shall go on.
  mutating func callerIsQuiet(at now: Instant) {
    guard state != .over else { return }
    state = .quiet
    owe(.silence, at: now)
  }
}

// MARK: Asking

extension Dialogue {
  /// What the model has to be told next, or nil.
  package mutating func nextWish(at now: Instant) -> Wish? {
    switch state {
    case .quiet: if isWaiting { return nil }
    case .callerSpeaking, .agentCutOff:
      // Whatever answers the caller's words knows them too.
      return keys.isDue(at: now) ? tellKeys() : nil
    case .answerAwaited, .agentSpeaking, .over: return nil
    }
    if case .due(let prompt, let time) = request, time <= now {
      request = .none
      return ask(for: prompt, at: now)
    }
    guard request == .none, keys.isDue(at: now) else { return nil }
    if names == .responses {
      owe(.keys, at: now)
    } else {
      // It answers what it is told.
      expect(.keys, at: now)
    }
    return tellKeys()
  }

  private mutating func ask(for prompt: Prompt, at now: Instant) -> Wish {
    if prompt == .keys, keys.isDue(at: now) {
      owe(.keys, at: now)
      return tellKeys()
    }
    if prompt == .silence {
      // One with names is told first, and then it is asked.
      if names == .responses { owe(.silenceTold, at: now) } else { expect(.silence, at: now) }
      return .reprompt
    }
    expect(prompt, at: now)
    return prompt == .greeting ? .greet : .respond
  }

  private mutating func expect(_ prompt: Prompt, at now: Instant) {
    asked = prompt
    state = .answerAwaited(to: prompt, until: now + patience)
  }

  private mutating func tellKeys() -> Wish {
    keys.tell()
    return .tellKeys
  }

  /// The keys of the latest `tellKeys`.
  package func writeKeys(_ writer: inout Writer) { keys.writeTold(&writer) }
}

// MARK: Functions

extension Dialogue {
  /// Functions run, and the model waits for their answers, or not any more.
  mutating func functionsRun(isWaitedFor: Bool) { isWaiting = isWaitedFor }

  /// It has the answers, and goes on by itself (`goesOn`) or is asked to, when nothing is open.
  /// Whatever answers the caller's words knows them too.
  mutating func functionsAnswered(goesOn: Bool, at now: Instant) {
    switch state {
    case .quiet where goesOn, .answerAwaited where goesOn: expect(.functions, at: now)
    case .quiet, .answerAwaited, .agentSpeaking:
      if !goesOn, request == .none { owe(.functions, at: now) }
    // With what the caller says, or where that comes to nothing.
    case .callerSpeaking, .agentCutOff:
      if !goesOn, names == .none, request == .none { owe(.functions, at: now) }
    case .over: break
    }
  }
}

// MARK: Sessions

extension Dialogue {
  /// A session stands, the first of a call or another: it is asked for what is owed. `greets`: who
  /// speaks first is the model. `hearsAgain`: it is given once more what the caller said last, so
  /// it will answer that unasked.
  package mutating func sessionBegan(greets: Bool, hearsAgain: Bool = false, at now: Instant) {
    guard state != .over else { return }
    if greeting == .due, greets, request == .none { owe(.greeting, at: now) }
    greeting = .given
    if hearsAgain, owed == .words || owed == .silence {
      request = .none
      state = .answerAwaited(to: .words, until: now + .seconds(20))
    }
  }

  /// The session is gone, and its turn with it. What brought no sound is owed by the next one.
  package mutating func sessionEnded(at now: Instant) {
    responses = Responses()
    keys.forgetTelling()
    isWaiting = false
    isAnswerOwed = false
    switch state {
    case .over: return
    case .answerAwaited(let prompt, _), .agentSpeaking(let prompt, .none):
      if request == .none { owe(prompt, at: now) }
    case .quiet, .callerSpeaking, .agentSpeaking, .agentCutOff: break
    }
    // The next one has not been told.
    if owed == .silenceTold { owe(.silence, at: now) }
    // They are told first, and then it is asked.
    if case .due(.keys, _) = request, keys.count > 0 { request = .none }
    state = .quiet
  }

  /// The call is ending.
  package mutating func close() { state = .over }
}
