// Who comes, and whom a webhook has announced: which call is whose. Nobody else decides
// between two calls.
//
//     webhook ──▶ token (choices, a call without a caller whose upstream is being dialled)
//                   │
//     socket  ──▶ start message ──claim──▶ that call gets its caller, or the choices alone
//
// It owns the door (Requests), and with it the tokens; the calls are lent to it. A request that was
// let in (Callers+Requests) is answered, or begins a call (Callers+Arriving), or announces one
// (Callers+Announced); what callers say of themselves is Callers+Choosing. Here is what these ask
// of each other: who makes room for whom, and what becomes of those who do not come.

struct Callers {
  var requests: Requests
  var warm: WarmSessions
}

// MARK: Room

extension Callers {
  /// A guest loses its place to a newcomer, and is told.
  mutating func giveWay(
    _ guest: Int, _ why: Guests.Crowd, _ calls: Calls, _ store: Store, _ turn: inout Turn
  ) {
    turn.note(.guestDisplaced)
    if store.links[guest].phase == .caller {
      requests.tellDisplaced(guest, why, store, &turn)
      calls.endGuest(guest, .crowded, store, &turn)
    } else {
      requests.displace(guest, why, store, &turn)
    }
  }

  /// All calls are taken. For a caller who owes no token a session that was dialled ahead ends,
  /// whose own caller can still have another; otherwise the socket gives way that has owed its
  /// token for longest.
  mutating func makeRoom(
    for identity: Identity, on route: Int, _ calls: Calls, _ store: Store, _ turn: inout Turn
  ) {
    // One that only waits for its files is owed nothing else.
    if let over = calls.firstFiling {
      calls.abandon(over, .none, store, &turn)
    } else if identity != .token,
      let ahead = oldestAhead(of: calls, by: route, where: { _ in true })
    {
      calls.abandon(ahead, .unclaimed, store, &turn)
    } else if let guest = turn.guests.oldestSocket {
      giveWay(guest, .calls, calls, store, &turn)
    }
  }

  /// Why a caller who is there gets no place on this upstream; nil: there is one, if need be that
  /// of a session that was dialled ahead for somebody who has not come.
  func refusal(
    of upstream: Int, holding held: Int?, by route: Int, _ calls: Calls, _ store: Store,
    _ turn: inout Turn
  ) -> Availability.Refusal? {
    while let refusal = turn.availability.refusal(of: upstream, holding: held, at: turn.now) {
      let ahead = oldestAhead(of: calls, by: route) {
        turn.availability.isInTheWay($0, of: upstream, refusal)
      }
      guard let ahead else { return refusal }
      calls.abandon(ahead, .unclaimed, store, &turn)
    }
    return nil
  }

  /// Of the sessions that were dialled ahead on such upstreams, a warm one, or the one that has
  /// waited for longest; nil: there is none. Where it ends, its token stays good.
  private func oldestAhead(
    of calls: Calls, by route: Int, where isFit: (Int) -> Bool
  ) -> Int? {
    if let warm = oldestWarm(of: calls, by: route, where: isFit) { return warm }
    return requests.tokens.oldest {
      calls.holds($0.call) && isFit(calls[$0.call.index].upstream.index)
    }?.call.index
  }
}

// MARK: Those who have not come

extension Callers {
  /// When the oldest token is good no more.
  var nextExpiry: Instant { @inline(__always) get { requests.tokens.nextExpiry } }

  /// What was kept for callers who have not come in time is given up.
  mutating func expire(_ calls: Calls, _ store: Store, _ turn: inout Turn) {
    while let held = requests.tokens.expired(at: turn.now) { giveUp(held, calls, store, &turn) }
  }

  /// The same for all who are still to come: their sockets would be refused.
  mutating func giveUpAll(_ calls: Calls, _ store: Store, _ turn: inout Turn) {
    while let held = requests.tokens.remove() { giveUp(held, calls, store, &turn) }
    leaveWarm(calls, store, &turn)
  }

  /// The socket that a token was for has not come.
  func giveUp(
    _ held: CallTokens.Held?, _ calls: Calls, _ store: Store, _ turn: inout Turn
  ) {
    guard var held else { return }
    held.choices.clear(in: store.pool)
    if calls.holds(held.call) { calls.end(held.call.index, .unclaimed, store, &turn) }
  }
}
