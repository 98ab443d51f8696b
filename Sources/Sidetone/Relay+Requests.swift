// Requests: the door. Every connection begins here as HTTP; a call leaves as a WebSocket, everybody
// else with one answer. All that can be refused is refused here, in plain HTTP, before any upstream
// is dialled.

extension Relay {
  /// A request's bytes so far: its head, then, for a webhook, its body.
  func takeRequest(_ index: Int, _ window: Bytes, _ now: Instant) {
    switch HTTP.parseRequest(window, limit: limits.headBytesMax) {
    case .needMore: waitForMore(index, window, now)
    case .bad(let fault): refuse(index, .malformed(fault), now)
    case .complete(let head):
      var visit = Visit(
        head: head, bytes: window, listener: links[index].listener, peer: links[index].peer,
        now: now, wall: wall(at: now))
      do throws(Refusal) {
        let destination = try admission.destination(of: visit)
        switch HTTP.body(head.framing, in: window.dropping(head.length), limit: limits.bodyBytesMax)
        {
        case .needMore: return waitForMore(index, window, now)
        case .bad(let fault): throw .malformed(fault)
        case .complete(let count, _):
          visit.body = window[head.length..<head.length &+ count]
        }
        totals.requests &+= 1
        let identity = try admission.admit(visit, to: destination)
        try respond(index, destination, visit, identity)
      } catch {
        refuse(index, error, isHead: head.method == .head, now)
      }
    }
  }

  func refuseLate(_ index: Int, _ now: Instant) { refuse(index, .timedOut, now) }

  private func waitForMore(_ index: Int, _ window: Bytes, _ now: Instant) {
    if !keepHead(index, of: window) { refuse(index, .full, now) }
  }

  /// Keeps an unfinished head or body until the next read; false where there is no buffer for it.
  func keepHead(_ index: Int, of window: Bytes) -> Bool {
    guard let (store, place) = store(index, for: window.count, needed: window.count &+ 1) else {
      return false
    }
    place.copy(window)
    links[index].inbox = Inbox()
    links[index].inbox.store = store
    links[index].inbox.count = window.count
    return true
  }

  // MARK: Answers

  private func refuse(
    _ index: Int, _ refusal: Refusal, isHead: Bool = false, _ now: Instant
  ) {
    noteRefusal(index, refusal.code, now)
    answer(index, now) { self.admission.write(refusal, isHead: isHead, into: &$0) }
  }

  private func noteRefusal(_ index: Int, _ code: StaticString, _ now: Instant) {
    totals.requestsRefused &+= 1
    guard let withheld = refusalLines.take(at: now) else { return }
    log(.info, "refused", at: now) {
      $0.write(code)
      $0.write(" to ")
      $0.write(self.links[index].peer)
      if withheld > 0 {
        $0.write("; not shown before: ")
        $0.write(decimal: withheld)
      }
    }
  }

  /// One answer, and the connection is done.
  func answer(_ index: Int, _ now: Instant, _ write: (inout Writer) -> Void) {
    var writer = Writer(scratch.bytes)
    write(&writer)
    if writer.overflowed {
      // Only what the operator configured can be so long.
      writer = Writer(scratch.bytes)
      HTTP.writeError(
        .internalError, "The settings that this answer is made from are too long for it.",
        into: &writer)
    }
    send(index, writer.written, now)
  }

  private func send(_ index: Int, _ response: Bytes, _ now: Instant) {
    guard links[index].outbox.append(response, from: pool) else { return reset(index) }
    leave(index, now)
  }

  private func respond(
    _ index: Int, _ destination: Destination, _ visit: Visit, _ identity: Identity
  ) throws(Refusal) {
    let now = visit.now
    let isHead = visit.head.method == .head
    switch destination {
    case .health:
      answer(index, now) {
        self.control.writeHealth(self.snapshot(at: now), isHead: isHead, into: &$0)
      }
    case .ready:
      answer(index, now) {
        self.control.writeReady(self.snapshot(at: now), isHead: isHead, into: &$0)
      }
    case .metrics:
      answer(index, now) {
        self.control.writeMetrics(
          self.snapshot(at: now), delays: self.budget, isHead: isHead, into: &$0)
      }
    case .stats: try sendStats(index, snapshot(at: now), isHead, now)
    case .voice(let route):
      // The stream that the answer names would be refused: the carrier shall use its fallback.
      if isDraining { throw .draining }
      answer(index, now) { self.voice.write(visit, route: route, into: &$0) }
    case .connect(let route):
      if isDraining { throw .draining }
      try sendConnect(index, route, visit, identity)
    case .call(let route): try upgrade(index, route, visit, identity)
    }
  }

  /// A row for each call may be more than the scratch holds: it is written in a large buffer.
  private func sendStats(
    _ index: Int, _ snapshot: Snapshot, _ isHead: Bool, _ now: Instant
  ) throws(Refusal) {
    guard let buffer = large.take() else { throw .full }
    defer { large.give(buffer) }
    var writer = Writer(large.bytes(buffer))
    var stats = control.beginStats(snapshot, isHead: isHead, into: &writer)
    for call in 0..<calls.capacity where calls.isInUse(call) {
      stats.write(
        CallRow(
          peer: calls[call].peer, name: calls[call].name, startedWall: calls[call].startedWall,
          duration: now - calls[call].startedAt, bytesSent: calls[call].bytesSent,
          transcripts: calls[call].transcripts), into: &writer)
    }
    stats.end(into: &writer)
    guard pool.free > writer.count / BlockPool.blockBytes + limits.callsMax else { throw .full }
    send(index, writer.written, now)
  }

  private func snapshot(at now: Instant) -> Snapshot {
    var snapshot = Snapshot()
    snapshot.wall = wall(at: now)
    snapshot.uptime = now - startedAt
    snapshot.readiness = readiness(at: now)
    snapshot.callsActive = calls.inUse
    snapshot.callsMax = calls.capacity
    snapshot.links = links.inUse
    snapshot.linksMax = links.capacity
    snapshot.blocks = pool.capacity - pool.free
    snapshot.blocksMax = pool.capacity
    snapshot.linesDropped = lines.dropped
    snapshot.totals = totals
    return snapshot
  }

  /// Ready: a new call would be served by at least one route.
  private func readiness(at now: Instant) -> Readiness {
    if isDraining { return .draining }
    if calls.isFull { return .full }
    let isServed = routes.contains { route in
      route.kind == .call && route.bots.contains { serves($0.upstream, now) }
    }
    return isServed ? .ready : .noUpstream
  }

  private func serves(_ upstream: Int, _ now: Instant) -> Bool {
    Upstream.all[upstreams[upstream].kind].isDialled && upstreams[upstream].missing.bytes.isEmpty
      && healths[upstream].refusedUntil <= now && healths[upstream].failingUntil <= now
  }

  // MARK: Calls

  /// A request for a call: everything is checked, then the socket is opened and the call begins.
  private func upgrade(
    _ index: Int, _ route: Int, _ visit: Visit, _ identity: Identity
  ) throws(Refusal) {
    let now = visit.now
    guard case .valid(let key) = Upgrade.check(visit.head, in: visit.bytes) else {
      throw .noSocket(.notAsked)
    }
    let query = visit.head.query.bytes(in: visit.bytes)
    guard query.count <= Limits.queryBytesMax else { throw .malformed(.targetTooLong) }
    guard let opening = opening(index, route, query, now) else { return }
    if isDraining { throw .draining }
    guard admits(index, route, now) else { return }
    guard let call = makeCall(index, route, opening, query, now) else { throw .full }
    calls[call].isKnown = identity.isKnown
    calls[call].needsToken = identity == .token
    var writer = Writer(scratch.bytes)
    Upgrade.writeAccept(key: key.bytes(in: visit.bytes), into: &writer)
    let isKept = links[index].outbox.append(writer.written, from: pool)
    precondition(isKept, "a call's blocks were counted before")
    links[index].frontRest = writer.count
    want(.write, index)
    links[index].phase = .caller
    links[index].webSocket = WebSocket(
      role: .server, messageBytesMax: limits.carrierMessageBytesMax)
    setDeadline(index, now + .seconds(limits.pingSeconds))
    if routes[route].opensAtOnce != nil { open(call, now) } else { perform(.nothing, call, now) }
    let rest = visit.bytes.dropping(visit.head.length)
    guard links[index].phase == .caller else { return }
    if rest.isEmpty { releaseInbox(index) } else { takeFromCaller(index, rest, now) }
  }

  /// What a carrier without a start message says in its query; nil where the request was refused
  /// for it.
  private func opening(
    _ index: Int, _ route: Int, _ query: Bytes, _ now: Instant
  ) -> (row: Int, call: Name, format: Format)? {
    guard let row = routes[route].carriers.first(where: { Carrier.all[$0].open != nil }),
      let open = Carrier.all[row].open
    else { return (-1, Name(), .mulaw8k) }
    switch open(query) {
    case .refused(let parameter, let allowed):
      refuseParameter(index, parameter.bytes, allowed, now)
      return nil
    case .start(let call, let format):
      let kind = Upstream.all[upstreams[routes[route].upstream].kind]
      var pairs = Query(query)
      while let pair = pairs.next() {
        // What is chosen of a voice model is judged when the call starts, also from whom it comes.
        let isServed =
          kind.voice == nil ? kind.allows(pair.name) : Connect.isChoice(pair.name)
        if kind.isDialled, !Carrier.isRawParameter(pair.name), !isServed {
          refuseParameter(index, pair.name, kind.allowed, now)
          return nil
        }
      }
      return (row, call, format)
    }
  }

  private func refuseParameter(
    _ index: Int, _ name: Bytes, _ allowed: StaticString, _ now: Instant
  ) {
    noteRefusal(index, "bad_parameter", now)
    answer(index, now) {
      var response = HTTP.Response(.badRequest, into: &$0)
      response.beginBody("application/json", into: &$0)
      HTTP.beginError("bad_parameter", into: &$0)
      $0.write(json: "The parameter ")
      $0.write(json: name.prefix(min(name.count, 64)))
      $0.write(json: " cannot be served. Allowed: ")
      $0.write(json: allowed)
      $0.write("\",\"parameter\":\"")
      $0.write(json: name.prefix(min(name.count, 64)))
      $0.write("\",\"allowed\":\"")
      $0.write(json: allowed)
      HTTP.endError(into: &$0)
      response.end(into: &$0)
    }
  }

  /// Whether the upstream would take a new call now; otherwise the refusal is sent. An upstream
  /// that has just refused the relay's key, or has no session left, is not asked again at once.
  private func admits(_ index: Int, _ route: Int, _ now: Instant) -> Bool {
    let upstream = routes[route].upstream
    // A caller may have come for a session that was dialled ahead.
    let ahead = routes[route].isGivenTokens ? healths[upstream].ahead : 0
    if healths[upstream].calls &- ahead >= upstreams[upstream].sessionsMax {
      refuseBusy(index, 1, now) {
        $0.write(json: "This route's upstream has as many sessions as sessions_max allows.")
      }
      return false
    }
    if Upstream.all[upstreams[upstream].kind].voice != nil, !hasRoomForTalk {
      refuseBusy(index, 1, now) {
        $0.write(json: "There are as many two-way calls as two_way_calls_max allows.")
      }
      return false
    }
    let until = healths[upstream].refusedUntil
    guard now < until else { return true }
    refuseBusy(index, max(1, (until - now).milliseconds / 1000), now) {
      $0.write(json: self.healths[upstream].cause.sentence)
    }
    return false
  }

  /// Whether another call may talk with a voice model.
  var hasRoomForTalk: Bool {
    var talking = 0
    for index in 0..<upstreams.count where Upstream.all[upstreams[index].kind].voice != nil {
      talking += healths[index].calls
    }
    return talking < config.twoWayCalls
  }

  private func refuseBusy(
    _ index: Int, _ seconds: Int, _ now: Instant, _ sentence: (inout Writer) -> Void
  ) {
    noteRefusal(index, "upstream_unavailable", now)
    answer(index, now) {
      var response = HTTP.Response(.unavailable, into: &$0)
      if seconds > 0 {
        $0.write("Retry-After: ")
        $0.write(decimal: seconds)
        $0.write("\r\n")
      }
      response.beginBody("application/json", into: &$0)
      HTTP.beginError("unavailable", into: &$0)
      sentence(&$0)
      HTTP.endError(into: &$0)
      response.end(into: &$0)
    }
  }

  private func makeCall(
    _ index: Int, _ route: Int, _ opening: (row: Int, call: Name, format: Format), _ query: Bytes,
    _ now: Instant
  ) -> Int? {
    // A call needs its own slot, a link for its upstream, and blocks to begin with.
    guard !calls.isFull, hasLinkToSpare, pool.free > Limits.callBlocksMin, let id = calls.take()
    else { return nil }
    let call = id.index
    let upstream = routes[route].upstream
    calls[call] = Call(
      route: route, upstream: upstream, kind: upstreams[upstream].kind,
      caller: links.id(at: index), peer: links[index].peer, limits: limits, at: now,
      wall: wall(at: now))
    calls[call].isDialled = Upstream.all[upstreams[upstream].kind].isDialled
    calls[call].name = opening.call
    calls[call].format = opening.format
    calls[call].reply = opening.format
    if let row = routes[route].opensAtOnce { setCarrier(call, row) }
    links[index].call = id
    healths[upstream].calls &+= 1
    timers.set(callTimer(call), .never)
    keepQuery(call, query)
    return call
  }

  /// The caller's options wait beside the call until its upstream is dialled.
  private func keepQuery(_ call: Int, _ query: Bytes) {
    guard calls[call].isDialled else { return }
    _ = calls[call].choices.append(
      query.prefix(min(query.count, BlockPool.blockBytes)), from: pool)
  }
}
