// Every frame.
//
// Bytes in, bytes out: where the next bytes of a link go, what becomes of them, and what the driver
// takes for its sockets. A frame's way through its call is Call+Frames.

extension Relay {
  /// Where the next bytes of this link go. Empty: the relay holds this peer back, from this
  /// question on (leave its bytes in the kernel until `.resumeReading`), or the name is dead. Valid
  /// until the next call of any method.
  @_noAllocation package func room(for link: SlotID) -> Bytes {
    guard store.links.holds(link) else { return .empty }
    let index = link.index
    let isCaller = store.links[index].phase == .caller
    if isCaller, calls[store.links[index].call.index].holdBack(store, &turn) { return .empty }
    if store.links[index].mustWait(at: turn.now) {
      store.links[index].makeWait(&turn)
      return .empty
    }
    if store.links[index].inbox.wanted > 0, !store.links[index].findBuffer(store) {
      store.links[index].waitForBuffer(&turn)
      return .empty
    }
    return store.links[index].room(store)
  }

  /// That many bytes were put into `room`. Not marked with the others on a frame's path: what is no
  /// audio goes on from here to the rows' functions, which the compiler's check refuses.
  package func received(_ count: Int, on link: SlotID, at now: Instant) {
    guard store.links.holds(link), count > 0 else { return }
    turn.now = now
    let index = link.index
    store.links[index].heard(at: now)
    turn.note(.bytesIn(count))
    let window = store.links[index].window(fresh: count, store)
    switch store.links[index].phase {
    case .caller:
      receivedFromCaller(window, on: index)
      calls.pay(link, bytes: count, store, &turn)
    case .upstream, .setup, .ready:
      receivedFromUpstream(window, on: index)
      calls.pay(link, bytes: count, store, &turn)
    case .request: receivedRequest(window, on: index)
    case .upgrade: receivedAnswer(window, on: index)
    case .subscriber: Subscribers.received(window, on: index, &turn)
    case .handshake, .waiting, .dialling, .leaving, .gone: return
    }
  }

  /// What comes behind a request may be frames already. Not marked, as `received` is not.
  func receivedRequest(_ window: Bytes, on link: Int, isAgain: Bool = false) {
    let begun = callers.received(
      window, on: link, isAgain: isAgain, isDraining: draining.isOn, calls, store, &turn)
    guard let begun else { return }
    if !begun.rest.isEmpty { receivedFromCaller(begun.rest, on: link) }
    calls.settle(begun.call, store, &turn)
  }

  /// Not marked, as `received` is not.
  private func receivedFromCaller(_ window: Bytes, on link: Int) {
    var call = store.links[link].call.index
    var event = calls[call].receivedFromCaller(window, on: link, store, &turn)
    if case .done = event { return }
    let id = store.links[link].id
    while true {
      calls.pay(id, besideAudio: event.bytesBesideAudio, store, &turn)
      call = callers.handle(event, of: call, calls, store, &turn)
      event = calls[call].receivedFromCaller(window, on: link, store, &turn)
      if case .done = event { return calls.settle(call, store, &turn) }
    }
  }

  /// Not marked, as `received` is not.
  private func receivedFromUpstream(_ window: Bytes, on link: Int) {
    let call = store.links[link].call.index
    var event = calls[call].receivedFromUpstream(window, on: link, store, &turn)
    if case .done = event { return }
    let id = store.links[link].id
    var follows = false
    while true {
      calls.pay(id, besideAudio: event.rare?.count ?? 0, store, &turn)
      if calls.handle(event, on: link, of: call, store, &turn) { follows = true }
      event = calls[call].receivedFromUpstream(window, on: link, store, &turn)
      guard case .done = event else { continue }
      if follows { calls.settle(call, store, &turn) }
      return
    }
  }

  /// An upstream's answer to our request for a socket, and the first messages behind it.
  private func receivedAnswer(_ window: Bytes, on link: Int) {
    let call = store.links[link].call.index
    let rest = calls.receivedAnswer(window, on: link, store, &turn)
    if !rest.isEmpty { receivedFromUpstream(rest, on: link) }
    calls.settle(call, store, &turn)
  }

  /// The first contiguous run of what waits to be written; empty when there is nothing.
  @_noAllocation package func outgoing(_ link: SlotID) -> Bytes {
    guard store.links.holds(link) else { return .empty }
    return store.links[link.index].outbox.front(in: store.pool)
  }

  /// The socket took that many of the bytes of `outgoing`. Not marked, as `received` is not: speech
  /// that follows may bring a mark with it.
  package func sent(_ count: Int, on link: SlotID, at now: Instant) {
    guard store.links.holds(link) else { return }
    turn.now = now
    let index = link.index
    let phase = store.links[index].phase
    let since = store.links[index].outbox.sent(count, isFramed: phase == .caller, in: store.pool)
    turn.note(.bytesOut(count))
    if since != .never { turn.note(.delay(now - since)) }
    guard store.links[index].outbox.isEmpty else { return }
    let call = store.links[index].call.index
    switch phase {
    case .upstream:
      if since != .never { calls[call].record.delayed(by: now - since) }
      if calls[call].upstreamTook(store, &turn) { calls.settle(call, store, &turn) }
    case .caller:
      if since != .never { calls[call].record.delayed(by: now - since) }
      guard calls[call].callerTook(store, &turn) else { return }
      calls[call].markAndConverse(store, &turn)
      calls.settle(call, store, &turn)
    case .subscriber: Subscribers.took(index, &turn)
    case .leaving: store.links[index].ask(.close, &turn)
    case .handshake, .request, .waiting, .dialling, .upgrade, .setup, .ready, .gone: return
    }
  }
}
