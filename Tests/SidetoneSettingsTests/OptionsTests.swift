// What an upstream is asked for: one source for each name, names that are the relay's own, and what
// is known about options that stand together.

import Sidetone
import Testing

@testable import SidetoneSettings

private let route = """
  [[routes]]
  path = "/media"
  carriers = ["twilio"]
  upstream = "deepgram"

  """

@Suite(.enabled(if: names("deepgram", "openai").count == 2)) struct OptionsTests {
  /// "a=b" for all that a route asks for, sorted.
  private func asked(
    _ path: String = "/media", _ file: String? = nil, env: [String: String] = [:]
  ) throws -> [String] {
    let config = try load(file, env: env)
    let route = try #require(config.routes.first { $0.path == path })
    let upstream = try #require(config.upstreams.first { $0.name == route.upstream })
    let asked = config.asked(of: upstream, on: route)
    return (asked.options + asked.fixed).map { "\($0.name)=\($0.value)" }.sorted()
  }

  private func url(_ query: String) -> [String: String] {
    ["DEEPGRAM_URL": "wss://api.deepgram.com/v1/listen?\(query)"]
  }

  private let standard = [
    "interim_results=true", "language=en-US", "model=nova-2", "punctuate=true",
  ]

  @Test func `the url goes before the defaults`() throws {
    #expect(try asked() == standard)
    let both = ["interim_results=true", "language=multi", "model=nova-3", "punctuate=true"]
    #expect(try asked(env: url("model=nova-3&language=multi")) == both)
    #expect(try asked("/ws/transcribe", env: url("model=nova-3&language=multi")) == both)
    // Spelled otherwise it is the same name; without a value it says nothing.
    #expect(try asked(env: url("mod%65l=nova%2D3&l%61nguage=multi&&")) == both)
    #expect(try asked(env: url("model=&language")) == standard)
    #expect(try asked(env: url("tag=a&tag=b+c%26")) == standard + ["tag=a", "tag=b c&"])
    #expect(try asked(env: url("punctuate=false")).contains("punctuate=false"))
    #expect(try asked(env: url("novelty=1")) == (standard + ["novelty=1"]).sorted())
  }

  @Test func `a route goes before the url`() throws {
    let file =
      route + "options = { model = \"nova-2-meeting\", novelty = \"2\", tag = [\"x\", \"y\"] }"
    let env = url("model=nova-3&language=multi&novelty=1&tag=a")
    #expect(
      try asked("/media", file, env: env)
        == ["language=multi", "model=nova-2-meeting", "novelty=2", "tag=x", "tag=y"])
  }

  @Test(arguments: [
    "encoding=linear16", "sample_rate=16000", "channels=2", "multichannel=true",
    "callback=https://x",
    "callback_method=PUT", "enc%6fding=mulaw", "model=nova-3&channels=1",
  ])
  func `names that are the relay's own are refused by name, wherever they stand`(query: String) {
    let pair = Query.decoded(query).last!
    let found = mistakes(env: url(query))
    #expect(found.count == 1 && found[0].contains("`\(pair.name)`"), "\(found)")
    #expect(mistakes(env: ["DEEPGRAM_OPTIONS": query]).count == 1)
    let inRoute = mistakes(route + "options = { \(pair.name) = \"\(pair.value)\" }")
    #expect(
      inRoute.count == 1 && inRoute[0].hasPrefix("f.toml:5: ") && inRoute[0].contains(pair.name))
  }

  @Test func `variables set the options of default routes, and the raw socket keeps its own`()
    throws
  {
    let env = [
      "DEEPGRAM_MODEL": "nova-3", "DEEPGRAM_LANGUAGE": "multi",
      "DEEPGRAM_OPTIONS": "smart_format=true&keyterm=a%20b&keyterm=c&model=base",
    ]
    let expected = [
      "interim_results=true", "keyterm=a b", "keyterm=c", "language=multi", "model=nova-3",
      "punctuate=true", "smart_format=true",
    ]
    #expect(try asked("/media", env: env) == expected)
    #expect(try asked("/media-stream", env: env) == expected)
    let raw = ["interim_results=true", "language=en", "model=nova-2", "punctuate=true"]
    #expect(try asked("/ws/transcribe", env: env) == raw)
    // They are of the route, so they go before the url.
    let both = env.merging(url("model=enhanced&numerals=true")) { $1 }
    #expect(try asked("/media", env: both) == (expected + ["numerals=true"]).sorted())
    #expect(try asked("/ws/transcribe", env: both).contains("model=enhanced"))
    #expect(try asked("/media", route, env: env) == [])
    #expect(try load(route, env: env).warnings == [])
    let twice = route + route.replacing("/media", with: "/media-stream")
    #expect(try load(twice, env: env).warnings.count == 3)
  }

  @Test(arguments: ["smart_format", "a=b,c=d", "=x", "a=b c=d"])
  func `options that are no query are refused`(text: String) {
    #expect(mistakes(env: ["DEEPGRAM_OPTIONS": text]).count == 1)
  }

  @Test func `options that do not fit are refused`() {
    let long = "tag=" + String(repeating: "ä", count: 90)
    #expect(mistakes(env: ["DEEPGRAM_OPTIONS": long]).count == 1)
    let query = "novelty=" + String(repeating: "%C3%A4", count: 600)
    #expect(mistakes(env: url(query)) == [])
    let wide = "novelty=" + String(repeating: ":", count: 3000)
    #expect(mistakes(env: url(wide)).count == 1)
  }

  @Test(arguments: [
    ("model = \"nova-3\", keywords = [\"a\"]", "keywords"),
    ("utterance_end_ms = 500, interim_results = true", "utterance_end_ms"),
    ("utterance_end_ms = 1000, interim_results = false", "interim_results"),
    ("smart_formt = true", "smart_format"), ("novelty = 1", "novelty"),
  ])
  func `what an upstream would not take is told on its line`(options: String, name: String) throws {
    let found = try warnings(route + "options = { \(options) }")
    #expect(found.count == 1 && found[0].hasPrefix("f.toml:5: [[routes]] options"), "\(found)")
    #expect(found[0].contains("`\(name)`") || found[0].contains(" \(name) "), "\(found)")
  }

  @Test func `a conflict is told where it was written`() throws {
    let inURL = try warnings(env: url("model=nova-3&keywords=a"))
    #expect(inURL.count == 1 && inURL[0].hasPrefix("environment DEEPGRAM_URL: "), "\(inURL)")
    let env = ["DEEPGRAM_MODEL": "nova-3", "DEEPGRAM_OPTIONS": "keywords=a"]
    let found = try warnings(env: env)
    #expect(found.count == 1 && found[0].hasPrefix("environment DEEPGRAM_OPTIONS: "), "\(found)")
    #expect(try warnings(env: ["DEEPGRAM_OPTIONS": "keywords=a"]) == [])
    let late = try warnings(env: ["DEEPGRAM_OPTIONS": "interim_results=false&utterance_end_ms=1000"]
    )
    #expect(late.count == 1)
  }

  @Test func `a url's model is that of a voice, and one setting of two wins aloud`() throws {
    let env = ["OPENAI_REALTIME_URL": "wss://api.openai.com/v1/realtime?model=gpt-x&api-version=1"]
    #expect(try asked("/ws", env: env).contains("model=gpt-x"))
    #expect(try asked("/ws", env: env).contains("api-version=1"))
    #expect(try warnings(env: env) == [])
    let file = "[upstreams.openai]\nmodel = \"gpt-y\""
    let found = try warnings(file, env: env)
    #expect(found.count == 1 && found[0].hasPrefix("f.toml:2: "))
    #expect(try asked("/ws", file, env: env).filter { $0.hasPrefix("model=") } == ["model=gpt-x"])
  }

  @Test func `an upstream in our own network needs neither TLS nor a key, where that is said`()
    throws
  {
    let address = ["DEEPGRAM_URL": "ws://10.0.0.5:8080/v1/listen"]
    let found = mistakes(env: address)
    #expect(found.count == 1 && found[0].contains("SIDETONE_UPSTREAMS_DEEPGRAM_PRIVATE"))
    let isPrivate = ["SIDETONE_UPSTREAMS_DEEPGRAM_PRIVATE": "true"]
    let upstream = try load(env: address.merging(isPrivate) { $1 }).upstreams[0]
    #expect(!upstream.isWithoutKey && upstream.key.isEmpty && !upstream.endpoint.isTLS)
    for host in ["asr", "asr.internal", "[fd00::1]", "192.168.1.2", "172.31.0.1", "127.0.0.1"] {
      let file = "[upstreams.deepgram]\nurl = \"ws://\(host)/v1/listen\"\nprivate = true"
      #expect(mistakes(file) == [], "\(host)")
    }
    for host in ["8.8.8.8", "172.32.0.1", "[2001:db8::1]"] {
      let file = "[upstreams.deepgram]\nurl = \"ws://\(host)/v1/listen\"\nprivate = true"
      #expect(mistakes(file).count == 1, "\(host)")
    }
  }

  @Test func `a url without a path is told`() throws {
    let found = try warnings(env: ["DEEPGRAM_URL": "wss://asr.example.com"])
    #expect(found.count == 1 && found[0].contains("/v1/listen"))
  }
}
