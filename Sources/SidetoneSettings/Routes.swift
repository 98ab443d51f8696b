// Routes: what the file says about each, the defaults beside them, and the rules that tie them to
// upstreams, carriers and to each other.

import Sidetone

/// A route of the file, and where its parts stand.
struct WrittenRoute {
  var route = Config.Route()
  var place: Place
  var places: [String: Place] = [:]
  /// A value of it was refused.
  var isRefused = false
  /// Names of the functions that its model may call.
  var functions: [String] = []

  func place(of key: String) -> Place { places[key] ?? place }
}

extension Setting where Target == WrittenRoute {
  static let all: [Self] = [
    .text(
      "routes", "path", form: "/PATH",
      help: "Where it is served; a default with that path is replaced.",
      \.route.path, check: readPath),
    Self(
      table: "routes", key: "kind", form: "call, voice or connect", standard: "call",
      help: "A WebSocket that carries a call, or a webhook that lets us listen, or talk."
    ) { written, value throws(Refusal) in
      switch try value.text() {
      case "call": written.route.kind = .call
      case "voice": written.route.kind = .voice
      case "connect": written.route.kind = .connect
      default: throw Refusal("must be \"call\", \"voice\" or \"connect\"")
      }
    },
    .list(
      "routes", "carriers", form: "NAME, …", standard: "any",
      help: "Who may call: \(carrierNames.joined(separator: ", ")).",
      \.route.carriers, each: readCarrier),
    .text(
      "routes", "upstream", form: "NAME", help: "Which upstream calls go to.", \.route.upstream),
    .text(
      "routes", "fallback", form: "NAME",
      help: "The upstream that takes over where the other one refuses, is silent or is lost.",
      \.route.fallback),
    .text(
      "routes", "stream", form: "/PATH",
      help: "For voice and connect: the call route to which the answer points.",
      \.route.stream),
    Self(
      table: "routes", key: "bots", form: "table",
      help:
        "What callers may choose as bot_type, such as { sales = \"\(voices[0])\" }, "
        + "upstream among it."
    ) { written, value throws(Refusal) in
      written.route.bots = try readBots(value)
    },
    .list(
      "routes", "functions", form: "NAME, …",
      help: "What its voice model may call, of [[functions]].", \.functions, each: oneLine),
    .toggle(
      "routes", "dial_ahead", standard: true,
      help: "For connect: dial the upstream on the webhook, before the caller's socket comes.",
      \.route.dialsAhead),
    .integer(
      "routes", "warm", in: 0...64, standard: 0,
      help: "Sessions of its voice model that are kept ready for the next callers.",
      \.route.warm),
    .recording(
      "routes", "greeting",
      help: "A WAV file (16-bit PCM, mono, 8, 16 or 24 kHz), or words, that callers hear at once.",
      \.route.greetingAudio),
    .recording(
      "routes", "hold",
      help: "Likewise, heard once while no session with the voice model stands.",
      \.route.holdAudio),
    .recording(
      "routes", "goodbye",
      help: "Likewise, heard before a call ends since no session will stand.",
      \.route.goodbyeAudio),
    .recording(
      "routes", "apology",
      help: "Likewise, heard where the model says nothing though it is its turn.",
      \.route.apologyAudio),
    .list(
      "routes", "uninterrupted", form: "greeting, hold, apology", standard: "none",
      help: "Those that go on while the caller speaks, who is answered behind them.",
      \.route.uninterrupted, each: readPhrase),
    .integer(
      "routes", "model_quiet_seconds", in: 0...60, standard: 0,
      help: "For how long, in seconds; 4 where there is an apology; 0: that is not watched.",
      \.route.watch.modelQuietSeconds),
    .integer(
      "routes", "caller_quiet_seconds", in: 0...600, standard: 0,
      help: "After so long the model speaks again to a caller who says nothing; 0: it does not.",
      \.route.watch.callerQuietSeconds),
    .integer(
      "routes", "caller_reprompts", in: 0...10, standard: Config.Watch().repromptsMax,
      help: "So often; when the caller then still says nothing, the call ends.",
      \.route.watch.repromptsMax),
    Self(
      table: "routes", key: "reprompt", form: "text", standard: "\"\(Config.Watch().reprompt)\"",
      help: "What the model is told then."
    ) { written, value throws(Refusal) in
      let text = try readProse(try value.text(), bytesMax: Limits.settingBytesMax)
      if text.allSatisfy(\.isWhitespace) { throw Refusal("must not be empty") }
      written.route.watch.reprompt = text
    },
    Self(
      table: "routes", key: "upstream_rate", form: "8000, 16000 or 24000",
      help: "Convert to this many samples a second for an upstream that only listens."
    ) { written, value throws(Refusal) in
      written.route.upstreamRate = try readRate(value, among: [8000, 16000, 24000])
    },
    .toggle(
      "routes", "commands", standard: true,
      help: "False for vendors that know none: they are not told to forget what they play.",
      \.route.takesCommands),
    .toggle(
      "routes", "fill_gaps", standard: false,
      help: "Where a carrier's timestamps jump ahead, silence is sent for what did not come.",
      \.route.fillsGaps),
    .toggle(
      "routes", "comfort", standard: false,
      help: "While nobody speaks to a caller, send 20 ms of silence each second: a sign of life.",
      \.route.sendsComfort),
    .toggle(
      "routes", "skip_silence", standard: false,
      help: "While a caller is silent, send signs of life instead of audio, where that is enough.",
      \.route.skipsSilence),
    .list(
      "routes", "addresses", form: "NETWORK, …",
      help: "Only these peers may call; no key is asked for.",
      \.route.addresses, each: readAddressRange),
    .text(
      "routes", "secret",
      help: "A path segment that callers must know: /PATH/SECRET; no key is asked for.",
      \.route.secret, check: readSegment
    ).secret(),
    .toggle(
      "routes", "open", standard: false,
      help: "Anyone may call, with no proof at all.",
      \.route.isOpen),
    Self(
      table: "routes", key: "options", form: "table",
      help: "What the upstream is asked for, by its own names, such as { model = \"nova-2\" }."
    ) { written, value throws(Refusal) in
      written.route.options = try readOptions(value)
    },
  ]
}

/// Two upstreams for examples, voice models where there are some.
private let voices: [String] = {
  let kinds = upstreamRows.filter { $0.row.voice != nil }.map(\.name) + ["NAME", "OTHER"]
  return Array(kinds.prefix(2))
}()

/// Names that callers use, and an upstream for each.
private func readBots(_ written: Written) throws(Refusal) -> [(name: String, upstream: String)] {
  let example =
    "must be a table such as { sales = \"\(voices[0])\", support = \"\(voices[1])\" }"
  guard case .node(let node) = written, case .table(let members) = node.value else {
    throw Refusal(example)
  }
  var bots: [(name: String, upstream: String)] = []
  for member in members {
    guard case .text(let upstream) = member.value else { throw Refusal(example) }
    guard !member.key.isEmpty, member.key.utf8.count <= 64, member.key.utf8.allSatisfy(isNameByte)
    else { throw Refusal("has a name with more than 64 bytes or with strange signs") }
    bots.append((name: member.key, upstream: upstream))
  }
  guard (1...16).contains(bots.count) else { throw Refusal("must name 1 to 16 bots") }
  return bots
}

/// A text, number or truth each, or a list of them where a name may stand several times.
private func readOptions(_ written: Written) throws(Refusal) -> [(name: String, value: String)] {
  guard case .node(let node) = written, case .table(let members) = node.value else {
    throw Refusal("must be a table such as { model = \"nova-2\" }")
  }
  var options: [(name: String, value: String)] = []
  for member in members {
    var values = [member]
    if case .array(let several) = member.value { values = several }
    for value in values {
      switch value.value {
      case .text(let text): options.append((name: member.key, value: text))
      case .integer(let number): options.append((name: member.key, value: "\(number)"))
      case .boolean(let truth): options.append((name: member.key, value: "\(truth)"))
      default: throw Refusal("`\(member.key)` must be a text, a number, or true or false")
      }
    }
  }
  return options
}

extension Draft {
  mutating func readRoute(file: String, _ node: TOMLNode) -> WrittenRoute? {
    var written = WrittenRoute(place: .file(file, line: node.line))
    guard case .table(let members) = node.value else {
      refuse(written.place, "routes are a list of tables: write [[routes]]")
      return nil
    }
    written.route.isConfigured = true
    let rows = Setting<WrittenRoute>.all
    for member in members {
      let place = Place.file(file, line: member.line)
      written.places[member.key] = place
      guard let row = rows.first(where: { $0.key == member.key }) else {
        refuse(place, unknown("in [[routes]]", member.key, among: rows.map(\.key)))
        continue
      }
      do throws(Refusal) {
        try row.assign(&written, .node(member))
      } catch {
        written.isRefused = true
        refuse(place, "[[routes]] \(row.key) \(error.text)")
      }
    }
    for member in members {
      let namesFile = rows.contains { $0.key == member.key && $0.namesFile }
      noteValue("routes \(written.route.path).\(member.key)", .node(member), namesFile: namesFile)
    }
    if written.route.apologyAudio != nil, written.places["model_quiet_seconds"] == nil {
      written.route.watch.modelQuietSeconds = 4
    }
    return written
  }

  mutating func finishRoutes(_ written: [WrittenRoute]) {
    var taken: [String: Place] = [:]
    for route in written {
      let path = route.route.path
      if path.isEmpty {
        if route.places["path"] == nil { refuse(route.place, "[[routes]] needs a path") }
        continue
      }
      if let first = taken[path] {
        refuse(route.place(of: "path"), "[[routes]] path \(path) is taken already, at \(first)")
      }
      taken[path] = route.place(of: "path")
    }
    config.routes =
      written.map { withDefaultBotFirst($0.route) } + defaultRoutes.filter { taken[$0.path] == nil }
    setOptionsOfDefaults()
    for route in written { judge(route) }
    judgeOptions(written)
    // A default may point at a route that the file has put in the place of another default.
    for route in defaultRoutes where taken[route.path] == nil && route.isWebhook {
      guard let place = taken[route.stream] else { continue }
      if let reason = complaint(aboutStream: route.stream) {
        refuse(place, "the default route \(route.path) points to \(reason)")
      }
    }
  }

  /// What is asked of the route's upstream and not for its like, and for whom it is.
  private func complaintsOfService(_ route: Config.Route) -> [(key: String, text: String)] {
    guard let served = config.namedUpstreams.first(where: { $0.name == route.upstream }) else {
      return []
    }
    var found: [(key: String, text: String)] = []
    if route.upstreamRate > 0, served.talks {
      found.append(("upstream_rate", "upstreams that only listen"))
    }
    if route.skipsSilence, upstreamRow(of: served.kind)?.row.silenceBehindWords == nil {
      found.append(("skip_silence", "upstreams that only listen, and need not hear all silence"))
    }
    let isSet = [
      ("warm", route.warm > 0), ("hold", route.holdAudio != nil),
      ("goodbye", route.goodbyeAudio != nil), ("apology", route.apologyAudio != nil),
      ("model_quiet_seconds", route.watch.modelQuietSeconds > 0 && route.apologyAudio == nil),
      ("caller_quiet_seconds", route.watch.callerQuietSeconds > 0),
    ]
    for (key, isSet) in isSet where isSet && !served.talks {
      found.append((key, "upstreams that talk"))
    }
    return found
  }

  /// What is recorded for callers, and how long they wait for it.
  private mutating func judgePhrases(_ written: WrittenRoute) {
    let route = written.route
    func refuse(_ key: String, _ text: String) {
      guard let place = written.places[key] else { return }
      mistakes.append(Mistake(place, "[[routes]] \(key)\(text)"))
    }
    let recorded: [Config.Phrase: Config.Greeting?] = [
      .greeting: route.greetingAudio, .hold: route.holdAudio, .apology: route.apologyAudio,
    ]
    for phrase in route.uninterrupted where recorded[phrase] == .some(nil) {
      refuse("uninterrupted", ": this route has no \(phrase.rawValue)")
    }
    if route.watch.modelQuietSeconds == 0 {
      refuse("apology", " is for routes with model_quiet_seconds")
    }
    if route.watch.repromptsMax == 0 {
      refuse("reprompt", " is for routes with caller_reprompts above 0")
    }
    guard route.watch.callerQuietSeconds == 0 else { return }
    for key in ["caller_reprompts", "reprompt"] {
      refuse(key, " is for routes with caller_quiet_seconds")
    }
  }

  private mutating func judge(_ written: WrittenRoute) {
    let route = written.route
    func refuse(_ key: String, _ text: String) {
      mistakes.append(Mistake(written.place(of: key), "[[routes]] \(text)"))
    }
    func refuse(_ keys: [String], isFor purpose: String) {
      for key in keys where written.places[key] != nil { refuse(key, "\(key) is for \(purpose)") }
    }
    switch route.kind {
    case .call:
      let names = config.namedUpstreams.map(\.name)
      if route.upstream.isEmpty, written.places["upstream"] == nil {
        refuse("path", "needs an upstream: \(names.joined(separator: ", "))")
      } else if let upstream = config.namedUpstreams.first(where: { $0.name == route.upstream }) {
        if let kind = upstreamRow(of: upstream.kind),
          let reason = complaint(aboutOptions: route.options, of: kind)
        {
          refuse("options", "options: \(reason)")
        }
      } else if !route.upstream.isEmpty {
        refuse("upstream", unknown("upstream", route.upstream, among: names))
      }
      for bot in route.bots where !names.contains(bot.upstream) {
        refuse("bots", "bots: " + unknown("upstream", bot.upstream, among: names))
      }
      if !route.bots.isEmpty, !route.bots.contains(where: { $0.upstream == route.upstream }) {
        refuse("bots", "bots: one of them must be the route's upstream, which is the default")
      }
      if !route.fallback.isEmpty, let reason = complaint(aboutFallback: route) {
        refuse("fallback", reason)
      }
      judgePhrases(written)
      for (key, text) in complaintsOfService(route) { refuse(key, "\(key) is for \(text)") }
      refuse(["stream", "dial_ahead"], isFor: "kind = \"voice\" or \"connect\"")
    case .voice, .connect:
      refuse(
        [
          "upstream", "fallback", "carriers", "options", "bots", "greeting", "hold", "goodbye",
          "upstream_rate", "warm", "commands", "fill_gaps", "comfort", "skip_silence", "functions",
          "apology", "model_quiet_seconds", "caller_quiet_seconds", "caller_reprompts", "reprompt",
          "uninterrupted",
        ],
        isFor: "kind = \"call\"")
      if route.kind == .voice { refuse(["dial_ahead"], isFor: "kind = \"connect\"") }
      if let reason = complaint(aboutStream: route.stream) {
        refuse("stream", "stream must name a call route for carriers; it points to \(reason)")
      }
    }
    if isPlaceholder(route.secret) {
      warn(
        written.place(of: "secret"),
        "[[routes]] secret is a placeholder: put letters of your own in its place")
    }
    if route.isOpen, !route.addresses.isEmpty || !route.secret.isEmpty {
      refuse("open", "open = true says that anyone may call; take it away, or addresses and secret")
    }
    // Where a value that decides was refused, that is the mistake to mend first.
    let secrets = carrierRows.compactMap(\.secret).map { "auth.\($0.setting)" }
    let deciding = ["listen.address", "listen.public_url", "auth.api_keys"] + secrets
    guard refused.isDisjoint(with: deciding), !written.isRefused else { return }
    if case .off(let reason) = config.exposure(of: route) {
      refuse("path", "\(route.path) \(reason.sentence)")
    }
  }

  /// The default bot is the route's upstream, whatever order its name has in the file.
  private func withDefaultBotFirst(_ route: Config.Route) -> Config.Route {
    var route = route
    let first = route.bots.filter { $0.upstream == route.upstream }
    route.bots = first + route.bots.filter { $0.upstream != route.upstream }
    return route
  }

  /// What is wrong with the upstream that is to take over; nil: nothing.
  private func complaint(aboutFallback route: Config.Route) -> String? {
    func upstream(_ name: String) -> Config.Upstream? {
      config.namedUpstreams.first { $0.name == name }
    }
    guard let fallback = upstream(route.fallback) else {
      return unknown("fallback", route.fallback, among: config.namedUpstreams.map(\.name))
    }
    let others = route.bots.isEmpty ? [route.upstream] : route.bots.map(\.upstream)
    if others.contains(route.fallback) {
      return "fallback is one that calls go to already: it would be lost with it"
    }
    if upstreamRow(of: fallback.kind)?.row.isDialled == false {
      return "fallback: nobody is dialled for \(route.fallback)"
    }
    if others.contains(where: { upstream($0).map { $0.talks != fallback.talks } ?? false }) {
      return "fallback and upstream must be of one kind: both talk, or both only listen"
    }
    return nil
  }

  /// What is wrong with the route to which a webhook points; nil: nothing.
  private func complaint(aboutStream path: String) -> String? {
    guard let route = config.routes.first(where: { $0.path == path }) else {
      return path.isEmpty ? "nothing" : "\(path), which is no route"
    }
    if route.isWebhook { return "\(path), which carries no calls" }
    return config.isForWebhooks(route) ? nil : "\(path), where no carrier with webhooks may call"
  }
}

extension Exposure.Reason {
  private static let secrets: String = {
    let variables = carrierRows.compactMap(\.secret?.variable).joined(separator: " or ")
    return variables.isEmpty ? "" : "or \(variables), "
  }()

  /// Why a route is not served, and what would change it.
  package var sentence: String {
    switch self {
    case .unprotected:
      "has nothing that protects it, and other machines can reach a listener: "
        + "set SIDETONE_API_KEYS, \(Self.secrets)"
        + "or give the route addresses, a secret, or open = true"
    }
  }
}
