// Start here. Settings come from flags, the environment, `.env`, a TOML file and the defaults, in
// this order of weight. They are laid over each other from the lightest to the heaviest; what
// comes out is a whole Config, or the list of every mistake.

import Sidetone

package enum Settings {
  /// What was written, as it was found. Plain text, so that a test needs neither files nor
  /// variables.
  package struct Sources: Sendable {
    /// `--listen-address` and its value, and so on.
    package var flags: [(name: String, value: String)] = []
    package var environment: [String: String] = [:]
    /// The text of `.env`; empty where there is none.
    package var dotEnv = ""
    /// The name of the TOML file as the operator wrote it, and its text.
    package var file: (name: String, text: String)?
    /// Whether a person sees standard output, and standard error.
    package var outputIsTerminal = false
    package var logIsTerminal = false
    /// Where sockets listen that were handed over; counts where no setting says otherwise.
    package var inherited: [String] = []
    /// By it models are judged that have an end; nil: they are not.
    package var today: Day?
    package init() {}
  }

  package static func load(_ sources: Sources) throws(Mistakes) -> Config {
    try draft(of: sources).config
  }

  /// `former`: what needs a restart is taken from there.
  static func draft(of sources: Sources, after former: Reading? = nil) throws(Mistakes) -> Draft {
    var draft = Draft()
    draft.former = former
    draft.today = sources.today
    draft.inherited = sources.inherited
    var routes: [WrittenRoute] = []
    if let file = sources.file {
      let nodes = try parseTOML(file.text, file: file.name)
      draft.hasRecordsTable = Draft.hasRecordsTable(nodes, in: file.text)
      routes = draft.read(file: file.name, nodes)
    }
    draft.read(dotEnv: sources.dotEnv)
    draft.read(environment: sources.environment)
    draft.read(flags: sources.flags)
    draft.assignFormer()
    draft.config.printsTranscripts = draft.printsTranscripts ?? sources.outputIsTerminal
    draft.finishLog(isTerminal: sources.logIsTerminal, sources.environment)
    draft.finish(routes)
    if !draft.mistakes.isEmpty { throw Mistakes(draft.mistakes, draft.warnings) }
    draft.config.warnings = Mistakes(draft.warnings).all.map(\.description)
    return draft
  }
}

// MARK: - What no single value can tell

extension Draft {
  /// How the log is written. `log` counts more than `json_log`, wherever the two stand.
  mutating func finishLog(isTerminal: Bool, _ environment: [String: String]) {
    switch logForm {
    case .text: config.logsJSON = false
    case .json: config.logsJSON = true
    case .auto: config.logsJSON = !isTerminal
    case .unset: config.logsJSON = logsJSON ?? !isTerminal
    }
    // https://no-color.org
    let isPlain = environment["NO_COLOR"]?.isEmpty == false || environment["TERM"] == "dumb"
    config.coloursLog = isTerminal && !config.logsJSON && !isPlain
  }

  mutating func finish(_ routes: [WrittenRoute]) {
    finishListeners()
    finishUpstreams()
    config.keyDigests = apiKeys.map(sha256)
    finishLiteLLM()
    config.operatorDigests = operatorKeys.map(sha256)
    if operatorKeys.contains(where: apiKeys.contains) {
      warn(
        place(of: "auth.operator_keys"),
        "[auth] operator_keys has a key of api_keys: callers who have it open /stats and "
          + "/metrics, and hear all calls on /events")
    }
    let limits = config.limits
    finishShare("uplink", limits.uplinkMillisecondsPlanned, of: limits.uplinkMillisecondsMax)
    finishShare("playout", limits.playoutMillisecondsPlanned, of: limits.playoutMillisecondsMax)
    let request = limits.headBytesMax + limits.bodyBytesMax
    if request > limits.upstreamMessageBytesMax {
      refuse(
        place(
          of: "limits.body_bytes_max", "limits.head_bytes_max", "limits.upstream_message_bytes_max"),
        "[limits] head_bytes_max and body_bytes_max together (\(request)) must not be above "
          + "upstream_message_bytes_max (\(limits.upstreamMessageBytesMax)): a request is kept in "
          + "a buffer for such a message")
    }
    for carrier in carrierRows where carrier.row.takesChosenFormat { finishAudio(of: carrier.name) }
    config.voiceVerbs = voice.verbs
    config.connectVerbs = voice.verbsAfter
    finishRecords()
    var routes = routes
    finishFunctions(&routes)
    finishPhrases(&routes)
    finishRoutes(routes)
    config.limits.cascadeCallsMax = config.cascadeCallsMax
    judgeOrigins()
    judgeStrangers()
  }

  private mutating func finishLiteLLM() {
    guard !liteLLM.url.isEmpty else {
      if !liteLLM.masterKey.isEmpty {
        warn(
          place(of: "auth.litellm_master_key"),
          "[auth] litellm_master_key opens nothing without litellm_url (LITELLM_URL)")
      }
      return
    }
    // The proxy would not know it: it is one more key of ours.
    if !liteLLM.masterKey.isEmpty { config.keyDigests.append(sha256(liteLLM.masterKey)) }
    var proxy = Config.LiteLLM(url: liteLLM.url)
    proxy.cacheSeconds = liteLLM.cacheSeconds
    config.liteLLM = proxy
    if proxy.url.hasPrefix("http://"), !isLoopback(origin: proxy.url) {
      warn(
        place(of: "auth.litellm_url"),
        "[auth] litellm_url begins with http://, so callers' keys travel in the clear on the way "
          + "there: use https:// where others can listen")
    }
  }

  /// Origins that everything between here and there can read and change.
  private mutating func judgeOrigins() {
    func isUnsafe(_ origin: String) -> Bool {
      origin.hasPrefix("http://") && !isLoopback(origin: origin)
    }
    if config.publicURLs.contains(where: isUnsafe) {
      warn(
        place(of: "listen.public_url"),
        "[listen] public_url begins with http://, so calls and tokens travel in the clear, and "
          + "carriers refuse it: use https://")
    }
    if config.publicURLs.contains(where: isPlaceholder) {
      warn(place(of: "listen.public_url"), "[listen] public_url is a placeholder")
    }
    for origin in config.allowedOrigins where isUnsafe(origin) {
      warn(
        place(of: "listen.allowed_origins"),
        "[listen] allowed_origins: \(origin) can be changed by anybody on the way; use https://")
    }
  }

  private mutating func finishAudio(of carrier: String) {
    let (codec, rate) = (self[chosenBy: carrier].codec, self[chosenBy: carrier].rate)
    switch codec {
    case "L16": config[carrier: carrier].chosenAudio = .linear16(rate: rate)
    case "PCMA": config[carrier: carrier].chosenAudio = .alaw
    default: config[carrier: carrier].chosenAudio = .mulaw
    }
    if codec != "L16", rate != 8000 {
      refuse(
        place(of: "audio.\(carrier)_rate", "audio.\(carrier)_codec"),
        "[audio] \(carrier)_rate \(rate) needs \(carrier)_codec = \"L16\"")
    }
  }

  private mutating func finishShare(_ name: String, _ planned: Int, of most: Int) {
    guard planned > most else { return }
    let names = ("\(name)_milliseconds_planned", "\(name)_milliseconds_max")
    refuse(
      place(of: "limits.\(names.0)", "limits.\(names.1)"),
      "[limits] \(names.0) must not be above \(names.1) (\(most))")
  }

  private mutating func finishListeners() {
    if !inherited.isEmpty, places["listen.address"] == nil {
      listeners = inherited.compactMap { try? readListener($0) }
    } else if let port, places["listen.address"] == nil {
      noteName("listen.address", at: port.place)
      listeners = ["0.0.0.0", "::"].map {
        var listener = Config.Listener()
        listener.address = $0
        listener.port = port.number
        return listener
      }
      listeners[1].isOptional = true
    }
    if certificate.isEmpty != key.isEmpty,
      refused.isDisjoint(with: ["listen.certificate", "listen.key"])
    {
      let missing = certificate.isEmpty ? "certificate" : "key"
      refuse(
        place(of: "listen.certificate", "listen.key"),
        "TLS needs both [listen] certificate and key; \(missing) is missing")
    }
    if listeners.isEmpty {
      refuse(place(of: "listen.address"), "[listen] address must name at least one address")
    }
    config.listeners = []
    for var listener in listeners {
      listener.certificate = certificate
      listener.key = key
      let isTwin = config.listeners.contains {
        $0.address == listener.address && $0.port == listener.port && $0.port != 0
      }
      if isTwin { refuse(place(of: "listen.address"), "[listen] address names one address twice") }
      config.listeners.append(listener)
    }
    for var listener in operators {
      listener.isForOperators = true
      // What asks on this machine asks without TLS.
      if !listener.isLoopback { (listener.certificate, listener.key) = (certificate, key) }
      if config.listeners.contains(where: {
        $0.address == listener.address && $0.port == listener.port && $0.port != 0
      }) {
        refuse(place(of: "listen.operators"), "[listen] operators names one address twice")
      }
      config.listeners.append(listener)
    }
  }
}

extension Draft.Voice {
  /// The TwiML that follows `<Start>`. The stream ends with the call, and the call with its last
  /// verb.
  var verbs: String {
    let said = say.isEmpty ? "" : "<Say>\(escaped(say))</Say>"
    let kept = dial.isEmpty ? "<Pause length=\"\(pauseSeconds)\"/>" : "<Dial>\(dial)</Dial>"
    return said + kept
  }

  /// The TwiML that follows `<Connect>`: for who is still there when the stream has ended.
  var verbsAfter: String {
    (afterSay.isEmpty ? "" : "<Say>\(escaped(afterSay))</Say>")
      + (afterDial.isEmpty ? "" : "<Dial>\(afterDial)</Dial>")
  }

  private func escaped(_ text: String) -> String {
    text.reduce(into: "") { xml, character in
      switch character {
      case "&": xml += "&amp;"
      case "<": xml += "&lt;"
      case ">": xml += "&gt;"
      default: xml.append(character)
      }
    }
  }
}
