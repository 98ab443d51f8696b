// All calls, in slots that were made once. What is asked of all of them at once, how one gets its
// slot, and the one place that frees it: `settle`, at the end of each input from which something
// follows for the call. The calls are the relay's; whoever else works with them is lent them for
// the length of one input, so it is in the relay's name that a slot is freed.

struct Calls: Sendable {
  private let slots: Slab<Call>
  /// What the names of started calls are alike by; old ones where a call is over.
  private let nameHashes: Slab<UInt64>

  init(_ store: Store, at now: Instant, wall: WallTime) {
    let nobody = Call(
      .none, CallerLeg(.none, .anyone), CallRecord(peer: .none, at: now, wall: wall),
      to: UpstreamLeg(0, route: 0, store), store.limits, at: now)
    slots = Slab(capacity: store.limits.callsMax, repeating: nobody)
    nameHashes = Slab(capacity: store.limits.callsMax, repeating: 0)
  }

  func deallocate() {
    slots.deallocate()
    nameHashes.deallocate()
  }

  var capacity: Int { slots.capacity }
  var inUse: Int { @inline(__always) get { slots.inUse } }
  var isFull: Bool { slots.isFull }

  /// It is over, and its files are awaited.
  func isFiling(_ call: Int) -> Bool { slots.isInUse(call) && self[call].isOver }

  @inline(__always) func holds(_ id: SlotID) -> Bool { slots.holds(id) }

  subscript(call: Int) -> Call {
    @inline(__always) _read { yield slots[call] }
    @inline(__always) nonmutating _modify { yield &slots[call] }
  }
}

// MARK: From the first to the last

extension Calls {
  /// A slot for a call that `place` begins; nil: there is none.
  func take() -> SlotID? { slots.take() }

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
    settle(call, store, &turn)
  }

  /// Ends a call as if its caller had left.
  func end(_ call: Int, _ cause: Cause, _ store: Store, _ turn: inout Turn) {
    self[call].end(cause, store, &turn)
    settle(call, store, &turn)
  }

  /// Ends a call at once: what is kept goes with it.
  func abandon(_ call: Int, _ cause: Cause, _ store: Store, _ turn: inout Turn) {
    self[call].abandon(cause, store, &turn)
    settle(call, store, &turn)
  }

  func endAll(_ cause: Cause, _ store: Store, _ turn: inout Turn) {
    for call in 0..<capacity where slots.isInUse(call) && !self[call].state.isClosing {
      end(call, cause, store, &turn)
    }
  }

  func abandonAll(_ cause: Cause, _ store: Store, _ turn: inout Turn) {
    for call in 0..<capacity where slots.isInUse(call) { abandon(call, cause, store, &turn) }
  }

  /// The end of each input from which something follows for the call. The one place that frees a
  /// call's slot.
  func settle(_ call: Int, _ store: Store, _ turn: inout Turn) {
    guard slots.holds(self[call].id) else { return }
    if !self[call].isOver { self[call].settle(store, &turn) }
    Cascade.settle(in: &self[call], store, &turn)
    guard self[call].isOver else { return }
    guard self[call].filing.isDone else {
      return turn.timers.set(.call(call), self[call].filing.deadline)
    }
    self[call].caller.close(self[call].state.cause, store, &turn)
    owe(call, &turn)
    slots.release(self[call].id)
  }
}

// MARK: Time

extension Calls {
  /// The timer of a call has come due.
  func expired(_ call: Int, _ store: Store, _ turn: inout Turn) {
    guard slots.isInUse(call) else { return }
    if self[call].isOver { filingExpired(call, &turn) } else { self[call].expired(store, &turn) }
    settle(call, store, &turn)
  }

  /// More of what an agent says is due.
  func playoutExpired(_ call: Int, _ store: Store, _ turn: inout Turn) {
    if slots.isInUse(call) { self[call].playoutExpired(store, &turn) }
  }
}

// MARK: All of them

extension Calls {
  /// Whether somebody new may have a link: one stays free for the upstream of every running call.
  func hasLinkToSpare(in store: Store) -> Bool {
    let free = store.links.capacity - store.links.inUse
    if free > inUse + min(inUse, store.limits.cascadeCallsMax) { return true }
    var owed = 0
    for call in 0..<capacity where slots.isInUse(call) { owed += self[call].linksWanted(store) }
    return free > owed
  }

  /// A second socket with the id of a running call is noticed: each is a call of its own. Of the
  /// others only those are looked at whose names are alike.
  func noteNamesake(of call: Int, _ turn: inout Turn) {
    guard isTalking(call) else { return }
    let hash = self[call].record.name.hash
    nameHashes[call] = hash
    for other in 0..<capacity where nameHashes[other] == hash && other != call {
      guard slots.isInUse(other), isTalking(other),
        self[other].record.name.equals(self[call].record.name)
      else { continue }
      return turn.note(.caller(.odd(.isSecond)), of: self[call].record.name)
    }
  }

  private func isTalking(_ call: Int) -> Bool {
    self[call].caller.isStarted && !self[call].state.isClosing
  }

  /// How many wait for a caller who is still to come.
  var ahead: Int {
    var count = 0
    for call in 0..<capacity where slots.isInUse(call) && self[call].isAnnounced { count += 1 }
    return count
  }

  /// What the call in a slot has of the settings, until it is over; nil: there is none.
  func holding(_ call: Int) -> (route: Int, upstream: Int)? {
    slots.isInUse(call) ? (self[call].upstream.route, self[call].upstream.index) : nil
  }

  /// What a page says of the call in a slot; nil: there is none.
  func row(of call: Int, at now: Instant, in pool: BlockPool) -> CallRow? {
    slots.isInUse(call) ? self[call].record.row(at: now, in: pool) : nil
  }
}
