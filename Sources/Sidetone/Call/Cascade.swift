// A model of three services, as a call's upstream: one listens, whose socket is the session's; a
// chat endpoint thinks, asked over HTTP (Fetches); one speaks, over a socket of its own. The rest
// of the call sees a model that listens, answers and is interrupted, as any other. Whatever comes
// is sent on from service to service as soon as there is something to send:
//
//     caller's audio ──▶ listens ──words──▶ thinks ──sentences──▶ speaks ──▶ caller
//
// What is under way is one answer (Answer):
//
//              asked: the caller is done,           first words      the chat is over
//              is to be greeted, …
//        none ────────────────────────▶ thinking ──────────────▶ telling ────────────┐
//         ▲                                │  nothing was said       │                ▼
//         ├────────────────────────────────┘                        │            sounding
//         ├─────── the caller speaks, or the session is gone ────────┴────────────────┤
//         └─────────────────────────────────────────────── all that was told has come ┘
//
// 1. What follows from an input is done at its end (`settle`), in this order: what was interrupted
//    is let go of, what was noted is kept for the next request, then somebody is asked to think,
//    or as soon as the answer is over that is under way.
// 2. An interruption cancels the request and has the voice forget what it has not said; what comes
//    of that all the same is known for old, and dropped. Where no words follow, as when a noise
//    was taken for some, what was let go of is asked for again.
// 3. A request holds all that was said (HistoryRing), and of the calls of functions that it goes on
//    from those that were answered.
// 4. The voice's socket belongs to the session: it is dialled with it and goes with it. One that
//    ends while nobody speaks is dialled again; any other end of it is the session's.
// 5. Whoever says nothing for too long is given up: the chat, the voice, its word that it has
//    forgotten; of whoever listens, that the words it was asked for are all there. A request that
//    came to nothing is made again, a few times in a row; then the session is lost, so that
//    whatever follows upon that does: another one, or the fallback.

struct Cascade: BitwiseCopyable, Sendable {
  enum Answer: BitwiseCopyable {
    case none
    /// The chat was asked, and has said nothing yet.
    case thinking
    /// Words come, and are spoken as they can be.
    case telling
    /// The chat is over, and how; the voice has not said all of it yet.
    case sounding(Upstream.Ending.How)
  }

  /// What is to be done at the end of an input.
  struct Owed: OptionSet, BitwiseCopyable {
    let rawValue: UInt8
    static let letGo = Owed(rawValue: 1)
    static let note = Owed(rawValue: 2)
    static let greet = Owed(rawValue: 4)
    static let think = Owed(rawValue: 8)
  }

  /// What the caller does, as far as the one that listens says.
  enum Caller: BitwiseCopyable {
    case quiet
    /// It was heard to begin, and nothing it says is final; an answer was let go of for it, or it
    /// has done something else meanwhile that wants one.
    case speaking(overAnswer: Bool)
    case hasSaid
  }

  struct Memory: BitwiseCopyable {
    /// Where it lies.
    let place: Int32
    var caller = Caller.quiet
    var answer = Answer.none
    var owed = Owed()
    /// When whoever is waited for has said nothing for too long.
    var until = Instant.never
    var pauses = TurnSilence()
    /// What whoever listens has made out last is not final.
    var isGuess = false
    /// When words that were asked for as final are not waited for any longer.
    var wordsBy = Instant.never
    var voice = CascadeVoice()
    /// The request, and what it is answered.
    var fetch: Fetches.ID?
    var chat = ChatAnswer()
    /// How many there were, how many of the last in a row came to nothing, and how many of this
    /// session did not.
    var requests = 0
    var failures = 0
    var successes = 0
    /// Answers since the caller's last words that have called functions.
    var rounds = 0
    /// What is to be kept of what the relay itself has to say: the inside of a JSON string.
    var note = Chain()
    var round = CascadeRound()
  }

  private var table = Lent<Memory>()

  init() {}

  var isOn: Bool { @inline(__always) get { table.isThere } }
  var memory: Memory {
    @inline(__always) _read { yield table.value }
    @inline(__always) nonmutating _modify { yield &table.value }
  }

  var until: Instant {
    @inline(__always) get { min(memory.until, memory.voice.clearedBy, memory.wordsBy) }
  }

  /// When words are to be asked for as final that shall be at that time: at once behind a pause; a
  /// line that has fallen silent is none before that has lasted as long as one.
  func finalizeTime(_ time: Instant, lastAudio: Instant) -> Instant {
    if isPauseDue { return .zero }
    guard memory.pauses.isOn, time > .zero, time < .never else { return time }
    return max(time, lastAudio + .milliseconds(memory.pauses.milliseconds))
  }

  /// The caller has paused, as far as the relay is to find that, and nobody was told.
  var isPauseDue: Bool { isOn && memory.pauses.isFound }

  /// Memory for one; false where there is none left.
  mutating func begin(_ store: Store) -> Bool {
    if isOn { return true }
    guard let place = store.cascades.take() else { return false }
    table = Lent(Memory(place: place), in: store.cascades.bytes(place))
    return true
  }

  /// Gives back what it keeps; its socket and its request are let go of before.
  mutating func release(_ store: Store) {
    guard isOn else { return }
    memory.chat.clear(in: store.pool)
    memory.note.clear(in: store.pool)
    memory.voice.clear(in: store.pool)
    memory.round.clear(in: store.pool)
    store.cascades.give(memory.place)
    table = Lent()
  }

  /// It has the voice's connection, or one is on its way.
  var hasVoice: Bool { isOn && memory.voice.link != .none }

  /// Whether this is the voice's connection.
  @inline(__always) func speaks(on link: SlotID) -> Bool { isOn && memory.voice.link == link }
}

// MARK: - What it hears and is told

extension Cascade {
  /// What the one that listens has said: only the first words of the caller interrupt, and only
  /// what has words is whole.
  func heard(_ news: inout Upstream.Event) {
    judgeSilence(&news)
    if news.isInterrupted { memory.isGuess = news.callerWords == nil }
    if news.isSilenceHeard { memory.isGuess = false }
    if news.isInterrupted {
      if case .quiet = memory.caller { beginCaller() } else { news.isInterrupted = false }
    }
    if news.callerWords != nil {
      memory.caller = .hasSaid
      memory.rounds = 0
    }
    guard news.isCallerDone else { return }
    memory.wordsBy = .never
    memory.isGuess = false
    memory.pauses.end()
    switch memory.caller {
    case .quiet: news.isCallerDone = false
    case .speaking(overAnswer: false):
      news.isCallerDone = false
      news.isFalseStart = true
    case .speaking(overAnswer: true), .hasSaid: memory.owed.formUnion([.letGo, .think])
    }
    memory.caller = .quiet
  }

  /// An end that follows from silence is none while the relay, where it is to find pauses, hears a
  /// voice; nor is one that was asked for before the last pause. Where the relay finds none, words
  /// may be asked for in the middle of a sentence.
  private func judgeSilence(_ news: inout Upstream.Event) {
    guard news.isSilenceHeard || news.isFinalAsAsked else { return }
    let isLast = !news.isFinalAsAsked || memory.pauses.isAnswered()
    let isPause = memory.pauses.isOn ? !memory.pauses.isVoice : news.isSilenceHeard
    if isPause {
      if !isLast { news.isCallerDone = false }
      return
    }
    // A noise that was taken for words ends whatever is heard.
    var hasWords = news.callerWords != nil
    if case .hasSaid = memory.caller { hasWords = true }
    if hasWords { news.isCallerDone = false }
  }

  private func beginCaller() {
    var isOverAnswer = memory.owed.contains(.think)
    if case .none = memory.answer {} else { isOverAnswer = true }
    memory.caller = .speaking(overAnswer: isOverAnswer)
    memory.owed.insert(.letGo)
    memory.owed.remove(.think)
  }

  /// What may wait for the socket of whoever listens, and is as good as sent.
  private static let unsentBytes = 2048
  /// So long words may take to come that were asked for as final.
  private static let wordsWithin = Instant.Span.milliseconds(500)

  /// What the caller has said so far was asked for as final. Where all of it was, nothing comes.
  func askedForWords(at now: Instant) {
    memory.pauses.ask()
    memory.wordsBy = now + Self.wordsWithin
  }

  /// Words that come later than they were waited for, or of a voice that was too faint to be found.
  private func waitForLateWords(at now: Instant) {
    guard memory.pauses.isQuiet, memory.wordsBy == .never else { return }
    if case .quiet = memory.caller { return }
    memory.wordsBy = now + Self.wordsWithin
  }

  /// Words of the caller are still to come.
  var isOwedWords: Bool {
    guard isOn else { return false }
    if case .quiet = memory.caller { return false }
    return true
  }

  enum Taken: BitwiseCopyable {
    case taken
    /// It is for the one that listens.
    case others
    case untold
  }

  /// What a model is told. `room`: where texts are put together.
  func take(
    _ command: Upstream.Command, _ reprompt: Bytes, room: Bytes, in pool: BlockPool
  ) -> Taken {
    var text = Writer(room)
    switch command {
    case .keepAlive, .finalize: return .others
    case .finish:
      memory.wordsBy = .never
      memory.pauses.begin(nil)
      return .others
    // It is told of all that was said with each request.
    case .truncate, .forget, .lateAnswer: break
    case .greet: memory.owed.insert(.greet)
    case .respond: memory.owed.insert(.think)
    case .keys(let keys):
      text.write("(The caller pressed ")
      text.write(keys)
      text.write(".)")
      note(text.written, in: pool)
    case .reprompt:
      text.write("(The caller is silent.) ")
      text.write(json: reprompt)
      note(text.written, in: pool)
    case .answer(let id, _, let answer):
      if memory.round.answer(id, answer, room: room, in: pool) { break }
      _ = memory.round.answer(id, Self.tooLong.bytes, room: room, in: pool)
      return .untold
    }
    return .taken
  }

  private static let tooLong: StaticString =
    "{\"error\":\"The answer is too long to be told here.\",\"retryable\":false}"

  /// It is answered, as soon as nothing else is under way; with what the caller says, if it does.
  private func note(_ text: Bytes, in pool: BlockPool) {
    _ = memory.note.append(text, from: pool)
    memory.owed.insert(.note)
    switch memory.caller {
    case .quiet: memory.owed.insert(.think)
    case .speaking: memory.caller = .speaking(overAnswer: true)
    case .hasSaid: break
    }
  }
}

// MARK: - The end of an input

extension Cascade {
  /// What one input left to be done.
  static func settle(in call: inout Call, _ store: Store, _ turn: inout Turn) {
    let cascade = call.upstream.cascade
    guard cascade.isOn, !call.isOver else { return }
    cascade.waitForLateWords(at: turn.now)
    let owed = cascade.memory.owed
    if owed.isEmpty { return wake(call, &turn) }
    guard call.upstream.isOpen(store), call.isTwoWay else { return }
    cascade.memory.owed.subtract([.letGo, .note])
    if owed.contains(.letGo) { letGo(in: &call, store, &turn) }
    if owed.contains(.note) { remember(in: &call, store, &turn) }
    if !call.state.isClosing, case .none = cascade.memory.answer {
      if owed.contains(.greet) {
        cascade.memory.owed.remove(.greet)
        greet(in: &call, store, &turn)
      } else if owed.contains(.think) {
        cascade.memory.owed.remove(.think)
        think(in: &call, store, &turn)
      }
    }
    call.setTimer(store, &turn)
  }

  /// What one of its services has said means for the call what the message of a model does. Texts
  /// lie in `message`.
  static func follow(
    _ news: Upstream.Event, _ message: Bytes, in call: inout Call, _ store: Store,
    _ turn: inout Turn
  ) {
    _ = call.conversation.heardFirst(
      news, message, behind: call.uplink.sessionOffset, from: &call.caller, &call.record, store,
      &turn)
    call.handle(news, message, store, &turn)
    if !call.isOver { call.converse(store, &turn) }
  }

  private static func wake(_ call: Call, _ turn: inout Turn) {
    turn.timers.wake(.call(call.id.index), at: call.upstream.cascade.until)
  }

  private static func remember(in call: inout Call, _ store: Store, _ turn: inout Turn) {
    let cascade = call.upstream.cascade
    let text = Transcript.whole(cascade.memory.note, scratch: store.chatText, in: store.pool)
    call.conversation.remember(
      .relay, text, since: call.record.milliseconds(at: turn.now), call.record, store, &turn)
    cascade.memory.note.clear(in: store.pool)
  }

  /// The answer that is under way is nobody's any more.
  static func letGo(in call: inout Call, _ store: Store, _ turn: inout Turn) {
    let cascade = call.upstream.cascade
    cascade.cancelRequest(&turn)
    cascade.memory.chat.clear(in: store.pool)
    cascade.memory.answer = .none
    cascade.memory.until = .never
    CascadeVoice.forget(in: &call, store, &turn)
  }

  func cancelRequest(_ turn: inout Turn) {
    if let fetch = memory.fetch { turn.fetches.cancel(fetch) }
    memory.fetch = nil
  }

  /// The call is over, or has another upstream.
  func end(_ store: Store, _ turn: inout Turn) {
    guard isOn else { return }
    cancelRequest(&turn)
    memory.voice.leave(store, &turn)
  }

  /// The session is gone: so is all that belongs to it.
  static func sessionEnded(in call: inout Call, _ store: Store, _ turn: inout Turn) {
    let cascade = call.upstream.cascade
    guard cascade.isOn else { return }
    forgetUnheard(in: &call, &turn)
    letGo(in: &call, store, &turn)
    // It goes on with the next one.
    if !call.upstream.next.isThere { cascade.memory.voice.leave(store, &turn) }
    cascade.memory.owed = []
    cascade.memory.successes = 0
    cascade.memory.caller = .quiet
    cascade.memory.wordsBy = .never
    cascade.memory.note.clear(in: store.pool)
    cascade.memory.round.clear(in: store.pool)
  }

  /// Of an answer that is asked for again nothing was said, whatever was written.
  private static func forgetUnheard(in call: inout Call, _ turn: inout Turn) {
    switch call.upstream.cascade.memory.answer {
    case .none, .thinking: return
    case .telling, .sounding: call.conversation.forgetUnheard(at: turn.now)
    }
  }

  /// Who listens has not said that the words it was asked for are all there. Those that came are
  /// answered; what is not final yet is asked for again a few times, unless the caller goes on.
  private static func waitedForWords(in call: inout Call, _ store: Store, _ turn: inout Turn) {
    let cascade = call.upstream.cascade
    cascade.memory.wordsBy = .never
    cascade.memory.pauses.giveUp()
    let findsPauses = cascade.memory.pauses.isOn
    let goesOn =
      findsPauses
      ? cascade.memory.pauses.isVoice : call.uplink.lastAudio + Self.wordsWithin > turn.now
    if goesOn { return }
    // What asks for them may be on its way as well, behind more than a frame or two.
    let isUnsent = store.links[call.upstream.link.index].outbox.count > unsentBytes
    switch cascade.memory.caller {
    case .quiet: return
    case .hasSaid where !cascade.memory.isGuess && !isUnsent: break
    case .hasSaid, .speaking:
      guard findsPauses else { return }
      if cascade.memory.pauses.askAgain() {
        return turn.timers.wake(.call(call.id.index), at: turn.now)
      }
    }
    var news = Upstream.Event()
    news.isCallerDone = true
    cascade.heard(&news)
    follow(news, .empty, in: &call, store, &turn)
  }

  /// Somebody has said nothing for too long.
  static func expired(in call: inout Call, _ store: Store, _ turn: inout Turn) {
    let cascade = call.upstream.cascade
    guard cascade.until <= turn.now else { return }
    if cascade.memory.wordsBy <= turn.now { return waitedForWords(in: &call, store, &turn) }
    if cascade.memory.voice.clearedBy <= turn.now {
      return CascadeVoice.expired(in: &call, store, &turn)
    }
    cascade.memory.until = .never
    switch cascade.memory.answer {
    case .none: break
    case .thinking, .telling:
      if let fetch = cascade.memory.fetch, cascade.memory.chat.isOver {
        // Its server keeps the request open behind its end.
        turn.fetches.cancel(fetch)
        return chatEnded(in: &call, store, &turn)
      }
      cascade.cancelRequest(&turn)
      chatBroke("the chat endpoint says nothing", .again, in: &call, store, &turn)
    case .sounding: CascadeVoice.expired(in: &call, store, &turn)
    }
  }
}
