// How a cascade thinks: a request for each answer, whose words are told and spoken while they come.

extension Cascade {
  /// The longest that a whole answer may take to come.
  private static let answerMilliseconds = 120_000
  /// So long no word comes of it until it is given up.
  private static let thinkingWithin = Instant.Span.seconds(12)
  /// The same of the end of a request whose answer has said that it is over.
  private static let endingWithin = Instant.Span.milliseconds(500)
  /// Requests in a row that may come to nothing, and the pause behind the first of them.
  private static let failuresMax = 3
  private static let retryAfterMilliseconds = 500
  /// Answers that call functions, one behind the other, without a word of the caller's.
  private static let roundsMax = 16

  // MARK: Asking

  /// The chat is asked for an answer, where none is under way.
  static func think(in call: inout Call, _ store: Store, _ turn: inout Turn) {
    let cascade = call.upstream.cascade
    guard case .none = cascade.memory.answer, let chat = call.upstream.prepared(store).cascade
    else { return }
    // What both have said is whole, and belongs to the request.
    call.conversation.endLines(to: &call.caller, &call.record, store, &turn)
    cascade.memory.chat.clear(in: store.pool)
    cascade.memory.answer = .thinking
    cascade.memory.requests += 1
    call.conversation.askedByWords(of: call.record.identity, &turn)
    var request = FetchRequest(.post, chat.url.bytes, milliseconds: answerMilliseconds)
    if !chat.key.bytes.isEmpty { request.credentials = .bearer(chat.key.bytes) }
    request.isStream = true
    guard let body = body(in: &call, store) else {
      return chatBroke(
        "instructions, functions and their answers leave no room", .never, in: &call, store,
        &turn)
    }
    do throws(FetchFailure) {
      cascade.memory.fetch = try turn.fetches.begin(
        .chat(call: call.id), request, body: body, at: turn.now)
      cascade.memory.until = turn.now + thinkingWithin
    } catch {
      chatBroke(error.sentence, error.isRetryable ? .again : .never, in: &call, store, &turn)
    }
  }

  /// Nil where it is too long even with no more than what was said last. What goes first is what
  /// was said, from the oldest on; then what functions answered, of which history knows as well.
  private static func body(in call: inout Call, _ store: Store) -> Bytes? {
    var session = call.upstream.session(store)
    var history = call.conversation.history.told(scratch: store.source, in: store.pool)
    var round =
      call.functions.isOn
      ? call.upstream.cascade.memory.round.messages(in: store.functionText, store.pool) : .empty
    while true {
      session.history = history
      var body = Writer(store.chatText)
      Chat.write(session, round: round, into: &body)
      if !body.overflowed { return body.written }
      // The oldest first.
      let isLeft = history.next() != nil && !history.isEmpty
      if isLeft { continue }
      if round.isEmpty { return nil }
      round = .empty
      history = call.conversation.history.told(scratch: store.source, in: store.pool)
    }
  }

  /// It speaks first: word for word what its operator says.
  static func greet(in call: inout Call, _ store: Store, _ turn: inout Turn) {
    let cascade = call.upstream.cascade
    guard case .none = cascade.memory.answer,
      let greeting = call.upstream.session(store).value(of: "greeting")
    else { return }
    cascade.memory.answer = .thinking
    var words = Writer(store.chatText.prefix(store.chatText.count / 2))
    words.write(jsonOfEncoded: greeting)
    tell(words.written, in: &call, store, &turn)
    var text = Writer(store.chatText)
    Query.decode(greeting, into: &text)
    CascadeVoice.say(text.written, in: &call, store, &turn)
    ended(Upstream.Ending(.whole), in: &call, store, &turn)
  }

  // MARK: What comes

  /// More of what the chat says.
  static func chatSaid(
    _ piece: Bytes, in call: inout Call, _ store: Store, _ turn: inout Turn
  ) {
    guard call.upstream.cascade.isThinking else { return turn.note(.messageIgnored) }
    var rest = piece
    // Whatever is told may end the call, or the answer.
    while call.upstream.cascade.isThinking {
      let cascade = call.upstream.cascade
      let step = cascade.memory.chat.next(in: &rest, scratch: store.chatText, from: store.pool)
      if case .needMore = step { break }
      if !take(step, in: &call, store, &turn) { return }
    }
  }

  /// The request is over.
  static func chatAnswered(
    _ result: FetchResult, in call: inout Call, _ store: Store, _ turn: inout Turn
  ) {
    guard call.upstream.cascade.isThinking else { return turn.note(.messageIgnored) }
    switch result {
    case .answered(let status, let body, let isCut):
      guard (200...299).contains(status) else {
        call.upstream.cascade.memory.fetch = nil
        return refused(status, body, in: &call, store, &turn)
      }
      chatSaid(body, in: &call, store, &turn)
      guard call.upstream.cascade.isThinking else { return }
      if isCut {
        call.upstream.cascade.memory.fetch = nil
        return chatBroke("the chat endpoint does not stream", .again, in: &call, store, &turn)
      }
      chatEnded(in: &call, store, &turn)
    case .failed(let failure):
      call.upstream.cascade.memory.fetch = nil
      let hope: Hope = failure.isRetryable ? .again : .never
      chatBroke(failure.sentence, hope, in: &call, store, &turn)
    }
  }

  private var isThinking: Bool { isOn && memory.fetch != nil }

  /// False: nothing more of this answer is wanted.
  private static func take(
    _ step: ChatAnswer.Step, in call: inout Call, _ store: Store, _ turn: inout Turn
  ) -> Bool {
    switch step {
    case .words(let words):
      call.upstream.cascade.memory.until = turn.now + thinkingWithin
      tell(words, in: &call, store, &turn)
    case .progress: call.upstream.cascade.memory.until = turn.now + thinkingWithin
    case .over: call.upstream.cascade.memory.until = turn.now + endingWithin
    case .say(let text, _): CascadeVoice.say(text, in: &call, store, &turn)
    case .lost: turn.note(.messageBad)
    case .complaint(let complaint, let event):
      call.upstream.warn(complaint, event, as: call.record.name, store, &turn)
      if complaint.scope == .warning { return true }
      call.upstream.cascade.cancelRequest(&turn)
      chatBroke("the chat endpoint reports an error", .again, in: &call, store, &turn)
      return false
    case .needMore: break
    }
    return true
  }

  /// Words are the agent's from now on; the first begin its answer.
  private static func tell(
    _ words: Bytes, in call: inout Call, _ store: Store, _ turn: inout Turn
  ) {
    var news = Upstream.Event()
    var isFirst = false
    if case .thinking = call.upstream.cascade.memory.answer {
      isFirst = true
      call.upstream.cascade.memory.answer = .telling
      news.isTurnBegun = true
    }
    news.agentWords = Upstream.Words(text: 0..<words.count, isWhole: false)
    let isNamed = call.upstream.kind.speaker?.namesAnswers == true
    let voice = call.upstream.cascade.memory.voice
    voice.withName(isNamed, behind: words) { message, name in
      news.item = name
      // Until its sound comes nobody has heard it.
      if isFirst {
        call.conversation.expectSound(
          of: message[name], to: &call.caller, &call.record, store, &turn)
      }
      follow(news, message, in: &call, store, &turn)
    }
  }

  // MARK: The end of it

  /// What becomes of a request that came to nothing.
  enum Hope: BitwiseCopyable {
    /// The same may be answered.
    case again
    /// Another one may; this one would be refused again.
    case another
    /// None will be.
    case never
  }

  /// All of the answer has come.
  static func chatEnded(in call: inout Call, _ store: Store, _ turn: inout Turn) {
    drain(isBroken: false, in: &call, store, &turn)
    guard call.upstream.cascade.isThinking else { return }
    let cascade = call.upstream.cascade
    cascade.memory.fetch = nil
    let ending = cascade.memory.chat.ending
    if cascade.memory.chat.calls.isLost {
      return chatBroke("calls of functions are too long", .another, in: &call, store, &turn)
    }
    if !cascade.memory.chat.calls.isEmpty, cascade.memory.rounds >= roundsMax {
      return chatBroke("it calls functions without end", .another, in: &call, store, &turn)
    }
    if ending.how == .cut, case .thinking = cascade.memory.answer {
      return chatBroke("the chat endpoint's answer is empty", .again, in: &call, store, &turn)
    }
    cascade.memory.failures = 0
    cascade.memory.successes += 1
    ended(ending, in: &call, store, &turn)
  }

  /// What is left of the answer, of which no more comes. Where it broke off (`isBroken`), a
  /// sentence without its end is better than a silence that nobody understands.
  private static func drain(
    isBroken: Bool, in call: inout Call, _ store: Store, _ turn: inout Turn
  ) {
    while call.upstream.cascade.isOn, !call.isOver {
      let cascade = call.upstream.cascade
      let step = cascade.memory.chat.last(scratch: store.chatText, from: store.pool)
      switch step {
      case .needMore: return
      // The end of the last line is missing, or there is no more than why it broke off.
      case .lost where isBroken, .complaint where isBroken: continue
      case .words, .say, .progress, .over, .lost, .complaint:
        if !take(step, in: &call, store, &turn) { return }
      }
    }
  }

  /// The chat has said all; what it called is called, and what was told is still to be heard.
  private static func ended(
    _ ending: Upstream.Ending, in call: inout Call, _ store: Store, _ turn: inout Turn
  ) {
    let cascade = call.upstream.cascade
    var news = Upstream.Event()
    var message = Bytes.empty
    if ending.how == .calls {
      var calls = Writer(store.chatText.prefix(store.chatText.count / 2))
      cascade.memory.chat.calls.write(
        round: cascade.memory.requests, into: &calls,
        scratch: store.chatText.dropping(store.chatText.count / 2), in: store.pool)
      message = calls.written
      if call.functions.isOn, !cascade.memory.round.begin(message, in: store.pool) {
        turn.note(.upstream(.untold), of: call.record.name)
      }
      news.callsFunctions = true
      call.functions.forgetAnswered()
      cascade.memory.rounds += 1
    } else if ending.passesAfter == nil {
      cascade.memory.round.clear(in: store.pool)
    }
    cascade.memory.chat.clear(in: store.pool)
    if case .telling = cascade.memory.answer {
      cascade.memory.answer = .sounding(ending.how)
      CascadeVoice.end(in: &call, store, &turn)
    } else {
      cascade.memory.answer = .none
      cascade.memory.until = .never
      news.ending = ending
    }
    if news.callsFunctions || news.ending != nil { follow(news, message, in: &call, store, &turn) }
  }

  /// Nothing more comes of the answer. What was told of it is spoken; where nothing was, it is
  /// asked for again, a few times, or the session is of no use.
  static func chatBroke(
    _ sentence: StaticString, _ hope: Hope, in call: inout Call, _ store: Store,
    _ turn: inout Turn
  ) {
    warn(sentence, in: &call, store, &turn)
    let cascade = call.upstream.cascade
    cascade.memory.failures += 1
    if case .telling = cascade.memory.answer {
      drain(isBroken: true, in: &call, store, &turn)
      if call.upstream.cascade.isOn, !call.isOver {
        ended(Upstream.Ending(.cut), in: &call, store, &turn)
      }
      return
    }
    let isEnough = cascade.memory.failures > failuresMax
    guard hope != .never, !isEnough else {
      let verdict = Upstream.Verdict(
        retry: hope != .never, cause: .upstreamLost, code: "upstream_unavailable",
        sentence: sentence)
      return fail(
        verdict, isUseless: cascade.memory.successes == 0, in: &call, store, &turn)
    }
    var ending = Upstream.Ending(.failed)
    if hope == .again {
      ending.passesAfter = .milliseconds(
        retryAfterMilliseconds << (cascade.memory.failures - 1))
    }
    ended(ending, in: &call, store, &turn)
  }

  /// What its services do not say themselves of what is wrong with them.
  static func warn(
    _ sentence: StaticString, in call: inout Call, _ store: Store, _ turn: inout Turn
  ) {
    let complaint = Upstream.Complaint(
      code: 0..<0, message: 0..<sentence.utf8CodeUnitCount, scope: .warning)
    call.upstream.warn(complaint, sentence.bytes, as: call.record.name, store, &turn)
  }

  /// The endpoint will not answer. One that has answered before may have been asked too much.
  private static func refused(
    _ status: Int, _ body: Bytes, in call: inout Call, _ store: Store, _ turn: inout Turn
  ) {
    let verdict = Chat.refused(status)
    var words = Reason()
    words.take(
      body: body, without: call.upstream.prepared(store).cascade?.key.bytes ?? .empty,
      in: store.pool)
    turn.note(
      .upstream(
        .refused(
          call.upstream.prepared(store).name.bytes, status: status, verdict.sentence,
          words: words.words(in: store.pool), request: Name())), of: call.record.name)
    words.release(to: store.pool)
    let hasAnswered = call.upstream.cascade.memory.successes > 0
    if verdict.retry {
      chatBroke(verdict.sentence, .again, in: &call, store, &turn)
    } else if hasAnswered, status != 401, status != 402, status != 403 {
      chatBroke(verdict.sentence, .another, in: &call, store, &turn)
    } else {
      fail(verdict, isUseless: !hasAnswered, in: &call, store, &turn)
    }
  }

  /// The session is of no use without this. `isUseless`: nor was it before.
  static func fail(
    _ verdict: Upstream.Verdict, isUseless: Bool, in call: inout Call, _ store: Store,
    _ turn: inout Turn
  ) {
    let which: UpstreamLeg.Loss.Which = call.upstream.isOpen(store) ? .session : .next
    guard which == .session || call.upstream.next.isThere else {
      return call.upstream.cascade.memory.voice.leave(store, &turn)
    }
    switch which {
    case .session: store.links[call.upstream.link.index].close(1000, store, &turn)
    case .next: call.upstream.leaveNext(store, &turn)
    }
    call.upstream.cascade.memory.failures = 0
    let outcome = call.upstream.lost(
      which, verdict, isUseless: isUseless, store, at: turn.now)
    call.handle(outcome, store, &turn)
  }
}
