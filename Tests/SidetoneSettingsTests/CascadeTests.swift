// Cascades as operators set them: whose keys they need, where they think and speak, and what is
// said of settings that belong elsewhere.

import Foundation
import Sidetone
import Testing

@testable import SidetoneSettings

@Suite(.enabled(if: names("cascade", "cascade-cartesia", "cascade-elevenlabs").count == 3))
struct CascadeTests {
  private static let keys = ["DEEPGRAM_API_KEY": "dg-1", "OPENAI_API_KEY": "sk-1"]

  private func cascade(
    _ file: String? = nil, _ env: [String: String] = keys, named name: String = "cascade"
  ) throws -> Config.Upstream {
    try #require(try load(file, env: env).upstreams.first { $0.name == name })
  }

  private static func table(_ lines: String, of name: String = "cascade") -> String {
    "[upstreams.\(name)]\n\(lines)\n"
  }

  // MARK: Keys

  @Test func `two keys are enough, and each goes where it belongs`() throws {
    let config = try load(env: Self.keys)
    let cascade = try #require(config.upstreams.first { $0.name == "cascade" })
    #expect(cascade.key == "dg-1" && !cascade.isWithoutKey && cascade.isUsableCascade)
    #expect(cascade.endpoint.host == "api.deepgram.com" && cascade.endpoint.path == "/v1/listen")
    #expect(cascade.cascade.thinkURL == "https://api.openai.com/v1/chat/completions")
    #expect(cascade.cascade.thinkKey == "sk-1" && cascade.cascade.speakKey == "dg-1")
    #expect(cascade.cascade.speakEndpoint.host == "api.deepgram.com")
    #expect(cascade.cascade.speakEndpoint.path == "/v1/speak")
    let voice = try #require(config.upstreams.last)
    #expect(voice.speaksFor == "cascade" && voice.name == "cascade.speak")
    #expect(voice.kind == "cascade" && voice.key == "dg-1" && voice.endpoint.path == "/v1/speak")
    #expect(!config.namedUpstreams.contains { $0.name == voice.name })
  }

  @Test(
    arguments: [
      ("cascade", [:], "DEEPGRAM_API_KEY"),
      ("cascade", ["DEEPGRAM_API_KEY": "d"], "OPENAI_API_KEY"),
      ("cascade", ["OPENAI_API_KEY": "o"], "DEEPGRAM_API_KEY"),
      (
        "cascade-cartesia", ["DEEPGRAM_API_KEY": "d", "OPENAI_API_KEY": "o"], "CARTESIA_API_KEY"
      ),
      ("cascade-cartesia", ["DEEPGRAM_API_KEY": "d", "CARTESIA_API_KEY": "c"], "OPENAI_API_KEY"),
      (
        "cascade-elevenlabs", ["DEEPGRAM_API_KEY": "d", "OPENAI_API_KEY": "o"], "ELEVENLABS_API_KEY"
      ),
    ] as [(String, [String: String], String)])
  func `without one of them it is without a key, and says which`(
    name: String, env: [String: String], variable: String
  ) throws {
    let config = try load(env: env)
    let cascade = try #require(config.upstreams.first { $0.name == name })
    #expect(cascade.isWithoutKey && !cascade.isUsableCascade)
    #expect(cascade.keyVariable == variable)
    #expect(!config.upstreams.contains { $0.speaksFor == name })
  }

  @Test func `voices of others have their own key and place`() throws {
    let env = Self.keys.merging(["CARTESIA_API_KEY": "sk_car_1", "ELEVENLABS_API_KEY": "el-1"]) {
      $1
    }
    let cartesia = try cascade(nil, env, named: "cascade-cartesia")
    #expect(cartesia.key == "dg-1" && cartesia.cascade.speakKey == "sk_car_1")
    #expect(cartesia.cascade.speakEndpoint.host == "api.cartesia.ai")
    let other = try cascade(nil, env, named: "cascade-elevenlabs")
    #expect(other.key == "dg-1" && other.cascade.speakKey == "el-1")
    #expect(other.cascade.speakEndpoint.host == "api.elevenlabs.io")
    let speakers = try load(env: env).upstreams.filter { !$0.speaksFor.isEmpty }
    #expect(Set(speakers.map(\.name)).count == 3 && Set(speakers.map(\.key)).count == 3)
  }

  @Test func `what is written goes before what is shared`() throws {
    let lines = "think_key = \"own-2\"\nspeak_key = \"own-3\""
    let own = Self.keys.merging(["SIDETONE_UPSTREAMS_CASCADE_KEY": "own-1"]) { $1 }
    let cascade = try cascade(Self.table(lines), own)
    #expect(cascade.key == "own-1" && cascade.cascade.thinkKey == "own-2")
    #expect(cascade.cascade.speakKey == "own-3")
    let env = Self.keys.merging(["SIDETONE_UPSTREAMS_CASCADE_THINK_KEY": "own-4"]) { $1 }
    #expect(try self.cascade(Self.table(lines), env).cascade.thinkKey == "own-4")
  }

  @Test func `a key of its own is its voice's as well, where one service does both`() throws {
    let lines = Self.table("key = \"own-1\"")
    let own = try cascade(lines, ["OPENAI_API_KEY": "sk-1"])
    #expect(own.key == "own-1" && own.cascade.speakKey == "own-1" && !own.isWithoutKey)
    let other = try cascade(
      Self.table("key = \"own-1\"", of: "cascade-cartesia"), ["OPENAI_API_KEY": "sk-1"],
      named: "cascade-cartesia")
    #expect(other.isWithoutKey && other.keyVariable == "CARTESIA_API_KEY")
    #expect(other.cascade.speakKey.isEmpty)
  }

  @Test func `keys are read from files`() throws {
    let path = file("think", Array("from-a-file\n".utf8))
    let speak = file("speak", Array("from-another\n".utf8))
    let cascade = try cascade(
      Self.table("think_key_file = \"\(path)\"\nspeak_key_file = \"\(speak)\""))
    #expect(cascade.cascade.thinkKey == "from-a-file" && cascade.key == "dg-1")
    #expect(cascade.cascade.speakKey == "from-another")
    for key in ["think_key", "speak_key"] {
      let both = Self.table("\(key) = \"a\"\n\(key)_file = \"\(path)\"")
      let found = mistakes(both, env: Self.keys)
      #expect(found.count == 1 && found[0].contains("\(key)_file"), "\(found)")
      let nowhere = mistakes(Self.table("\(key)_file = \"/nowhere\""), env: Self.keys)
      #expect(nowhere.count == 1 && nowhere[0].hasPrefix("f.toml:2: "), "\(nowhere)")
    }
  }

  @Test(arguments: ["think", "speak"]) func `secrets stay off the command line`(which: String) {
    let found = mistakes(
      env: Self.keys, flags: [(name: "--upstreams-cascade-\(which)-key", value: "sk-hush-1")])
    #expect(found.count == 1 && found[0].contains("others can read the command line"), "\(found)")
    let variable = "SIDETONE_UPSTREAMS_CASCADE_\(which.uppercased())_KEY"
    #expect(found.first?.contains(variable) == true, "\(found)")
    #expect(!found.contains { $0.contains("sk-hush-1") })
  }

  // MARK: Where it thinks

  @Test(arguments: [
    ("https://llm.test/v1", "https://llm.test/v1/chat/completions"),
    ("https://llm.test/v1/", "https://llm.test/v1/chat/completions"),
    ("https://llm.test/v1/chat/completions", "https://llm.test/v1/chat/completions"),
    ("https://llm.test/v1/chat/completions/", "https://llm.test/v1/chat/completions"),
    ("https://llm.test", "https://llm.test/chat/completions"),
    ("https://llm.test/v1?version=2", "https://llm.test/v1/chat/completions?version=2"),
    (
      "https://llm.test/a/chat/completions?b=/c", "https://llm.test/a/chat/completions?b=/c"
    ),
    ("http://127.0.0.1:11434/v1", "http://127.0.0.1:11434/v1/chat/completions"),
    ("http://localhost:4000", "http://localhost:4000/chat/completions"),
  ])
  func `an endpoint is written with its last words, or without`(url: String, whole: String) throws {
    let cascade = try cascade(Self.table("think_url = \"\(url)\""))
    #expect(cascade.cascade.thinkURL == whole)
  }

  @Test func `an endpoint of somebody else needs no key`() throws {
    let env = ["DEEPGRAM_API_KEY": "dg-1"]
    let cascade = try cascade(Self.table("think_url = \"http://127.0.0.1:11434/v1\""), env)
    #expect(!cascade.isWithoutKey && cascade.cascade.thinkKey.isEmpty && cascade.key == "dg-1")
  }

  @Test(arguments: ["llm.test/v1", "ftp://llm.test", "https://llm.test/#a", "https://", ""])
  func `what is no such address is a mistake on its line`(url: String) {
    let found = mistakes(Self.table("think_url = \"\(url)\""), env: Self.keys)
    #expect(found.count == 1 && found[0].hasPrefix("f.toml:2: "), "\(found)")
    #expect(found.first?.contains("think_url") == true)
  }

  @Test func `what is said is not sent in the clear, unless its network is said to be private`()
    throws
  {
    let url = "think_url = \"http://10.0.0.7:8000/v1\""
    let found = mistakes(Self.table(url), env: Self.keys)
    #expect(found.count == 1 && found[0].hasPrefix("f.toml:2: "), "\(found)")
    #expect(found.first?.contains("think_url begins with http://") == true)
    // The way out is one that there is.
    #expect(found.first?.contains("private = true") == true, "\(found)")
    #expect(!found.contains { $0.contains("plain = true") })
    let own = try cascade(
      Self.table(url + "\nprivate = true\nurl = \"ws://10.0.0.8/v1/listen\""))
    #expect(own.cascade.thinkURL == "http://10.0.0.7:8000/v1/chat/completions")
    // No key of the services goes there.
    #expect(own.cascade.thinkKey.isEmpty && own.cascade.speakKey.isEmpty && own.key.isEmpty)
    #expect(!own.isWithoutKey && own.isUsableCascade)
  }

  @Test func `its voice is dialled where it is said`() throws {
    let lines = "speak_url = \"wss://voice.test/v2/speak\""
    let config = try load(Self.table(lines), env: Self.keys)
    let voice = try #require(config.upstreams.first { $0.speaksFor == "cascade" })
    #expect(voice.endpoint.host == "voice.test" && voice.endpoint.path == "/v2/speak")
    #expect(voice.endpoint.isTLS)
    let found = mistakes(Self.table("speak_url = \"https://voice.test\""), env: Self.keys)
    #expect(found.count == 1 && found[0].hasPrefix("f.toml:2: "), "\(found)")
  }

  @Test func `nor is its voice dialled in the clear`() {
    let found = mistakes(Self.table("speak_url = \"ws://10.0.0.7/v1/speak\""), env: Self.keys)
    #expect(found.count == 1 && found[0].hasPrefix("f.toml:2: "), "\(found)")
    #expect(found.first?.contains("speak_url") == true)
    for url in ["ws://127.0.0.1:9/v1/speak", "wss://10.0.0.7/v1/speak"] {
      #expect(mistakes(Self.table("speak_url = \"\(url)\""), env: Self.keys) == [])
    }
  }

  // MARK: What belongs elsewhere

  @Test(
    arguments: ["deepgram", "openai", "echo"],
    [
      "think_url = \"https://llm.test\"", "think_key = \"k-1\"",
      "speak_url = \"wss://voice.test/v1\"", "speak_key = \"k-1\"",
    ])
  func `others have nobody think or speak for them`(kind: String, line: String) {
    let found = mistakes(Self.table(line, of: kind), env: Self.keys)
    #expect(found.count == 1 && found[0].hasPrefix("f.toml:2: "), "\(found)")
    let key = line.prefix { $0 != " " }
    let sentence = "[upstreams.\(kind)] \(key): \(kind) is no cascade"
    #expect(found.first?.hasSuffix(sentence) == true, "\(found)")
    #expect(!found.contains { $0.contains("k-1") })
  }

  @Test func `no route leads to what speaks for another`() {
    let route = "[[routes]]\npath = \"/a\"\nupstream = \"cascade.speak\"\n"
    let found = mistakes(route, env: Self.keys)
    #expect(found.contains { $0.hasPrefix("f.toml:3: ") && $0.contains("cascade.speak") })
    #expect(!found.contains { $0.contains("deepgram, cascade.speak") })
    let rest = [
      "fallback = \"cascade.speak\"",
      "bots = { a = \"cascade\", b = \"cascade.speak\" }",
    ]
    for line in rest {
      let file = "[[routes]]\npath = \"/a\"\nupstream = \"cascade\"\n\(line)\n"
      #expect(mistakes(file, env: Self.keys).contains { $0.hasPrefix("f.toml:4: ") }, "\(line)")
    }
  }

  @Test func `a cascade of another name is one as well`() throws {
    let lines = "kind = \"cascade\"\nvoice = \"aura-2-luna-en\"\nmodel = \"m-1\""
    let config = try load(Self.table(lines, of: "desk"), env: Self.keys)
    let desk = try #require(config.upstreams.first { $0.name == "desk" })
    #expect(desk.isUsableCascade && desk.key == "dg-1" && desk.cascade.thinkKey == "sk-1")
    #expect(config.upstreams.contains { $0.speaksFor == "desk" && $0.name == "desk.speak" })
    let options = Dictionary(uniqueKeysWithValues: desk.options.map { ($0.0, $0.1) })
    #expect(options["voice"] == "aura-2-luna-en" && options["model"] == "m-1")
    #expect(options["greeting"]?.isEmpty == false && options["listen_model"] == "nova-3")
  }

  // MARK: Who is let in, and what it takes

  @Test func `callers of the phone's path may ask for it`() throws {
    let config = try load(env: Self.keys)
    let phone = try #require(config.routes.first { $0.path == "/ws/phone" })
    let bot = try #require(phone.bots.first { $0.name == "tts-llm-stt" })
    #expect(bot.upstream == "cascade")
    #expect(phone.bots.contains { $0.upstream == "cascade-cartesia" })
    #expect(phone.bots.contains { $0.upstream == "cascade-elevenlabs" })
    #expect(config.routes.contains { $0.path == "/cascade" && $0.upstream == "cascade" })
  }

  @Test func `memory is taken where there is one that can be had`() throws {
    func line(_ config: Config) -> Int? {
      config.plan.first { $0.holder.contains("listen, think and speak") }?.bytes
    }
    let with = try load("[limits]\ncalls_max = 40\ntwo_way_calls_max = 30\n", env: Self.keys)
    #expect(with.usesCascades && with.needsFetches && with.limits.cascadeCallsMax == 30)
    let bytes = try #require(line(with))
    let twice = try load("[limits]\ncalls_max = 90\ntwo_way_calls_max = 60\n", env: Self.keys)
    let more = try #require(line(twice)) - bytes
    #expect((30 * 256...30 * 4096).contains(more) && bytes > more)
    let links = twice.limits.linksMax - with.limits.linksMax
    #expect(links >= 2 * 50 + 30)
    let without = try load("[limits]\ncalls_max = 40\n", env: ["OPENAI_API_KEY": "sk-1"])
    #expect(!without.usesCascades && without.limits.cascadeCallsMax == 0)
    #expect((line(without) ?? 0) == 0)
  }
}
