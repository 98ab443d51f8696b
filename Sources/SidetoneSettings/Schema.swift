// Every setting, one row each. A new setting is a row here and nothing else: the file, the
// environment, the flags and the help read this list. (Upstreams have names and routes are lists;
// their rows stand in lists of their own.)

import Sidetone

extension Setting where Target == Draft {
  static let all = listen + auth + voice + output + limits
  /// In the order in which people want to read them.
  static let tables = ["listen", "auth", "voice", "output", "limits"]

  private static let listen: [Self] = [
    .list(
      "listen", "address", form: "ADDRESS:PORT, …", standard: "127.0.0.1:8080",
      help: "Where to listen; IPv6 in brackets; port 0 lets the system choose.",
      \.listeners, each: readListener),
    .text(
      "listen", "certificate", form: "FILE",
      help: "PEM file with the certificate chain; together with `key` it turns TLS on.",
      \.certificate, check: readableFile),
    .text(
      "listen", "key", form: "FILE", help: "PEM file with the certificate's private key.",
      \.key, check: readableFile),
    .text(
      "listen", "public_url", form: "URL",
      help: "The origin by which carriers reach us, such as https://relay.example.com.",
      \.config.publicURL, check: readOrigin),
    .list(
      "listen", "trusted_proxies", form: "NETWORK, …",
      help: "Proxies whose X-Forwarded-For is believed, such as 10.0.0.0/8.",
      \.config.trustedProxies, each: readAddressRange),
    .list(
      "listen", "allowed_origins", form: "URL, …",
      help: "Web pages that may call, such as https://app.example.com.",
      \.config.allowedOrigins, each: readOrigin),
  ]

  private static let auth: [Self] = [
    .list(
      "auth", "api_keys", form: "KEY, …",
      help: "Keys that callers bring as `Authorization: Bearer KEY`.",
      \.apiKeys, each: readSecret
    ).secret(),
    .list(
      "auth", "twilio_auth_token", form: "TOKEN, …",
      help: "Twilio's auth token, against which signatures are checked; several while it changes.",
      \.config.twilioTokens, each: readSecret
    ).secret(),
  ]

  private static let voice: [Self] = [
    .text(
      "voice", "say", help: "What /voice has Twilio say once the stream has started.", \.voice.say),
    .text(
      "voice", "dial", form: "NUMBER",
      help: "Whom /voice connects the caller to, such as +15550100.",
      \.voice.dial, check: readNumber),
    .integer(
      "voice", "pause_seconds", in: 1...86_400, standard: Draft.Voice().pauseSeconds,
      help: "How long /voice keeps the call up where nobody is dialled.", \.voice.pauseSeconds),
  ]

  private static let output: [Self] = [
    Self(
      table: "output", key: "transcripts", form: "true or false", standard: "true on a terminal",
      help: "Print what is said on standard output. It is personal data."
    ) { draft, written throws(Refusal) in
      draft.printsTranscripts = try written.boolean()
    },
    Self(
      table: "output", key: "json_log", form: "true or false", standard: "false on a terminal",
      help: "Write the log on standard error as one JSON object a line."
    ) { draft, written throws(Refusal) in
      draft.logsJSON = try written.boolean()
    },
  ]

  private static func limit(
    _ key: String, _ range: ClosedRange<Int>, _ field: WritableKeyPath<Limits, Int> & Sendable,
    _ help: String
  ) -> Self {
    Self(
      table: "limits", key: key, form: numberForm(range),
      standard: "\(Limits()[keyPath: field])", help: help
    ) { draft, written throws(Refusal) in
      draft.config.limits[keyPath: field] = try written.integer(in: range)
    }
  }

  private static let limits: [Self] = [
    limit("calls_max", 1...100_000, \.callsMax, "Calls at once."),
    limit(
      "other_links_max", 16...65_536, \.otherLinksMax,
      "Connections that are no call: health checks, webhooks, handshakes."),
    limit(
      "handshakes_per_turn_max", 1...1024, \.handshakesPerTurnMax,
      "TLS handshakes that one turn of the loop may advance."),
    limit(
      "handshakes_per_address_max", 1...65_536, \.handshakesPerAddressMax,
      "Connections from one address that are still in their handshake."),
    limit(
      "carrier_message_bytes_max", 4_096...1_048_576, \.carrierMessageBytesMax,
      "Largest message from a carrier."),
    limit(
      "upstream_message_bytes_max", 65_536...16_777_216, \.upstreamMessageBytesMax,
      "Largest message from an upstream."),
    limit("head_bytes_max", 1_024...65_536, \.headBytesMax, "Largest head of a request."),
    limit("body_bytes_max", 1_024...65_536, \.bodyBytesMax, "Largest body of a webhook."),
    limit(
      "uplink_milliseconds_max", 1_000...60_000, \.uplinkMillisecondsMax,
      "Caller audio kept while the upstream is away."),
    limit(
      "uplink_milliseconds_planned", 500...60_000, \.uplinkMillisecondsPlanned,
      "The share of it for which memory is taken for every call."),
    limit(
      "outbox_bytes_max", 16_384...16_777_216, \.outboxBytesMax,
      "What a peer that stops reading may leave with us."),
    limit(
      "medium_buffers_max", 1...65_536, \.mediumBuffersMax,
      "Messages up to 64 KiB that are put together at once."),
    limit(
      "large_buffers_max", 1...1024, \.largeBuffersMax,
      "Messages up to 1 MiB that are put together at once."),
    limit(
      "bad_messages_max", 1...1_000_000, \.badMessagesMax,
      "Messages without sense from one carrier before its call is closed."),
    limit("handshake_seconds", 1...300, \.handshakeSeconds, "Time for each step of a handshake."),
    limit(
      "recognise_seconds", 1...300, \.recogniseSeconds,
      "Time for a caller's first messages to show which carrier it is."),
    limit(
      "finish_seconds", 1...60, \.finishSeconds, "Time for the last results when a call ends."),
    limit("ping_seconds", 1...3600, \.pingSeconds, "Silence after which a peer is asked for life."),
    limit("pong_seconds", 1...3600, \.pongSeconds, "Time for its answer."),
    limit("call_seconds_max", 10...604_800, \.callSecondsMax, "Longest call."),
    limit(
      "drain_seconds", 0...86_400, \.drainSeconds,
      "Time for running calls to finish after SIGTERM."),
    limit(
      "redials_max", 0...1000, \.redialsMax, "Attempts to reach a lost upstream in mid-call."),
    limit(
      "calls_per_second_per_key", 1...1_000_000, \.callsPerSecondPerKey,
      "New calls a second from one API key."),
    limit(
      "calls_per_second_per_address", 1...1_000_000, \.callsPerSecondPerAddress,
      "New calls a second from one address without a key."),
  ]
}

extension Setting where Target == Config.Upstream {
  /// The table is `upstreams.NAME`.
  static let all: [Self] = [
    .text(
      "upstreams", "kind",
      help: "What it speaks: \(upstreamKinds.joined(separator: ", ")). Default: NAME.",
      \.kind, check: readKind),
    Self(
      table: "upstreams", key: "url", form: "URL",
      standard: "", help: "Where to dial, such as wss://api.deepgram.com/v1/listen."
    ) { upstream, written throws(Refusal) in
      let caFile = upstream.endpoint.caFile
      upstream.endpoint = try readEndpoint(try written.text())
      upstream.endpoint.caFile = caFile
    },
    .text("upstreams", "key", help: "The secret it wants.", \.key, check: readSecret).secret(),
    .text(
      "upstreams", "key_file", form: "FILE",
      help: "A file that holds the secret, instead of `key`.",
      \.key, check: readSecretFile),
    .text(
      "upstreams", "ca_file", form: "FILE",
      help: "PEM file with the authorities to trust instead of the system's.",
      \.endpoint.caFile, check: readableFile),
    .integer(
      "upstreams", "pace_percent", in: 0...10_000, standard: Config.Upstream().pacePercent,
      help: "How fast a backlog is sent, in percent of real time; 0: as fast as it is taken.",
      \.pacePercent),
    .integer(
      "upstreams", "sessions_max", in: 0...100_000, standard: Config.Upstream().sessionsMax,
      help: "Sessions at once; 0: as many as calls.", \.sessionsMax),
  ]
}

/// Names that vendors and users write, and the variable that each stands for. `DEEPGRAM_API_KEY`
/// serves every upstream of that kind which has no key of its own.
let vendorNames = [
  (name: "DEEPGRAM_API_KEY", variable: "SIDETONE_UPSTREAMS_DEEPGRAM_KEY"),
  (name: "DEEPGRAM_URL", variable: "SIDETONE_UPSTREAMS_DEEPGRAM_URL"),
  (name: "TWILIO_AUTH_TOKEN", variable: "SIDETONE_AUTH_TWILIO_AUTH_TOKEN"),
  (name: "SIDETONE_API_KEYS", variable: "SIDETONE_AUTH_API_KEYS"),
]
let vendorKeyNames = ["deepgram": "DEEPGRAM_API_KEY"]
