// Callers who come, and those whom a webhook has announced: which call is whose. Nobody else sees
// two calls at once.
//
//     webhook ──▶ token (choices, a call without a caller whose upstream is being dialled)
//                   │
//     socket  ──▶ start message ──claim──▶ that call gets its caller, or the choices alone

extension Relay {
  // MARK: A caller has come

  /// A request for a call: everything is checked, then the socket is opened and the call begins.
  func beginCall(
    _ admitted: Requests.Admitted, _ route: Int, on link: Int
  ) throws(Refusal) {
    let request = admitted.request
    let prepared = store.prepared.routes[route]
    guard case .valid(let key) = Upgrade.check(request.head, in: request.bytes) else {
      throw .noSocket(.notAsked)
    }
    let query = request.head.query.bytes(in: request.bytes)
    guard query.count <= Limits.queryBytesMax else { throw .malformed(.targetTooLong) }
    guard let opening = requests.opening(link, prepared, request, store, &turn) else { return }
    if draining.isOn { throw .draining }
    let upstreamIndex: Int
    do throws(Availability.Refusal) {
      upstreamIndex = try place(on: route, asking: query)
    } catch {
      return requests.refuse(link, error, request, store, &turn)
    }
    if calls.isFull { makeRoom(for: admitted.identity) }
    // A call needs its own slot, a link for its upstream, and blocks to begin with.
    guard !calls.isFull, calls.leaveLink(in: store), store.pool.free > Limits.callBlocksMin,
      let id = calls.take()
    else { throw .full }
    let call = id.index
    let proof: CallerLeg.Proof =
      admitted.identity == .token ? .tokenOwed : admitted.identity.isKnown ? .known : .anyone
    var upstream = UpstreamLeg(upstreamIndex, route: route, store)
    if upstream.partner != .nobody || prepared.hasChoice {
      // The caller's options wait beside the call until its upstream is dialled.
      _ = upstream.choose(query.prefix(min(query.count, BlockPool.blockBytes)), from: store.pool)
    }
    calls.place(
      id, CallerLeg(store.links[link].id, proof, input: opening.format),
      from: store.links[link].peer, opening.name, to: upstream, store, &turn)
    // Whom a webhook sends may have a place already, and says so in its first message.
    if prepared.isGivenTokens {
      calls[call].setPlace(isTaken: false)
    } else {
      turn.availability.reserve(upstreamIndex)
    }
    store.links[link].call = id
    requests.openSocket(
      link, key.bytes(in: request.bytes), answering: request, store, &turn)
    turn.guests.becameSocket(link, owesToken: proof == .tokenOwed, at: turn.now)
    turn.note(
      .caller(
        .accepted(
          path: prepared.path.bytes, from: store.links[link].peer,
          isTwoWay: upstream.partner == .talker)), of: opening.name)
    if let row = prepared.opensAtOnce {
      calls[call].caller.become(row)
      _ = admit(CallerLeg.Arrival(message: .empty), to: call)
    }
    let rest = request.bytes.dropping(request.head.length)
    if store.links[link].phase == .caller {
      if rest.isEmpty {
        store.links[link].releaseInbox(store)
      } else {
        receivedFromCaller(rest, on: link)
      }
    }
    calls.settle(call, store, &turn)
  }

  /// The upstream on which a caller who comes gets a place: the one that it wants. Who may still
  /// say which one that is, by its parameters or its token, is not refused for the sake of another,
  /// and waits on any of them.
  private func place(
    on route: Int, asking query: Bytes
  ) throws(Availability.Refusal) -> Int {
    let prepared = store.prepared.routes[route]
    let wanted = requests.connect.bot(named: query, route: route)
    let isDecided = prepared.opensAtOnce != nil || prepared.bots.count == 1
    var first: Availability.Refusal?
    for step in 0..<(isDecided ? 1 : prepared.bots.count) {
      let bot = (wanted + step) % prepared.bots.count
      let upstream = prepared.bots[bot].upstream
      let refusal =
        prepared.isGivenTokens
        ? turn.availability.refusal(of: upstream, isExpected: true, at: turn.now)
        : refusal(of: upstream, holding: nil)
      guard let refusal else { return upstream }
      first = first ?? refusal
    }
    if let first { throw first }
    return prepared.upstream
  }

  /// Why a caller who is there gets no place on this upstream; nil: there is one, if need be that
  /// of a session that was dialled ahead for somebody who has not come.
  private func refusal(of upstream: Int, holding held: Int?) -> Availability.Refusal? {
    while true {
      let refusal = turn.availability.refusal(of: upstream, holding: held, at: turn.now)
      guard let refusal else { return nil }
      guard endAhead(where: { turn.availability.isInTheWay($0, of: upstream, refusal) })
      else { return refusal }
    }
  }

  /// All calls are taken. For a caller who has proven something a session that was dialled ahead
  /// ends, whose own caller can still have another; otherwise the socket gives way that has owed
  /// its token for longest.
  private func makeRoom(for identity: Identity) {
    if identity != .token, endAhead(where: { _ in true }) { return }
    if let guest = turn.guests.oldestSocket { giveWay(guest, .calls) }
  }

  /// Of the sessions that were dialled ahead on such upstreams, the oldest ends; false: there is
  /// none. Its token stays good.
  private func endAhead(where isFit: (Int) -> Bool) -> Bool {
    let oldest = requests.tokens.oldest {
      calls.holds($0.call) && isFit(calls[$0.call.index].upstream.index)
    }
    guard let oldest else { return false }
    calls.abandon(oldest.call.index, .unclaimed, store, &turn)
    return true
  }

  // MARK: Announced

  /// A webhook's call: what was chosen for it waits under a token, and its upstream is dialled.
  func announce(
    _ admitted: Requests.Admitted, _ route: Int, on link: Int
  ) throws(Refusal) {
    let connect = requests.connect
    let choice = try connect.choose(admitted.request, route: route, as: admitted.identity)
    requests.tellReplaced(choice, store, &turn)
    // A token for an upstream that has just refused would only lead to a refusal later.
    if let refusal = turn.availability.refusal(of: choice.upstream, at: turn.now),
      case .refused = refusal
    {
      return requests.refuse(link, refusal, admitted.request, store, &turn)
    }
    let token = try token(for: admitted, route, choice)
    requests.answer(link, store, &turn) {
      connect.write(admitted.request, route: route, token: token, into: &$0)
    }
  }

  /// The token of the call that is announced: the one that it has, where the same is asked again.
  private func token(
    for admitted: Requests.Admitted, _ route: Int, _ choice: Choice
  ) throws(Refusal) -> CallTokens.Token {
    let prepared = store.prepared.routes[route]
    let owner = requests.owner(of: admitted, prepared)
    if let waiting = requests.tokens.waiting(for: owner, at: turn.now) {
      let held = waiting.held
      if waiting.isFresh(at: turn.now), held.bot == choice.bot,
        held.choices.front(in: store.pool).equals(choice.options)
      {
        return requests.seal(waiting, store, turn)
      }
      giveUp(requests.revoke(waiting, of: owner, at: turn.now))
    }
    try requests.checkUses(by: owner, at: turn.now)
    var choices = Chain()
    guard choices.append(choice.options, from: store.pool) else { throw .full }
    let isAhead = prepared.dialsAhead && !requests.tokens.wasUsed(by: owner, at: turn.now)
    let ahead = isAhead ? dialAhead(prepared.stream, choice) : SlotID.none
    let held = CallTokens.Held(
      route: prepared.stream, bot: choice.bot, choices: choices, call: ahead, owner: owner)
    let (token, displaced) = requests.issue(held, store, &turn)
    giveUp(displaced)
    return token
  }

  /// A call whose caller is still to come, with its upstream being dialled; `none` where the relay
  /// or the upstream is too busy for that, or the upstream has lately refused.
  private func dialAhead(_ route: Int, _ choice: Choice) -> SlotID {
    let isBusy =
      calls.inUse * 4 >= calls.capacity * 3
      || turn.availability.refusal(of: choice.upstream, at: turn.now) != nil
      || !turn.availability.hasRoomAhead(choice.upstream)
      || store.pool.free <= Limits.callBlocksMin || !calls.leaveLink(in: store)
    var upstream = UpstreamLeg(choice.upstream, route: route, bot: choice.bot, store)
    guard !isBusy, upstream.partner == .talker, let id = calls.take() else { return .none }
    _ = upstream.choose(choice.options, from: store.pool)
    calls.place(
      id, CallerLeg(.none, .anyone), from: .none, Name(), to: upstream, store, &turn)
    turn.availability.reserve(choice.upstream)
    turn.availability.announce(choice.upstream)
    calls[id.index].announce(store, &turn)
    calls.settle(id.index, store, &turn)
    return calls.holds(id) ? id : .none
  }

  /// The socket that a token was for has not come.
  func giveUp(_ held: CallTokens.Held?) {
    guard var held else { return }
    held.choices.clear(in: store.pool)
    if calls.holds(held.call) { calls.end(held.call.index, .unclaimed, store, &turn) }
  }

  // MARK: Said who they are

  /// One thing that came from a caller and is not simply audio; the call that its socket belongs to
  /// from now on.
  func handle(_ event: CallerLeg.Input, of call: Int) -> Int {
    var (call, event) = (call, event)
    while let arrival = calls[call].handle(event, store, &turn) {
      (call, event) = admit(arrival, to: call)
    }
    return call
  }

  /// A caller has said who it is: its call begins, or is refused before any upstream is dialled.
  /// What of its message is still to be handled.
  func admit(
    _ arrival: CallerLeg.Arrival, to call: Int
  ) -> (call: Int, event: CallerLeg.Input) {
    guard let call = admitted(call, arrival.parameters) else { return (call, .done) }
    let event = calls[call].begin(arrival, store, &turn)
    AudioFinding.takeEarly(in: &calls[call], store, &turn)
    calls.noteNamesake(of: call, &turn)
    return (call, event)
  }

  /// Which call a caller begins: its own, by what it chose or its token stands for, or the one that
  /// was dialled ahead. Nil: it was refused.
  private func admitted(_ call: Int, _ parameters: Bytes) -> Int? {
    let route = calls[call].upstream.route
    let prepared = store.prepared.routes[route]
    // Who is known may have a parameter of that name for itself.
    if prepared.isGivenTokens, let token = Connect.token(in: parameters),
      calls[call].caller.proof != .known || requests.isToken(token)
    {
      guard var held = requests.claim(token, route: route, store, turn) else {
        calls[call].end(.wrongToken, store, &turn)
        return nil
      }
      defer { held.choices.clear(in: store.pool) }
      if store.links.holds(calls[call].caller.link) {
        turn.guests.left(calls[call].caller.link.index)
      }
      if calls.holds(held.call) {
        calls.join(call, to: held.call.index, store, &turn)
        return held.call.index
      }
      return choose(call, bot: held.bot, held.choices.front(in: store.pool))
    }
    guard calls[call].caller.proof != .tokenOwed else {
      calls[call].end(.noToken, store, &turn)
      return nil
    }
    guard prepared.hasChoice else {
      return calls[call].hasPlace || takePlace(call, on: calls[call].upstream.index) ? call : nil
    }
    do throws(Refusal) {
      let choice = try requests.connect.choose(
        parameters: parameters, query: calls[call].upstream.chosen(in: store.pool), route: route,
        as: calls[call].caller.proof == .known ? .secret : .anyone,
        on: turn.log.wall(at: turn.now).day)
      requests.tellReplaced(choice, store, &turn)
      return choose(call, bot: choice.bot, choice.options)
    } catch {
      let words = requests.sentence(of: error, onRoute: route)
      turn.note(.call(.choiceRefused(words)), of: calls[call].record.name)
      calls[call].end(.wrongChoice, store, &turn)
      return nil
    }
  }

  /// The caller talks to this bot, with these choices.
  private func choose(_ call: Int, bot: Int, _ options: Bytes) -> Int? {
    let upstream = store.prepared.routes[calls[call].upstream.route].bots[bot].upstream
    guard takePlace(call, on: upstream) else { return nil }
    guard calls[call].upstream.become(upstream, bot: bot, options, store) else {
      calls[call].end(.noMemory, store, &turn)
      return nil
    }
    return call
  }

  /// The caller has a place on this upstream from now on, in the place of another that it may have;
  /// false: there is none, and its call ends.
  private func takePlace(_ call: Int, on upstream: Int) -> Bool {
    let held = calls[call].hasPlace ? calls[call].upstream.index : nil
    if let refusal = refusal(of: upstream, holding: held) {
      turn.note(.call(.refused(refusal.sentence)), of: calls[call].record.name)
      calls[call].end(refusal.cause, store, &turn)
      return false
    }
    if let held { turn.availability.release(held) }
    turn.availability.reserve(upstream)
    calls[call].setPlace(isTaken: true)
    return true
  }
}
