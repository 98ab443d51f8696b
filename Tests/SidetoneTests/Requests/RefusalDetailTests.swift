// What a refusal says of the very request that was refused, to its sender and in the log: the path,
// the address that was checked, what differed. And what it must never say.
import Testing

@testable import Sidetone

struct RefusalDetailTests {
  private func rig(_ change: (inout Config) -> Void = { _ in }) -> Rig {
    Rig {
      $0.twilioTokens = ["token-of-the-account"]
      change(&$0)
    }
  }

  /// The answer to a request, and what the log says of it.
  private func ask(
    _ rig: Rig, _ target: String, _ lines: [String] = [], host: String = "t.example.com"
  ) throws -> (answer: String, log: String) {
    let link = try #require(rig.accept())
    let head = ["GET \(target) HTTP/1.1"] + socket(lines, host: host)
    _ = rig.takenLog()
    rig.feed(head.joined(separator: "\r\n") + "\r\n\r\n", on: link)
    let answer = String(decoding: rig.taken(from: link), as: UTF8.self)
    return (answer, rig.takenLog().joined(separator: "\n"))
  }

  @Test(arguments: [
    ("//media", "did you mean /media?"), ("/MEDIA", "did you mean /media?"),
    ("/media//", "did you mean /media?"), ("//WS//Transcribe", "did you mean /ws/transcribe?"),
    ("/relay/media", "proxy has its own path"), ("/socket.io/?EIO=4", "unknown_path"),
    ("/", "unknown_path"),
  ])
  func `a path that is not served is named, with the one that was meant`(
    target: String, hint: String
  ) throws {
    let (answer, log) = try ask(rig(), target)
    let path = target.pieces(cutAt: "?")[0]
    #expect(answer.hasPrefix("HTTP/1.1 404") && answer.contains(hint))
    #expect(log.contains("unknown_path to 127.0.0.1 for \(path)") && log.contains(hint))
    #expect(!log.contains("EIO"))
  }

  @Test func `a wrong signature names the URL that was checked`() throws {
    let pinned = rig { $0.publicURLs = ["https://relay.example.com:8443/tel"] }
    let lines = ["X-Twilio-Signature: AAAAAAAAAAAAAAAAAAAAAAAAAAA="]
    for host in ["t.example.com", "127.0.0.1:8080"] {
      let (answer, log) = try ask(pinned, "/media?b=caller-data&a=1", lines, host: host)
      for text in [answer, log] {
        #expect(text.contains("wss://relay.example.com:8443/tel/media?b=…&a=…"))
        #expect(text.contains("SIDETONE_LISTEN_PUBLIC_URL") && text.contains("order"))
        #expect(!text.contains("caller-data") && !text.contains("token-of-the-account"))
        #expect(!text.contains("AAAAAAAAAAAAAAAAAAAAAAAAAAA="))
      }
    }
    let (_, log) = try ask(rig(), "/media", lines)
    #expect(log.contains("wss://t.example.com/media, as the request names it"))
    #expect(!log.contains("order"))
  }

  @Test func `a signature for another scheme names both`() throws {
    let digest = kept(count: 20)
    Digest.hmacSHA1(
      key: kept("token-of-the-account"), kept("ws://t.example.com/media"), into: digest)
    let encoded = kept(count: 28)
    _ = Base64.encode(digest, into: encoded)
    let pinned = rig { $0.publicURLs = ["https://t.example.com"] }
    let (answer, log) = try ask(pinned, "/media", ["X-Twilio-Signature: \(encoded.string)"])
    for text in [answer, log] {
      #expect(text.contains("names ws://t.example.com/media; set is wss://t.example.com/media."))
    }
  }

  @Test func `a signature for another address names both`() throws {
    let digest = kept(count: 20)
    Digest.hmacSHA1(
      key: kept("token-of-the-account"), kept("wss://t.example.com/media"), into: digest)
    let encoded = kept(count: 28)
    _ = Base64.encode(digest, into: encoded)
    let pinned = rig { $0.publicURLs = ["https://a.example.com", "https://b.example.com"] }
    let (answer, log) = try ask(pinned, "/media", ["X-Twilio-Signature: \(encoded.string)"])
    for text in [answer, log] {
      #expect(text.contains("The request names wss://t.example.com/media; set is "))
      #expect(text.contains("wss://a.example.com/media or wss://b.example.com/media"))
    }
  }

  @Test(arguments: [
    "/media/s3cr3t-segment", "/MEDIA/s3cr3t-segment", "//media//s3cr3t-segment",
    "/relay/media/s3cr3t-segmenx", "/media/s3cr3t-segment/more",
    "/key/sk-0123456789abcdef0123456789", "/medai/s3cr3t-segment-0",
  ])
  func `what may be a secret is not shown`(target: String) throws {
    let rig = rig { $0.routes[0].secret = "s3cr3t-segment-0" }
    let (answer, log) = try ask(rig, target)
    #expect(!answer.contains("s3cr3t") && !log.contains("s3cr3t"))
    #expect(!log.contains("sk-0123456789abcdef") && log.contains("…"))
  }

  @Test(arguments: ["sk-0123456789", "sk-0123456789=", "sk-0123456789=="])
  func `a bare key in a query is not taken for a name`(key: String) throws {
    let (answer, log) = try ask(
      rig(), "/media?a=1&\(key)", ["X-Twilio-Signature: AAAAAAAAAAAAAAAAAAAAAAAAAAA="])
    for text in [answer, log] {
      #expect(text.contains("/media?a=…&…") && !text.contains("sk-0123"))
    }
    let raw = Rig()
    #expect(raw.open("/ws/transcribe?\(key)") == nil)
    #expect(raw.log.contains { $0.contains("bad_parameter") && $0.contains("…") })
    #expect(!raw.log.contains { $0.contains("sk-0123") })
  }

  @Test func `what an operator has to mend is a warning once, with the line that mends it`() throws
  {
    let closed = Rig()
    for number in 0..<3 {
      let (answer, log) = try ask(closed, "/media", host: "t.example.com")
      #expect(answer.hasPrefix("HTTP/1.1 403") && answer.contains("TWILIO_AUTH_TOKEN=YOUR_TOKEN"))
      #expect(log.contains("WARNING: refused: ") == (number == 0))
      #expect(log.contains("TWILIO_AUTH_TOKEN=YOUR_TOKEN") == (number == 0))
      #expect(log.contains("foreign_host to 127.0.0.1 for /media"))
    }
    let (answer, log) = try ask(closed, "/media", ["X-Forwarded-For: 1.2.3.4"], host: "localhost")
    #expect(answer.hasPrefix("HTTP/1.1 403") && answer.contains("TWILIO_AUTH_TOKEN=YOUR_TOKEN"))
    #expect(!log.contains("WARNING: "))
  }

  @Test func `a warning that is withheld is given later`() throws {
    let closed = Rig { $0.limits.otherLinksMax = 64 }
    for _ in 0..<10 { _ = try ask(closed, "/nowhere", host: "localhost") }
    #expect(try ask(closed, "/media").log.isEmpty)
    closed.advance(milliseconds: 1_000)
    #expect(try ask(closed, "/media").log.contains("WARNING: refused: foreign_host"))
    #expect(try !ask(closed, "/media").log.contains("WARNING: "))
  }

  @Test func `each thing that is wrong is taught, whatever was taught before`() throws {
    let keyed = Rig { $0.keyDigests = [[UInt8](repeating: 0, count: 32)] }
    for lines in [[], ["Authorization: x"], ["Authorization: Bearer no"]] {
      #expect(try ask(keyed, "/media", lines).log.contains("WARNING: "))
      #expect(try !ask(keyed, "/media", lines).log.contains("WARNING: "))
    }
  }

  @Test(
    arguments: [
      ("/media", ["TWILIO_AUTH_TOKEN=YOUR_TOKEN for Twilio, or SIDETONE_API_KEYS="]),
      ("/voice", ["TWILIO_AUTH_TOKEN=", "TELNYX_PUBLIC_KEY=YOUR_KEY for Telnyx"]),
      ("/both", ["TWILIO_AUTH_TOKEN=", "TELNYX_PUBLIC_KEY=YOUR_KEY for Telnyx"]),
      ("/ws/transcribe", ["Who can do none of that (raw) is let in by secret or addresses"]),
      ("/ucid", ["TWILIO_AUTH_TOKEN=", "Who can do none of that (ucid) is let in by secret"]),
      ("/stats", []),
    ] as [(String, [String])])
  func `what is closed says for whom which line opens it`(path: String, words: [String]) throws {
    let closed = Rig {
      $0.addRoute("/both", ["twilio", "telnyx"], to: "deepgram")
      $0.addRoute("/ucid", ["twilio", "ucid"], to: "deepgram")
      var voice = Config.Route()
      voice.path = "/voice"
      voice.kind = .voice
      voice.stream = "/both"
      $0.routes.append(voice)
    }
    let (answer, log) = try ask(closed, path)
    let lines = ["TWILIO_AUTH_TOKEN=", "TELNYX_PUBLIC_KEY=", "Who can do none of that"]
    for text in [answer, log] {
      #expect(text.contains("SIDETONE_API_KEYS=A_KEY_OF_YOURS"))
      for word in words { #expect(text.contains(word)) }
      for line in lines where !words.contains(where: { $0.contains(line) }) {
        #expect(!text.contains(line))
      }
    }
  }

  @Test func `a stranger's path cannot write into the log or the answer`() throws {
    let (answer, log) = try ask(rig(), "/%22%3Cscript%3E'{}|^`\u{7e}")
    #expect(log.split(separator: "\n").count == 1 && !answer.contains("<script>"))
  }
}
