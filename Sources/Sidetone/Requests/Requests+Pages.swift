// The answers to requests that were let in: pages about the calls, and a socket for a caller.

extension Requests {
  /// A page about the calls.
  func sendPage(
    _ admitted: Admitted, isDraining: Bool, _ calls: Calls, on link: Int, _ store: Store,
    _ turn: inout Turn
  ) throws(Refusal) {
    let snapshot = Snapshot(
      of: calls, since: startedAt, isDraining: isDraining, config, store, turn)
    let isHead = admitted.isHead
    switch admitted.destination {
    case .health:
      answer(link, store, &turn) { pages.writeHealth(snapshot, isHead: isHead, into: &$0) }
    case .ready:
      answer(link, store, &turn) { pages.writeReady(snapshot, isHead: isHead, into: &$0) }
    case .metrics:
      let (delays, turns) = (turn.delays, turn.turns)
      let (lags, waits, answers) = (turn.lags, turn.waits, turn.answers)
      answer(link, store, &turn) {
        pages.writeMetrics(
          snapshot, delays: delays, turns: turns, lags: lags, waits: waits, answers: answers,
          isHead: isHead, into: &$0)
      }
    case .stats: try sendStats(snapshot, calls, isHead, on: link, store, &turn)
    case .events, .voice, .connect, .call: preconditionFailure("these are no pages")
    }
  }

  /// A row for each call may be more than the scratch holds: it is written in a large buffer.
  private func sendStats(
    _ snapshot: Snapshot, _ calls: Calls, _ isHead: Bool, on link: Int, _ store: Store,
    _ turn: inout Turn
  ) throws(Refusal) {
    guard let buffer = store.large.take() else { throw .full }
    defer { store.large.give(buffer) }
    var writer = Writer(store.large.bytes(buffer))
    var stats = pages.beginStats(snapshot, isHead: isHead, into: &writer)
    for call in 0..<calls.capacity {
      guard let row = calls.row(of: call, at: turn.now, in: store.pool) else { continue }
      stats.write(row, into: &writer)
    }
    stats.end(into: &writer)
    let blocks = writer.count / BlockPool.blockBytes + store.limits.callsMax
    guard store.pool.free > blocks else { throw .full }
    send(link, writer.written, store, &turn)
  }

  /// The answer that opens a caller's socket. A call's blocks were counted before.
  func openSocket(
    _ link: Int, _ key: Bytes, answering request: Request, _ store: Store, _ turn: inout Turn
  ) {
    var writer = Writer(store.scratch)
    Upgrade.writeAccept(
      key: key, subprotocol: Subprotocols.answer(to: request.head.fields, of: request.bytes),
      into: &writer)
    let isKept = store.links[link].outbox.append(writer.written, from: store.pool)
    precondition(isKept, "a call's blocks were counted before")
    store.links[link].outbox.beginFrames()
    store.links[link].ask(.write, &turn)
    store.links[link].becomeSocket(
      .caller, .server, messageBytesMax: store.limits.carrierMessageBytesMax)
    store.links[link].setDeadline(turn.now + .seconds(store.limits.pingSeconds), &turn)
  }

  // MARK: Tokens

  /// Whose call a webhook tells of.
  func owner(of admitted: Admitted, _ webhook: PreparedRoute) -> CallTokens.Owner {
    CallTokens.Owner(
      call: TwiML.call(of: admitted.request), route: webhook.stream, as: admitted.identity)
  }

  /// A token for a caller who is still to come, and whom it displaces.
  mutating func issue(
    _ held: CallTokens.Held, _ store: Store, _ turn: inout Turn
  ) -> (token: CallTokens.Token, displaced: CallTokens.Held?) {
    let (waiting, displaced) = tokens.issue(held, random: &turn.random, at: turn.now)
    return (seal(waiting, store, turn), displaced)
  }

  /// The token that waits for this owner is good no more, in no form: what it stood for.
  mutating func revoke(
    _ waiting: CallTokens.Waiting, of owner: CallTokens.Owner, at now: Instant
  ) -> CallTokens.Held? {
    _ = sealedTokens?.use(waiting.token)
    return tokens.remove(of: owner, at: now)
  }

  /// A call whose tokens were used again and again gets none for a while: somebody replays what its
  /// carrier has signed.
  func checkUses(by owner: CallTokens.Owner, at now: Instant) throws(Refusal) {
    guard let span = tokens.pause(of: owner, at: now) else { return }
    throw .tooOften(seconds: max(1, span.milliseconds / 1000))
  }
}
