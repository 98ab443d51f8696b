// The upstream's side of a call: its connection and the session on it. It dials, asks for the
// socket, describes the session, says what the call has it say, and lets go; what the upstream
// answers comes back as a value, and what that means for the call is not decided here.
//
//     dial ──▶ upgrade ──▶ describe ──▶ (ready) ──▶ say … ──▶ close, or reset

package struct UpstreamLeg: BitwiseCopyable, Sendable {
  /// Its connection; `none` where there is none (any more).
  private(set) var link = SlotID.none
  private(set) var partner: PreparedUpstream.Partner
  /// When it last had something from us: audio, or a sign of life.
  private(set) var lastSign = Instant.never
  /// Where its audio lies in its messages.
  private var speech = SpeechPath.none
  /// The shape of its last message of speech.
  private var learned = LearnedMessage()

  /// Index into `Prepared.upstreams` and into `Upstream.all`.
  private(set) var index: Int
  private(set) var row: Int
  /// Index into `Prepared.routes`, and which of the route's bots it is.
  let route: Int
  private(set) var bot = 0
  /// What it is sent and what it sends.
  private(set) var input = Format.mulaw8k
  private(set) var output = Format.mulaw8k
  /// What was chosen for this call, by its own query or by its webhook: kept for every dialling.
  private var choices = Chain()
  /// What resumes the session; empty where nothing does.
  private var handle = Chain()
  private var nonce = Upgrade.Nonce(low: 0, high: 0)
  private var dialledAt = Instant.zero
  /// It has said that it will leave: another session takes over in a quiet moment before.
  private(set) var leaveAt = Instant.never
  /// Where each channel's final results end on the session's clock, in microseconds.
  private var finalsEnd = InlineArray<2, Int>(repeating: 0)
  private(set) var results = Results.awaited

  /// Whether the upstream has said that its results are complete.
  enum Results: BitwiseCopyable { case awaited, complete }

  init(_ upstream: Int, route: Int, bot: Int = 0, _ store: Store) {
    index = upstream
    self.route = route
    self.bot = bot
    row = store.prepared.upstreams[upstream].kind
    partner = store.prepared.upstreams[upstream].partner
  }

  /// Gives back what it keeps; the connection is let go of before.
  mutating func release(_ store: Store) {
    choices.clear(in: store.pool)
    handle.clear(in: store.pool)
  }

  // MARK: What it is

  var kind: Upstream { Upstream.all[row] }
  func prepared(_ store: Store) -> PreparedUpstream { store.prepared.upstreams[index] }
  func preparedRoute(_ store: Store) -> PreparedRoute { store.prepared.routes[route] }
  /// When the session wants a sign of life.
  var keepAliveTime: Instant { lastSign + kind.timing.keepAliveAfter }

  /// Where the speech lies in a message of its; behind `from`: the next piece of it.
  @inline(__always) mutating func locate(_ message: Bytes) -> SpeechPath.Located {
    learned.locate(message, by: speech)
  }
  func locate(_ message: Bytes, from: Int) -> SpeechPath.Located {
    speech.locate(message, from: from)
  }

  @inline(__always) func isOpen(_ store: Store) -> Bool {
    store.links.holds(link) && store.links[link.index].phase == .upstream
  }

  /// Another upstream than the one that the route names first.
  mutating func become(_ upstream: Int, bot: Int, _ store: Store) {
    index = upstream
    self.bot = bot
    row = store.prepared.upstreams[upstream].kind
    partner = store.prepared.upstreams[upstream].partner
  }

  /// Keeps what was chosen for the session; false where the pool is dry.
  mutating func choose(_ options: Bytes, from pool: BlockPool) -> Bool {
    choices.clear(in: pool)
    return choices.append(options, from: pool)
  }

  /// What was chosen so far, as a query.
  func chosen(in pool: BlockPool) -> Bytes { choices.front(in: pool) }

  /// What it is sent and what it sends: settled before it is dialled. False: it can take none of
  /// what the caller sends.
  mutating func settleFormats(from input: Format, to output: Format, _ store: Store) -> Bool {
    guard let hears = kind.hears(input, session(store)) else { return false }
    self.input = hears
    if let voice = kind.voice { self.output = voice.says(output, session(store)) }
    return true
  }

  /// Its speech is wanted from now on.
  mutating func beginSpeech() { speech = kind.voice?.speech ?? .none }

  /// What the present session is made from. Valid until the next call of this method.
  func session(_ store: Store) -> Upstream.Session {
    let route = store.prepared.routes[route]
    return Upstream.Session(
      hears: input, says: output, fixed: prepared(store).query.bytes,
      options: route.bots[bot].options.bytes, callers: choices.front(in: store.pool),
      rate: route.upstreamRate,
      handle: Transcript.whole(handle, scratch: store.source, in: store.pool))
  }

  // MARK: Dialling

  /// Asks for a connection; false where the relay has none left.
  mutating func dial(for call: SlotID, _ store: Store, _ turn: inout Turn) -> Bool {
    guard let id = store.links.take() else { return false }
    store.links[id.index] = Link(id, for: call, at: turn.now)
    link = id
    dialledAt = turn.now
    waitForHandshake(store, &turn)
    store.links[id.index].ask(.dial, &turn)
    return true
  }

  private func waitForHandshake(_ store: Store, _ turn: inout Turn) {
    store.links[link.index].setDeadline(
      turn.now + .seconds(store.limits.handshakeSeconds), &turn)
  }

  /// The connection stands: asks for the WebSocket. False where the pool is dry.
  mutating func sendUpgrade(_ store: Store, _ turn: inout Turn) -> Bool {
    let upstream = prepared(store)
    store.links[link.index].phase = .upgrade
    nonce = Upgrade.Nonce(low: turn.random.next64(), high: turn.random.next64())
    var writer = Writer(store.scratch.prefix(Limits.scratchBytes / 2))
    var query = Writer(store.scratch.dropping(Limits.scratchBytes / 2))
    kind.query(session(store), &query)
    Upgrade.beginRequest(
      host: upstream.host.bytes, port: upstream.port, isTLS: upstream.isTLS,
      path: upstream.path.bytes, query: query.written, nonce: nonce, into: &writer)
    if !upstream.authorization.bytes.isEmpty {
      HTTP.writeField(upstream.keyHeader, upstream.authorization.bytes, into: &writer)
    }
    writer.write("User-Agent: sidetone\r\n")
    Upgrade.endRequest(into: &writer)
    precondition(!writer.overflowed && !query.overflowed, "a request is smaller than the scratch")
    guard store.links[link.index].outbox.append(writer.written, from: store.pool) else {
      return false
    }
    store.links[link.index].ask(.write, &turn)
    return true
  }

  /// What its bytes hold beside speech (Call+Frames finds the speech).
  enum Input {
    /// Nothing more.
    case done
    case message(Bytes)
    /// A message of a model that talks: what was found in it, and not taken yet.
    case spoken(Bytes, SpeechPath.Located)
    /// What was played has to be followed by a mark.
    case markDue
    case close(UInt16, reason: Bytes)
    case failed
  }

  /// What that means for the session.
  enum Outcome {
    case nothing
    /// It is as it was asked for: audio may flow.
    case ready(transcribes: Bool)
    /// It has done all that was asked of it.
    case finished
    /// It is gone, and another attempt has to wait so long at least.
    case lost(Upstream.Verdict, pause: Instant.Span)

    static func broken(_ failure: LinkFailure) -> Outcome {
      let verdict = Upstream.Verdict(
        retry: failure != .certificateRefused, cause: .upstreamLost, code: "upstream_lost",
        sentence: failure.sentence)
      return .lost(verdict, pause: .zero)
    }
  }

  private static let retryAfterSecondsMax = 60
  /// So long before it leaves another session takes over, whatever is being said.
  private static let leaveEarly = Instant.Span.seconds(1)

  /// The answer to our request for a socket. `rest`: what came behind it, the socket's first
  /// frames.
  mutating func receivedAnswer(
    _ window: Bytes, rest: inout Bytes, as name: Name, _ store: Store, _ turn: inout Turn
  ) -> Outcome {
    switch HTTP.parseResponse(window, limit: store.limits.headBytesMax) {
    case .needMore:
      if store.links[link.index].keepHead(of: window, store) { return .nothing }
      return broke(.noMemory, as: name, store, &turn)
    case .bad: return broke(.reset, as: name, store, &turn)
    case .complete(let head):
      switch Upgrade.check(head, in: window, nonce: nonce) {
      case .bad: return broke(.reset, as: name, store, &turn)
      case .accepted:
        rest = window.dropping(head.length)
        return describeSession(as: name, store, &turn)
      case .refused(let status):
        let after = Upgrade.retryAfterSeconds(head, in: window) ?? 0
        let verdict = kind.refused(status)
        turn.note(
          .upstream(.refused(prepared(store).name.bytes, status: status, verdict.sentence)),
          of: name)
        close(1000, store, &turn)
        return .lost(verdict, pause: .seconds(min(after, Self.retryAfterSecondsMax)))
      }
    }
  }

  /// The WebSocket stands. A session that has to be described is, and is ready when it says so.
  private mutating func describeSession(
    as name: Name, _ store: Store, _ turn: inout Turn
  ) -> Outcome {
    store.links[link.index].becomeSocket(
      .upgrade, .client, messageBytesMax: store.limits.upstreamMessageBytesMax)
    var writer = Writer(store.scratch)
    kind.setup(session(store), &writer)
    if writer.count == 0 { return .ready(transcribes: false) }
    store.links[link.index].phase = .setup
    waitForHandshake(store, &turn)
    guard !writer.overflowed,
      store.links[link.index].seal(.text, writer.written, store, &turn)
    else { return broke(.noMemory, as: name, store, &turn) }
    return .nothing
  }

  /// The answer to a session's description. A complaint now means that it was not understood: the
  /// session would go on without what was asked for.
  mutating func handleSetup(
    _ message: Bytes, as name: Name, _ store: Store, _ turn: inout Turn
  ) -> Outcome {
    let news = kind.read(message)
    if let complaint = news.complaint {
      warn(complaint, message, as: name, &turn)
      reset(store, &turn)
      let verdict =
        complaint.verdict
        ?? Upstream.Verdict(
          retry: false, cause: .upstreamRefused, code: "upstream_refused",
          sentence: "the upstream refused the session's settings: see the log")
      return .lost(verdict, pause: .zero)
    }
    return news.isReady ? .ready(transcribes: news.transcribes) : .nothing
  }

  /// The session is as it was asked for: audio may flow.
  mutating func ready(as name: Name, _ store: Store, _ turn: inout Turn) {
    store.links[link.index].phase = .upstream
    store.links[link.index].setDeadline(turn.now + .seconds(store.limits.pingSeconds), &turn)
    turn.availability.opened(index)
    turn.note(
      .upstream(
        .connected(
          prepared(store).name.bytes, milliseconds: (turn.now - dialledAt).milliseconds)), of: name)
    lastSign = turn.now
    finalsEnd = InlineArray(repeating: 0)
    results = .awaited
    leaveAt = .never
  }

  // MARK: Saying

  /// It had something from us.
  @_noAllocation mutating func signed(at now: Instant) { lastSign = now }

  mutating func command(_ command: Upstream.Command, _ store: Store, _ turn: inout Turn) {
    guard isOpen(store) else { return }
    var writer = Writer(store.scratch)
    kind.write(command, &writer)
    if writer.count == 0 { return }
    if store.links[link.index].seal(.text, writer.written, store, &turn) { lastSign = turn.now }
  }

  // MARK: Hearing

  /// What is final need not be replayed: up to where, in microseconds on the session's clock; nil
  /// where that is not said. With two channels both must have come so far.
  mutating func finalEnd(of heard: Upstream.Heard) -> Int? {
    guard heard.channel == 0 || heard.channel == 1 else { return nil }
    finalsEnd[heard.channel] = max(finalsEnd[heard.channel], heard.endMicroseconds)
    return heard.channels < 2 ? heard.endMicroseconds : min(finalsEnd[0], finalsEnd[1])
  }

  /// An error that it reports; some of them end the session.
  mutating func complained(
    _ complaint: Upstream.Complaint, _ message: Bytes, as name: Name, _ store: Store,
    _ turn: inout Turn
  ) -> Outcome {
    warn(complaint, message, as: name, &turn)
    guard let verdict = complaint.verdict, store.links.holds(link) else { return .nothing }
    close(1000, store, &turn)
    return .lost(verdict, pause: .zero)
  }

  private func warn(
    _ complaint: Upstream.Complaint, _ message: Bytes, as name: Name, _ turn: inout Turn
  ) {
    turn.note(
      .upstream(.error(code: message[complaint.code], message: message[complaint.message])),
      of: name)
  }

  /// It closes. `isTold`: it was told to finish, so a close without complaint says that it has.
  mutating func closed(
    _ code: UInt16, _ reason: Bytes, isTold: Bool, as name: Name, _ store: Store,
    _ turn: inout Turn
  ) -> Outcome {
    var verdict = kind.closed(code, reason)
    // Perhaps only what should have resumed the session was refused: the next one begins anew.
    if store.links[link.index].phase == .setup, dropHandle(in: store.pool) {
      verdict.retry = true
    }
    let isWell = code == 1000 || code == 1001 || code == WebSocket.noCode
    let isFinished = isWell && isTold
    if !isFinished { turn.note(.upstream(.closed(code: code, reason: reason)), of: name) }
    close(code, store, &turn)
    if !isFinished { return .lost(verdict, pause: .zero) }
    finished()
    return .finished
  }

  /// Its connection failed, was never made, or is of no more use.
  mutating func broke(
    _ failure: LinkFailure, as name: Name, _ store: Store, _ turn: inout Turn
  ) -> Outcome {
    if store.links.holds(link) {
      let phase = store.links[link.index].phase
      if phase != .leaving, phase != .gone { store.links[link.index].reset(&turn) }
    }
    link = .none
    turn.note(.upstream(.broke(prepared(store).name.bytes, failure)), of: name)
    return .broken(failure)
  }

  /// It has said that its results are complete.
  mutating func finished() { results = .complete }

  /// What will resume the session, where it says so.
  mutating func keepHandle(_ text: Bytes, in pool: BlockPool) {
    handle.clear(in: pool)
    if text.count <= Limits.wordsBytesMax { _ = handle.append(text, from: pool) }
  }

  /// Whether there is something that should have resumed the session; it is forgotten.
  private mutating func dropHandle(in pool: BlockPool) -> Bool {
    defer { handle.clear(in: pool) }
    return !handle.isEmpty
  }

  // MARK: Letting go

  /// It will end the session in so long.
  mutating func willLeave(within span: Instant.Span, at now: Instant) {
    leaveAt = max(now, now + (span - Self.leaveEarly))
  }

  /// The session is left for the next one.
  mutating func leave(_ store: Store, _ turn: inout Turn) {
    leaveAt = .never
    letGo(store, &turn)
  }

  /// Lets go of the connection at once.
  private mutating func reset(_ store: Store, _ turn: inout Turn) {
    store.links[link.index].reset(&turn)
    link = .none
  }

  /// Answers the upstream's Close, or says ours, and lets go.
  private mutating func close(_ code: UInt16, _ store: Store, _ turn: inout Turn) {
    let index = link.index
    link = .none
    let phase = store.links[index].phase
    if phase == .upstream || phase == .setup, !store.links[index].outbox.isCloseSent {
      let echoed = WebSocket.isSendable(closeCode: code) ? code : 1000
      store.links[index].outbox.sealClose(echoed, key: turn.random.next(), from: store.pool)
    }
    store.links[index].leave(store, &turn)
  }

  /// Lets go of the connection in whatever phase it is.
  mutating func letGo(_ store: Store, _ turn: inout Turn) {
    guard store.links.holds(link) else { return }
    switch store.links[link.index].phase {
    case .upstream, .setup: close(1000, store, &turn)
    case .request, .caller, .dialling, .upgrade, .leaving, .gone: reset(store, &turn)
    }
  }
}
