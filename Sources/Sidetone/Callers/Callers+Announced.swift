// A webhook announces a caller: what was chosen for the call waits under a token. Where the route
// says so (`dial_ahead`), a voice model is dialled meanwhile.

extension Callers {
  /// A webhook's call that is only listened to: its socket brings a token, where it has no other
  /// proof.
  mutating func announceListened(
    _ admitted: Requests.Admitted, _ route: Int, on link: Int, _ calls: Calls, _ store: Store,
    _ turn: inout Turn
  ) throws(Refusal) {
    let prepared = store.prepared.routes[route]
    var token: CallTokens.Token?
    if prepared.isGivenTokens {
      let choice = Choice(bot: 0, upstream: prepared.upstream, options: .empty)
      token = try self.token(for: admitted, route, choice, calls, store, &turn)
    }
    let voice = requests.voice
    requests.answer(link, store, &turn) {
      voice.write(admitted.request, route: route, token: token, into: &$0)
    }
  }

  /// A webhook's call to a bot.
  mutating func announce(
    _ admitted: Requests.Admitted, _ route: Int, on link: Int, _ calls: Calls, _ store: Store,
    _ turn: inout Turn
  ) throws(Refusal) {
    let connect = requests.connect
    let choice = try connect.choose(admitted.request, route: route, as: admitted.identity)
    requests.tellReplaced(choice, store, &turn)
    // A token for an upstream that has just refused would only lead to a refusal later.
    let hasFallback = store.prepared.routes[store.prepared.routes[route].stream].fallback != nil
    if let refusal = turn.availability.refusal(of: choice.upstream, at: turn.now),
      case .refused = refusal, !hasFallback
    {
      return requests.refuse(link, refusal, admitted.request, store, &turn)
    }
    let token = try token(for: admitted, route, choice, calls, store, &turn)
    requests.answer(link, store, &turn) {
      connect.write(admitted.request, route: route, token: token, into: &$0)
    }
  }

  /// The token of the call that is announced: the one that it has, where the same is asked again.
  private mutating func token(
    for admitted: Requests.Admitted, _ route: Int, _ choice: Choice, _ calls: Calls,
    _ store: Store, _ turn: inout Turn
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
      giveUp(requests.revoke(waiting, of: owner, at: turn.now), calls, store, &turn)
    }
    try requests.checkUses(by: owner, at: turn.now)
    var choices = Chain()
    guard choices.append(choice.options, from: store.pool) else { throw .full }
    let isAhead = prepared.dialsAhead && !requests.tokens.wasUsed(by: owner, at: turn.now)
    let ahead = isAhead ? self.ahead(on: prepared.stream, choice, calls, store, &turn) : .none
    let held = CallTokens.Held(
      route: prepared.stream, bot: choice.bot, choices: choices, call: ahead, owner: owner)
    let (token, displaced) = requests.issue(held, store, &turn)
    giveUp(displaced, calls, store, &turn)
    return token
  }

  /// A session that is ready already, or one that is dialled.
  private mutating func ahead(
    on route: Int, _ choice: Choice, _ calls: Calls, _ store: Store, _ turn: inout Turn
  ) -> SlotID {
    takeWarm(on: route, bot: choice.bot, choice.options, calls, store, &turn)
      ?? dialAhead(route, choice, calls, store, &turn)
  }

  /// A call whose caller is still to come, with its upstream being dialled; `none` where the relay
  /// or the upstream is too busy for that, the upstream has lately refused, or only listens.
  func dialAhead(
    _ route: Int, _ choice: Choice, _ calls: Calls, _ store: Store, _ turn: inout Turn
  ) -> SlotID {
    let isBusy =
      calls.inUse * 4 >= calls.capacity * 3
      || turn.availability.refusal(of: choice.upstream, at: turn.now) != nil
      || !turn.availability.hasRoomAhead(choice.upstream)
      || store.pool.free <= Limits.callBlocksMin || !calls.hasLinkToSpare(in: store)
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
}
