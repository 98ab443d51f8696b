// The clock of a call: it does what is due (CallDue), and sets its timer.

extension Call {
  static let poolLook = Instant.Span.milliseconds(50)

  /// Does what is due; `settle` sets the timer anew.
  mutating func expired(_ store: Store, _ turn: inout Turn) {
    for raw in 0..<CallDue.count {
      guard !isOver, let due = CallDue(rawValue: raw) else { return }
      if due.time(in: &self, store, at: turn.now) <= turn.now { see(to: due, store, &turn) }
      // A call that ends tells its upstream so once everything has gone.
      if due == .backlog, uplink.backlog == 0, upstream.isOpen(store) {
        perform(state.drained(), store, &turn)
      }
    }
  }

  private mutating func see(to due: CallDue, _ store: Store, _ turn: inout Turn) {
    switch due {
    case .firstAudio: record.tellFirstAudio(of: uplink, &turn)
    case .state: perform(state.expired(at: turn.now), store, &turn)
    case .longestCall: end(.tooLong, store, &turn)
    case .silence:
      let cause = upstream.lastCause
      turn.note(.call(.deadAir(seconds: store.limits.deadAirSeconds, cause)), of: record.name)
      perform(state.leftInSilence(cause), store, &turn)
    case .heldAudio: uplink.takeHeld(store, &turn)
    case .backlog: pump(store, &turn)
    case .keepAlive: keepAlive(store, &turn)
    case .finalize: finalize(store, &turn)
    case .unanswered:
      guard uplink.giveUpUnanswered(at: turn.now) else { return }
      turn.note(.call(.unanswered), of: record.name)
    case .conversation:
      conversation.expired(isTalking: state.isTalking, &caller, &record, store, &turn)
    case .speed: AudioFinding.checkSpeed(in: &self, &turn)
    case .comfort: AudioFinding.comfort(in: &self, store, &turn)
    // `settle` looks after these.
    case .quiet, .change, .pool: break
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
