// The states of one call: which state it is in, and what has to be done when something happens to
// it. Nothing is done here; every input returns one action for the call to perform.
//
//               who it is            a session takes over
//   arriving ──────────────▶ dialling ────────────▶ talking ◀───────────────┐
//      │                      ▲  ▲ │                  │ │ its end is known  │ the next one
//      │           pause over │  │ │ refused, lost    │ ▼                   │ takes over,
//      │                      │  │ │            lost  │ changing ───────────┘ or fails
//      │                      │  │ │                  │ │
//      │                      │  └─│──────────────────│─┘ lost: the next one is under way
//      │                      │    ▼                  │
//      │                     resting ◀────────────────┘
//      │                         │
//      │ any way out             │ any way out, from any of the four
//      ▼                         ▼
//    over ◀────────────────── closing
//               last results delivered, last words heard, or time is up
//
// Rules that couple the two legs:
// 1. Either leg can fail in every state. A caller who leaves (stop, Close, reset, silence,
//    watchdog, drain) always enters `closing`; so does an upstream that is gone for good.
// 2. `closing` owes the caller the words it has said: what is kept is sent (if need be after the
//    dialling has succeeded), the upstream is told to finish, its last results are delivered, then
//    everything is closed. Where the upstream is gone, it owes the caller what that had said: it is
//    played to its end. All of it within one deadline.
// 3. A session that had done its work is followed by another at once, since its caller waits: those
//    who lost theirs together dial in turn (Availability). In front of every further attempt there
//    is a pause, which doubles. Only a session that worked and lived for a while starts the count
//    anew. Where the row sees no use in another attempt, one is made all the same if the session
//    had worked until then, and one without what should have resumed it; then the row's verdict
//    stands. One that is lost while the next is under way counts like any other.
// 4. A caller who talks with somebody hears nothing meanwhile: an attempt that would come too late
//    for that (`latest`) is not waited for, and the call ends.
// 5. Every call reaches `over` exactly once, with one cause.

package struct CallState: BitwiseCopyable, Sendable {
  package enum State: Equatable, BitwiseCopyable, Sendable {
    /// The caller is connected but has not yet said who it is. Ways out: dialling, over.
    case arriving
    /// The upstream is being opened; audio is kept. Ways out: talking, resting, closing, over.
    case dialling
    /// A pause before the next attempt; audio is kept. Ways out: dialling, closing.
    case resting
    /// Both legs stand. Ways out: changing, resting, closing, over.
    case talking
    /// Both legs stand, and the next session is being opened beside this one. Ways out: talking,
    /// dialling (this one is lost, the next one still under way), closing, over.
    case changing
    /// The caller is done, or the upstream is gone; last words are still owed. Ways out: over.
    case closing(Finish)
    /// Both legs are released. No way out.
    case over
  }

  /// How far `closing` has come.
  package enum Finish: Equatable, BitwiseCopyable, Sendable {
    /// The upstream was not yet open.
    case dialling, resting
    /// What is kept is being sent.
    case sending
    /// The upstream was told to finish; its last results are awaited.
    case waiting
    /// The upstream is gone for good, or has hung up; what it has said is being played.
    case playing
    /// The carrier has the call, and ends the stream.
    case transferred
  }

  package enum Action: Equatable, Sendable {
    case nothing
    /// Open a connection to the upstream.
    case dial
    /// Send what is kept, from the last acknowledged byte on; say `drained` when it is all out.
    case flow
    /// Tell the upstream that no more audio will come.
    case finish
    /// Wait for `wakeTime`.
    case rest
    /// Play what there is; say `played` when it is all heard.
    case play
    /// Close both legs, write the end, give everything back.
    case end
  }

  package private(set) var state = State.arriving
  /// Why the call ends, from the moment that is known.
  package private(set) var cause = Cause.none
  /// When the state has lasted long enough; what it means depends on the state.
  private var deadline: Instant
  private var restUntil = Instant.never
  /// Losses in a row, and how many may be.
  package private(set) var attempts: Int {
    get { Int(attemptCount) }
    set { attemptCount = UInt16(newValue) }
  }
  package var attemptsMax: Int { Int(attemptLimit) }
  private var attemptCount = UInt16(0)
  private let attemptLimit: UInt16
  private var hasFallenBack = false
  private let finishTime: Instant.Span
  private let playTime: Instant.Span
  /// How long the call may last, and how long its caller may hear nothing.
  package var longest: Instant.Span { .seconds(Int(longestSeconds)) }
  package var deadAir: Instant.Span { .seconds(Int(deadAirSeconds)) }
  private let longestSeconds: UInt32
  private let deadAirSeconds: UInt32

  package init(limits: Limits, at now: Instant) {
    attemptLimit = UInt16(limits.redialsMax)
    finishTime = .seconds(limits.finishSeconds)
    playTime = .milliseconds(limits.playoutMillisecondsMax) + finishTime
    longestSeconds = UInt32(limits.callSecondsMax)
    deadAirSeconds = UInt32(limits.deadAirSeconds)
    deadline = now + .seconds(limits.recogniseSeconds)
  }

  package var isClosing: Bool {
    switch state {
    case .closing, .over: return true
    case .arriving, .dialling, .resting, .talking, .changing: return false
    }
  }

  /// A session stands, and the caller is there.
  package var isTalking: Bool { state == .talking || state == .changing }

  /// No session stands, and one is wanted.
  package var isWithoutSession: Bool { state == .dialling || state == .resting }

  /// The caller said who it is and what it sends. One whose upstream was dialled ahead is already
  /// on its way.
  package mutating func started() -> Action {
    switch state {
    case .arriving:
      state = .dialling
      deadline = .never
      return .dial
    case .dialling, .resting, .talking, .changing, .closing, .over: return .nothing
    }
  }

  /// A session has taken over.
  package mutating func opened() -> Action {
    switch state {
    case .dialling, .changing:
      state = .talking
      return .flow
    case .closing(.dialling):
      state = .closing(.sending)
      return .flow
    case .arriving, .resting, .talking, .closing, .over:
      preconditionFailure("only what was dialled can open")
    }
  }

  /// Everything that is kept has been handed to the upstream.
  package mutating func drained() -> Action {
    switch state {
    case .closing(.sending):
      state = .closing(.waiting)
      return .finish
    case .arriving, .dialling, .resting, .talking, .changing, .closing, .over: return .nothing
    }
  }

  /// The session is gone, or the next one is. `latest`: when another attempt has to be made at the
  /// latest, for the sake of a caller who hears nothing.
  package mutating func upstreamLost(
    _ loss: UpstreamLeg.Loss, latest: Instant = .never, at now: Instant
  ) -> Action {
    switch state {
    case .changing where loss.which == .next:
      state = .talking
      return .nothing
    case .changing:
      _ = count(loss)
      state = .dialling
      return .nothing
    case .dialling, .talking:
      guard count(loss) else { return giveUp(loss.verdict.cause, at: now) }
      let next = now + max(backoff(loss), loss.pause)
      guard next < latest else { return giveUp(loss.verdict.cause, at: now) }
      state = .resting
      deadline = next
      return .rest
    case .closing(.dialling), .closing(.sending), .closing(.waiting):
      // Words that were not yet final are said again to the next session, while there is time.
      let next = now + max(count(loss) ? backoff(loss) : .never, loss.pause)
      guard next < deadline else { return end(loss.verdict.cause) }
      state = .closing(.resting)
      restUntil = next
      return .rest
    case .arriving, .resting, .closing(.resting), .closing(.playing), .closing(.transferred), .over:
      return .nothing
    }
  }

  /// Of many calls that lose their sessions at once each is to dial in its turn.
  var isDialledInTurn: Bool { attempts > 0 || hasFallenBack }

  /// Whether the upstream would not be dialled again.
  func isOutOfAttempts(after loss: UpstreamLeg.Loss) -> Bool {
    loss.life != .lived && attempts >= attemptsMax
  }

  /// Counts a loss; whether another attempt shall be made.
  private mutating func count(_ loss: UpstreamLeg.Loss) -> Bool {
    if loss.life == .lived { attempts = 0 }
    let isFirst = attempts == 0
    attempts += 1
    guard attempts <= attemptsMax else { return false }
    return loss.verdict.retry || loss.isHandleDropped || isFirst && loss.life >= .worked
  }

  /// Another upstream takes over from the one that was lost: it is dialled at once, and its
  /// attempts are its own.
  package mutating func fellBack() -> Action {
    switch state {
    case .dialling, .talking:
      state = .dialling
      attempts = 0
      hasFallenBack = true
      return .dial
    case .arriving, .resting, .changing, .closing, .over:
      preconditionFailure("only what was lost in a call that goes on is followed")
    }
  }

  /// The caller has heard nothing for too long. `owesGoodbye`: it is told so before the end.
  package mutating func leftInSilence(
    _ why: Cause, owesGoodbye: Bool, at now: Instant
  ) -> Action {
    guard isWithoutSession else { return .nothing }
    return owesGoodbye ? giveUp(why, at: now) : end(why)
  }

  /// All that the upstream had said was heard.
  package mutating func played() -> Action {
    state == .closing(.playing) && !isAwaitingCarrier ? end(cause) : .nothing
  }

  /// The upstream closed well after it was told to finish.
  package mutating func upstreamFinished() -> Action {
    switch state {
    case .closing: return end(cause)
    case .arriving, .dialling, .resting, .talking, .changing, .over: return .nothing
    }
  }

  /// The upstream will not say when it has finished: it is given so long.
  package mutating func hurry(until time: Instant) {
    if case .closing = state { deadline = min(deadline, time) }
  }

  /// The end of the session is known, and this is a good moment: the next one is opened.
  package mutating func changeDue() -> Action {
    switch state {
    case .talking:
      state = .changing
      return .dial
    case .arriving, .dialling, .resting, .changing, .closing, .over: return .nothing
    }
  }

  /// The next one is not wanted any more: it is looked for anew.
  package mutating func changeGivenUp() {
    if state == .changing { state = .talking }
  }

  /// What the session was asked for does not hold any more: another is opened in its stead.
  package mutating func begunAnew() -> Action {
    switch state {
    case .dialling, .talking, .changing:
      state = .dialling
      return .dial
    case .arriving, .resting, .closing, .over: return .nothing
    }
  }

  /// A call that was given up may still be taken by its carrier, whose word is waited for.
  package mutating func awaitCarrier() { if state == .closing(.playing) { deadline = .never } }

  /// Whether that is so.
  package var isAwaitingCarrier: Bool { state == .closing(.playing) && deadline == .never }

  /// It will not be: what is still to be heard is, and the call ends.
  package mutating func carrierDeclined(at now: Instant) -> Action {
    isAwaitingCarrier ? giveUp(cause, at: now) : .nothing
  }

  /// The caller will say no more, for whatever reason. The first cause stays.
  package mutating func callerDone(_ why: Cause, at now: Instant) -> Action {
    switch state {
    case .closing(.playing) where isAwaitingCarrier:
      state = .closing(.waiting)
      deadline = now + finishTime
      return .nothing
    case .arriving: return end(why)
    case .dialling: return close(.dialling, why, now)
    case .resting:
      restUntil = deadline
      return close(.resting, why, now)
    case .talking, .changing: return close(.sending, why, now)
    case .closing(.playing), .closing(.transferred): return end(why)
    case .closing, .over: return .nothing
    }
  }

  /// No session can be had for it, or none is wanted: what was said is played to its end.
  package mutating func givenUp(_ why: Cause, at now: Instant) -> Action {
    switch state {
    case .talking, .changing, .dialling, .resting: return giveUp(why, at: now)
    case .arriving, .closing, .over: return .nothing
    }
  }

  /// The carrier has taken the call: our own close is withheld until it ends the stream, or for so
  /// long. A stream that has ended before its word came ends the call as one that was transferred.
  package mutating func transferred(within span: Instant.Span, at now: Instant) -> Action {
    switch state {
    case .dialling, .resting, .talking, .changing, .closing(.playing):
      cause = .transferred
      state = .closing(.transferred)
      deadline = now + span
      return .nothing
    case .closing:
      cause = .transferred
      return .nothing
    case .arriving, .over: return .nothing
    }
  }

  /// There is no time left, not even to finish.
  package mutating func abandoned() -> Action {
    state == .over ? .nothing : end(cause)
  }

  /// `wakeTime` has come.
  package mutating func expired(at now: Instant) -> Action {
    guard wakeTime <= now else { return .nothing }
    switch state {
    case .arriving: return end(.unrecognised)
    case .resting:
      state = .dialling
      deadline = .never
      return .dial
    case .closing(.resting) where now < deadline:
      state = .closing(.dialling)
      return .dial
    case .closing: return end(cause)
    case .dialling, .talking, .changing, .over: return .nothing
    }
  }

  /// The next moment at which `expired` has something to do.
  package var wakeTime: Instant {
    state == .closing(.resting) ? min(restUntil, deadline) : deadline
  }

  /// None in front of the first attempt behind a session that had done its work. Half as long again
  /// at most, by chance: not all who lost something come back together.
  private func backoff(_ loss: UpstreamLeg.Loss) -> Instant.Span {
    if attempts == 1, loss.life >= .worked { return .zero }
    let microseconds = 100_000 << min(attempts - 1, 6)
    return .microseconds(microseconds + microseconds * Int(loss.chance) / 512)
  }

  private mutating func close(_ finish: Finish, _ why: Cause, _ now: Instant) -> Action {
    cause = why
    state = .closing(finish)
    deadline = now + finishTime
    return finish == .sending ? .flow : .nothing
  }

  private mutating func giveUp(_ why: Cause, at now: Instant) -> Action {
    cause = why
    state = .closing(.playing)
    deadline = now + playTime
    return .play
  }

  private mutating func end(_ why: Cause) -> Action {
    if cause == .none { cause = why }
    state = .over
    deadline = .never
    return .end
  }
}
