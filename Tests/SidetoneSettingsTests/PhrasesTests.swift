// Texts that callers hear: whose voice speaks them, where they are kept, and a sentence for each
// that cannot be.

import Foundation
import Sidetone
import SidetoneSettings
import Testing

@Suite struct PhrasesTests {
  private let directory = FileManager.default.temporaryDirectory
    .appendingPathComponent("phrases-\(UUID().uuidString)").path
  private let keys = [
    "DEEPGRAM_API_KEY": "k", "OPENAI_API_KEY": "k", "CARTESIA_API_KEY": "k",
  ]

  private func sources(_ text: String, _ environment: [String: String]? = nil) -> Settings.Sources {
    var sources = Settings.Sources()
    sources.environment = environment ?? keys
    sources.file = ("f.toml", "[phrases]\ndirectory = \"\(directory)\"\n" + text)
    return sources
  }

  private func load(_ text: String, _ environment: [String: String]? = nil) throws -> Config {
    try Settings.load(sources(text, environment))
  }

  private func mistakes(_ text: String) -> [String] {
    do throws(Mistakes) {
      _ = try Settings.load(sources(text))
      return []
    } catch {
      return error.all.map(\.description)
    }
  }

  private func route(_ line: String, upstream: String = "cascade") -> String {
    "[[routes]]\npath = \"/a\"\nupstream = \"\(upstream)\"\n\(line)\n"
  }

  @Test func `a text is spoken by the route's own cascade, with its options`() throws {
    let text = route("hold = { say = \"One moment.\" }\noptions = { voice = \"aura-2-orion-en\" }")
    let hold = try load(text).routes[0].holdAudio
    let speech = try #require(hold?.speech)
    #expect(hold?.samples == [] && speech.text == "One moment.")
    #expect((speech.cascade, speech.voice, speech.language) == ("cascade", "aura-2-orion-en", "en"))
    #expect(speech.file.hasPrefix(directory + "/") && speech.file.hasSuffix(".wav"))
  }

  @Test(arguments: [
    ("openai", "", "cascade"), ("openai", ", voice = \"cascade-cartesia\"", "cascade-cartesia"),
    ("cascade-cartesia", "", "cascade-cartesia"),
    ("cascade-cartesia", ", voice = \"cascade\"", "cascade"),
  ])
  func `whose voice it is`(_ upstream: String, _ voice: String, _ expected: String) throws {
    let config = try load(route("greeting = { say = \"Hi.\"\(voice) }", upstream: upstream))
    #expect(config.routes[0].greetingAudio?.speech?.cascade == expected)
    #expect(config.unspoken.map(\.text) == ["Hi."])
  }

  @Test func `another text, voice or service is another file, and the same is the same`() throws {
    let texts = [
      route("hold = { say = \"Hi.\" }"), route("hold = { say = \"Ho.\" }"),
      route("hold = { say = \"Hi.\", voice = \"cascade-cartesia\" }"),
      route("hold = { say = \"Hi.\" }\noptions = { voice = \"aura-2-orion-en\" }"),
      "[upstreams.cascade]\nspeak_url = \"wss://speak.example.com/v1/speak\"\n"
        + route("hold = { say = \"Hi.\" }"),
    ]
    let files = try texts.map { try load($0).unspoken.map(\.file) }
    #expect(files.allSatisfy { $0.count == 1 } && Set(files).count == texts.count)
    let both = route("hold = { say = \"Hi.\" }\ngreeting = { say = \"Hi.\" }")
    #expect(try load(both).unspoken.map(\.file) == files[0])
  }

  @Test func `what was spoken is used from then on, and counts as changed`() throws {
    let text = route("apology = { say = \"Sorry.\" }\nuninterrupted = [\"apology\"]")
    let first = try Settings.read(sources(text))
    #expect(first.config.routes[0].watch.modelQuietSeconds == 4)
    let file = try #require(first.config.unspoken.first?.file)
    try FileManager.default.createDirectory(
      atPath: directory, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: directory) }
    try Data(wave(rate: 24_000, samples: [1, 2, 3])).write(to: URL(fileURLWithPath: file))
    let (second, changes) = try Settings.read(sources(text), after: first)
    let apology = second.config.routes[0].apologyAudio
    #expect(apology?.samples == [1, 2, 3] && apology?.speech?.text == "Sorry.")
    #expect(changes.map(\.name) == ["routes /a.apology"])
    #expect(second.config.unspoken.isEmpty && second.config.speeches.count == 1)
    // What cannot be used is spoken again.
    try Data("RIFF".utf8).write(to: URL(fileURLWithPath: file))
    #expect(try load(text).unspoken.count == 1)
  }

  @Test func `a function's phrase may be a text too`() throws {
    let config = try load(
      """
      [[functions]]
      name = "look_up"
      description = "Looks it up."
      url = "https://hooks.example.com/f"
      phrase = { say = "Let me see.", voice = "cascade" }
      [[routes]]
      path = "/a"
      upstream = "openai"
      functions = ["look_up"]
      """)
    #expect(config.unspoken.map(\.text) == ["Let me see."])
  }

  @Test func `without its key it is a warning that says which`() throws {
    let text = route("hold = { say = \"Hi.\", voice = \"cascade-cartesia\" }")
    let config = try load(text, ["DEEPGRAM_API_KEY": "k", "OPENAI_API_KEY": "k"])
    #expect(config.warnings.contains { $0.contains("hold") && $0.contains("CARTESIA_API_KEY") })
  }

  @Test(arguments: [
    ("{ say = \"\" }", "needs words"), ("{ voice = \"cascade\" }", "needs words"),
    ("{ say = 1 }", "must be a text"), ("{ says = \"a\" }", "`say`"),
    ("{ say = \"a\", voice = \"openai\" }", "cascade"), ("{ say = \"a\\u0007\" }", "control"),
    ("1", "must be a text"), ("\"/nowhere.wav\"", "/nowhere.wav"),
  ])
  func `what is no text is refused at its place`(_ value: String, _ reason: String) {
    let found = mistakes(route("hold = \(value)"))
    #expect(found.count == 1, "\(found)")
    #expect(found.first?.contains(reason) == true && found.first?.contains("f.toml:6") == true)
  }

  @Test func `a text has a bound`() {
    let found = mistakes(route("hold = { say = \"\(String(repeating: "a", count: 1025))\" }"))
    #expect(found.count == 1 && found[0].contains("at most 1024 bytes"))
  }

  @Test func `a text is for upstreams that talk, as a file is`() {
    let found = mistakes(route("hold = { say = \"Hi.\" }", upstream: "deepgram"))
    #expect(found.contains { $0.contains("hold is for upstreams that talk") })
  }
}
