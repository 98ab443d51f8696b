// Links: where bytes come in and go out, and what the driver is asked for. A link is a connection
// of any kind; what its bytes mean is decided by its phase, in the files beside this one.

extension Relay {
  // MARK: The driver's border

  /// A peer connected to `Config.listeners[listener]` (after TLS, where it has TLS). Nil: there is
  /// no room even for a refusal; drop it.
  package func accepted(on listener: Int, from peer: Address, at now: Instant) -> SlotID? {
    guard hasLinkToSpare, let id = links.take() else {
      totals.linksRefused &+= 1
      return nil
    }
    links[id.index] = Link()
    links[id.index].peer = peer
    links[id.index].listener = listener
    links[id.index].lastHeard = now
    setDeadline(id.index, now + .seconds(limits.handshakeSeconds))
    return id
  }

  /// Whether somebody new may have a link: one stays free for the upstream of every running call.
  var hasLinkToSpare: Bool {
    let free = links.capacity - links.inUse
    if free > calls.inUse { return true }
    var owed = 0
    for call in 0..<calls.capacity where calls.isInUse(call) && calls[call].isDialled {
      if !links.holds(calls[call].dialled) { owed += 1 }
    }
    return free > owed
  }

  /// The connection asked for by `.dial` stands (after TLS).
  package func connected(_ link: SlotID, at now: Instant) {
    guard links.holds(link), links[link.index].phase == .dialling else { return }
    links[link.index].lastHeard = now
    sendUpgrade(link.index, now)
  }

  /// The connection asked for by `.dial` cannot be had, or a standing one broke. The name is dead
  /// after it.
  package func failed(_ link: SlotID, _ failure: LinkFailure, at now: Instant) {
    guard links.holds(link) else { return }
    let index = link.index
    let phase = links[index].phase
    let call = links[index].call
    free(index)
    lost(phase, call, failure, now)
  }

  /// The peer will send no more (end of stream).
  package func ended(_ link: SlotID, at now: Instant) {
    guard links.holds(link) else { return }
    let index = link.index
    let phase = links[index].phase
    let call = links[index].call
    if phase == .caller {
      // It may still read: the last results are owed to a caller who has only stopped talking. One
      // who is really gone answers the next write with a reset.
      releaseInbox(index)
      if calls.holds(call) {
        perform(calls[call.index].life.callerDone(.left, at: now), call.index, now)
      }
      return
    }
    leave(index, now)
    lost(phase, call, .reset, now)
  }

  /// A leg of a call is gone, whichever way.
  private func lost(_ phase: Link.Phase, _ call: SlotID, _ failure: LinkFailure, _ now: Instant) {
    guard calls.holds(call) else { return }
    switch phase {
    case .caller:
      calls[call.index].caller = .none
      perform(calls[call.index].life.callerDone(.left, at: now), call.index, now)
    case .dialling, .upgrade, .setup, .upstream: upstreamBroke(call.index, failure, now)
    case .request, .leaving, .gone: return
    }
  }

  /// Where the next bytes of this link go. Empty: the relay holds this peer back (leave its bytes
  /// in the kernel until `.resumeReading`), or the name is dead. Valid until the next call of any
  /// method.
  package func room(for link: SlotID) -> Bytes {
    guard links.holds(link) else { return .empty }
    let index = link.index
    if links[index].phase == .caller, mustWait(index) {
      links[index].isHeldBack = true
      return .empty
    }
    let count = links[index].inbox.count
    switch links[index].inbox.store {
    case .none: return shared.bytes.prefix(Limits.readBytesMax)
    case .block(let block):
      shared.bytes.copy(pool.bytes(block).prefix(count))
      return shared.bytes[count..<count &+ Limits.readBytesMax]
    case .medium(let buffer): return medium.bytes(buffer).dropping(count)
    case .large(let buffer): return large.bytes(buffer).dropping(count)
    }
  }

  /// That many bytes were put into `room`.
  package func received(_ count: Int, on link: SlotID, at now: Instant) {
    guard links.holds(link), count > 0 else { return }
    let index = link.index
    links[index].lastHeard = now
    links[index].pingSent = false
    totals.bytesIn &+= count
    let window = window(index, links[index].inbox.count &+ count)
    switch links[index].phase {
    case .caller: takeFromCaller(index, window, now)
    case .upstream, .setup: takeFromUpstream(index, window, now)
    case .request: takeRequest(index, window, now)
    case .upgrade: takeAnswer(index, window, now)
    case .dialling, .leaving, .gone: return
    }
  }

  /// The first contiguous run of what waits to be written; empty when there is nothing.
  package func outgoing(_ link: SlotID) -> Bytes {
    guard links.holds(link) else { return .empty }
    return links[link.index].outbox.front(in: pool)
  }

  /// The socket took that many of the bytes of `outgoing`.
  package func sent(_ count: Int, on link: SlotID, at now: Instant) {
    guard links.holds(link) else { return }
    let index = link.index
    if links[index].phase == .caller { passFrames(count, index) }
    links[index].outbox.drop(count, in: pool)
    totals.bytesOut &+= count
    guard links[index].outbox.isEmpty else { return }
    links[index].frontRest = 0
    if links[index].audioSince != .never {
      budget.record(now - links[index].audioSince)
      links[index].audioSince = .never
    }
    switch links[index].phase {
    case .upstream: sendBacklog(links[index].call.index, now)
    case .leaving: want(.close, index)
    case .caller: converseAgain(links[index].call, now)
    case .request, .dialling, .upgrade, .setup, .gone: return
    }
  }

  /// Keeps where the frame ends that the socket has begun to take: what follows it could be taken
  /// back. Only a socket that did not take all makes this walk.
  private func passFrames(_ count: Int, _ index: Int) {
    guard count < links[index].outbox.count else { return }
    let front = links[index].outbox.front(in: pool)
    var end = links[index].frontRest
    while end < count { end &+= WebSocket.frameBytes(front.dropping(end)) }
    links[index].frontRest = end &- count
  }

  private func converseAgain(_ call: SlotID, _ now: Instant) {
    if calls.holds(call), calls[call.index].isTwoWay { converse(call.index, now) }
  }

  /// The upstream's socket has taken what there was: what waits behind it may follow.
  private func sendBacklog(_ call: Int, _ now: Instant) {
    guard calls[call].uplink.backlog > 0 else { return }
    pump(call, at: now)
    if calls[call].uplink.backlog == 0 { wake(call, at: now) }
  }

  // MARK: What the driver is asked for

  @_noAllocation func want(_ wish: Link.Wants, _ index: Int) {
    links[index].wants.formUnion(wish)
    if isPending[index] == 0 {
      isPending[index] = 1
      pending.append(Int32(truncatingIfNeeded: index))
    }
  }

  func nextWish(of index: Int) -> Output? {
    let id = links.id(at: index)
    let wants = links[index].wants
    if wants.contains(.reset) || wants.contains(.close) {
      if wants.contains(.close), !links[index].outbox.isEmpty {
        // What is left goes out first; `sent` asks again.
        links[index].wants.remove(.close)
        return nextWish(of: index)
      }
      free(index)
      return wants.contains(.reset) ? .reset(id) : .close(id)
    }
    if wants.contains(.dial) {
      links[index].wants.remove(.dial)
      return .dial(id, upstream: calls[links[index].call.index].upstream)
    }
    if wants.contains(.resume) {
      links[index].wants.remove(.resume)
      return .resumeReading(id)
    }
    if wants.contains(.write) {
      links[index].wants.remove(.write)
      if !links[index].outbox.isEmpty { return .write(id) }
    }
    return nil
  }

  // MARK: Leaving

  /// Writes out what is there, then lets go. What the peer still sends is thrown away.
  func leave(_ index: Int, _ now: Instant) {
    guard links[index].phase != .leaving else { return }
    links[index].phase = .leaving
    links[index].call = .none
    releaseInbox(index)
    setDeadline(index, now + .seconds(limits.finishSeconds))
    want(links[index].outbox.isEmpty ? .close : .write, index)
  }

  /// Lets go at once.
  func reset(_ index: Int) {
    links[index].phase = .gone
    links[index].call = .none
    timers.set(index, .never)
    want(.reset, index)
  }

  private func free(_ index: Int) {
    releaseInbox(index)
    links[index].outbox.clear(in: pool)
    links[index].phase = .gone
    links[index].wants = []
    timers.set(index, .never)
    links.release(links.id(at: index))
  }

  // MARK: Deadlines

  func setDeadline(_ index: Int, _ deadline: Instant) {
    timers.set(index, deadline)
  }

  func linkIsDue(_ index: Int, _ now: Instant) {
    guard links.isInUse(index) else { return }
    switch links[index].phase {
    case .request: refuseLate(index, now)
    case .dialling, .upgrade, .setup:
      let call = links[index].call
      reset(index)
      lost(.upgrade, call, .timedOut, now)
    case .caller, .upstream: watch(index, now)
    case .leaving: reset(index)
    case .gone: return
    }
  }

  /// A peer that has been silent is asked for a sign of life; one that gives none is gone, though
  /// its socket may look open for hours (a half-open connection).
  private func watch(_ index: Int, _ now: Instant) {
    // Who is held back is not being listened to.
    if links[index].isHeldBack { links[index].lastHeard = now }
    let pingAt = links[index].lastHeard + .seconds(limits.pingSeconds)
    let goneAt = pingAt + .seconds(limits.pongSeconds)
    if goneAt <= now {
      let phase = links[index].phase
      let call = links[index].call
      if phase == .caller { closeCaller(index, .silent, now) } else { reset(index) }
      guard calls.holds(call) else { return }
      if phase == .caller {
        calls[call.index].caller = .none
        perform(calls[call.index].life.callerDone(.silent, at: now), call.index, now)
      } else {
        upstreamBroke(call.index, .timedOut, now)
      }
      return
    }
    if pingAt <= now, !links[index].pingSent {
      links[index].pingSent = true
      _ = seal(.ping, .empty, on: index)
    }
    setDeadline(index, links[index].pingSent ? goneAt : pingAt)
  }

  // MARK: Unfinished bytes

  /// What has been read of this link and is not done with: from its store, or the shared buffer.
  private func window(_ index: Int, _ count: Int) -> Bytes {
    switch links[index].inbox.store {
    case .none, .block: return shared.bytes.prefix(count)
    case .medium(let buffer): return medium.bytes(buffer).prefix(count)
    case .large(let buffer): return large.bytes(buffer).prefix(count)
    }
  }

  func releaseInbox(_ index: Int) {
    switch links[index].inbox.store {
    case .none: break
    case .block(let block): pool.give(block)
    case .medium(let buffer): medium.give(buffer)
    case .large(let buffer): large.give(buffer)
    }
    links[index].inbox = Inbox()
  }

  /// Keeps the unfinished rest of `window` until the next read; false where there is no buffer for
  /// it.
  func keepRest(_ index: Int, of window: Bytes) -> Bool {
    let kept = links[index].webSocket.bytesKept(of: window)
    if kept == 0 {
      _ = links[index].webSocket.carry(from: window, to: window.prefix(0))
      if links[index].inbox.count > 0 { releaseInbox(index) }
      return true
    }
    let needed = max(links[index].webSocket.bytesWanted, kept &+ 1)
    guard let (store, place) = store(index, for: kept, needed: needed) else { return false }
    let count = links[index].webSocket.carry(from: window, to: place)
    links[index].inbox = Inbox()
    links[index].inbox.store = store
    links[index].inbox.count = count
    return true
  }

  /// The store that the link has, where it will do, otherwise a larger one in its stead.
  func store(_ index: Int, for kept: Int, needed: Int) -> (Inbox.Store, Bytes)? {
    let old = links[index].inbox.store
    switch old {
    case .block(let block) where kept <= BlockPool.blockBytes && needed <= Limits.readBytesMax:
      return (old, pool.bytes(block))
    case .medium(let buffer) where needed <= medium.bufferBytes: return (old, medium.bytes(buffer))
    case .large(let buffer): return (old, large.bytes(buffer))
    case .none, .block, .medium: break
    }
    let fresh: (Inbox.Store, Bytes)
    if kept <= BlockPool.blockBytes, needed <= Limits.readBytesMax {
      let block = pool.take()
      guard block >= 0 else { return nil }
      fresh = (.block(block), pool.bytes(block))
    } else if needed <= medium.bufferBytes, mayTake(index, from: medium),
      let buffer = medium.take()
    {
      fresh = (.medium(buffer), medium.bytes(buffer))
    } else if needed <= large.bufferBytes, mayTake(index, from: large), let buffer = large.take() {
      fresh = (.large(buffer), large.bytes(buffer))
    } else {
      return nil
    }
    // The bytes themselves are still in the window, which the old store may be: it is given back,
    // but nothing takes it before they are moved.
    releaseInbox(index)
    return fresh
  }

  /// Who has not yet shown who it is leaves half of the buffers to the calls; callers leave a
  /// quarter to what the upstreams have to say.
  private func mayTake(_ index: Int, from buffers: BufferPool) -> Bool {
    let most: Int
    switch links[index].phase {
    case .request: most = buffers.capacity / 2
    case .caller: most = buffers.capacity * 3 / 4
    case .upgrade, .setup, .upstream, .dialling, .leaving, .gone: most = buffers.capacity
    }
    return buffers.inUse < max(most, 1)
  }
}
