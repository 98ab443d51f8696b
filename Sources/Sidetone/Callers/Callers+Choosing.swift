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
      if calls[call].hasPlace {
        if calls[call].upstream.isFallback {
          noteFallback(of: call, from: prepared.upstream, "it has no place", calls, store, &turn)
        }
        return call
      }
      switch findPlace(call, on: calls[call].upstream.index, calls, store, &turn) {
      case .nowhere: return nil
      case .there: return call
      case .fallback(let upstream):
        calls[call].upstream.fallBack(to: upstream, store)
        return call
      }
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
  private mutating func choose(
    _ call: Int, bot: Int, _ options: Bytes, _ calls: Calls, _ store: Store, _ turn: inout Turn
  ) -> Int? {
    if let warm = takeWarm(for: call, bot: bot, options, calls, store, &turn) { return warm }
    let upstream = calls[call].upstream.preparedRoute(store).bots[bot].upstream
    let place = findPlace(call, on: upstream, calls, store, &turn)
    if case .nowhere = place { return nil }
    guard calls[call].upstream.become(upstream, bot: bot, options, store) else {
      calls[call].end(.noMemory, store, &turn)
      return nil
    }
    if case .fallback(let other) = place { calls[call].upstream.fallBack(to: other, store) }
    return call
  }

  private enum Place {
    case there
    /// On this upstream, the route's fallback.
    case fallback(Int)
    case nowhere
  }

  /// A place on this upstream, or on the route's fallback; where there is neither the call ends.
  private func findPlace(
    _ call: Int, on upstream: Int, _ calls: Calls, _ store: Store, _ turn: inout Turn
  ) -> Place {
    guard let refusal = takePlace(call, on: upstream, calls, store, &turn) else { return .there }
    let fallback = calls[call].upstream.preparedRoute(store).fallback?.upstream
    if let fallback, takePlace(call, on: fallback, calls, store, &turn) == nil {
      noteFallback(of: call, from: upstream, refusal.sentence, calls, store, &turn)
      return .fallback(fallback)
    }
    turn.note(.call(.refused(refusal.sentence)), of: calls[call].record.name)
    calls[call].end(refusal.cause, store, &turn)
    return .nowhere
  }

  private func noteFallback(
    of call: Int, from upstream: Int, _ sentence: StaticString, _ calls: Calls, _ store: Store,
    _ turn: inout Turn
  ) {
    guard let fallback = calls[call].upstream.preparedRoute(store).fallback?.upstream else {
      return
    }
    let names = store.prepared.upstreams
    let fellBack = Event.OfUpstream.fellBack(
      names[upstream].name.bytes, to: names[fallback].name.bytes, sentence)
    turn.note(.fallback)
    turn.note(.upstream(fellBack), of: calls[call].record.identity)
  }

  /// The caller has a place on this upstream from now on, in the place of another that it may have;
  /// why there is none, or nil.
  private func takePlace(
    _ call: Int, on upstream: Int, _ calls: Calls, _ store: Store, _ turn: inout Turn
  ) -> Availability.Refusal? {
    let held = calls[call].hasPlace ? calls[call].upstream.index : nil
    let route = calls[call].upstream.route
    if let refusal = refusal(of: upstream, holding: held, by: route, calls, store, &turn) {
      return refusal
    }
    if let held { turn.availability.release(held) }
    turn.availability.reserve(upstream)
    calls[call].setPlace(isTaken: true)
    return nil
  }
}
