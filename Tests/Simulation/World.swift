// The world around one relay: a clock that jumps from event to event, connections that split,
// stall, break and fall silent, and the driver that gives the relay its inputs and performs its
// outputs. Everything is drawn from one seed, so a seed is a whole run.

import Sidetone

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

final class World {
  var dice: Dice
  var now = Instant(nanoseconds: 1_000_000_000)
  let relay: Relay
  var wires: [SlotID: Wire] = [:]
  var isBytewise = false
  var latencyMaxMicroseconds = 20_000
  /// What a socket takes before its peer has read.
  var windowMax = 1 << 20
  /// Answers `.dial`, given the upstream's index: who is there, or why nobody is.
  var onDial: ((Int) -> Result<Peer, DialFailure>)?
  /// Sockets take what they are given, and latencies are small: times can be checked.
  var isPrompt: Bool { windowMax == 1 << 20 && latencyMaxMicroseconds <= 5000 }
  var wasDrained = false
  var turns = 0
  var callers: [Caller] = []
  var talkers: [Talker] = []
  private(set) var failures: [String] = []
  /// Audio of one call that the relay can keep whatever the others do: a little less than what its
  /// plan provides for each.
  static let keptForSure = 38_000
  /// What happened at all, so that a set of runs can be asked whether it went everywhere.
  var marks: Set<String> = []
  /// How often the relay has written down that a call of this name ended.
  private(set) var ends: [String: Int] = [:]
  /// Where everything that the relay does is written down, if anywhere.
  private let trace: Trace?
  private var line = [UInt8](repeating: 0, count: Lines.lineBytesMax)

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

  init(seed: UInt64, config: Config, trace: Trace? = nil) {
    self.trace = trace
    dice = Dice(seed: seed)
    var bytes: [UInt8] = []
    for _ in 0..<32 { bytes.append(UInt8(truncatingIfNeeded: dice.next())) }
    relay = Relay(
      config: config, seed: bytes, now: now, wall: WallTime(nanoseconds: 1_700_000_000_000_000_000))
  }

  /// Lets go of everybody, so that the run and its relay are given back.
  func forget() {
    callers = []
    talkers = []
    wires = [:]
    events = []
    onDial = nil
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
    while true {
      let next = min(events.first?.at ?? .never, relay.wakeTime)
      guard next <= end else { break }
      now = max(now, next)
      if let first = events.first, first.at <= now { pop().run() }
      relay.advance(to: now)
      perform()
      turns += 1
      precondition(turns < 3_000_000, "the run does not come to rest")
      check()
    }
    now = max(now, end)
  }

  // MARK: The driver

  func connect(_ peer: Peer) -> Bool {
    let address = Address(ipv4: 0x7f00_0001, port: UInt16(20_000 + dice.below(40_000)))
    guard let link = relay.accepted(on: 0, from: address, at: now) else { return false }
    let wire = Wire(link: link, peer: peer, world: self, windowMax: windowMax)
    wires[link] = wire
    peer.wire = wire
    return true
  }

  func read(_ wire: Wire) {
    while !wire.arrived.isEmpty, wires[wire.link] === wire {
      let place = relay.room(for: wire.link)
      if place.isEmpty {
        marks.insert("held back")
        return
      }
      let most = min(place.count, wire.arrived.count)
      let length = dice.percent(80) ? most : dice.range(1...most)
      for index in 0..<length { place[index] = wire.arrived[index] }
      let piece = Array(wire.arrived.prefix(length))
      wire.arrived.removeFirst(length)
      wire.onRead?(piece)
      relay.received(length, on: wire.link, at: now)
      perform()
    }
    if wire.hasEnded, wire.arrived.isEmpty, wires[wire.link] === wire {
      wire.hasEnded = false
      relay.ended(wire.link, at: now)
      perform()
    }
  }

  private func perform() {
    while let output = relay.next() {
      trace?.asked(output, at: now)
      switch output {
      case .write(let link): write(link)
      case .resumeReading(let link):
        if let wire = wires[link] { schedule(now) { [self] in read(wire) } }
      case .dial(let link, let upstream): dial(link, upstream)
      case .close(let link): close(link, byReset: false)
      case .reset(let link): close(link, byReset: true)
      case .drained: wasDrained = true
      }
    }
    readLines()
  }

  /// The log says of each call that it ended, and why.
  private func readLines() {
    while let taken = line.withMutableBytes({ relay.takeLine(into: $0) }) {
      let text = String(decoding: line.prefix(taken.count), as: UTF8.self)
      trace?.logged(text, taken.stream, at: now)
      let words = text.split(separator: " ")
      guard let at = words.firstIndex(of: "call_ended"), at + 2 < words.count else { continue }
      ends[String(words[at + 1].dropLast()), default: 0] += 1
      marks.insert("ended \(words[at + 2])")
    }
  }

  private func write(_ link: SlotID) {
    guard let wire = wires[link] else { return }
    while true {
      let run = relay.outgoing(link)
      if run.isEmpty { return }
      let length = min(run.count, wire.window)
      if length == 0 {
        refill(wire)
        return
      }
      let bytes = run.prefix(length).array
      wire.window -= length
      trace?.sent(bytes, on: link, at: now)
      wire.peer.departed(bytes, at: now)
      if !wire.isSilent {
        let at = max(wire.lastDelivery, now + latency())
        wire.lastDelivery = at
        schedule(at) { [self] in
          guard !wire.isSilent, !wire.isBroken else { return }
          guard !wire.isDeaf else { return }
          wire.window = min(wire.windowMax, wire.window + length)
          wire.peer.received(bytes, at: self.now)
        }
      }
      relay.sent(length, on: link, at: now)
    }
  }

  /// The socket is full: writable again a while later, if its peer reads at all.
  private func refill(_ wire: Wire) {
    guard !wire.isFull else { return }
    wire.isFull = true
    schedule(now + .milliseconds(dice.range(1...40))) { [self] in
      wire.isFull = false
      guard wires[wire.link] === wire, !wire.isSilent else { return }
      write(wire.link)
    }
  }

  private func dial(_ link: SlotID, _ upstream: Int) {
    let delay = Instant.Span.milliseconds(dice.range(1...400))
    schedule(now + delay) { [self] in
      guard let onDial else { return }
      switch onDial(upstream) {
      case .success(let peer):
        let wire = Wire(link: link, peer: peer, world: self, windowMax: windowMax)
        wires[link] = wire
        peer.wire = wire
        relay.connected(link, at: now)
      case .failure(let failure): relay.failed(link, failure.failure, at: now)
      }
      perform()
    }
  }

  private func close(_ link: SlotID, byReset: Bool) {
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
