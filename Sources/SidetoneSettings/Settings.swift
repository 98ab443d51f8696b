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
    package init() {}
  }

  package static func load(_ sources: Sources) throws(Mistakes) -> Config {
    var draft = Draft()
    var routes: [WrittenRoute] = []
    if let file = sources.file {
      let nodes = try parseTOML(file.text, file: file.name)
      routes = draft.read(file: file.name, nodes)
    }
    draft.read(dotEnv: sources.dotEnv)
    draft.read(environment: sources.environment)
    draft.read(flags: sources.flags)
    draft.config.printsTranscripts = draft.printsTranscripts ?? sources.outputIsTerminal
    draft.config.logsJSON = draft.logsJSON ?? !sources.logIsTerminal
    draft.finish(routes)
    if !draft.mistakes.isEmpty { throw Mistakes(draft.mistakes) }
    return draft.config
  }
}

// MARK: - What no single value can tell

extension Draft {
  mutating func finish(_ routes: [WrittenRoute]) {
    finishListeners()
    finishUpstreams()
    config.keyDigests = apiKeys.map(sha256)
    if !config.twilioTokens.isEmpty, config.publicURL.isEmpty,
      !refused.contains("listen.public_url")
    {
      refuse(
        place(of: "auth.twilio_auth_token"),
        "a Twilio token needs [listen] public_url: signatures are checked against it")
    }
    let limits = config.limits
    if limits.uplinkMillisecondsPlanned > limits.uplinkMillisecondsMax {
      refuse(
        place(of: "limits.uplink_milliseconds_planned", "limits.uplink_milliseconds_max"),
        "[limits] uplink_milliseconds_planned must not be above uplink_milliseconds_max "
          + "(\(limits.uplinkMillisecondsMax))")
    }
    config.voiceVerbs = voice.verbs
    finishRoutes(routes)
  }

  private mutating func finishListeners() {
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
  }

  private mutating func finishUpstreams() {
    for index in upstreams.indices {
      var upstream = upstreams[index]
      let table = "upstreams.\(upstream.name)"
      if upstream.kind.isEmpty { upstream.kind = upstream.name }
      guard let row = Upstream.all.first(where: { $0.name.description == upstream.kind }) else {
        if !refused.contains("\(table).kind") {
          let place = place(of: table, "\(table).url", "\(table).key")
          refuse(place, "[\(table)] needs a kind: \(upstreamKinds.joined(separator: ", "))")
        }
        continue
      }
      if !row.isDialled, !upstream.endpoint.host.isEmpty {
        refuse(place(of: "\(table).url"), "[\(table)] url: \(upstream.kind) dials nobody")
      }
      if row.isDialled, upstream.endpoint.host.isEmpty {
        if let known = vendorEndpoints[upstream.kind] {
          let caFile = upstream.endpoint.caFile
          upstream.endpoint = known
          upstream.endpoint.caFile = caFile
        } else if !refused.contains("\(table).url") {
          refuse(place(of: table), "[\(table)] needs a url")
        }
      }
      if row.needsKey {
        upstream.keyVariable = vendorKeyNames[upstream.kind] ?? keyVariable(of: upstream.name)
        if upstream.key.isEmpty { upstream.key = vendorKeys[upstream.kind] ?? "" }
      }
      upstreams[index] = upstream
    }
    config.upstreams = upstreams
  }
}

/// What the key's own row would be called for this upstream.
private func keyVariable(of upstream: String) -> String {
  "SIDETONE_UPSTREAMS_\(String(upstream.map { $0 == "-" ? "_" : $0 }).uppercased())_KEY"
}

extension Draft.Voice {
  /// The TwiML that follows `<Start>`. The stream ends with the call, and the call with its last
  /// verb.
  var verbs: String {
    let said = say.isEmpty ? "" : "<Say>\(escaped(say))</Say>"
    let kept = dial.isEmpty ? "<Pause length=\"\(pauseSeconds)\"/>" : "<Dial>\(dial)</Dial>"
    return said + kept
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
