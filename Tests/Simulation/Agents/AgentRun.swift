// One run of calls whose agents act: functions of servers that do anything, transfers, sessions
// that are lost or left at every moment and followed by others that know what was said, by another
// vendor's where a route has one, and a fetcher that dies. Then rest, and the books are checked.

import Sidetone
import TestSupport

struct AgentRun: SeededRun {
  static let name = "agents"
  static let replay = "SIDETONE_AGENTS_SEED"
  static let hasGoldens = false
  private(set) var failures: [String] = []
  private(set) var summary = ""
  private(set) var marks: Set<String> = []

  init(seed: UInt64, trace: Trace? = nil) { self.init(seed: seed, plant: nil, trace: trace) }

  /// `plant`: what is broken on the way between relay and model. `stays`: nobody ever hangs up.
  init(seed: UInt64, plant: AgentModel.Plant?, stays: Bool = false, trace: Trace? = nil) {
    let world = World(seed: seed, config: Self.config, trace: trace)
    world.latencyMaxMicroseconds = [2000, 2000, 20_000, 60_000][world.dice.below(4)]
    var callers: [AgentCaller] = []
    var models: [AgentModel] = []
    var losses = world.dice.percent(70) ? world.dice.range(1...6) : 0
    world.onDial = { upstream in
      losses -= 1
      if losses >= 0, world.dice.percent(10) {
        for caller in callers { caller.book.hasLostSession = true }
        return .failure(World.DialFailure(failure: .refused))
      }
      let end = losses >= 0 ? AgentModel.End.drawn(&world.dice) : nil
      // Whose it is, it has not been told yet.
      if end != nil { for caller in callers { caller.book.hasLostSession = true } }
      let model = AgentModel(
        world: world, kind: AgentModel.Kind.allCases[upstream], end: end, plant: plant
      ) { language in
        callers.first { $0.language == language }?.book
      }
      models.append(model)
      return .success(model)
    }
    for number in 1...world.dice.range(1...3) {
      let caller = AgentCaller(world: world, number: number, plan: Self.plan(world, stays))
      callers.append(caller)
      let start = (number - 1) * 20_000 + world.dice.below(10_000)
      world.schedule(world.now + .milliseconds(start)) { caller.start() }
    }
    world.onLog = { line in
      for caller in callers where line.contains("[\(caller.name)]") { caller.book.read(line) }
    }
    let fetcher = Fetcher(world, deaths: world.dice.below(4)) { callers }
    let check = {
      fetcher.turn()
      for model in models { model.notice() }
      for caller in callers { caller.book.checkSilence() }
    }
    world.run(until: world.now + .seconds(120), check: check)
    world.run(until: world.now + Self.rest(callers), check: check)
    for caller in callers where caller.isOpen { caller.book.check() }
    failures = world.failures + world.relay.missing
    marks = world.marks
    summary =
      callers.map {
        "\($0.number):\($0.said.count),\($0.book.sessions.count),\($0.book.functions.count)"
      }.joined(separator: " ") + " \(world.turns)"
    for caller in callers { caller.book.forget() }
    world.forget()
  }

  /// Calls are over, and so is everything that they left behind.
  private static func rest(_ callers: [AgentCaller]) -> Instant.Span {
    callers.reduce(Instant.Span.seconds(200)) { max($0, .seconds(200) + $1.plan.rests) }
  }

  // MARK: Who takes part

  private static func plan(_ world: World, _ stays: Bool) -> AgentCaller.Plan {
    var plan = AgentCaller.Plan(world, among: paths)
    plan.stays = stays
    // Until the hour is over for which OpenAI's sessions last.
    if plan.path.hasPrefix("/openai"), world.dice.percent(10) {
      plan.rests = .seconds(world.dice.range(3440...3600))
    }
    return plan
  }

  private static let paths = [
    "/openai", "/gemini", "/agent", "/openai/gemini", "/gemini/agent", "/agent/openai",
  ]

  private static let config: Config = {
    var config = Config.acting(callsMax: 6)
    config.addUpstream("openai", options: [("audio", "g711"), ("transcription_model", "any")])
    config.addUpstream("gemini")
    config.addUpstream("deepgram-agent")
    let names = ["openai": "openai", "gemini": "gemini", "agent": "deepgram-agent"]
    for path in paths {
      config.addActing(path, to: path.split(separator: "/").map { names[String($0)]! })
    }
    return config
  }()
}

extension Config {
  /// For callers of two carriers that transfer calls.
  static func acting(callsMax: Int) -> Config {
    var config = Config.small(callsMax: callsMax)
    config.limits.playoutMillisecondsPlanned = 60_000
    config.limits.mediumBuffersMax = 8
    config[carrier: "twilio"].secrets = [Array("token".utf8)]
    config[carrier: "telnyx"].controlKey = "KEY1"
    return config
  }

  /// A route to an agent, and to another one where that fails.
  mutating func addActing(_ path: String, to upstreams: [String]) {
    addRoute(path, ["twilio", "telnyx"], to: upstreams[0])
    routes[routes.count - 1].fallback = upstreams.count > 1 ? upstreams[1] : ""
    routes[routes.count - 1].functions = Self.agentFunctions
    routes[routes.count - 1].isOpen = true
  }

  private static let agentFunctions: [Config.Function] = {
    var (status, slow) = (Config.Function(), Config.Function())
    var (bye, transfer) = (Config.Function(), Config.Function())
    status.name = "status"
    status.required = ["id"]
    status.schema =
      #"{"type":"object","properties":{"id":{"type":"string"}},"required":["id"]}"#
    status.url = "https://shop.test/f"
    slow.name = "slow"
    slow.url = "https://shop.test/slow"
    slow.talksMeanwhile = true
    bye.name = "bye"
    bye.builtIn = .hangUp
    transfer.name = "transfer"
    transfer.builtIn = .transfer
    transfer.targets = [Config.Function.Target(name: "sales", address: "+4930123")]
    transfer.required = ["to"]
    return [status, slow, bye, transfer]
  }()
}
