// What a request that was let in wants of the calls: a page about them, a call for a caller who has
// come, or one for a caller whom a webhook announces.
//
//     webhook ──▶ token (choices, a call without a caller whose upstream is being dialled)
//                   │
//     socket  ──▶ start message ──claim──▶ that call gets its caller, or the choices alone

extension Relay {
  func receivedRequest(_ window: Bytes, on link: Int) {
    guard let admitted = requests.received(window, on: link, store, &turn) else { return }
    do throws(Refusal) {
      try respond(to: admitted, on: link)
    } catch {
      requests.refuse(link, error, isHead: admitted.isHead, store, &turn)
    }
  }

  func refuseLate(_ link: Int) { requests.refuse(link, .timedOut, store, &turn) }

  private func respond(to admitted: Requests.Admitted, on link: Int) throws(Refusal) {
    let isHead = admitted.isHead
    let pages = requests.pages
    switch admitted.destination {
    case .health:
      let snapshot = snapshot
      requests.answer(link, store, &turn) { pages.writeHealth(snapshot, isHead: isHead, into: &$0) }
    case .ready:
      let snapshot = snapshot
      requests.answer(link, store, &turn) { pages.writeReady(snapshot, isHead: isHead, into: &$0) }
    case .metrics:
      let (snapshot, delays) = (snapshot, turn.delays)
      requests.answer(link, store, &turn) {
        pages.writeMetrics(snapshot, delays: delays, isHead: isHead, into: &$0)
      }
    case .stats: try sendStats(link, isHead)
    case .voice(let route):
      // The stream that the answer names would be refused: the carrier shall use its fallback.
      if draining != .no { throw .draining }
      let voice = requests.voice
      requests.answer(link, store, &turn) {
        voice.write(admitted.request, route: route, into: &$0)
      }
    case .connect(let route):
      if draining != .no { throw .draining }
      try announce(admitted, route, on: link)
    case .call(let route): try beginCall(admitted, route, on: link)
    }
  }

  // MARK: Pages

  /// A row for each call may be more than the scratch holds: it is written in a large buffer.
  private func sendStats(_ link: Int, _ isHead: Bool) throws(Refusal) {
    guard let buffer = store.large.take() else { throw .full }
    defer { store.large.give(buffer) }
    var writer = Writer(store.large.bytes(buffer))
    var stats = requests.pages.beginStats(snapshot, isHead: isHead, into: &writer)
    for call in 0..<calls.capacity where calls.isInUse(call) {
      stats.write(calls[call].record.row(at: turn.now), into: &writer)
    }
    stats.end(into: &writer)
    let blocks = writer.count / BlockPool.blockBytes + store.limits.callsMax
    guard store.pool.free > blocks else { throw .full }
    requests.send(link, writer.written, store, &turn)
  }

  private var snapshot: Snapshot {
    var snapshot = Snapshot()
    snapshot.wall = turn.log.wall(at: turn.now)
    snapshot.uptime = turn.now - startedAt
    snapshot.readiness = readiness
    snapshot.callsActive = calls.inUse
    snapshot.callsMax = calls.capacity
    snapshot.links = store.links.inUse
    snapshot.linksMax = store.links.capacity
    snapshot.blocks = store.pool.capacity - store.pool.free
    snapshot.blocksMax = store.pool.capacity
    snapshot.linesDropped = turn.log.dropped
    snapshot.totals = turn.counters
    return snapshot
  }

  /// Ready: a new call would be served by at least one route.
  private var readiness: Readiness {
    if draining != .no { return .draining }
    if calls.isFull { return .full }
    let prepared = store.prepared
    let isServed = prepared.routes.contains { route in
      route.kind == .call
        && route.bots.contains {
          prepared.upstreams[$0.upstream].isUsable
            && turn.availability.isWell($0.upstream, at: turn.now)
        }
    }
    return isServed ? .ready : .noUpstream
  }

  // MARK: A caller has come

  /// A request for a call: everything is checked, then the socket is opened and the call begins.
  private func beginCall(
    _ admitted: Requests.Admitted, _ route: Int, on link: Int
  ) throws(Refusal) {
    let request = admitted.request
    let prepared = store.prepared.routes[route]
    guard case .valid(let key) = Upgrade.check(request.head, in: request.bytes) else {
      throw .noSocket(.notAsked)
    }
    let query = request.head.query.bytes(in: request.bytes)
    guard query.count <= Limits.queryBytesMax else { throw .malformed(.targetTooLong) }
    guard let opening = requests.opening(link, prepared, query, store, &turn) else { return }
    if draining != .no { throw .draining }
    if let refusal = turn.availability.refusal(
      of: prepared.upstream, isExpected: prepared.isGivenTokens, at: turn.now)
    {
      return requests.refuse(link, refusal, store, &turn)
    }
    // A call needs its own slot, a link for its upstream, and blocks to begin with.
    guard !calls.isFull, hasLinkToSpare, store.pool.free > Limits.callBlocksMin,
      let id = calls.take()
    else { throw .full }
    let call = id.index
    let proof: CallerLeg.Proof =
      admitted.identity == .token ? .tokenOwed : admitted.identity.isKnown ? .known : .anyone
    var upstream = UpstreamLeg(prepared.upstream, route: route, store)
    if upstream.partner != .nobody || prepared.hasChoice {
      // The caller's options wait beside the call until its upstream is dialled.
      _ = upstream.choose(query.prefix(min(query.count, BlockPool.blockBytes)), from: store.pool)
    }
    takeSlot(
      id, CallerLeg(store.links[link].id, proof, input: opening.format),
      from: store.links[link].peer, opening.name, to: upstream)
    store.links[link].call = id
    openSocket(link, key.bytes(in: request.bytes))
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
    settle(call)
  }

  /// A call's slot has an owner: its caller, or nobody yet.
  func takeSlot(
    _ id: SlotID, _ caller: CallerLeg, from peer: Address, _ name: Name, to upstream: UpstreamLeg
  ) {
    var record = CallRecord(peer: peer, at: turn.now, wall: turn.log.wall(at: turn.now))
    record.name = name
    calls[id.index] = Call(id, caller, record, to: upstream, store.limits, at: turn.now)
    turn.availability.reserve(upstream.index)
    turn.timers.set(.call(id.index), .never)
  }

  private func openSocket(_ link: Int, _ key: Bytes) {
    var writer = Writer(store.scratch)
    Upgrade.writeAccept(key: key, into: &writer)
    let isKept = store.links[link].outbox.append(writer.written, from: store.pool)
    precondition(isKept, "a call's blocks were counted before")
    store.links[link].outbox.beginFrames()
    store.links[link].ask(.write, &turn)
    store.links[link].becomeSocket(
      .caller, .server, messageBytesMax: store.limits.carrierMessageBytesMax)
    store.links[link].setDeadline(turn.now + .seconds(store.limits.pingSeconds), &turn)
  }
}
