// Every frame.
//
// What the driver is asked for: link by link, in the order in which they first had something to
// ask. And the books, for operators and for the checks that everything comes home.

extension Relay {
  /// The next thing to do, or nil when the turn is done.
  @_noAllocation package func next() -> Output? {
    if turn.buffersWanted.count > 0 { store.giveBuffers(&turn) }
    while let link = turn.outputs.first {
      if store.links.isInUse(link), let output = nextOutput(of: link) { return output }
      turn.outputs.pop()
    }
    guard draining.awaitsLastCall, calls.inUse == 0, turn.subscribers.count == 0 else { return nil }
    draining.lastCallEnded()
    return .drained
  }

  @_noAllocation private func nextOutput(of index: Int) -> Output? {
    let pending = store.links[index].pending
    let id = store.links[index].id
    if pending == .write {
      store.links[index].pending = PendingOutputs(rawValue: 0)
      return store.links[index].outbox.isEmpty ? nil : .write(id)
    }
    if pending.contains(.reset) || pending.contains(.close) {
      if pending.contains(.close), !store.links[index].outbox.isEmpty {
        // What is left goes out first; `sent` asks again.
        store.links[index].pending.remove(.close)
        return nextOutput(of: index)
      }
      store.free(id, &turn)
      return pending.contains(.reset) ? .reset(id) : .close(id)
    }
    if pending.contains(.dial) {
      store.links[index].pending.remove(.dial)
      let call = store.links[index].call.index
      return .dial(id, upstream: calls[call].upstream.place(of: id))
    }
    if pending.contains(.resume) {
      store.links[index].pending.remove(.resume)
      return .resumeReading(id)
    }
    if pending.contains(.write) {
      store.links[index].pending.remove(.write)
      if !store.links[index].outbox.isEmpty { return .write(id) }
    }
    return nil
  }
}

// MARK: The books

extension Relay {
  package var totals: Counters { turn.counters }
  package var callsInUse: Int { calls.inUse }
  package var linksInUse: Int { store.links.inUse }
  package var blocksFree: Int { store.pool.free }
  package var blocksMax: Int { store.pool.capacity }
  package var buffersInUse: Int { store.medium.inUse + store.large.inUse }
  package var resamplersInUse: Int { store.resamplers.inUse }
  package var conversationsInUse: Int { store.conversations.inUse }
  package var functionCallsInUse: Int { store.functionCalls.inUse }
  package var cascadesInUse: Int { store.cascades.inUse }
  package var subscribersInUse: Int { turn.subscribers.count }
  package var tokensInUse: Int { callers.requests.tokens.count }
}
