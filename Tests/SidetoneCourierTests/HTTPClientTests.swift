// The client against servers on loopback: what arrives there, and all the ways in which no right
// answer comes back.

import CLinux
import Foundation
import Glibc
import Testing

@testable import SidetoneCourier

struct HTTPClientTests {
  private let client: HTTPClient

  init() throws { client = try HTTPClient() }

  private func request(_ url: HTTPURL, _ body: String = "{}") -> HTTPRequest {
    var request = HTTPRequest(to: url)
    request.body = Array(body.utf8)
    request.add("Content-Type", "application/json")
    request.totalMilliseconds = 5000
    return request
  }

  @Test func `a request arrives whole and its answer comes back`() throws {
    let server = StubServer { number, _ in
      .status(201, headers: ["Retry-After: 7"], body: "number \(number)")
    }
    defer { server.stop() }
    let body = String(repeating: "words and more words ", count: 100_000)
    var question = request(server.url("/a/b?c=d"), body)
    question.add("webhook-id", "1-2")
    let answer = try #require(client.result(of: question)?.answer)
    #expect(answer.status == 201)
    #expect(String(decoding: answer.body, as: UTF8.self) == "number 0")
    #expect(answer.retryAfter == "7")
    #expect(!answer.isCut)
    let seen = try #require(server.requests.first)
    #expect(seen.head.hasPrefix("POST /a/b?c=d HTTP/1.1\r\n"))
    #expect(seen.body == Array(body.utf8))
    #expect(seen.header("Content-Type") == "application/json")
    #expect(seen.header("webhook-id") == "1-2")
    #expect(seen.header("Expect") == nil)
    #expect(seen.header("Accept-Encoding") == nil)
  }

  @Test func `one connection serves one request after the other`() throws {
    let server = StubServer(always: .status(204))
    defer { server.stop() }
    for _ in 0..<5 { #expect(client.result(of: request(server.url()))?.answer?.status == 204) }
    #expect(server.connections == 1)
    #expect(client.count == 0)
  }

  @Test func `fifty requests go at once and each number has its answer`() throws {
    let server = StubServer { _, request in
      .status(200, body: String(decoding: request.body, as: UTF8.self))
    }
    defer { server.stop() }
    var wanted: [UInt64: String] = [:]
    for number in 0..<50 {
      wanted[client.begin(request(server.url(), "\(number)"))] = "\(number)"
    }
    #expect(client.count == 50)
    for ended in client.run(untilEnded: 50) {
      let answer = try #require(ended.result.answer)
      let body = String(decoding: answer.body, as: UTF8.self)
      #expect(wanted.removeValue(forKey: ended.id) == body)
    }
    #expect(wanted.isEmpty)
  }

  @Test func `a server that hangs is given up in time and holds up no other`() throws {
    let silent = StubServer(always: .hang)
    let quick = StubServer(always: .status(200))
    defer {
      silent.stop()
      quick.stop()
    }
    var slow = request(silent.url())
    slow.totalMilliseconds = 300
    let first = client.begin(slow)
    let second = client.begin(request(quick.url()))
    let ended = client.run(untilEnded: 2)
    #expect(ended.map(\.id) == [second, first])
    #expect(ended.last?.result.failure == .tooSlow)
  }

  @Test func `a body that comes in drops is given up in time`() {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n"
    let server = StubServer(always: .slowly(Array((head + "slow").utf8)))
    defer { server.stop() }
    var slow = request(server.url())
    slow.totalMilliseconds = 300
    #expect(client.result(of: slow)?.failure == .tooSlow)
  }

  @Test func `a port where nobody listens refuses at once`() {
    let server = StubServer(always: .status(200))
    server.stop()
    while client.result(of: request(server.url()))?.answer != nil {}
    #expect(client.result(of: request(server.url()))?.failure == .noRoute)
  }

  @Test func `connections that end early are no answer`() {
    for answer: StubServer.Answer in [
      .reset, .bytes([]), .bytes(Array("HTTP/1.1 200".utf8)), .bytes(Array("SSH-2.0-x\r\n".utf8)),
      .bytes(Array("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf".utf8)),
      .bytes(Array("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n".utf8)),
    ] {
      let server = StubServer(always: answer)
      defer { server.stop() }
      #expect(client.result(of: request(server.url()))?.failure == .broken, "\(answer)")
    }
  }

  @Test func `a redirect is an answer and nothing goes to where it leads`() throws {
    let other = StubServer(always: .status(200))
    let target = "http://localhost:\(other.port)/taken"
    let server = StubServer { number, _ in
      .status([301, 302, 303, 307, 308][number], headers: ["Location: \(target)"])
    }
    defer {
      server.stop()
      other.stop()
    }
    for status in [301, 302, 303, 307, 308] {
      let answer = try #require(client.result(of: request(server.url()))?.answer)
      #expect(answer.status == status)
      #expect(answer.redirect == target)
    }
    #expect(other.connections == 0)
    #expect(server.requests.count == 5)
  }

  @Test func `an answer of ten megabytes is cut where it was to end`() throws {
    let server = StubServer(always: .status(200, body: String(repeating: "x", count: 10 << 20)))
    defer { server.stop() }
    var question = request(server.url())
    let whole = try #require(client.result(of: question)?.answer)
    #expect(whole.isCut && whole.body.count == 1 << 20 && whole.status == 200)
    question.answerBytesMax = 10 << 20
    let all = try #require(client.result(of: question)?.answer)
    #expect(!all.isCut && all.body.count == 10 << 20)
  }

  @Test func `a request that was cancelled never comes back`() {
    let server = StubServer(always: .hang)
    let other = StubServer(always: .status(200))
    defer {
      server.stop()
      other.stop()
    }
    client.cancel(client.begin(request(server.url())))
    #expect(client.count == 0)
    let next = client.begin(request(other.url()))
    #expect(client.run().map(\.id) == [next])
  }

  @Test func `a stream that ends as a piece of it is taken may still be cancelled`() {
    let server = StubServer(always: .status(200, body: String(repeating: "x", count: 200_000)))
    defer { server.stop() }
    var streamed = request(server.url())
    (streamed.pieceBytesMax, streamed.answerBytesMax) = (16 << 10, 20_000)
    for isCancelled in [true, false] {
      let id = client.begin(streamed)
      // Until a piece is there, and what follows it waits.
      let end = cl_monotonic() + 300_000_000
      var ended: [HTTPClient.Ended] = []
      while cl_monotonic() < end {
        wait(for: client.descriptor, milliseconds: 20)
        ended += client.advance()
      }
      #expect(ended.isEmpty && client.count == 1)
      var taken = 0
      while let piece = client.takePiece() { taken += piece.bytes.count }
      if isCancelled { client.cancel(id) }
      ended += client.advance()
      #expect(client.count == 0 && ended.map(\.id) == (isCancelled ? [] : [id]))
      guard let answer = ended.first?.result.answer else { continue }
      #expect(answer.isCut && taken + answer.body.count == 20_000)
    }
  }

  @Test func `what a stranger writes reaches no terminal raw`() throws {
    let head =
      "HTTP/1.1 302 Found\r\nLocation: http://x.test/\u{1b}[2J\r\n"
      + "Retry-After: 1\u{1b}]0;\u{7}\r\nContent-Length: 0\r\n\r\n"
    let server = StubServer(always: .bytes(Array(head.utf8)))
    defer { server.stop() }
    switch client.result(of: request(server.url())) {
    case .success(let answer)?:
      #expect((answer.redirect + answer.retryAfter).utf8.allSatisfy { $0 >= 0x20 && $0 < 0x7f })
    case let other: #expect(other?.failure == .broken)
    }
    #expect(printable("a\u{1b}[2J\u{202e}b\u{2028}\n\u{85}") == "a?[2J?b???")
    #expect(printable(String(repeating: "é", count: 400)).count == 301)
  }

  @Test func `a certificate that nobody vouches for is not accepted`() throws {
    let server = try TLSServer()
    defer { server.stop() }
    let url = try HTTPURL("https://localhost:\(server.port)/")
    #expect(client.result(of: request(url))?.failure == .noTrust)
    let trusting = try HTTPClient(authorities: server.certificate)
    #expect(trusting.result(of: request(url))?.answer?.status == 200)
    // Its name is another one.
    let number = try HTTPURL("https://127.0.0.1:\(server.port)/")
    #expect(trusting.result(of: request(number))?.failure == .noTrust)
  }
}

/// A TLS server with a certificate of its own for the name `localhost`, which answers 200.
private struct TLSServer {
  private static let program = """
    import http.server, ssl, sys
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()
        def log_message(self, *arguments): pass
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[1], sys.argv[2])
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    print(server.server_port, flush=True)
    server.serve_forever()
    """

  let port: UInt16
  let certificate: String
  private let directory: URL
  private let process = Process()

  init() throws {
    directory = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    certificate = directory.appending(path: "certificate.pem").path
    let key = directory.appending(path: "key.pem").path
    let maker = Process()
    maker.executableURL = URL(fileURLWithPath: "/usr/bin/openssl")
    maker.arguments = [
      "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days",
      "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", key,
      "-out", certificate,
    ]
    maker.standardError = FileHandle.nullDevice
    try maker.run()
    maker.waitUntilExit()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["python3", "-c", Self.program, certificate, key]
    let output = Pipe()
    process.standardOutput = output
    process.standardError = FileHandle.nullDevice
    try process.run()
    let line = String(decoding: output.fileHandleForReading.availableData, as: UTF8.self)
    port = try #require(UInt16(line.trimmingCharacters(in: .newlines)))
  }

  func stop() {
    // Started from a thread of dispatch, it blocks other signals.
    kill(process.processIdentifier, SIGKILL)
    process.waitUntilExit()
    try? FileManager.default.removeItem(at: directory)
  }
}
