// One run of two-way calls: a few callers and their voice models, with faults drawn from the seed,
// then rest, then the books are checked.

import Sidetone
import TestSupport

struct Talk: SeededRun {
  static let name = "talk"
  static let replay = "SIDETONE_TALK_SEED"
  private(set) var failures: [String] = []
  private(set) var summary = ""
  private(set) var marks: Set<String> = []

  init(seed: UInt64, trace: Trace? = nil) {
    let world = World(seed: seed, config: Self.config(callsMax: 4), trace: trace)
    world.latencyMaxMicroseconds = [2000, 2000, 5000, 100_000][world.dice.below(4)]
    if world.dice.percent(20) { world.windowMax = [700, 3000, 16_384][world.dice.below(3)] }
    let trouble = world.dice.percent(50) ? world.dice.range(0...60) : 0
    world.onDial = { upstream in
      if world.dice.percent(trouble / 3) {
        return .failure(World.DialFailure(failure: world.dice.percent(50) ? .refused : .reset))
      }
      let kind = upstream == 2 ? Voice.Kind.gemini : .openai
      return .success(Voice(world: world, kind: kind, mood: Self.mood(trouble, &world.dice)))
    }
    let count = world.dice.percent(15) ? world.dice.range(5...7) : world.dice.range(1...3)
    for number in 1...count { Self.add(number, to: world, trouble) }
    world.run(until: world.now + .seconds(100)) { Self.checkStep(world) }
    for talker in world.talkers { talker.leave() }
    world.run(until: world.now + .seconds(180)) { Self.checkStep(world) }
    failures = world.relay.missing
    for talker in world.talkers where talker.isOpen {
      Self.check(talker, isQuiet: trouble == 0, world)
    }
    failures += world.failures
    marks = world.marks
    summary =
      world.talkers.map { "\($0.number):\($0.spoken),\($0.items.count),\($0.marksEchoed)" }
      .joined(separator: " ") + " \(world.turns)"
    world.forget()
  }

  /// Routes to a model with G.711 on both sides, to one with PCM, and to Gemini; a webhook, and
  /// where it sends its callers. Room for all that a script says at once.
  static func config(callsMax: Int) -> Config {
    var config = Config.small(callsMax: callsMax)
    config.limits.playoutMillisecondsPlanned = 180_000
    config.addUpstream("openai", named: "exact", options: [("audio", "g711")])
    config.addUpstream("openai", named: "pcm")
    config.addUpstream("gemini")
    for name in ["exact", "pcm", "gemini", "phone"] {
      let upstream = name == "phone" ? "exact" : name
      config.addRoute("/talk/\(name)", ["twilio", "telnyx", "ucid"], to: upstream)
    }
    config.routes[3].bots = [("openai", "exact"), ("gemini", "gemini")]
    var webhook = Config.Route()
    webhook.path = "/twiml"
    webhook.kind = .connect
    webhook.stream = "/talk/phone"
    config.routes.append(webhook)
    return config
  }

  // MARK: Who takes part

  static func mood(_ trouble: Int, _ dice: inout Dice) -> Voice.Mood {
    guard dice.percent(trouble) else { return .good }
    switch dice.below(8) {
    case 0: return .refusing([401, 429, 500, 503][dice.below(4)])
    case 1: return .mute
    case 2: return .refusingSetup
    default:
      let deaths = Voice.Death.allCases
      return .dying(.milliseconds(dice.range(0...15_000)), deaths[dice.below(deaths.count)])
    }
  }

  static func add(_ number: Int, to world: World, _ trouble: Int) {
    var plan = Talker.Plan()
    let dice = { (bound: Int) in world.dice.below(bound) }
    plan.carrier = Talker.Carrier.allCases[dice(3)]
    plan.path = ["/talk/exact", "/talk/exact", "/talk/pcm", "/talk/gemini"][dice(4)]
    plan.leaving = Talker.Leaving.allCases[dice(5)]
    plan.leavesAtEnd = true
    if dice(100) < 30 { plan.leavesAfter = .milliseconds(dice(20_000)) }
    plan.delay = .milliseconds(dice(2) * dice(301))
    plan.drift = dice(401) - 200
    let silences: [Instant.Span] = [.zero, .zero, .zero, .milliseconds(dice(3000)), .never]
    plan.talksAfter = silences[dice(5)]
    plan.shuffles = plan.carrier == .telnyx && dice(2) == 0 && world.latencyMaxMicroseconds < 9000
    plan.keys = dice(4) / 2
    let talker = Talker(world: world, number: number, plan: plan)
    talker.script = (0..<dice(8)).map { _ in Turn.drawn(&world.dice) }
    world.talkers.append(talker)
    world.schedule(world.now + .milliseconds(dice(2000))) { talker.start() }
  }

  // MARK: Checks

  static func checkStep(_ world: World) {
    for talker in world.talkers where talker.isTalking { checkSilence(of: talker, world) }
    for talker in world.talkers where talker.isClearOwed && world.isPrompt {
      if talker.isTalking { world.fail("caller \(talker.number): no clear in its turn") }
      talker.isClearOwed = false
    }
  }

  /// Nobody is left in silence for long without a session: the call ends, or somebody is there.
  /// What comes and goes late, and marks that do, have their time.
  private static func checkSilence(of talker: Talker, _ world: World) {
    let stands = world.wires.values.contains {
      guard let voice = $0.peer as? Voice else { return false }
      return voice.number == talker.number && voice.stands
    }
    // One that stood until this step, between which and the last nothing happened, served till now.
    if stands || talker.stood || talker.player.waiting(at: world.now) > 0 {
      talker.servedAt = world.now
    }
    talker.stood = stands
    let silence = world.now - max(talker.servedAt, talker.startedAt)
    if silence > .seconds(8) + .seconds(3) {
      world.fail("caller \(talker.number): \(silence.milliseconds) ms without a session")
      talker.servedAt = world.now
    }
  }

  /// `isQuiet`: nothing went wrong but what the caller did.
  static func check(_ talker: Talker, isQuiet: Bool, _ world: World) {
    if !talker.isDone {
      world.fail("caller \(talker.number) (\(talker.plan.leaving)): nobody closed it")
    }
    guard isQuiet, world.windowMax == 1 << 20 else { return }
    if talker.plan.leavesAfter == nil {
      talker.checkItems(tellsModel: talker.plan.path != "/talk/gemini")
      if !talker.leftWhilePressing, talker.keysTold != talker.keysPressed.count {
        world.fail("caller \(talker.number): \(talker.keysTold) keys told")
      }
    }
    let isWhole = talker.plan.leaving != .reset && talker.plan.leaving != .vanish
    if isWhole, talker.uplink != talker.spoken {
      world.fail("caller \(talker.number): \(talker.uplink) of \(talker.spoken) reached the model")
    }
    if isWhole, talker.closeCode != 1000 {
      world.fail("caller \(talker.number): closed with \(talker.closeCode ?? 0)")
    }
  }
}
