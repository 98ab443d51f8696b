// Which of several values wins, and under which names a setting is known.

import Sidetone
import Testing

@testable import SidetoneSettings

/// Loads settings from texts; the file is called "f.toml".
func load(
  _ file: String? = nil, env: [String: String] = [:], dotEnv: String = "",
  flags: [(name: String, value: String)] = []
) throws(Mistakes) -> Config {
  var sources = Settings.Sources()
  sources.file = file.map { (name: "f.toml", text: $0) }
  sources.environment = env
  sources.dotEnv = dotEnv
  sources.flags = flags
  return try Settings.load(sources)
}

/// Every mistake as it is printed.
func mistakes(
  _ file: String? = nil, env: [String: String] = [:], dotEnv: String = "",
  flags: [(name: String, value: String)] = []
) -> [String] {
  do throws(Mistakes) {
    _ = try load(file, env: env, dotEnv: dotEnv, flags: flags)
    return []
  } catch {
    return error.all.map(\.description)
  }
}

/// Of these kinds of upstreams, those that are built in.
func names(_ kinds: String...) -> [String] { kinds.filter { upstreamKinds.contains($0) } }
/// Those that have others think and speak for them.
let cascades = Upstream.all.filter { $0.speaker != nil }.map(\.name.description)

@Suite struct SettingsTests {
  @Test func `nothing set is a whole config`() throws {
    let config = try load()
    #expect(config.listeners.count == 1 && config.listeners[0].port == 8080)
    let all = names("deepgram", "openai", "gemini", "deepgram-agent") + cascades + names("echo")
    #expect(config.upstreams.map(\.name) == all)
    #expect(config.upstreams[0].endpoint.host == "api.deepgram.com")
    #expect(config.upstreams[0].endpoint.path == "/v1/listen")
    #expect(config.upstreams[0].keyVariable == "DEEPGRAM_API_KEY")
    #expect(config.upstreams.last?.keyVariable.isEmpty == true)
    #expect(config.routes.map(\.path) == defaultRoutes.map(\.path))
    let listening = ["/media", "/media-stream", "/ws/transcribe", "/echo", "/voice"]
    #expect(Set(listening).isSubset(of: config.routes.map(\.path)))
    #expect(config.routes.allSatisfy { config.exposure(of: $0) == .loopback })
    #expect(config.voiceVerbs == "<Pause length=\"3600\"/>")
  }

  @Test func `flag beats environment beats dot env beats file beats default`() throws {
    let file = "[limits]\ncalls_max = 1\nping_seconds = 1\npong_seconds = 1\nfinish_seconds = 1"
    let dotEnv = """
      SIDETONE_LIMITS_CALLS_MAX=2
      SIDETONE_LIMITS_PING_SECONDS=2
      SIDETONE_LIMITS_PONG_SECONDS=2
      """
    let env = ["SIDETONE_LIMITS_CALLS_MAX": "3", "SIDETONE_LIMITS_PING_SECONDS": "3"]
    let flags = [(name: "--limits-calls-max", value: "4")]
    let limits = try load(file, env: env, dotEnv: dotEnv, flags: flags).limits
    #expect(limits.callsMax == 4)
    #expect(limits.pingSeconds == 3)
    #expect(limits.pongSeconds == 2)
    #expect(limits.finishSeconds == 1)
    #expect(limits.drainSeconds == Limits().drainSeconds)
  }

  @Test func `vendors names are taken`() throws {
    let env = [
      "DEEPGRAM_API_KEY": "dg", "DEEPGRAM_URL": "ws://127.0.0.1:9/v1/listen",
      "TWILIO_AUTH_TOKEN": "one, two", "TWILIO_ACCOUNT_SID": "AC1", "SIDETONE_API_KEYS": "k1,k2",
      "SIDETONE_LISTEN_PUBLIC_URL": "https://r.example/", "OPENAI_API_KEY": "x",
      "SYSTEM_PROMPT": "y",
    ]
    let config = try load(env: env)
    #expect(config.upstreams[0].key == "dg" && config.upstreams[0].endpoint.port == 9)
    #expect(config[carrier: "twilio"].secrets == ["one", "two"].map { Array($0.utf8) })
    #expect(config.keyDigests.count == 2)
    #expect(config.publicURL == "https://r.example")
  }

  @Test func `our own name is more precise than the vendors`() throws {
    let env = ["DEEPGRAM_API_KEY": "v", "SIDETONE_UPSTREAMS_DEEPGRAM_KEY": "ours"]
    #expect(try load(env: env).upstreams[0].key == "ours")
    let file = "[upstreams.deepgram]\nkey = \"file\""
    #expect(try load(file, env: ["DEEPGRAM_API_KEY": "v"]).upstreams[0].key == "v")
  }

  @Test func `an empty variable counts as not set`() throws {
    let config = try load(env: ["DEEPGRAM_API_KEY": ""], dotEnv: "DEEPGRAM_API_KEY=dg")
    #expect(config.upstreams[0].key == "dg")
  }

  @Test func `keys are kept as SHA 256`() throws {
    // FIPS 180-2, appendix B.1.
    let digest = try load(env: ["SIDETONE_API_KEYS": "abc"]).keyDigests[0]
    #expect(digest.prefix(4) == [0xba, 0x78, 0x16, 0xbf] && digest.count == 32)
  }

  @Test func `several upstreams of one kind share the vendor's key`() throws {
    let file = """
      [upstreams.near]
      kind = "deepgram"
      url = "wss://near.example/v1/listen"
      [upstreams.far-off]
      kind = "deepgram"
      key = "own"
      """
    let env = ["DEEPGRAM_API_KEY": "v", "SIDETONE_UPSTREAMS_FAR_OFF_URL": "wss://far.example"]
    let upstreams = try load(file, env: env).upstreams
    #expect(upstreams.map(\.name).suffix(3) == ["echo", "far-off", "near"])
    #expect(upstreams.map(\.key).suffix(3) == ["", "own", "v"])
    #expect(upstreams[upstreams.count - 2].endpoint.host == "far.example")
  }

  @Test func `the certificate serves every listener`() throws {
    let file = """
      [listen]
      address = "127.0.0.1:0, [::1]:0"
      certificate = "/dev/null"
      key = "/dev/null"
      """
    let listeners = try load(file).listeners
    #expect(listeners.map(\.address) == ["127.0.0.1", "::1"])
    #expect(listeners.allSatisfy { $0.isTLS })
  }

  @Test func `transcripts are printed for persons only unless asked`() throws {
    var sources = Settings.Sources()
    #expect(try !Settings.load(sources).printsTranscripts && Settings.load(sources).logsJSON)
    sources.outputIsTerminal = true
    sources.logIsTerminal = true
    #expect(try Settings.load(sources).printsTranscripts && !Settings.load(sources).logsJSON)
    sources.environment = ["SIDETONE_OUTPUT_TRANSCRIPTS": "false", "SIDETONE_OUTPUT_JSON_LOG": "1"]
    #expect(try !Settings.load(sources).printsTranscripts && Settings.load(sources).logsJSON)
  }

  @Test func `transcripts are text or JSON, whoever has the last word`() throws {
    for (file, variable, isPrinted, isJSON) in [
      ("true", "", true, false), ("false", "", false, false), ("\"json\"", "", true, true),
      ("\"json\"", "true", true, false), ("\"json\"", "no", false, false),
      ("true", "json", true, true), ("false", "json", true, true),
    ] {
      var sources = Settings.Sources()
      sources.file = (name: "f.toml", text: "[output]\ntranscripts = \(file)")
      sources.environment = ["SIDETONE_OUTPUT_TRANSCRIPTS": variable]
      let config = try Settings.load(sources)
      #expect(config.printsTranscripts == isPrinted, "\(file) \(variable)")
      #expect(config.transcriptsAreJSON == isJSON, "\(file) \(variable)")
    }
    #expect(
      mistakes("[output]\ntranscripts = \"xml\"").first?.contains("must be true, false or json")
        == true)
    #expect(try load("[limits]\nsubscribers_max = 0").limits.subscribersMax == 0)
  }

  @Test func `the form of the log has one name that counts more than the older one`() throws {
    for isTerminal in [false, true] {
      for (log, older, isJSON) in [
        ("", "", !isTerminal), ("", "true", true), ("", "false", false), ("auto", "", !isTerminal),
        ("auto", "false", !isTerminal), ("text", "true", false), ("json", "false", true),
      ] {
        var sources = Settings.Sources()
        sources.logIsTerminal = isTerminal
        // The newer name counts more even where it is in the lighter place.
        sources.file = (name: "f.toml", text: log.isEmpty ? "" : "[output]\nlog = \"\(log)\"")
        sources.environment = ["SIDETONE_OUTPUT_JSON_LOG": older]
        let config = try Settings.load(sources)
        #expect(config.logsJSON == isJSON, "\(isTerminal) \(log) \(older)")
        #expect(config.coloursLog == (isTerminal && !isJSON))
        sources.environment["NO_COLOR"] = "1"
        #expect(try !Settings.load(sources).coloursLog)
      }
    }
    #expect(throws: Mistakes.self) { try load("[output]\nlog = \"xml\"") }
    #expect(throws: Mistakes.self) { try load("[output]\nlevel = \"loud\"") }
    #expect(throws: Mistakes.self) { try load("[output]\nservice = \"\"") }
    #expect(try load("[output]\nlevel = \"debug\"\nservice = \"x-proxy\"").service == "x-proxy")
  }

  @Test func `voice says and dials`() throws {
    let file = "[voice]\nsay = \"you & <me>\"\ndial = \"+15550100\""
    #expect(
      try load(file).voiceVerbs == "<Say>you &amp; &lt;me&gt;</Say><Dial>+15550100</Dial>")
    let after = try load("[voice]\nafter_say = \"<a> & b\"\nafter_dial = \"+15550100\"")
    #expect(after.connectVerbs == "<Say>&lt;a&gt; &amp; b</Say><Dial>+15550100</Dial>")
    #expect(after.voiceVerbs == "<Pause length=\"3600\"/>" && Config().connectVerbs.isEmpty)
    #expect(try load("[voice]\npause_seconds = 60").voiceVerbs == "<Pause length=\"60\"/>")
  }

  @Test func `the defaults are made from the rows`() throws {
    for row in upstreamRows {
      for option in row.settings.options where !option.standard.isEmpty {
        #expect(try option.form.read(.text(option.standard)) == option.standard, "\(option.name)")
      }
    }
    let variables = foreignNames.map(\.variable)
    #expect(Set(variables).count == variables.count)
    let phone = try load().routes.first { $0.path == "/ws/phone" }
    #expect(phone?.upstream == phone?.bots.first?.upstream)
    #expect(defaultRoutes.allSatisfy { $0.isWebhook || !$0.upstream.isEmpty })
  }

  @Test func `what is too long for a buffer is refused`() {
    let limits = "[limits]\nbody_bytes_max = 65536\nupstream_message_bytes_max = 65536"
    #expect(mistakes(limits).first?.hasPrefix("f.toml:2: [limits] head_bytes_max and") == true)
    let path = String(repeating: "a", count: Limits.urlBytesMax)
    let url = "[upstreams.echo]\nkind = \"deepgram\"\nurl = \"wss://a.example/\(path)\""
    #expect(mistakes(url).first?.contains("at most 4096 bytes") == true)
  }

  @Test func `every row is known under its three names`() throws {
    #expect(Set(Setting<Draft>.all.map(\.variable)).count == Setting<Draft>.all.count)
    for row in Setting<Draft>.all {
      #expect(variableName(of: row.flag) == row.variable)
      // A line end is no value of any setting, so each name must answer with a mistake of its own.
      let places = [
        mistakes("[\(row.table)]\n\(row.key) = \"\\n\""), mistakes(env: [row.variable: "\n"]),
        mistakes(dotEnv: "\(row.variable)=\"\\n\""), mistakes(flags: [(row.flag, "\n")]),
      ]
      #expect(
        places.map(\.first).allSatisfy { $0 != nil && !$0!.contains("not known") }, "\(row.key)")
    }
  }
}
