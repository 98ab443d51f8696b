// Every frame.
//
// What one input may change beside the slot that it is for: the time it came, chance, timers, what
// the driver is asked for, the books. Lent `inout` from the relay down to the part that needs it,
// for the length of that input. (A turn of the driver's loop holds many; `advance` ends it.)

package struct Turn {
  /// When this input came.
  package internal(set) var now: Instant
  var random: Random
  var timers: TurnTimers
  /// Links that the driver has to be asked something for.
  var outputs: SlotQueue
  /// Links whose message waits for a buffer.
  var buffersWanted: SlotQueue
  /// Frames that may still be converted in this turn.
  var conversionsLeft: Int
  /// Which upstream may take a call.
  var availability: Availability
  /// Who has proven nothing yet.
  var guests: Guests
  /// Who hears of calls while they go.
  var subscribers: Subscribers
  /// The books: what was counted, how late frames were, and lines for people. `note` is the way in.
  var counters = Counters()
  var delays = LatencyHistogram()
  var troubles = Troubles()
  /// How long the driver's turns last, and how late they begin.
  var turns = LatencyHistogram()
  var lags = LatencyHistogram()
  /// How long what callers sent waited to be read, where the kernel stamps it.
  var waits = LatencyHistogram()
  /// How long callers waited for models.
  var answers = AnswerHistograms()
  var log: Log
  /// What is written down of calls, on its way to a journal; and what became of it there.
  var entries: Entries
  /// What is asked of HTTP servers.
  var fetches: Fetches
  var delivery = Delivery()

  init(
    _ config: Config, _ store: Store, _ random: Random, guestsSeed: UInt64, at now: Instant,
    wall: WallTime
  ) {
    let limits = store.limits
    self.now = now
    self.random = random
    timers = TurnTimers(linksMax: limits.linksMax, callsMax: limits.callsMax)
    outputs = SlotQueue(capacity: limits.linksMax)
    buffersWanted = SlotQueue(capacity: limits.linksMax)
    conversionsLeft = limits.conversionFramesPerTurnMax
    availability = Availability(
      store.prepared.upstreams.map { ($0.isTwoWay, $0.sessionsMax) },
      twoWayCallsMax: config.twoWayCalls, redialsPerSecondMax: limits.redialsPerSecond)
    guests = Guests(limits, seed: guestsSeed)
    entries = Entries(
      config.records, limits, chance: config.records == nil ? 0 : self.random.next())
    fetches = Fetches(isOn: config.needsFetches)
    subscribers = Subscribers(store)
    log = Log(
      config, scratch: store.scratch.dropping(Limits.scratchBytes / 2), now: now, wall: wall)
  }

  func deallocate() {
    timers.deallocate()
    outputs.deallocate()
    buffersWanted.deallocate()
    guests.deallocate()
    subscribers.deallocate()
  }
}

/// What a timer is for.
enum TimerKey: Equatable {
  /// A link's deadline.
  case link(Int)
  /// A call's soonest deadline.
  case call(Int)
  /// The moment at which more of what a call's agent says goes to its caller.
  case playout(Int)
}

/// One deadline for each key.
struct TurnTimers {
  private var timers: Timers
  private let linksMax: Int
  private let callsMax: Int

  init(linksMax: Int, callsMax: Int) {
    self.linksMax = linksMax
    self.callsMax = callsMax
    timers = Timers(capacity: linksMax + 2 * callsMax)
  }

  func deallocate() { timers.deallocate() }

  var earliest: Instant { timers.earliest }

  @inline(__always) private func place(of key: TimerKey) -> Int {
    switch key {
    case .link(let index): index
    case .call(let index): linksMax &+ index
    case .playout(let index): linksMax &+ callsMax &+ index
    }
  }

  /// Sets the one deadline of `key`; `.never` takes it out.
  @_noAllocation mutating func set(_ key: TimerKey, _ deadline: Instant) {
    timers.set(place(of: key), deadline)
  }

  /// Has `key` come due at `time` at the latest.
  @_noAllocation mutating func wake(_ key: TimerKey, at time: Instant) {
    let place = place(of: key)
    if time < timers.deadline(of: place) { timers.set(place, time) }
  }

  /// Takes out a key whose deadline has come, or nil.
  @_noAllocation mutating func due(at now: Instant) -> TimerKey? {
    guard let place = timers.due(at: now) else { return nil }
    if place < linksMax { return .link(place) }
    let call = place &- linksMax
    return call < callsMax ? .call(call) : .playout(call &- callsMax)
  }
}
