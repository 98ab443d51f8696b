// HTTP heads: what is read, what is refused, at every split, and that no byte behind the input is
// read.
import Testing

@testable import Sidetone

private let limit = 8 * 1024

/// Parses a request in a page that forbids reading one byte too far.
private func parse(_ text: String, limit: Int = limit) -> HTTP.Parsed<HTTP.RequestHead> {
  atForbiddenPage(text) { HTTP.parseRequest($0, limit: limit) }
}

private func fault(_ text: String, limit: Int = limit) -> HTTP.Fault? {
  if case .bad(let fault) = parse(text, limit: limit) { fault } else { nil }
}

/// The parts of a request that must be read as complete, as strings.
private struct Read {
  var head: HTTP.RequestHead
  var path, query, target, host: String

  init?(_ text: String) {
    guard case .complete(let head) = parse(text) else { return nil }
    self.head = head
    let bytes = Array(text.utf8)
    func part(_ place: HTTP.Place) -> String { bytes.withBytes { place.bytes(in: $0).string } }
    path = part(head.path)
    query = part(head.query)
    target = part(head.target)
    host = part(head.host)
  }
}

struct HTTPRequestTests {
  private let upgrade = """
    GET /ws/transcribe?call_id=a%20b&sample_rate=8000 HTTP/1.1\r
    Host: relay.example.com:8443\r
    Connection: keep-alive, Upgrade\r
    Upgrade: websocket\r
    X-Empty:\r
    Sec-WebSocket-Version: 13\r
    \r\n
    """

  @Test func `a request is read into its parts`() throws {
    let read = try #require(Read(upgrade + "behind"))
    #expect(read.head.method == .get)
    #expect(read.head.version == .one1)
    #expect(read.path == "/ws/transcribe")
    #expect(read.query == "call_id=a%20b&sample_rate=8000")
    #expect(read.target == "/ws/transcribe?call_id=a%20b&sample_rate=8000")
    #expect(read.host == "relay.example.com:8443")
    #expect(read.head.framing == .none)
    #expect(read.head.length == upgrade.utf8.count)
  }

  @Test func `every split of a head waits for the rest`() {
    let bytes = Array(upgrade.utf8)
    for cut in 0..<bytes.count {
      let outcome = parse(String(decoding: bytes.prefix(cut), as: UTF8.self))
      guard case .needMore = outcome else {
        Issue.record("cut at \(cut): \(outcome)")
        continue
      }
    }
  }

  @Test(arguments: [
    "GET  / HTTP/1.1", "GET /", "GET / ", " GET / HTTP/1.1", "G@T / HTTP/1.1", "GET / HTTP/1.1 ",
    "GET / http/1.1", "GET / HTTP/1.10", "GET / HTTP/2.0", "GET /a b HTTP/1.1",
    "GET /\u{7f} HTTP/1.1", "GET /\u{e9} HTTP/1.1", "GET /a#b HTTP/1.1", "GET a HTTP/1.1",
    "GET ftp://h/ HTTP/1.1", "GET http:///x HTTP/1.1", "GET http://h HTTP/1.1",
    "GET http://u@h/ HTTP/1.1", "CONNECT h:443 HTTP/1.1", "GET /\t HTTP/1.1", "GET \\a HTTP/1.1",
  ])
  func `a wrong request line is refused`(line: String) {
    #expect(fault(line + "\r\nHost: h\r\n\r\n") != nil)
  }

  @Test(arguments: [
    "Host : h", " Host: h", "Host", ": h", "Ho st: h", "Host: h\r\n folded",
    "Host: h\r\nA: b\rC: d",
    "Host: h\r\nA: b\u{0}", "Host: h\r\nA: \u{1b}[0m", "Host: h\r\nÄ: b",
  ])
  func `a wrong header line is refused`(lines: String) {
    #expect(fault("GET / HTTP/1.1\r\n" + lines + "\r\n\r\n") != nil)
  }

  @Test(arguments: ["\n", "GET / HTTP/1.1\n", "GET / HTTP/1.1\r\nHost: h\n\n", "A\r\r\nB"])
  func `a line that does not end in CR LF is refused`(text: String) {
    let whole = fault(text + "\r\n\r\n")
    #expect(whole != nil)
  }

  @Test func `a lone line feed is refused before the head is whole`() {
    #expect(fault("GET / HTTP/1.1\nHost") == .bareLineFeed)
  }

  @Test func `a TLS greeting on a plain port is refused with its first byte`() {
    let outcome = [UInt8(0x16), 3, 1].withBytes { HTTP.parseRequest($0, limit: limit) }
    guard case .bad(.notHTTP) = outcome else {
      Issue.record("\(outcome)")
      return
    }
  }

  @Test(arguments: [
    ("", HTTP.Fault.badHost), ("Host: a\r\nHost: a\r\n", .badHost), ("Host:\r\n", .badHost),
    ("Host: a/b\r\n", .badHost), ("Host: a, b\r\n", .badHost), ("Host: a@b\r\n", .badHost),
  ])
  func `HTTP 1.1 names its host exactly once`(lines: String, expected: HTTP.Fault) {
    #expect(fault("GET / HTTP/1.1\r\n" + lines + "\r\n") == expected)
  }

  @Test func `HTTP 1.0 may name no host, as health checks do`() throws {
    let read = try #require(Read("GET /health HTTP/1.0\r\n\r\n"))
    #expect(read.host.isEmpty)
    #expect(read.head.version == .one0)
  }

  @Test func `the authority of an absolute target wins over Host`() throws {
    let read = try #require(Read("GET http://a.example:81/p?q HTTP/1.1\r\nHost: b\r\n\r\n"))
    #expect(read.host == "a.example:81")
    #expect(read.path == "/p")
    #expect(read.target == "/p?q")
    #expect(fault("GET http://a/p HTTP/1.1\r\n\r\n") == .badHost)
  }

  @Test(arguments: [
    "Content-Length: 1\r\nContent-Length: 1", "Content-Length: 1\r\nContent-Length: 2",
    "Content-Length: 5\r\nTransfer-Encoding: chunked", "Content-Length: 1, 1",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "Content-Length: +1",
    "Transfer-Encoding: chunked\r\ncontent-length: 5", "Content-Length: 0x1", "Content-Length: -1",
    "Content-Length: 1 1", "Content-Length:", "Transfer-Encoding: identity",
    "Transfer-Encoding: chunked, identity", "Transfer-Encoding: xchunked",
    "Transfer-Encoding: chunked, chunked", "Content-Length: 9999999999999999999",
    "Transfer-Encoding:\u{0b}chunked", "Transfer-Encoding : chunked",
    "Transfer-Encoding: \"chunked\"",
  ])
  func `what two parsers could measure differently is refused`(lines: String) {
    #expect(fault("POST / HTTP/1.1\r\nHost: h\r\n" + lines + "\r\n\r\n") != nil)
  }

  @Test func `a transfer coding in HTTP 1.0 is refused`() {
    let text = "POST / HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
    #expect(fault(text) == .ambiguousLength)
  }

  @Test func `the framing of a body is read`() throws {
    let length = try #require(Read("POST / HTTP/1.1\r\nHost: h\r\nContent-Length:  12 \r\n\r\n"))
    #expect(length.head.framing == .length(12))
    #expect(length.head.method == .post)
    let chunked = try #require(
      Read("POST / HTTP/1.1\r\nHost: h\r\ntransfer-encoding: Chunked\r\n\r\n"))
    #expect(chunked.head.framing == .chunked)
  }

  @Test func `64 header lines are read and one more is refused`() {
    let lines = String(repeating: "A: b\r\n", count: HTTP.fieldsMax - 1)
    #expect(fault("GET / HTTP/1.1\r\nHost: h\r\n" + lines + "\r\n") == nil)
    #expect(fault("GET / HTTP/1.1\r\nHost: h\r\nA: b\r\n" + lines + "\r\n") == .tooManyFields)
    let unfinished = String(repeating: "A: b\r\n", count: HTTP.fieldsMax + 1)
    #expect(fault("GET / HTTP/1.1\r\n" + unfinished) == .tooManyFields)
  }

  @Test func `a head that reaches the limit is refused, whole or not`() {
    let line = "GET / HTTP/1.1\r\nHost: h\r\n"
    let long = line + "A: " + String(repeating: "b", count: limit)
    #expect(fault(long) == .headTooLarge)
    #expect(fault(long + "\r\n\r\n") == .headTooLarge)
    let exact = line + "A: "
    let fill = String(repeating: "b", count: limit - exact.utf8.count - 4)
    #expect(fault(exact + fill + "\r\n\r\n") == nil)
    #expect(fault(exact + fill + "b\r\n\r\n") == .headTooLarge)
  }

  @Test func `a target has a limit of its own`() {
    let most = "/" + String(repeating: "a", count: HTTP.targetBytesMax - 1)
    #expect(fault("GET \(most) HTTP/1.1\r\nHost: h\r\n\r\n") == nil)
    #expect(fault("GET \(most)a HTTP/1.1\r\nHost: h\r\n\r\n") == .targetTooLong)
    #expect(fault("GET /" + String(repeating: "a", count: limit)) == .targetTooLong)
  }

  @Test func `other methods are read and left to be refused with 405`() throws {
    #expect(try #require(Read("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n")).head.method == .head)
    #expect(try #require(Read("BREW / HTTP/1.1\r\nHost: h\r\n\r\n")).head.method == .other)
    #expect(try #require(Read("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n")).path == "*")
    #expect(try #require(Read("get / HTTP/1.1\r\nHost: h\r\n\r\n")).head.method == .other)
  }

  @Test func `every fault has a status, and a sentence that is safe inside JSON`() {
    for raw in UInt8(0)...255 {
      guard let fault = HTTP.Fault(rawValue: raw) else { continue }
      #expect(fault.status.rawValue >= 400)
      let sentence = "\(fault.sentence)"
      #expect(sentence.hasSuffix("."))
      #expect(!sentence.contains("\"") && !sentence.contains("\\"))
    }
  }
}

struct HTTPFieldsTests {
  private func ask<R>(_ lines: String, _ body: (HTTP.Fields, Bytes) -> R) throws -> R {
    let text = "GET / HTTP/1.1\r\nHost: h\r\n" + lines + "\r\n"
    let read = try #require(Read(text))
    return Array(text.utf8).withBytes { body(read.head.fields, $0) }
  }

  @Test func `names are found whatever their case, and values are trimmed`() throws {
    let value = try ask("X-Call:  \t a b\t \r\nx-call: c\r\n") { fields, head in
      #expect(fields.count(of: "x-call", in: head) == 2)
      #expect(fields.place(of: "x-cal", in: head) == nil)
      #expect(fields.hasName(beginning: "x-", in: head))
      #expect(!fields.hasName(beginning: "x-forwarded-", in: head))
      return fields.value(of: "x-call", in: head).string
    }
    #expect(value == "a b")
  }

  @Test(arguments: [
    ("Connection: Upgrade", true), ("Connection: keep-alive, Upgrade", true),
    ("Connection: keep-alive\r\nConnection: ,upgrade ,", true), ("Connection: upgrades", false),
    ("Connection: keep-alive; upgrade", false), ("Connection:", false), ("Upgrade: upgrade", false),
  ])
  func `a token is found in lists over several lines`(lines: String, isThere: Bool) throws {
    let found = try ask(lines + "\r\n") { fields, head in
      fields.hasToken("upgrade", in: "connection", of: head)
    }
    #expect(found == isThere)
  }

  @Test func `lines come out in order, with their names as sent`() throws {
    let names = try ask("A: 1\r\nB:2\r\n") { fields, head in
      var names: [String] = []
      var at = 0
      while let field = fields.next(&at, in: head) {
        names.append(field.name.bytes(in: head).string + "=" + field.value.bytes(in: head).string)
      }
      return names
    }
    #expect(names == ["Host=h", "A=1", "B=2"])
  }
}

struct HTTPResponseTests {
  private func parse(_ text: String) -> HTTP.Parsed<HTTP.ResponseHead> {
    atForbiddenPage(text) { HTTP.parseResponse($0, limit: limit) }
  }

  @Test(arguments: [
    ("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n", 101, HTTP.Framing.none),
    ("HTTP/1.1 401 Unauthorized\r\nContent-Length: 5\r\n\r\nwrong", 401, .length(5)),
    ("HTTP/1.1 503\r\nRetry-After: 7\r\n\r\n", 503, .untilClose),
    ("HTTP/1.0 200 \r\n\r\n", 200, .untilClose),
    ("HTTP/1.1 429 Too Many\r\nTransfer-Encoding: chunked\r\n\r\n", 429, .chunked),
    ("HTTP/1.1 204 x\r\nContent-Length: 5\r\n\r\n", 204, .none),
  ])
  func `a response is read`(text: String, status: Int, framing: HTTP.Framing) {
    guard case .complete(let head) = parse(text) else {
      Issue.record("\(parse(text))")
      return
    }
    #expect(head.status == status)
    #expect(head.framing == framing)
  }

  @Test(arguments: [
    "HTTP/1.1 10 x", "HTTP/1.1 1010 x", "HTTP/1.1  101 x", "HTTP/2 200 OK", "HTTP/1.1 099 x",
    "http/1.1 200 OK", "HTTP/1.1 2x0 OK", "ICY 200 OK", "HTTP/1.1 200 O\u{7}K",
  ])
  func `a wrong status line is refused`(line: String) {
    guard case .bad = parse(line + "\r\n\r\n") else {
      Issue.record("\(parse(line + "\r\n\r\n"))")
      return
    }
  }

  @Test func `every split of a response waits for the rest`() {
    let text = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"
    for cut in 0..<text.utf8.count {
      let outcome = parse(String(decoding: text.utf8.prefix(cut), as: UTF8.self))
      guard case .needMore = outcome else {
        Issue.record("cut at \(cut): \(outcome)")
        continue
      }
    }
  }
}
