// The fetcher by its messages: what it asks of servers, what it says of their answers, and that it
// says something of each request, whatever they do.

import CLinux
import Foundation
import Glibc
import Sidetone
import Testing

@testable import SidetoneCourier

final class Asker {
  private var ends: [Int32] = [-1, -1]
  private let isOver = DispatchSemaphore(value: 0)

  init() throws {
    guard cl_pair_create(&ends) == 0 else { throw Trouble("no pair") }
    let (socket, isOver) = (ends[1], isOver)
    Thread {
      _ = runFetcher(socket: socket)
      isOver.signal()
    }.start()
  }

  func say(_ text: String) {
    let bytes = Array(text.utf8)
    precondition(Glibc.send(ends[0], bytes, bytes.count, 0) == bytes.count)
  }

  /// The next message; "" after so many seconds without one.
  func hear(seconds: Int = 10) -> String {
    String(decoding: hearBytes(seconds: seconds), as: UTF8.self)
  }

  func hearBytes(seconds: Int = 10) -> [UInt8] {
    wait(for: ends[0], milliseconds: seconds * 1000)
    var bytes = [UInt8](repeating: 0, count: 1 << 16)
    let count = recv(ends[0], &bytes, bytes.count, 0)
    return Array(bytes.prefix(max(count, 0)))
  }

  /// Whether it ends within ten seconds.
  func leave() -> Bool {
    _ = cl_close(ends[0])
    return isOver.wait(timeout: .now() + 10) == .success
  }
}

@Suite(.enabled(if: HTTPClient.missing() == nil)) struct FetcherTests {
  private let relay: Asker

  init() throws { relay = try Asker() }

  @Test func `it asks as it is told, and brings the answer`() {
    let server = StubServer(always: .status(200, body: "{\"a\":1}\nb"))
    defer { server.stop() }
    relay.say("fetch 7 2000 GET \(server.url("/key/info").text)\nbearer sk-1\n\n")
    #expect(relay.hear() == "answer 7 200 whole\n\n{\"a\":1}\nb")
    #expect(server.requests[0].head.hasPrefix("GET /key/info HTTP/1.1"))
    #expect(server.requests[0].header("Authorization") == "Bearer sk-1")
    #expect(server.requests[0].header("Content-Length") == nil)
    relay.say("fetch 8 2000 POST \(server.url("/f").text)\n\n{\"x\":2}\n\ny")
    #expect(relay.hear() == "answer 8 200 whole\n\n{\"a\":1}\nb")
    #expect(server.requests[1].head.hasPrefix("POST /f"))
    #expect(server.requests[1].body == Array("{\"x\":2}\n\ny".utf8))
    #expect(server.requests[1].header("Content-Type") == "application/json")
    // The connection is used again.
    #expect(server.connections == 1)
    #expect(relay.leave())
  }

  @Test func `it says who asks, and posts forms, as it is told`() {
    let server = StubServer(always: .status(200))
    defer { server.stop() }
    relay.say("fetch 1 2000 POST \(server.url("/c").text)\nbasic AC1 to:k-n\nform\n\na=%3C&b=c")
    #expect(relay.hear() == "answer 1 200 whole\n\n")
    let request = server.requests[0]
    #expect(request.header("Authorization") == "Basic QUMxOnRvOmstbg==")
    #expect(request.header("Content-Type") == "application/x-www-form-urlencoded")
    #expect(request.body == Array("a=%3C&b=c".utf8))
  }

  @Test func `it signs as Standard Webhooks say`() throws {
    let server = StubServer(always: .status(200))
    defer { server.stop() }
    let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    relay.say("fetch 1 2000 POST \(server.url().text)\nsign msg_1 \(secret)\n\n{}")
    #expect(relay.hear() == "answer 1 200 whole\n\n")
    let request = server.requests[0]
    let timestamp = try #require(request.header("webhook-timestamp").flatMap(Int64.init))
    #expect(abs(timestamp - Int64(Date().timeIntervalSince1970)) < 60)
    #expect(request.header("webhook-id") == "msg_1")
    #expect(
      request.header("webhook-signature")
        == WebhookSignature.header(
          id: "msg_1", timestamp: timestamp, body: Array("{}".utf8),
          secrets: [try WebhookSecret(secret)]))
  }

  @Test func `something is said of each request, whatever a server does`() {
    let server = StubServer { _, request in
      if request.head.contains("/hang") { return .hang }
      if request.head.contains("/reset") { return .reset }
      if request.head.contains("/half") {
        return .bytes(Array("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc".utf8))
      }
      if request.head.contains("/to") {
        return .status(302, headers: ["Location: http://127.0.0.1:1/"])
      }
      return .status(200, body: String(repeating: "x", count: 10 << 20))
    }
    defer { server.stop() }
    func ask(_ path: String, within milliseconds: Int = 300) -> String {
      relay.say("fetch 3 \(milliseconds) GET \(server.url(path).text)\n\n")
      return relay.hear()
    }
    #expect(ask("/hang") == "failed 3 late\n")
    #expect(ask("/reset", within: 9000) == "failed 3 broken\n")
    #expect(ask("/half", within: 9000) == "failed 3 broken\n")
    #expect(ask("/to", within: 9000) == "answer 3 302 whole\n\n")
    let long = ask("/long", within: 9000)
    #expect(long.hasPrefix("answer 3 200 cut\n\nxxx"))
    #expect(long.utf8.count <= Fetcher.messageBytesMax)
    relay.say("fetch 4 9000 GET http://127.0.0.1:1/\n\n")
    #expect(relay.hear() == "failed 4 no_route\n")
    relay.say("fetch 5 300 GET ftp://127.0.0.1/\n\n")
    #expect(relay.hear() == "failed 5 unsendable\n")
    relay.say("fetch 6 9000 GET http://no-such-host.invalid/\n\n")
    #expect(relay.hear() == "failed 6 no_name\n")
  }

  @Test func `what it does not understand, and what nobody wants any more, is left`() {
    let server = StubServer { _, request in
      request.head.contains("/hang") ? .hang : .status(204)
    }
    defer { server.stop() }
    relay.say("fetch 1 5000 GET \(server.url("/hang").text)\n\n")
    relay.say("cancel 1\n\n")
    for text in ["sing 9\n\n", "fetch\n\n", "fetch x y z u\n\n", "\n\n", "cancel 77\n\n"] {
      relay.say(text)
    }
    relay.say("fetch 2 5000 GET \(server.url("/well").text)\n\n")
    #expect(relay.hear() == "answer 2 204 whole\n\n")
    #expect(relay.leave())
  }

  @Test func `a thousand requests of a relay that reads slowly are all answered, once`() {
    let server = StubServer(always: .status(200, body: String(repeating: "y", count: 20_000)))
    defer { server.stop() }
    var heard: [String: Int] = [:]
    for number in 0..<1000 {
      relay.say("fetch \(number) 20000 GET \(server.url().text)\n\n")
      if number >= 200 {
        let words = relay.hear().prefix(30).split(separator: " ")
        heard[String(words[1]), default: 0] += 1
      }
    }
    for _ in 0..<200 {
      let words = relay.hear().prefix(30).split(separator: " ")
      heard[String(words[1]), default: 0] += 1
    }
    #expect(heard.count == 1000 && heard.values.allSatisfy { $0 == 1 })
    #expect(relay.leave())
  }
}
