// What is said of a refusal is whole, is said where it is needed, and never holds what is not ours
// to say: keys, and what people said.

import TestSupport
import Testing

@testable import Sidetone

struct WordsOfRefusalsTests {
  private func ask(
    _ rig: Rig, _ target: String, host: String = "t.example.com"
  ) throws -> (answer: String, log: String) {
    let link = try #require(rig.accept())
    let head = ["GET \(target) HTTP/1.1"] + socket([], host: host)
    _ = rig.takenLog()
    rig.feed(head.joined(separator: "\r\n") + "\r\n\r\n", on: link)
    let answer = String(decoding: rig.taken(from: link), as: UTF8.self)
    return (answer, rig.takenLog().joined(separator: "\n"))
  }

  // MARK: Whole sentences

  @Test func `a start message that is refused is logged with the end of the sentence`() throws {
    let rig = Talk.rig {
      $0.addUpstream("openai", named: "keyless", key: "")
      $0.routes[3].bots = [("first", "openai"), ("second", "keyless")]
    }
    func refused(_ bot: String) throws -> String {
      let caller = try #require(rig.open("/talk"))
      rig.say(
        """
        {"event":"start","streamSid":"MZ1","start":{"streamSid":"MZ1","callSid":"CA1","tracks":\
        ["inbound"],"customParameters":{"bot_type":"\(bot)"},\
        "mediaFormat":{"encoding":"audio/x-mulaw","sampleRate":8000}}}
        """, on: caller)
      #expect(rig.isGone(caller) || rig.closed.contains(caller))
      return rig.takenLog().last { $0.contains("call_refused") } ?? ""
    }
    let unknown = try refused("nonsense")
    #expect(
      unknown.hasSuffix(
        "call_refused: This bot_type is not served. Choose one of: first, second.\n"),
      "\(unknown)")
    let keyless = try refused("second")
    #expect(keyless.contains("call_refused: The service behind this path has no key. Set "))
    #expect(keyless.hasSuffix(" and start the relay again.\n"), "\(keyless)")
    #expect(!keyless.contains("Set  and"))
  }

  @Test func `each path has its one warning, whatever was asked before`() throws {
    let closed = Rig { $0.limits.otherLinksMax = 64 }
    for path in ["/stats", "/media", "/ws/transcribe"] {
      #expect(try ask(closed, path).log.contains("WARNING: refused: foreign_host"), "\(path)")
      #expect(try !ask(closed, path).log.contains("WARNING: "), "\(path)")
    }
    // The pages are opened by one line.
    #expect(try !ask(closed, "/metrics").log.contains("WARNING: "))
  }

  @Test func `a refusal has one code, in its answer and in the log`() throws {
    let rig = Rig { $0.upstreams[0].sessionsMax = 1 }
    _ = try #require(rig.open("/ws/transcribe"))
    let (answer, log) = try ask(rig, "/ws/transcribe", host: "127.0.0.1:8080")
    #expect(answer.hasPrefix("HTTP/1.1 503") && answer.contains("\"upstream_unavailable\""))
    #expect(log.contains("refused: upstream_unavailable"))
  }

  @Test func `a long segment is shown where a route has it`() throws {
    let rig = Rig { $0.routes[0].path = "/telephony/the-stream-of-media" }
    let own = try ask(rig, "/telephony/the-stream-of-media").log
    #expect(own.contains("for /telephony/the-stream-of-media"), "\(own)")
    let other = try ask(rig, "/telephony/the-stream-of-others").log
    #expect(other.contains("for /telephony/…") && !other.contains("of-others"), "\(other)")
  }

  // MARK: An upstream's words

  private static let key = "sk-hush-0123456"

  private func talk() throws -> Talk { try Talk { $0.upstreams[2].key = Self.key } }

  @Test(arguments: [
    #"{"type":"error","error":{"type":"server_error","code":"x","message":"WORDS"}}"#,
    """
    {"type":"conversation.item.input_audio_transcription.failed","item_id":"i","content_index":0,\
    "error":{"type":"t","code":"x","message":"WORDS"}}
    """,
  ])
  func `an error's words are cleaned, and its upstream is named`(message: String) throws {
    let talk = try talk()
    let long = String(repeating: "long ", count: 80)
    talk.tell(message.replacing("WORDS", with: #"no key \#(Self.key)\u001b[2J\nhere \#(long)"#))
    let line = try #require(talk.rig.log.first { $0.contains("upstream_error: ") })
    #expect(line.contains("upstream_error: openai: x: no key *** [2J here long"), "\(line)")
    #expect(line.utf8.count < 500 && line.contains("…"))
    #expect(!talk.rig.log.contains { $0.contains(Self.key) })
  }

  @Test func `so are those of a close, and what was said before is not said again`() throws {
    for reason in ["key \(Self.key) ended", ""] {
      let talk = try talk()
      talk.tell(#"{"type":"error","error":{"type":"server_error","code":"x","message":"first"}}"#)
      let close = [0x03, 0xf3] + Array(reason.utf8)
      talk.rig.feed(Frames.frame(.close, close, isMasked: false), on: talk.model)
      let line = try #require(talk.rig.log.first { $0.contains("upstream_closed: ") })
      #expect(line.contains("upstream_closed: openai: 1011 "), "\(line)")
      #expect(line.contains("key *** ended") != reason.isEmpty && !line.contains("first"))
      #expect(!talk.rig.log.contains { $0.contains(Self.key) })
    }
  }

  @Test(arguments: ["my number is 4711", #"{"type":"x","delta":"my number is 4711""#])
  func `a message that is no JSON is told without what it says`(message: String) throws {
    let rig = Rig()
    rig.start(try #require(rig.open("/media")))
    rig.answer(message, on: try #require(rig.answerDial()))
    let line = try #require(rig.log.first { $0.contains("upstream_message_bad: ") })
    #expect(line.contains("deepgram sent what is no JSON object: ") && !line.contains("4711"))
  }
}

// MARK: - Names of keys

struct NamesOfKeysTests {
  @Test(arguments: [
    "key", "Token", "SECRET", "password", "passwd", "pwd", "auth", "jwt", "my_key", "x-auth",
    "db_password", "session-token", "user_pwd", "id_jwt", "authtoken", "AuthToken", "myApiToken",
    "accessToken", "apikey", "openai_api_key", "api_key_2", "passphrase", "credentials", "bearer",
    "authorization",
  ])
  func `a name of a key is known`(name: String) { #expect(kept(name).isNameOfKey) }

  @Test(arguments: [
    "", "SipHeader_X-Session-Key", "CallToken", "calltoken", "StirPassportToken", "keyterm",
    "keywords", "monkey", "author",
    "token_count", "keys", "secretary", "CallSid", "turkey", "unauth",
  ])
  func `what is none is left alone`(name: String) { #expect(!kept(name).isNameOfKey) }

  @Test(arguments: ["sessionToken", "clientSecret", "userPassword", "privateKey", "auth_code"])
  func `what is only shown is rather hidden`(name: String) { #expect(kept(name).mayNameKey) }

  @Test func `nothing is refused that carriers send themselves`() throws {
    let query = "CallSid=CA1&CallToken=abc&StirPassportToken=def&StirVerstat=TN&keyterm=a"
    for start in ["GET /voice?\(query)", "GET /media?\(query)"] {
      let lines = start.contains("/media") ? socket() : ["Host: 127.0.0.1"]
      let result = Admission(config: plainConfig(), seed: 7).decide(try request(start, lines))
      #expect(result != .failure(.keyInWebhookURL) && result != .failure(.keyInURL))
    }
    let secret = try request("GET /media?db_password=x", socket())
    #expect(Admission(config: plainConfig(), seed: 7).decide(secret) == .failure(.keyInURL))
  }

  @Test func `a call's parameters are shown but for keys`() throws {
    let rig = Rig()
    let caller = try #require(rig.open("/media"))
    rig.say(
      """
      {"event":"start","streamSid":"MZ1","start":{"streamSid":"MZ1","callSid":"CA1","tracks":\
      ["inbound"],"customParameters":{"jwt":"hush","db-pwd":"hush","author":"Ann","monkey":"y",\
      "CallToken":"shown"},"mediaFormat":{"encoding":"audio/x-mulaw","sampleRate":8000}}}
      """, on: caller)
    let line = try #require(rig.log.first { $0.contains("Ann") })
    #expect(line.contains("monkey") && line.contains("shown"))
    #expect(!rig.log.contains { $0.contains("hush") })
  }
}

// MARK: - Hosts with capitals

struct HostCapitalsTests {
  private static let token = "0123456789abcdef0123456789abcdef"

  private func decide(_ host: String, signed url: String) throws -> Result<Identity, Refusal> {
    let digest = kept(count: 20)
    Digest.hmacSHA1(key: kept(Self.token), kept(url), into: digest)
    let encoded = kept(count: 28)
    _ = Base64.encode(digest, into: encoded)
    var config = plainConfig()
    config.twilioTokens = [Self.token]
    config.publicURLs = ["https://relay.example.com:8443/tel"]
    let lines = socket(["X-Twilio-Signature: " + encoded.string], host: host)
    let admission = Admission(config: config, seed: 7)
    return admission.decide(try request("GET /media", lines, from: .elsewhere))
  }

  @Test(arguments: [
    ("Relay.Example.com:8443", "wss://Relay.Example.com:8443/tel/media"),
    ("Relay.Example.com", "wss://Relay.Example.com:8443/tel/media"),
    ("RELAY.EXAMPLE.COM", "https://RELAY.EXAMPLE.COM:8443/tel/media"),
    ("relay.example.com", "wss://relay.example.com:8443/tel/media"),
  ])
  func `the host that was signed may have capitals`(host: String, url: String) throws {
    #expect(try decide(host, signed: url) == .success(.signature))
  }

  @Test(arguments: [
    ("Relay.Example.com:9443", "wss://Relay.Example.com:9443/tel/media"),
    ("Relay.Example.com", "wss://Relay.Example.com:8443/other/media"),
    ("Relay.Evil.com", "wss://Relay.Evil.com:8443/tel/media"),
    ("Relay.Example.com", "wss://RELAY.example.com:8443/tel/media"),
  ])
  func `everything else has to be as it is set`(host: String, url: String) throws {
    #expect(try decide(host, signed: url) != .success(.signature))
  }
}
