// Every setting, one row each. A new setting is a row here and nothing else: the file, the
// environment, the flags and the help read this list. (Upstreams have names and routes are lists;
// their rows stand in Upstreams.swift and Routes.swift. What single carriers are set is read from
// their rows in the engine.)

import Sidetone

extension Setting where Target == Draft {
  static let all =
    listen + auth.map { $0.effect == nil ? $0.counts(from: .reload) : $0 } + audio
    + voice.map { $0.counts(from: .reload) }
    + carriers + output + records + phrases + limits
  /// In the order in which people want to read them.
  static let tables = [
    "listen", "auth", "carriers", "audio", "voice", "output", "records", "phrases", "limits",
  ]

  private static let listen: [Self] = [
    .list(
      "listen", "address", form: "ADDRESS:PORT, …", standard: "127.0.0.1:8080",
      help: "Where to listen; IPv6 in brackets; port 0 lets the system choose.",
      \.listeners, each: readListener
    ).counts(from: .restart),
    .list(
      "listen", "operators", form: "ADDRESS:PORT, …",
      help: "Where operators alone are served: /health, /ready, /stats, /metrics, /events.",
      \.operators, each: readListener
    ).counts(from: .restart),
    .list(
      "listen", "ready_requires", form: "transcription, voice",
      help: "What /ready needs a free place for, each of them; else any that is served.",
      \.config.readyRequires, each: readCallKind
    ).counts(from: .reload),
    .toggle(
      "listen", "reuse_port", standard: false,
      help: "Let another process listen there too: a successor, while this one ends its calls.",
      \.config.sharesPorts
    ).counts(from: .restart),
    .toggle(
      "listen", "arrival_stamps", standard: false,
      help: "Measure how long what callers send waits in the kernel: a system call more a read.",
      \.config.stampsArrivals
    ).counts(from: .reload),
    .text(
      "listen", "certificate", form: "FILE",
      help: "PEM file with the certificate chain; together with `key` it turns TLS on.",
      \.certificate, check: readableFile
    ).counts(from: .reloadWhileSet),
    .text(
      "listen", "key", form: "FILE", help: "PEM file with the certificate's private key.",
      \.key, check: readableFile
    ).counts(from: .reloadWhileSet),
    .list(
      "listen", "public_url", form: "URL, …",
      help: "Address under which carriers reach us, such as https://relay.example.com: signatures "
        + "are checked over it, and webhooks answer with it. Unset: what each request says.",
      \.config.publicURLs, each: readPublicURL
    ).counts(from: .reload),
    .list(
      "listen", "trusted_proxies", form: "NETWORK, …",
      help:
        "Proxies whose X-Forwarded-… headers are believed, and that no bound on an address holds.",
      \.config.trustedProxies, each: readAddressRange
    ).counts(from: .reload),
    .list(
      "listen", "allowed_origins", form: "URL, …",
      help: "Web pages that may call, such as https://app.example.com.",
      \.config.allowedOrigins, each: readOrigin
    ).counts(from: .reload),
  ]

  private static let auth: [Self] =
    [
      .list(
        "auth", "api_keys", form: "KEY, …",
        help: "Keys, of which a caller brings one as `Authorization: Bearer KEY`, `X-API-Key: KEY` "
          + "or, from a web page, the subprotocols `token, KEY`; such as what `openssl rand -hex 24` "
          + "prints. Unset: what nothing else protects is open to this machine only.",
        \.apiKeys, each: readSecret
      ).secret(),
      .list(
        "auth", "operator_keys", form: "KEY, …",
        help: "Keys that /stats, /metrics and /events want, brought likewise; none: those of "
          + "callers, and /events is open to this machine only.",
        \.operatorKeys, each: readSecret
      ).secret(),
      Self(
        table: "auth", key: "litellm_url", form: "URL",
        help: "A LiteLLM proxy, which is asked whether a caller's key is good. Every route wants a "
          + "key then."
      ) { draft, written throws(Refusal) in
        draft.liteLLM.url = try readBase(try oneLine(try written.text()))
      }.counts(from: .reloadWhileSet),
      Self(
        table: "auth", key: "litellm_master_key", form: "KEY",
        help:
          "The proxy's own key, which is let in without asking: the proxy does not know it as a "
          + "caller's."
      ) { draft, written throws(Refusal) in
        draft.liteLLM.masterKey = try readSecret(try oneLine(try written.text()))
      }.secret(),
      Self(
        table: "auth", key: "litellm_cache_seconds", form: numberForm(0...3600), standard: "60",
        help: "How long the proxy's good word for a key counts; 0: each call asks."
      ) { draft, written throws(Refusal) in
        draft.liteLLM.cacheSeconds = try written.integer(in: 0...3600)
      },
      Self(
        table: "auth", key: "token_key", form: "SECRET",
        help: "Shared by all processes of a service: the call tokens of each are good at every one."
      ) { draft, written throws(Refusal) in
        let text = try readSecret(try oneLine(try written.text()))
        guard text.utf8.count >= 16 else { throw Refusal("must have at least 16 bytes") }
        draft.config.tokenKey = Array(text.utf8)
      }.secret(),
    ] + carrierRows.compactMap(secret(of:))

  /// What the signatures of a carrier are checked against.
  private static func secret(of carrier: CarrierRow) -> Self? {
    guard let secret = carrier.secret else { return nil }
    let row = Self(
      table: "auth", key: secret.setting, form: "\(secret.word.uppercased()), …",
      help: secret.help
    ) { draft, written throws(Refusal) in
      var secrets: [[UInt8]] = []
      for text in try written.list() {
        let text = try oneLine(text)
        switch secret.form {
        case .token: secrets.append(Array(try readSecret(text).utf8))
        case .publicKey: secrets.append(try readPublicKey(text))
        }
      }
      draft.config[carrier: carrier.name].secrets = secrets
    }
    return secret.form == .token ? row.secret() : row
  }

  private static let audio: [Self] =
    [
      .choice(
        "audio", "conversion", standard: "balanced",
        help: "Which recipe converts between sample rates: least delay, or widest band.",
        \.config.profile,
        among: Config.Profile.allCases.map { ("\($0)", $0) }
      ).counts(from: .restart)
    ] + carrierRows.flatMap(chosenAudio(of:)).map { $0.counts(from: .reload) }

  /// What a carrier is sent that leaves the choice to us, and in which order its bytes stand where
  /// nobody can say.
  private static func chosenAudio(of carrier: CarrierRow) -> [Self] {
    let name = carrier.name
    var rows: [Self] = []
    if carrier.row.takesChosenFormat {
      rows.append(
        .choice(
          "audio", "\(name)_codec", standard: Draft.Chosen().codec,
          help: "What \(carrier.settings.displayName) is sent.",
          \.[chosenBy: name].codec, among: ["PCMU", "PCMA", "L16"].map { ($0, $0) }))
      rows.append(
        Self(
          table: "audio", key: "\(name)_rate", form: "8000 or 16000",
          standard: "\(Draft.Chosen().rate)", help: "Its samples a second; 16000 with L16 only."
        ) { draft, written throws(Refusal) in
          draft[chosenBy: name].rate = try readRate(written, among: [8000, 16000])
        })
    }
    if carrier.row.isByteOrderHeard {
      rows.append(
        .choice(
          "audio", "\(name)_byte_order", standard: "little",
          help: "The byte order of L16 from and to \(carrier.settings.displayName), "
            + "until a caller's audio shows it.",
          \.config[carrier: name].chosenIsBigEndian, among: [("little", false), ("big", true)]))
    }
    return rows
  }

  private static let voice: [Self] = [
    .text(
      "voice", "say", help: "What /voice has the carrier say once the stream has started.",
      \.voice.say),
    .text(
      "voice", "dial", form: "NUMBER",
      help: "Whom /voice connects the caller to, such as +15550100.",
      \.voice.dial, check: readNumber),
    .integer(
      "voice", "pause_seconds", in: 1...86_400, standard: Draft.Voice().pauseSeconds,
      help: "How long /voice keeps the call up where nobody is dialled.", \.voice.pauseSeconds),
    .text(
      "voice", "after_say",
      help: "What /twiml has the carrier say to a caller who is still there when the stream ends.",
      \.voice.afterSay),
    .text(
      "voice", "after_dial", form: "NUMBER",
      help: "Whom /twiml connects such a caller to, so that a dropped stream is no dropped call.",
      \.voice.afterDial, check: readNumber),
  ]

  private static let output: [Self] = [
    Self(
      table: "output", key: "transcripts", form: "true, false or json",
      standard: "true on a terminal",
      help: "Print what is said on standard output, as text or as JSON. It is personal data."
    ) { draft, written throws(Refusal) in
      let isJSON = (try? written.text()) == "json"
      draft.printsTranscripts = isJSON ? true : try transcripts(written)
      draft.config.transcriptsAreJSON = isJSON
    }.counts(from: .reload),
    Self(
      table: "output", key: "json_log", form: "true or false",
      help: "The older name of `log`: true is json, false is text."
    ) { draft, written throws(Refusal) in
      draft.logsJSON = try written.boolean()
    }.counts(from: .restart),
    .choice(
      "output", "log", standard: "auto",
      help: "How the log on standard error is written; auto: text on a terminal, else one JSON "
        + "object a line.",
      \.logForm,
      among: [("auto", .auto), ("text", .text), ("json", .json)]
    ).counts(from: .restart),
    .choice(
      "output", "level", standard: "info",
      help: "What is logged: debug adds the rare messages of the wire, without audio, words, keys.",
      \.config.logLevel,
      among: [("debug", .debug), ("info", .info), ("warning", .warning), ("error", .error)]
    ).counts(from: .reload),
    .text(
      "output", "service", standard: Config().service, help: "The name that /health gives.",
      \.config.service
    ) { text throws(Refusal) in
      guard (1...128).contains(text.utf8.count) else {
        throw Refusal("must be 1 to 128 bytes long")
      }
      return text
    }.counts(from: .reload),
  ]

  private static func transcripts(_ written: Written) throws(Refusal) -> Bool {
    do throws(Refusal) {
      return try written.boolean()
    } catch {
      throw Refusal("must be true, false or json")
    }
  }

  private static func limit(
    _ key: String, _ range: ClosedRange<Int>, _ field: WritableKeyPath<Limits, Int> & Sendable,
    _ effect: Effect, _ help: String
  ) -> Self {
    Self(
      table: "limits", key: key, form: numberForm(range),
      standard: "\(Limits()[keyPath: field])", help: help
    ) { draft, written throws(Refusal) in
      draft.config.limits[keyPath: field] = try written.integer(in: range)
    }.counts(from: effect)
  }

  private static let limits: [Self] = [
    limit("calls_max", 1...100_000, \.callsMax, .restart, "Calls at once."),
    limit(
      "other_links_max", 16...65_536, \.otherLinksMax, .restart,
      "Connections that have proven nothing yet; the oldest gives way to one more."),
    limit(
      "subscribers_max", 0...10_000, \.subscribersMax, .restart,
      "Programs that hear of calls while they go (/events)."),
    limit(
      "handshakes_per_turn_max", 1...1024, \.handshakesPerTurnMax, .reload,
      "TLS handshakes that one turn of the loop may take up again; their arithmetic is elsewhere."),
    limit(
      "unproven_per_address_max", 1...65_536, \.unprovenPerAddressMax, .reload,
      "Connections from one address that have proven nothing yet; the oldest gives way."),
    limit(
      "handshakes_per_address_max", 1...65_536, \.handshakesPerAddressMax, .reload,
      "The same with TLS, where that is less than unproven_per_address_max."),
    limit(
      "first_byte_seconds", 1...300, \.firstByteSeconds, .reload,
      "Time for the first byte of a connection."),
    limit(
      "token_seconds", 1...300, \.tokenSeconds, .reload,
      "Time for a socket that proves nothing else to show its call token."),
    limit(
      "turn_gap_microseconds", 0...2000, \.turnGapMicroseconds, .reload,
      "Keeps turns so far apart from 400 calls on: 200 saves 12 to 16 % of CPU, and is that late."
    ),
    limit(
      "carrier_message_bytes_max", 4_096...1_048_576, \.carrierMessageBytesMax, .restart,
      "Largest message from a carrier."),
    limit(
      "upstream_message_bytes_max", 65_536...16_777_216, \.upstreamMessageBytesMax, .restart,
      "Largest message from an upstream."),
    limit("head_bytes_max", 1_024...65_536, \.headBytesMax, .restart, "Largest head of a request."),
    limit("body_bytes_max", 1_024...65_536, \.bodyBytesMax, .restart, "Largest body of a webhook."),
    limit(
      "uplink_milliseconds_max", 1_000...60_000, \.uplinkMillisecondsMax, .restart,
      "Caller audio kept while the upstream is away."),
    limit(
      "uplink_milliseconds_planned", 500...60_000, \.uplinkMillisecondsPlanned, .restart,
      "The share of it for which memory is taken for every call."),
    limit(
      "two_way_calls_max", 0...100_000, \.twoWayCallsMax, .restart,
      "Calls with a voice model for which memory is taken at start."),
    limit(
      "playout_milliseconds_max", 1_000...120_000, \.playoutMillisecondsMax, .restart,
      "A voice model's audio that may wait for its moment."),
    limit(
      "playout_milliseconds_planned", 500...120_000, \.playoutMillisecondsPlanned, .restart,
      "The share of it for which memory is taken for every such call."),
    limit(
      "conversion_frames_per_turn_max", 1...10_000, \.conversionFramesPerTurnMax, .reload,
      "Frames of 20 ms of voice models' audio that one turn of the loop may convert."),
    limit(
      "outbox_bytes_max", 16_384...16_777_216, \.outboxBytesMax, .restart,
      "What a peer that stops reading may leave with us."),
    limit(
      "medium_buffers_max", 1...65_536, \.mediumBuffersMax, .restart,
      "Messages up to 64 KiB that are put together at once."),
    limit(
      "large_buffers_max", 1...1024, \.largeBuffersMax, .restart,
      "Messages up to 1 MiB that are put together at once."),
    limit(
      "bad_messages_max", 1...1_000_000, \.badMessagesMax, .reload,
      "Messages without sense that one caller may send in a minute, such as audio that is no base64; "
        + "one more and its call is closed with 1008."),
    limit(
      "handshake_seconds", 1...300, \.handshakeSeconds, .reload,
      "Time for each step of a handshake."),
    limit(
      "recognise_seconds", 1...300, \.recogniseSeconds, .reload,
      "Time for a caller's first messages to show which carrier it is."),
    limit(
      "finish_seconds", 1...60, \.finishSeconds, .reload,
      "Time for the last results when a call ends."),
    limit(
      "transfer_seconds", 1...3600, \.transferSeconds, .reload,
      "Time that a carrier has to end the stream of a call that it has transferred."),
    limit(
      "ping_seconds", 1...3600, \.pingSeconds, .reload,
      "Silence after which a peer is asked for life."),
    limit("pong_seconds", 1...3600, \.pongSeconds, .reload, "Time for its answer."),
    limit("call_seconds_max", 10...604_800, \.callSecondsMax, .reload, "Longest call."),
    limit(
      "drain_seconds", 0...86_400, \.drainSeconds, .reload,
      "Time for running calls to finish after SIGTERM."),
    limit(
      "redials_max", 0...1000, \.redialsMax, .reload,
      "Attempts to reach a lost upstream in mid-call."),
    limit(
      "redials_per_second_max", 1...10_000, \.redialsPerSecondMax, .reload,
      "Such attempts a second to one upstream, of all calls together."),
    limit(
      "dead_air_seconds", 1...300, \.deadAirSeconds, .reload,
      "How long a caller hears nothing while a voice model cannot be reached; then the call ends."),
    limit(
      "calls_per_second_per_key", 1...1_000_000, \.callsPerSecondPerKey, .reload,
      "New calls a second from one API key."),
    limit(
      "calls_per_second_per_address", 1...1_000_000, \.callsPerSecondPerAddress, .reload,
      "New calls a second from one address without a key."),
    limit(
      "webhooks_per_second_per_account", 1...1_000_000, \.webhooksPerSecondPerAccount, .reload,
      "Signed webhooks a second from one carrier's account, or as many as from one address."),
  ]
}
