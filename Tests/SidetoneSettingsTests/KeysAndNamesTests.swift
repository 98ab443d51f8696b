// Keys that go only where they belong, samples that are taken for secrets, and names that are near.

import Sidetone
import Testing

@testable import SidetoneSettings

@Suite(.enabled(if: names("deepgram", "openai", "gemini").count == 3)) struct KeysAndNamesTests {
  private let cloud = ["DEEPGRAM_API_KEY": "cloud-1"]
  private static let onPremises = """
    [upstreams.asr]
    kind = "deepgram"
    url = "ws://10.0.0.5:8080/v1/listen"
    private = true

    """

  private func upstream(
    _ name: String, _ file: String? = nil, _ env: [String: String] = [:]
  ) throws -> Config.Upstream {
    try #require(try load(file, env: env).upstreams.first { $0.name == name })
  }

  @Test func `a private upstream is not sent the key of the service`() throws {
    let asr = try upstream("asr", Self.onPremises, cloud)
    #expect(asr.key.isEmpty && !asr.isWithoutKey)
    #expect(try upstream("asr", Self.onPremises + "key = \"own-1\"", cloud).key == "own-1")
    // Beside it the service has its key.
    #expect(try upstream("deepgram", Self.onPremises, cloud).key == "cloud-1")
    let open = Self.onPremises.replacing("ws://10.0.0.5:8080", with: "wss://asr.example.com")
      .replacing("private = true", with: "")
    #expect(try upstream("asr", open, cloud).key == "cloud-1")
  }

  @Test func `a key in the url is a key where the service takes it there, and is never shown`()
    throws
  {
    let url = ["GEMINI_LIVE_URL": "wss://g.example/live?key=AIzaSecret"]
    let gemini = try upstream("gemini", nil, url)
    #expect(!gemini.isWithoutKey && gemini.key.isEmpty)
    #expect(gemini.endpoint.query == "key=AIzaSecret")
    #expect(try load(env: url).twoWayCalls > 0)
    let both = url.merging(["GEMINI_API_KEY": "AIzaOther"]) { $1 }
    #expect(try upstream("gemini", nil, both).key.isEmpty)
    let found = try warnings(env: both)
    #expect(found.contains { $0.contains("goes before the other key") }, "\(found)")
    #expect(!found.contains { $0.contains("AIza") })
    // Without a value it is none, and no other service takes one there.
    let empty = ["GEMINI_LIVE_URL": "wss://g.example/live?key="]
    #expect(try upstream("gemini", nil, empty).isWithoutKey)
    let other = ["OPENAI_REALTIME_URL": "wss://o.example/v1/realtime?key=k"]
    #expect(try upstream("openai", nil, other).isWithoutKey)
  }

  @Test func `nor is the one with the service's name, unless its own key is set`() throws {
    let file = "[upstreams.deepgram]\nurl = \"ws://10.0.0.5/v1/listen\"\nprivate = true\n"
    #expect(try upstream("deepgram", file, cloud).key.isEmpty)
    let found = try warnings(file, env: cloud)
    #expect(found.count == 1 && found[0].contains("SIDETONE_UPSTREAMS_DEEPGRAM_KEY"), "\(found)")
    #expect(!found.contains { $0.contains("cloud-1") })
    #expect(try upstream("deepgram", file + "key = \"own-1\"", cloud).key == "own-1")
    let own = cloud.merging(["SIDETONE_UPSTREAMS_DEEPGRAM_KEY": "own-2"]) { $1 }
    #expect(try upstream("deepgram", file, own).key == "own-2")
    #expect(try warnings(file, env: own) == [])
  }

  @Test func `operators' keys are read from everywhere but the command line`() throws {
    let env = ["SIDETONE_AUTH_OPERATOR_KEYS": "op-1, op-2", "SIDETONE_API_KEYS": "caller"]
    let config = try load(nil, env: env)
    #expect(config.operatorDigests == ["op-1", "op-2"].map(sha256))
    #expect(config.keyDigests == [sha256("caller")])
    let file = "[auth]\noperator_keys = [\"op-1\"]\n"
    #expect(try load(file).operatorDigests == [sha256("op-1")])
    let both = try warnings(env: env.merging(["SIDETONE_API_KEYS": "op-2"]) { $1 })
    #expect(both.count == 1 && both[0].contains("operator_keys") && !both[0].contains("op-2"))
  }

  @Test func `a LiteLLM proxy is named by its variables, and its own key counts beside it only`()
    throws
  {
    let url = ["LITELLM_URL": "http://127.0.0.1:4000//"]
    let key = ["LITELLM_MASTER_KEY": "sk-master-1"]
    let alone = try load(env: url)
    #expect(alone.liteLLM == Config.LiteLLM(url: "http://127.0.0.1:4000"))
    #expect(alone.wantsKeys && alone.keyDigests.isEmpty && alone.warnings.isEmpty)
    #expect(try load(env: url.merging(key) { $1 }).keyDigests == [sha256("sk-master-1")])
    let without = try load(env: key)
    #expect(without.keyDigests.isEmpty && !without.wantsKeys)
    #expect(without.warnings.contains { $0.contains("litellm_master_key opens nothing") })
    let plain = try load(
      "[auth]\nlitellm_url = \"http://litellm:4000\"\nlitellm_cache_seconds = 5\n")
    #expect(plain.liteLLM?.cacheSeconds == 5)
    #expect(plain.warnings.contains { $0.contains("in the clear") })
    for bad in ["litellm:4000", "https://x.test/?a=b", "ftp://x.test", "https://x.test/#a"] {
      #expect(throws: Mistakes.self) { try load(env: ["LITELLM_URL": bad]) }
    }
  }

  @Test func `an address that a setting has is never taken for a cluster's`() throws {
    let found = mistakes(env: ["SIDETONE_LISTEN_ADDRESS": "tcp://0.0.0.0:8080"])
    #expect(found.count == 1 && found[0].contains("SIDETONE_LISTEN_ADDRESS"), "\(found)")
    #expect(!found[0].contains("is not known"))
    #expect(try warnings(env: ["SIDETONE_PORT": "tcp://10.0.0.1:8080"]) == [])
    let number = try warnings(env: ["SIDETONE_PORT": "9000"])
    #expect(number.count == 1 && number[0].contains("SIDETONE_LISTEN_ADDRESS=127.0.0.1:9000"))
  }

  @Test(arguments: [
    "a-key-that-you-make-up", "sixteen-letters-or-more", "0123456789abcdef",
    "0123456789abcdef0123456789abcdef", "0123456789abcdef0123456789abcdef01234567",
    "0123456789ABCDEF", "1234567890123456", "abcdefghijklmnop", "your_secret_of_the_route",
  ])
  func `what samples have is a placeholder, also for a route's secret`(text: String) throws {
    #expect(isPlaceholder(text))
    let file = "[[routes]]\npath = \"/a\"\nupstream = \"echo\"\nsecret = \"\(text)\""
    guard text.utf8.count >= 16 else { return }
    let found = try warnings(file)
    #expect(found.count == 1 && found[0].hasPrefix("f.toml:4: [[routes]] secret"), "\(found)")
    #expect(found[0].contains("placeholder") && !found[0].contains(text))
  }

  @Test(arguments: ["hush-hush-hush-hush", "0123456789fedcba", "9f86d081884c7d65", "012345678"])
  func `what somebody has made up is none`(text: String) { #expect(!isPlaceholder(text)) }

  @Test(arguments: [
    ("API_KEY", "SIDETONE_API_KEYS"), ("PUBLIC_URL", "SIDETONE_LISTEN_PUBLIC_URL"),
    ("NGROK_URL", "SIDETONE_LISTEN_PUBLIC_URL"), ("TWILIO_TOKEN", "TWILIO_AUTH_TOKEN"),
    ("TELNYX_TOKEN", "TELNYX_PUBLIC_KEY"), ("LOG_LEVEL", "SIDETONE_OUTPUT_LEVEL"),
    ("OPENAI_MODEL", "SIDETONE_UPSTREAMS_OPENAI_MODEL"),
    ("GEMINI_MODEL", "SIDETONE_UPSTREAMS_GEMINI_MODEL"),
    ("SIDETONE_KEY", "SIDETONE_API_KEYS"),
  ])
  func `a name that other programs have is told with ours`(name: String, meant: String) throws {
    let found = try warnings(env: [name: "v"])
    #expect(found.count == 1 && found[0].hasSuffix("did you mean `\(meant)`?"), "\(found)")
    let rows =
      Setting<Draft>.all.map(\.variable) + foreignNames.map(\.name)
      + Setting<Config.Upstream>.all.map { upstreamVariable("openai", $0.key) }
      + Setting<Config.Upstream>.all.map { upstreamVariable("gemini", $0.key) }
    #expect(rows.contains(meant))
  }

  @Test func `a flag is never told to be a name that is none of flags`() {
    for flag in ["--api-keys", "--api-key", "--deepgram-api-key"] {
      let found = mistakes(flags: [(name: flag, value: "v")])
      #expect(found.count == 1 && !found[0].contains("`--api-keys`?"), "\(found)")
    }
  }

  @Test func `help lists every name that is read`() {
    let help = foreignNamesHelp.joined(separator: " ")
    let names = ["PORT ", "DEEPGRAM_MODEL", "DEEPGRAM_LANGUAGE", "DEEPGRAM_OPTIONS"]
    let keys = upstreamRows.flatMap(\.services).map(\.keyVariable)
    for name in names + keys + ["DEEPGRAM_URL", "TWILIO_AUTH_TOKEN"] {
      #expect(help.contains(name), "\(name)")
    }
  }

  @Test func `help names each key of a voice model once`() throws {
    let words = keysHelp.split { $0 == " " || $0 == "," }
    let voices = try #require(words.lastIndex { $0.hasSuffix("_KEY") })
    let begin = try #require(words.firstIndex(of: "Deepgram"))
    let keys = words[begin...voices].filter { $0.hasSuffix("_KEY") }
    #expect(keys.count >= 2 && Set(keys).count == keys.count, "\(keysHelp)")
  }
}
