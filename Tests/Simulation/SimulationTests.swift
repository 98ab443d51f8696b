// Whole calls from a seed. A failure prints the line that replays it:
//
//     SIDETONE_SEED=1234 swift test --filter Simulation
//
// SIDETONE_SEEDS says how many seeds are run (500), SIDETONE_FIRST_SEED which is the first (1).

import Glibc
import Sidetone
import Testing

struct SimulationTests {
  static func setting(_ name: String) -> Int? { getenv(name).flatMap { Int(String(cString: $0)) } }

  @Test(
    "Every seed: nothing is lost, doubled or reordered, everything comes home, every call ends once"
  )
  func seeds() {
    if let seed = Self.setting("SIDETONE_SEED") {
      let failures = Run(seed: UInt64(seed)).failures
      #expect(failures.isEmpty, "seed \(seed): \(failures.joined(separator: "; "))")
      return
    }
    let first = Self.setting("SIDETONE_FIRST_SEED") ?? 1
    for seed in first..<first + (Self.setting("SIDETONE_SEEDS") ?? 500) {
      let failures = Run(seed: UInt64(seed)).failures
      if !failures.isEmpty {
        Issue.record(
          """
          seed \(seed): \(failures.joined(separator: "; ")). \
          Replay: SIDETONE_SEED=\(seed) swift test --filter Simulation
          """)
        return
      }
    }
  }

  @Test("The same seed is the same run")
  func replays() {
    let one = Run(seed: 77)
    let other = Run(seed: 77)
    #expect(one.summary == other.summary)
    #expect(one.summary != Run(seed: 78).summary)
  }

  @Test("The checkers see what they are there to see")
  func checkersCanFail() {
    let run = Run(seed: 5, spoil: true)
    #expect(!run.failures.isEmpty)
  }
}

/// One run: a few callers with faults drawn from the seed, then rest, then the books are checked.
struct Run {
  private(set) var failures: [String] = []
  private(set) var summary = ""

  /// `spoil`: one byte of the audio is changed on its way, which the twin must notice.
  init(seed: UInt64, spoil: Bool = false) {
    var config = Config()
    config.limits.callsMax = 4
    config.limits.otherLinksMax = 4
    config.limits.mediumBuffersMax = 4
    config.limits.largeBuffersMax = 1
    config.limits.callsPerSecondPerAddress = 1000
    var upstream = Config.Upstream()
    upstream.name = "deepgram"
    upstream.kind = "deepgram"
    upstream.key = "test"
    upstream.endpoint.isTLS = false
    upstream.endpoint.host = "127.0.0.1"
    upstream.endpoint.path = "/v1/listen"
    config.upstreams = [upstream]
    for (path, carrier) in [("/media", "twilio"), ("/ws/transcribe", "raw")] {
      var route = Config.Route()
      route.path = path
      route.carriers = [carrier]
      route.upstream = "deepgram"
      config.routes.append(route)
    }
    let world = World(seed: seed, config: config)
    world.isBytewise = world.dice.percent(5)
    world.latencyMaxMicroseconds = world.dice.percent(20) ? 200_000 : 5_000
    let trouble = world.dice.percent(60) ? world.dice.range(0...60) : 0
    world.onDial = { _ in
      if world.dice.percent(trouble / 2) {
        return .failure(World.DialFailure(failure: world.dice.percent(50) ? .refused : .timedOut))
      }
      return .success(Twin(world: world, mood: Self.mood(trouble, &world.dice)))
    }
    start(world, trouble, spoil)
    let isLive = trouble == 0
    world.run(until: world.now + .seconds(60)) { Self.checkStep(world, isLive) }
    for caller in world.callers { caller.depart() }
    world.run(until: world.now + .seconds(120)) {}
    checkBooks(world, trouble)
    failures += world.failures
    summary =
      world.callers.map {
        "\($0.number):\($0.sentAudio),\($0.heardUpTo),\($0.sessions),\($0.lines.count)"
      }.joined(separator: " ") + " \(world.turns)"
  }

  private static func mood(_ trouble: Int, _ dice: inout Dice) -> Twin.Mood {
    guard dice.percent(trouble) else { return .good }
    switch dice.below(8) {
    case 0: return .refusing([401, 402, 429, 500, 503][dice.below(5)])
    case 1: return .mute
    case 2: return .dying(afterBytes: dice.range(1...20_000), .silence)
    case 3, 4: return .dying(afterBytes: dice.range(1...40_000), .close)
    default: return .dying(afterBytes: dice.range(1...40_000), .reset)
    }
  }

  private func start(_ world: World, _ trouble: Int, _ spoil: Bool) {
    // Now and then more callers than the relay may have.
    let count = world.dice.percent(15) ? world.dice.range(5...9) : world.dice.range(1...3)
    for number in 1...count {
      let leaving = Caller.Leaving.allCases[world.dice.below(Caller.Leaving.allCases.count)]
      let caller = Caller(
        world: world, number: number, style: world.dice.percent(60) ? .carrier : .raw,
        leaving: leaving, frames: world.dice.range(0...(world.isBytewise ? 20 : 250)))
      caller.mayLose = trouble > 0
      caller.spoils = spoil
      world.callers.append(caller)
      world.schedule(world.now + .milliseconds(world.dice.below(2000))) { caller.start() }
    }
  }

  // MARK: Checks

  /// In the same turn: what was handed over has left, once a live call's upstream has caught up.
  private static func checkStep(_ world: World, _ isLive: Bool) {
    let relay = world.relay
    if relay.blocksFree > relay.blocksMax { world.fail("more blocks than there are") }
    guard isLive else { return }
    for caller in world.callers where caller.style == .carrier && caller.sessions == 1 {
      if caller.departed > caller.delivered {
        world.fail("call \(caller.number): more audio left than came")
      }
      if caller.departed < caller.delivered, caller.wasCaughtUp {
        world.fail(
          "call \(caller.number): \(caller.delivered - caller.departed) bytes did not leave in their turn"
        )
      }
      if caller.departed == caller.delivered { caller.wasCaughtUp = true }
    }
  }

  private mutating func checkBooks(_ world: World, _ trouble: Int) {
    let relay = world.relay
    if relay.callsInUse != 0 { failures.append("\(relay.callsInUse) calls never ended") }
    if relay.linksInUse != 0 { failures.append("\(relay.linksInUse) links never came home") }
    if relay.blocksFree != relay.blocksMax {
      failures.append("\(relay.blocksMax - relay.blocksFree) blocks never came home")
    }
    if relay.buffersInUse != 0 { failures.append("buffers never came home") }
    if relay.totals.callsStarted != relay.totals.callsEndedAfterStart {
      failures.append("calls did not end once each")
    }
    for caller in world.callers where caller.isOpen && caller.refusedWith == nil {
      checkCaller(caller, trouble)
    }
  }

  private mutating func checkCaller(_ caller: Caller, _ trouble: Int) {
    let number = caller.number
    guard trouble == 0 else { return }
    // A quiet world: every byte arrives, once, whatever way the caller left after its last frame.
    let isWhole = caller.leaving != .reset && caller.leaving != .vanish
    if isWhole, caller.heardUpTo != caller.sentAudio {
      failures.append(
        "call \(number) (\(caller.leaving)): heard \(caller.heardUpTo) of \(caller.sentAudio)")
    }
    if caller.sessions > 1 { failures.append("call \(number): \(caller.sessions) sessions") }
    guard caller.style == .raw, isWhole, caller.sentAudio > 0 else { return }
    let last = "end at \(caller.heardUpTo)"
    let isTold = caller.lines.contains { $0.contains("\"transcript\"") && $0.contains(last) }
    if !isTold {
      failures.append("call \(number) (\(caller.leaving)): the last words did not arrive")
    }
    if caller.closeCode != 1000 {
      failures.append("call \(number) (\(caller.leaving)): closed with \(caller.closeCode ?? 0)")
    }
  }
}
