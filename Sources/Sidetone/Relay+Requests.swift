// Requests: the door. Every connection begins here as HTTP; a call leaves as a WebSocket, everybody else with
// one answer. All that can be refused is refused here, in plain HTTP, before any upstream is dialled.

extension Relay {
  func takeRequest(_ index: Int, _ window: Bytes, _ now: Instant) {
    switch HTTP.parseRequest(window, limit: limits.headBytesMax) {
    case .needMore:
      if !keepHead(index, of: window) {
        answer(index, now) {
          HTTP.writeError(.unavailable, "no buffer is free; try again", into: &$0)
        }
      }
    case .bad(let fault): answer(index, now) { HTTP.writeError(fault, into: &$0) }
    case .complete(let head):
      totals.requests &+= 1
      respond(index, head, window, now)
    }
  }

  func refuseLate(_ index: Int, _ now: Instant) {
    answer(index, now) {
      HTTP.writeError(.timeout, "The request did not arrive in time.", into: &$0)
    }
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

  /// One answer, and the connection is done.
  func answer(_ index: Int, _ now: Instant, _ write: (inout Writer) -> Void) {
    var writer = Writer(scratch.bytes)
    write(&writer)
    precondition(!writer.overflowed, "answers are smaller than the scratch")
    guard links[index].outbox.append(writer.written, from: pool) else {
      reset(index)
      return
    }
    leave(index, now)
  }

  private func respond(_ index: Int, _ head: HTTP.RequestHead, _ window: Bytes, _ now: Instant) {
    let path = head.path.bytes(in: window)
    guard let route = routes.firstIndex(where: { path.equals($0.path.bytes) }) else {
      answer(index, now) {
        HTTP.writeError(.notFound, "Nothing is served under this path.", into: &$0)
      }
      return
    }
    upgrade(index, route, head, window, now)
  }

  /// A request for a call: everything is checked, then the socket is opened and the call begins.
  private func upgrade(
    _ index: Int, _ route: Int, _ head: HTTP.RequestHead, _ window: Bytes, _ now: Instant
  ) {
    let key: HTTP.Place
    switch Upgrade.check(head, in: window) {
    case .valid(let found): key = found
    case .bad(let fault):
      answer(index, now) { HTTP.writeError(fault.status, fault.sentence, into: &$0) }
      return
    }
    let query = head.query.bytes(in: window)
    guard query.count <= Limits.queryBytesMax else {
      answer(index, now) {
        HTTP.writeError(.targetTooLong, "The query is longer than 1,024 bytes.", into: &$0)
      }
      return
    }
    guard let opening = opening(index, route, query, now), admits(index, route, now) else { return }
    guard let call = makeCall(index, route, opening, query, now) else {
      totals.callsRefused &+= 1
      answer(index, now) {
        HTTP.writeError(.unavailable, "The relay has as many calls as it may.", into: &$0)
      }
      return
    }
    var writer = Writer(scratch.bytes)
    Upgrade.writeAccept(key: key.bytes(in: window), into: &writer)
    guard links[index].outbox.append(writer.written, from: pool) else {
      preconditionFailure("a call's blocks were counted before")
    }
    want(.write, index)
    links[index].phase = .caller
    links[index].webSocket = WebSocket(
      role: .server, messageBytesMax: limits.carrierMessageBytesMax)
    setDeadline(index, now + .seconds(limits.pingSeconds))
    let rest = window.dropping(head.length)
    if routes[route].opensAtOnce != nil { start(call, now) } else { perform(.nothing, call, now) }
    guard links[index].phase == .caller else { return }
    if rest.isEmpty { releaseInbox(index) } else { takeFromCaller(index, rest, now) }
  }

  /// What a carrier without a start message says in its query; nil where the request was refused for it.
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
        if kind.isDialled, !Carrier.isRawParameter(pair.name), !kind.allows(pair.name) {
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
    totals.callsRefused &+= 1
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

  /// Whether the relay and the upstream would take a new call now; otherwise the refusal is sent.
  private func admits(_ index: Int, _ route: Int, _ now: Instant) -> Bool {
    let upstream = routes[route].upstream
    if isDraining {
      refuseBusy(index, 5, now) { $0.write(json: "The relay is draining; ask another one.") }
      return false
    }
    if !upstreams[upstream].missing.bytes.isEmpty {
      refuseBusy(index, 0, now) {
        $0.write(json: "This route's upstream has no key: set ")
        $0.write(json: self.upstreams[upstream].missing.bytes)
        $0.write(json: " and start the relay again.")
      }
      return false
    }
    let until = healths[upstream].refusedUntil
    if now < until {
      refuseBusy(index, max(1, (until - now).milliseconds / 1000), now) {
        $0.write(json: self.healths[upstream].cause.sentence)
      }
      return false
    }
    return true
  }

  private func refuseBusy(
    _ index: Int, _ seconds: Int, _ now: Instant, _ sentence: (inout Writer) -> Void
  ) {
    totals.callsRefused &+= 1
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
    guard !calls.isFull, !links.isFull, pool.free > 16, let id = calls.take() else { return nil }
    let call = id.index
    let upstream = routes[route].upstream
    calls[call] = Call(
      route: route, upstream: upstream, kind: upstreams[upstream].kind,
      caller: links.id(at: index), peer: links[index].peer, limits: limits, at: now,
      wall: wall(at: now))
    calls[call].isDialled = Upstream.all[upstreams[upstream].kind].isDialled
    calls[call].name = opening.call
    calls[call].format = opening.format
    if let row = routes[route].opensAtOnce { setCarrier(call, row) }
    links[index].call = id
    timers.set(links.capacity &+ call, .never)
    keepQuery(call, query)
    return call
  }

  /// The caller's options wait beside the call until its upstream is dialled.
  private func keepQuery(_ call: Int, _ query: Bytes) {
    guard calls[call].isDialled else { return }
    _ = calls[call].query.append(
      query.prefix(min(query.count, BlockPool.blockBytes)), from: pool)
  }
}
