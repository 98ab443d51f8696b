// What a request that was let in wants of the calls: a page about them, a call for a caller who has
// come, or one for a caller whom a webhook announces.

extension Callers {
  /// A request has become a call.
  struct Begun {
    var call: Int
    /// What came behind the request, and is still to be received.
    var rest: Bytes
  }

  /// A request's bytes so far. Nil: nothing is to be done about it, or nothing yet.
  mutating func received(
    _ window: Bytes, on link: Int, isAgain: Bool = false, isDraining: Bool, _ calls: Calls,
    _ store: Store, _ turn: inout Turn
  ) -> Begun? {
    let admitted = requests.received(window, on: link, isAgain: isAgain, store, &turn)
    guard let admitted else { return nil }
    do throws(Refusal) {
      return try respond(to: admitted, on: link, isDraining: isDraining, calls, store, &turn)
    } catch {
      requests.refuse(link, error, of: admitted.request, store, &turn)
      return nil
    }
  }

  private mutating func respond(
    to admitted: Requests.Admitted, on link: Int, isDraining: Bool, _ calls: Calls,
    _ store: Store, _ turn: inout Turn
  ) throws(Refusal) -> Begun? {
    switch admitted.destination {
    case .health, .ready, .metrics, .stats:
      try requests.sendPage(admitted, isDraining: isDraining, calls, on: link, store, &turn)
    case .events:
      // While it drains, those who watch its last calls may come.
      if isDraining, calls.inUse == 0 { throw .draining }
      let rest = try requests.subscribe(admitted, on: link, store, &turn)
      if !rest.isEmpty { Subscribers.received(rest, on: link, &turn) }
    case .voice(let route):
      // The stream that the answer names would be refused: the carrier shall use its fallback.
      if isDraining { throw .draining }
      try announceListened(admitted, route, on: link, calls, store, &turn)
    case .connect(let route):
      if isDraining { throw .draining }
      try announce(admitted, route, on: link, calls, store, &turn)
    case .call(let route):
      return try begin(admitted, route, on: link, isDraining: isDraining, calls, store, &turn)
    }
    return nil
  }
}
