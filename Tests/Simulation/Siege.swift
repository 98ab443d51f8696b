// One run of a relay with strangers at its door: many who prove nothing, from few or many
// addresses, some who flood, and budgets that are small; beside them honest callers and people who
// ask how it goes. Then rest, and the books are checked.
//
// - Who proves something at once is served, however many strangers hold places.
// - A frame of a healthy call leaves in the turn in which it came, and none is lost.
// - Whoever is refused, displaced or let go is told.

import Sidetone
import TestSupport

struct Siege: SeededRun {
  static let name = "siege"
  static let replay = "SIDETONE_SIEGE_SEED"
  static let tokenPath = "/phone"
  private(set) var failures: [String] = []
  private(set) var summary = ""
  private(set) var marks: Set<String> = []

  init(seed: UInt64, trace: Trace? = nil) {
    let floods = Int(seed % 3)
    var config = Self.config(callsMax: 12)
    config.limits.otherLinksMax = [8, 16, 24][Int(seed / 3 % 3)]
    let world = World(seed: seed, config: config, trace: trace)
    world.latencyMaxMicroseconds = 2_000
    world.onDial = { _ in .success(Twin(world: world, mood: .good)) }
    let addresses = world.dice.percent(30) ? 2 : world.dice.range(3...200)
    for number in 1...3 { Self.addCaller(number, to: world) }
    let strangers = Self.addStrangers(to: world, from: addresses, floods)
    // Where an address has a share of two, strangers from there may come between a newcomer and its
    // request.
    let areAmongThem = config.limits.unprovenPerAddress > 2
    let newcomers = Self.addNewcomers(to: world, besides: areAmongThem ? 0 : addresses)
    world.run(until: world.now + .seconds(30)) { Run.checkStep(world, true) }
    for caller in world.callers { caller.depart() }
    world.run(until: world.now + .seconds(60)) { Run.checkStep(world, true) }
    // Whoever still has a socket hangs up.
    for stranger in strangers where !stranger.isDone { stranger.wire?.end(byReset: true) }
    world.run(until: world.now + .seconds(60)) {}
    failures = world.relay.missing
    for caller in world.callers { check(caller) }
    for newcomer in newcomers where !newcomer.isAnswered {
      failures.append("a newcomer had no answer")
    }
    failures += world.failures
    let totals = world.relay.totals
    if totals.linksRefused > 0 { failures.append("somebody found no link") }
    if totals.guestsDisplaced > 0 { world.marks.insert("displaced") }
    if totals.peersSlowed > 0 { world.marks.insert("slowed") }
    marks = world.marks
    summary =
      world.callers.map { "\($0.number):\($0.sentAudio),\($0.heardUpTo)" }.joined(separator: " ")
      + " \(totals.guestsDisplaced) \(totals.peersFlooding) \(world.turns)"
    world.forget()
  }

  /// The routes of the other runs, and one whose sockets owe a call token.
  private static func config(callsMax: Int) -> Config {
    var config = Run.config(callsMax: callsMax)
    config.limits.callsPerSecondPerAddress = Limits().callsPerSecondPerAddress
    config.limits.badMessagesMax = 1_000_000
    config.addUpstream("openai")
    config.addRoute(tokenPath, ["telnyx"], to: "openai")
    var webhook = Config.Route()
    webhook.path = "/twiml"
    webhook.kind = .connect
    webhook.stream = tokenPath
    webhook.secret = "known"
    config.routes.append(webhook)
    return config
  }

  // MARK: Who takes part

  private static func address(_ number: Int) -> Address {
    Address(ipv4: 0xcb00_7100 &+ UInt32(number), port: UInt16(1024 + number))
  }

  private static func addCaller(_ number: Int, to world: World) {
    var plan = Caller.Plan()
    plan.leaving = world.dice.percent(50) ? .stop : .close
    plan.frames = world.dice.range(100...900)
    let caller = Caller(world: world, number: number, plan: plan)
    world.callers.append(caller)
    world.schedule(world.now + .milliseconds(world.dice.below(8000))) { caller.start() }
  }

  private static func addStrangers(
    to world: World, from addresses: Int, _ floods: Int
  ) -> [Stranger] {
    var strangers: [Stranger] = []
    func add(_ wish: Stranger.Wish, from: Address?, at milliseconds: Int) {
      let stranger = Stranger(world: world, wish: wish, from: from)
      strangers.append(stranger)
      world.schedule(world.now + .milliseconds(milliseconds)) { stranger.start() }
    }
    let wishes = Stranger.Wish.allCases.filter { $0 != .flood }
    for _ in 0..<world.dice.range(20...200) {
      let from = address(world.dice.below(addresses))
      add(wishes[world.dice.below(wishes.count)], from: from, at: world.dice.below(15_000))
    }
    for _ in 0..<floods { add(.flood, from: nil, at: world.dice.below(3000)) }
    return strangers
  }

  /// From anywhere behind the first addresses.
  private static func addNewcomers(to world: World, besides addresses: Int) -> [Operator] {
    (0..<20).map { number in
      let from = address(addresses + world.dice.below(200))
      let newcomer = Operator(world: world, wish: .health, from: from)
      world.schedule(world.now + .milliseconds(number * 1000 + world.dice.below(1000))) {
        newcomer.start()
      }
      return newcomer
    }
  }

  // MARK: Checks

  private mutating func check(_ caller: Caller) {
    let number = caller.number
    if let status = caller.refusedWith { return failures.append("call \(number): \(status)") }
    if caller.heardUpTo != caller.wholeAudio {
      failures.append("call \(number): heard \(caller.heardUpTo) of \(caller.wholeAudio)")
    }
    if caller.closeCode != 1000 {
      failures.append("call \(number): closed with \(caller.closeCode ?? 0)")
    }
  }
}
