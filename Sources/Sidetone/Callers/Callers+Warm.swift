// Sessions that are kept warm (`warm` of a route): calls without a caller, dialled as for one whom
// a webhook has announced, for the next who asks for nothing of its own.
//
//     missing ──dial──▶ on its way ──▶ ready ──take──▶ a caller's
//        ▲                               ├── 60 s old ──▶ left ─┐
//        │                               └── lost, given up ────┤
//        └───────────── at once, or where it was lost later ────┘
//
// 1. They come last: those that there are give way to callers who need their places, and none is
//    dialled where that would touch the last quarter of the places (`dialAhead`).
// 2. Behind one that was lost, or could not be had, the next of that upstream is dialled a while
//    later; the more are lost in a row, the longer. One that is ready ends the row if it was
//    dialled behind the loss: one from before says nothing of how the upstream does now.
// 3. Where none is ready a call dials as ever. One that is lost as it is taken is dialled again by
//    its call, as any session is.
// 4. One that fell back to the route's other upstream is none: callers ask for the first one, and
//    would each fall back as they come. It is given up, and counts as lost.
// 5. A webhook that is to dial ahead has one for its caller where one is ready.

struct WarmSessions {
  fileprivate struct Session {
    let call: SlotID
    let route: Int
    let upstream: Int
    let dialledAt: Instant
    var until: Instant { dialledAt + WarmSessions.life }
  }

  /// No other of an upstream is dialled before then, after so many losses in a row.
  private struct Pause {
    let upstream: Int
    var lostAt = Instant.zero
    var until = Instant.zero
    var losses = 0
  }

  fileprivate var sessions: [Session] = []
  /// When they are to be looked at; `never` where no route wants any.
  fileprivate(set) var nextDue = Instant.never
  /// Of each upstream of which one was lost since one was ready.
  private var pauses: [Pause] = []
  fileprivate var isOver = false

  static let life = Instant.Span.seconds(60)
  static let lookEvery = Instant.Span.seconds(1)
  private static let pauseSecondsMax = 60

  init(_ prepared: Prepared) {
    if prepared.routes.contains(where: { $0.warm > 0 }) { nextDue = .zero }
  }

  /// How many there are, ready or on their way.
  var count: Int { sessions.count }

  fileprivate func mayDial(_ upstream: Int, at now: Instant) -> Bool {
    !isOver && !pauses.contains { $0.upstream == upstream && $0.until > now }
  }

  fileprivate mutating func lost(_ upstream: Int, at now: Instant) {
    let known = pauses.firstIndex { $0.upstream == upstream }
    if known == nil { pauses.append(Pause(upstream: upstream)) }
    let place = known ?? pauses.count - 1
    pauses[place].losses = min(pauses[place].losses + 1, 6)
    pauses[place].lostAt = now
    pauses[place].until = now + .seconds(min(1 << pauses[place].losses, Self.pauseSecondsMax))
  }

  fileprivate mutating func endPause(before session: Session) {
    pauses.removeAll { $0.upstream == session.upstream && $0.lostAt < session.dialledAt }
  }
}

extension Callers {
  /// Leaves those that are old, and dials those that are missing.
  @inline(never) mutating func tendWarm(_ calls: Calls, _ store: Store, _ turn: inout Turn) {
    leaveOld(calls, store, &turn)
    warm.nextDue = .never
    for (place, route) in store.prepared.routes.enumerated()
    where route.warm > 0 && !route.isRetired && route.keyless < 0 {
      if !warm.isOver { warm.nextDue = turn.now + WarmSessions.lookEvery }
      let upstream = route.bots[0].upstream
      while warm.mayDial(upstream, at: turn.now), count(on: place) < route.warm {
        let choice = Choice(bot: 0, upstream: upstream, options: .empty)
        let id = dialAhead(place, choice, calls, store, &turn)
        guard calls.holds(id) else { break }
        warm.sessions.append(
          .init(call: id, route: place, upstream: upstream, dialledAt: turn.now))
      }
    }
  }

  private func count(on route: Int) -> Int {
    warm.sessions.reduce(0) { $0 + ($1.route == route ? 1 : 0) }
  }

  private mutating func leaveOld(_ calls: Calls, _ store: Store, _ turn: inout Turn) {
    var kept: [WarmSessions.Session] = []
    for session in warm.sessions {
      let isHeld = calls.holds(session.call)
      let hasFallenBack = isHeld && calls[session.call.index].upstream.isFallback
      if !isHeld || hasFallenBack || calls[session.call.index].state.isClosing {
        if hasFallenBack { calls.abandon(session.call.index, .unclaimed, store, &turn) }
        turn.counters.warmLost &+= 1
        warm.lost(session.upstream, at: turn.now)
      } else if session.until <= turn.now {
        turn.counters.warmAged &+= 1
        calls.abandon(session.call.index, .unclaimed, store, &turn)
      } else {
        if isReady(session, calls, store) { warm.endPause(before: session) }
        kept.append(session)
      }
    }
    warm.sessions = kept
  }

  /// The caller of this call gets a session that is ready, where it asks for nothing of its own;
  /// which call it has from now on. Nil: there is none.
  mutating func takeWarm(
    for call: Int, bot: Int, _ options: Bytes, _ calls: Calls, _ store: Store, _ turn: inout Turn
  ) -> Int? {
    let route = calls[call].upstream.route
    guard let warm = takeWarm(on: route, bot: bot, options, calls, store, &turn) else { return nil }
    calls.join(call, to: warm.index, store, &turn)
    return warm.index
  }

  /// The same for whoever brings a token that stands for it.
  mutating func takeWarm(
    on route: Int, bot: Int, _ options: Bytes, _ calls: Calls, _ store: Store, _ turn: inout Turn
  ) -> SlotID? {
    guard bot == 0, options.isEmpty, let place = readyWarm(on: route, calls, store) else {
      return nil
    }
    warm.nextDue = turn.now
    turn.counters.warmTaken &+= 1
    return warm.sessions.remove(at: place).call
  }

  /// Whether one is ready for whoever comes by this route and asks for nothing of its own.
  func hasWarm(on route: Int, _ calls: Calls, _ store: Store) -> Bool {
    readyWarm(on: route, calls, store) != nil
  }

  private func readyWarm(on route: Int, _ calls: Calls, _ store: Store) -> Int? {
    warm.sessions.firstIndex { $0.route == route && isReady($0, calls, store) }
  }

  private func isReady(
    _ session: WarmSessions.Session, _ calls: Calls, _ store: Store
  ) -> Bool {
    guard calls.holds(session.call) else { return false }
    let upstream = calls[session.call.index].upstream
    return upstream.isOpen(store) && !upstream.isFallback
  }

  /// Of those on such upstreams the oldest, which gives way to a caller by `route`: one of another
  /// route, if it can be, since its own may be what it gets. Nil: there is none.
  func oldestWarm(of calls: Calls, by route: Int, where isFit: (Int) -> Bool) -> Int? {
    let fit = warm.sessions.filter {
      calls.holds($0.call) && isFit(calls[$0.call.index].upstream.index)
    }
    return (fit.first { $0.route != route } ?? fit.first)?.call.index
  }

  /// All are left, for good.
  mutating func leaveWarm(_ calls: Calls, _ store: Store, _ turn: inout Turn) {
    warm.isOver = true
    leaveWarm(calls, store, &turn) { _ in true }
  }

  /// Settings were read anew: those stay that are what the settings ask for now.
  mutating func followWarm(_ calls: Calls, _ store: Store, _ turn: inout Turn) {
    leaveWarm(calls, store, &turn) {
      let route = store.prepared.routes[$0.route]
      return route.isRetired || route.warm == 0 || route.bots[0].upstream != $0.upstream
    }
  }

  private mutating func leaveWarm(
    _ calls: Calls, _ store: Store, _ turn: inout Turn,
    where isUnwanted: (WarmSessions.Session) -> Bool
  ) {
    let sessions = warm.sessions.filter(isUnwanted)
    warm.sessions.removeAll(where: isUnwanted)
    warm.nextDue = turn.now
    for session in sessions where calls.holds(session.call) {
      calls.abandon(session.call.index, .unclaimed, store, &turn)
    }
  }
}
