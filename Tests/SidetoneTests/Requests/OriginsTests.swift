// Under which addresses a request may have been signed, and where webhooks send the call's socket:
// what is set, and without it what the request names, as far as it may.
import Testing

@testable import Sidetone

private let token = "0123456789abcdef0123456789abcdef"
private let twilio = row("twilio")

/// What Twilio would sign.
private func signature(_ text: String, by token: String = token) -> String {
  let digest = kept(count: 20)
  Digest.hmacSHA1(key: kept(token), kept(text), into: digest)
  let encoded = kept(count: 28)
  _ = Base64.encode(digest, into: encoded)
  return encoded.string
}

private func config(_ urls: [String] = [], _ change: (inout Config) -> Void = { _ in }) -> Config {
  var config = plainConfig()
  config.twilioTokens = [token]
  config.publicURLs = urls
  change(&config)
  return config
}

private func decide(
  _ config: Config, _ start: String, _ lines: [String], signed url: String,
  body: String = "", from peer: Address = .here
) throws -> Result<Identity, Refusal> {
  let isSocket = start.hasPrefix("GET")
  let host =
    lines.first { $0.hasPrefix("Host: ") }.map { String($0.dropFirst(6)) } ?? "t.example.com"
  var rest = lines.filter { !$0.hasPrefix("Host: ") } + ["X-Twilio-Signature: " + signature(url)]
  if !body.isEmpty { rest.append("Content-Type: application/x-www-form-urlencoded") }
  let request = try request(
    start, isSocket ? socket(rest, host: host) : ["Host: " + host] + rest, body: body, from: peer)
  return Admission(config: config, seed: 7).decide(request)
}

private let good = Result<Identity, Refusal>.success(.signature)
private let wrong = Result<Identity, Refusal>.failure(.wrongSignature(carrier: twilio))

struct NamedOriginTests {
  @Test(arguments: [
    "wss://t.example.com/media", "https://t.example.com/media", "wss://t.example.com:443/media",
    "ws://t.example.com/media", "wss://t.example.com/media/",
  ])
  func `without a public URL the address that the request names is signed`(url: String) throws {
    #expect(try decide(config(), "GET /media", ["Host: t.example.com"], signed: url) == good)
    // Whatever the tunnel is called today.
    #expect(
      try decide(
        config(), "GET /media", ["Host: other.example.com"],
        signed: url.replacing("t.example", with: "other.example"), from: .elsewhere) == good)
  }

  @Test(arguments: [
    "wss://u.example.com/media", "wss://t.example.com/media-stream", "wss://t.example.com/",
    "wss://t.example.com.evil.com/media", "wss://t.example.com:8443/media",
  ])
  func `a signature over another URL is refused`(url: String) throws {
    #expect(try decide(config(), "GET /media", ["Host: t.example.com"], signed: url) == wrong)
  }

  @Test func `who has not the token is refused whatever it names`() throws {
    let other = signature("wss://t.example.com/media", by: "another token")
    let request = try request(
      "GET /media", socket(["X-Twilio-Signature: " + other], host: "t.example.com"))
    #expect(Admission(config: config(), seed: 7).decide(request) == wrong)
  }

  @Test func `a proxy's word counts from this machine and from trusted proxies only`() throws {
    let lines = [
      "Host: 127.0.0.1:8080", "X-Forwarded-Host: t.example.com", "X-Forwarded-Proto: https",
    ]
    let url = "wss://t.example.com/media"
    #expect(try decide(config(), "GET /media", lines, signed: url) == good)
    #expect(try decide(config(), "GET /media", lines, signed: url, from: .elsewhere) == wrong)
    let proxy = Address(ipv4: 0x0a00_0001, port: 1)
    #expect(try decide(config(), "GET /media", lines, signed: url, from: proxy) == wrong)
    let trusting = config { $0.trustedProxies = [AddressRange(network: proxy, prefixBits: 128)] }
    #expect(try decide(trusting, "GET /media", lines, signed: url, from: proxy) == good)
    #expect(try decide(trusting, "GET /media", lines, signed: url, from: .elsewhere) == wrong)
  }

  @Test(arguments: [
    "t.example.com, 10.0.0.1", "t.example.com",
  ])
  func `of several forwarded hosts the first one counts`(value: String) throws {
    let lines = ["Host: 127.0.0.1:8080", "X-Forwarded-Host: " + value]
    #expect(
      try decide(config(), "POST /voice", lines, signed: "https://t.example.com/voice") == good)
  }

  @Test func `a forwarded host that is none is not heeded`() throws {
    let lines = ["Host: t.example.com", "X-Forwarded-Host: \"><script>"]
    #expect(try decide(config(), "GET /media", lines, signed: "wss://t.example.com/media") == good)
  }
}

struct StrangeHostTests {
  @Test(arguments: [":8080", "[", "]", "[]", ":", "..", "[::1", "::", "a:b:c", "-", "]:["])
  func `a strange Host names nobody, and breaks nothing`(host: String) throws {
    for start in ["GET /media", "POST /voice"] {
      let answer = try decide(
        config(), start, ["Host: " + host], signed: "https://t.example.com/voice")
      #expect(answer == wrong || answer == .failure(.noPublicURL))
    }
  }
}

struct FixedOriginTests {
  private let two = ["https://a.example.com", "https://b.example.com:8443/tel"]

  @Test(arguments: [
    ("GET /media", "wss://a.example.com/media"),
    ("GET /media", "wss://b.example.com:8443/tel/media"),
    ("GET /tel/media", "wss://b.example.com:8443/tel/media"),
    ("GET /tel/media", "https://b.example.com/tel/media"),
    ("POST /tel/voice?x=1", "https://b.example.com:8443/tel/voice?x=1"),
    ("POST /voice?x=1", "https://b.example.com:8443/tel/voice?x=1"),
  ])
  func `several addresses, and a path of a proxy's own`(start: String, url: String) throws {
    #expect(try decide(config(two), start, ["Host: 10.0.0.1"], signed: url) == good)
  }

  @Test(arguments: [
    ("GET /media", "wss://b.example.com:8443/media"), ("GET /media", "wss://c.example.com/media"),
    ("GET /tel/media", "wss://b.example.com:8443/media"),
    ("GET /tel/media", "wss://b.example.com:8443/tel/tel/tel/media"),
  ])
  func `anything else is refused`(start: String, url: String) throws {
    #expect(try decide(config(two), start, ["Host: 10.0.0.1"], signed: url) == wrong)
  }

  @Test func `what is set pins it, and a signature for another address is told as such`() throws {
    #expect(
      try decide(
        config(two), "GET /media", ["Host: t.example.com"], signed: "wss://t.example.com/media")
        == .failure(.misaddressedSignature(carrier: twilio, isSecure: true)))
    #expect(
      try decide(
        config(two), "GET /media", ["Host: a.example.com"], signed: "ws://a.example.com/media")
        == .failure(.misaddressedSignature(carrier: twilio, isSecure: false)))
    #expect(
      try decide(config(two), "GET /other/media", ["Host: a.example.com"], signed: "x")
        == .failure(.unknownPath))
    #expect(
      try decide(config(two), "GET /telmedia", ["Host: a.example.com"], signed: "x")
        == .failure(.unknownPath))
  }
}

struct OriginPathTests {
  @Test(arguments: [
    ("GET /ws/phone", "wss://h.example.com/ws/ws/phone"),
    ("GET /ws/ws/phone", "wss://h.example.com/ws/ws/phone"),
    ("GET /ws/phone", "wss://h.example.com/ws/phone"),
  ])
  func `a path of ours may begin like the one that a proxy has taken away`(
    start: String, url: String
  ) throws {
    let fronted = config(["https://h.example.com/ws"]) { $0.routes[0].path = "/ws/phone" }
    #expect(try decide(fronted, start, ["Host: 10.0.0.1"], signed: url) == good)
  }

  @Test(arguments: [["/tel", "/tel/west"], ["/tel/west", "/tel"]])
  func `of several paths in front the longest is taken away`(paths: [String]) throws {
    let fronted = config(paths.map { "https://h.example.com" + $0 })
    let origins = Origins(fronted)
    #expect(origins.inner(kept("/tel/west/media"))?.string == "/media")
    #expect(origins.inner(kept("/tel/media"))?.string == "/media")
    #expect(origins.inner(kept("/telwest/media")) == nil && origins.inner(kept("/tel")) == nil)
    for path in ["/tel/west/media", "/tel/media"] {
      let url = "wss://h.example.com" + path
      #expect(try decide(fronted, "GET " + path, ["Host: 10.0.0.1"], signed: url) == good)
    }
  }
}

struct FormSignatureTests {
  /// As many as may come, with names that are alike for long.
  private let names = (1000..<1128).map { String(repeating: "a", count: 110) + "\($0)" }

  private func body(_ names: [String]) -> String {
    names.map { $0 + "=v" }.joined(separator: "&")
  }

  @Test(arguments: [1, 127, 37, 5])
  func `parameters are sorted whatever their order, for every address`(step: Int) throws {
    let mixed = (0..<128).map { names[($0 * step + 127) % 128] }
    let signed = names.map { $0 + "v" }.joined()
    let two = config(["https://a.example.com", "https://b.example.com"])
    for url in ["https://a.example.com/voice", "https://b.example.com:443/voice"] {
      let answer = try decide(
        two, "POST /voice", ["Host: 10.0.0.1"], signed: url + signed, body: body(mixed))
      #expect(answer == good)
    }
    let answer = try decide(
      two, "POST /voice", ["Host: 10.0.0.1"],
      signed: "https://a.example.com/voice" + mixed.map { $0 + "v" }.joined(), body: body(mixed))
    #expect(answer == wrong)
  }

  @Test func `an Upgrade header does not leave a posted form unsigned`() throws {
    let lines = ["Host: t.example.com", "Upgrade: websocket", "Connection: Upgrade"]
    for url in ["https://t.example.com/voice", "wss://t.example.com/voice"] {
      #expect(try decide(config(), "POST /voice", lines, signed: url, body: "From=1") == wrong)
    }
    let whole = "https://t.example.com/voiceFrom1"
    #expect(try decide(config(), "POST /voice", lines, signed: whole, body: "From=1") == good)
  }

  @Test func `the plan counts what each carrier's signatures are checked in`() throws {
    func bytes(_ change: (inout Config) -> Void) throws -> Int {
      var config = plainConfig()
      change(&config)
      return try #require(config.plan.first { $0.holder.hasPrefix("signatures") }).bytes
    }
    let none = try bytes { _ in }
    #expect(try bytes { $0.twilioTokens = [token, token] } - none == 32 + 4 * 16_384)
    let both = try bytes {
      $0.twilioTokens = [token]
      $0.telnyxKeys = [telnyxKey()]
      $0.publicURL = "https://a.example.com"
    }
    #expect(both - none == 2 * (21 + 32 + 4 * 16_384))
  }
}

struct WayBackTests {
  private func stream(_ config: Config, _ lines: [String], from peer: Address = .here) throws
    -> String
  {
    let request = try request("POST /voice", lines, from: peer)
    let voice = VoiceWebhook(config, Prepared(config))
    let text = written { voice.write(request, route: 3, into: &$0) }.string
    return text.pieces(cutAt: "url=\"")[1].pieces(cutAt: "\"")[0]
  }

  @Test(arguments: [
    (["Host: t.example.com"], "wss://t.example.com/media-stream"),
    (["Host: t.example.com:8080"], "ws://t.example.com:8080/media-stream"),
    (["Host: localhost:8080"], "ws://localhost:8080/media-stream"),
    (["Host: 192.168.1.5"], "ws://192.168.1.5/media-stream"),
    (["Host: [::1]:8080"], "ws://[::1]:8080/media-stream"),
    (["Host: relay:8080"], "ws://relay:8080/media-stream"),
    (
      ["Host: 127.0.0.1:8080", "X-Forwarded-Host: t.example.com", "X-Forwarded-Proto: https"],
      "wss://t.example.com/media-stream"
    ),
    (["Host: t.example.com", "X-Forwarded-Proto: http"], "ws://t.example.com/media-stream"),
    (
      ["Host: relay:8080", "X-Forwarded-Proto: https", "X-Forwarded-Host: t.example.com:8443"],
      "wss://t.example.com:8443/media-stream"
    ),
  ])
  func `without a public URL the stream comes back the way the request came`(
    lines: [String], url: String
  ) throws {
    #expect(try stream(config(), lines) == url)
  }

  @Test func `a stranger's headers do not say where the stream goes`() throws {
    let lines = ["Host: t.example.com", "X-Forwarded-Host: evil.example.com"]
    #expect(
      try stream(config(), lines, from: .elsewhere) == "wss://t.example.com/media-stream")
  }

  @Test(arguments: [
    ("a.example.com", "wss://a.example.com/media-stream"),
    ("B.example.com:8443", "wss://b.example.com:8443/tel/media-stream"),
    ("10.0.0.1:8080", "wss://a.example.com/media-stream"),
  ])
  func `of several that are set the one that was asked`(host: String, url: String) throws {
    let two = config(["https://a.example.com", "https://b.example.com:8443/tel"])
    #expect(try stream(two, ["Host: " + host]) == url)
  }

  @Test func `who names no address cannot be told where the stream goes`() throws {
    let bytes = kept("POST /voice HTTP/1.0\r\nX-API-Key: sk-1\r\n\r\n")
    guard case .complete(let head) = HTTP.parseRequest(bytes, limit: 8192) else {
      Issue.record("a head")
      return
    }
    let request = Request(
      head: head, bytes: bytes, listener: 0, peer: .here, now: .zero,
      wall: WallTime(nanoseconds: 0))
    var keyed = config()
    keyed.allow(key: "sk-1")
    #expect(Admission(config: keyed, seed: 7).decide(request) == .failure(.noPublicURL))
    keyed.publicURL = "https://a.example.com"
    #expect(Admission(config: keyed, seed: 7).decide(request) == .success(.key(0)))
  }
}
