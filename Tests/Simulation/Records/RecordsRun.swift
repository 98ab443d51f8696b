// One run of the simulation of records: a relay with calls of all kinds that writes down what
// happens, on a disk with its weather, read by a courier. Relay and courier are killed where the
// seed says, and go on; in the end everybody comes to rest, and the ledger is held against the
// files and the hook.

import CLinux
import Foundation
import Sidetone
import TestSupport

struct RecordsRun: SeededRun {
  static let name = "records"
  static let replay = "SIDETONE_RECORDS_SEED"
  static let filter = "RecordsSimulation"
  static let hasGoldens = false
  private(set) var failures: [String] = []
  private(set) var summary = ""
  private(set) var marks: Set<String> = []

  private let seed: UInt64
  private let plant: Plant?
  private let directory: String
  private let disk: SharedDisk
  private let ledger = Ledger()
  private let hook: HookServer
  private let courier: CourierPlayer
  private var dice: Dice
  /// Relays that were started.
  private var starts = 0
  /// Nanoseconds since the run began.
  private var now: Int64 = 0

  init(seed: UInt64, trace: Trace? = nil) { self.init(seed: seed, plant: nil, trace: trace) }

  init(seed: UInt64, plant: Plant?, trace: Trace? = nil) {
    self.seed = seed
    self.plant = plant
    dice = Dice(seed: seed &* 17 &+ 9)
    directory = Self.makeDirectory()
    defer { try? FileManager.default.removeItem(atPath: directory) }
    disk = SharedDisk(
      seed: seed, weather: dice.percent(30) ? Weather() : .drawn(&dice, until: 12_000_000_000))
    let outage = RunClock.milliseconds(0) + Int64(dice.below(10_000))
    let span = dice.percent(40) ? Int64(dice.below(20_000)) : 0
    hook = HookServer(seed: seed, outage: outage..<outage + span)
    courier = CourierPlayer(directory, hook, seed: seed)
    courier.onDelete = { [disk] in disk.forgetDeleted() }
    let lives = [1, 2, 2, 3][dice.below(4)]
    for life in 1...lives { live(isLast: life == lives, trace) }
    rest()
    failures += courier.failures + ledger.failures
    marks.formUnion(courier.marks.union(ledger.marks).union(disk.marks))
    summary =
      ledger.instances.map { "\($0.puts.count),\($0.acknowledged),\($0.read),\($0.dropped)" }
      .joined(separator: " ") + " \(hook.received.count)"
  }

  /// In memory where there is such a place: nothing of this has to last.
  static func makeDirectory() -> String {
    let memory = "/dev/shm"
    let base = FileManager.default.isWritableFile(atPath: memory) ? memory : NSTemporaryDirectory()
    let path = "\(base)/sidetone-simulation-\(UUID().uuidString)"
    precondition(unsafe cl_make_directory(path) == 0, "\(path) cannot be made")
    return path
  }

  // MARK: Lives

  private mutating func live(isLast: Bool, _ trace: Trace?) {
    let isKilled = dice.percent(isLast ? 30 : 85)
    let killer = isKilled ? Killer.drawn(&dice) : Killer()
    let world = makeWorld(trace)
    defer { world.forget() }
    if killer.moment == "close" { world.wordiness = 6000 }
    guard let relay = begin(world, killer) else { return }
    let span = Instant.Span.milliseconds(dice.range(200...3500))
    world.run(until: world.now + span) { check(world, relay) }
    if killer.isRare {
      // There it gets by itself, or when its callers leave.
      world.run(until: world.now + .seconds(4)) { check(world, relay) }
      leave(world)
      world.run(until: world.now + .seconds(2)) { check(world, relay) }
    }
    if isKilled {
      // One who never came to where it was to be killed is killed here.
      let moment = killer.isDead ? killer.moment ?? "" : "time"
      let byPower = plant == .hasty || dice.percent(35)
      marks.insert("killed before \(moment)")
      relay.die(byPower: byPower)
      if byPower { marks.insert("power lost") }
    } else {
      drain(world, relay)
    }
    now = relay.now
    if !world.failures.isEmpty { failures += world.failures }
    marks.formUnion(world.marks)
    let pause = Int64(dice.range(1...3000)) * 1_000_000
    courier.run(until: now + pause)
    now += pause
  }

  /// A service manager starts it again where it could not begin.
  private mutating func begin(_ world: World, _ killer: Killer) -> RecordedRelay? {
    for _ in 0..<60 {
      starts += 1
      let relay = RecordedRelay(
        "\(RunClock.milliseconds(now))-\(starts)", world, in: directory, on: disk, ledger, courier,
        killer, plant: plant, at: now)
      if let relay { return relay }
      marks.insert("not begun")
      if killer.isDead {
        marks.insert("killed before \(killer.moment ?? "")")
        return nil
      }
      now += 1_000_000_000
    }
    failures.append("no relay could begin for a minute")
    return nil
  }

  private mutating func drain(_ world: World, _ relay: RecordedRelay) {
    leave(world)
    world.relay.drain(at: world.now)
    let patience = world.now + .seconds(dice.range(0...3))
    while !world.wasDrained, world.now < patience {
      world.run(until: min(world.now + .seconds(1), patience)) { check(world, relay) }
    }
    marks.insert(world.wasDrained ? "drained" : "stopped")
    if !world.wasDrained {
      world.relay.stop(at: world.now)
      world.driver.turn(at: world.now)
    }
    relay.turn()
    relay.close()
  }

  private func leave(_ world: World) {
    for caller in world.callers where caller.plan.leaving != .nonsense { caller.depart() }
    for talker in world.talkers { talker.leave() }
  }

  private func check(_ world: World, _ relay: RecordedRelay) {
    Run.checkStep(world, false)
    Talk.checkStep(world)
    relay.turn()
  }

  /// The weather clears up, and nobody is killed any more.
  private mutating func rest() {
    disk.weather = Weather()
    if let left = courier.finish(from: now) { failures.append("something is left: \(left)") }
    ledger.judge(directory, hook)
    // What was begun in vain stays behind the last record where it could not be cut off.
    if !disk.marks.contains("failed cut") { failures += ledger.damages }
  }

  // MARK: Worlds

  private mutating func makeWorld(_ trace: Trace?) -> World {
    let wall = WallTime(nanoseconds: EngineDriver.wallStart.nanoseconds + now)
    var config = Self.config
    if plant == .late { config.records?.closeWaitMilliseconds = 3000 }
    let world = World(seed: dice.next(), config: config, wall: wall, trace: trace)
    world.latencyMaxMicroseconds = dice.percent(80) ? 2000 : 100_000
    world.wordiness = dice.percent(25) ? dice.range(1000...6000) : 0
    let trouble = dice.percent(50) ? dice.range(0...60) : 0
    world.onDial = { upstream in
      if world.dice.percent(trouble / 3) {
        return .failure(World.DialFailure(failure: .refused))
      }
      if upstream == 0 { return .success(Twin(world: world, mood: Run.mood(trouble, &world.dice))) }
      let kind = upstream == 4 ? Voice.Kind.gemini : .openai
      return .success(Voice(world: world, kind: kind, mood: Talk.mood(trouble, &world.dice)))
    }
    for number in 0..<dice.below(4) {
      let plan = world.dice.percent(50) ? Run.plan(world) : Self.talkative(world)
      let caller = Caller(world: world, number: 1 + number, plan: plan)
      caller.mayLose = trouble > 0
      world.callers.append(caller)
      world.schedule(world.now + .milliseconds(world.dice.below(2000))) { caller.start() }
    }
    for number in 0..<dice.below(5) / 2 { Talk.add(11 + number, to: world, trouble) }
    return world
  }

  /// One who says much in little time.
  private static func talkative(_ world: World) -> Caller.Plan {
    var plan = Caller.Plan()
    let all = Caller.Leaving.allCases
    plan.style = .raw
    plan.leaving = all[world.dice.below(all.count)]
    plan.frames = world.dice.range(10...100)
    plan.burst = world.dice.range(1000...4000)
    plan.pause = .milliseconds(world.dice.range(30...100))
    return plan
  }

  /// Routes and upstreams of one-way and of two-way calls, and a hook that wants everything.
  static var config: Config {
    var config = Run.config(callsMax: 6)
    config.limits.mediumBuffersMax = 8
    config.limits.largeBuffersMax = 4
    let talk = Talk.config(callsMax: 6)
    config.limits.playoutMillisecondsPlanned = talk.limits.playoutMillisecondsPlanned
    config.upstreams += talk.upstreams
    config.routes += talk.routes
    config.records = Config.Records()
    var hook = Config.Hook()
    hook.events = ["transcript.interim"]
    config.records?.hooks = [hook]
    return config
  }
}
