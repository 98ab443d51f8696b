// Who keeps whom waiting in a two-way call, as its route wants it watched.
//
//     the caller has spoken, the model says nothing ──▶ apology, once
//     the model was heard, the caller says nothing  ──▶ reprompt ──▶ … ──▶ the call ends
//
// 1. Both clocks run from the moment at which nothing was heard any more of what was said, or the
//    caller last did something (Silence); they stand while no session does, which has a bound of
//    its own (`dead_air_seconds`).
// 2. What the model says of the caller counts. Of one that does not say when a caller speaks, what
//    is loud counts as well, but not a noise without end.
// 3. A reprompt is the model's to say: it is told that the caller is silent, and asked to go on.
//    Whatever the caller does then begins the count anew.

struct QuietWatch: BitwiseCopyable, Sendable {
  private enum Stage: BitwiseCopyable { case off, due, said }
  private var apology = Stage.off
  private var reprompt = Stage.off
  private var reprompts = UInt8(0)
  /// The caller's doings that were noticed (Dialogue).
  private var noticed = UInt8(0)

  init() {}

  init(_ bounds: PreparedRoute.QuietBounds) {
    if bounds.model != .never { apology = .due }
    if bounds.caller != .never { reprompt = .due }
  }

  /// Somebody is watched.
  var isOn: Bool { @inline(__always) get { apology != .off || reprompt != .off } }

  /// True: the caller has done something since the last time.
  private mutating func notices(_ doings: UInt8) -> Bool {
    guard noticed != doings else { return false }
    noticed = doings
    reprompts = 0
    if apology == .said { apology = .due }
    return true
  }
}

extension QuietWatch {
  /// Notices what the caller has done, while a session stands that says so.
  static func notice(in call: inout Call, at now: Instant) {
    guard call.announcements.watch.isOn, call.state.isTalking else { return }
    let doings = call.conversation.dialogue.callerDoings
    if call.announcements.watch.notices(doings) { call.silence.restart(at: now) }
  }

  // MARK: When

  /// When it will have been quiet for too long; `never`.
  static func time(in call: Call, _ store: Store) -> Instant {
    let watch = call.announcements.watch
    guard watch.isOn, call.state.isTalking, call.conversation.isQuiet else { return .never }
    let bounds = call.upstream.preparedRoute(store).quiet
    return min(modelTime(in: call, bounds), callerTime(in: call, bounds))
  }

  private static func modelTime(in call: Call, _ bounds: PreparedRoute.QuietBounds) -> Instant {
    guard call.announcements.watch.apology == .due, call.conversation.dialogue.owesSound else {
      return .never
    }
    return quietTime(in: call, after: bounds.model)
  }

  private static func callerTime(in call: Call, _ bounds: PreparedRoute.QuietBounds) -> Instant {
    guard call.announcements.watch.reprompt == .due, call.conversation.dialogue.awaitsCaller,
      call.functions.isIdle
    else { return .never }
    return quietTime(in: call, after: bounds.caller)
  }

  /// When neither side will have been heard for so long; `never`.
  static func quietTime(in call: Call, after span: Instant.Span) -> Instant {
    let end = call.silence.end(after: span)
    if end == .never { return .never }
    if call.conversation.dialogue.tellsOfSpeech {
      return call.conversation.dialogue.isCallerSpeaking ? .never : end
    }
    let voiceEnd = call.uplink.unanswered.lastHeard
    return voiceEnd == .never ? end : max(end, voiceEnd + span)
  }

  // MARK: What follows

  /// It has been quiet for too long.
  static func expired(in call: inout Call, _ store: Store, _ turn: inout Turn) {
    let bounds = call.upstream.preparedRoute(store).quiet
    if modelTime(in: call, bounds) <= turn.now {
      apologise(in: &call, bounds, store, &turn)
    } else if callerTime(in: call, bounds) <= turn.now {
      reprompt(in: &call, bounds, store, &turn)
    }
  }

  private static func apologise(
    in call: inout Call, _ bounds: PreparedRoute.QuietBounds, _ store: Store, _ turn: inout Turn
  ) {
    call.announcements.watch.apology = .said
    let isHeard = Announcements.apologise(in: &call, store, &turn)
    let seconds = bounds.model.milliseconds / 1000
    turn.note(.call(.modelQuiet(seconds: seconds, isToldSo: isHeard)), of: call.record.name)
  }

  private static func reprompt(
    in call: inout Call, _ bounds: PreparedRoute.QuietBounds, _ store: Store, _ turn: inout Turn
  ) {
    let seconds = bounds.caller.milliseconds / 1000
    let asked = Int(call.announcements.watch.reprompts)
    guard asked < bounds.repromptsMax else {
      turn.note(
        .call(.callerGivenUp(seconds: seconds, reprompts: asked)), of: call.record.name)
      return FunctionCalls.hangUp(.callerQuiet, in: &call, store, &turn)
    }
    call.announcements.watch.reprompts &+= 1
    call.silence.restart(at: turn.now)
    call.conversation.dialogue.callerIsQuiet(at: turn.now)
    turn.note(
      .call(.callerQuiet(seconds: seconds, reprompt: asked + 1, of: bounds.repromptsMax)),
      of: call.record.name)
  }
}
