// What a request that was let in wants of the calls: a page about them, a call for a caller who has
// come, or one for a caller whom a webhook announces (Relay+Callers).

extension Relay {
  func receivedRequest(_ window: Bytes, on link: Int) {
    guard let admitted = requests.received(window, on: link, store, &turn) else { return }
    do throws(Refusal) {
      try respond(to: admitted, on: link)
    } catch {
      requests.refuse(link, error, of: admitted.request, store, &turn)
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
      let (turns, lags) = (turn.turns, turn.lags)
      requests.answer(link, store, &turn) {
        pages.writeMetrics(
          snapshot, delays: delays, turns: turns, lags: lags, isHead: isHead, into: &$0)
      }
    case .stats: try sendStats(link, isHead)
    case .voice(let route):
      // The stream that the answer names would be refused: the carrier shall use its fallback.
      if draining != .no { throw .draining }
      startStream(admitted, route, on: link)
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
      stats.write(calls[call].record.row(at: turn.now, in: store.pool), into: &writer)
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
    snapshot.linesRepeated = turn.log.repeated
    snapshot.warnings = turn.log.warnings
    snapshot.errors = turn.log.errors
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
}
