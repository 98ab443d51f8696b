// The end of a relay's life: it takes no new calls, and gives those that run their time.
//
//     no ──begin──▶ running ──deadline──▶ finishing ──deadline──▶ (what is left is abandoned)
//                      │                      │
//                      └── no call is left ───┴──▶ drained        told once
//
// Until the first deadline calls go on as they are. Then they end as if their callers had left:
// what was said last is heard, for so long as any call's end may take. What still runs at the
// second deadline is abandoned, and so is everything at once when the relay is stopped.

struct Drain: BitwiseCopyable {
  private enum State: BitwiseCopyable { case no, running, finishing, drained }

  /// What becomes of the calls that still run at a deadline.
  enum Step: BitwiseCopyable { case end, abandon }

  private var state = State.no
  private(set) var deadline = Instant.never

  /// No new calls.
  var isOn: Bool { state != .no }

  /// False: it has begun before.
  mutating func begin(at now: Instant, _ limits: Limits) -> Bool {
    guard state == .no else { return false }
    state = .running
    deadline = now + .seconds(limits.drainSeconds)
    return true
  }

  /// Every call is abandoned now.
  mutating func stop() {
    if state == .no { state = .running }
    deadline = .never
  }

  /// The deadline has come.
  mutating func expired(at now: Instant, _ limits: Limits) -> Step {
    guard state == .running else {
      deadline = .never
      return .abandon
    }
    state = .finishing
    deadline = now + .seconds(limits.finishSeconds)
    return .end
  }

  /// It ends with the last call.
  var awaitsLastCall: Bool {
    @inline(__always) get { state == .running || state == .finishing }
  }

  @_noAllocation mutating func lastCallEnded() { state = .drained }
}
