// One run of the simulation: a few callers with faults drawn from the seed, then rest, then the
// books are checked.

import Sidetone
import TestSupport

struct Run: SeededRun {
  static let name = "run"
  static let replay = "SIDETONE_SEED"
  private(set) var failures: [String] = []
  private(set) var summary = ""
  private(set) var marks: Set<String> = []

  init(seed: UInt64, trace: Trace?) { self.init(seed: seed, trace: trace, spoil: false) }

  /// `spoil`: one byte of the audio is changed on its way, which the twin must notice.
  init(seed: UInt64, trace: Trace? = nil, spoil: Bool) {
    let world = World(seed: seed, config: Self.config(callsMax: 4), trace: trace)
    world.isBytewise = world.dice.percent(5)
    world.latencyMaxMicroseconds = world.dice.percent(20) ? 200_000 : 5_000
    if world.latencyMaxMicroseconds == 5_000, world.dice.percent(20) {
      world.windowMax = [1500, 8000, 65_536][world.dice.below(3)]
    }
    let trouble = world.dice.percent(60) ? world.dice.range(0...60) : 0
    world.onDial = { _ in
      if world.dice.percent(trouble / 2) {
        return .failure(World.DialFailure(failure: world.dice.percent(50) ? .refused : .timedOut))
      }
      return .success(Twin(world: world, mood: Self.mood(trouble, &world.dice)))
    }
    start(world, trouble, spoil)
    let operators = start(operatorsOf: world)
    let isLive = trouble == 0 && world.windowMax == 1 << 20
    world.run(until: world.now + .seconds(60)) { Self.checkStep(world, isLive) }
    for caller in world.callers where caller.plan.leaving == .stay { checkStayed(caller, trouble) }
    // A long backlog of a client that is held back takes its time.
    for caller in world.callers where caller.hasLeft { caller.depart() }
    world.run(until: world.now + .seconds(120)) {}
    for caller in world.callers { caller.depart() }
    world.run(until: world.now + .seconds(60)) {}
    if !operators.allSatisfy(\.isServed) { failures.append("an operator waits for an answer") }
    checkBooks(world)
    for caller in world.callers where caller.isOpen { checkCaller(caller, trouble) }
    failures += world.failures
    marks = world.marks
    summary =
      world.callers.map {
        "\($0.number):\($0.sentAudio),\($0.heardUpTo),\($0.sessions),\($0.lines.count)"
      }.joined(separator: " ") + " \(world.turns)"
    world.forget()
  }

  /// A relay with three routes and little room.
  static func config(callsMax: Int) -> Config {
    var config = Config.small(callsMax: callsMax)
    config.limits.mediumBuffersMax = 4
    config.limits.largeBuffersMax = 1
    config.addUpstream("deepgram")
    config.upstreams[0].endpoint.path = "/v1/listen"
    config.addUpstream("echo")
    config.addRoute("/media", ["twilio"], to: "deepgram")
    config.addRoute("/ws/transcribe", ["raw"], to: "deepgram")
    config.addRoute("/echo", [], to: "echo")
    config.addRoute("/echo/raw", ["raw"], to: "echo")
    return config
  }

  // MARK: Who takes part

  static func mood(_ trouble: Int, _ dice: inout Dice) -> Twin.Mood {
    guard dice.percent(trouble) else { return .good }
    switch dice.below(8) {
    case 0: return .refusing([401, 402, 429, 500, 503][dice.below(5)])
    case 1: return .mute
    case 2: return .dying(afterBytes: dice.range(1...20_000), .silence)
    case 3: return .dying(afterBytes: dice.range(1...40_000), .close)
    case 4: return .dying(afterBytes: dice.range(1...40_000), .closeOddly)
    default: return .dying(afterBytes: dice.range(1...40_000), .reset)
    }
  }

  private func start(_ world: World, _ trouble: Int, _ spoil: Bool) {
    // Now and then more callers than the relay may have.
    let count = world.dice.percent(15) ? world.dice.range(5...9) : world.dice.range(1...3)
    for number in 1...count {
      let caller = Caller(world: world, number: number, plan: Self.plan(world))
      caller.mayLose = trouble > 0
      caller.spoils = spoil
      world.callers.append(caller)
      world.schedule(world.now + .milliseconds(world.dice.below(2000))) { caller.start() }
    }
  }

  static func plan(_ world: World) -> Caller.Plan {
    var plan = Caller.Plan()
    let all = Caller.Leaving.allCases
    plan.leaving = all[world.dice.below(all.count)]
    let framesMax = world.isBytewise ? 20 : 250
    plan.frames = world.dice.range(0...framesMax)
    if world.dice.percent(10) { plan.delay = .seconds(world.dice.range(1...30)) }
    plan.isFragmented = world.dice.percent(20)
    switch world.dice.below(100) {
    case 0..<50: break
    // A track that is more than 40 ms late would be replaced by silence, as it should be.
    case 50..<60 where world.latencyMaxMicroseconds < 20_000: plan.style = .both
    default:
      plan.style = .raw
      plan.isWide = world.dice.percent(30)
      // From one byte to 64 KiB, small ones as often as large ones.
      plan.burst = min(world.dice.range(1...1 << world.dice.range(0...16)), 65_000)
      plan.frames = min(plan.frames, (world.isBytewise ? 20_000 : 400_000) / plan.burst)
      plan.pause = .milliseconds(world.dice.range(1...200))
      plan.isDeaf = world.dice.percent(3)
    }
    return plan
  }

  private func start(operatorsOf world: World) -> [Operator] {
    (0..<world.dice.below(5)).map { _ in
      let all = Operator.Wish.allCases
      let one = Operator(world: world, wish: all[world.dice.below(all.count)])
      world.schedule(world.now + .milliseconds(world.dice.below(20_000))) { one.start() }
      return one
    }
  }

  // MARK: Checks

  /// In the same turn: what was handed over has left, once a live call's upstream has caught up.
  static func checkStep(_ world: World, _ isLive: Bool) {
    let relay = world.relay
    if relay.blocksFree > relay.blocksMax { world.fail("more blocks than there are") }
    guard isLive else { return }
    for caller in world.callers where caller.plan.style == .carrier && caller.sessions == 1 {
      if caller.departed > caller.delivered {
        world.fail("call \(caller.number): more audio left than came")
      }
      if caller.departed < caller.delivered, caller.wasCaughtUp {
        let late = caller.delivered - caller.departed
        world.fail("call \(caller.number): \(late) bytes did not leave in their turn")
      }
      if caller.departed == caller.delivered { caller.wasCaughtUp = true }
    }
  }

  /// One who stays is still connected, and has heard its last words.
  private mutating func checkStayed(_ caller: Caller, _ trouble: Int) {
    guard trouble == 0, caller.isOpen, caller.hasLeft, !caller.plan.isDeaf else { return }
    if caller.isDone { failures.append("call \(caller.number): who stayed was let go") }
  }

  private mutating func checkBooks(_ world: World) {
    let relay = world.relay
    failures += relay.missing
    if relay.totals.callsStarted != relay.totals.callsEndedAfterStart {
      failures.append("calls did not end once each")
    }
    for (name, count) in world.ends where count != 1 && name.hasPrefix("c") {
      failures.append("\(name) ended \(count) times")
    }
  }

  private mutating func checkCaller(_ caller: Caller, _ trouble: Int) {
    let number = caller.number
    let leaving = caller.plan.leaving
    if !caller.isDone { failures.append("call \(number) (\(leaving)): nobody closed it") }
    guard trouble == 0 else { return }
    // A quiet world: every byte arrives, once, whatever way the caller left after its last frame.
    // Less than the twin needs to know a voice is not missed.
    let isWhole =
      leaving != .reset && leaving != .vanish && !caller.plan.isDeaf
      && caller.wholeAudio >= Twin.leastToKnow
    if isWhole, caller.heardUpTo != caller.wholeAudio {
      failures.append(
        "call \(number) (\(leaving)): heard \(caller.heardUpTo) of \(caller.wholeAudio)")
    }
    if caller.sessions > 1 { failures.append("call \(number): \(caller.sessions) sessions") }
    guard isWhole, leaving != .nonsense else { return }
    if caller.closeCode != 1000 {
      failures.append("call \(number) (\(leaving)): closed with \(caller.closeCode ?? 0)")
    }
    if caller.plan.style == .raw, !caller.hasLastWords {
      failures.append("call \(number) (\(leaving)): the last words did not arrive")
    }
  }
}
