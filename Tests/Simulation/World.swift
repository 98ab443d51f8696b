// The world around one relay: a clock that jumps from event to event, connections that split,
// stall, break and fall silent, and the driver that gives the relay its inputs and performs its
// outputs. Everything is drawn from one seed, so a seed is a whole run.

import Sidetone
import TestSupport

/// SplitMix64: small, and the same everywhere.
struct Dice {
  private var state: UInt64
  init(seed: UInt64) { state = seed &* 0x9e37_79b9_7f4a_7c15 &+ 0x1234_5678_9abc_def1 }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ z >> 30) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ z >> 27) &* 0x94d0_49bb_1331_11eb
    return z ^ z >> 31
  }
  mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(max(bound, 1))) }
  mutating func range(_ range: ClosedRange<Int>) -> Int {
    range.lowerBound + below(range.count)
  }
  /// True in `part` of 100 throws.
  mutating func percent(_ part: Int) -> Bool { below(100) < part }
}

final class World: Sockets {
  let seed: UInt64
  var dice: Dice
  let driver: EngineDriver
  var relay: Relay { driver.relay }
  var now: Instant { driver.now }
  var wasDrained: Bool { driver.wasDrained }
  var wires: [SlotID: Wire] = [:]
  var isBytewise = false
  var latencyMaxMicroseconds = 20_000
  /// What a socket takes before its peer has read.
  var windowMax = 1 << 20
  /// Answers `.dial`, given the upstream's index: who is there, or why nobody is.
  var onDial: ((Int) -> Result<Peer, DialFailure>)?
  /// Sockets take what they are given, and latencies are small: times can be checked.
  var isPrompt: Bool { windowMax == 1 << 20 && latencyMaxMicroseconds <= 5000 }
  var turns = 0
  /// The relay is dead: nothing more happens.
  var isStopped = false
  /// Bytes that those who listen add to each line.
  var wordiness = 0
  var callers: [Caller] = []
  var talkers: [Talker] = []
  private(set) var failures: [String] = []
  /// Audio of one call that the relay can keep whatever the others do: a little less than what its
  /// plan provides for each.
  static let keptForSure = 38_000
  /// What happened at all, so that a set of runs can be asked whether it went everywhere.
  var marks: Set<String> = []
  /// Sees every line of the log.
  var onLog: ((String) -> Void)?
  /// See what leaves the relay, before its peer does.
  var onSent: [(Peer, [UInt8]) -> Void] = []
  /// How often the relay has written down that a call of this name ended.
  private(set) var ends: [String: Int] = [:]

  func fail(_ what: String) {
    if failures.count < 5 { failures.append("\(what), at \(now.nanoseconds / 1_000_000) ms") }
  }

  struct DialFailure: Error { let failure: LinkFailure }

  private struct Event {
    let at: Instant
    let order: Int
    let run: () -> Void
  }
  private var events: [Event] = []
  private var order = 0

  init(
    seed: UInt64, config: Config, wall: WallTime = EngineDriver.wallStart, trace: Trace? = nil
  ) {
    self.seed = seed
    dice = Dice(seed: seed)
    var bytes: [UInt8] = []
    for _ in 0..<32 { bytes.append(UInt8(truncatingIfNeeded: dice.next())) }
    driver = EngineDriver(config: config, seed: bytes, wall: wall, trace: trace)
    driver.sockets = self
  }

  /// Lets go of everybody, so that the run and its relay are given back.
  func forget() {
    callers = []
    talkers = []
    wires = [:]
    events = []
    onDial = nil
    onLog = nil
    onSent = []
  }

  func latency() -> Instant.Span { .microseconds(dice.range(50...latencyMaxMicroseconds)) }

  // MARK: Time

  func schedule(_ at: Instant, _ run: @escaping () -> Void) {
    order += 1
    events.append(Event(at: at, order: order, run: run))
    var child = events.count - 1
    while child > 0, isBefore(child, (child - 1) / 2) {
      events.swapAt(child, (child - 1) / 2)
      child = (child - 1) / 2
    }
  }

  private func isBefore(_ a: Int, _ b: Int) -> Bool {
    (events[a].at, events[a].order) < (events[b].at, events[b].order)
  }

  private func pop() -> Event {
    let first = events[0]
    events[0] = events[events.count - 1]
    events.removeLast()
    var parent = 0
    while 2 * parent + 1 < events.count {
      var child = 2 * parent + 1
      if child + 1 < events.count, isBefore(child + 1, child) { child += 1 }
      guard isBefore(child, parent) else { break }
      events.swapAt(child, parent)
      parent = child
    }
    return first
  }

  /// Turns until `end`, or until nothing more can happen.
  func run(until end: Instant, check: () -> Void) {
    while !isStopped {
      let next = min(events.first?.at ?? .never, relay.wakeTime)
      guard next <= end else { break }
      driver.now = max(now, next)
      if let first = events.first, first.at <= now { pop().run() }
      driver.turn(at: now)
      readLog()
      turns += 1
      precondition(turns < 3_000_000, "the run does not come to rest")
      check()
    }
    driver.now = max(now, end)
  }

  // MARK: Sockets

  /// `address`: where it comes from; nil: from this machine.
  func connect(_ peer: Peer, from address: Address? = nil) -> Bool {
    let link =
      if let address { driver.accept(from: address) } else {
        driver.accept(port: UInt16(20_000 + dice.below(40_000)))
      }
    guard let link else { return false }
    join(link, peer)
    return true
  }

  private func join(_ link: SlotID, _ peer: Peer) {
    let wire = Wire(link: link, peer: peer, world: self, windowMax: windowMax)
    wires[link] = wire
    peer.wire = wire
  }

  func read(_ wire: Wire) {
    while !wire.arrived.isEmpty, wires[wire.link] === wire {
      let count = driver.hand(
        wire.arrived[...], on: wire.link, cut: { dice.percent(80) ? $0 : dice.range(1...$0) },
        whenRead: { wire.onRead?($0) })
      if count == 0 {
        marks.insert("held back")
        return
      }
      wire.arrived.removeFirst(count)
    }
    if wire.hasEnded, wire.arrived.isEmpty, wires[wire.link] === wire {
      wire.hasEnded = false
      driver.end(wire.link)
    }
  }

  func resumeReading(_ link: SlotID) {
    if let wire = wires[link] { schedule(now) { [self] in read(wire) } }
  }

  /// The log says of each call that it ended, and why.
  private func readLog() {
    for line in driver.takenLog() {
      onLog?(line)
      let words = line.split(separator: " ")
      guard let at = words.firstIndex(of: "call_ended:"), at + 1 < words.count else { continue }
      let id = words.first { $0.hasPrefix("[") } ?? "[]"
      ends[String(id.dropFirst().dropLast()), default: 0] += 1
      marks.insert("ended \(words[at + 1])")
    }
  }

  func window(of link: SlotID) -> Int {
    guard let wire = wires[link] else { return 0 }
    if wire.window == 0 { refill(wire) }
    return wire.window
  }

  func take(_ bytes: [UInt8], from link: SlotID) {
    guard let wire = wires[link] else { return }
    wire.window -= bytes.count
    for see in onSent { see(wire.peer, bytes) }
    wire.peer.departed(bytes, at: now)
    guard !wire.isSilent else { return }
    let at = max(wire.lastDelivery, now + latency())
    wire.lastDelivery = at
    schedule(at) { [self] in
      guard !wire.isSilent, !wire.isBroken, !wire.isDeaf else { return }
      wire.window = min(wire.windowMax, wire.window + bytes.count)
      wire.peer.received(bytes, at: now)
    }
  }

  /// The socket is full: writable again a while later, if its peer reads at all.
  private func refill(_ wire: Wire) {
    guard !wire.isFull else { return }
    wire.isFull = true
    schedule(now + .milliseconds(dice.range(1...40))) { [self] in
      wire.isFull = false
      guard wires[wire.link] === wire, !wire.isSilent else { return }
      driver.write(wire.link)
    }
  }

  func dial(_ link: SlotID, _ upstream: Int) {
    let delay = Instant.Span.milliseconds(dice.range(1...400))
    schedule(now + delay) { [self] in
      guard let onDial else { return }
      switch onDial(upstream) {
      case .success(let peer):
        join(link, peer)
        driver.connected(link)
      case .failure(let failure): driver.fail(link, failure.failure)
      }
    }
  }

  func close(_ link: SlotID, byReset: Bool) {
    guard let wire = wires[link] else { return }
    wires[link] = nil
    wire.isClosed = true
    // Behind everything that is still under way to the peer.
    schedule(max(wire.lastDelivery, now + latency())) { [self] in
      if !wire.isSilent { wire.peer.gone(byReset: byReset, at: now) }
    }
  }
}

/// The audio of a call: the byte at a position, never the byte of any silence.
func audio(call: Int, at position: Int) -> UInt8 {
  var z = UInt64(call) &* 0x9e37_79b9 &+ UInt64(position) &* 0xd134_2543_de82_ef95
  z ^= z >> 29
  z = z &* 0xbf58_476d_1ce4_e5b9
  return 1 + UInt8(truncatingIfNeeded: z >> 32) % 0xfd
}
