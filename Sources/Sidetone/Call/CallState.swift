// The states of one call: which state it is in, and what has to be done when something happens to
// it. Nothing is done here; every input returns one action for the call to perform.
//
//               who it is            upstream stands
//   arriving ──────────────▶ dialling ────────────▶ talking
//      │                      ▲    │                   │
//      │           pause over │    │ refused, lost     │ lost
//      │                      │    ▼                   │
//      │                     resting ◀─────────────────┘
//      │                         │
//      │ any way out             │ any way out, from any of the three
//      ▼                         ▼
//    over ◀────────────────── closing
//               last results delivered, or time is up
//
// Rules that couple the two legs:
// 1. Either leg can fail in every state. A caller who leaves (stop, Close, reset, silence,
//    watchdog, drain) always enters `closing`; so does an upstream that is gone for good.
// 2. `closing` owes the caller the words it has said: what is kept is sent (if need be after the
//    dialling has succeeded), the upstream is told to finish, its last results are delivered, then
//    everything is closed. All of it within one deadline.
// 3. An upstream lost in mid-call is dialled again after a pause that doubles; any result from it
//    starts the count anew.
// 4. Every call reaches `over` exactly once, with one cause.

package struct CallState: BitwiseCopyable, Sendable {
  package enum State: Equatable, BitwiseCopyable, Sendable {
    /// The caller is connected but has not yet said who it is. Ways out: dialling, over.
    case arriving
    /// The upstream is being opened; audio is kept. Ways out: talking, resting, closing, over.
    case dialling
    /// A pause before the next attempt; audio is kept. Ways out: dialling, closing.
    case resting
    /// Both legs stand. Ways out: dialling (another session takes over), resting, closing, over.
    case talking
    /// The caller is done; its words are not yet. Ways out: over.
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
    /// Close both legs, write the end, give everything back.
    case end
  }

  package private(set) var state = State.arriving
  /// Why the call ends, from the moment that is known.
  package private(set) var cause = Cause.none
  /// When the state has lasted long enough; what it means depends on the state.
  private var deadline: Instant
  private var restUntil = Instant.never
  private var attempts = 0
  private let attemptsMax: Int
  private let finishTime: Instant.Span

  package init(limits: Limits, at now: Instant) {
    attemptsMax = limits.redialsMax
    finishTime = .seconds(limits.finishSeconds)
    deadline = now + .seconds(limits.recogniseSeconds)
  }

  package var isClosing: Bool {
    switch state {
    case .closing, .over: return true
    case .arriving, .dialling, .resting, .talking: return false
    }
  }

  /// The caller said who it is and what it sends. One whose upstream was dialled ahead is already
  /// on its way.
  package mutating func started() -> Action {
    switch state {
    case .arriving:
      state = .dialling
      deadline = .never
      return .dial
    case .dialling, .resting, .talking, .closing, .over: return .nothing
    }
  }

  /// The upstream's handshake succeeded.
  package mutating func opened() -> Action {
    switch state {
    case .dialling:
      state = .talking
      return .flow
    case .closing(.dialling):
      state = .closing(.sending)
      return .flow
    case .arriving, .resting, .talking, .closing, .over:
      preconditionFailure("only what was dialled can open")
    }
  }

  /// The upstream did its work: it may fail as often again.
  package mutating func progressed() { attempts = 0 }

  /// Everything that is kept has been handed to the upstream.
  package mutating func drained() -> Action {
    switch state {
    case .closing(.sending):
      state = .closing(.waiting)
      return .finish
    case .arriving, .dialling, .resting, .talking, .closing, .over: return .nothing
    }
  }

  /// The upstream was refused or broke. `retry`: whether another attempt can help; `pause`: the
  /// least time it asked us to wait.
  package mutating func upstreamLost(
    retry: Bool, pause: Instant.Span, cause lost: Cause, at now: Instant
  ) -> Action {
    switch state {
    case .dialling, .talking:
      attempts += 1
      guard retry, attempts <= attemptsMax else { return end(lost) }
      state = .resting
      deadline = now + max(backoff, pause)
      return .rest
    case .closing(.dialling), .closing(.sending), .closing(.waiting):
      // Words that were not yet final are said again to the next session, while there is time.
      attempts += 1
      let next = now + max(backoff, pause)
      guard retry, attempts <= attemptsMax, next < deadline else { return end(lost) }
      state = .closing(.resting)
      restUntil = next
      return .rest
    case .arriving, .resting, .closing(.resting), .over: return .nothing
    }
  }

  /// The upstream closed well after it was told to finish.
  package mutating func upstreamFinished() -> Action {
    switch state {
    case .closing: return end(cause)
    case .arriving, .dialling, .resting, .talking, .over: return .nothing
    }
  }

  /// The upstream will not say when it has finished: it is given so long.
  package mutating func hurry(until time: Instant) {
    if case .closing = state { deadline = min(deadline, time) }
  }

  /// The upstream will end the session soon: another one takes over.
  package mutating func handOver() -> Action {
    switch state {
    case .talking:
      state = .dialling
      return .dial
    case .arriving, .dialling, .resting, .closing, .over: return .nothing
    }
  }

  /// The caller will say no more, for whatever reason. The first cause stays.
  package mutating func callerDone(_ why: Cause, at now: Instant) -> Action {
    switch state {
    case .arriving: return end(why)
    case .dialling: return close(.dialling, why, now)
    case .resting:
      restUntil = deadline
      return close(.resting, why, now)
    case .talking: return close(.sending, why, now)
    case .closing, .over: return .nothing
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
    case .dialling, .talking, .over: return .nothing
    }
  }

  /// The next moment at which `expired` has something to do.
  package var wakeTime: Instant {
    state == .closing(.resting) ? min(restUntil, deadline) : deadline
  }

  private var backoff: Instant.Span { .milliseconds(100 << min(attempts - 1, 6)) }

  private mutating func close(_ finish: Finish, _ why: Cause, _ now: Instant) -> Action {
    cause = why
    state = .closing(finish)
    deadline = now + finishTime
    return finish == .sending ? .flow : .nothing
  }

  private mutating func end(_ why: Cause) -> Action {
    if cause == .none { cause = why }
    state = .over
    deadline = .never
    return .end
  }
}
