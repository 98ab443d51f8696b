// The settings of one relay as a plain value: what the engine and the machine are made from.
// Reading flags, environment, `.env` and files is the business of SidetoneSettings; by the time a
// Config exists, every value in it is whole and in range.

package struct Config: Sendable {
  package var listeners: [Listener] = [Listener()]
  /// Another process may listen on the same addresses: a successor, before this one ends.
  package var sharesPorts = false
  /// The kernel stamps what callers send, so that it is known how long it waited to be read.
  package var stampsArrivals = false
  /// The addresses that carriers and webhooks know us by, for example `https://relay.example.com`,
  /// without a trailing slash; a path is what a proxy in front has before ours. Signatures are
  /// checked against them; where none is set, against what each request names.
  package var publicURLs: [String] = []
  /// Peers whose `X-Forwarded-…` headers are believed.
  package var trustedProxies: [AddressRange] = []
  /// Whether it is one address for all who come through it, and may say who they are.
  package func isProxy(_ peer: Address) -> Bool { trustedProxies.contains { $0.contains(peer) } }
  /// `Origin` values that browsers may bring; empty: none.
  package var allowedOrigins: [String] = []

  package var upstreams: [Upstream] = []
  package var routes: [Route] = []
  /// Where what cascades have spoken for callers is kept.
  package var phrasesDirectory = "data/phrases"
  /// What `/ready` needs a free place for, each of them; empty: for any kind that is served.
  package var readyRequires: [CallKind] = []

  /// SHA-256 of each API key that callers may bring as `Authorization: Bearer`.
  package var keyDigests: [[UInt8]] = []
  /// The same of the keys that operators bring; empty: callers' keys open `/stats` and `/metrics`,
  /// and nobody from afar hears of calls while they go.
  package var operatorDigests: [[UInt8]] = []
  /// Who knows of more keys; nil: nobody does.
  package var liteLLM: LiteLLM?
  /// Whether callers can prove themselves by keys.
  package var wantsKeys: Bool { !keyDigests.isEmpty || liteLLM != nil }
  /// Whether anything is asked of HTTP servers, so that a fetcher must run.
  package var needsFetches: Bool { liteLLM != nil || usesFunctions || usesCascades }
  /// Whether a route's model may call functions.
  package var usesFunctions: Bool { routes.contains { !$0.functions.isEmpty && !$0.isRetired } }
  /// Calls with such a model for which memory is taken.
  var functionCallsMax: Int { usesFunctions ? twoWayCalls : 0 }
  /// What call tokens are sealed with, for every process that has it; empty: they are good at the
  /// process that gave them out.
  package var tokenKey: [UInt8] = []
  /// What is set about single carriers, by the names of their rows; see `subscript(carrier:)`.
  private var carriers: [String: Carrier] = [:]

  /// The verbs that follow `<Start>` in the answer of `/voice`, ready-made XML such as
  /// `<Pause length="3600"/>`.
  package var voiceVerbs = "<Pause length=\"3600\"/>"

  /// The same behind `<Connect>` in the answer of `/twiml`: what becomes of a caller who is still
  /// there when the stream has ended.
  package var connectVerbs = ""

  /// How conversion between sample rates weighs delay against fidelity.
  package var profile = Profile.balanced
  package var limits = Limits()
  package var service = "sidetone"
  /// Transcript lines on standard output: for a terminal, or where the operator asked; they are
  /// personal data.
  package var printsTranscripts = false
  /// They are JSON objects.
  package var transcriptsAreJSON = false
  /// The log as one JSON object a line instead of plain text.
  package var logsJSON = false
  /// What is said at the start: what works, but is probably not what was meant, or not for long.
  package var warnings: [String] = []
  /// Colours on standard error, which is a terminal then.
  package var coloursLog = false
  /// What is less than this is not logged.
  package var logLevel = LogLevel.info

  /// What is written down of calls; nil: nothing is.
  package var records: Records?

  package init() {}
}

extension Config {
  /// Where what was said is kept, and who is told of it.
  package struct Records: Sendable, Equatable {
    /// Where journal, transcripts and call files lie.
    package var directory = "data"
    /// How long the end of a call waits for its files before its caller is closed; 0: not at all.
    package var closeWaitMilliseconds = 1000
    /// Who is told of what happens.
    package var hooks: [Hook] = []
    /// What is asked of a model about what was said; nil: nothing.
    package var extraction: Extraction?
    /// What a journal, and what is still to be delivered, may take of the disk.
    package var journalMegabytesMax = 256
    package var spoolMegabytesMax = 1024
    package init() {}

    /// Results that may still be revised are written down too.
    var keepsInterims: Bool { hooks.contains { $0.events.contains("transcript.interim") } }
    /// Data is extracted from calls while they run.
    var extractsLive: Bool { extraction?.liveFields.isEmpty == false }
  }

  /// A server that is told of events, as Standard Webhooks has it.
  package struct Hook: Sendable, Equatable {
    package var url = ""
    /// As `WebhookSecret` reads them; two while they change.
    package static let secretsMax = 2
    package var secrets: [String] = []
    package var events = Self.standardEvents
    /// http:// will do, though it is not this machine.
    package var isPlain = false
    package static let standardEvents = [
      "call.started", "transcript.final", "call.ended", "call.extracted",
    ]
    package static let allEvents = standardEvents + ["transcript.interim"]
    package init() {}
  }

  /// A LiteLLM proxy, which is asked about callers' keys.
  package struct LiteLLM: Sendable, Equatable {
    /// Where it is served, without a slash at the end.
    package var url: String
    /// How long its good word counts; 0: each call asks.
    package var cacheSeconds = 60
    package init(url: String) { self.url = url }
  }

  /// What a voice model may call.
  package struct Function: Sendable, Equatable {
    /// What a relay does itself.
    package enum BuiltIn: String, Sendable, CaseIterable {
      case hangUp = "hang_up"
      case transfer
      case sendDigits = "send_dtmf"
      case collectDigits = "collect_digits"
    }

    /// Somebody to whom calls may be transferred.
    package struct Target: Sendable, Equatable {
      /// What the model calls it: a name, or the address itself.
      package var name: String
      /// A phone number or a SIP address.
      package var address: String
      package init(name: String, address: String) {
        self.name = name
        self.address = address
      }
    }

    package var name = ""
    /// By it a model knows when to call.
    package var description = ""
    /// The JSON schema of its arguments, and the names that it requires.
    package var schema = Self.schemaOfNothing
    package var required: [String] = []
    /// Who is asked; empty where it is built in.
    package var url = ""
    package var builtIn: BuiltIn?
    /// A server that the model has answer, without us (Model Context Protocol); empty: none. What
    /// the model shows it, and which of its tools it may use.
    package var server = ""
    package var key = ""
    package var tools: [String] = []
    /// Whom a transfer may reach, and whether the carrier may say something before.
    package var targets: [Target] = []
    package var isWarm = false
    /// What requests are signed with (Standard Webhooks).
    package var secrets: [String] = []
    package var deadlineMilliseconds = 8000
    package var talksMeanwhile = false
    /// http:// will do, though it is not this machine.
    package var isPlain = false
    /// Heard where it takes longer, and nobody speaks.
    package var phraseAudio: Greeting?
    package var phraseAfterMilliseconds = 700
    package init() {}

    package static let schemaOfNothing = "{\"type\":\"object\",\"properties\":{}}"
  }

  /// A chat endpoint that finds data in what was said.
  package struct Extraction: Sendable, Equatable {
    package var url = ""
    package var model = ""
    package var key = ""
    /// The file of the JSON schema of what is wanted.
    package var schemaFile = ""
    /// Fields of it that are looked for while a call runs.
    package var liveFields: [String] = []
    package var isPlain = false
    package init() {}
  }

  /// The first of `publicURLs`, or nothing.
  package var publicURL: String {
    get { publicURLs.first ?? "" }
    set { publicURLs = newValue.isEmpty ? [] : [newValue] }
  }

  /// What is set about the carrier of that name; the defaults where nothing is.
  package subscript(carrier name: String) -> Carrier {
    get { carriers[name] ?? Carrier() }
    set { carriers[name] = newValue }
  }

  /// What a call is for: its upstream only listens, or it talks back.
  package enum CallKind: String, BitwiseCopyable, Sendable, CaseIterable {
    case transcription, voice
  }

  /// Debug: the rare messages of the wire. Info: the life of a call. Warning: somebody must look.
  /// Error: calls are failing.
  package enum LogLevel: UInt8, BitwiseCopyable, Sendable, Comparable {
    case debug, info, warning, error

    package static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
  }

  package struct Carrier: Sendable {
    /// What its signatures are checked against (several while they change); empty: they are not
    /// checked.
    package var secrets: [[UInt8]] = []
    /// What is sent to it, where it leaves the choice to us.
    package var chosenAudio = ChosenAudio.mulaw
    /// The byte order of linear PCM from and to it, where its documents leave it open, until a
    /// caller's audio shows it.
    package var chosenIsBigEndian = false
    /// Where it is asked to act on calls, without a slash at the end, and by which key; the key may
    /// be that of its signatures. Empty: at its own address; not at all.
    package var controlURL = ""
    package var controlKey = ""
    package init() {}
  }

  /// The recipes of conversion, from the least delay to the widest band.
  package enum Profile: UInt8, BitwiseCopyable, Sendable, CaseIterable {
    case lowest, balanced, fidelity
  }

  /// G.711 at 8 kHz, or linear PCM at 8 or 16 kHz.
  package enum ChosenAudio: Equatable, Sendable {
    case mulaw, alaw
    case linear16(rate: Int)
  }

  /// A sound that callers hear, such as a greeting: signed 16-bit samples of one channel.
  package struct Greeting: Sendable, Equatable {
    /// Samples a second: 8000, 16000 or 24000.
    package var rate: Int
    package var samples: [Int16]
    /// What is said in it, where a cascade is to speak it; there are no samples until it has.
    package var speech: Speech?
    package init(rate: Int, samples: [Int16]) {
      self.rate = rate
      self.samples = samples
    }

    /// At which rates it is made ready, and what it takes at all of them.
    static let readyRates = [8_000, 16_000, 24_000]
    var readyBytes: Int { Self.readyRates.reduce(0) { $0 + 2 * samples.count * $1 / rate } }
  }

  /// A text, and in whose voice it is spoken.
  package struct Speech: Sendable, Equatable {
    package var text: String
    /// The name of the cascade that speaks it.
    package var cascade = ""
    /// Its voice, the model that speaks and the language, as its options have them.
    package var voice = ""
    package var model = ""
    package var language = ""
    /// The WAV file in which it is kept.
    package var file = ""
    package init(text: String) { self.text = text }
  }

  /// What cascades speak for callers, each once, and whether that was done.
  package var speeches: [(speech: Speech, isKept: Bool)] {
    var found: [(speech: Speech, isKept: Bool)] = []
    for greeting in routes.filter({ !$0.isRetired }).flatMap(\.recordings) {
      guard let greeting, let speech = greeting.speech else { continue }
      if found.contains(where: { $0.speech.file == speech.file }) { continue }
      found.append((speech, isKept: !greeting.samples.isEmpty))
    }
    return found
  }
  package var unspoken: [Speech] { speeches.filter { !$0.isKept }.map(\.speech) }

  /// Indices in `upstreams` of those that a route's calls may talk to.
  package func upstreams(of route: Route) -> [Int] {
    guard route.kind == .call else { return [] }
    let names = route.bots.isEmpty ? [route.upstream] : route.bots.map(\.upstream)
    let fallback = route.fallback.isEmpty ? [] : [route.fallback]
    return (names + fallback).compactMap(place(ofUpstream:))
  }

  /// Where the upstream of that name stands in `upstreams`.
  package func place(ofUpstream name: String) -> Int? {
    upstreams.firstIndex { $0.name == name && $0.speaksFor.isEmpty && !$0.isRetired }
  }

  package struct Listener: Sendable {
    /// Dotted quad or IPv6 text, without brackets.
    package var address = "127.0.0.1"
    package var port: UInt16 = 8080
    /// PEM files; both empty for plain sockets.
    package var certificate = ""
    package var key = ""
    package var isTLS: Bool { !certificate.isEmpty }
    /// Where this machine has no such address, it is left out.
    package var isOptional = false
    /// Only pages for operators are served there, to whom it is kept free.
    package var isForOperators = false
    /// Whether only this machine can reach it: 127.0.0.0/8 or ::1.
    package var isLoopback: Bool {
      address.hasPrefix("127.") || address == "::1" || address == "localhost"
    }
    package init() {}
  }

  /// One service that calls are relayed to.
  package struct Upstream: Sendable {
    /// The name that routes use.
    package var name = ""
    /// The name of a row in `Upstream.all`, for example "echo".
    package var kind = ""
    /// Where to dial; ignored by kinds that dial nobody.
    package var endpoint = Endpoint()
    /// The secret, or empty; `keyVariable` is what an operator must set to provide it.
    package var key = ""
    package var keyVariable = ""
    /// What stands before the key in `Authorization`; empty: as the kind has it.
    package var keyScheme = ""
    /// It stands in the operator's own network: it may be dialled without TLS and without a key.
    package var isPrivate = false
    /// How fast a backlog may be sent, in percent of real time; 0: as fast as it is taken. Ten
    /// seconds are made up for in about three. A vendor that takes less in the long
    /// run leaves the rest in its socket's buffers and so with us, where nothing is lost.
    package var pacePercent = 400
    /// Concurrent sessions; 0: as many as calls.
    package var sessionsMax = 0
    /// What a voice model is told, by the names of the settings: ("voice", "marin"). Each name
    /// once, with the defaults filled in; none for upstreams that only listen.
    package var options: [(name: String, value: String)] = []
    package var cascade = CascadeServices()
    /// The upstream for which it speaks; empty: it is one of its own.
    package var speaksFor = ""
    /// Settings that were read anew have it no more; calls that began with it keep it.
    package var isRetired = false
    package init() {}

    /// Its secret is missing.
    package var isWithoutKey: Bool { key.isEmpty && !keyVariable.isEmpty }
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

  /// How long the model and the caller may keep each other waiting; 0: that is not watched.
  package struct Watch: Sendable, Equatable {
    package var modelQuietSeconds = 0
    package var callerQuietSeconds = 0
    /// So often the caller is spoken to; then the call ends.
    package var repromptsMax = 2
    /// What the model is told of a silent caller.
    package var reprompt =
      "The caller has said nothing for a while. Ask whether they are still there."
    package init() {}
  }

  /// What is recorded for callers and may be played while somebody listens to them.
  package enum Phrase: String, Sendable, CaseIterable {
    case greeting, hold, apology
  }

  /// What is served under one path.
  package struct Route: Sendable {
    package enum Kind: Sendable {
      case call  // a WebSocket: a carrier on one side, an upstream on the other
      case voice  // a webhook: its answer lets us listen to the call
      case connect  // a webhook: its answer connects the caller with us, both ways
    }
    package var path = ""
    package var kind = Kind.call
    /// Names of rows in `Carrier.all`; empty: any that is recognised.
    package var carriers: [String] = []
    /// The `name` of an upstream.
    package var upstream = ""
    /// For `call`: the upstreams that a caller may choose from, by the names callers use; the
    /// first is `upstream`. Empty: there is no choice.
    package var bots: [(name: String, upstream: String)] = []
    /// For `call`: the `name` of an upstream that takes over where that one, or the caller's bot,
    /// cannot be had or is lost; empty: none does.
    package var fallback = ""
    /// For the webhooks: the path of the call route that the answer points to.
    package var stream = ""
    /// For `connect`: the upstream is dialled on the webhook, ahead of the caller's socket.
    package var dialsAhead = true
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
    /// "nova-2"); and those of a default path, which everything else goes before.
    package var options: [(name: String, value: String)] = []
    package var standardOptions: [(name: String, value: String)] = []
    /// So many sessions of its voice model are kept ready for callers who are still to come.
    package var warm = 0
    /// What its voice model may call.
    package var functions: [Function] = []
    /// Heard by callers while the upstream is still being dialled, while no session stands, and
    /// before the call ends since none will.
    package var greetingAudio: Greeting?
    package var holdAudio: Greeting?
    package var goodbyeAudio: Greeting?
    /// Heard where the model keeps its caller waiting.
    package var apologyAudio: Greeting?
    package var watch = Watch()
    /// Which of them a caller who speaks does not end.
    package var uninterrupted: [Phrase] = []
    /// Samples a second to which audio is converted for an upstream that only listens; 0: it gets
    /// the caller's own.
    package var upstreamRate = 0
    /// Its callers' side understands commands, such as one to forget what it has not played.
    package var takesCommands = true
    /// Where the carrier's media clock jumps ahead, silence stands in for what did not come.
    package var fillsGaps = false
    /// Callers who hear nothing are sent a little silence now and then.
    package var sendsComfort = false
    /// An upstream that only listens is sent signs of life instead of silence.
    package var skipsSilence = false
    /// Settings that were read anew have it no more; calls that began with it keep it.
    package var isRetired = false
    package init() {}

    package var isWebhook: Bool { kind != .call }
    /// Whether the carrier of that name may call here.
    package func isFor(carrier name: String) -> Bool {
      isWebhook || carriers.isEmpty || carriers.contains(name)
    }
  }
}
