// What a session learns of the conversation before it: where nothing resumes it, what both sides
// have said, in its row's words. It is told before anything else, audio that waits included.
//
// What the caller has said and nobody has answered is said again, as audio: it is left out here,
// and so is what an agent that was never heard had begun to answer.

extension HistoryRing {
  /// What was said in a call so far, but for what is said again.
  static func of(_ call: Call) -> HistoryRing {
    call.conversation.history.before(saidAgainFrom(in: call) ?? .max)
  }

  /// In milliseconds of the call; nil: nothing is.
  private static func saidAgainFrom(in call: Call) -> Int? {
    guard call.uplink.unanswered.isThere else { return nil }
    return call.record.milliseconds(at: call.uplink.unanswered.since)
      - Unanswered.leadMilliseconds
  }

  /// What the next session of a leg is described with.
  func description(of leg: UpstreamLeg, _ store: Store) -> Upstream.Session {
    var session = leg.session(store)
    // A handle lies where the history would.
    if session.handle.isEmpty, leg.partner == .talker {
      session.history = told(scratch: store.source, in: store.pool)
    }
    return session
  }

  /// The session that has just taken over is told, unless its description did, or resumed another.
  static func tell(in call: inout Call, _ store: Store, _ turn: inout Turn) {
    guard call.isTwoWay else { return }
    call.conversation.showLines(to: &call.caller, &call.record, store, &turn)
    if let since = saidAgainFrom(in: call) {
      call.conversation.history.forget(from: since, scratch: store.source, in: store.pool)
    }
    let leg = call.upstream
    guard !leg.isResumed, leg.isOpen(store), case .told(let write)? = leg.kind.voice?.history
    else { return }
    let session = leg.session(store)
    var history = call.conversation.history.told(scratch: store.source, in: store.pool)
    history.isAwaited = leg.isAwaitingHistory
    repeat {
      var writer = Writer(store.scratch)
      write(session, &history, &writer)
      if writer.count == 0 { return }
      guard !writer.overflowed,
        store.links[leg.link.index].seal(.text, writer.written, store, &turn)
      else { return turn.note(.upstream(.untold), of: call.record.name) }
    } while !history.isEmpty
  }

  /// The session is gone, and with it the words of what it called a function for: the next one
  /// knows at least that something was asked.
  static func rememberUnwritten(in call: inout Call, _ store: Store, _ turn: inout Turn) {
    let asked = call.functions.takeUnwritten()
    if asked == .never { return }
    call.conversation.remember(
      .caller, unwritten.bytes, since: call.record.milliseconds(at: asked), call.record, store,
      &turn)
  }

  private static let unwritten: StaticString =
    "(What the caller asked here was not written down; a function was called for it.)"

  /// A session was told what a function answered: so is the one that goes on for it.
  static func remember(
    _ answer: Bytes, of function: Bytes, in call: inout Call, _ store: Store, _ turn: inout Turn
  ) {
    var text = Writer(store.source)
    text.write("The function ")
    text.write(function)
    text.write(" has answered: ")
    let bytesMax = Limits.historyAnswerBytesMax
    text.write(json: answer.prefix(min(answer.count, bytesMax)))
    if answer.count > bytesMax { text.write(" (and more)") }
    let now = call.record.milliseconds(at: turn.now)
    call.conversation.remember(.function, text.written, since: now, call.record, store, &turn)
  }
}
