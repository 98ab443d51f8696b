// What a route has recorded for its callers: a greeting, a line to hold while no session stands, a
// goodbye where none will. Each begins when nothing else is heard any more. What the model says
// meanwhile waits behind it, and a caller who speaks over it ends it, as all that is said.
//
//     greeting ──▶ talk ──lost──▶ 1 s unheard ──▶ hold ──▶ a session takes over: talk
//                                                   │
//              no attempt is left, or the caller    ▼
//              has heard nobody for too long ──▶ goodbye ──heard──▶ the call ends
//
// 1. The line to hold is heard once in each absence, and is nobody's speech: the bound on how long
//    a caller hears nothing (`dead_air_seconds`) is counted through it.
// 2. The goodbye is heard to its end, within what a call has for last words (CallState). An agent
//    that has hung up has said its own.

struct Announcements: BitwiseCopyable, Sendable {
  private enum Stage: BitwiseCopyable { case none, due, said }
  private var hold = Stage.none
  private var goodbye = Stage.none

  /// Another session mostly stands sooner than that.
  private static let holdAfter = Instant.Span.seconds(1)

  init() {}

  private init(of route: PreparedRoute, at rate: Int) {
    if route.holds.samples(at: rate) != nil { hold = .due }
    if route.goodbyes.samples(at: rate) != nil { goodbye = .due }
  }

  /// A session stands.
  static func sessionBegan(in call: inout Call, at now: Instant) {
    if call.announcements.hold == .said { call.announcements.hold = .due }
    call.conversation.answers.sessionBegan = now
  }

  /// The caller was asked to hold, and still does.
  static func isHolding(in call: Call) -> Bool {
    call.announcements.hold == .said && call.state.isWithoutSession
  }

  /// When the caller is asked to hold; `never`.
  @inline(__always) static func holdTime(in call: Call) -> Instant {
    guard call.announcements.hold == .due, call.state.isWithoutSession else { return .never }
    return call.silence.end(after: holdAfter)
  }
}

extension Announcements {
  /// A caller who talks has come.
  static func greet(in call: inout Call, _ store: Store, _ turn: inout Turn) {
    let (route, rate) = (call.upstream.preparedRoute(store), call.caller.output.rate)
    call.announcements = Announcements(of: route, at: rate)
    call.conversation.quiet = QuietWatch(route.quiet)
    _ = play(route.greetings, in: &call, store, &turn)
  }

  static func hold(in call: inout Call, _ store: Store, _ turn: inout Turn) {
    call.announcements.hold = .said
    guard play(call.upstream.preparedRoute(store).holds, in: &call, store, &turn) else { return }
    turn.note(.call(.hold), of: call.record.name)
  }

  /// Notices whether something is heard; a goodbye, where one is due, follows what else is.
  static func isHeard(in call: inout Call, _ store: Store, _ turn: inout Turn) -> Bool {
    if call.functions.isInTransfer { call.state.awaitCarrier() }
    noticeSilence(in: &call, store, at: turn.now)
    if call.silence.isBroken { return true }
    guard saysGoodbye(in: &call, store, &turn) else { return false }
    noticeSilence(in: &call, store, at: turn.now)
    return true
  }

  private static func noticeSilence(in call: inout Call, _ store: Store, at now: Instant) {
    let isOpen = call.caller.isOpen(store)
    let isHearing = isOpen && !call.conversation.isQuiet && !isHolding(in: call)
    call.silence.notice(isHearing: isHearing, at: now)
    QuietWatch.notice(in: &call, at: now)
  }

  /// Whether a goodbye is heard before the call ends, now that nothing else is: it begins.
  private static func saysGoodbye(in call: inout Call, _ store: Store, _ turn: inout Turn) -> Bool {
    guard call.announcements.goodbye == .due, call.state.state == .closing(.playing),
      call.state.cause != .hungUp, !call.state.isAwaitingCarrier, call.caller.isOpen(store)
    else { return false }
    call.announcements.goodbye = .said
    guard play(call.upstream.preparedRoute(store).goodbyes, in: &call, store, &turn) else {
      return false
    }
    turn.note(.call(.goodbye), of: call.record.name)
    return true
  }

  /// The caller has heard nothing for too long: no session is waited for any more.
  static func leftInSilence(
    in call: inout Call, _ cause: Cause, _ store: Store, _ turn: inout Turn
  ) -> CallState.Action {
    let owesGoodbye = call.announcements.goodbye == .due || call.functions.isInTransfer
    if owesGoodbye { call.upstream.leaveNext(store, &turn) }
    return call.state.leftInSilence(cause, owesGoodbye: owesGoodbye, at: turn.now)
  }

  /// Whether the caller hears it.
  static func play(
    _ recording: Recording, in call: inout Call, _ store: Store, _ turn: inout Turn
  ) -> Bool {
    guard let samples = recording.samples(at: call.caller.output.rate),
      call.conversation.play(
        recorded: samples, isUninterrupted: recording.isUninterrupted, store)
    else { return false }
    let words = recording.words.bytes
    if !words.isEmpty { turn.note(.words(.said(words)), of: call.record.identity) }
    call.converse(store, &turn)
    return true
  }
}
