// What is asked of all calls at once, and how one gets its slot. The relay alone frees a slot.

extension Slab<Call> {
  /// A call's slot has an owner: its caller, or nobody yet.
  func place(
    _ id: SlotID, _ caller: CallerLeg, from peer: Address, _ name: Name, to upstream: UpstreamLeg,
    _ store: Store, _ turn: inout Turn
  ) {
    var record = CallRecord(peer: peer, at: turn.now, wall: turn.log.wall(at: turn.now))
    record.name = name
    self[id.index] = Call(id, caller, record, to: upstream, store.limits, at: turn.now)
    turn.timers.set(.call(id.index), .never)
  }

  /// The caller of `call` becomes that of the one that was dialled for it.
  func join(_ call: Int, to ahead: Int, _ store: Store, _ turn: inout Turn) {
    self[ahead].join(self[call])
    store.links[self[call].caller.link.index].call = self[ahead].id
    self[call].giveAway(store, &turn)
  }

  /// Whether somebody new may have a link: one stays free for the upstream of every running call.
  func leaveLink(in store: Store) -> Bool {
    let free = store.links.capacity - store.links.inUse
    if free > inUse { return true }
    var owed = 0
    for call in 0..<capacity where isInUse(call) && self[call].wantsLink(store) { owed += 1 }
    return free > owed
  }

  /// A second socket with the id of a running call is noticed: each is a call of its own. Of the
  /// others only those are looked at whose names are alike.
  func noteNamesake(of call: Int, in hashes: inout [UInt64], _ turn: inout Turn) {
    guard isTalking(call) else { return }
    let hash = self[call].record.name.hash
    hashes[call] = hash
    for other in 0..<capacity where hashes[other] == hash && other != call {
      guard isInUse(other), isTalking(other),
        self[other].record.name.equals(self[call].record.name)
      else { continue }
      return turn.note(.caller(.odd(.isSecond)), of: self[call].record.name)
    }
  }

  private func isTalking(_ call: Int) -> Bool {
    self[call].caller.isStarted && !self[call].state.isClosing
  }

  /// What a page says of the call in a slot; nil: there is none.
  func row(of call: Int, at now: Instant, in pool: BlockPool) -> CallRow? {
    isInUse(call) ? self[call].record.row(at: now, in: pool) : nil
  }
}
