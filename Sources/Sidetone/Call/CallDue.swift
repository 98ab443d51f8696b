// What is due in a call, and when: one list. `Call.expired` does what has come due, `Call.setTimer`
// waits for the soonest of the rest.

/// What the clock may bring to a call, in the order in which it is seen to.
enum CallDue: UInt8 {
  /// The line about the first audio.
  case firstAudio
  /// The state has lasted long enough.
  case state
  case longestCall
  /// No session stands, and the caller has heard nothing for too long.
  case silence
  /// The end of what is being played, where somebody waits for it.
  case quiet
  /// Audio that waits for its partner or its turn; audio that may go now.
  case heldAudio
  case backlog
  case keepAlive
  case finalize
  /// What the caller said will not be answered any more.
  case unanswered
  /// The model has to be asked or is no longer waited for; so are words.
  case conversation
  /// The session is to be left.
  case change
  /// Whether the pool has room again, of which nobody tells.
  case pool
  /// Whether audio comes faster than it says; silence for a caller who hears nothing.
  case speed
  case comfort
  /// What functions wait for.
  case functions
  /// No session stands, and the caller is asked to wait for one.
  case hold
  /// A session stands, and the model or the caller keeps the other one waiting.
  case quietWatch
  /// A function takes so long that the caller is told.
  case phrase
  /// Who thinks or speaks for the upstream says nothing.
  case cascade

  static let count: UInt8 = 20

  /// So long after it was seen to it is not due again.
  var pause: Instant.Span {
    switch self {
    case .firstAudio, .state, .longestCall, .silence, .heldAudio, .speed, .comfort, .hold,
      .quietWatch, .phrase, .cascade:
      .zero
    case .quiet, .keepAlive, .finalize, .unanswered, .conversation, .change, .functions:
      .milliseconds(1)
    case .backlog: Uplink.pause
    case .pool: Call.poolLook
    }
  }

  /// When a call has to be woken for the soonest of all: one line for each, so that each costs what
  /// it looks at and no more. Asked behind every result of an upstream.
  static func soonest(in call: inout Call, _ store: Store, at now: Instant) -> Instant {
    var soonest = min(
      firstAudio.wake(in: &call, store, at: now), state.wake(in: &call, store, at: now))
    soonest = min(soonest, longestCall.wake(in: &call, store, at: now))
    soonest = min(soonest, heldAudio.wake(in: &call, store, at: now))
    soonest = min(soonest, backlog.wake(in: &call, store, at: now))
    soonest = min(soonest, keepAlive.wake(in: &call, store, at: now))
    soonest = min(soonest, finalize.wake(in: &call, store, at: now))
    soonest = min(soonest, speed.wake(in: &call, store, at: now))
    soonest = min(soonest, pool.wake(in: &call, store, at: now))
    soonest = min(soonest, change.wake(in: &call, store, at: now))
    soonest = min(soonest, comfort.wake(in: &call, store, at: now))
    guard call.isTwoWay else { return soonest }
    soonest = min(soonest, silence.wake(in: &call, store, at: now))
    soonest = min(soonest, hold.wake(in: &call, store, at: now))
    soonest = min(soonest, quietWatch.wake(in: &call, store, at: now))
    soonest = min(soonest, phrase.wake(in: &call, store, at: now))
    soonest = min(soonest, cascade.wake(in: &call, store, at: now))
    soonest = min(soonest, quiet.wake(in: &call, store, at: now))
    soonest = min(soonest, unanswered.wake(in: &call, store, at: now))
    soonest = min(soonest, functions.wake(in: &call, store, at: now))
    return min(soonest, conversation.wake(in: &call, store, at: now))
  }

  @inline(__always) private func wake(
    in call: inout Call, _ store: Store, at now: Instant
  ) -> Instant {
    let time = time(in: &call, store, at: now)
    return time == .never ? .never : max(time, now + pause)
  }

  /// When it is due, which may have been long ago; `never`.
  @inline(__always) func time(in call: inout Call, _ store: Store, at now: Instant) -> Instant {
    let isTalking = call.state.isTalking && call.upstream.partner != .nobody
    switch self {
    case .firstAudio:
      return call.record.owesFirstAudio(call.uplink.lastAudio) ? .zero : .never
    case .state: return call.state.wakeTime
    case .longestCall:
      if call.state.isClosing { return .never }
      return call.record.startedAt + call.state.longest
    case .silence: return call.state.isWithoutSession ? call.silenceEnd : .never
    case .quiet:
      return call.awaitsQuiet ? call.conversation.quietTime(after: now) : .never
    case .heldAudio: return call.uplink.heldUntil
    case .backlog:
      guard call.uplink.backlog > 0, call.upstream.isOpen(store) else { return .never }
      return call.uplink.flowTime(isHurried: call.state.isClosing, at: now)
    case .keepAlive: return isTalking ? call.upstream.keepAliveTime : .never
    case .finalize:
      guard isTalking else { return .never }
      let time = call.uplink.finalizeTime
      guard call.upstream.cascade.isOn else { return time }
      return call.upstream.cascade.finalizeTime(time, lastAudio: call.uplink.lastAudio)
    case .unanswered: return isTalking ? call.uplink.unanswered.giveUpTime : .never
    case .conversation:
      return call.isTwoWay ? call.conversation.wakeTime(isTalking: isTalking) : .never
    case .change:
      let leaving = call.upstream.leaving
      guard leaving.isSet, call.state.isTalking else { return .never }
      // Where it is quiet, and yet no good moment, only an event changes that.
      let isQuiet = call.conversation.isQuiet
      let quiet = isQuiet ? Instant.never : call.conversation.quietTime(after: now)
      return leaving.time(quiet: call.isIdle ? .zero : quiet, call.upstream.next)
    case .speed:
      return call.state.isClosing ? .never : call.speed.time(after: call.uplink.lastAudio)
    case .comfort: return call.state.isClosing ? .never : call.comfortAt
    case .functions:
      if call.state.isAwaitingCarrier { return call.functions.transferTime }
      return call.state.isClosing ? .never : call.functions.dueTime
    case .hold: return call.isTwoWay ? Announcements.holdTime(in: call) : .never
    case .quietWatch: return call.isTwoWay ? QuietWatch.time(in: &call, store) : .never
    case .phrase: return call.isTwoWay ? FunctionCalls.phraseTime(in: &call, store) : .never
    case .cascade: return call.upstream.cascade.isOn ? call.upstream.cascade.until : .never
    case .pool: return call.caller.isHeldBack(store) && store.isPoolShort ? .zero : .never
    }
  }
}

/// How long a caller has heard nothing of what was said.
package struct Silence: BitwiseCopyable, Sendable {
  private enum State: BitwiseCopyable {
    case broken
    case since(Instant)
  }
  private var state = State.since(.never)

  package init() {}

  /// Something is being heard.
  package var isBroken: Bool {
    @inline(__always) get { if case .broken = state { true } else { false } }
  }

  /// Whether something is still to be heard, as it is now.
  package mutating func notice(isHearing: Bool, at now: Instant) {
    if isHearing { state = .broken } else if isBroken { state = .since(now) }
  }

  /// It is counted anew from here, where it has begun.
  package mutating func restart(at now: Instant) {
    if !isBroken { state = .since(now) }
  }

  /// When it will have lasted so long; `never` where it has not begun.
  package func end(after span: Instant.Span) -> Instant {
    if case .since(let start) = state { start + span } else { .never }
  }
}

extension CallDue {
  /// What the clock brings is done.
  func happen(in call: inout Call, _ store: Store, _ turn: inout Turn) {
    switch self {
    case .firstAudio: call.record.tellFirstAudio(of: call.uplink, &turn)
    case .state:
      Transfer.noteEnd(of: call, store, &turn)
      call.perform(call.state.expired(at: turn.now), store, &turn)
    case .longestCall: call.end(.tooLong, store, &turn)
    case .silence:
      let cause = call.upstream.lastCause
      let seconds = call.state.deadAir.milliseconds / 1000
      turn.note(.call(.deadAir(seconds: seconds, cause)), of: call.record.name)
      call.perform(Announcements.leftInSilence(in: &call, cause, store, &turn), store, &turn)
    case .heldAudio: call.uplink.takeHeld(store, &turn)
    case .backlog: call.pump(store, &turn)
    case .keepAlive: keepAlive(&call, store, &turn)
    case .finalize: call.finalize(store, &turn)
    case .unanswered:
      guard call.uplink.giveUpUnanswered(at: turn.now) else { return }
      turn.note(.call(.unanswered), of: call.record.name)
    case .conversation:
      call.conversation.expired(
        isTalking: call.state.isTalking, &call.caller, &call.record, store, &turn)
    case .speed: AudioFinding.checkSpeed(in: &call, &turn)
    case .comfort: AudioFinding.comfort(in: &call, store, &turn)
    case .hold: Announcements.hold(in: &call, store, &turn)
    case .quietWatch: QuietWatch.expired(in: &call, store, &turn)
    case .phrase: FunctionCalls.sayPhrase(in: &call, store, &turn)
    case .cascade: Cascade.expired(in: &call, store, &turn)
    // `settle` looks after these.
    case .quiet, .change, .pool, .functions: break
    }
  }

  /// A sign of life where there was no audio for a while; before the first audio of a session,
  /// silence.
  private func keepAlive(_ call: inout Call, _ store: Store, _ turn: inout Turn) {
    guard call.upstream.isOpen(store) else { return }
    let milliseconds = call.upstream.kind.timing.openingSilenceMilliseconds
    if call.uplink.isSessionSilent, milliseconds > 0 {
      call.uplink.sendSilence(
        milliseconds: milliseconds, into: &store.links[call.upstream.link.index], store, &turn)
    }
    call.upstream.command(.keepAlive, as: call.record.name, store, &turn)
    // Who has no words for it is kept by pings.
    call.upstream.signed(at: turn.now)
  }
}
