// One call: an engine of the same shape as the relay that holds it. Inputs come from either leg, or
// from the clock; its parts keep their own state and say what follows; `settle` does that. It is
// lent the relay's memory (Store) and what one input may change beside its slot (Turn), and knows
// no other call.
//
//     caller ──▶ CallerLeg ──▶ Uplink ──────────────▶ UpstreamLeg ──▶ upstream
//        ◀────── CallerLeg ◀── Downlink ◀── Dialogue ◀── UpstreamLeg ◀──
//                                  Transcript, CallRecord
//
// CallState couples the two legs. The way of a frame, both ways, is Call+Frames; what either leg says
// beside audio is in Call+Caller and Call+Upstream, conversation in Call+Conversation.

package struct Call: BitwiseCopyable, Sendable {
  /// Its own name.
  let id: SlotID
  private(set) var state: CallState
  var caller: CallerLeg
  var upstream: UpstreamLeg
  var record: CallRecord
  var uplink = Uplink()
  var downlink = Downlink()
  var dialogue = Dialogue()
  var transcript = Transcript()
  private var origin: Origin

  /// How it came to be.
  private enum Origin: BitwiseCopyable {
    /// Its caller came.
    case caller
    /// A webhook announced its caller, who is still to come: its upstream is dialled already.
    case webhook
  }

  /// A caller has come to a route.
  init(
    _ id: SlotID, _ caller: CallerLeg, from peer: Address, to upstream: UpstreamLeg,
    named name: Name, _ store: Store, _ turn: Turn
  ) {
    self.id = id
    self.caller = caller
    self.upstream = upstream
    state = CallState(limits: store.limits, at: turn.now)
    record = CallRecord(peer: peer, at: turn.now, wall: turn.log.wall(at: turn.now))
    record.name = name
    origin = .caller
  }

  /// A webhook has announced a caller.
  init(_ id: SlotID, announcedTo upstream: UpstreamLeg, _ store: Store, _ turn: Turn) {
    self.init(
      id, CallerLeg(.none, .anyone), from: .none, to: upstream, named: Name(), store, turn)
    origin = .webhook
  }

  /// What lies in a slot that nobody has taken.
  static func blank(_ store: Store, _ turn: Turn) -> Call {
    Call(
      .none, CallerLeg(.none, .anyone), from: .none, to: UpstreamLeg(0, route: 0, store),
      named: Name(), store, turn)
  }

  var isOver: Bool { state.state == .over }
  var isAnnounced: Bool { origin == .webhook }
  /// The agent talks to a caller who is there.
  var isTwoWay: Bool {
    @inline(__always) get { upstream.partner == .talker && caller.isStarted }
  }
}

// MARK: The beginning

extension Call {
  /// Dials ahead of the caller, for what callers mostly send; false where the upstream cannot take
  /// that.
  mutating func announce(_ store: Store, _ turn: inout Turn) -> Bool {
    guard upstream.settleFormats(from: caller.input, to: caller.output, store) else {
      end(.unsupported, store, &turn)
      return false
    }
    settle(state.started(), store, &turn)
    return !isOver
  }

  /// The caller that was announced has come, and speaks for itself.
  mutating func join(_ caller: CallerLeg, _ record: CallRecord) {
    self.caller = CallerLeg(as: caller)
    self.record.callerCame(as: record)
  }

  /// Its caller became that of a call that was dialled ahead: nothing of this one is left.
  mutating func giveAway(_ store: Store, _ turn: inout Turn) {
    _ = state.abandoned()
    turn.availability.release(upstream.index)
    release(store, &turn)
  }

  /// The caller talks to this upstream, by which of the route's bots, with these choices. False
  /// where the pool is dry.
  mutating func talk(to upstream: Int, bot: Int, _ options: Bytes, _ store: Store) -> Bool {
    self.upstream.become(upstream, bot: bot, store)
    return self.upstream.choose(options, from: store.pool)
  }

  /// Whether its upstream has no connection, and will want one.
  func wantsLink(_ store: Store) -> Bool {
    upstream.partner != .nobody && !store.links.holds(upstream.link)
  }

  /// The caller has said who it is: from here on it has an upstream, or waits for one.
  mutating func start(_ store: Store, _ turn: inout Turn) {
    let isPaired = caller.tracks == 2 && upstream.partner == .listener
    if isPaired { caller.pairTracks() }
    guard settleFormats(store, &turn),
      Conversion.exists(from: caller.input, to: upstream.input)
    else {
      tell(
        .error(code: "unsupported", message: "this route's upstream cannot take this audio"), store,
        &turn)
      return end(.unsupported, store, &turn)
    }
    if record.name.isEmpty { record.name = makeName(store, &turn) }
    guard prepareLinks(isPaired: isPaired, store, &turn) else {
      return end(.noMemory, store, &turn)
    }
    caller.started()
    let prepared = store.prepared
    turn.note(
      .callStarted(
        carrier: caller.carrier.name, upstream: upstream.prepared(store).name.bytes,
        path: prepared.routes[upstream.route].path.bytes), of: record.name)
    tell(.ready, store, &turn)
    settle(state.started(), store, &turn)
    guard !isOver, isTwoWay else { return }
    playGreeting(store, &turn)
    if upstream.isOpen(store) { beginConversation(store, &turn) }
  }

  /// What the upstream is sent and what it sends: settled before it is dialled, by what the caller
  /// sends, or for one dialled ahead by what callers mostly send. False: it can take none of it.
  private mutating func settleFormats(_ store: Store, _ turn: inout Turn) -> Bool {
    switch origin {
    case .webhook:
      origin = .caller
      turn.availability.arrived(upstream.index)
      return true
    case .caller: return upstream.settleFormats(from: caller.input, to: caller.output, store)
    }
  }

  /// How audio is kept, converted and wrapped, both ways. False where the memory for it is missing.
  private mutating func prepareLinks(
    isPaired: Bool, _ store: Store, _ turn: inout Turn
  ) -> Bool {
    let kind = upstream.kind
    let envelope = caller.envelope(store)
    guard
      let uplink = Uplink(
        from: caller.input, to: upstream.input, kind,
        pacePercent: upstream.prepared(store).pacePercent,
        isHeldBack: caller.pressure == .waits, store, at: turn.now)
    else { return false }
    self.uplink = uplink
    if let voice = kind.voice {
      guard prepareConversation(voice, envelope, store) else { return false }
    } else {
      downlink = Downlink(reply: caller.output, envelope: envelope, as: caller.media.carriage)
    }
    let isReordered =
      caller.carrier.isReordered && upstream.partner != .nobody && caller.tracks == 1
    let way: Intake.Kind = isPaired ? .paired : isReordered ? .reordered : .direct
    guard
      let intake = Intake(
        way, caller.input, hearsByteOrder: caller.carrier.isByteOrderHeard, from: store.pool)
    else { return false }
    self.uplink.intake = intake
    return true
  }

  /// A random id in the form of a version 4 UUID (RFC 9562 §5.4).
  private func makeName(_ store: Store, _ turn: inout Turn) -> Name {
    var writer = Writer(store.scratch.prefix(36))
    let raw = store.scratch[64..<80]
    turn.random.fill(raw)
    raw[6] = raw[6] & 0x0f | 0x40
    raw[8] = raw[8] & 0x3f | 0x80
    var at = 0
    for (place, length) in [(0, 4), (1, 2), (2, 2), (3, 2), (4, 6)] {
      if place > 0 { writer.write(byte: 0x2d) }
      writer.write(hex: raw[at..<at + length])
      at += length
    }
    return Name(writer.written) ?? Name()
  }
}

// MARK: What the state decided

extension Call {
  /// Does what the state decided, and what follows from that, and sees to the timer.
  mutating func settle(_ action: CallState.Action, _ store: Store, _ turn: inout Turn) {
    var action = action
    while action != .nothing { action = perform(action, store, &turn) }
    setTimer(store, &turn)
  }

  private mutating func perform(
    _ action: CallState.Action, _ store: Store, _ turn: inout Turn
  ) -> CallState.Action {
    switch action {
    case .nothing, .rest: return .nothing
    case .dial: return dial(store, &turn)
    case .flow:
      if state.isClosing {
        turn.timers.wake(.call(id.index), at: turn.now)
        uplink.takeHeld(store, &turn)
      }
      pump(store, &turn)
      return upstream.partner == .nobody ? state.drained() : .nothing
    case .finish:
      return upstream.partner == .nobody ? state.upstreamFinished() : finishUpstream(store, &turn)
    case .end:
      finish(store, &turn)
      return .nothing
    }
  }

  private mutating func dial(_ store: Store, _ turn: inout Turn) -> CallState.Action {
    if upstream.partner == .nobody { return state.opened() }
    if upstream.dial(for: id, store, &turn) { return .nothing }
    return upstreamLost(
      .init(
        retry: true, cause: .noMemory, code: "no_memory",
        sentence: "the relay has no connection left"), pause: .zero, store, &turn)
  }

  /// The upstream is told that no more will come. Where it never says that it has finished, it has
  /// when the last transcript is there.
  private mutating func finishUpstream(_ store: Store, _ turn: inout Turn) -> CallState.Action {
    upstream.command(.finish, store, &turn)
    let lastWords = upstream.kind.habits.lastWordsWithin
    if lastWords == .never { return .nothing }
    if !transcript.isOwedWords { return state.upstreamFinished() }
    state.hurry(until: turn.now + lastWords)
    return .nothing
  }

  /// The caller will say no more, for a reason of its own or of ours; its last words are still
  /// fetched.
  mutating func end(_ cause: Cause, _ store: Store, _ turn: inout Turn) {
    settle(state.callerDone(cause, at: turn.now), store, &turn)
  }

  /// Ends now: what is kept goes with it.
  mutating func abandon(_ cause: Cause, _ store: Store, _ turn: inout Turn) {
    end(cause, store, &turn)
    if !isOver { settle(state.abandoned(), store, &turn) }
  }

  /// The session did its work.
  @_noAllocation mutating func progressed() { state.progressed() }

  /// The session stands.
  mutating func opened(_ store: Store, _ turn: inout Turn) {
    settle(state.opened(), store, &turn)
  }

  /// The session has said its last word.
  mutating func upstreamFinished(_ store: Store, _ turn: inout Turn) {
    settle(state.upstreamFinished(), store, &turn)
  }

  /// The session is gone: what that means for the call. `pause`: the least time it asked us to wait.
  mutating func upstreamLost(
    _ verdict: Upstream.Verdict, pause: Instant.Span, _ store: Store, _ turn: inout Turn
  ) -> CallState.Action {
    upstream.forgetLink()
    sessionEnded(store, &turn)
    turn.note(.upstreamLost, of: record.name)
    turn.availability.failed(upstream.index, verdict, at: turn.now)
    if !verdict.code.bytes.isEmpty {
      tell(.error(code: verdict.code, message: verdict.sentence), store, &turn)
    }
    let action = state.upstreamLost(
      retry: verdict.retry, pause: pause, cause: verdict.cause, at: turn.now)
    if action == .rest { turn.note(.redial, of: record.name) }
    return action
  }

  /// The session will be ended by its upstream: another one takes over.
  mutating func handOver(_ store: Store, _ turn: inout Turn) {
    upstream.leaveAt = .never
    upstream.letGo(store, &turn)
    sessionEnded(store, &turn)
    settle(state.handOver(), store, &turn)
  }

  /// The caller is told something, in its carrier's words; one that does not read is let go of.
  mutating func tell(
    _ answer: Carrier.Answer, body: Bytes = .empty, _ store: Store, _ turn: inout Turn
  ) {
    if !send(answer, body: body, store, &turn) { end(.tooSlow, store, &turn) }
  }

  private mutating func send(
    _ answer: Carrier.Answer, body: Bytes = .empty, _ store: Store, _ turn: inout Turn
  ) -> Bool {
    caller.send(
      answer, body: body, as: record.name, offset: uplink.ring.sessionOffsetMicroseconds, store,
      &turn)
  }
}

// MARK: The end

extension Call {
  /// Audio was taken of which the upstream never said that its results are complete.
  private var isOwedWords: Bool {
    guard upstream.partner != .nobody, upstream.results == .awaited else { return false }
    return isTwoWay ? transcript.isOwedWords : uplink.ring.received > 0
  }

  /// Both legs are closed, everything is given back, and the end is written down: once for each
  /// call. The slot is the relay's to free.
  private mutating func finish(_ store: Store, _ turn: inout Turn) {
    let cause = state.cause
    endConversation(store, &turn)
    if cause.closeCode == 1011 || cause.closeCode == 1013 {
      _ = send(.error(code: cause.word, message: cause.sentence), store, &turn)
    } else if isOwedWords {
      _ = send(
        .error(
          code: "results_missing",
          message: "the upstream did not confirm the last words in time; some may be missing"),
        store, &turn)
      turn.note(.resultsMissing, of: record.name)
    }
    turn.note(
      .callEnded(
        record.ending(
          cause, isTwoWay: isTwoWay, hasStarted: caller.isStarted, lostBytes: uplink.ring.lost,
          at: turn.now)), of: record.name)
    caller.close(cause, store, &turn)
    upstream.letGo(store, &turn)
    turn.availability.release(upstream.index, isAnnounced: isAnnounced)
    release(store, &turn)
  }

  /// Gives back what it holds of the store.
  mutating func release(_ store: Store, _ turn: inout Turn) {
    uplink.release(store)
    downlink.release(to: store.pool, store.resamplers)
    upstream.release(store)
    transcript.release(to: store.pool)
    turn.timers.set(.call(id.index), .never)
    turn.timers.set(.playout(id.index), .never)
  }
}

// MARK: The clock

extension Call {
  /// Does what is due, and sets the timer anew.
  mutating func expired(_ store: Store, _ turn: inout Turn) {
    let now = turn.now
    if record.tellsFirstAudio(uplink.lastAudio) {
      turn.note(
        .firstAudio(milliseconds: record.age(at: now).milliseconds), of: record.name)
    }
    settle(state.expired(at: now), store, &turn)
    guard !isOver else { return }
    if longestTime(store) <= now { end(.tooLong, store, &turn) }
    guard !isOver else { return }
    if uplink.intake.heldUntil <= now { uplink.takeHeld(store, &turn) }
    if uplink.backlog > 0 { pump(store, &turn) }
    if uplink.backlog == 0, upstream.isOpen(store) { settle(state.drained(), store, &turn) }
    guard !isOver else { return }
    handOverInQuiet(store, &turn)
    keepAlive(store, &turn)
    if uplink.finalizeTime <= now { finalize(store, &turn) }
    resumeCaller(store, &turn)
    guard !isOver else { return }
    turn.timers.set(.call(id.index), .never)
    setTimer(store, &turn)
  }

  private func longestTime(_ store: Store) -> Instant {
    record.startedAt + .seconds(store.limits.callSecondsMax)
  }

  /// Sets the timer to the earliest thing that will be due.
  private func setTimer(_ store: Store, _ turn: inout Turn) {
    guard !isOver else { return }
    let now = turn.now
    var next = min(state.wakeTime, uplink.intake.heldUntil)
    if !state.isClosing { next = min(next, longestTime(store)) }
    if uplink.backlog > 0, upstream.isOpen(store) {
      next = min(next, uplink.flowTime(isHurried: state.isClosing, at: now))
    }
    if state.state == .talking, upstream.partner != .nobody {
      let soon = now + Self.leastPause
      next = min(next, max(keepAliveTime, soon))
      next = min(next, max(uplink.finalizeTime, soon))
      if upstream.leaveAt != .never { next = min(next, now + Self.handOverLook) }
    }
    if store.links.holds(caller.link), store.links[caller.link.index].isHeldBack {
      next = min(next, now + Self.holdBackLook)
    }
    turn.timers.wake(.call(id.index), at: next)
  }

  private static let leastPause = Instant.Span.milliseconds(1)
  /// How often a quiet moment is looked for.
  private static let handOverLook = Instant.Span.milliseconds(100)
  /// How often a caller that is held back is looked at again.
  static let holdBackLook = Instant.Span.milliseconds(50)

  /// When the session wants a sign of life.
  var keepAliveTime: Instant { upstream.lastSign + upstream.kind.habits.keepAliveAfter }
}
