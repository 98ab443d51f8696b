// Who gets in, rule by rule, each with the sentence that the refused one reads.
import Foundation
import Testing

@testable import Sidetone

private func decide(
  _ config: Config, _ request: Request, seed: UInt64 = 7
) -> Result<Identity, Refusal> {
  Admission(config: config, seed: seed).decide(request)
}

/// The response to a refusal, taken apart.
private func answer(
  _ refusal: Refusal, _ config: Config = plainConfig(), at place: Destination? = nil,
  isHead: Bool = false
) throws -> (head: String, error: [String: String]) {
  let admission = Admission(config: config, seed: 7)
  let text = written { admission.write(refusal, at: place, isHead: isHead, into: &$0) }.string
  let parts = text.components(separatedBy: "\r\n\r\n")
  if isHead { return (parts[0], [:]) }
  let json = try JSONSerialization.jsonObject(with: Data(parts[1].utf8)) as? [String: Any]
  #expect(parts[0].contains(String(format: "Content-Length: %08d", parts[1].utf8.count)))
  return (parts[0], try #require(json?["error"] as? [String: String]))
}

struct DestinationTests {
  private func destination(
    _ start: String, _ lines: [String] = ["Host: h"], _ config: Config = plainConfig()
  ) throws -> Result<Destination, Refusal> {
    let admission = Admission(config: config, seed: 7)
    let request = try request(start, lines)
    return Result { () throws(Refusal) in try admission.destination(of: request) }
  }

  @Test func `paths lead to their places`() throws {
    #expect(try destination("GET /health") == .success(.health))
    #expect(try destination("HEAD /ready?x=1") == .success(.ready))
    #expect(try destination("GET /stats") == .success(.stats))
    #expect(try destination("GET /metrics") == .success(.metrics))
    #expect(try destination("POST /voice?tenant=a") == .success(.voice(3)))
    #expect(try destination("GET /media-stream", socket()) == .success(.call(1)))
    #expect(try destination("GET /media-stream/", socket()) == .success(.call(1)))
    #expect(try destination("GET /ws/transcribe?call_id=a", socket()) == .success(.call(2)))
  }

  @Test(arguments: [
    "/", "/medi", "/mediax", "/media/x", "/media//", "//media", "/%6dedia", "/Media", "/a/../media",
  ])
  func `any other path is unknown`(path: String) throws {
    #expect(try destination("GET " + path, socket()) == .failure(.unknownPath))
  }

  @Test func `an unknown path is answered with the known ones, but not with secret ones`() throws {
    var config = plainConfig()
    config.routes[0].secret = "s3cr3t"
    let (head, error) = try answer(.unknownPath, config)
    #expect(head.hasPrefix("HTTP/1.1 404 Not Found\r\n"))
    let message = try #require(error["message"])
    #expect(
      message.hasSuffix(
        "/health, /ready, /stats, /metrics, /events, /media-stream, /ws/transcribe, /voice."))
  }

  @Test func `methods are held to`() throws {
    #expect(try destination("POST /health") == .failure(.wrongMethod(.page)))
    #expect(try destination("DELETE /voice") == .failure(.wrongMethod(.webhook)))
    #expect(try destination("POST /media", socket()) == .failure(.wrongMethod(.socket)))
    #expect(try answer(.wrongMethod(.webhook)).head.contains("\r\nAllow: GET, POST\r\n"))
    #expect(try answer(.wrongMethod(.page)).head.contains("\r\nAllow: GET, HEAD\r\n"))
  }

  @Test func `plain HTTP on a socket's path gets 426 that names the webhook`() throws {
    #expect(try destination("POST /media") == .failure(.noSocket(.notAsked)))
    let (head, error) = try answer(.noSocket(.notAsked))
    #expect(head.hasPrefix("HTTP/1.1 426 Upgrade Required\r\n"))
    #expect(head.contains("\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"))
    #expect(try #require(error["message"]).hasSuffix("webhook belongs to /voice."))
  }

  @Test(arguments: [
    "api_key=sk-1", "key=sk-1", "token=x", "a=b&API_KEY=x", "apikey=x", "access_token=x",
    "%61pi%5fkey=x", "Authorization=Bearer+x", "GEMINI_API_KEY=x", "x-api-key=x", "apiKey=x",
  ])
  func `a key in the URL is refused, and the answer does not repeat it`(query: String) throws {
    #expect(try destination("GET /media?" + query, socket()) == .failure(.keyInURL))
    #expect(try destination("POST /voice?" + query) == .failure(.keyInWebhookURL))
    #expect(try destination("GET /stats?" + query) == .failure(.keyInURL))
    let (head, error) = try answer(.keyInURL)
    #expect(head.hasPrefix("HTTP/1.1 401 "))
    #expect(try #require(error["message"]).contains("Authorization: Bearer KEY"))
  }

  @Test(arguments: ["keyterm=a", "keywords=b", "key=", "call_id=token", "tokens=1"])
  func `a query that only looks like a key passes`(query: String) throws {
    #expect(try destination("GET /media?" + query, socket()) == .success(.call(0)))
  }

  @Test func `a secret is a segment of the path`() throws {
    var config = plainConfig()
    config.routes[0].secret = "s3cr3t"
    func at(_ path: String) throws -> Result<Destination, Refusal> {
      try destination("GET " + path, socket(), config)
    }
    #expect(try at("/media/s3cr3t") == .success(.call(0)))
    #expect(try at("/media/s3cr3t/") == .success(.call(0)))
    for path in ["/media", "/media/", "/media/s3cr3", "/media/s3cr3tx", "/medias3cr3t"] {
      #expect(try at(path) == .failure(.unknownPath))
    }
    let request = try request("GET /media/s3cr3t", socket(host: "x"), from: .elsewhere)
    #expect(decide(config, request) == .success(.secret))
  }
}

struct LoopbackTests {
  @Test func `without keys this machine may come`() throws {
    for host in ["127.0.0.1", "localhost:8080", "LOCALHOST", "[::1]:80", "127.9.9.9:1"] {
      let request = try request("GET /media", socket(host: host))
      #expect(decide(plainConfig(), request) == .success(.loopback), "\(host)")
    }
    let six = Address(high: 0, low: 1, port: 1)
    let request = try request("GET /media", socket(), from: six)
    #expect(decide(plainConfig(), request) == .success(.loopback))
  }

  @Test(arguments: [
    "relay.example.com", "localhost.example.com", "127.0.0.1.nip.io", "128.0.0.1", "0.0.0.0",
    "[::2]", "localhost.", "127.1",
  ])
  func `a foreign Host is refused`(host: String) throws {
    let request = try request("GET /media", socket(host: host))
    #expect(decide(plainConfig(), request) == .failure(.foreignHost))
  }

  @Test(arguments: [
    "X-Forwarded-For: 1.2.3.4", "x-forwarded-proto: https", "Forwarded: for=1.2.3.4",
    "X-Forwarded-Host: 127.0.0.1", "X-Real-IP: 1.2.3.4", "Via: 1.1 proxy",
  ])
  func `what a proxy or a tunnel passed on is refused`(line: String) throws {
    let request = try request("GET /media", socket([line]))
    #expect(decide(plainConfig(), request) == .failure(.forwarded))
  }

  @Test func `a web page is refused unless its origin is listed`() throws {
    var config = plainConfig()
    let page = try request("GET /media", socket(["Origin: https://app.example.com"]))
    #expect(decide(config, page) == .failure(.foreignOrigin))
    config.allowedOrigins = ["https://app.example.com"]
    #expect(decide(config, page) == .success(.loopback))
    let none = try request("GET /media", socket(["Origin: null"]))
    #expect(decide(config, none) == .failure(.foreignOrigin))
  }

  @Test(arguments: [
    ("http://127.0.0.1:8080", true), ("http://localhost:8080", true), ("https://[::1]:8080", true),
    ("http://127.0.0.1:3000", false), ("http://127.0.0.1", false), ("http://localhost", false),
    ("http://evil.example.com:8080", false), ("http://localhost.example.com:8080", false),
    ("http://127.0.0.1.nip.io:8080", false), ("file://127.0.0.1:8080", false),
    ("http://127.0.0.1:8080:8080", false), ("http:127.0.0.1:8080", false), ("", false),
    ("http://evil.example.com@127.0.0.1:8080", false), ("http://127.0.0.1:8080/", false),
  ])
  func `our own origin on loopback is no stranger`(origin: String, isOurs: Bool) throws {
    let page = try request("GET /media", socket(["Origin: " + origin]))
    let wanted = Result<Identity, Refusal>(catching: { () throws(Refusal) in
      if !isOurs { throw .foreignOrigin }
      return .loopback
    })
    #expect(decide(plainConfig(), page) == wanted)
    // A name that was bent to this machine is not helped by an origin that matches it.
    let bent = try request(
      "GET /media", socket(["Origin: http://evil.example.com"], host: "evil.example.com"))
    #expect(decide(plainConfig(), bent) == .failure(.foreignHost))
  }

  @Test func `another machine is refused`() throws {
    let request = try request("GET /media", socket(), from: .elsewhere)
    #expect(decide(plainConfig(), request) == .failure(.foreignPeer))
  }

  @Test(arguments: [
    (Refusal.foreignHost, "SIDETONE_API_KEYS"), (.foreignHost, "TWILIO_AUTH_TOKEN="),
    (.forwarded, "TWILIO_AUTH_TOKEN="), (.unprotected, "TELNYX_PUBLIC_KEY="),
    (.keyInWebhookURL, "DEEPGRAM_API_KEY"), (.keyInWebhookURL, "TWILIO_AUTH_TOKEN"),
    (.noProof(.signature(of: "twilio")), "secret or addresses"),
    (.noProof([.keys, .signature(of: "twilio")]), "secret or addresses"),
    (.misaddressedSignature(carrier: row("twilio"), isSecure: true), "SIDETONE_LISTEN_PUBLIC_URL"),
    (.forwarded, "SIDETONE_API_KEYS"), (.foreignOrigin, "listen.allowed_origins"),
    (.foreignPeer, "SIDETONE_API_KEYS"), (.unprotected, "auth.api_keys"),
    (.noPublicURL, "listen.public_url"),
    (.wrongSignature(carrier: row("twilio")), "TWILIO_AUTH_TOKEN"),
    (.foreignAddress, "listen.trusted_proxies"), (.wrongKey, "SIDETONE_API_KEYS"),
    (.noProof(.keys), "Authorization: Bearer KEY"),
    (.noProof(.signature(of: "twilio")), "X-Twilio-Signature"),
    (.noProof([.keys, .signature(of: "twilio")]), "Twilio's signature"),
    (.noUpstreamKey(0), "DEEPGRAM_API_KEY"),
    (.noProof([.keys, .signature(of: "telnyx"), .token]), "TELNYX_PUBLIC_KEY"),
    (.noProof(.signature(of: "telnyx")), "telnyx-signature-ed25519"),
    (.noProof([.signature(of: "twilio"), .signature(of: "telnyx")]), "telnyx-signature-ed25519"),
    (.wrongSignature(carrier: row("telnyx")), "TELNYX_PUBLIC_KEY"),
    (.staleSignature(carrier: row("telnyx")), "telnyx-timestamp"),
    (.longChoice, "instructions_file"), (.foreignChoice, "SIDETONE_API_KEYS"),
  ])
  func `a refusal names the setting that mends it`(refusal: Refusal, setting: String) throws {
    var config = plainConfig()
    config.upstreams[0].key = ""
    let (_, error) = try answer(refusal, config, at: .voice(3))
    #expect(try #require(error["message"]).contains(setting))
  }

  @Test func `every refusal is a JSON body with code and message, and closes`() throws {
    let refusals: [Refusal] = [
      .malformed(.badHost), .noSocket(.badKey), .unknownPath, .wrongMethod(.socket), .keyInURL,
      .keyInWebhookURL, .misaddressedSignature(carrier: row("twilio"), isSecure: true),
      .noProof(.keys), .wrongScheme, .wrongKey, .noOperatorKey, .wrongOperatorKey, .misdirected,
      .wrongSignature(carrier: row("twilio")), .foreignAddress, .foreignPeer,
      .foreignHost, .forwarded, .foreignOrigin, .unprotected, .noPublicURL, .tooOften(seconds: 2),
      .noUpstreamKey(0), .draining, .full, .timedOut,
      .wrongSignature(carrier: row("telnyx")), .staleSignature(carrier: row("telnyx")),
      .unknownBot(0), .unservedBot(0), .strangeChoice, .longChoice, .foreignChoice,
    ]
    for refusal in refusals {
      let (head, error) = try answer(refusal)
      #expect(head.hasPrefix("HTTP/1.1 \(refusal.status.rawValue) "))
      #expect(head.contains("\r\nConnection: close\r\n"))
      #expect(error["code"] == "\(refusal.code)")
      #expect(try #require(error["message"]).hasSuffix("."))
      let isLimited = refusal.retryAfterSeconds != nil
      #expect(head.contains("\r\nRetry-After: ") == isLimited)
      #expect(head.contains("WWW-Authenticate: Bearer") == (refusal.status == .unauthorized))
      expectVariables(in: try #require(error["message"]))
    }
    #expect(try answer(.unknownPath, isHead: true).head.contains("Content-Length: 0000"))
  }
}

/// A setting is also named as those who have only `.env` write it.
private func expectVariables(in sentence: String) {
  let special = ["auth.api_keys": "SIDETONE_API_KEYS"]
  for match in sentence.matches(of: /\b(listen|limits|auth)\.([a-z_]+)/) {
    let setting = "\(match.output.0)"
    let standard =
      match.output.1 == "auth"
      ? match.output.2.uppercased() : "SIDETONE_\(match.output.1)_\(match.output.2)".uppercased()
    #expect(sentence.contains(special[setting] ?? standard), "\(setting): \(sentence)")
  }
}

struct ProofTests {
  private func keyed() -> Config {
    var config = plainConfig()
    config.allow(key: "sk-first")
    config.allow(key: "sk-second")
    return config
  }

  @Test func `a key opens, from anywhere, and says which it was`() throws {
    for (index, key) in ["sk-first", "sk-second"].enumerated() {
      for scheme in ["Bearer", "bearer"] {
        let lines = socket(["Authorization: \(scheme) \(key)"], host: "relay.example.com")
        let request = try request("GET /ws/transcribe", lines, from: .elsewhere)
        #expect(decide(keyed(), request) == .success(.key(index)))
      }
    }
  }

  @Test(arguments: [
    ("Bearer sk-third", Refusal.wrongKey), ("Bearer sk-firs", .wrongKey),
    ("Bearer sk-firstx", .wrongKey), ("sk-first", .wrongScheme), ("Bearersk-first", .wrongScheme),
    ("Basic c2s6Zmlyc3Q=", .wrongScheme), ("Token  sk-third", .wrongKey), ("", .wrongScheme),
    ("Bearer", .wrongScheme), ("Bearer sk-first sk-first", .wrongKey),
  ])
  func `any other key is refused`(value: String, refusal: Refusal) throws {
    let request = try request("GET /ws/transcribe", socket(["Authorization: " + value]))
    #expect(decide(keyed(), request) == .failure(refusal))
  }

  @Test func `with keys set this machine too must show one`() throws {
    let bare = try request("GET /ws/transcribe", socket())
    #expect(decide(keyed(), bare) == .failure(.noProof(.keys)))
    let twice = ["Authorization: Bearer sk-first", "Authorization: Bearer sk-first"]
    let request = try request("GET /ws/transcribe", socket(twice))
    #expect(decide(keyed(), request) == .failure(.wrongScheme))
  }

  @Test func `operators' pages want a key once there is one, health and readiness never`() throws {
    for path in ["/health", "/ready"] {
      let request = try request("GET " + path, ["Host: h"], from: .elsewhere)
      #expect(decide(keyed(), request) == .success(.anyone))
    }
    for path in ["/stats", "/metrics"] {
      let bare = try request("GET " + path, ["Host: localhost"])
      #expect(decide(plainConfig(), bare) == .success(.loopback))
      #expect(decide(keyed(), bare) == .failure(.noProof(.keys)))
      let key = try request(
        "GET " + path, ["Host: h", "Authorization: Bearer sk-second"], from: .elsewhere)
      #expect(decide(keyed(), key) == .success(.key(1)))
      var wide = plainConfig()
      wide.listeners[0].address = "0.0.0.0"
      #expect(decide(wide, bare) == .failure(.foreignPeer))
    }
  }

  @Test func `operators' keys open operators' pages, and then nobody else's do`() throws {
    var config = keyed()
    config.allow(operatorKey: "op-one")
    config.allow(operatorKey: "op-two")
    for path in ["/stats", "/metrics"] {
      func ask(_ lines: [String], _ config: Config) throws -> Result<Identity, Refusal> {
        decide(config, try request("GET " + path, ["Host: h"] + lines, from: .elsewhere))
      }
      #expect(try ask(["X-API-Key: op-two"], config) == .success(.attendant))
      #expect(try ask(["Authorization: Bearer op-one"], config) == .success(.attendant))
      #expect(try ask(["Authorization: Bearer sk-first"], config) == .failure(.wrongOperatorKey))
      #expect(try ask([], config) == .failure(.noOperatorKey))
      #expect(try ask(["Authorization: Basic b3A="], config) == .failure(.wrongScheme))
      // Also where there are none for callers, and on this machine.
      var alone = plainConfig()
      alone.allow(operatorKey: "op-one")
      let bare = try request("GET " + path, ["Host: localhost"])
      #expect(decide(alone, bare) == .failure(.noOperatorKey))
    }
    // They open no call.
    let call = try request("GET /ws/transcribe", socket(["X-API-Key: op-one"]))
    #expect(decide(config, call) == .failure(.wrongKey))
    let health = try request("GET /health", ["Host: h"], from: .elsewhere)
    #expect(decide(config, health) == .success(.anyone))
  }

  @Test(arguments: [
    ("http://localhost:8080", "localhost:8080", true), ("http://127.0.0.1", "127.0.0.1", true),
    ("http://localhost", "evil.example.com", false),
    ("http://evil.example.com", "localhost", false),
    ("http://evil.example.com", "evil.example.com", false),
    ("https://relay.example.com", "Relay.Example.com", true),
    ("https://relay.example.com:443", "relay.example.com:443", true),
  ])
  func `an absolute target is for this relay or refused`(
    target: String, host: String, isOurs: Bool
  ) throws {
    var config = plainConfig()
    config.publicURLs = ["https://relay.example.com"]
    let asked = try request("GET \(target)/health", ["Host: \(host)"])
    #expect(decide(config, asked) == (isOurs ? .success(.anyone) : .failure(.misdirected)))
    config.publicURLs = []
    let isHere = isOurs && !target.contains("relay")
    #expect(decide(config, asked) == (isHere ? .success(.anyone) : .failure(.misdirected)))
    // Off loopback a relay that was not told its names takes any, as it does of `Host`.
    config.listeners[0].address = "0.0.0.0"
    let isAlike = target.lowercased().hasSuffix("//" + host.lowercased())
    #expect(decide(config, asked) == (isAlike ? .success(.anyone) : .failure(.misdirected)))
  }

  @Test func `off loopback what nothing protects is off, and what is declared open is open`() throws
  {
    var config = plainConfig()
    config.listeners[0].address = "0.0.0.0"
    let caller = try request("GET /media", socket(host: "x"), from: .elsewhere)
    #expect(decide(config, caller) == .failure(.unprotected))
    let webhook = try request("POST /voice", ["Host: x"], from: .elsewhere)
    #expect(decide(config, webhook) == .failure(.unprotected))
    config.routes[0].isOpen = true
    #expect(decide(config, caller) == .success(.anyone))
  }

  @Test func `an address list lets its addresses in`() throws {
    var config = plainConfig()
    config.listeners[0].address = "0.0.0.0"
    let network = Address(ipv4: 0xcb00_7100, port: 0)  // 203.0.113.0/24
    config.routes[0].addresses = [AddressRange(network: network, prefixBits: 96 + 24)]
    func decideFor(_ peer: Address, _ lines: [String] = []) throws -> Result<Identity, Refusal> {
      decide(config, try request("GET /media", socket(lines, host: "x"), from: peer))
    }
    let other = Address(ipv4: 0xcb00_7201, port: 1)
    #expect(try decideFor(.elsewhere) == .success(.network))
    #expect(try decideFor(other) == .failure(.foreignAddress))
    // Anybody can write this header; only a trusted proxy's word counts, and only its last one.
    let forged = ["X-Forwarded-For: 203.0.113.5"]
    #expect(try decideFor(other, forged) == .failure(.foreignAddress))
    config.trustedProxies = [AddressRange(network: other, prefixBits: 128)]
    #expect(try decideFor(other, forged) == .success(.network))
    #expect(try decideFor(other, ["X-Forwarded-For: 203.0.113.5:4711"]) == .success(.network))
    #expect(try decideFor(other, ["X-Forwarded-For: 9.9.9.9, 203.0.113.5"]) == .success(.network))
    for last in ["9.9.9.9", "nonsense", "", "203.0.113.5.", "[203.0.113.5"] {
      let lines = ["X-Forwarded-For: 203.0.113.5, \(last)"]
      #expect(try decideFor(other, lines) == .failure(.foreignAddress), "\(last)")
      let two = ["X-Forwarded-For: 203.0.113.5", "X-Forwarded-For: \(last)"]
      #expect(try decideFor(other, two) == .failure(.foreignAddress), "\(last)")
    }
    // A second trusted proxy in between is looked through.
    let chain = ["X-Forwarded-For: 203.0.113.5, 203.0.114.1"]
    #expect(try decideFor(other, chain) == .success(.network))
  }

  @Test func `where a route has a secret and addresses, both must hold`() throws {
    var config = plainConfig()
    config.routes[0].secret = "s3cr3t"
    config.routes[0].addresses = [AddressRange(network: .elsewhere, prefixBits: 128)]
    let right = try request("GET /media/s3cr3t", socket(host: "x"), from: .elsewhere)
    #expect(decide(config, right) == .success(.network))
    let far = try request("GET /media/s3cr3t", socket(host: "x"))
    #expect(decide(config, far) == .failure(.foreignAddress))
    let bare = try request("GET /media", socket(host: "x"), from: .elsewhere)
    #expect(decide(config, bare) == .failure(.unknownPath))
  }

  @Test func `a route whose upstream has no key is refused once the caller is known`() throws {
    var config = plainConfig()
    config.routes[1].bots = [(name: "a", upstream: "deepgram"), (name: "b", upstream: "other")]
    var other = config.upstreams[0]
    other.name = "other"
    config.upstreams[0].key = ""
    config.upstreams.append(other)
    #expect(decide(config, try request("GET /media-stream", socket())) == .success(.loopback))
    #expect(decide(config, try request("GET /media", socket())) == .failure(.noUpstreamKey(0)))
    #expect(try answer(.noUpstreamKey(0), config).head.hasPrefix("HTTP/1.1 503 "))
    config.allow(key: "sk-first")
    let unknown = try request("GET /ws/transcribe", socket())
    #expect(decide(config, unknown) == .failure(.noProof(.keys)))
  }
}
