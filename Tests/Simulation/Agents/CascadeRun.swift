// One run of calls whose agents are cascades, from a seed: each with one that listens, a chat and a
// voice of its own, or with OpenAI beside them, from which it falls back or to which.

import Sidetone
import TestSupport

struct CascadeRun: SeededRun {
  static let name = "cascades"
  static let replay = "SIDETONE_CASCADES_SEED"
  static let hasGoldens = false
  private(set) var failures: [String] = []
  private(set) var summary = ""
  private(set) var marks: Set<String> = []

  init(seed: UInt64, trace: Trace? = nil) { self.init(seed: seed, plant: nil, trace: trace) }

  private enum Part {
    case ears(Int, isFlux: Bool)
    case voice(Int)
    case model
  }

  init(seed: UInt64, plant: AgentThought.Plant?, trace: Trace? = nil) {
    let world = World(seed: seed, config: Self.config, trace: trace)
    world.latencyMaxMicroseconds = [2000, 2000, 20_000, 60_000][world.dice.below(4)]
    var callers: [AgentCaller] = []
    var sockets: [AgentSession] = []
    let isGood = world.dice.percent(30)
    var losses = isGood ? 0 : world.dice.below(5)
    world.onDial = { upstream in
      losses -= 1
      if losses >= 0, world.dice.percent(10) {
        for caller in callers { caller.book.thought?.trouble(for: .seconds(8)) }
        return .failure(World.DialFailure(failure: .refused))
      }
      let end = losses >= 0 ? AgentSession.End.drawn(&world.dice) : nil
      if end != nil { for caller in callers { caller.book.hasLostSession = true } }
      let socket = Self.socket(Self.parts[upstream], world, end, isGood, callers)
      sockets.append(socket)
      return .success(socket)
    }
    for number in 1...world.dice.range(1...2) {
      let caller = AgentCaller(world: world, number: number, plan: Self.plan(world, number))
      caller.book.thought = AgentThought(caller.book, plant: plant)
      caller.book.thought?.expectGreeting()
      callers.append(caller)
      let start = (number - 1) * 10_000 + world.dice.below(5000)
      world.schedule(world.now + .milliseconds(start)) { caller.start() }
    }
    world.onLog = { line in
      for caller in callers where line.contains("[\(caller.name)]") { caller.book.read(line) }
    }
    let fetcher = Fetcher(world, deaths: isGood ? 0 : world.dice.below(3)) { callers }
    fetcher.chat = AgentChat(fetcher, world, isGood: isGood) { callers }
    let check = {
      fetcher.turn()
      for socket in sockets { socket.notice() }
      for caller in callers { caller.book.checkSilence() }
    }
    world.run(until: world.now + .seconds(300), check: check)
    for caller in callers where caller.isOpen { caller.book.check() }
    failures = world.failures + world.relay.missing
    marks = world.marks
    summary =
      callers.map {
        "\($0.number):\($0.said.count),\($0.book.sessions.count),\($0.book.items.count)"
      }.joined(separator: " ") + " \(world.turns)"
    for caller in callers { caller.book.forget() }
    world.forget()
  }

  // MARK: Who takes part

  private static func socket(
    _ part: Part, _ world: World, _ end: AgentSession.End?, _ isGood: Bool,
    _ callers: [AgentCaller]
  ) -> AgentSession {
    func book(_ number: Int) -> AgentBook? { callers.first { $0.number == number }?.book }
    switch part {
    case .ears(let number, let isFlux):
      return AgentEars(world: world, isFlux: isFlux, end: end, plant: nil, book: book(number))
    case .voice(let number):
      var fault = AgentVoice.Fault.none
      if !isGood, world.dice.percent(20) {
        let faults: [AgentVoice.Fault] = [.neverFlushes, .neverClears, .says, .complains]
        fault = faults[world.dice.below(4)]
      }
      return AgentVoice(world: world, end: end, fault: fault, book: book(number))
    case .model:
      return AgentModel(world: world, kind: .openai, end: end, plant: nil) { language in
        callers.first { $0.language == language }?.book
      }
    }
  }

  private static func plan(_ world: World, _ number: Int) -> AgentCaller.Plan {
    let paths = ["cascade", "cascade", "flux", "cascade/openai", "openai/cascade"]
    return AgentCaller.Plan(world, among: paths.map { "/\(number)/\($0)" })
  }

  /// By the place of its upstream it is known who is dialled.
  private static let parts: [Part] = [
    .ears(1, isFlux: false), .ears(1, isFlux: true), .ears(2, isFlux: false),
    .ears(2, isFlux: true), .model, .voice(1), .voice(1), .voice(2), .voice(2),
  ]

  private static let config: Config = {
    var config = Config.acting(callsMax: 4)
    for number in 1...2 {
      for kind in ["cascade", "flux"] { addCascade("\(kind)\(number)", number, to: &config) }
    }
    config.addUpstream("openai", options: [("audio", "g711"), ("transcription_model", "any")])
    for name in config.upstreams.prefix(4).map(\.name) { addVoice(of: name, to: &config) }
    for number in 1...2 {
      for path in ["cascade", "flux", "cascade/openai", "openai/cascade"] {
        let names = path.split(separator: "/").map { $0 == "openai" ? "openai" : "\($0)\(number)" }
        config.addActing("/\(number)/\(path)", to: names)
      }
    }
    config.limits.cascadeCallsMax = config.cascadeCallsMax
    return config
  }()

  private static func addCascade(_ name: String, _ number: Int, to config: inout Config) {
    var options = [("model", "m-1"), ("instructions", "Be brief.")]
    if number == 1 { options.append(("greeting", AgentThought.greeting)) }
    let isFlux = name.hasPrefix("flux")
    if isFlux { options.append(("listen_model", "flux-general-en")) }
    config.addUpstream("cascade", named: name, options: options)
    let place = config.upstreams.count - 1
    config.upstreams[place].endpoint.path = isFlux ? "/v2/listen" : "/v1/listen"
    config.upstreams[place].cascade.thinkURL =
      "https://think.test/\(number)/v1/chat/completions"
    config.upstreams[place].cascade.thinkKey = "sk"
  }

  private static func addVoice(of name: String, to config: inout Config) {
    config.addUpstream("cascade", named: Config.Upstream.name(ofSpeakerFor: name))
    config.upstreams[config.upstreams.count - 1].speaksFor = name
    config.upstreams[config.upstreams.count - 1].endpoint.path = "/v1/speak"
  }
}
