// The upstream's side of a call: the session that it has, and the one that is to be the next. What
// the upstream answers comes back as a value; what that means for the call is CallState's to say.
//
//     next        dial ──▶ upgrade ──▶ describe ──▶ ready ──┐ (UpstreamLeg+Opening)
//                                                       takeOver
//     session                                               └──▶ say … ──▶ left, or lost
//
// 1. Every session begins as the next one, and `takeOver` is the one way in: for the first of a
//    call, for one behind a loss, and for one that was opened beside the session that it replaces.
//    Audio, commands and what is owed go to the session alone.
// 2. Whatever ends a session is a loss, unless we asked for it. What follows depends on the row's
//    verdict and on how the session had lived (Life): one that never did anything says that the
//    next one would fare no better, one that did its work may have met with a passing fault.
// 3. What resumes a session (its handle) is used while it works: one that was to be resumed and
//    came to nothing has it dropped, so that the next one begins anew. A newer handle makes a
//    session useless that was opened with an older one.
// 4. A session whose end is known is left for the next one in a quiet moment before (Leaving).

package struct UpstreamLeg: BitwiseCopyable, Sendable {
  /// The session's connection; `none` where there is none (any more).
  private(set) var link = SlotID.none
  /// The session that is to be the next one.
  var next = Opening()
  /// When it last had something from us: audio, or a sign of life.
  private(set) var lastSign = Instant.never
  /// Where its audio lies in its messages.
  private var speech = SpeechPath.none
  /// The shape of its last message of speech.
  private var learned = LearnedMessage()

  /// Index into `Prepared.upstreams` and into `Upstream.all`.
  private(set) var index: Int
  private(set) var row: Int
  /// Index into `Prepared.routes`.
  let route: Int
  /// The place of the route's fallback among its bots.
  static let fallback: Int16 = -1
  /// What it is sent and what it sends.
  private(set) var input = Format.mulaw8k
  private(set) var output = Format.mulaw8k
  /// What was chosen for this call, by its own query or by its webhook: kept for every dialling.
  private var choices = Chain()
  /// What resumes the session; empty where nothing does.
  private var handle = Chain()

  private var openedAt = Instant.never
  private(set) var leaving = Leaving.never
  /// What it said of a failure, and under which id it knows the session.
  var reason = Reason()
  /// Where each channel's final results end on the session's clock, in microseconds.
  private var finalsEnd = InlineArray<2, Int>(repeating: 0)

  /// Which of the route's bots it is.
  private(set) var bot = Int16(0)
  /// Errors of a side channel so far, in the whole call.
  private var sideErrors = UInt16(0)
  private(set) var partner: PreparedUpstream.Partner
  private var work = Work.none
  private var origin = Opening.Origin.anew
  private(set) var results = Results.awaited
  /// Why the last session was lost, or not had.
  private(set) var lastCause = Cause.upstreamLost
  /// What of its messages the log has named.
  var told = Told()
  /// Who thinks and speaks for it, where it only listens.
  var cascade = Cascade()

  /// Whether the upstream has said that its results are complete.
  enum Results: BitwiseCopyable { case awaited, complete }
  /// Whether anything came of the session.
  private enum Work: BitwiseCopyable { case none, some }

  init(_ upstream: Int, route: Int, bot: Int = 0, _ store: Store) {
    index = upstream
    self.route = route
    self.bot = Int16(bot)
    row = store.prepared.upstreams[upstream].kind
    partner = store.prepared.upstreams[upstream].partner
  }

  /// Gives back what it keeps; the connections are let go of before.
  mutating func release(_ store: Store) {
    choices.clear(in: store.pool)
    handle.clear(in: store.pool)
    reason.release(to: store.pool)
    cascade.release(store)
  }

  // MARK: What it is

  var kind: Upstream { Upstream.all[row] }
  // Asked for each message: of the row only what that takes, since a row is dear to copy.
  func read(_ message: Bytes) -> Upstream.Event {
    var news = Upstream.all[row].read(message)
    if cascade.isOn { cascade.heard(&news) }
    return news
  }
  var rowName: StaticString { Upstream.all[row].name }
  func prepared(_ store: Store) -> PreparedUpstream { store.prepared.upstreams[index] }
  func preparedRoute(_ store: Store) -> PreparedRoute { store.prepared.routes[route] }
  /// When the session wants a sign of life.
  var keepAliveTime: Instant { lastSign + kind.timing.keepAliveAfter }

  /// Where the speech lies in a message of its; behind `from`: the next piece of it.
  @inline(__always) mutating func locate(_ message: Bytes, isBinary: Bool) -> SpeechPath.Located {
    isBinary && speech.isBinary ? speech.whole(message) : learned.locate(message, by: speech)
  }
  func locate(_ message: Bytes, from: Int) -> SpeechPath.Located {
    speech.locate(message, from: from)
  }

  @inline(__always) func isOpen(_ store: Store) -> Bool {
    store.links.holds(link) && store.links[link.index].phase == .upstream
  }

  /// What it has been found to take and to send.
  mutating func become(takes: Format, sends: Format) {
    input = takes
    output = sends
  }

  /// Another upstream than the one that the route names first, with these choices; false where the
  /// pool is dry.
  mutating func become(_ upstream: Int, bot: Int, _ options: Bytes, _ store: Store) -> Bool {
    index = upstream
    self.bot = Int16(bot)
    row = store.prepared.upstreams[upstream].kind
    partner = store.prepared.upstreams[upstream].partner
    return choose(options, from: store.pool)
  }

  /// Whether it is the one that takes over from others.
  var isFallback: Bool { bot == Self.fallback }

  /// The route's fallback from now on. Of what was chosen for the one before only what any voice
  /// model understands counts; nothing resumes it here.
  mutating func fallBack(to upstream: Int, _ store: Store) {
    let former = row
    index = upstream
    bot = Self.fallback
    row = store.prepared.upstreams[upstream].kind
    partner = store.prepared.upstreams[upstream].partner
    handle.clear(in: store.pool)
    cascade.release(store)
    reason.release(to: store.pool)
    reason = Reason()
    told = Told()
    learned = LearnedMessage()
    speech = .none
    guard row != former else { return }
    var common = Writer(store.scratch)
    if partner == .talker { common.write(commonChoices: choices.front(in: store.pool)) }
    // It is no longer than what it is made from.
    _ = choose(common.written, from: store.pool)
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

  /// What a session is made from. Valid until the next call of this method.
  func session(_ store: Store) -> Upstream.Session {
    let route = store.prepared.routes[route]
    let bot = isFallback ? route.fallback ?? route.bots[0] : route.bots[Int(bot)]
    return Upstream.Session(
      hears: input, says: output, fixed: bot.fixed.bytes, options: bot.options.bytes,
      callers: choices.front(in: store.pool),
      rate: route.upstreamRate,
      handle: Transcript.whole(handle, scratch: store.source, in: store.pool),
      functions: route.toldFunctions)
  }

  // MARK: What becomes of it

  /// What a connection's input means for its session.
  enum Outcome {
    case nothing
    /// The next one is as it was asked for.
    case ready
    /// The session has done all that was asked of it.
    case finished
    case lost(Loss)
  }

  /// So long a session has stood that may have been at work though nothing shows it; that lived,
  /// having worked; that lived, though nobody may have said anything.
  private static let workedAfter = Instant.Span.seconds(1)
  private static let livedAfter = Instant.Span.seconds(10)
  private static let livedSilentAfter = Instant.Span.seconds(60)

  /// The session, or the next one, is gone. `isUseless`: nothing could come of it.
  mutating func lost(
    _ which: Loss.Which, _ verdict: Upstream.Verdict, pause: Instant.Span = .zero,
    isUseless: Bool = false, _ store: Store, at now: Instant
  ) -> Outcome {
    lastCause = verdict.cause
    var (life, work, age) = (Life.none, Work.none, Instant.Span.zero)
    var origin = next.origin
    switch which {
    case .next: next = Opening()
    case .session:
      link = .none
      leaving = .never
      age = now - openedAt
      work = self.work
      if work == .some { life = age >= Self.livedAfter ? .lived : .worked }
      if age >= Self.workedAfter { life = max(life, .worked) }
      if age >= Self.livedSilentAfter { life = .lived }
      if isUseless { life = .none }
      origin = self.origin
    }
    // A passing fault says nothing against the handle; one that the row holds for lasting may.
    let isSuspect = age < Self.livedAfter && (work == .none || !verdict.retry)
    let isDropped = origin == .resumed && isSuspect && dropHandle(in: store.pool)
    return .lost(Loss(which, verdict, pause: pause, life: life, isHandleDropped: isDropped))
  }

  /// The next session is the session from now on; the one before it was left, or is lost.
  mutating func takeOver(of call: CallIdentity, _ store: Store, _ turn: inout Turn) {
    precondition(!store.links.holds(link), "a session is let go of before the next one takes over")
    link = next.link
    origin = next.origin
    let milliseconds = Int(next.readyMilliseconds)
    next = Opening()
    store.links[link.index].phase = .upstream
    openedAt = turn.now
    lastSign = turn.now
    work = .none
    leaving = Leaving(after: kind.timing.sessionLasts, at: turn.now)
    finalsEnd = InlineArray(repeating: 0)
    results = .awaited
    if cascade.isOn { cascade.memory.pauses.begin(kind.turnSilence?(session(store))) }
    turn.note(
      .upstream(
        .tookOver(
          prepared(store).name.bytes, milliseconds: milliseconds, request: reason.request)),
      of: call)
  }

  /// Something came of the session.
  @_noAllocation mutating func worked() { work = .some }

  // MARK: Saying

  /// It had something from us.
  @_noAllocation mutating func signed(at now: Instant) { lastSign = now }

  /// Whether it shall speak first: not where a recorded greeting is playing already.
  func isAskedToGreet(at rate: Int, _ store: Store) -> Bool {
    preparedRoute(store).greetings.samples(at: rate) == nil
      && session(store).value(of: "greeting") != nil
  }

  /// What greets, and what is told of a silent caller, is its operator's to say. Whether it was
  /// told: a row may have no words for it.
  @discardableResult mutating func command(
    _ command: Upstream.Command, as name: Name, _ store: Store, _ turn: inout Turn
  ) -> Bool {
    guard isOpen(store) else { return false }
    let room = room(for: command, store)
    if cascade.isOn {
      let reprompt = preparedRoute(store).reprompt.bytes
      switch cascade.take(command, reprompt, room: room, in: store.pool) {
      case .others: if case .finalize = command { cascade.askedForWords(at: turn.now) }
      case .untold:
        turn.note(.upstream(.untold), of: name)
        return true
      case .taken: return true
      }
    }
    var writer = Writer(room)
    let session = session(store)
    switch command {
    case .greet: kind.write(.greet(session.value(of: "greeting") ?? .empty), session, &writer)
    case .reprompt: kind.write(.reprompt(preparedRoute(store).reprompt.bytes), session, &writer)
    default: kind.write(command, session, &writer)
    }
    if writer.count == 0 { return false }
    let isTold =
      !writer.overflowed && store.links[link.index].seal(.text, writer.written, store, &turn)
    if isTold { lastSign = turn.now } else { turn.note(.upstream(.untold), of: name) }
    return isTold
  }

  // MARK: Hearing

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
    case tooLarge
    case failed(LinkFailure)

    /// A message without audio, whole.
    var rare: Bytes? {
      switch self {
      case .message(let message), .spoken(let message, .other): message
      case .done, .spoken, .markDue, .close, .tooLarge, .failed: nil
      }
    }
  }

  /// What is final need not be replayed: up to where, in microseconds on the session's clock; nil
  /// where that is not said. With two channels both must have come so far.
  mutating func finalEnd(of heard: Upstream.Heard) -> Int? {
    guard heard.endMicroseconds >= 0, heard.channel == 0 || heard.channel == 1 else { return nil }
    finalsEnd[heard.channel] = max(finalsEnd[heard.channel], heard.endMicroseconds)
    return heard.channels < 2 ? heard.endMicroseconds : min(finalsEnd[0], finalsEnd[1])
  }

  /// An error that it reports. Only what concerns the session can end it; a side channel's is
  /// written down once in a call.
  mutating func complained(
    _ complaint: Upstream.Complaint, _ message: Bytes, as name: Name, _ store: Store,
    _ turn: inout Turn
  ) -> Outcome {
    warn(complaint, message, as: name, store, &turn)
    guard complaint.scope == .session, let verdict = complaint.verdict, store.links.holds(link)
    else { return .nothing }
    store.links[link.index].close(1000, store, &turn)
    return lost(.session, verdict, store, at: turn.now)
  }

  mutating func warn(
    _ complaint: Upstream.Complaint, _ message: Bytes, as name: Name, _ store: Store,
    _ turn: inout Turn
  ) {
    if complaint.scope == .session { keepWords(json: message[complaint.message], store) }
    if complaint.scope == .side {
      turn.note(.sideError)
      sideErrors &+= 1
      if sideErrors > 1 { return }
    }
    var code = cleaned(json: message[complaint.code], store)
    var words = cleaned(json: message[complaint.message], store)
    turn.note(
      .upstream(
        .error(
          prepared(store).name.bytes, code: code.words(in: store.pool),
          message: words.words(in: store.pool), isAside: complaint.scope == .side)), of: name)
    code.release(to: store.pool)
    words.release(to: store.pool)
  }

  /// Index into `Prepared.upstreams` of the one that this connection goes to.
  @inline(__always) func place(of id: SlotID) -> Int {
    cascade.speaks(on: id) ? cascade.memory.voice.upstream : index
  }

  /// Which of its connections this is.
  func which(_ id: SlotID) -> Loss.Which { id == next.link ? .next : .session }

  /// It closes. `isTold`: it was told to finish, so a close without complaint says that it has. Any
  /// other close is a loss: nobody asked for it.
  mutating func closed(
    _ id: SlotID, _ code: UInt16, _ reason: Bytes, isTold: Bool, as name: Name, _ store: Store,
    _ turn: inout Turn
  ) -> Outcome {
    let which = which(id)
    let isWell = code == 1000 || code == 1001 || code == WebSocket.noCode
    if isWell, isTold, which == .session {
      store.links[id.index].close(code, store, &turn)
      link = .none
      finished()
      return .finished
    }
    let verdict = kind.closed(code, reason)
    keepWords(reason, store)
    var words = cleaned(reason, store)
    turn.note(
      .upstream(
        .closed(prepared(store).name.bytes, code: code, reason: words.words(in: store.pool))),
      of: name)
    words.release(to: store.pool)
    store.links[id.index].close(code, store, &turn)
    return lost(which, verdict, store, at: turn.now)
  }

  /// A connection failed, was never made, or is of no more use.
  mutating func broke(
    _ id: SlotID, _ failure: LinkFailure, as name: Name, _ store: Store, _ turn: inout Turn
  ) -> Outcome {
    if store.links.holds(id) {
      DialLine.leave(id.index, of: index, store, &turn)
      let phase = store.links[id.index].phase
      if phase != .leaving, phase != .gone { store.links[id.index].reset(&turn) }
    }
    // Only the rest of its refusal did not come.
    if which(id) == .next, case .refused(let status, _) = next.answer {
      return refused(status, as: name, store, &turn)
    }
    turn.note(.upstream(.broke(prepared(store).name.bytes, failure)), of: name)
    let verdict = Upstream.Verdict(
      retry: failure != .certificateRefused, cause: .upstreamLost, code: "upstream_lost",
      sentence: failure.sentence)
    return lost(which(id), verdict, store, at: turn.now)
  }

  /// It has said that its results are complete.
  mutating func finished() { results = .complete }

  // MARK: The next one

  /// What will resume the session, where it says so. True: what the next one was described with is
  /// outdated.
  mutating func keepHandle(_ text: Bytes, _ store: Store, _ turn: inout Turn) -> Bool {
    guard text.count <= Limits.handleBytesMax else {
      turn.note(.messageIgnored)
      return false
    }
    if Transcript.equals(handle, text, in: store.pool) { return false }
    handle.clear(in: store.pool)
    if !handle.append(text, from: store.pool) { turn.note(.messageIgnored) }
    return next.isThere
  }

  var hasHandle: Bool { !handle.isEmpty }
  /// Whether the session knows by itself what was said before it; and whether it waits for that.
  var isResumed: Bool { origin == .resumed }
  var isAwaitingHistory: Bool { origin == .described }

  /// Whether there is something that should have resumed the session; it is forgotten.
  private mutating func dropHandle(in pool: BlockPool) -> Bool {
    defer { handle.clear(in: pool) }
    return !handle.isEmpty
  }

  /// It will end the session in so long.
  mutating func willLeave(within span: Instant.Span, at now: Instant) {
    leaving.told(within: span, at: now)
  }

  /// The next one could not be had: it is tried again a while later.
  mutating func postponeLeaving(at now: Instant) { leaving.postpone(at: now) }

  // MARK: Letting go

  /// The session is left, for the next one or for good.
  mutating func leave(_ store: Store, _ turn: inout Turn) {
    leaving = .never
    letGo(link, store, &turn)
    link = .none
    if !next.isThere { cascade.end(store, &turn) }
  }

  /// The next one is not wanted any more.
  mutating func leaveNext(_ store: Store, _ turn: inout Turn) {
    letGo(next.link, store, &turn)
    next = Opening()
  }

  private func letGo(_ id: SlotID, _ store: Store, _ turn: inout Turn) {
    guard store.links.holds(id) else { return }
    DialLine.leave(id.index, of: index, store, &turn)
    store.links[id.index].letGo(store, &turn)
  }
}
