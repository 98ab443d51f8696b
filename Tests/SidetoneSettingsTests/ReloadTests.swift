// Settings that follow others: what differs is found by name, and each setting says when it counts.

import Foundation
import Sidetone
import Testing

@testable import SidetoneSettings

@Suite struct ReloadTests {
  private func sources(_ file: String, _ environment: [String: String] = [:]) -> Settings.Sources {
    var sources = Settings.Sources()
    sources.file = (name: "f.toml", text: file)
    sources.environment = environment
    return sources
  }

  private func reload(
    _ first: String, _ second: String, _ environment: [String: String] = [:],
    _ later: [String: String]? = nil
  ) throws -> (config: Config, now: [String], restart: [String]) {
    let former = try Settings.read(sources(first, environment))
    let (next, changes) = try Settings.read(
      sources(second, later ?? environment), after: former)
    return (
      next.config, changes.filter { !$0.needsRestart }.map(\.name),
      changes.filter(\.needsRestart).map(\.name)
    )
  }

  @Test func `every setting says when a change of it counts, and so it is`() throws {
    // A certificate comes with its key, and extraction whole: both have tests of their own.
    for row in Setting<Draft>.all where !row.namesFile && !row.key.hasPrefix("extraction") {
      let name = "\(row.table).\(row.key)"
      let effect = try #require(row.effect, "\(name) has no answer")
      let value = try #require(other(row), "\(name) has no other value")
      let base = row.table == "records" ? ["SIDETONE_RECORDS_DIRECTORY": "here"] : [:]
      let environment = base.merging(Self.companions(of: name)) { $1 }
      let (config, now, restart) = try reload(
        "", "", environment, environment.merging([row.variable: value]) { $1 })
      #expect(now == (effect == .restart ? [] : [name]), "\(name)")
      #expect(restart == (effect == .restart ? [name] : []), "\(name)")
      let former = try Settings.read(sources("", environment)).config
      #expect(("\(config)" == "\(former)") == (effect == .restart), "\(name)")
    }
  }

  /// What must be set beside a setting, or before it has another value.
  private static func companions(of name: String) -> [String: String] {
    if name == "audio.telnyx_rate" { return ["SIDETONE_AUDIO_TELNYX_CODEC": "L16"] }
    return name.hasPrefix("auth.litellm_") ? ["LITELLM_URL": "https://l.example.com"] : [:]
  }

  @Test func `a LiteLLM proxy comes and goes with a restart, since a process asks it`() throws {
    let file = "[auth]\nlitellm_url = \"https://l.example.com\""
    let come = try reload("", file)
    #expect(come.restart == ["auth.litellm_url"] && come.config.liteLLM == nil)
    let gone = try reload(file, "")
    #expect(gone.restart == ["auth.litellm_url"] && gone.config.liteLLM != nil)
  }

  /// A value that is not the default.
  private func other<Target>(_ row: Setting<Target>) -> String? {
    if let value = Self.others["\(row.table).\(row.key)"] { return value }
    if row.form == "true or false" { return row.standard == "true" ? "false" : "true" }
    if row.form.hasPrefix("number "), let standard = Int(row.standard) {
      let bound = row.form.dropFirst(7).split(separator: "…").compactMap { Int($0) }[1]
      return "\(standard < bound ? standard + 1 : standard - 1)"
    }
    let words = row.form.split(separator: ", ").map(String.init)
    return words.count > 1 ? words.last { $0 != row.standard } : nil
  }

  private static let others: [String: String] = [
    "listen.address": "127.0.0.1:81", "listen.operators": "127.0.0.1:82",
    "listen.ready_requires": "voice", "listen.public_url": "https://r.example.com",
    "listen.trusted_proxies": "10.0.0.0/8", "listen.allowed_origins": "https://app.example.com",
    "auth.api_keys": "one", "auth.operator_keys": "two",
    "auth.litellm_url": "https://other.example.com", "auth.litellm_master_key": "sk-four",
    "auth.token_key": "sixteen-bytes-or-more", "auth.twilio_auth_token": "three",
    "auth.telnyx_public_key": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    "carriers.twilio_url": "https://api.dublin.ie1.twilio.com",
    "carriers.telnyx_url": "http://127.0.0.1:9", "carriers.telnyx_key": "five",
    "audio.telnyx_rate": "16000", "voice.say": "Hello.", "voice.dial": "+15550100",
    "voice.after_say": "Sorry.", "voice.after_dial": "+15550101",
    "output.transcripts": "true", "output.json_log": "false", "output.log": "text",
    "output.service": "another", "records.directory": "elsewhere",
    "phrases.directory": "elsewhere",
  ]

  @Test func `names are those of the file, and no value is told`() throws {
    let (config, now, restart) = try reload(
      """
      [auth]
      api_keys = ["secret-one"]
      [limits]
      calls_max = 7
      [upstreams.deepgram]
      key = "secret-two"
      """,
      """
      [auth]
      api_keys = ["secret-three"]
      [limits]
      calls_max = 8
      pong_seconds = 9
      [upstreams.deepgram]
      key = "secret-four"
      [[routes]]
      path = "/new"
      upstream = "echo"
      """)
    #expect(
      now == ["auth.api_keys", "limits.pong_seconds", "routes /new", "upstreams.deepgram.key"])
    #expect(restart == ["limits.calls_max"])
    #expect(config.limits.callsMax == 7 && config.limits.pongSeconds == 9)
    #expect(config.upstreams[0].key == "secret-four" && config.routes[0].path == "/new")
    #expect(config.keyDigests == [sha256("secret-three")])
  }

  @Test func `what is set elsewhere with the same value has not changed`() throws {
    let (_, now, restart) = try reload(
      "[limits]\npong_seconds = 9\n[listen]\ntrusted_proxies = [\"10.0.0.1\", \"10.0.0.2\"]", "",
      [:],
      [
        "SIDETONE_LIMITS_PONG_SECONDS": "9",
        "SIDETONE_LISTEN_TRUSTED_PROXIES": "10.0.0.1,10.0.0.2",
      ])
    #expect(now.isEmpty && restart.isEmpty)
  }

  @Test func `the same mistakes as at the start, and none of it counts`() throws {
    let former = try Settings.read(sources(""))
    let file = "[limits]\ncalls_max = 0\n[lisen]\naddress = \"x\""
    do throws(Mistakes) {
      _ = try Settings.read(sources(file), after: former)
      Issue.record("two mistakes")
    } catch {
      #expect(error.all.map(\.description) == mistakes(file) && error.all.count == 2)
    }
  }

  @Test func `a certificate may be another, but not come or go`() throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    func write(_ text: String) throws {
      try Data(text.utf8).write(to: folder.appendingPathComponent("c"))
    }
    let secure = "[listen]\ncertificate = \"\(folder.path)/c\"\nkey = \"\(folder.path)/c\""
    try write("one")
    let plain = try reload("", secure)
    #expect(plain.restart == ["listen.certificate", "listen.key"])
    #expect(plain.config.listeners[0].certificate.isEmpty)
    let gone = try reload(secure, "")
    #expect(gone.restart.count == 2 && !gone.config.listeners[0].certificate.isEmpty)
    let former = try Settings.read(sources(secure))
    #expect(try Settings.read(sources(secure), after: former).changes.isEmpty)
    try write("two")
    let (_, changes) = try Settings.read(sources(secure), after: former)
    #expect(changes.map(\.name) == ["listen.certificate", "listen.key"])
    #expect(changes.allSatisfy { !$0.needsRestart })
  }

  @Test func `records are kept or not kept until the next start`() throws {
    let hook = """
      [[records.webhooks]]
      url = "https://h.example.com"
      secrets = ["whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"]
      """
    let on = try reload("", "[records]\ndirectory = \"d\"\n\(hook)")
    #expect(on.config.records == nil && on.now.isEmpty && on.restart.contains("records.directory"))
    let off = try reload("[records]\ndirectory = \"d\"", "")
    #expect(off.config.records?.directory == "d" && off.restart == ["records.directory"])
    let moved = try reload("[records]\ndirectory = \"d\"", "[records]\ndirectory = \"e\"\n\(hook)")
    #expect(moved.config.records?.directory == "d" && moved.config.records?.hooks.count == 1)
    #expect(moved.restart == ["records.directory"])
    #expect(moved.now == ["records.webhooks.1.secrets", "records.webhooks.1.url"])
  }

  @Test func `what waits for a restart is told again until it came`() throws {
    let former = try Settings.read(sources("[limits]\ncalls_max = 7"))
    let (next, first) = try Settings.read(sources("[limits]\ncalls_max = 8"), after: former)
    let (_, second) = try Settings.read(sources("[limits]\ncalls_max = 8"), after: next)
    #expect(first == second && second.map(\.name) == ["limits.calls_max"])
    #expect(try Settings.read(sources("[limits]\ncalls_max = 7"), after: next).changes.isEmpty)
  }

  @Test func `a port of the platform needs a restart`() throws {
    let (config, now, restart) = try reload("", "", ["PORT": "81"], ["PORT": "82"])
    #expect(now.isEmpty && restart == ["PORT"] && config.listeners[0].port == 81)
  }

  // MARK: Rows that calls have

  @Test func `another value of a route's setting makes it another route`() throws {
    let values: [String: String] = [
      "path": "\"/other\"", "fallback": "\"second\"", "carriers": "[\"twilio\"]",
      "upstream": "\"deepgram\"",
      "bots": "{ b = \"echo\" }", "upstream_rate": "16000", "commands": "false",
      "fill_gaps": "true", "comfort": "true", "skip_silence": "true",

      "addresses": "[\"10.0.0.0/8\"]",
      "secret": "\"s3cr3t-s3cr3t-s3cr3t\"", "open": "true", "options": "{ model = \"nova-2\" }",
    ]
    let base = ["path": "\"/a\"", "upstream": "\"echo\""]
    func route(_ members: [String: String]) throws -> Config.Route {
      let lines = members.map { "\($0) = \($1)" }.joined(separator: "\n")
      let second = "[upstreams.second]\nkind = \"deepgram\"\n"
      return try load(second + "[[routes]]\n\(lines)").routes[0]
    }
    let first = try route(base)
    #expect(first.isSame(as: try route(base)))
    for row in Setting<WrittenRoute>.all {
      // A webhook has no calls, and a sound needs a file.
      let others = [
        "kind", "stream", "dial_ahead", "greeting", "hold", "goodbye", "functions", "warm",
        "apology", "model_quiet_seconds", "caller_quiet_seconds", "caller_reprompts", "reprompt",
        "uninterrupted",
      ]
      if others.contains(row.key) { continue }
      let value = try #require(values[row.key], "\(row.key)")
      var members = base.merging([row.key: value]) { $1 }
      if ["options", "upstream_rate", "fallback", "skip_silence"].contains(row.key) {
        members["upstream"] = "\"deepgram\""
      }
      #expect(try !first.isSame(as: route(members)), "\(row.key)")
    }
    var (other, loud) = (first, first)
    (other.kind, other.stream, other.dialsAhead) = (.connect, "/x", false)
    loud.greetingAudio = Config.Greeting(rate: 8000, samples: [1])
    var (patient, polite) = (first, first)
    patient.holdAudio = loud.greetingAudio
    polite.goodbyeAudio = loud.greetingAudio
    #expect(!first.isSame(as: patient) && !first.isSame(as: polite))
    var able = first
    able.functions = [Config.Function()]
    var ready = first
    ready.warm = 1
    #expect(!first.isSame(as: ready))
    #expect(!first.isSame(as: other) && !first.isSame(as: loud) && !first.isSame(as: able))
    var sorry = first
    sorry.apologyAudio = loud.greetingAudio
    #expect(!first.isSame(as: sorry))
    var firm = first
    firm.uninterrupted = [.greeting]
    #expect(!first.isSame(as: firm))
    let watches: [(inout Config.Watch) -> Void] = [
      { $0.modelQuietSeconds = 1 }, { $0.callerQuietSeconds = 1 }, { $0.repromptsMax = 1 },
      { $0.reprompt = "a" },
    ]
    for change in watches {
      var watched = first
      change(&watched.watch)
      #expect(!first.isSame(as: watched))
    }
  }

  @Test func `another value of an upstream's setting makes it another upstream`() throws {
    var first = Config.Upstream()
    first.name = "a"
    let changes: [(inout Config.Upstream) -> Void] = [
      { $0.name = "b" }, { $0.kind = "echo" }, { $0.endpoint.host = "h" },
      { $0.endpoint.caFile = "f" }, { $0.endpoint.query = "q" }, { $0.key = "k" },
      { $0.keyVariable = "K" }, { $0.keyScheme = "Bearer" }, { $0.isPrivate = true },
      { $0.pacePercent = 1 }, { $0.sessionsMax = 1 }, { $0.options = [("voice", "marin")] },
      { $0.cascade.thinkURL = "u" }, { $0.cascade.thinkKey = "k" },
      { $0.cascade.speakEndpoint.host = "h" }, { $0.cascade.speakKey = "k" },
      { $0.speaksFor = "a" },
    ]
    #expect(first.isSame(as: first))
    for change in changes {
      var other = first
      change(&other)
      #expect(!first.isSame(as: other))
    }
    // One more field is one more line in `isSame`; `isRetired` is left out on purpose.
    #expect(Mirror(reflecting: first).children.count == 13)
    #expect(Mirror(reflecting: Config.Route()).children.count == 28)
  }
}
