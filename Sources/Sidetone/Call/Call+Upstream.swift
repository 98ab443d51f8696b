// What an upstream says beside speech, and how its sessions come and go: answers to dialling, the
// session's word that it is ready, transcripts, complaints, closes. What a model says in a
// conversation is in Call+Conversation; the way of a frame is Call+Frames.

extension Call {
  // MARK: Dialling

  /// The connection stands: ask for the WebSocket.
  mutating func upstreamConnected(_ store: Store, _ turn: inout Turn) {
    if !upstream.sendUpgrade(store, &turn) { breakUpstream(.noMemory, store, &turn) }
  }

  /// The answer to our request; what came behind it and is still to be read.
  mutating func receivedAnswer(
    _ window: Bytes, on link: Int, _ store: Store, _ turn: inout Turn
  ) -> Bytes {
    switch upstream.receivedAnswer(window, store) {
    case .needMore: return .empty
    case .broken(let failure):
      breakUpstream(failure, store, &turn)
      return .empty
    case .refused(let status, let verdict, let pause):
      turn.note(
        .upstreamRefused(
          upstream.prepared(store).name.bytes, status: status, verdict.sentence),
        of: record.name)
      upstream.close(1000, store, &turn)
      settle(upstreamLost(verdict, pause: pause, store, &turn), store, &turn)
      return .empty
    case .accepted(let rest):
      switch upstream.describeSession(store, &turn) {
      case .nothing: ready(store, &turn)
      case .answer: break
      case .noMemory: breakUpstream(.noMemory, store, &turn)
      }
      let phase = store.links[link].phase
      guard phase == .upstream || phase == .setup else { return .empty }
      if rest.isEmpty { store.links[link].releaseInbox(store) }
      return rest
    }
  }

  /// The session is as it was asked for: audio may flow.
  private mutating func ready(_ store: Store, _ turn: inout Turn) {
    let span = upstream.ready(store, &turn)
    turn.availability.opened(upstream.index)
    turn.note(
      .upstreamConnected(
        upstream.prepared(store).name.bytes, milliseconds: span.milliseconds), of: record.name)
    uplink.beginSession(at: turn.now)
    opened(store, &turn)
    if !isOver, isTwoWay { beginConversation(store, &turn) }
  }

  // MARK: Listening

  /// One thing that came from the upstream and is not simply speech.
  mutating func handle(
    _ event: FromUpstream, on link: Int, _ store: Store, _ turn: inout Turn
  ) {
    switch event {
    case .done: break
    case .message(let message):
      if store.links[link].phase == .setup {
        handleSetup(message, store, &turn)
      } else {
        handleResult(message, store, &turn)
      }
    case .spoken(let message, let located):
      handleSpoken(message, located, store, &turn)
      heardLastWords(store, &turn)
    case .markDue:
      mark(store, &turn)
      converse(store, &turn)
    case .close(let code, let reason):
      upstreamClosed(code, reason, isSetUp: store.links[link].phase == .upstream, store, &turn)
    case .failed: breakUpstream(.reset, store, &turn)
    }
  }

  /// A call that ends waits for the transcript of what was said last.
  private mutating func heardLastWords(_ store: Store, _ turn: inout Turn) {
    guard state.state == .closing(.waiting), !transcript.isOwedWords else { return }
    upstreamFinished(store, &turn)
  }

  /// The answer to a session's description. A complaint now means that it was not understood: the
  /// session would go on without what was asked for.
  private mutating func handleSetup(_ message: Bytes, _ store: Store, _ turn: inout Turn) {
    let news = upstream.kind.read(message)
    if let complaint = news.complaint {
      warn(complaint, message, &turn)
      upstream.reset(store, &turn)
      let verdict =
        complaint.verdict
        ?? Upstream.Verdict(
          retry: false, cause: .upstreamRefused, code: "upstream_refused",
          sentence: "the upstream refused the session's settings: see the log")
      return settle(upstreamLost(verdict, pause: .zero, store, &turn), store, &turn)
    }
    guard news.isReady else { return }
    transcript.sessionBegan(transcribes: news.transcribes)
    ready(store, &turn)
  }

  /// One message of an upstream that only listens: its words to the caller and the terminal, its
  /// place in the audio to the ring.
  private mutating func handleResult(_ message: Bytes, _ store: Store, _ turn: inout Turn) {
    let kind = upstream.kind
    let news = kind.read(message)
    guard !news.isMalformed else { return turn.note(.messageBad) }
    if let heard = news.heard {
      progressed()
      if !heard.text.isEmpty { deliver(heard, message, store, &turn) }
    }
    tell(.response(upstream: kind.name), body: message, store, &turn)
    if let heard = news.heard, heard.isFinal, let end = upstream.finalEnd(of: heard) {
      uplink.ring.acknowledge(sessionMicroseconds: end, in: store.pool)
      resumeCaller(store, &turn)
    }
    // A session that was dialled ahead may end, or say how it goes on, before its caller comes.
    keepHandle(news, message, store)
    if let complaint = news.complaint { return complained(complaint, message, store, &turn) }
    if news.isFinished {
      upstream.finished()
      upstreamFinished(store, &turn)
    }
  }

  private mutating func deliver(
    _ heard: Upstream.Heard, _ message: Bytes, _ store: Store, _ turn: inout Turn
  ) {
    record.transcribed()
    turn.note(.heard(message[heard.text], isFinal: heard.isFinal), of: record.name)
    tell(
      .transcript(
        text: message[heard.text], isFinal: heard.isFinal, confidence: message[heard.confidence],
        channel: heard.channel, channels: heard.channels), store, &turn)
  }

  /// What will resume the session, where it says so.
  mutating func keepHandle(_ news: Upstream.News, _ message: Bytes, _ store: Store) {
    if let handle = news.handle { upstream.keepHandle(message[handle], in: store.pool) }
  }

  // MARK: Asking

  /// What was said so far is wanted as final.
  mutating func finalize(_ store: Store, _ turn: inout Turn) {
    // A call that ends asks for more than that; behind a backlog the request would come too early.
    guard !state.isClosing, uplink.finalize() else { return }
    upstream.command(.finalize, store, &turn)
  }

  /// A sign of life where there was no audio for a while; before the first audio of a session,
  /// silence.
  mutating func keepAlive(_ store: Store, _ turn: inout Turn) {
    guard state.state == .talking, upstream.isOpen(store), keepAliveTime <= turn.now else {
      return
    }
    let milliseconds = upstream.kind.habits.openingSilenceMilliseconds
    if uplink.ring.isSessionSilent, milliseconds > 0 {
      uplink.sendSilence(
        milliseconds: milliseconds, into: &store.links[upstream.link.index], store, &turn)
    }
    upstream.command(.keepAlive, store, &turn)
  }

  // MARK: Losing

  /// An error that the upstream reports; some of them end the session.
  mutating func complained(
    _ complaint: Upstream.Complaint, _ message: Bytes, _ store: Store, _ turn: inout Turn
  ) {
    warn(complaint, message, &turn)
    guard let verdict = complaint.verdict, store.links.holds(upstream.link) else { return }
    upstream.close(1000, store, &turn)
    settle(upstreamLost(verdict, pause: .zero, store, &turn), store, &turn)
  }

  private func warn(_ complaint: Upstream.Complaint, _ message: Bytes, _ turn: inout Turn) {
    turn.note(
      .upstreamError(code: message[complaint.code], message: message[complaint.message]),
      of: record.name)
  }

  private mutating func upstreamClosed(
    _ code: UInt16, _ reason: Bytes, isSetUp: Bool, _ store: Store, _ turn: inout Turn
  ) {
    var verdict = upstream.kind.closed(code, reason)
    // Perhaps only what should have resumed the session was refused: the next one begins anew.
    if !isSetUp, upstream.dropHandle(in: store.pool) { verdict.retry = true }
    // After it was told to finish, a close without complaint says that it has.
    let isWell = code == 1000 || code == 1001 || code == WebSocket.noCode
    let isFinished = isWell && state.state == .closing(.waiting)
    if !isFinished {
      turn.note(.upstreamClosed(code: code, reason: reason), of: record.name)
    }
    upstream.close(code, store, &turn)
    if isFinished {
      upstream.finished()
      upstreamFinished(store, &turn)
    } else {
      settle(upstreamLost(verdict, pause: .zero, store, &turn), store, &turn)
    }
  }

  /// Its connection is of no use any more.
  private mutating func breakUpstream(
    _ failure: LinkFailure, _ store: Store, _ turn: inout Turn
  ) {
    upstream.reset(store, &turn)
    upstreamBroke(failure, store, &turn)
  }

  /// The connection to the upstream failed, or was never made, or is silent.
  mutating func upstreamBroke(
    _ failure: LinkFailure, _ store: Store, _ turn: inout Turn
  ) {
    upstream.forgetLink()
    turn.note(.upstreamBroke(upstream.prepared(store).name.bytes, failure), of: record.name)
    let verdict = Upstream.Verdict(
      retry: failure != .certificateRefused, cause: .upstreamLost, code: "upstream_lost",
      sentence: failure.sentence)
    settle(upstreamLost(verdict, pause: .zero, store, &turn), store, &turn)
  }
}
