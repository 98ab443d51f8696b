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

  func refuseLate(_ link: Int) { requests.refuseLate(link, store, &turn) }

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
    snapshot.transcription = places(.transcription)
    snapshot.voice = places(.voice)
    snapshot.callsActive = calls.inUse
    snapshot.callsMax = calls.capacity
    snapshot.guests = turn.guests.count
    snapshot.guestsMax = turn.guests.guestsMax
    snapshot.links = store.links.inUse
    snapshot.linksMax = store.links.capacity
    snapshot.blocks = store.pool.capacity - store.pool.free
    snapshot.blocksMax = store.pool.capacity
    (snapshot.linesDropped, snapshot.transcriptsDropped) = linesDropped
    snapshot.linesRepeated = turn.log.repeated
    snapshot.warnings = turn.log.warnings
    snapshot.errors = turn.log.errors
    snapshot.totals = turn.counters
    return snapshot
  }

  /// Ready: a new call would be served, of each kind that is required, or of any.
  private var readiness: Readiness {
    if draining != .no { return .draining }
    if callsFree == 0 { return .full }
    let isReady =
      config.readyRequires.isEmpty
      ? places(.transcription).free + places(.voice).free > 0
      : config.readyRequires.allSatisfy { places($0).free > 0 }
    if isReady { return .ready }
    let kinds = config.readyRequires.isEmpty ? Config.CallKind.allCases : config.readyRequires
    let isFull = kinds.contains { kind in
      places(kind).free == 0
        && served(kind).contains { turn.availability.isWell($0, at: turn.now) }
    }
    return isFull ? .full : .noUpstream
  }

  /// A socket that owes its token gives way to a caller who has more to show.
  private var callsFree: Int { calls.capacity - calls.inUse + turn.guests.sockets }

  /// The upstreams of this kind that a call may have.
  private func served(_ kind: Config.CallKind) -> [Int] {
    let prepared = store.prepared
    return prepared.upstreams.indices.filter { upstream in
      prepared.upstreams[upstream].isUsable
        && prepared.upstreams[upstream].isTwoWay == (kind == .voice)
        && prepared.routes.contains { route in
          route.kind == .call && route.bots.contains { $0.upstream == upstream }
        }
    }
  }

  private func places(_ kind: Config.CallKind) -> Places {
    var places = Places()
    for upstream in served(kind) {
      // There may be as many sessions as numbers go.
      let most = min(store.prepared.upstreams[upstream].sessionsMax, calls.capacity)
      places.max += most
      places.free += min(turn.availability.sessionsFree(upstream, at: turn.now), most)
    }
    let isVoice = kind == .voice
    places.max = min(places.max, calls.capacity, isVoice ? config.twoWayCalls : .max)
    places.free = min(places.free, callsFree, isVoice ? turn.availability.twoWayFree : .max)
    return places
  }
}
