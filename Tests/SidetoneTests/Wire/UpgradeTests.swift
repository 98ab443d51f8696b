// The opening handshake of WebSocket from both sides, with the key and answer of RFC 6455 §1.3.
import Testing

@testable import Sidetone

private let rfcKey = "dGhlIHNhbXBsZSBub25jZQ=="
private let rfcAccept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
/// The 16 bytes "the sample nonce".
private let rfcNonce = Upgrade.Nonce(low: 0x706d_6173_2065_6874, high: 0x6563_6e6f_6e20_656c)

struct UpgradeServerTests {
  private let lines = [
    "Host: h", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Key: " + rfcKey,
    "Sec-WebSocket-Version: 13",
  ]

  private func check(_ lines: [String], start: String = "GET /media HTTP/1.1") -> Upgrade.Fault? {
    let text = start + "\r\n" + lines.joined(separator: "\r\n") + "\r\n\r\n"
    return Array(text.utf8).withBytes { bytes in
      guard case .complete(let head) = HTTP.parseRequest(bytes, limit: 4096) else {
        Issue.record("not read: \(text)")
        return nil
      }
      switch Upgrade.check(head, in: bytes) {
      case .valid(let key):
        #expect(key.bytes(in: bytes).string == rfcKey)
        return nil
      case .bad(let fault): return fault
      }
    }
  }

  @Test func `the example of RFC 6455 is answered as there`() {
    #expect(check(lines) == nil)
    let answer = written { out in
      Array(rfcKey.utf8).withBytes { Upgrade.writeAccept(key: $0, into: &out) }
    }.string
    #expect(
      answer == "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        + "Sec-WebSocket-Accept: \(rfcAccept)\r\n\r\n")
  }

  @Test func `offers of extensions and subprotocols do not disturb`() {
    let offers = ["Sec-WebSocket-Extensions: permessage-deflate", "Sec-WebSocket-Protocol: a, b"]
    #expect(check(lines + offers) == nil)
    #expect(check(lines.map { $0 == lines[2] ? "Connection: keep-alive, upgrade" : $0 }) == nil)
    #expect(check(lines.map { $0 == lines[1] ? "Upgrade: h2c, WebSocket" : $0 }) == nil)
  }

  @Test func `what is no WebSocket request is refused with its reason`() {
    func without(_ index: Int) -> [String] { lines.enumerated().filter { $0.0 != index }.map(\.1) }
    func with(_ index: Int, _ line: String) -> [String] { without(index) + [line] }
    #expect(check(without(1)) == .notAsked)
    #expect(check(without(2)) == .notAsked)
    #expect(check(without(3)) == .badKey)
    #expect(check(without(4)) == .wrongVersion)
    #expect(check(with(4, "Sec-WebSocket-Version: 8")) == .wrongVersion)
    #expect(check(with(4, "Sec-WebSocket-Version: 13, 8")) == .wrongVersion)
    #expect(check(lines + [lines[4]]) == .wrongVersion)
    #expect(check(lines + [lines[3]]) == .badKey)
    #expect(check(with(3, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ")) == .badKey)
    #expect(check(with(3, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j!Q==")) == .badKey)
    #expect(check(with(3, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZXR3bw==")) == .badKey)
    #expect(check(lines, start: "POST /media HTTP/1.1") == .wrongMethod)
    #expect(check(lines + ["Content-Length: 5"]) == .hasBody)
    #expect(check(lines + ["Transfer-Encoding: chunked"]) == .hasBody)
    #expect(check(lines + ["Content-Length: 0"]) == nil)
    #expect(check(lines, start: "GET /media HTTP/1.0") == .notAsked)
  }
}

struct UpgradeClientTests {
  private func check(_ text: String) -> Upgrade.Answer? {
    Array(text.utf8).withBytes { bytes in
      guard case .complete(let head) = HTTP.parseResponse(bytes, limit: 4096) else { return nil }
      return Upgrade.check(head, in: bytes, nonce: rfcNonce)
    }
  }

  private let good =
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nConnection: upgrade\r\n"

  @Test func `the request names host, path, query and headers`() {
    func request(_ host: String, _ port: UInt16, tls: Bool, query: String = "") -> String {
      written { out in
        Upgrade.beginRequest(
          host: kept(host), port: port, isTLS: tls, path: kept("/v1/listen"),
          query: kept(query), nonce: rfcNonce, into: &out)
        HTTP.writeField("Authorization", kept("Token secret"), into: &out)
        Upgrade.endRequest(into: &out)
      }.string
    }
    #expect(
      request("api.example.com", 443, tls: true, query: "model=nova-2&channels=1")
        == "GET /v1/listen?model=nova-2&channels=1 HTTP/1.1\r\nHost: api.example.com\r\n"
        + "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        + "Sec-WebSocket-Key: \(rfcKey)\r\nAuthorization: Token secret\r\n\r\n")
    #expect(request("127.0.0.1", 9000, tls: false).contains("\r\nHost: 127.0.0.1:9000\r\n"))
    #expect(request("::1", 80, tls: false).contains("\r\nHost: [::1]\r\n"))
    #expect(request("h", 80, tls: true).contains("\r\nHost: h:80\r\n"))
  }

  @Test func `our server accepts what our client asks`() {
    let text = written { out in
      Upgrade.beginRequest(
        host: kept("h"), port: 80, isTLS: false, path: kept("/"), query: .empty,
        nonce: rfcNonce, into: &out)
      Upgrade.endRequest(into: &out)
    }.string
    let answer = Array(text.utf8).withBytes { bytes in
      written { out in
        guard case .complete(let head) = HTTP.parseRequest(bytes, limit: 4096),
          case .valid(let key) = Upgrade.check(head, in: bytes)
        else { return }
        Upgrade.writeAccept(key: key.bytes(in: bytes), into: &out)
      }.string
    }
    #expect(check(answer) == .accepted)
  }

  @Test func `an answer must keep every rule`() {
    let accept = "Sec-WebSocket-Accept: \(rfcAccept)\r\n"
    #expect(check(good + accept + "\r\n") == .accepted)
    #expect(check(good + "\r\n") == .bad(.wrongAccept))
    #expect(check(good + accept + accept + "\r\n") == .bad(.wrongAccept))
    #expect(check(good + accept.lowercased() + "\r\n") == .bad(.wrongAccept))
    let zip = "Sec-WebSocket-Extensions: permessage-deflate\r\n"
    #expect(check(good + accept + zip + "\r\n") == .bad(.unaskedExtension))
    #expect(check(good + accept + "Sec-WebSocket-Protocol: a\r\n\r\n") == .bad(.unaskedProtocol))
    let start = "HTTP/1.1 101 x\r\n"
    #expect(check(start + "Connection: upgrade\r\n" + accept + "\r\n") == .bad(.noUpgrade))
    #expect(check(start + "Upgrade: websocket\r\n" + accept + "\r\n") == .bad(.noConnection))
  }

  @Test func `a refusal shows its status and when to come again`() {
    #expect(check("HTTP/1.1 401 Unauthorized\r\n\r\n") == .refused(status: 401))
    let text = "HTTP/1.1 429 Slow down\r\nRetry-After: 30\r\n\r\n"
    let seconds = Array(text.utf8).withBytes { bytes -> Int? in
      guard case .complete(let head) = HTTP.parseResponse(bytes, limit: 4096) else { return nil }
      return Upgrade.retryAfterSeconds(head, in: bytes)
    }
    #expect(seconds == 30)
  }
}
