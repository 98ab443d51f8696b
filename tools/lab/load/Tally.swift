// Everything a load counts, in one place: the callers and the twin write it, the report reads it.

final class LoadTally {
  static let period: Int64 = 20_000_000

  /// Frames from the callers to the upstream, and in two-way calls those that come back.
  let up: FrameTally
  let down: FrameTally?
  /// How bursts of sound reached the caller.
  let playout: PlayoutTally?

  /// Calls that got no 101; that ended before we ended them; that the relay did not end.
  var refused = 0
  var broken = 0
  var stuck = 0
  /// Upstream connections, those that the relay finished properly, results sent on them, and
  /// sessions set up on them.
  var upstreams = 0
  var finished = 0
  var results = 0
  var sessions = 0

  init(options: LoadOptions, calls: Int, frames: Int) {
    up = FrameTally(streams: calls, frames: frames, keepsTimes: options.isTwoWay)
    // A relay may dial again, or ahead; each connection is a stream of its own.
    down =
      options.isTwoWay
      ? FrameTally(streams: min(2 * calls, Steps.streams), frames: frames, keepsTimes: true) : nil
    playout = options.burst > 0 ? PlayoutTally(options) : nil
  }

  /// Whether every frame that was sent has arrived.
  var isComplete: Bool { up.ledger.isComplete && down?.ledger.isComplete ?? true }

  func openWindow(at now: Int64) {
    up.opened = now
    down?.opened = now
    playout?.opened = now
  }

  func closeWindow(at now: Int64) {
    up.closed = now
    down?.closed = now
    playout?.closed = now
  }
}

/// The frames of one direction.
final class FrameTally {
  let ledger: FrameLedger
  /// From just before the sender's system call to the arrival on the other side: what the relay
  /// adds, and the way through the kernel twice.
  let delay = Histogram()
  /// From the time at which the frame was due to its arrival: the generator's lateness included.
  let delaySinceDue = Histogram()
  /// How late the generator sent, by its own schedule.
  let lateness = Histogram()
  /// Delay of each stream's first frame, which may wait for the relay to dial.
  let firstFrame = Histogram()

  /// Only frames sent in here count for the figures above, `firstFrame` excepted.
  fileprivate(set) var opened = Int64.max
  fileprivate(set) var closed = Int64.max
  private(set) var measuredSent = 0
  private(set) var measuredArrived = 0

  /// Frames whose sound was changed, and bytes that belong to no frame.
  var damaged = 0
  var strayBytes = 0

  private let firstDue: UnsafeMutablePointer<Int64>

  init(streams: Int, frames: Int, keepsTimes: Bool) {
    ledger = FrameLedger(calls: streams, frames: frames, keepsTimes: keepsTimes)
    firstDue = .allocate(capacity: streams)
    firstDue.initialize(repeating: 0, count: streams)
  }

  func noteSent(_ stamp: Stamp, due: Int64) {
    if stamp.sequence == 0 { firstDue[Int(stamp.call)] = due }
    ledger.noteSent(stamp)
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
      let due = firstDue[Int(stamp.call)] &+ Int64(stamp.sequence) &* LoadTally.period
      delaySinceDue.note(nanoseconds: arrival &- due)
      measuredArrived &+= 1
    }
  }

  /// Notes the frames that an ear hears in a piece of sound.
  func noteHeard(
    _ samples: UnsafePointer<Int16>, count: Int, perStep: Int, by ear: inout StepEar,
    at arrival: Int64
  ) {
    var taken = 0
    while taken < count {
      let outcome = ear.hear(samples + taken, count: count &- taken, perStep: perStep)
      taken &+= outcome.taken
      switch outcome.heard {
      case nil: break
      case .damaged: damaged &+= 1
      case .frame(let stream, let sequence):
        noteArrived(ledger.stamp(call: stream, sequence: sequence), at: arrival)
      }
    }
  }
}

/// How punctually the sound of bursts came. The carrier is told more than it can play at once, so
/// the relay must send it on its own clock. With the first piece of a burst the carrier begins to
/// play: a piece is due when what the carrier then holds, this piece included, is the lead, or at
/// once where it is less.
final class PlayoutTally {
  let late = Histogram()
  let early = Histogram()
  /// Pieces that came when the carrier had nothing left to play.
  private(set) var gaps = 0
  fileprivate(set) var opened = Int64.max
  fileprivate(set) var closed = Int64.max
  private let lead: Int64
  private let burst: Int

  init(_ options: LoadOptions) {
    lead = Int64(options.lead) * 1_000_000
    burst = options.burst * 8_000
  }

  /// What a carrier knows of one call.
  struct Listener {
    fileprivate var samples = 0
    fileprivate var begun: Int64 = 0
  }

  /// A piece of so many samples at 8 kHz.
  func noteArrived(_ samples: Int, for listener: inout Listener, at arrival: Int64) {
    let before = listener.samples % burst
    listener.samples &+= samples
    if before == 0 { listener.begun = arrival }
    guard listener.begun >= opened, arrival < closed else { return }
    let played = arrival &- listener.begun
    let lateness = played &- max(0, Self.time(before &+ samples) &- lead)
    if lateness < 0 { early.note(nanoseconds: 0 &- lateness) }
    late.note(nanoseconds: max(0, lateness))
    if played > Self.time(before) { gaps &+= 1 }
  }

  private static func time(_ samples: Int) -> Int64 { Int64(samples) &* 125_000 }
}
