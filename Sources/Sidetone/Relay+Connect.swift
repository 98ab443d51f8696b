// Webhooks that connect a caller with us, and the callers who then come: what was chosen waits
// under a token for the call's socket, and so may a session that was dialled in the meantime.
//
//     webhook ──▶ token (choices, a call without a caller whose upstream is being dialled)
//                   │
//     socket  ──▶ start message ──claim──▶ that call gets its caller, or the choices alone

extension Relay {
  // MARK: The webhook

  func sendConnect(
    _ index: Int, _ route: Int, _ visit: Visit, _ identity: Identity
  ) throws(Refusal) {
    let choice = try connect.choose(visit, route: route, as: identity)
    var choices = Chain()
    guard choices.append(choice.options, from: pool) else { throw .full }
    let stream = routes[route].stream
    let ahead =
      routes[route].dialsAhead ? dialAhead(stream, choice, visit.now) : SlotID.none
    let held = CallTokens.Held(route: stream, bot: choice.bot, choices: choices, call: ahead)
    let (token, displaced) = tokens.issue(held, random: &random, at: visit.now)
    if let displaced { release(displaced, visit.now) }
    answer(index, visit.now) { self.connect.write(visit, route: route, token: token, into: &$0) }
  }

  /// A call whose caller is still to come, with its upstream being dialled; `none` where the relay
  /// or the upstream is too busy for that, or the upstream has lately refused.
  private func dialAhead(_ route: Int, _ choice: Choice, _ now: Instant) -> SlotID {
    let upstream = upstreams[choice.upstream]
    let health = healths[choice.upstream]
    let isBusy =
      calls.inUse * 4 >= calls.capacity * 3
      || health.calls >= upstream.sessionsMax || health.refusedUntil > now
      || pool.free <= Limits.callBlocksMin || !hasLinkToSpare || !hasRoomForTalk
    guard !isBusy, Upstream.all[upstream.kind].voice != nil, let id = calls.take() else {
      return .none
    }
    let call = id.index
    calls[call] = Call(
      route: route, upstream: choice.upstream, kind: upstream.kind, caller: .none, peer: .none,
      limits: limits, at: now, wall: wall(at: now))
    calls[call].bot = choice.bot
    _ = calls[call].choices.append(choice.options, from: pool)
    healths[choice.upstream].calls &+= 1
    timers.set(callTimer(call), .never)
    guard settleFormats(call, Upstream.all[upstream.kind]) else {
      end(call, .unsupported, now)
      return .none
    }
    calls[call].isAhead = true
    healths[choice.upstream].ahead &+= 1
    perform(calls[call].life.started(), call, now)
    return calls.holds(id) ? id : .none
  }

  /// The socket that a token was for has not come.
  func release(_ held: CallTokens.Held, _ now: Instant) {
    var held = held
    held.choices.clear(in: pool)
    if calls.holds(held.call) { end(held.call.index, .unclaimed, now) }
  }

  // MARK: The caller

  /// Which call the start message of this one begins: its own, by what it chose or its token stands
  /// for, or the one that was dialled ahead. Nil: it was refused, before any upstream was dialled.
  func admitted(_ call: Int, _ parameters: Bytes, _ now: Instant) -> Int? {
    let route = calls[call].route
    if routes[route].isGivenTokens, let token = Connect.token(in: parameters) {
      guard var held = tokens.claim(token, route: route, at: now) else {
        end(call, .wrongToken, now)
        return nil
      }
      defer { held.choices.clear(in: pool) }
      if calls.holds(held.call) { return join(call, held.call.index, now) }
      return choose(call, bot: held.bot, held.choices.front(in: pool), now)
    }
    guard !calls[call].needsToken else {
      end(call, .noToken, now)
      return nil
    }
    guard Upstream.all[calls[call].kind].voice != nil else { return call }
    do throws(Refusal) {
      let choice = try connect.choose(
        parameters: parameters, query: calls[call].choices.front(in: pool), route: route,
        as: calls[call].isKnown ? .secret : .anyone)
      return choose(call, bot: choice.bot, choice.options, now)
    } catch {
      log(.warning, "call_refused", call: call, at: now) { $0.write(error.sentence) }
      end(call, .wrongChoice, now)
      return nil
    }
  }

  /// Begins the call of a caller who has no start message, so no token either.
  func open(_ call: Int, _ now: Instant) {
    if let call = admitted(call, .empty, now) { start(call, now) }
  }

  /// The caller talks to this bot, with these choices.
  private func choose(_ call: Int, bot: Int, _ options: Bytes, _ now: Instant) -> Int? {
    let upstream = routes[calls[call].route].bots[bot].upstream
    let isSame = upstream == calls[call].upstream
    // Even of the same one it may have been let in for a session dialled ahead that was not for it.
    let others = healths[upstream].calls &- (isSame ? 1 : 0)
    let isFull = others >= upstreams[upstream].sessionsMax
    guard !isFull, isSame || healths[upstream].refusedUntil <= now else {
      end(call, .upstreamBusy, now)
      return nil
    }
    if !isSame {
      healths[calls[call].upstream].calls &-= 1
      healths[upstream].calls &+= 1
      calls[call].upstream = upstream
      calls[call].kind = upstreams[upstream].kind
    }
    calls[call].bot = bot
    calls[call].choices.clear(in: pool)
    guard calls[call].choices.append(options, from: pool) else {
      end(call, .noMemory, now)
      return nil
    }
    return call
  }

  /// The caller of `call` becomes that of the one that was dialled for it.
  private func join(_ call: Int, _ ahead: Int, _ now: Instant) -> Int {
    calls[ahead].caller = calls[call].caller
    calls[ahead].peer = calls[call].peer
    calls[ahead].startedAt = calls[call].startedAt
    calls[ahead].startedWall = calls[call].startedWall
    calls[ahead].messagesSeen = calls[call].messagesSeen
    calls[ahead].messagesBad = calls[call].messagesBad
    setCarrier(ahead, calls[call].carrier)
    links[calls[call].caller.index].call = calls.id(at: ahead)
    healths[calls[call].upstream].calls &-= 1
    calls[call].choices.clear(in: pool)
    timers.set(callTimer(call), .never)
    calls.release(calls.id(at: call))
    return ahead
  }
}
