// Start here. The relay is an engine: bytes and time in, outputs out. It opens no socket, reads no
// clock, starts no thread. A driver (the machine in SidetoneLinux, or the simulation) tells it what
// happened, one thing at a time, and then performs what it asks for:
//
//     let place = relay.room(for: link)            // where the next bytes may go
//     let count = read(socket, place)              // the driver's system call
//     relay.received(count, on: link, at: now)     // one change
//     relay.advance(to: now)                       // what is due, once behind all changes
//     while let output = relay.next() { perform(output) }
//     sleep(until: relay.wakeTime)
//
// It owns all memory, finds the link and the call that an input is for, lends them what they need
// (Store, Turn), and frees what is over (Calls). What a request means is decided in Requests, which
// call is whose in Callers, what happens in a call in Call. Every frame leaves in the turn in which
// it came: `received` moves it from the carrier's bytes into the upstream's outbox, and `next`
// names that outbox in the same turn.

package final class Relay {
  package internal(set) var config: Config
  /// Everything that a connection or a call needs, taken once.
  let store: Store
  /// What an input may change beside its slot.
  var turn: Turn
  let calls: Calls
  var callers: Callers
  var draining = Drain()

  /// `seed`: 32 random bytes. Takes all the memory that the relay will ever have.
  package init(config: Config, seed: [UInt8], now: Instant, wall: WallTime) {
    self.config = config
    let prepared = Prepared(config)
    var random = Random(seed: seed)
    let doorSeed = random.next64()
    store = Store(config, prepared)
    turn = Turn(config, store, random, guestsSeed: ~doorSeed, at: now, wall: wall)
    calls = Calls(store, at: now, wall: wall)
    callers = Callers(
      requests: Requests(config, prepared, seed: doorSeed, at: now), warm: WarmSessions(prepared))
  }

  deinit {
    store.deallocate()
    calls.deallocate()
    turn.deallocate()
  }
}

// MARK: Connections

extension Relay {
  /// A peer connected to `Config.listeners[listener]`, and has proven nothing yet. Where that
  /// listener has TLS, `connected` follows when the handshake is done; how long that may take is
  /// the driver's to watch. Nil: there is no room even for a refusal; drop it.
  package func accepted(on listener: Int, from peer: Address, at now: Instant) -> SlotID? {
    turn.now = now
    let settings = config.listeners[listener]
    if let (guest, why) = turn.guests.inTheWay(
      of: peer, asOperator: settings.isForOperators, isSecure: settings.isTLS,
      isShared: config.isProxy(peer), at: now)
    {
      callers.giveWay(guest, why, calls, store, &turn)
    }
    guard calls.hasLinkToSpare(in: store), let id = store.links.take() else {
      turn.note(.relay(.linkRefused(peer)), of: nil)
      return nil
    }
    store.links[id.index] = Link(id, from: peer, on: listener, isSecure: settings.isTLS, at: now)
    turn.guests.came(id.index, from: peer, asOperator: settings.isForOperators, at: now)
    if !settings.isTLS { store.links[id.index].waitForRequest(store, &turn) }
    return id
  }

  /// The first bytes of a connection's TLS handshake have come.
  package func spoke(_ link: SlotID) {
    if store.links.holds(link) { turn.guests.spoke(link.index) }
  }

  /// What comes on this link is a request, which may cost more than a frame.
  package func isAsking(_ link: SlotID) -> Bool {
    store.links.holds(link) && store.links[link.index].phase == .request
  }

  /// The connection asked for by `.dial` stands (after TLS), or the TLS handshake of one that came
  /// is done.
  package func connected(_ link: SlotID, at now: Instant) {
    turn.now = now
    guard store.links.holds(link) else { return }
    switch store.links[link.index].phase {
    case .handshake:
      store.links[link.index].waitForRequest(store, &turn)
    case .dialling:
      store.links[link.index].heard(at: now)
      calls.upstreamConnected(link.index, store, &turn)
    case .request, .caller, .waiting, .upgrade, .setup, .ready, .upstream, .subscriber, .leaving,
      .gone:
      return
    }
  }

  /// The connection asked for by `.dial` cannot be had, or a standing one broke. The name is dead
  /// after it.
  package func failed(_ link: SlotID, _ failure: LinkFailure, at now: Instant) {
    turn.now = now
    guard store.links.holds(link) else { return }
    let (phase, call) = (store.links[link.index].phase, store.links[link.index].call)
    if phase == .subscriber { Subscribers.noteLeft(link.index, .left, &turn) }
    store.free(link, &turn)
    calls.lost(link, phase, of: call, failure, store, &turn)
  }

  /// The peer will send no more (end of stream).
  package func ended(_ link: SlotID, at now: Instant) {
    turn.now = now
    guard store.links.holds(link) else { return }
    let (phase, call) = (store.links[link.index].phase, store.links[link.index].call)
    if phase == .subscriber {
      Subscribers.end(link.index, .left, &turn)
    } else if phase == .caller {
      // It may still read: the last results are owed to a caller who has only stopped talking. One
      // who is really gone answers the next write with a reset.
      store.links[link.index].releaseInbox(store)
      calls.end(call.index, .left, store, &turn)
    } else {
      store.links[link.index].leave(store, &turn)
      calls.lost(link, phase, of: call, .reset, store, &turn)
    }
  }
}

// MARK: Time

extension Relay {
  /// Performs what is due. Call once per turn, after the inputs of that turn.
  package func advance(to now: Instant) {
    turn.now = now
    turn.conversionsLeft = store.limits.conversionFramesPerTurnMax
    while let key = turn.timers.due(at: now) {
      switch key {
      case .link(let link): if store.links.isInUse(link) { linkExpired(link) }
      case .call(let call): calls.expired(call, store, &turn)
      case .playout(let call): calls.playoutExpired(call, store, &turn)
      }
    }
    if callers.nextExpiry <= now { callers.expire(calls, store, &turn) }
    if callers.warm.nextDue <= now { callers.tendWarm(calls, store, &turn) }
    while turn.guests.tokenDue <= now, let guest = turn.guests.oldestSocket {
      calls.endGuest(guest, .noToken, store, &turn)
    }
    if turn.troubles.nextDue <= now { turn.tellTroubles() }
    if turn.subscribers.flushTime <= now { Subscribers.flush(&turn) }
    if turn.fetches.nextDue <= now { expireFetches() }
    if draining.deadline <= now { drainExpired() }
    if draining.awaitsLastCall, calls.inUse == 0, turn.subscribers.count > 0 {
      Subscribers.endAll(&turn)
    }
  }

  @inline(never) private func drainExpired() {
    switch draining.expired(at: turn.now, store.limits) {
    case .end: calls.endAll(.draining, store, &turn)
    case .abandon: calls.abandonAll(.draining, store, &turn)
    }
  }

  /// Kept out of what every turn runs.
  @inline(never) private func linkExpired(_ link: Int) {
    switch store.links[link].phase {
    case .request: callers.requests.refuseLate(link, store, &turn)
    case .leaving: store.links[link].reset(&turn)
    case .subscriber: Subscribers.expired(link, &turn)
    case .caller, .waiting, .dialling, .upgrade, .setup, .ready, .upstream:
      calls.legExpired(link, store, &turn)
    case .handshake, .gone: return
    }
  }

  /// When `advance` wants to be called at the latest.
  package var wakeTime: Instant {
    min(
      turn.timers.earliest, draining.deadline, callers.nextExpiry, turn.guests.tokenDue,
      turn.troubles.nextDue,
      min(turn.subscribers.flushTime, turn.fetches.nextDue, callers.warm.nextDue))
  }

  /// No new calls from now on; running ones may finish until the drain deadline.
  package func drain(at now: Instant) {
    guard draining.begin(at: now, store.limits) else { return }
    turn.now = now
    callers.giveUpAll(calls, store, &turn)
    turn.note(.relay(.draining(calls: calls.inUse)), of: nil)
  }

  /// Ends every call now.
  package func stop(at now: Instant) {
    turn.now = now
    draining.stop()
    callers.leaveWarm(calls, store, &turn)
    calls.abandonAll(.shutDown, store, &turn)
  }
}
