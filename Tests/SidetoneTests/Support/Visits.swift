// Requests as admission sees them, made from their text.

import Testing

@testable import Sidetone

extension Address {
  static let here = Address(ipv4: 0x7f00_0001, port: 40_000)
  static let elsewhere = Address(ipv4: 0xcb00_7105, port: 40_000)  // 203.0.113.5
}

func request(
  _ start: String, _ lines: [String] = [], body: String = "", from peer: Address = .here,
  at now: Instant = .zero, wall seconds: Int64 = 0,
  sourceLocation: SourceLocation = #_sourceLocation
) throws -> Request {
  let head = ([start + " HTTP/1.1"] + lines).joined(separator: "\r\n") + "\r\n\r\n"
  let bytes = kept(head)
  guard case .complete(let parsed) = HTTP.parseRequest(bytes, limit: 8192) else {
    Issue.record("not a request: \(head)", sourceLocation: sourceLocation)
    throw HTTP.Fault.badRequestLine
  }
  var request = Request(
    head: parsed, bytes: bytes, listener: 0, peer: peer, now: now,
    wall: WallTime(nanoseconds: seconds * 1_000_000_000))
  request.body = kept(body)
  return request
}

/// The head lines of a request that opens a socket.
func socket(_ lines: [String] = [], host: String = "127.0.0.1:8080") -> [String] {
  [
    "Host: \(host)", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
  ] + lines
}

extension Admission {
  convenience init(config: Config, seed: UInt64) {
    self.init(config, Prepared(config), seed: seed)
  }

  /// Both steps, as the relay takes them.
  func decide(_ request: Request) -> Result<Identity, Refusal> {
    do throws(Refusal) {
      return .success(try admit(request, to: try destination(of: request)))
    } catch {
      return .failure(error)
    }
  }
}

/// A relay with the usual routes; nothing is set.
func plainConfig() -> Config {
  var config = Config()
  func route(_ path: String, _ carriers: [String], _ upstream: String) -> Config.Route {
    var route = Config.Route()
    route.path = path
    route.carriers = carriers
    route.upstream = upstream
    return route
  }
  var deepgram = Config.Upstream()
  deepgram.name = "deepgram"
  deepgram.kind = "deepgram"
  deepgram.keyVariable = "DEEPGRAM_API_KEY"
  deepgram.key = "secret"
  config.upstreams = [deepgram]
  var voice = Config.Route()
  voice.path = "/voice"
  voice.kind = .voice
  voice.stream = "/media-stream"
  config.routes = [
    route("/media", ["twilio"], "deepgram"), route("/media-stream", ["twilio"], "deepgram"),
    route("/ws/transcribe", ["raw"], "deepgram"), voice,
  ]
  return config
}

/// The carrier's place in the list.
func row(_ carrier: String) -> Int { Carrier.index(of: carrier)! }

extension Means {
  static func signature(of carrier: String) -> Means { .signature(of: row(carrier)) }
}

extension Config {
  /// Twilio's tokens and Telnyx's keys, as operators set them.
  var twilioTokens: [String] {
    get { self[carrier: "twilio"].secrets.map { String(decoding: $0, as: UTF8.self) } }
    set { self[carrier: "twilio"].secrets = newValue.map { Array($0.utf8) } }
  }
  var telnyxKeys: [[UInt8]] {
    get { self[carrier: "telnyx"].secrets }
    set { self[carrier: "telnyx"].secrets = newValue }
  }

  mutating func allow(key: String) {
    let digest = kept(count: 32)
    Digest.sha256(kept(key), into: digest)
    keyDigests.append(digest.array)
  }

  mutating func allow(operatorKey key: String) {
    var other = Config()
    other.allow(key: key)
    operatorDigests += other.keyDigests
  }
}
