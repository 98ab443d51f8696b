// A caller has said who it is: its call is its own, by what it chose or by what its token stands
// for, or the one that was dialled ahead of it.

extension Callers {
  /// One thing that came from a caller and is not simply audio; the call that its socket belongs to
  /// from now on.
  mutating func handle(
    _ event: CallerLeg.Input, of call: Int, _ calls: Calls, _ store: Store, _ turn: inout Turn
  ) -> Int {
    var (call, event) = (call, event)
    while let arrival = calls[call].handle(event, store, &turn) {
      (call, event) = admit(arrival, to: call, calls, store, &turn)
    }
    return call
  }

  /// A caller has said who it is: its call begins, or is refused before any upstream is dialled.
  /// What of its message is still to be handled.
  mutating func admit(
    _ arrival: CallerLeg.Arrival, to call: Int, _ calls: Calls, _ store: Store,
    _ turn: inout Turn
  ) -> (call: Int, event: CallerLeg.Input) {
    guard let call = admitted(call, arrival.parameters, calls, store, &turn) else {
      return (call, .done)
    }
    let event = calls[call].begin(arrival, store, &turn)
    AudioFinding.takeEarly(in: &calls[call], store, &turn)
    calls.noteNamesake(of: call, &turn)
    return (call, event)
  }

  /// Which call a caller begins: its own, by what it chose or its token stands for, or the one that
  /// was dialled ahead. Nil: it was refused.
  private mutating func admitted(
    _ call: Int, _ parameters: Bytes, _ calls: Calls, _ store: Store, _ turn: inout Turn
  ) -> Int? {
    let route = calls[call].upstream.route
    let prepared = store.prepared.routes[route]
    // Who is known may have a parameter of that name for itself.
    if prepared.isGivenTokens, let token = Connect.token(in: parameters),
      calls[call].caller.proof != .known || requests.isToken(token)
    {
      return claimed(token, by: call, route, calls, store, &turn)
    }
    guard calls[call].caller.proof != .tokenOwed else {
      calls[call].end(.noToken, store, &turn)
      return nil
    }
    guard prepared.hasChoice else {
      let isThere =
        calls[call].hasPlace
        || takePlace(call, on: calls[call].upstream.index, calls, store, &turn)
      return isThere ? call : nil
    }
    do throws(Refusal) {
      let choice = try requests.connect.choose(
        parameters: parameters, query: calls[call].upstream.chosen(in: store.pool), route: route,
        as: calls[call].caller.proof == .known ? .secret : .anyone,
        on: turn.log.wall(at: turn.now).day)
      requests.tellReplaced(choice, store, &turn)
      return choose(call, bot: choice.bot, choice.options, calls, store, &turn)
    } catch {
      let words = requests.sentence(of: error, onRoute: route)
      turn.note(.call(.choiceRefused(words)), of: calls[call].record.name)
      calls[call].end(.wrongChoice, store, &turn)
      return nil
    }
  }

  /// The call that a token stands for: the one that was dialled ahead, or the caller's own with
  /// what was chosen for it.
  private mutating func claimed(
    _ token: Bytes, by call: Int, _ route: Int, _ calls: Calls, _ store: Store,
    _ turn: inout Turn
  ) -> Int? {
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
    return choose(
      call, bot: bot(of: held, on: route, store), held.choices.front(in: store.pool), calls,
      store, &turn)
  }

  /// The place of the bot that a token stands for among those of the call's route: settings may
  /// have been read anew since the token was given out.
  private func bot(of held: CallTokens.Held, on route: Int, _ store: Store) -> Int {
    guard held.route != route else { return held.bot }
    let (former, bots) = (store.prepared.routes[held.route].bots, store.prepared.routes[route].bots)
    return bots.firstIndex { $0.name.bytes.equals(former[held.bot].name.bytes) } ?? 0
  }

  /// The caller talks to this bot, with these choices.
  private func choose(
    _ call: Int, bot: Int, _ options: Bytes, _ calls: Calls, _ store: Store, _ turn: inout Turn
  ) -> Int? {
    let upstream = store.prepared.routes[calls[call].upstream.route].bots[bot].upstream
    guard takePlace(call, on: upstream, calls, store, &turn) else { return nil }
    guard calls[call].upstream.become(upstream, bot: bot, options, store) else {
      calls[call].end(.noMemory, store, &turn)
      return nil
    }
    return call
  }

  /// The caller has a place on this upstream from now on, in the place of another that it may have;
  /// false: there is none, and its call ends.
  private func takePlace(
    _ call: Int, on upstream: Int, _ calls: Calls, _ store: Store, _ turn: inout Turn
  ) -> Bool {
    let held = calls[call].hasPlace ? calls[call].upstream.index : nil
    if let refusal = refusal(of: upstream, holding: held, calls, store, &turn) {
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
