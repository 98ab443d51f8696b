// Who keeps whom waiting in a two-way call, as its route wants it watched.
//
//     the model owes an answer, and says nothing ──▶ apology ──▶ … ──▶ the call ends (model_quiet)
//     the caller could speak, and says nothing  ──▶ reprompt ──▶ … ──▶ the call ends (caller_quiet)
//
// 1. Both clocks run from the moment at which nothing was heard any more of what was said, or the
//    caller last did something (Silence), or a session took over: while none stands nobody is
//    watched, which has a bound of its own (`dead_air_seconds`).
// 2. Whose turn it is, the model's words tell (Dialogue). Of one that does not say when a caller
//    goes on speaking, what is loud counts as well, but not a noise without end.
// 3. A reprompt is the model's to say: it is told that the caller is silent, and asked to go on. A
//    model that owes an answer is not asked by us: there the caller hears the apology again.
// 4. Whatever the caller does begins the count anew.

struct QuietWatch: BitwiseCopyable, Sendable {
  private enum Stage: BitwiseCopyable { case off, due, said }
  private var apology = Stage.off
  private var watchesCaller = false
  /// How often the caller's clock has run out in a row.
  private var rounds = UInt8(0)
  /// The caller's doings that were noticed (Dialogue).
  private var noticed = UInt8(0)

  /// A voice may be heard for so long before it is taken for a noise, where the model has said that
  /// the caller speaks.
  private static let longestSpeech = Instant.Span.seconds(60)
  /// A caller who was said to speak, and of whom nothing more comes for so long, does not.
  private static let abandonedSpeech = Instant.Span.seconds(8)

  init() {}

  init(_ bounds: PreparedRoute.QuietBounds) {
    if bounds.model != .never { apology = .due }
    watchesCaller = bounds.caller != .never
  }

  /// Somebody is watched.
  var isOn: Bool { @inline(__always) get { apology != .off || watchesCaller } }

  /// True: the caller has done something since the last time.
  private mutating func notices(_ doings: UInt8) -> Bool {
    guard noticed != doings else { return false }
    noticed = doings
    rounds = 0
    if apology == .said { apology = .due }
    return true
  }
}

extension QuietWatch {
  /// Notices what the caller has done, while a session stands that says so.
  static func notice(in call: inout Call, at now: Instant) {
    guard call.conversation.quiet.isOn || call.functions.hasPhraseDue, call.state.isTalking else {
      return
    }
    let doings = call.conversation.dialogue.callerDoings
    if call.conversation.quiet.notices(doings) { call.silence.restart(at: now) }
  }

  // MARK: When

  /// When it will have been quiet for too long; `never`.
  @inline(__always) static func time(in call: inout Call, _ store: Store) -> Instant {
    call.conversation.quiet.isOn ? nextTime(in: &call, store) : .never
  }

  private static func nextTime(in call: inout Call, _ store: Store) -> Instant {
    guard call.state.isTalking, call.conversation.isQuiet else { return .never }
    let bounds = call.upstream.preparedRoute(store).quiet
    return min(modelTime(in: &call, bounds), callerTime(in: &call, bounds))
  }

  private static func modelTime(
    in call: inout Call, _ bounds: PreparedRoute.QuietBounds
  ) -> Instant {
    // Keys that are collected are the caller's to press, and a model that hangs up has said so.
    guard call.conversation.quiet.apology == .due, call.conversation.dialogue.owesSound,
      !call.functions.isCollecting, call.functions.hangUpPlace == nil
    else { return .never }
    return quietTime(in: &call, after: bounds.model)
  }

  private static func callerTime(
    in call: inout Call, _ bounds: PreparedRoute.QuietBounds
  ) -> Instant {
    guard call.conversation.quiet.watchesCaller, call.functions.isIdle,
      call.conversation.dialogue.isWatched
    else { return .never }
    return quietTime(in: &call, after: bounds.caller)
  }

  /// When neither side will have been heard for so long; `never`.
  static func quietTime(in call: inout Call, after span: Instant.Span) -> Instant {
    let end = max(call.silence.end(after: span), call.conversation.answers.sessionBegan + span)
    if end == .never { return .never }
    let isSpeaking = call.conversation.dialogue.isCallerSpeaking
    let tellsOfSpeech = call.conversation.dialogue.tellsOfSpeech
    // One that tells of speech tells of its end, unless nothing comes of it.
    if tellsOfSpeech, !isSpeaking { return end }
    let rest = tellsOfSpeech ? abandonedSpeech : .zero
    let voiceEnd = call.uplink.unanswered.lastHeard(upTo: isSpeaking ? longestSpeech : nil)
    return (voiceEnd == .never ? end : max(end, voiceEnd + span)) + rest
  }

  // MARK: What follows

  /// It has been quiet for too long.
  static func expired(in call: inout Call, _ store: Store, _ turn: inout Turn) {
    let bounds = call.upstream.preparedRoute(store).quiet
    if modelTime(in: &call, bounds) <= turn.now {
      return apologise(after: bounds.model, in: &call, store, &turn)
    }
    guard callerTime(in: &call, bounds) <= turn.now else { return }
    let owes = call.conversation.dialogue.owesSound
    if Int(call.conversation.quiet.rounds) >= bounds.repromptsMax {
      turn.note(.call(owes ? .modelGivenUp : .callerGivenUp), of: call.record.name)
      return FunctionCalls.hangUp(owes ? .modelQuiet : .callerQuiet, in: &call, store, &turn)
    }
    call.conversation.quiet.rounds &+= 1
    call.silence.restart(at: turn.now)
    if owes {
      apologise(after: bounds.caller, in: &call, store, &turn)
    } else {
      reprompt(in: &call, bounds, &turn)
    }
  }

  private static func apologise(
    after span: Instant.Span, in call: inout Call, _ store: Store, _ turn: inout Turn
  ) {
    if call.conversation.quiet.apology == .due { call.conversation.quiet.apology = .said }
    let isHeard = Announcements.play(
      call.upstream.preparedRoute(store).apologies, in: &call, store, &turn)
    let seconds = span.milliseconds / 1000
    turn.note(.call(.modelQuiet(seconds: seconds, isToldSo: isHeard)), of: call.record.name)
  }

  private static func reprompt(
    in call: inout Call, _ bounds: PreparedRoute.QuietBounds, _ turn: inout Turn
  ) {
    call.conversation.dialogue.callerIsQuiet(at: turn.now)
    let seconds = bounds.caller.milliseconds / 1000
    let round = Int(call.conversation.quiet.rounds)
    turn.note(
      .call(.callerQuiet(seconds: seconds, reprompt: round, of: bounds.repromptsMax)),
      of: call.record.name)
  }
}
