// A caller has come: everything is checked, a place on an upstream is found for it, and its call
// begins.

extension Callers {
  /// A request for a call. Nil: it was refused.
  mutating func begin(
    _ admitted: Requests.Admitted, _ route: Int, on link: Int, isDraining: Bool, _ calls: Calls,
    _ store: Store, _ turn: inout Turn
  ) throws(Refusal) -> Begun? {
    let request = admitted.request
    let prepared = store.prepared.routes[route]
    guard case .valid(let key) = Upgrade.check(request.head, in: request.bytes) else {
      throw .noSocket(.notAsked)
    }
    let query = request.head.query.bytes(in: request.bytes)
    guard query.count <= Limits.queryBytesMax else { throw .malformed(.targetTooLong) }
    guard let opening = requests.opening(link, prepared, request, store, &turn) else { return nil }
    if isDraining { throw .draining }
    let place: Booking
    do throws(Availability.Refusal) {
      place = try self.place(on: route, asking: query, calls, store, &turn)
    } catch {
      requests.refuse(link, error, request, store, &turn)
      return nil
    }
    if calls.isFull { makeRoom(for: admitted.identity, on: route, calls, store, &turn) }
    // A call needs its own slot, a link for its upstream, and blocks to begin with.
    guard !calls.isFull, calls.hasLinkToSpare(in: store), store.pool.free > Limits.callBlocksMin,
      let id = calls.take()
    else { throw .full }
    let call = id.index
    let proof: CallerLeg.Proof =
      admitted.identity == .token ? .tokenOwed : admitted.identity.isKnown ? .known : .anyone
    var upstream = UpstreamLeg(place.upstream, route: route, bot: place.bot, store)
    if upstream.partner != .nobody || prepared.hasChoice {
      // The caller's options wait beside the call until its upstream is dialled.
      _ = upstream.choose(query.prefix(min(query.count, BlockPool.blockBytes)), from: store.pool)
    }
    calls.place(
      id, CallerLeg(store.links[link].id, proof, input: opening.format),
      from: store.links[link].peer, opening.name, to: upstream, store, &turn)
    // Whom a webhook sends may have a place already, and says so in its first message.
    calls[call].setPlace(isTaken: place.isTaken)
    if place.isTaken { turn.availability.reserve(place.upstream) }
    store.links[link].call = id
    requests.openSocket(
      link, key.bytes(in: request.bytes), answering: request, store, &turn)
    turn.guests.becameSocket(link, owesToken: proof == .tokenOwed, at: turn.now)
    turn.note(
      .caller(
        .accepted(
          path: prepared.path.bytes, from: store.links[link].peer,
          isTwoWay: upstream.partner == .talker)), of: opening.name)
    var begun = call
    if let row = prepared.opensAtOnce {
      calls[call].caller.become(row)
      begun = admit(CallerLeg.Arrival(message: .empty), to: call, calls, store, &turn).call
    }
    guard store.links[link].phase == .caller else { return Begun(call: begun, rest: .empty) }
    let rest = request.bytes.dropping(request.head.length)
    if rest.isEmpty { store.links[link].releaseInbox(store) }
    return Begun(call: begun, rest: rest)
  }

  private struct Booking {
    var upstream: Int
    var bot = 0
    /// False: it is found when the caller has said who it is.
    var isTaken: Bool
  }

  /// The upstream on which a caller who comes gets a place: the one that it wants, or the route's
  /// fallback. Who may still say which one that is, by its parameters or its token, is not refused
  /// for the sake of another, and waits on any of them. Where all are taken, one for whom a session
  /// is ready has the place of that.
  private func place(
    on route: Int, asking query: Bytes, _ calls: Calls, _ store: Store, _ turn: inout Turn
  ) throws(Availability.Refusal) -> Booking {
    let prepared = store.prepared.routes[route]
    let isGivenTokens = prepared.isGivenTokens
    if query.isEmpty, !isGivenTokens, hasWarm(on: route, calls, store),
      turn.availability.refusal(of: prepared.upstream, at: turn.now) != nil,
      turn.availability.refusal(of: prepared.upstream, isExpected: true, at: turn.now) == nil
    {
      return Booking(upstream: prepared.upstream, isTaken: false)
    }
    let wanted = requests.connect.bot(named: query, route: route)
    let isDecided = prepared.opensAtOnce != nil || prepared.bots.count == 1
    var first: Availability.Refusal?
    for step in 0..<(isDecided ? 1 : prepared.bots.count) {
      let bot = (wanted + step) % prepared.bots.count
      let upstream = prepared.bots[bot].upstream
      let refusal =
        isGivenTokens
        ? turn.availability.refusal(of: upstream, isExpected: true, at: turn.now)
        : refusal(of: upstream, holding: nil, by: route, calls, store, &turn)
      // What was chosen is told later; until then the first of the bots stands for all.
      guard let refusal else { return Booking(upstream: upstream, isTaken: !isGivenTokens) }
      first = first ?? refusal
    }
    if let fallback = prepared.fallback?.upstream {
      if isGivenTokens {
        // It takes no place yet, and will find one there.
        let refusal = turn.availability.refusal(of: fallback, isExpected: true, at: turn.now)
        if refusal == nil { return Booking(upstream: prepared.upstream, isTaken: false) }
      } else if refusal(of: fallback, holding: nil, by: route, calls, store, &turn) == nil {
        return Booking(upstream: fallback, bot: Int(UpstreamLeg.fallback), isTaken: true)
      }
    }
    if let first { throw first }
    return Booking(upstream: prepared.upstream, isTaken: !isGivenTokens)
  }
}
