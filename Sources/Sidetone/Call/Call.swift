// One call: an engine of the same shape as the relay that holds it. Inputs come from either leg, or
// from the clock; its parts keep their own state and say what follows. It is lent the relay's
// memory (Store) and what one input may change beside its slot (Turn), and knows no other call.
//
//     caller ──▶ CallerLeg ──▶ Uplink ───────▶ UpstreamLeg ──▶ upstream
//        ◀────── CallerLeg ◀── Conversation ◀── UpstreamLeg ◀──
//
// CallState couples the two legs, and says what has to be done when something happens to either;
// `settle` does it, at the end of each input. The way of a frame, both ways, is Call+Frames; what
// either leg says beside audio is Call+Legs; how sessions come and go is Call+Sessions; what is due
// when is Call+Clock.

package struct Call: BitwiseCopyable, Sendable {
  /// Its own name.
  let id: SlotID
  var state: CallState
  var caller: CallerLeg
  var upstream: UpstreamLeg
  var record: CallRecord
  var uplink = Uplink()
  var conversation = Conversation()
  var functions = FunctionCalls()
  var speed = SpeedCheck()
  /// When a caller who hears nothing is sent silence; `never` where that is not asked for.
  var comfortAt = Instant.never
  private var origin = Origin.caller
  var announcements = Announcements()
  var silence = Silence()
  var filing = Filing()

  /// How it came to be.
  private enum Origin: BitwiseCopyable {
    /// Its caller came.
    case caller
    /// Its caller came, and has no place on an upstream before it has said which.
    case callerWithoutPlace
    /// A webhook announced its caller, who is still to come: its upstream is dialled already.
    case webhook
  }

  init(
    _ id: SlotID, _ caller: CallerLeg, _ record: CallRecord, to upstream: UpstreamLeg,
    _ limits: Limits, at now: Instant
  ) {
    self.id = id
    self.caller = caller
    self.record = record
    self.upstream = upstream
    state = CallState(limits: limits, at: now)
  }

  /// Neither leg is owed anything; its slot is wanted until its files are there (Filing).
  var isOver: Bool { state.state == .over }
  /// A place on its upstream is its own.
  var hasPlace: Bool { origin != .callerWithoutPlace }
  /// The agent talks to a caller who is there.
  var isTwoWay: Bool {
    @inline(__always) get { upstream.partner == .talker && caller.isStarted }
  }
  /// Connections that its upstream has not, and will want.
  func linksWanted(_ store: Store) -> Int { isOver ? 0 : upstream.linksWanted(store) }
}

// MARK: The beginning

extension Call {
  /// A webhook has announced its caller: dials ahead, for what callers mostly send.
  mutating func announce(_ store: Store, _ turn: inout Turn) {
    origin = .webhook
    guard upstream.settleFormats(from: caller.input, to: caller.output, store) else {
      return end(.unsupported, store, &turn)
    }
    perform(state.started(), store, &turn)
  }

  /// It has no place on an upstream yet; it has one now.
  mutating func setPlace(isTaken: Bool) { origin = isTaken ? .caller : .callerWithoutPlace }

  /// Its caller is still to come.
  var isAnnounced: Bool { origin == .webhook }

  /// The caller that was announced has come, and speaks for itself.
  mutating func join(_ other: Call) {
    caller = CallerLeg(as: other.caller)
    record.callerCame(as: other.record)
  }

  /// Its caller became that of a call that was dialled ahead: nothing of this one is left.
  mutating func giveAway(_ store: Store, _ turn: inout Turn) {
    _ = state.abandoned()
    // What waits for the start went with its caller.
    caller.waiting = EarlyMessages()
    caller.forgetLink()
    filing.abandon()
    release(store, &turn)
  }

  /// The caller was admitted to this call: it begins. What is still to be handled of its message.
  mutating func begin(
    _ arrival: CallerLeg.Arrival, _ store: Store, _ turn: inout Turn
  ) -> CallerLeg.Input {
    let message = arrival.message
    if let start = arrival.start {
      record.begin(arrival, start, store, &turn)
      caller.describe(
        start, stream: Name(message[start.stream]) ?? Name(),
        hasUpstream: upstream.partner != .nobody, store.prepared.carriers[caller.row])
      self.start(store, &turn)
      functions.know(start, in: message, store)
      guard start.isAudio, store.links.holds(caller.link) else { return .done }
    } else {
      self.start(store, &turn)
      guard caller.isStarted, !message.isEmpty else { return .done }
    }
    guard caller.isStarted else { return .text(message) }
    return caller.media.payloadEncoding == .binary
      ? .head(message) : take(message, store, &turn) ?? .done
  }

  /// The caller has said who it is: from here on it has an upstream, or waits for one.
  private mutating func start(_ store: Store, _ turn: inout Turn) {
    let isPaired = caller.settleTracks(isListener: upstream.partner == .listener)
    guard settleFormats(store, &turn),
      Conversion.exists(from: caller.input, to: upstream.input)
    else {
      return AudioFinding.refuse(
        "this route's upstream cannot take this audio", in: &self, store, &turn)
    }
    if record.name.isEmpty { record.name = turn.random.nextName(scratch: store.scratch) }
    guard prepare(isPaired: isPaired, store, at: turn.now) else {
      return end(.noMemory, store, &turn)
    }
    caller.started()
    silence.restart(at: turn.now)
    AudioFinding.beginHabits(in: &self, store, at: turn.now)
    record.keep(under: turn.entries.takeKey())
    caller.noteStart(of: record, to: upstream, isTwoWay: isTwoWay, store, &turn)
    caller.send(.ready, as: record.name, store, &turn)
    perform(state.started(), store, &turn)
    guard !isOver, isTwoWay else { return }
    Announcements.greet(in: &self, store, &turn)
    if upstream.isOpen(store) { beginConversation(store, &turn) }
  }

  /// What the upstream is sent and what it sends: settled before it is dialled, by what the caller
  /// sends, or for one dialled ahead by what callers mostly send. False: it can take none of it.
  private mutating func settleFormats(_ store: Store, _ turn: inout Turn) -> Bool {
    guard origin == .webhook else {
      return upstream.settleFormats(from: caller.input, to: caller.output, store)
    }
    origin = .caller
    turn.availability.arrived(upstream.index)
    return true
  }

  /// How audio is kept, converted and wrapped, both ways. False where the memory for it is missing.
  private mutating func prepare(isPaired: Bool, _ store: Store, at now: Instant) -> Bool {
    let envelope = caller.envelope(store)
    if !AudioFinding.prepareUplink(of: &self, isPaired: isPaired, store, at: now) { return false }
    if let voice = upstream.kind.voice {
      guard
        let conversation = Conversation(
          voice, from: upstream.output, to: caller.output, envelope, as: caller.carrier.playout,
          after: conversation, store)
      else { return false }
      self.conversation = conversation
      upstream.beginSpeech()
      if !FunctionCalls.prepare(in: &self, store) { return false }
    } else {
      conversation = Conversation(
        echoing: caller.output, envelope, as: caller.media.payloadEncoding)
    }
    return true
  }
}

// MARK: What the state decided

extension Call {
  /// Does what the state decided, and what follows from that.
  mutating func perform(_ action: CallState.Action, _ store: Store, _ turn: inout Turn) {
    var action = action
    while action != .nothing { action = next(after: action, store, &turn) }
  }

  private mutating func next(
    after action: CallState.Action, _ store: Store, _ turn: inout Turn
  ) -> CallState.Action {
    let hasUpstream = upstream.partner != .nobody
    switch action {
    case .nothing, .rest: return .nothing
    case .dial:
      guard hasUpstream else { return state.opened() }
      let isPaced = state.isDialledInTurn
      let isAsked = upstream.dial(for: id, isPaced: isPaced, as: record.name, store, &turn)
      return isAsked ? .nothing : lost(.noLink, store, &turn)
    case .flow:
      if state.isClosing { uplink.takeHeld(store, &turn) }
      pump(store, &turn)
      return !hasUpstream || uplink.backlog == 0 && state.isClosing ? state.drained() : .nothing
    case .finish:
      guard hasUpstream else { return state.upstreamFinished() }
      upstream.command(.finish, as: record.name, store, &turn)
      // Where it never says that it has finished, it has when the last transcript is there.
      let lastWords = upstream.kind.timing.lastWordsWithin
      if lastWords == .never { return .nothing }
      if !Transfer.isOwedWords(in: self) { return state.upstreamFinished() }
      state.hurry(until: turn.now + lastWords)
      return .nothing
    case .play:
      listen(store, &turn)
      return isTwoWay ? .nothing : state.played()
    case .end:
      finish(store, &turn)
      return .nothing
    }
  }

  /// The caller will say no more, for a reason of its own or of ours; its last words are still
  /// fetched.
  mutating func end(_ cause: Cause, _ store: Store, _ turn: inout Turn) {
    AudioFinding.endHead(in: &self, store, &turn)
    let action = state.callerDone(cause, at: turn.now)
    conversation.close()
    // What is kept goes to the session that there is.
    if upstream.isOpen(store) { upstream.leaveNext(store, &turn) }
    perform(action, store, &turn)
  }

  /// Ends now: what is kept goes with it.
  mutating func abandon(_ cause: Cause, _ store: Store, _ turn: inout Turn) {
    end(cause, store, &turn)
    if !isOver { perform(state.abandoned(), store, &turn) }
    filing.abandon()
  }
}

// MARK: The end of an input

extension Call {
  /// What one input left to be done: at its end, once, for whatever input. Then
  /// `Calls.settle` frees the slot, if the call is over.
  mutating func settle(_ store: Store, _ turn: inout Turn) {
    if caller.dropped != .none, !state.isClosing { end(caller.dropped, store, &turn) }
    if state.state == .closing(.waiting), isTwoWay, !Transfer.isOwedWords(in: self) {
      perform(state.upstreamFinished(), store, &turn)
    }
    FunctionCalls.settle(in: &self, store, &turn)
    UpstreamLeg.Leaving.changeSession(in: &self, store, &turn)
    listen(store, &turn)
    guard !isOver else { return }
    tellModel(store, &turn)
    resumeCaller(store, &turn)
    setTimer(store, &turn)
  }

  /// What waits for the model is told, while it is there.
  mutating func tellModel(_ store: Store, _ turn: inout Turn) {
    guard isTwoWay, !state.isClosing else { return }
    while upstream.isOpen(store),
      let command = conversation.nextCommand(scratch: store.source, at: turn.now)
    {
      if upstream.command(command, as: record.name, store, &turn) {
        conversation.asked(by: command, of: record.identity, &turn)
      }
    }
  }

  /// Audio was taken of which the upstream never said that its results are complete.
  private var isOwedWords: Bool {
    guard upstream.partner != .nobody, upstream.results == .awaited else { return false }
    return isTwoWay ? conversation.isOwedWords : uplink.hasHeard
  }

  /// The upstream is let go of, everything is given back, and the end is written down: once for
  /// each call. The caller is closed when that is on the disk.
  private mutating func finish(_ store: Store, _ turn: inout Turn) {
    let cause = state.cause
    record.tellFirstAudio(of: uplink, &turn)
    FunctionCalls.end(in: &self, store, &turn)
    if isTwoWay { conversation.ended(&caller, &record, store, &turn) }
    if caller.sendEnd(cause, isOwedWords: isOwedWords, as: record.name, store, &turn) {
      turn.note(.call(.resultsMissing), of: record.name)
    }
    var ending = record.ending(
      cause, isTwoWay: isTwoWay, hasStarted: caller.isStarted, of: uplink, at: turn.now)
    ending.request = upstream.reason.request
    ending.levels = Event.Levels(of: self)
    if cause.closeCode == 1011 || cause.closeCode == 1013 {
      ending.words = upstream.reason.words(in: store.pool)
    }
    turn.note(.call(.ended(ending)), of: record.identity)
    upstream.leaveNext(store, &turn)
    upstream.leave(store, &turn)
    release(store, &turn)
    if record.isKept { turn.note(.record(.saving), of: record.name) }
    filing.ended(entry: record.isKept ? turn.entries.last : nil, at: turn.now)
  }

  /// Gives back what it holds.
  private mutating func release(_ store: Store, _ turn: inout Turn) {
    if hasPlace { turn.availability.release(upstream.index, isAnnounced: isAnnounced) }
    uplink.release(store)
    caller.release(store)
    record.releaseParameters(to: store.pool)
    conversation.release(store)
    upstream.release(store)
    turn.timers.set(.call(id.index), .never)
    turn.timers.set(.playout(id.index), .never)
  }
}
