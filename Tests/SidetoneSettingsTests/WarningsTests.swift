// What works, but is probably not what was meant: said at the start and by `check`, a line each.

import Sidetone
import Testing

@testable import SidetoneSettings

private let isListening = names("deepgram").count == 1

/// The warnings of settings that work.
func warnings(
  _ file: String? = nil, env: [String: String] = [:], dotEnv: String = ""
) throws -> [String] {
  try load(file, env: env, dotEnv: dotEnv).warnings
}

@Suite(.enabled(if: isListening)) struct WarningsTests {
  @Test func `nothing set draws no warning`() throws {
    #expect(try warnings() == [])
    let env = ["PATH": "/bin", "HOME": "/", "HOSTNAME": "x", "LANG": "C", "DATABASE_URL": "y"]
    #expect(try warnings(env: env) == [])
    #expect(try warnings(env: ["DEEPGRAM_API_KEY": "test", "OPENAI_API_KEY": "sk-abc"]) == [])
  }

  @Test(arguments: [
    ("SIDETONE_VERSION", "1.2.3", ""), ("SIDETONE_IMAGE_TAG", "main", ""),
    ("SIDETONE_ENV_NAME", "prod", ""), ("SIDETONE_HOME", "/opt", ""),
    ("SIDETONE_PORT", "9000", "SIDETONE_LISTEN_ADDRESS=127.0.0.1:9000"),
    ("SIDETONE_LISTEN_ADRESS", "x", "SIDETONE_LISTEN_ADDRESS"),
    ("SIDETONE_PUBLIC_URL", "https://a", "SIDETONE_LISTEN_PUBLIC_URL"),
    ("SIDETONE_CALLS_MAX", "5", "SIDETONE_LIMITS_CALLS_MAX"),
    ("SIDETONE_API_KEY", "k", "SIDETONE_API_KEYS"),
    ("SIDETONE_DEEPGRAM_API_KEY", "k", "DEEPGRAM_API_KEY"),
    ("SIDETONE_TWILIO_AUTH_TOKEN", "k", "TWILIO_AUTH_TOKEN"),
    ("SIDETONE_SERVICE_HOST", "relay.internal", ""), ("SIDETONE_SERVICE_PORT", "80", ""),
  ])
  func `an unknown name of the environment is told, with the nearest known one`(
    name: String, value: String, near: String
  ) throws {
    let found = try warnings(env: [name: value])
    #expect(found.count == 1 && found[0].contains("`\(name)`"), "\(found)")
    #expect(
      found.allSatisfy { $0.contains("did you mean") || $0.contains("write") } == !near.isEmpty)
    #expect(near.isEmpty || found[0].contains(near))
    #expect(found[0].utf8.count < 160, "\(found)")
  }

  @Test func `what a cluster sets is told by its value`() throws {
    let kubernetes = [
      "SIDETONE_SERVICE_HOST": "10.0.0.1", "SIDETONE_SERVICE_PORT": "80",
      "SIDETONE_SERVICE_PORT_HTTP": "80", "SIDETONE_PORT": "tcp://10.0.0.1:80",
      "SIDETONE_PORT_80_TCP": "tcp://10.0.0.1:80", "SIDETONE_PORT_80_TCP_PROTO": "tcp",
      "SIDETONE_PORT_80_TCP_PORT": "80", "SIDETONE_PORT_80_TCP_ADDR": "10.0.0.1",
      "SIDETONE_METRICS_SERVICE_HOST": "fd00::1",
      "SIDETONE_METRICS_PORT_9_UDP": "udp://[fd00::1]:9",
      "SIDETONE_METRICS_PORT": "udp://[fd00::1]:9", "SIDETONE_METRICS_PORT_9_UDP_PORT": "9",
    ]
    #expect(try warnings(env: kubernetes) == [])
    let docker = [
      "SIDETONE_PORT": "tcp://172.17.0.2:8080", "SIDETONE_NAME": "/web/sidetone",
      "SIDETONE_PORT_8080_TCP_ADDR": "172.17.0.2", "SIDETONE_ENV_PATH": "/bin",
    ]
    #expect(try warnings(env: docker) == [])
    #expect(
      try warnings(env: ["SIDETONE_SERVICE_HOST": "10.0.0.1", "SIDETONE_PORT": "9"]).count == 1)
    // A setting stays one, whoever else is there.
    let env = kubernetes.merging(["SIDETONE_LIMITS_CALLS_MAX": "7"]) { $1 }
    #expect(try load(env: env).limits.callsMax == 7)
  }

  @Test(arguments: [
    ("DEEPGRAM_API_KY", "DEEPGRAM_API_KEY"), ("DEEPGRAM_KEY", "DEEPGRAM_API_KEY"),
    ("DEEPGRAM_APIKEY", "DEEPGRAM_API_KEY"), ("DEEPGRAM_TOKEN", "DEEPGRAM_API_KEY"),
    ("deepgram_api_key", "DEEPGRAM_API_KEY"), ("DEEPGRAM_MODLE", "DEEPGRAM_MODEL"),
    ("OPENAI_API_KEYS", "OPENAI_API_KEY"), ("OPEN_AI_API_KEY", "OPENAI_API_KEY"),
    ("GOOGLE_API_KEY", "GEMINI_API_KEY"), ("TWILIO_AUTHTOKEN", "TWILIO_AUTH_TOKEN"),
    ("TWILLIO_AUTH_TOKEN", "TWILIO_AUTH_TOKEN"), ("TELNYX_PUBKEY", "TELNYX_PUBLIC_KEY"),
    ("SYSTEM_PROMT", "SYSTEM_PROMPT"),
  ])
  func `a name that is almost one of ours is told where ours is missing`(
    name: String, meant: String
  ) throws {
    for found in [try warnings(env: [name: "v"]), try warnings(dotEnv: "\(name)=v")] {
      #expect(found.count == 1 && found[0].hasSuffix("did you mean `\(meant)`?"), "\(found)")
    }
    let value = meant == "TELNYX_PUBLIC_KEY" ? String(repeating: "A", count: 43) + "=" : "v"
    let both = [name: "v", meant: value, "SIDETONE_LISTEN_PUBLIC_URL": "https://a.example"]
    #expect(try warnings(env: both) == [])
  }

  @Test(arguments: [
    "TWILIO_ACCOUNT_SID", "TWILIO_API_KEY", "TWILIO_API_SECRET",
    "OPENAI_ORG_ID", "OPENAI_BASE_URL", "DEEPGRAM_PROJECT_ID", "ANTHROPIC_API_KEY",
    "DEEPGRAM_PORT", "DEEPGRAM_SERVICE_HOST",
  ])
  func `names of other programs are theirs`(name: String) throws {
    #expect(try warnings(env: [name: "v"]) == [])
  }

  @Test(arguments: [
    "your_deepgram_api_key_here", "YOUR_API_KEY", "your-key", "<key>", "<your key>", "xxxx",
    "XXXX-XXXX",
    "sk-...", "sk-xxxxxxxx", "changeme", "change-me", "replace_me", "${DEEPGRAM_API_KEY}", "$KEY",
    "{{key}}", "%KEY%", "DEEPGRAM_API_KEY_HERE", "insert-key-here", "todo",
    "00000000", "************", "my-secret-key", "yourDeepgramKey",
  ])
  func `a placeholder is told, in every place for a secret`(text: String) throws {
    guard !text.contains(" ") else { return }
    for name in ["DEEPGRAM_API_KEY", "SIDETONE_API_KEYS", "TWILIO_AUTH_TOKEN"] {
      let env = [name: text, "SIDETONE_LISTEN_PUBLIC_URL": "https://a.example"]
      let found = try warnings(env: env)
      #expect(found.count == 1 && found[0].contains("placeholder"), "\(name) \(found)")
      #expect(found[0].hasPrefix("environment \(name): ") && !found[0].contains(text))
    }
  }

  @Test(arguments: [
    "test", "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b", "sk-proj-Ab3_dEf-9xkeyQ", "abc", "k",
    "AIzaSyA-0_bcd", "x", "here8f7a6b5c", "sk-1234",
  ])
  func `a real key is none`(text: String) throws {
    #expect(!isPlaceholder(text))
  }

  @Test(arguments: [
    "\"abc\"", "'abc'", "`abc`", "abc\n", " abc", "abc ", "Bearer abc", "token abc",
  ])
  func `a key that cannot be right is a mistake with its reason`(text: String) {
    for name in ["DEEPGRAM_API_KEY", "SIDETONE_UPSTREAMS_OPENAI_KEY", "TWILIO_AUTH_TOKEN"] {
      // Between the members of a list spaces mean nothing.
      if name == "TWILIO_AUTH_TOKEN", text.contains(" abc") || text.hasSuffix(" "),
        !text.contains("earer") && !text.contains("oken")
      {
        continue
      }
      let found = mistakes(env: [name: text])
      #expect(!found.isEmpty && !found.contains { $0.contains("abc") }, "\(name): \(found)")
    }
  }

  @Test func `a key of another service, and one that expires, are told`() throws {
    #expect(try warnings(env: ["DEEPGRAM_API_KEY": "sk-abc"]).count == 1)
    #expect(try warnings(env: ["OPENAI_API_KEY": "AIzaAbc"]).count == 1)
    let token = ["DEEPGRAM_API_KEY": "eyJh.eyJi.c"]
    let found = try warnings(env: token)
    #expect(found.count == 1 && found[0].contains("SIDETONE_UPSTREAMS_DEEPGRAM_KEY_SCHEME"))
    let scheme = ["SIDETONE_UPSTREAMS_DEEPGRAM_KEY_SCHEME": "Bearer"]
    let config = try load(env: token.merging(scheme) { $1 })
    #expect(config.warnings == [] && config.upstreams[0].keyScheme == "Bearer")
    #expect(mistakes(env: ["SIDETONE_UPSTREAMS_DEEPGRAM_KEY_SCHEME": "bearer:"]).count == 1)
  }

  @Test func `a public url without TLS is told, but on this machine`() throws {
    func found(_ url: String) throws -> [String] {
      try warnings(env: ["SIDETONE_LISTEN_PUBLIC_URL": url])
    }
    #expect(try found("http://relay.example.com").count == 1)
    #expect(try found("http://203.0.113.7:8080").count == 1)
    #expect(try found("https://relay.example.com") == [])
    #expect(try found("http://localhost:8080") == [] && found("http://127.0.0.1:8080") == [])
    #expect(try found("https://your-domain.com").count == 1)
    let origin = ["SIDETONE_LISTEN_ALLOWED_ORIGINS": "http://app.example.com,https://b.example"]
    #expect(try warnings(env: origin).count == 1)
  }

  @Test func `a port stands for every address, and an address goes before it`() throws {
    for config in [try load(env: ["PORT": "8081"]), try load(dotEnv: "PORT=8081")] {
      #expect(config.listeners.map(\.address) == ["0.0.0.0", "::"])
      #expect(config.listeners.allSatisfy { $0.port == 8081 } && !config.isLoopbackOnly)
      #expect(config.listeners.map(\.isOptional) == [false, true])
      let routes = config.routes.filter { !$0.isWebhook }
      #expect(routes.allSatisfy { config.exposure(of: $0) == .off(.unprotected) })
    }
    let keys = try load(env: ["PORT": "8081", "SIDETONE_API_KEYS": "k"])
    for route in keys.routes where !route.isWebhook {
      guard case .guarded(let means) = keys.exposure(of: route), means.contains(.keys) else {
        Issue.record("\(route.path) is open")
        continue
      }
    }
    let env = ["PORT": "8081", "SIDETONE_LISTEN_ADDRESS": "127.0.0.1:5"]
    #expect(try load(env: env).listeners.map(\.port) == [5])
    let file = try load("[listen]\naddress = \"127.0.0.1:5\"", env: ["PORT": "8081"])
    #expect(file.listeners.map(\.port) == [5])
    #expect(try load(env: ["PORT": "8081"], dotEnv: "PORT=5").listeners[0].port == 8081)
    for wrong in ["http", "0", "70000", "tcp://10.0.0.1:80", "80 "] {
      let config = try load(env: ["PORT": wrong])
      #expect(config.listeners.map(\.port) == [8080] && config.warnings.count == 1, "\(wrong)")
    }
  }
}
