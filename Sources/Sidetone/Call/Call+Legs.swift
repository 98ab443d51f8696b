// What either leg says beside audio, and what the call does about it. What a message means is the
// leg's to say (CallerLeg, UpstreamLeg); here is what follows for the other one.

extension Call {
  /// One thing that came from the caller and is not simply audio. Nil, or what Callers has to
  /// decide first (`admit`): then `begin`.
  mutating func handle(
    _ event: CallerLeg.Input, _ store: Store, _ turn: inout Turn
  ) -> CallerLeg.Arrival? {
    record.tellFirstAudio(of: uplink, &turn)
    guard !isOver || event.endsSocket(&turn) else { return nil }
    let ask = caller.handle(
      event, after: record.framesIn,
      among: upstream.preparedRoute(store).carriers, as: record.name, store, &turn)
    switch ask {
    case .nothing: break
    case .admission(let arrival): return state.isClosing ? nil : arrival
    case .mark(let name):
      if !isTwoWay || !conversation.marked(name, &record, store, &turn) {
        turn.note(.messageIgnored)
      }
    case .key(let key):
      // What a caller dials may be the number of a card: it goes to the model and to a terminal,
      // never into the log.
      turn.note(.caller(.key(key)), of: record.identity)
      if isTwoWay { DigitCollection.press(key, in: &self, store, &turn) }
    case .finalize: finalize(store, &turn)
    case .end(let cause): end(cause, store, &turn)
    case .follow(let finding): finding.follow(in: &self, store, &turn)
    }
    return nil
  }

  /// The caller's connection is gone, whichever way.
  mutating func callerGone(_ cause: Cause, _ store: Store, _ turn: inout Turn) {
    caller.forgetLink()
    end(cause, store, &turn)
  }

  /// The caller is silent, or floods: its socket is closed, and the call ends.
  mutating func callerCut(_ cause: Cause, _ store: Store, _ turn: inout Turn) {
    caller.close(cause, store, &turn)
    end(cause, store, &turn)
  }

  /// A caller that was made to wait is read again, where there is room now.
  mutating func resumeCaller(_ store: Store, _ turn: inout Turn) {
    if caller.isHeldBack(store), !mustWait(store) { caller.resume(store, &turn) }
  }
}

// MARK: The upstream's

extension Call {
  /// The connection stands: ask for the WebSocket.
  mutating func upstreamConnected(_ store: Store, _ turn: inout Turn) {
    if upstream.sendUpgrade(store, &turn) { return }
    upstreamBroke(.noMemory, on: upstream.next.link, store, &turn)
  }

  /// The connection failed, or was never made, or is silent.
  mutating func upstreamBroke(
    _ failure: LinkFailure, on link: SlotID, _ store: Store, _ turn: inout Turn
  ) {
    handle(upstream.broke(link, failure, as: record.name, store, &turn), store, &turn)
  }

  /// The answer to our request; what came behind it and is still to be read.
  mutating func receivedAnswer(
    _ window: Bytes, on link: Int, _ store: Store, _ turn: inout Turn
  ) -> Bytes {
    var rest = Bytes.empty
    handle(
      upstream.receivedAnswer(
        window, rest: &rest, behind: .of(self), as: record.name, store, &turn), store, &turn)
    guard store.links[link].phase.isSession else { return .empty }
    if rest.isEmpty { store.links[link].releaseInbox(store) }
    return rest
  }

  /// One thing that came from the upstream and is not simply speech. False: it was nothing but
  /// words, from which nothing follows for the call.
  mutating func handle(
    _ event: UpstreamLeg.Input, on link: Int, _ store: Store, _ turn: inout Turn
  ) -> Bool {
    record.tellFirstAudio(of: uplink, &turn)
    if let message = event.rare { turn.note(.wire(.fromUpstream(message)), of: record.name) }
    switch event {
    case .done: break
    case .message(let message) where store.links[link].phase != .upstream:
      handle(upstream.handleSetup(message, as: record.name, store, &turn), store, &turn)
    case .message(let message): return handleResult(message, store, &turn)
    case .spoken(let message, let located): handleSpoken(message, located, store, &turn)
    case .markDue: markAndConverse(store, &turn)
    case .close(let code, let reason):
      let isTold = state.state == .closing(.waiting)
      let outcome = upstream.closed(
        store.links[link].id, code, reason, isTold: isTold, as: record.name, store, &turn)
      handle(outcome, store, &turn)
    case .tooLarge:
      handle(upstream.sentTooMuch(on: link, as: record.name, store, &turn), store, &turn)
    case .failed(let failure):
      upstreamBroke(failure, on: store.links[link].id, store, &turn)
    }
    return true
  }

  /// One message of an upstream that only listens: its words to the caller and the terminal, its
  /// place in the audio to the ring. False: nothing follows from it for the call.
  private mutating func handleResult(
    _ message: Bytes, _ store: Store, _ turn: inout Turn
  ) -> Bool {
    let news = upstream.read(message)
    guard upstream.understands(news, message, as: record.name, store, &turn) else { return false }
    caller.sessionOffset = uplink.sessionOffset(behind: news.heard?.startMicroseconds ?? -1)
    if let heard = news.heard {
      upstream.worked()
      if !heard.text.isEmpty {
        record.transcribed()
        let when = record.when(
          from: heard.startMicroseconds, to: uplink.end(of: heard), behind: caller.sessionOffset)
        turn.note(.words(.of(heard, in: message, caller.tracks, when)), of: record.identity)
        caller.send(.transcript(heard, of: message), as: record.name, store, &turn)
      }
    }
    caller.send(.response(upstream: upstream.rowName), body: message, as: record.name, store, &turn)
    if let heard = news.heard, heard.isFinal, let end = upstream.finalEnd(of: heard) {
      uplink.acknowledge(end, in: store.pool)
      resumeCaller(store, &turn)
    }
    guard news.saysMore || caller.dropped != .none else { return false }
    // A session that was dialled ahead may end, or say how it goes on, before its caller comes.
    handleRest(of: news, message, store, &turn)
    if news.isFinished, news.complaint == nil {
      upstream.finished()
      handle(.finished, store, &turn)
    }
    return true
  }

  /// What a message says of the session itself.
  private mutating func handleRest(
    of news: Upstream.Event, _ message: Bytes, _ store: Store, _ turn: inout Turn
  ) {
    if let handle = news.handle { keepHandle(message[handle], store, &turn) }
    if let span = news.leavesWithin { upstream.willLeave(within: span, at: turn.now) }
    if let complaint = news.complaint {
      handle(
        upstream.complained(complaint, message, as: record.name, store, &turn), store, &turn)
    }
  }

  // MARK: What a model says

  /// One message of a model: an interruption in it goes first, its audio second.
  mutating func handleSpoken(
    _ message: Bytes, _ found: SpeechPath.Located, _ store: Store, _ turn: inout Turn
  ) {
    var located = found
    var news: Upstream.Event?
    switch located {
    case .malformed: return upstream.noteNotJSON(message, as: record.name, store, &turn)
    case .other:
      news = upstream.read(message)
      if news?.saysNothing == true { turn.note(.messageIgnored) }
    case .speech(let piece):
      if piece.isNotAll { news = upstream.read(message) }
    }
    let offset = uplink.sessionOffset
    if let news,
      conversation.heardFirst(news, message, behind: offset, from: &caller, &record, store, &turn)
    {
      turn.timers.set(.playout(id.index), .never)
      tellModel(store, &turn)
    }
    // Before its audio is decoded where it lies.
    if let news, !news.isMalformed {
      caller.sessionOffset = uplink.sessionOffset
      caller.send(
        .response(upstream: upstream.rowName), body: message, as: record.name, store, &turn)
    }
    let begun = conversation.itemsBegun
    while case .speech(let piece) = located {
      if AudioFinding.speak(piece, of: message, in: &self, store, &turn) { upstream.worked() }
      guard piece.next > 0 else { break }
      located = upstream.locate(message, from: piece.next)
    }
    if conversation.itemsBegun != begun {
      conversation.answers.callerWasHeard(until: uplink.agentBegan(at: turn.now), at: turn.now)
    }
    if let news { handle(news, message, store, &turn) }
    if !isOver { converse(store, &turn) }
  }

  mutating func handle(
    _ news: Upstream.Event, _ message: Bytes, _ store: Store, _ turn: inout Turn
  ) {
    guard upstream.understands(news, message, as: record.name, store, &turn) else { return }
    if news.callerWords != nil { upstream.worked() }
    var news = news
    // A call of a function that nobody declared is an answer without sound.
    if !functions.isOn, news.ending?.how == .calls { news.ending?.how = .whole }
    conversation.heard(news, message, to: &caller, &record, store, &turn)
    FunctionCalls.handle(of: news, message, in: &self, store, &turn)
    handleRest(of: news, message, store, &turn)
  }

  /// Says what has come as far as it is time for it, with the marks that belong to it.
  mutating func converse(_ store: Store, _ turn: inout Turn) {
    while play(store, &turn) { conversation.mark(&caller, record, store, &turn) }
  }

  /// What was played last is followed by its mark, then by what else it is time for.
  mutating func markAndConverse(_ store: Store, _ turn: inout Turn) {
    conversation.mark(&caller, record, store, &turn)
    converse(store, &turn)
  }

  // MARK: Sessions

  /// A session has begun: it is asked to greet, where no other has.
  mutating func beginConversation(_ store: Store, _ turn: inout Turn) {
    let greets = upstream.isAskedToGreet(at: caller.output.rate, store)
    conversation.sessionBegan(
      greets: greets, hearsAgain: uplink.unanswered.isThere, at: turn.now)
    FunctionCalls.tellKept(in: &self, store, &turn)
    // Before what the model may say behind its word that it is ready.
    tellModel(store, &turn)
  }

  // MARK: Asking

  /// What was said so far is wanted as final. A call that ends asks for more than that; behind a
  /// backlog the request would come too early.
  mutating func finalize(_ store: Store, _ turn: inout Turn) {
    guard !state.isClosing, uplink.finalize(isPause: upstream.cascade.isPauseDue) else { return }
    upstream.command(.finalize, as: record.name, store, &turn)
  }
}

extension Carrier.Command {
  /// What a stretch of audio was heard to say.
  fileprivate static func transcript(_ heard: Upstream.Heard, of message: Bytes) -> Self {
    .transcript(
      text: message[heard.text], isFinal: heard.isFinal, confidence: message[heard.confidence],
      channel: heard.channel, channels: heard.channels, endsSpeech: heard.endsSpeech)
  }
}

extension Event.OfWords {
  /// What an upstream that only listens has heard.
  fileprivate static func of(
    _ heard: Upstream.Heard, in message: Bytes, _ tracks: CallerLeg.Tracks, _ when: Event.When
  ) -> Self {
    let side = Event.Side(
      heard.channel, of: heard.channels, isPaired: tracks.areBoth,
      isAgents: !tracks.holds(.inbound))
    return .heard(
      message[heard.text], isFinal: heard.isFinal, side: side, when: when,
      confidence: message[heard.confidence], language: LanguageTag(message[heard.language]))
  }
}
