// How a cascade speaks: the socket of its voice, what the voice is told and what it says beside
// sound. Its sound goes the way of all speech (Call+Frames), once it is known not to be old.
//
//     none ──▶ dialling ──▶ upgrade ──▶ open
//       ▲                                │ it ends, or is lost: dialled again where nobody speaks,
//       └────────────────────────────────┘ else the session's end
//
// What is told before it is open waits for it.

struct CascadeVoice: BitwiseCopyable {
  enum Stage: BitwiseCopyable { case none, dialling, upgrade, open }
  /// What it knows of the answer: some of it and no more to flush, or all.
  enum Told: BitwiseCopyable { case nothing, some, flushed, all }

  private(set) var stage = Stage.none
  private(set) var told = Told.nothing
  private(set) var link = SlotID.none
  /// Index into `Prepared.upstreams`.
  private(set) var upstream = 0
  private var nonce = Upgrade.Nonce(low: 0, high: 0)
  /// Which answer is spoken: by it the voice names what it says.
  private var number = 1
  /// Of flushes and clearings those that it has not said to be done.
  private var flushesOwed = 0
  private var clearsOwed = 0
  /// Pieces that are told when it is open, each behind its length.
  private var text = Chain()
  /// Attempts in a row that came to nothing, and since when the last one stands.
  private var redials = 0
  private var openedAt = Instant.zero
  /// Flushes in the minute that began then.
  private var minute = Instant.zero
  private var flushes = 0
  /// How far the call's speech had come when it was looked at last.
  private var heardEnd = 0
  /// When it is given up, unless it says until then that it has forgotten.
  private(set) var clearedBy = Instant.never
  /// Sound of it was heard.
  private var hasSpoken = false

  private static let redialsMax = 2
  private static let livedAfter = Instant.Span.seconds(10)
  private static let waitingBytesMax = 8 * 1024
  /// So long nothing comes of it, or of a clearing, until it is given up.
  private static let speakingWithin = Instant.Span.seconds(8)
  private static let clearingWithin = Instant.Span.seconds(3)

  mutating func clear(in pool: BlockPool) { text.clear(in: pool) }

  /// Words of the answer, and behind them the name under which its sound comes, where it has one.
  func withName(
    _ isNamed: Bool, behind words: Bytes, _ body: (_ message: Bytes, _ name: Range<Int>) -> Void
  ) {
    if !isNamed { return body(words, 0..<0) }
    Bytes.withTemporary(words.count + 20) { place in
      var message = Writer(place)
      message.write(words)
      message.write(decimal: number)
      body(message.written, words.count..<message.count)
    }
  }
}

// MARK: - Its socket

extension CascadeVoice {
  /// Asks for the voice's connection, where there is none.
  @discardableResult mutating func dial(
    for call: SlotID, _ prepared: PreparedCascade, _ store: Store, _ turn: inout Turn
  ) -> Bool {
    guard case .none = stage else { return true }
    guard let id = store.links.take() else { return false }
    store.links[id.index] = Link(id, for: call, at: turn.now)
    link = id
    stage = .dialling
    upstream = prepared.speaker
    store.links[id.index].phase = .dialling
    let span = min(
      Instant.Span.seconds(store.limits.handshakeSeconds),
      .milliseconds(store.limits.deadAirSeconds * 500))
    store.links[id.index].setDeadline(turn.now + span, &turn)
    store.links[id.index].ask(.dial, &turn)
    return true
  }

  /// The connection stands: asks for the WebSocket.
  static func connected(in call: inout Call, _ store: Store, _ turn: inout Turn) {
    let cascade = call.upstream.cascade
    guard let speaker = call.upstream.kind.speaker else { return }
    let nonce = Upgrade.Nonce(low: turn.random.next64(), high: turn.random.next64())
    cascade.memory.voice.nonce = nonce
    cascade.memory.voice.stage = .upgrade
    let link = cascade.memory.voice.link.index
    store.links[link].phase = .upgrade
    let session = session(of: call, store)
    let upstream = store.prepared.upstreams[cascade.memory.voice.upstream]
    var path = Writer(store.chatText.prefix(store.chatText.count / 2))
    var query = Writer(store.chatText.dropping(store.chatText.count / 2))
    if let write = speaker.path {
      write(session, upstream.path.bytes, &path)
    } else {
      path.write(upstream.path.bytes)
    }
    speaker.query(session, &query)
    if upstream.requestSocket(
      path: path.written, query: query.written, nonce, on: link, store, &turn)
    {
      return
    }
    broke(.noMemory, in: &call, store, &turn)
  }

  /// The answer to that; what came behind it.
  static func receivedAnswer(
    _ window: Bytes, in call: inout Call, _ store: Store, _ turn: inout Turn
  ) -> Bytes {
    let voice = call.upstream.cascade.memory.voice
    switch HTTP.parseResponse(window, limit: store.limits.headBytesMax) {
    case .needMore:
      if store.links[voice.link.index].keepHead(of: window, store) { return .empty }
      broke(.noMemory, in: &call, store, &turn)
    case .bad(let fault): broke(.notHTTP(fault), in: &call, store, &turn)
    case .complete(let head):
      switch Upgrade.check(head, in: window, nonce: voice.nonce) {
      case .bad(let fault): broke(.notWebSocket(fault), in: &call, store, &turn)
      case .refused(let status):
        refused(status, window.dropping(head.length), in: &call, store, &turn)
      case .accepted:
        opened(in: &call, store, &turn)
        let rest = window.dropping(head.length)
        if rest.isEmpty { store.links[voice.link.index].releaseInbox(store) }
        return rest
      }
    }
    return .empty
  }

  private static func opened(in call: inout Call, _ store: Store, _ turn: inout Turn) {
    let cascade = call.upstream.cascade
    let link = cascade.memory.voice.link.index
    store.links[link].becomeSocket(
      .upstream, .client, messageBytesMax: store.limits.upstreamMessageBytesMax)
    store.links[link].setDeadline(turn.now + .seconds(store.limits.pingSeconds), &turn)
    cascade.memory.voice.stage = .open
    cascade.memory.voice.openedAt = turn.now
    tellWaiting(in: &call, store, &turn)
  }

  private static func refused(
    _ status: Int, _ body: Bytes, in call: inout Call, _ store: Store, _ turn: inout Turn
  ) {
    guard let speaker = call.upstream.kind.speaker else { return }
    let upstream = store.prepared.upstreams[call.upstream.cascade.memory.voice.upstream]
    let verdict = speaker.refused(status)
    var words = Reason()
    words.take(body: body, without: upstream.key, in: store.pool)
    turn.note(
      .upstream(
        .refused(
          upstream.name.bytes, status: status, verdict.sentence,
          words: words.words(in: store.pool), request: Name())), of: call.record.name)
    words.release(to: store.pool)
    lost(verdict, isUseful: verdict.retry, in: &call, store, &turn)
  }

  /// The connection failed, was never made, or is of no more use.
  static func broke(
    _ failure: LinkFailure, in call: inout Call, _ store: Store, _ turn: inout Turn
  ) {
    let upstream = store.prepared.upstreams[call.upstream.cascade.memory.voice.upstream]
    turn.note(.upstream(.broke(upstream.name.bytes, failure)), of: call.record.name)
    let verdict = Upstream.Verdict(
      retry: failure != .certificateRefused, cause: .upstreamLost, code: "upstream_lost",
      sentence: failure.sentence)
    lost(verdict, in: &call, store, &turn)
  }

  /// Its socket is gone. Where it had nothing to say another one will do (`isUseful`); else the
  /// session ends with it.
  static func lost(
    _ verdict: Upstream.Verdict, isUseful: Bool = true, in call: inout Call, _ store: Store,
    _ turn: inout Turn
  ) {
    let cascade = call.upstream.cascade
    // Services let go of those that have nothing to say.
    if case .open = cascade.memory.voice.stage,
      turn.now - cascade.memory.voice.openedAt >= livedAfter
    {
      cascade.memory.voice.redials = 0
    }
    cascade.memory.voice.leave(store, &turn)
    let isSilent: Bool
    if case .nothing = cascade.memory.voice.told { isSilent = true } else { isSilent = false }
    cascade.memory.voice.told = .nothing
    guard isSilent, isUseful, verdict.retry, cascade.memory.voice.redials < redialsMax,
      let prepared = call.upstream.prepared(store).cascade
    else { return giveUp(verdict, in: &call, store, &turn) }
    cascade.memory.voice.redials += 1
    if !cascade.memory.voice.dial(for: call.id, prepared, store, &turn) {
      giveUp(UpstreamLeg.Loss.noLink.verdict, in: &call, store, &turn)
    }
  }

  private static func giveUp(
    _ verdict: Upstream.Verdict, in call: inout Call, _ store: Store, _ turn: inout Turn
  ) {
    let isUseless = !call.upstream.cascade.memory.voice.hasSpoken
    call.upstream.cascade.memory.voice.redials = 0
    Cascade.fail(verdict, isUseless: isUseless, in: &call, store, &turn)
  }

  /// Lets go of the socket.
  mutating func leave(_ store: Store, _ turn: inout Turn) {
    let id = link
    link = .none
    stage = .none
    clearsOwed = 0
    clearedBy = .never
    flushesOwed = 0
    if store.links.holds(id) { store.links[id.index].letGo(store, &turn) }
  }

  private static let silent = Upstream.Verdict(
    retry: true, cause: .upstreamLost, code: "upstream_lost",
    sentence: "the voice says nothing")

  private static func session(of call: Call, _ store: Store) -> Synthesizer.Session {
    let asked = call.upstream.session(store)
    var session = Synthesizer.Session(says: call.upstream.output)
    session.voice = asked.wish(for: "voice") ?? .empty
    session.model = asked.value(of: "speak_model") ?? .empty
    // What listens may know many at once, and dialects.
    let language = asked.wish(for: "language") ?? .empty
    let primary = language.prefix(language.firstIndex(of: UInt8(ascii: "-")) ?? language.count)
    if primary.count == 2 { session.language = primary }
    session.answer = call.upstream.cascade.memory.voice.number
    return session
  }
}

// MARK: - What it is told

extension CascadeVoice {
  /// A piece of text is to be spoken.
  static func say(_ text: Bytes, in call: inout Call, _ store: Store, _ turn: inout Turn) {
    let cascade = call.upstream.cascade
    call.conversation.answerThought(at: turn.now)
    guard case .open = cascade.memory.voice.stage else {
      if !cascade.memory.voice.keep(text, in: store.pool) { turn.note(.speechCut) }
      guard let prepared = call.upstream.prepared(store).cascade else { return }
      if !cascade.memory.voice.dial(for: call.id, prepared, store, &turn) {
        giveUp(UpstreamLeg.Loss.noLink.verdict, in: &call, store, &turn)
      }
      return
    }
    let isFirst = cascade.memory.voice.told == .nothing
    command(.say(text), in: &call, store, &turn)
    cascade.memory.voice.told = .some
    if isFirst { hurry(in: &call, store, &turn) }
  }

  /// Somebody waits for the first piece: it is spoken before there are more, where the service
  /// takes as many requests as that.
  private static func hurry(in call: inout Call, _ store: Store, _ turn: inout Turn) {
    let cascade = call.upstream.cascade
    guard let speaker = call.upstream.kind.speaker, !speaker.namesAnswers else { return }
    // The ends of answers go before.
    guard
      cascade.memory.voice.flushesOfMinute(at: turn.now) < speaker.flushesPerMinuteMax / 2
    else { return }
    cascade.memory.voice.told = .flushed
    cascade.memory.voice.flushed()
    command(.flush, in: &call, store, &turn)
  }

  private mutating func flushesOfMinute(at now: Instant) -> Int {
    if now - minute >= .seconds(60) {
      minute = now
      flushes = 0
    }
    return flushes
  }

  private mutating func flushed() {
    flushes += 1
    flushesOwed += 1
  }

  private mutating func keep(_ piece: Bytes, in pool: BlockPool) -> Bool {
    guard text.count + piece.count + 2 <= Self.waitingBytesMax else { return false }
    return Bytes.withTemporary(2) { length in
      guard text.hasRoom(piece.count + 2, in: pool) else { return false }
      length.store(UInt16(piece.count), at: 0)
      return text.append(length, from: pool) && text.append(piece, from: pool)
    }
  }

  private static func tellWaiting(in call: inout Call, _ store: Store, _ turn: inout Turn) {
    let cascade = call.upstream.cascade
    let all = Transcript.whole(cascade.memory.voice.text, scratch: store.chatText, in: store.pool)
    var at = 0
    while at + 2 <= all.count {
      let end = min(at + 2 + Int(all.load(UInt16.self, at: at)), all.count)
      say(all[at + 2..<end], in: &call, store, &turn)
      at = end
    }
    cascade.memory.voice.text.clear(in: store.pool)
    if case .sounding = cascade.memory.answer { end(in: &call, store, &turn) }
  }

  /// Nothing more of this answer is told.
  static func end(in call: inout Call, _ store: Store, _ turn: inout Turn) {
    let cascade = call.upstream.cascade
    cascade.memory.until = turn.now + speakingWithin
    cascade.memory.voice.heardEnd = call.conversation.downlink.end
    guard case .open = cascade.memory.voice.stage else {
      // Nothing of it waits to be told either.
      if cascade.memory.voice.text.isEmpty { spoken(in: &call, store, &turn) }
      return
    }
    switch cascade.memory.voice.told {
    case .nothing: return spoken(in: &call, store, &turn)
    case .flushed where cascade.memory.voice.flushesOwed == 0:
      return spoken(in: &call, store, &turn)
    // All of it is being flushed already.
    case .flushed, .all: break
    case .some:
      cascade.memory.voice.flushed()
      command(.end, in: &call, store, &turn)
    }
    cascade.memory.voice.told = .all
  }

  /// What was told of the answer that nobody wants is not to be said.
  static func forget(in call: inout Call, _ store: Store, _ turn: inout Turn) {
    let cascade = call.upstream.cascade
    let told = cascade.memory.voice.told
    cascade.memory.voice.text.clear(in: store.pool)
    guard told != .nothing else { return }
    if case .open = cascade.memory.voice.stage, let speaker = call.upstream.kind.speaker,
      told != .all || !speaker.clearsByEnding
    {
      command(.clear, in: &call, store, &turn)
      if !speaker.namesAnswers {
        cascade.memory.voice.clearsOwed += 1
        cascade.memory.voice.clearedBy = turn.now + clearingWithin
      }
    }
    cascade.memory.voice.nextAnswer()
  }

  private mutating func nextAnswer() {
    told = .nothing
    flushesOwed = 0
    number += 1
  }

  private static func command(
    _ command: Synthesizer.Command, in call: inout Call, _ store: Store, _ turn: inout Turn
  ) {
    guard let speaker = call.upstream.kind.speaker else { return }
    var text = Writer(store.scratch)
    speaker.write(command, session(of: call, store), &text)
    if text.count == 0 { return }
    let link = call.upstream.cascade.memory.voice.link.index
    if text.overflowed || !store.links[link].seal(.text, text.written, store, &turn) {
      turn.note(.upstream(.untold), of: call.record.name)
    }
  }
}

// MARK: - What it says

extension CascadeVoice {
  /// One thing that came from the voice and is not simply more of what is being heard.
  static func handle(
    _ event: UpstreamLeg.Input, in call: inout Call, _ store: Store, _ turn: inout Turn
  ) {
    if let message = event.rare { turn.note(.wire(.fromUpstream(message)), of: call.record.name) }
    switch event {
    case .done: break
    case .message(let message), .spoken(let message, .other):
      heard(message, in: &call, store, &turn)
    case .spoken(let message, .malformed):
      call.upstream.noteNotJSON(message, as: call.record.name, store, &turn)
    case .spoken(let message, .speech(let piece)):
      if isOld(piece, message, in: call) { return turn.note(.speechLate) }
      call.upstream.cascade.memory.voice.redials = 0
      call.upstream.cascade.memory.voice.hasSpoken = true
      // What more it says is the voice's to read, not the one's who listens.
      var sound = piece
      sound.isNotAll = false
      call.handleSpoken(message, .speech(sound), store, &turn)
      if piece.isNotAll { heard(message, in: &call, store, &turn) }
    case .markDue: call.markAndConverse(store, &turn)
    case .close(let code, let reason): closed(code, reason, in: &call, store, &turn)
    case .tooLarge:
      let bytesMax = store.limits.upstreamMessageBytesMax
      turn.note(.upstream(.tooLarge(bytesMax: bytesMax)), of: call.record.name)
      let sentence: StaticString =
        "a message of the voice is larger than limits.upstream_message_bytes_max"
      let verdict = Upstream.Verdict(
        retry: true, cause: .upstreamLost, code: "upstream_lost", sentence: sentence)
      lost(verdict, in: &call, store, &turn)
    case .failed(let failure): broke(failure, in: &call, store, &turn)
    }
  }

  /// It is of an answer that nobody wants any more.
  private static func isOld(
    _ piece: SpeechPath.Piece, _ message: Bytes, in call: Call
  ) -> Bool {
    let voice = call.upstream.cascade.memory.voice
    if case .nothing = voice.told { return true }
    guard call.upstream.kind.speaker?.namesAnswers == true else { return voice.clearsOwed > 0 }
    return message[piece.item].decimal != voice.number
  }

  private static func heard(
    _ message: Bytes, in call: inout Call, _ store: Store, _ turn: inout Turn
  ) {
    guard let speaker = call.upstream.kind.speaker else { return }
    let cascade = call.upstream.cascade
    let event = speaker.read(message)
    var news = Upstream.Event()
    news.isMalformed = event.isMalformed
    news.unknown = event.unknown
    guard call.upstream.understands(news, message, as: call.record.name, store, &turn) else {
      return
    }
    let isCurrent = session(of: call, store).concerns(event, in: message)
    if let complaint = event.complaint {
      call.upstream.warn(complaint, message, as: call.record.name, store, &turn)
      if complaint.scope == .warning || !isCurrent { return }
      return lost(complaint.verdict ?? silent, in: &call, store, &turn)
    }
    if event.isCleared, cascade.memory.voice.clearsOwed > 0 {
      cascade.memory.voice.clearsOwed -= 1
      if cascade.memory.voice.clearsOwed == 0 { cascade.memory.voice.clearedBy = .never }
    }
    guard event.isFlushed, isCurrent, cascade.memory.voice.clearsOwed == 0,
      cascade.memory.voice.flushesOwed > 0
    else { return }
    cascade.memory.voice.redials = 0
    cascade.memory.voice.flushesOwed -= 1
    if cascade.memory.voice.flushesOwed == 0 { spoken(in: &call, store, &turn) }
  }

  /// All of what was told has come.
  private static func spoken(in call: inout Call, _ store: Store, _ turn: inout Turn) {
    let cascade = call.upstream.cascade
    guard case .sounding(let how) = cascade.memory.answer else { return }
    cascade.memory.answer = .none
    cascade.memory.until = .never
    cascade.memory.voice.nextAnswer()
    var news = Upstream.Event()
    news.isSpoken = true
    news.ending = Upstream.Ending(how)
    Cascade.follow(news, .empty, in: &call, store, &turn)
  }

  private static func closed(
    _ code: UInt16, _ reason: Bytes, in call: inout Call, _ store: Store, _ turn: inout Turn
  ) {
    guard let speaker = call.upstream.kind.speaker else { return }
    let upstream = store.prepared.upstreams[call.upstream.cascade.memory.voice.upstream]
    var words = call.upstream.cleaned(reason, store)
    turn.note(
      .upstream(.closed(upstream.name.bytes, code: code, reason: words.words(in: store.pool))),
      of: call.record.name)
    words.release(to: store.pool)
    lost(speaker.closed(code, reason), in: &call, store, &turn)
  }

  /// Nothing came of the voice for a while: neither its word, nor sound.
  static func expired(in call: inout Call, _ store: Store, _ turn: inout Turn) {
    let cascade = call.upstream.cascade
    let end = call.conversation.downlink.end
    if cascade.memory.voice.clearedBy > turn.now, cascade.memory.voice.heardEnd != end {
      cascade.memory.voice.heardEnd = end
      cascade.memory.until = turn.now + speakingWithin
      return
    }
    Cascade.warn(silent.sentence, in: &call, store, &turn)
    lost(silent, in: &call, store, &turn)
  }
}
