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
// 2. Behind one that was lost, or could not be had, the next is dialled a while later.
// 3. Where none is ready a call dials as ever. One that is lost as it is taken is dialled again by
//    its call, as any session is.

struct WarmSessions {
  fileprivate struct Session {
    let call: SlotID
    let route: Int
    let until: Instant
  }

  fileprivate var sessions: [Session] = []
  /// When they are to be looked at; `never` where no route wants any.
  fileprivate(set) var nextDue = Instant.never
  /// No other is dialled before then, after so many losses in a row.
  private var dialsFrom = Instant.zero
  private var losses = 0
  fileprivate var isOver = false

  static let life = Instant.Span.seconds(60)
  static let lookEvery = Instant.Span.seconds(1)
  private static let pauseSecondsMax = 60

  init(_ prepared: Prepared) {
    if prepared.routes.contains(where: { $0.warm > 0 }) { nextDue = .zero }
  }

  /// How many there are, ready or on their way.
  var count: Int { sessions.count }

  fileprivate func mayDial(at now: Instant) -> Bool { !isOver && dialsFrom <= now }

  fileprivate mutating func lost(at now: Instant) {
    losses = min(losses + 1, 6)
    dialsFrom = now + .seconds(min(1 << losses, Self.pauseSecondsMax))
  }

  fileprivate mutating func wasReady() { losses = 0 }
}

extension Callers {
  /// Leaves those that are old, and dials those that are missing.
  @inline(never) mutating func tendWarm(_ calls: Calls, _ store: Store, _ turn: inout Turn) {
    leaveOld(calls, store, &turn)
    warm.nextDue = .never
    for (place, route) in store.prepared.routes.enumerated()
    where route.warm > 0 && !route.isRetired && route.keyless < 0 {
      if !warm.isOver { warm.nextDue = turn.now + WarmSessions.lookEvery }
      while warm.mayDial(at: turn.now), count(on: place) < route.warm {
        let choice = Choice(bot: 0, upstream: route.bots[0].upstream, options: .empty)
        let id = dialAhead(place, choice, calls, store, &turn)
        guard calls.holds(id) else { break }
        let until = turn.now + WarmSessions.life
        warm.sessions.append(.init(call: id, route: place, until: until))
      }
    }
  }

  private func count(on route: Int) -> Int {
    warm.sessions.reduce(0) { $0 + ($1.route == route ? 1 : 0) }
  }

  private mutating func leaveOld(_ calls: Calls, _ store: Store, _ turn: inout Turn) {
    var kept: [WarmSessions.Session] = []
    for session in warm.sessions {
      if !calls.holds(session.call) || calls[session.call.index].state.isClosing {
        turn.counters.warmLost &+= 1
        warm.lost(at: turn.now)
      } else if session.until <= turn.now {
        turn.counters.warmAged &+= 1
        calls.abandon(session.call.index, .unclaimed, store, &turn)
      } else {
        if calls[session.call.index].upstream.isOpen(store) { warm.wasReady() }
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
    guard !warm.sessions.isEmpty, bot == 0, options.isEmpty else { return nil }
    let route = calls[call].upstream.route
    let place = warm.sessions.firstIndex {
      $0.route == route && calls.holds($0.call)
        && calls[$0.call.index].upstream.isOpen(store)
        && !calls[$0.call.index].upstream.isFallback
    }
    guard let place else { return nil }
    let session = warm.sessions.remove(at: place)
    warm.nextDue = turn.now
    turn.counters.warmTaken &+= 1
    calls.join(call, to: session.call.index, store, &turn)
    return session.call.index
  }

  /// Of those on such upstreams the oldest, which gives way to a caller; nil: there is none.
  func oldestWarm(of calls: Calls, where isFit: (Int) -> Bool) -> Int? {
    warm.sessions.first {
      calls.holds($0.call) && isFit(calls[$0.call.index].upstream.index)
    }?.call.index
  }

  /// All are left. `isOver`: for good; else those that the settings ask for now follow.
  mutating func leaveWarm(isOver: Bool, _ calls: Calls, _ store: Store, _ turn: inout Turn) {
    warm.isOver = isOver
    let sessions = warm.sessions
    warm.sessions = []
    warm.nextDue = turn.now
    for session in sessions where calls.holds(session.call) {
      calls.abandon(session.call.index, .unclaimed, store, &turn)
    }
  }
}
