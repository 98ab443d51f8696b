// Everything a load counts, in one place: the callers and the twin write it, the report reads it.

final class LoadTally {
  static let period: Int64 = 20_000_000

  let ledger: FrameLedger
  /// From just before the caller's system call to the arrival at the twin: what the relay adds, and
  /// the way through the kernel twice.
  let delay = Histogram()
  /// From the time at which the frame was due to its arrival: the generator's lateness included.
  let delaySinceDue = Histogram()
  /// How late the generator sent, by its own schedule.
  let lateness = Histogram()
  /// Delay of each call's first frame, which waits for the relay to dial.
  let firstFrame = Histogram()

  /// Only frames sent in here count for the figures above, `firstFrame` excepted.
  private(set) var opened = Int64.max
  private(set) var closed = Int64.max
  private(set) var measuredSent = 0
  private(set) var measuredArrived = 0

  /// Calls that got no 101; that ended before we ended them; that the relay did not end.
  var refused = 0
  var broken = 0
  var stuck = 0
  /// Upstream connections, those told to finish with CloseStream, and results sent on them.
  var upstreams = 0
  var finished = 0
  var results = 0
  /// Frames whose bytes were changed, and bytes that belong to no frame.
  var damaged = 0
  var strayBytes = 0

  private let firstDue: UnsafeMutablePointer<Int64>

  init(calls: Int, frames: Int) {
    ledger = FrameLedger(calls: calls, frames: frames)
    firstDue = .allocate(capacity: calls)
    firstDue.initialize(repeating: 0, count: calls)
  }

  func openWindow(at now: Int64) { opened = now }
  func closeWindow(at now: Int64) { closed = now }

  func noteSent(_ stamp: Stamp, due: Int64) {
    if stamp.sequence == 0 { firstDue[Int(stamp.call)] = due }
    ledger.noteSent(call: stamp.call)
    if stamp.sent >= opened && stamp.sent < closed {
      lateness.note(nanoseconds: stamp.sent &- due)
      measuredSent &+= 1
    }
  }

  func noteArrived(_ stamp: Stamp, at arrival: Int64) {
    guard ledger.noteArrived(stamp) else { return }
    if stamp.sequence == 0 { firstFrame.note(nanoseconds: arrival &- stamp.sent) }
    if stamp.sent >= opened && stamp.sent < closed {
      delay.note(nanoseconds: arrival &- stamp.sent)
      let due = firstDue[Int(stamp.call)] &+ Int64(stamp.sequence) &* Self.period
      delaySinceDue.note(nanoseconds: arrival &- due)
      measuredArrived &+= 1
    }
  }
}
