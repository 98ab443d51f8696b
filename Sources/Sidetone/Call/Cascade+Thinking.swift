// How a cascade thinks: a request for each answer, whose words are told and spoken while they come.

extension Cascade {
  /// The longest that a whole answer may take to come.
  private static let answerMilliseconds = 120_000
  /// So long nothing comes of it until it is given up.
  private static let thinkingWithin = Instant.Span.seconds(12)
  private static let retryAfter = Instant.Span.milliseconds(500)

  // MARK: Asking

  /// The chat is asked for an answer, where none is under way.
  static func think(in call: inout Call, _ store: Store, _ turn: inout Turn) {
    let cascade = call.upstream.cascade
    guard case .none = cascade.memory.answer, let chat = call.upstream.prepared(store).cascade
    else { return }
    // What the caller has said is whole, and belongs to the request.
    call.conversation.callerAnswered()
    call.conversation.showLines(to: &call.caller, &call.record, store, &turn)
    cascade.memory.chat.clear(in: store.pool)
    cascade.memory.answer = .thinking
    cascade.memory.requests += 1
    cascade.memory.askedAt = turn.now
    call.conversation.askedByWords(of: call.record.identity, &turn)
    var request = FetchRequest(.post, chat.url.bytes, milliseconds: answerMilliseconds)
    if !chat.key.bytes.isEmpty { request.credentials = .bearer(chat.key.bytes) }
    request.isStream = true
    guard let body = body(in: &call, store) else {
      return chatBroke(
        "instructions and functions leave no room for what was said", passes: false, in: &call,
        store, &turn)
    }
    do throws(FetchFailure) {
      cascade.memory.fetch = try turn.fetches.begin(
        .chat(call: call.id), request, body: body, at: turn.now)
      cascade.memory.until = turn.now + thinkingWithin
    } catch {
      chatBroke(error.sentence, passes: error.isRetryable, in: &call, store, &turn)
    }
  }

  /// Nil where it is too long even without what was said.
  private static func body(in call: inout Call, _ store: Store) -> Bytes? {
    var session = call.upstream.session(store)
    var history = call.conversation.history.told(scratch: store.source, in: store.pool)
    let round =
      call.functions.isOn
      ? call.upstream.cascade.memory.round.messages(in: store.functionText, store.pool) : .empty
    while true {
      session.history = history
      var body = Writer(store.chatText)
      Chat.write(session, round: round, into: &body)
      if !body.overflowed { return body.written }
      // The oldest first.
      if history.next() == nil { return nil }
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
    chatEnded(Upstream.Ending(.whole), in: &call, store, &turn)
  }

  // MARK: What comes

  /// More of what the chat says.
  static func chatSaid(
    _ piece: Bytes, in call: inout Call, _ store: Store, _ turn: inout Turn
  ) {
    let cascade = call.upstream.cascade
    guard cascade.isOn, cascade.memory.fetch != nil else { return turn.note(.messageIgnored) }
    cascade.memory.until = turn.now + thinkingWithin
    var rest = piece
    // Whatever is told may end the call, or the answer.
    while cascade.isOn, cascade.memory.fetch != nil {
      let step = cascade.memory.chat.next(in: &rest, scratch: store.chatText, from: store.pool)
      if case .needMore = step { return }
      if !take(step, in: &call, store, &turn) { return }
    }
  }

  /// The request is over.
  static func chatAnswered(
    _ result: FetchResult, in call: inout Call, _ store: Store, _ turn: inout Turn
  ) {
    let cascade = call.upstream.cascade
    guard cascade.isOn, cascade.memory.fetch != nil else { return turn.note(.messageIgnored) }
    switch result {
    case .answered(let status, let body, let isCut):
      guard (200...299).contains(status) else {
        cascade.memory.fetch = nil
        return refused(status, body, in: &call, store, &turn)
      }
      chatSaid(body, in: &call, store, &turn)
      while cascade.isOn, cascade.memory.fetch != nil {
        let step = cascade.memory.chat.last(scratch: store.chatText, from: store.pool)
        if case .needMore = step { break }
        if !take(step, in: &call, store, &turn) { return }
      }
      guard cascade.isOn, cascade.memory.fetch != nil else { return }
      cascade.memory.fetch = nil
      let ending = isCut ? Upstream.Ending(.cut) : cascade.memory.chat.ending
      chatEnded(ending, in: &call, store, &turn)
    case .failed(let failure):
      cascade.memory.fetch = nil
      chatBroke(failure.sentence, passes: failure.isRetryable, in: &call, store, &turn)
    }
  }

  /// False: nothing more of this answer is wanted.
  private static func take(
    _ step: ChatAnswer.Step, in call: inout Call, _ store: Store, _ turn: inout Turn
  ) -> Bool {
    switch step {
    case .words(let words): tell(words, in: &call, store, &turn)
    case .say(let text, _): CascadeVoice.say(text, in: &call, store, &turn)
    case .lost: turn.note(.messageBad)
    case .complaint(let complaint, let event):
      call.upstream.warn(complaint, event, as: call.record.name, store, &turn)
      if complaint.scope == .warning { return true }
      call.upstream.cascade.cancelRequest(&turn)
      chatBroke("the chat endpoint reports an error", passes: true, in: &call, store, &turn)
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
    if case .thinking = call.upstream.cascade.memory.answer {
      call.upstream.cascade.memory.answer = .telling
      news.isTurnBegun = true
    }
    news.agentWords = Upstream.Words(text: 0..<words.count, isWhole: false)
    follow(news, words, in: &call, store, &turn)
  }

  // MARK: The end of it

  /// The chat has said all; what it called is called, and what was told is still to be heard.
  private static func chatEnded(
    _ ending: Upstream.Ending, in call: inout Call, _ store: Store, _ turn: inout Turn
  ) {
    let cascade = call.upstream.cascade
    var ending = ending
    if cascade.memory.chat.calls.isLost {
      turn.note(.upstream(.untold), of: call.record.name)
      ending.how = .cut
    }
    let isTold: Bool
    if case .telling = cascade.memory.answer { isTold = true } else { isTold = false }
    var news = Upstream.Event()
    var message = Bytes.empty
    if ending.how == .calls {
      var calls = Writer(store.chatText.prefix(store.chatText.count / 2))
      cascade.memory.chat.calls.write(
        round: cascade.memory.requests, into: &calls,
        scratch: store.chatText.dropping(store.chatText.count / 2), in: store.pool)
      message = calls.written
      if call.functions.isOn, !cascade.memory.round.called(message, in: store.pool) {
        turn.note(.upstream(.untold), of: call.record.name)
      }
      news.callsFunctions = true
      call.functions.forgetAnswered()
    } else {
      cascade.memory.round.clear(in: store.pool)
    }
    cascade.memory.chat.clear(in: store.pool)
    if isTold {
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
  /// asked for again if that may help (`passes`).
  static func chatBroke(
    _ sentence: StaticString, passes: Bool, in call: inout Call, _ store: Store, _ turn: inout Turn
  ) {
    let cascade = call.upstream.cascade
    let complaint = Upstream.Complaint(
      code: 0..<0, message: 0..<sentence.utf8CodeUnitCount, scope: .warning)
    call.upstream.warn(complaint, sentence.bytes, as: call.record.name, store, &turn)
    if case .telling = cascade.memory.answer {
      return chatEnded(Upstream.Ending(.cut), in: &call, store, &turn)
    }
    var ending = Upstream.Ending(.failed)
    if passes { ending.passesAfter = retryAfter }
    chatEnded(ending, in: &call, store, &turn)
  }

  /// The endpoint will not answer. What would be refused again ends the session.
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
    guard verdict.retry else { return fail(verdict, in: &call, store, &turn) }
    chatBroke(verdict.sentence, passes: true, in: &call, store, &turn)
  }

  /// The session is of no use without this.
  static func fail(
    _ verdict: Upstream.Verdict, in call: inout Call, _ store: Store, _ turn: inout Turn
  ) {
    let which: UpstreamLeg.Loss.Which = call.upstream.isOpen(store) ? .session : .next
    guard which == .session || call.upstream.next.isThere else {
      return call.upstream.cascade.memory.voice.leave(store, &turn)
    }
    switch which {
    case .session: store.links[call.upstream.link.index].close(1000, store, &turn)
    case .next: call.upstream.leaveNext(store, &turn)
    }
    call.handle(call.upstream.lost(which, verdict, store, at: turn.now), store, &turn)
  }
}
