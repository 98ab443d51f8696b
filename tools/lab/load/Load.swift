// The load generator: callers and a twin of the upstream in one process, with a relay between them.
// One loop with absolute send times: caller i of n is due every 20 ms, i/n of 20 ms after caller 0,
// so the work is spread evenly, and being late once makes nothing later. In two-way calls the
// upstream's connections have their turns between those of the callers. Every run ends by itself,
// whatever the relay does.

import Glibc

package enum Load {
  package static var help: String { LoadOptions.help }

  /// Runs `sidetone-lab load` with the arguments behind that word; returns the exit status.
  package static func run(_ arguments: [String]) -> Int32 {
    if arguments.contains("--help") || arguments.contains("-h") {
      print(help)
      return 0
    }
    do throws(LoadMistake) {
      let options = try LoadOptions(arguments: arguments)
      let run = try LoadRun(options)
      let report = try run.run()
      print(options.json ? report.json : report.text)
      return report.isClean ? 0 : 1
    } catch {
      let line = "sidetone-lab load: \(error.text)\n"
      _ = line.withCString { write(STDERR_FILENO, $0, strlen($0)) }
      return 2
    }
  }
}

final class LoadRun {
  private enum Phase { case settingUp, warming, measuring, draining, leaving, over }

  private let options: LoadOptions
  private let tally: LoadTally
  private let poll = LoadPoll()
  private let reader = ArrivalReader()
  private let callers: LoadCallers
  private let twin: LoadTwin
  private var phase = Phase.settingUp
  /// Monotonic: when this phase ends at the latest.
  private var phaseEnd: Int64 = 0
  private let origin: Int64
  /// Turns that the schedule has had; each turn is one slot's.
  private var turns = 0
  private var report = LoadReport()

  private static let second: Int64 = 1_000_000_000
  /// Callers that begin in each round of 20 ms.
  private static let beginnersPerRound = 10

  init(_ options: LoadOptions) throws(LoadMistake) {
    self.options = options
    raiseDescriptorLimit()
    let ramp = options.calls / (50 * Self.beginnersPerRound)
    let frames =
      options.shortCalls > 0
      ? options.frames : 50 * (2 * ramp + options.warmup + options.seconds + 15)
    let calls = options.shortCalls > 0 ? options.shortCalls : options.calls
    tally = LoadTally(options: options, calls: calls, frames: frames)
    callers = try LoadCallers(options: options, tally: tally, reader: reader, poll: poll)
    twin = try LoadTwin(
      options, capacity: 2 * options.calls + 64, tally: tally, reader: reader, poll: poll)
    origin = LoadClock.now() + Self.second / 50
  }

  func run() throws(LoadMistake) -> LoadReport {
    try waitForRelay()
    report.before = ProcessReading(of: options.process)
    enter(.settingUp, seconds: 10 + options.calls / 100)
    if options.shortCalls > 0 { startMeasuring() }
    while phase != .over {
      let next = runSchedule()
      advance()
      let events = poll.wait(nanoseconds: min(next - LoadClock.now(), Self.second / 50))
      for index in 0..<events { handle(poll[index]) }
    }
    awaitUpstreamEnds()
    report.finish(options, tally)
    return report
  }

  private func handle(_ event: LoadPoll.Event) {
    switch event.kind {
    case .listener: twin.accept()
    case .upstream: twin.happened(event)
    case .caller: callers.happened(event)
    }
  }

  // MARK: The schedule

  /// In each round of 20 ms every slot has one turn for the caller, or one for each half of a
  /// frame, and in two-way calls as many for the upstream behind it.
  private var turnsPerRound: Int { callers.slotCount * turnsPerSlot * callers.halves }
  private var turnsPerSlot: Int { options.isTwoWay ? 2 : 1 }

  private func due(_ turn: Int) -> Int64 {
    let (round, place) = turn.quotientAndRemainder(dividingBy: turnsPerRound)
    return origin &+ Int64(round) &* LoadTally.period
      &+ Int64(place) &* LoadTally.period / Int64(turnsPerRound)
  }

  /// Gives every slot that is due its turn, but looks at the sockets now and then in between.
  /// Returns when the next one is due.
  private func runSchedule() -> Int64 {
    for _ in 0..<32 {
      let due = due(turns)
      guard due <= LoadClock.now() else { return due }
      let (round, place) = turns.quotientAndRemainder(dividingBy: turnsPerRound)
      turns &+= 1
      let (pair, side) = place.quotientAndRemainder(dividingBy: turnsPerSlot)
      let (half, slot) = pair.quotientAndRemainder(dividingBy: callers.slotCount)
      if side == 1 {
        if half == 0 { twin.turn(of: slot, of: callers.slotCount, due: due) }
      } else if slot < (round + 1) * Self.beginnersPerRound {
        callers.turn(of: slot, half: half, due: due)
      }
    }
    return due(turns)
  }

  // MARK: Phases

  private func enter(_ next: Phase, seconds: Int) {
    phase = next
    phaseEnd = LoadClock.monotonic() + Int64(seconds) * Self.second
  }

  private func advance() {
    let expired = LoadClock.monotonic() >= phaseEnd
    switch phase {
    case .settingUp:
      let settled = callers.talkingCount + callers.overCount == callers.slotCount
      if settled || expired { enter(.warming, seconds: options.warmup) }
    case .warming:
      if expired { startMeasuring() }
    case .measuring:
      let finished = callers.overCount == callers.slotCount
      if expired || finished { stopMeasuring() }
    case .draining:
      if tally.isComplete || expired {
        callers.mode = .leave
        enter(.leaving, seconds: 9)
      }
    case .leaving:
      if callers.overCount == callers.slotCount || expired { phase = .over }
    case .over: break
    }
  }

  private func startMeasuring() {
    tally.openWindow(at: LoadClock.now())
    report.opened = ProcessReading(of: options.process)
    report.generatorOpened = (LoadClock.processor(), LoadClock.monotonic())
    var seconds = options.seconds
    if options.shortCalls > 0 {
      // Twice the time that the calls need, and a while for each to be set up and ended.
      let rounds = options.shortCalls / options.calls + 1
      seconds = 20 + rounds * (options.frames * 2 + 50) / 50
    }
    enter(.measuring, seconds: seconds)
  }

  private func stopMeasuring() {
    tally.closeWindow(at: LoadClock.now())
    report.closed = ProcessReading(of: options.process)
    report.generatorClosed = (LoadClock.processor(), LoadClock.monotonic())
    callers.mode = .hold
    twin.isHolding = true
    enter(.draining, seconds: 3 + options.burst)
  }

  /// The relay may hold its upstreams for the last words; and their frames count too.
  private func awaitUpstreamEnds() {
    let end = LoadClock.monotonic() + 6 * Self.second
    while twin.liveCount > 0, LoadClock.monotonic() < end {
      for index in 0..<poll.wait(nanoseconds: Self.second / 50) { handle(poll[index]) }
    }
    report.leftOpen = twin.liveCount
    // What the relay closed last it may have closed a moment after the twin saw it.
    usleep(50_000)
    report.after = ProcessReading(of: options.process)
  }

  /// Up to five seconds for a relay that has just been started.
  private func waitForRelay() throws(LoadMistake) {
    for _ in 0..<250 {
      guard var probe = LoadSocket.connect(to: options.address, port: options.port) else {
        continue
      }
      var watch = pollfd(fd: probe.descriptor, events: Int16(POLLOUT), revents: 0)
      _ = Glibc.poll(&watch, 1, 1_000)
      probe.close()
      if watch.revents == Int16(POLLOUT) {
        usleep(20_000)
        return
      }
      usleep(20_000)
    }
    throw LoadMistake("nothing accepts connections at \(options.port)")
  }
}

/// As many descriptors as this process may have.
private func raiseDescriptorLimit() {
  var limit = rlimit()
  getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
  limit.rlim_cur = limit.rlim_max
  setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
}
