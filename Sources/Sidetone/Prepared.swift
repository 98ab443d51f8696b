// Settings made ready for use, once for everybody who needs them, so that nothing is built from
// text when a request or a call comes: at start, and where they are read anew (Prepared+Reload).

package final class Prepared: Sendable {
  /// In the order of `Config.upstreams`, `Config.routes` and `Carrier.all`.
  package let upstreams: [PreparedUpstream]
  package let routes: [PreparedRoute]
  package let carriers: [PreparedCarrier]

  package init(_ config: Config) {
    config.limits.check()
    let upstreams = config.upstreams.map { PreparedUpstream($0, in: config) }
    self.upstreams = upstreams
    routes = config.routes.map { PreparedRoute($0, in: config, upstreams) }
    carriers = Carrier.all.map { PreparedCarrier($0, in: config) }
  }

  init(upstreams: [PreparedUpstream], routes: [PreparedRoute], carriers: [PreparedCarrier]) {
    self.upstreams = upstreams
    self.routes = routes
    self.carriers = carriers
  }
}

/// What is set about a carrier.
package struct PreparedCarrier: Sendable {
  /// What is sent to it, and the byte order of linear PCM from it, where it leaves that to us.
  let chosen: Format
  let isBigEndian: Bool
  /// What its signatures are judged by; nil: they are not checked.
  let signatures: SignatureKeys?
  /// How it is asked to act on calls; nil: it cannot be.
  let control: PreparedControl?

  init(_ row: Carrier, in config: Config) {
    let settings = config[carrier: row.name.description]
    chosen = settings.chosenFormat
    isBigEndian = settings.chosenIsBigEndian
    let isChecked = row.signature != nil && !settings.secrets.isEmpty
    signatures =
      isChecked ? SignatureKeys(secrets: settings.secrets, config) : nil
    control = row.control.flatMap { PreparedControl($0, settings) }
  }
}

/// An upstream as the relay uses it: its handshake's parts as bytes.
package struct PreparedUpstream: Sendable {
  let name: Text
  /// Index into Upstream.all.
  let kind: Int
  let partner: Partner
  let host: Text
  let port: UInt16
  let isTLS: Bool
  let path: Text
  /// The header that carries the key, and what it says; empty where there is no key.
  let keyHeader: StaticString
  let authorization: Text
  /// What must be set before this upstream can be used; empty where nothing is missing.
  let missing: Text
  var isWithoutKey: Bool { !missing.bytes.isEmpty }
  let pacePercent: Int
  /// Sessions at once.
  let sessionsMax: Int
  /// Who thinks and who speaks for it; nil: it does so itself, or nobody does.
  let cascade: PreparedCascade?

  /// Who is at the other end.
  package enum Partner: BitwiseCopyable, Sendable {
    /// Nobody: callers hear themselves.
    case nobody
    /// It only listens.
    case listener
    /// It talks back.
    case talker
  }

  /// It talks back: its calls need memory for both ways.
  var isTwoWay: Bool { partner == .talker }
  /// Somebody can be dialled, as far as the settings go.
  var isUsable: Bool { partner != .nobody && missing.bytes.isEmpty }

  init(_ config: Config.Upstream, in all: Config) {
    guard let kind = Upstream.index(of: config.kind) else {
      preconditionFailure("settings name only kinds that exist")
    }
    let row = Upstream.all[kind]
    name = Text(config.name)
    self.kind = kind
    let speaker = config.speaksFor.isEmpty ? nil : row.speaker
    cascade = speaker == nil ? PreparedCascade(config, in: all) : nil
    let isNobody = !row.isDialled || speaker != nil
    partner = isNobody ? .nobody : row.voice == nil ? .listener : .talker
    host = Text(config.endpoint.host)
    port = config.endpoint.port
    isTLS = config.endpoint.isTLS
    path = Text(config.endpoint.path)
    let ownScheme = (speaker?.keyScheme ?? row.keyScheme).description
    let scheme = config.keyScheme.isEmpty ? ownScheme : config.keyScheme + " "
    let ownHeader = speaker?.keyHeader ?? row.keyHeader
    keyHeader = config.keyScheme.isEmpty ? ownHeader : "Authorization"
    authorization = Text(config.key.isEmpty ? "" : scheme + config.key)
    missing = Text(row.needsKey && config.key.isEmpty ? config.keyVariable : "")
    pacePercent = config.pacePercent
    sessionsMax = config.sessionsMax > 0 ? config.sessionsMax : .max
  }
}

/// Who thinks and who speaks for an upstream that only listens.
package struct PreparedCascade: Sendable {
  /// The chat endpoint, and what it is shown as a bearer's; empty: nothing.
  let url: Text
  let key: Text
  /// Index into Config.upstreams of the one that speaks.
  let speaker: Int

  init?(_ upstream: Config.Upstream, in config: Config) {
    guard !upstream.cascade.thinkURL.isEmpty,
      let speaker = config.place(ofSpeakerFor: upstream.name)
    else { return nil }
    url = Text(upstream.cascade.thinkURL)
    key = Text(upstream.cascade.thinkKey)
    self.speaker = speaker
  }
}

/// A route as everybody uses it: admission, webhooks, the relay.
package struct PreparedRoute: Sendable {
  let path: Text
  /// The segment behind `path` that callers must know; empty: none.
  let secret: Text
  let kind: Config.Route.Kind
  /// Nobody new may come: only calls that began with it use it.
  private(set) var isRetired = false
  /// Who may come, and from where; `addresses` says so where it asks for them.
  private(set) var exposure: Exposure
  let addresses: [AddressRange]
  /// Indices into Carrier.all, in the order of the list.
  let carriers: [Int]
  /// Index into Config.upstreams; of several bots, the first one's.
  let upstream: Int
  /// What callers may choose from, the default first; of a call route never empty.
  let bots: [Bot]
  /// Who takes over where the caller's bot cannot be had or is lost; its name is empty.
  let fallback: Bot?
  /// For a webhook: the index of the call route that its answer points to; -1 for a call.
  private(set) var stream: Int
  let dialsAhead: Bool
  /// How many of its own upstream's sessions are kept ready.
  let warm: Int
  /// For a call: whether webhooks send its callers, with tokens. For a webhook: whether it does.
  private(set) var isGivenTokens: Bool
  /// Index into Config.upstreams of the route's own where none of its bots has its secret; -1: at
  /// least one can be served.
  let keyless: Int
  /// Whether callers may choose: among bots, or what a voice model is like.
  let hasChoice: Bool
  /// Samples a second that the upstream gets; 0: the caller's own.
  let upstreamRate: Int
  /// What its voice models may call, and what they are told of it.
  let functions: [PreparedFunction]
  let toldFunctions: [Upstream.Function]
  /// How callers are listened to and spoken to.
  let habits: Habits
  /// What callers hear at once; while no session stands; before the call ends since none will.
  let greetings, holds, goodbyes: Recording
  /// When the model or the caller has kept the other one waiting for too long; what the caller
  /// hears then, and what the model is told.
  let quiet: QuietBounds
  let apologies: Recording
  let reprompt: Text

  struct Habits: OptionSet, Sendable {
    let rawValue: UInt8
    static let takesCommands = Habits(rawValue: 1)
    static let fillsGaps = Habits(rawValue: 2)
    static let sendsComfort = Habits(rawValue: 4)
    static let skipsSilence = Habits(rawValue: 8)

    init(rawValue: UInt8) { self.rawValue = rawValue }

    init(_ route: Config.Route) {
      self = []
      if route.takesCommands { insert(.takesCommands) }
      if route.fillsGaps { insert(.fillsGaps) }
      if route.sendsComfort { insert(.sendsComfort) }
      if route.skipsSilence { insert(.skipsSilence) }
    }
  }

  struct QuietBounds: BitwiseCopyable, Sendable {
    let model: Instant.Span
    let caller: Instant.Span
    let repromptsMax: Int

    init(_ watch: Config.Watch) {
      func span(_ seconds: Int) -> Instant.Span { seconds == 0 ? .never : .seconds(seconds) }
      model = span(watch.modelQuietSeconds)
      caller = span(watch.callerQuietSeconds)
      repromptsMax = watch.repromptsMax
    }
  }

  struct Bot: Sendable {
    /// What callers call it; empty where there is no choice.
    let name: Text
    /// Index into Config.upstreams.
    let upstream: Int
    /// What the upstream is asked for, as a query, percent-encoded, and what stands in its url
    /// beside that.
    let options: Text
    let fixed: Text

    init(_ name: String, _ upstream: Int, _ route: Config.Route, _ config: Config) {
      self.name = Text(name)
      self.upstream = upstream
      let asked = config.asked(of: config.upstreams[upstream], on: route)
      options = Text(Query.encoded(asked.options))
      fixed = Text(Query.encoded(asked.fixed))
    }
  }

  init(_ route: Config.Route, in config: Config, _ upstreams: [PreparedUpstream]) {
    path = Text(route.path)
    secret = Text(route.secret)
    kind = route.kind
    exposure = .open
    addresses = route.addresses
    carriers = Carrier.all.indices.filter {
      route.carriers.isEmpty || route.carriers.contains(Carrier.all[$0].name.description)
    }
    upstream = config.place(ofUpstream: route.upstream) ?? -1
    precondition(kind != .call || upstream >= 0, "settings name only upstreams that exist")
    let choice = route.bots.isEmpty ? [(name: "", upstream: route.upstream)] : route.bots
    let bots = choice.compactMap { bot in
      config.place(ofUpstream: bot.upstream).map { Bot(bot.name, $0, route, config) }
    }
    precondition(kind != .call || bots.count == choice.count, "and so do a route's bots")
    self.bots = bots
    // One without a key would refuse what is handed to it.
    fallback = config.place(ofUpstream: route.fallback)
      .flatMap { config.upstreams[$0].isWithoutKey ? nil : Bot("", $0, route, config) }
    let isServed = kind != .call || bots.contains { !upstreams[$0.upstream].isWithoutKey }
    keyless = isServed ? -1 : upstream
    stream = -1
    dialsAhead = kind == .connect && route.dialsAhead
    warm = route.warm
    isGivenTokens = false
    upstreamRate = route.upstreamRate
    functions = route.functions.map { PreparedFunction($0, config.profile) }
    toldFunctions = functions.map(\.told)
    habits = Habits(route)
    hasChoice =
      kind == .call && (bots.count > 1 || config.upstreams[upstream].talks)
    func recording(_ audio: Config.Greeting?, _ phrase: Config.Phrase) -> Recording {
      Recording(
        audio, config.profile, isUninterrupted: route.uninterrupted.contains(phrase))
    }
    greetings = recording(route.greetingAudio, .greeting)
    holds = recording(route.holdAudio, .hold)
    goodbyes = Recording(route.goodbyeAudio, config.profile)
    quiet = QuietBounds(route.watch)
    apologies = recording(route.apologyAudio, .apology)
    reprompt = Text(route.watch.reprompt)
    standAmong(route, config)
  }

  /// What does not follow from the route alone: who may come, and whom webhooks send.
  mutating func standAmong(_ route: Config.Route, _ config: Config) {
    isRetired = route.isRetired
    exposure = config.exposure(of: route)
    stream =
      config.routes.firstIndex {
        $0.kind == .call && $0.path == route.stream && !$0.isRetired
      } ?? -1
    isGivenTokens =
      config.givesTokens(route)
      || config.routes.contains {
        config.givesTokens($0) && $0.stream == route.path && !$0.isRetired
      }
  }

  /// It serves nobody new from now on.
  var retired: PreparedRoute {
    var route = self
    route.isRetired = true
    return route
  }

  /// Indices in Config.upstreams of all whom its calls may have.
  var upstreams: [Int] { (bots + [fallback].compactMap { $0 }).map(\.upstream) }

  /// The one carrier that it accepts and that starts with its handshake, or nil.
  var opensAtOnce: Int? {
    guard carriers.count == 1, Carrier.all[carriers[0]].open != nil else { return nil }
    return carriers[0]
  }
}

extension Config.Carrier {
  /// `chosenAudio`, as the relay knows audio.
  package var chosenFormat: Format {
    switch chosenAudio {
    case .mulaw: Format(codec: .mulaw, rate: 8000)
    case .alaw: Format(codec: .alaw, rate: 8000)
    case .linear16(let rate):
      Format(codec: .linear16, rate: rate, isBigEndian: chosenIsBigEndian)
    }
  }
}

extension Config {
  /// Resamplers that are made at start: for what callers at 8 kHz need with each upstream that
  /// talks and has its key. What others need is made when the first of them calls.
  var resamplersReady: [(from: Int, to: Int, count: Int)] {
    var ready: [(from: Int, to: Int, count: Int)] = []
    func add(_ from: Int, _ to: Int) {
      guard from != to, !ready.contains(where: { $0.from == from && $0.to == to }) else { return }
      ready.append((from, to, twoWayCalls))
    }
    let caller = Format.mulaw8k
    for index in Set(routes.flatMap { upstreams(of: $0) }).sorted() {
      guard !upstreams[index].isWithoutKey,
        let row = Sidetone.Upstream.index(of: upstreams[index].kind),
        let voice = Sidetone.Upstream.all[row].voice
      else { continue }
      let options = Text(Query.encoded(upstreams[index].options))
      let session = Sidetone.Upstream.Session(hears: caller, says: caller, options: options.bytes)
      guard let hears = Sidetone.Upstream.all[row].hears(caller, session) else { continue }
      add(caller.rate, hears.rate)
      add(voice.says(caller, session).rate, caller.rate)
    }
    return ready
  }

  /// How many there may be of each pair of rates.
  var resamplersMax: Int {
    let isForListeners = routes.contains { $0.upstreamRate > 0 }
    return max(isForListeners ? limits.callsMax : twoWayCalls, 1)
  }
}

extension Config.Upstream {
  /// Whether it talks: its calls need playout, and conversion where the formats differ.
  package var talks: Bool {
    speaksFor.isEmpty && Upstream.index(of: kind).map { Upstream.all[$0].voice != nil } ?? false
  }
}
