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

  /// The playout's moment has come.
  mutating func playoutExpired(_ store: Store, _ turn: inout Turn) {
    guard isTwoWay else { return }
    converse(store, &turn)
  }

  /// Sets the timer to the earliest thing that will be due.
  mutating func setTimer(_ store: Store, _ turn: inout Turn) {
    var next = Instant.never
    for raw in 0..<CallDue.count {
      guard let due = CallDue(rawValue: raw) else { break }
      let time = due.time(in: &self, store, at: turn.now)
      if time != .never { next = min(next, max(time, turn.now + due.pause)) }
    }
    turn.timers.wake(.call(id.index), at: next)
  }
}
