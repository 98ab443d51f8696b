// The clock of a call: it does what is due (CallDue), and sets its timer.

extension Call {
  static let poolLook = Instant.Span.milliseconds(50)

  /// Does what is due; `settle` sets the timer anew.
  mutating func expired(_ store: Store, _ turn: inout Turn) {
    for raw in 0..<CallDue.count {
      guard !isOver, let due = CallDue(rawValue: raw) else { return }
      if due.time(in: &self, store, at: turn.now) <= turn.now {
        due.happen(in: &self, store, &turn)
      }
      // A call that ends tells its upstream so once everything has gone.
      if due == .backlog, uplink.backlog == 0, upstream.isOpen(store) {
        perform(state.drained(), store, &turn)
      }
    }
  }

  /// The playout's moment has come: nothing follows from that but the moment after it, unless a
  /// mark was too much for the caller.
  mutating func playoutExpired(_ store: Store, _ turn: inout Turn) {
    guard isTwoWay else { return }
    converse(store, &turn)
    if caller.dropped != .none { turn.timers.wake(.call(id.index), at: turn.now) }
  }

  /// Sets the timer to the earliest thing that will be due.
  mutating func setTimer(_ store: Store, _ turn: inout Turn) {
    turn.timers.wake(.call(id.index), at: CallDue.soonest(in: &self, store, at: turn.now))
  }
}
