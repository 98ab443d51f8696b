// How a session comes to be: its connection, the WebSocket on it, its description, and its word
// that it is ready. Then it waits, beside the session that it is to replace if there is one, until
// it takes over.

extension UpstreamLeg {
  /// Connections that it has not, and will want.
  func linksWanted(_ store: Store) -> Int {
    if partner == .nobody { return 0 }
    let isLeft = !store.links.holds(link) && !next.isThere
    let lacksVoice = kind.speaker != nil && !cascade.hasVoice
    return (isLeft ? 1 : 0) + (lacksVoice ? 1 : 0)
  }

  /// A session on its way.
  struct Opening: BitwiseCopyable, Sendable {
    fileprivate(set) var link = SlotID.none
    fileprivate var nonce = Upgrade.Nonce(low: 0, high: 0)
    fileprivate var dialledAt = Instant.zero
    fileprivate(set) var origin = Origin.anew
    fileprivate(set) var stage = Stage.underWay
    /// How our request for a socket was answered, while more is to come.
    var answer = Answer.none
    /// How long it took to be ready, from its dialling.
    fileprivate(set) var readyMilliseconds: Int32 = 0

    /// Whether it was described with what was said before it, or with what resumes the one before.
    enum Origin: BitwiseCopyable { case anew, described, resumed }
    enum Stage: Equatable, BitwiseCopyable {
      case underWay
      case ready(transcribes: Bool)
    }

    var isThere: Bool { link != .none }
    var isReady: Bool { isThere && stage != .underWay }
    var transcribes: Bool { stage == .ready(transcribes: true) }
  }

  // MARK: Dialling

  /// Asks for a connection, at once or, where it is paced, when it is its turn; false where the
  /// relay has none left.
  mutating func dial(
    for call: SlotID, isPaced: Bool, as name: Name, _ store: Store, _ turn: inout Turn
  ) -> Bool {
    precondition(!next.isThere, "one at a time")
    if kind.speaker != nil, !cascade.begin(store) { return false }
    guard let id = store.links.take() else { return false }
    store.links[id.index] = Link(id, for: call, at: turn.now)
    next.link = id
    let time = isPaced ? DialLine.join(id.index, of: index, store, &turn) : turn.now
    if time <= turn.now {
      askForConnection(store, &turn)
    } else {
      store.links[id.index].setDeadline(time, &turn)
    }
    let event = Event.OfUpstream.dialled(
      prepared(store).name.bytes, sentence: kind.phrases.dialled)
    turn.note(.upstream(event), of: name)
    return true
  }

  /// It is its turn.
  mutating func askForConnection(_ store: Store, _ turn: inout Turn) {
    let link = next.link.index
    store.links[link].phase = .dialling
    next.dialledAt = turn.now
    waitForHandshake(store, &turn)
    store.links[link].ask(.dial, &turn)
    if cascade.isOn, let prepared = prepared(store).cascade {
      cascade.memory.voice.dial(for: store.links[link].call, prepared, store, &turn)
    }
  }

  /// Who talks to somebody is waited for less long: a second attempt shall fit into the silence
  /// that a caller bears.
  private func waitForHandshake(_ store: Store, _ turn: inout Turn) {
    var span = Instant.Span.seconds(store.limits.handshakeSeconds)
    if partner == .talker { span = min(span, .milliseconds(store.limits.deadAirSeconds * 500)) }
    store.links[next.link.index].setDeadline(turn.now + span, &turn)
  }

  /// The connection stands: asks for the WebSocket. False where the pool is dry.
  mutating func sendUpgrade(_ store: Store, _ turn: inout Turn) -> Bool {
    let upstream = prepared(store)
    let link = next.link.index
    store.links[link].phase = .upgrade
    next.nonce = Upgrade.Nonce(low: turn.random.next64(), high: turn.random.next64())
    var query = Writer(store.scratch.dropping(Limits.scratchBytes / 2))
    kind.query(session(store), &query)
    return upstream.requestSocket(
      path: upstream.path.bytes, query: query.written, next.nonce, on: link, store, &turn)
  }

  private static let retryAfterSecondsMax = 60

  /// The answer to our request for a socket. `rest`: what came behind it, the socket's first
  /// frames.
  mutating func receivedAnswer(
    _ window: Bytes, rest: inout Bytes, behind history: HistoryRing, as name: Name, _ store: Store,
    _ turn: inout Turn
  ) -> Outcome {
    let id = next.link
    switch HTTP.parseResponse(window, limit: store.limits.headBytesMax) {
    case .needMore:
      if store.links[id.index].keepHead(of: window, store) { return .nothing }
      return broke(id, .noMemory, as: name, store, &turn)
    case .bad(let fault): return broke(id, .notHTTP(fault), as: name, store, &turn)
    case .complete(let head):
      switch Upgrade.check(head, in: window, nonce: next.nonce) {
      case .bad(let fault): return broke(id, .notWebSocket(fault), as: name, store, &turn)
      case .accepted:
        reason.take(request: head.fields.value(of: kind.reasonHeaders.request, in: window))
        rest = window.dropping(head.length)
        return describeSession(behind: history, as: name, store, &turn)
      case .refused(let status):
        if !readRefusal(head, in: window, on: id, store, &turn),
          store.links[id.index].keepHead(of: window, store)
        {
          return .nothing
        }
        return refused(status, as: name, store, &turn)
      }
    }
  }

  /// The upstream will not have us, and has said why as far as it does.
  mutating func refused(
    _ status: Int, as name: Name, _ store: Store, _ turn: inout Turn
  ) -> Outcome {
    var after = 0
    if case .refused(_, let seconds) = next.answer { after = seconds }
    let verdict = kind.refused(status)
    turn.note(
      .upstream(
        .refused(
          prepared(store).name.bytes, status: status, verdict.sentence,
          words: reason.words(in: store.pool), request: reason.request)), of: name)
    if store.links.holds(next.link), store.links[next.link.index].phase == .upgrade {
      store.links[next.link.index].leave(store, &turn)
    }
    return lost(
      .next, verdict, pause: .seconds(min(after, Self.retryAfterSecondsMax)), store, at: turn.now)
  }

  /// The WebSocket stands. A session that has to be described is, and is ready when it says so.
  private mutating func describeSession(
    behind history: HistoryRing, as name: Name, _ store: Store, _ turn: inout Turn
  ) -> Outcome {
    let id = next.link
    store.links[id.index].becomeSocket(
      .upgrade, .client, messageBytesMax: store.limits.upstreamMessageBytesMax)
    let session = history.description(of: self, store)
    var writer = Writer(session.functions.isEmpty ? store.scratch : store.functionText)
    kind.setup(session, &writer)
    if writer.count == 0 { return ready(transcribes: false, as: name, store, &turn) }
    turn.note(.wire(.toUpstream(writer.written)), of: name)
    next.origin = hasHandle ? .resumed : session.history.isEmpty ? .anew : .described
    store.links[id.index].phase = .setup
    waitForHandshake(store, &turn)
    guard !writer.overflowed,
      store.links[id.index].seal(.text, writer.written, store, &turn)
    else { return broke(id, .noMemory, as: name, store, &turn) }
    return .nothing
  }

  /// The answer to a session's description, and what it says until it takes over. A complaint means
  /// that it was not understood: the session would go on without what was asked for.
  mutating func handleSetup(
    _ message: Bytes, as name: Name, _ store: Store, _ turn: inout Turn
  ) -> Outcome {
    let news = kind.read(message)
    // Audio that comes too early is no message either.
    guard understands(news, message, as: name, store, &turn) else { return .nothing }
    if let complaint = news.complaint {
      warn(complaint, message, as: name, store, &turn)
      if complaint.scope == .warning || complaint.scope == .side && next.isReady { return .nothing }
      store.links[next.link.index].reset(&turn)
      let verdict = complaint.verdict ?? kind.closed(1008, message[complaint.message])
      return lost(.next, verdict, store, at: turn.now)
    }
    guard news.isReady, !next.isReady else { return .nothing }
    guard adopt(news, as: name, store, &turn) else {
      store.links[next.link.index].reset(&turn)
      let verdict = Upstream.Verdict(
        retry: false, cause: .upstreamRefused, code: "upstream_refused",
        sentence: "the upstream states an audio format that the relay cannot convert")
      return lost(.next, verdict, store, at: turn.now)
    }
    return ready(transcribes: news.transcribes, as: name, store, &turn)
  }

  /// The session is as it was asked for.
  private mutating func ready(
    transcribes: Bool, as name: Name, _ store: Store, _ turn: inout Turn
  ) -> Outcome {
    let link = next.link.index
    store.links[link].phase = .ready
    store.links[link].setDeadline(turn.now + .seconds(store.limits.pingSeconds), &turn)
    next.stage = .ready(transcribes: transcribes)
    let span = turn.now - next.dialledAt
    next.readyMilliseconds = Int32(clamping: span.milliseconds)
    turn.availability.opened(index)
    turn.note(.sessionReady(span))
    turn.note(
      .upstream(
        .connected(
          prepared(store).name.bytes, milliseconds: span.milliseconds,
          sentence: kind.phrases.connected, request: reason.request)), of: name)
    return .ready
  }
}

extension PreparedUpstream {
  /// Asks for a WebSocket on a connection that stands; false where the pool is dry. `query` may lie
  /// in the second half of the scratch.
  func requestSocket(
    path: Bytes, query: Bytes, _ nonce: Upgrade.Nonce, on link: Int, _ store: Store,
    _ turn: inout Turn
  ) -> Bool {
    var writer = Writer(store.scratch.prefix(Limits.scratchBytes / 2))
    Upgrade.beginRequest(
      host: host.bytes, port: port, isTLS: isTLS, path: path, query: query, nonce: nonce,
      into: &writer)
    if !authorization.bytes.isEmpty {
      HTTP.writeField(keyHeader, authorization.bytes, into: &writer)
    }
    writer.write("User-Agent: sidetone\r\n")
    Upgrade.endRequest(into: &writer)
    precondition(!writer.overflowed, "a request is smaller than the scratch")
    guard store.links[link].outbox.append(writer.written, from: store.pool) else { return false }
    store.links[link].ask(.write, &turn)
    return true
  }
}

// MARK: Too large

extension UpstreamLeg {
  /// A message of it is larger than it may be: it is told so.
  mutating func sentTooMuch(
    on link: Int, as name: Name, _ store: Store, _ turn: inout Turn
  ) -> Outcome {
    let id = store.links[link].id
    turn.note(.upstream(.tooLarge(bytesMax: store.limits.upstreamMessageBytesMax)), of: name)
    store.links[link].close(1009, store, &turn)
    let verdict = Upstream.Verdict(
      retry: true, cause: .upstreamLost, code: "upstream_lost",
      sentence: "a message of the upstream is larger than limits.upstream_message_bytes_max")
    return lost(which(id), verdict, store, at: turn.now)
  }
}
