// The settings of one relay as a plain value: what the engine and the machine are made from.
// Reading flags, environment, `.env` and files is the business of SidetoneSettings; by the time a
// Config exists, every value in it is whole and in range.

package struct Config: Sendable {
  package var listeners: [Listener] = [Listener()]
  /// The origin that carriers and webhooks know us by, for example `https://relay.example.com`,
  /// without a trailing slash; empty where none is set. Signatures are checked against it, never
  /// against `Host`.
  package var publicURL = ""
  /// Peers whose `X-Forwarded-For` and `Forwarded` headers are believed.
  package var trustedProxies: [AddressRange] = []
  /// `Origin` values that browsers may bring; empty: none.
  package var allowedOrigins: [String] = []

  package var upstreams: [Upstream] = []
  package var routes: [Route] = []

  /// SHA-256 of each API key that callers may bring as `Authorization: Bearer`.
  package var keyDigests: [[UInt8]] = []
  /// Twilio's primary auth token (several during a rotation); empty: signatures are not checked.
  package var twilioTokens: [String] = []

  /// The verbs that follow `<Start>` in the answer of `/voice`, ready-made XML such as
  /// `<Pause length="3600"/>`.
  package var voiceVerbs = "<Pause length=\"3600\"/>"

  package var limits = Limits()
  package var service = "sidetone"
  /// Transcript lines on standard output: for a terminal, or where the operator asked; they are
  /// personal data.
  package var printsTranscripts = false
  /// The log as one JSON object a line instead of plain text.
  package var logsJSON = false

  package init() {}
}

extension Config {
  /// Whether requests of carriers that sign can be checked.
  package var checksSignatures: Bool { !twilioTokens.isEmpty && !publicURL.isEmpty }

  package struct Listener: Sendable {
    /// Dotted quad or IPv6 text, without brackets.
    package var address = "127.0.0.1"
    package var port: UInt16 = 8080
    /// PEM files; both empty for plain sockets.
    package var certificate = ""
    package var key = ""
    package var isTLS: Bool { !certificate.isEmpty }
    /// Whether only this machine can reach it: 127.0.0.0/8 or ::1.
    package var isLoopback: Bool {
      address.hasPrefix("127.") || address == "::1" || address == "localhost"
    }
    package init() {}
  }

  /// One service that calls are relayed to.
  package struct Upstream: Sendable {
    /// The name that routes use, for example "deepgram".
    package var name = ""
    /// The name of a row in `Upstreams.all`, for example "deepgram" or "echo".
    package var kind = ""
    /// Where to dial; ignored by kinds that dial nobody.
    package var endpoint = Endpoint()
    /// The secret, or empty; `keyVariable` is what an operator must set to provide it.
    package var key = ""
    package var keyVariable = ""
    /// How much faster than real time a backlog may be sent, in percent; 0: as fast as it is taken.
    package var pacePercent = 125
    /// Concurrent sessions; 0: as many as calls.
    package var sessionsMax = 0
    package init() {}
  }

  /// The parts of `wss://host:port/path?query`.
  package struct Endpoint: Sendable, Equatable {
    package var isTLS = true
    package var host = ""
    package var port: UInt16 = 443
    /// Begins with a slash; without the query.
    package var path = "/"
    /// Without the question mark; may be empty.
    package var query = ""
    /// A PEM file with the authorities to trust instead of the system's; empty: the system's.
    package var caFile = ""
    package init() {}
  }

  /// What is served under one path.
  package struct Route: Sendable {
    package enum Kind: Sendable {
      case call  // a WebSocket: a carrier on one side, an upstream on the other
      case voice  // a webhook that answers TwiML
    }
    package var path = ""
    package var kind = Kind.call
    /// Names of rows in `Carriers.all`; empty: any that is recognised.
    package var carriers: [String] = []
    /// The `name` of an upstream.
    package var upstream = ""
    /// For `voice`: the path of the call route that the TwiML points to.
    package var stream = ""
    /// Written by the operator (true) or one of the defaults (false); an unprotected configured
    /// route refuses to start, an unprotected default one is switched off.
    package var isConfigured = false
    /// May be called without any means of proof from anywhere: only by the operator's explicit
    /// word.
    package var isOpen = false
    /// Which means open it; none: the defaults (API keys, and the carrier's signature where a token
    /// is set).
    package var addresses: [AddressRange] = []
    /// A secret path segment behind `path`; empty: none.
    package var secret = ""
    /// Options that go to the upstream, by the upstream's own names, for example ("model",
    /// "nova-2").
    package var options: [(name: String, value: String)] = []
    package init() {}

    /// Whether a carrier that signs its requests may call here.
    package var isForSigners: Bool {
      kind == .voice || carriers.isEmpty || carriers.contains("twilio")
    }
  }
}

/// An IPv4 or IPv6 network such as 10.0.0.0/8. IPv4 is kept in its IPv6-mapped form.
package struct AddressRange: Sendable, Equatable {
  package var network: Address
  /// 0 to 128, counted in the IPv6-mapped form.
  package var prefixBits: Int
  package init(network: Address, prefixBits: Int) {
    self.network = network
    self.prefixBits = prefixBits
  }

  package func contains(_ address: Address) -> Bool {
    func same(_ a: UInt64, _ b: UInt64, _ bits: Int) -> Bool {
      bits <= 0 || (a ^ b) >> UInt64(64 - min(bits, 64)) == 0
    }
    return same(network.high, address.high, prefixBits)
      && same(network.low, address.low, prefixBits - 64)
  }
}

/// A peer's address: IPv6, or IPv4 in its mapped form (::ffff:a.b.c.d).
package struct Address: BitwiseCopyable, Sendable, Equatable {
  package var high: UInt64
  package var low: UInt64
  package var port: UInt16

  package init(high: UInt64, low: UInt64, port: UInt16) {
    self.high = high
    self.low = low
    self.port = port
  }
  package init(ipv4: UInt32, port: UInt16) {
    self.init(high: 0, low: 0xffff_0000_0000 | UInt64(ipv4), port: port)
  }

  package static let none = Address(high: 0, low: 0, port: 0)
  package var ipv4: UInt32? {
    high == 0 && low >> 32 == 0xffff ? UInt32(truncatingIfNeeded: low) : nil
  }
  package var isLoopback: Bool {
    if let ipv4 { return ipv4 >> 24 == 127 }
    return high == 0 && low == 1
  }
}
