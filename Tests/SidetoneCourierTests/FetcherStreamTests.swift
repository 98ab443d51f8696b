// Answers that are wanted while they come: pieces in their order, one end, and a server that has to
// wait for a relay that does not read.

import Foundation
import Sidetone
import Testing

@testable import SidetoneCourier

@Suite(.enabled(if: HTTPClient.missing() == nil)) struct FetcherStreamTests {
  private let relay: Asker

  init() throws { relay = try Asker() }

  private static let events = (0..<40).map { "data: {\"n\":\($0)}\r\n\r\n" }.joined()
  private static let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"

  private func ask(_ server: StubServer, _ id: Int = 1, within milliseconds: Int = 9000) {
    relay.say("fetch \(id) \(milliseconds) POST \(server.url("/v1/c").text)\nstream\n\n{}")
  }

  /// What comes until its end: how many pieces, all of the body, the end's line; and what was said
  /// of others meanwhile.
  private func hearAll(
    of id: Int = 1
  ) -> (pieces: Int, body: String, end: String, others: [String]) {
    var (pieces, body, others) = (0, [UInt8](), [String]())
    while true {
      let message = relay.hearBytes()
      #expect(message.count <= Fetcher.messageBytesMax)
      let end = message.firstIndex(of: 0x0a) ?? message.count
      let line = String(decoding: message[..<end], as: UTF8.self)
      // Behind the empty line.
      let rest = message.dropFirst(end + 2)
      if line == "piece \(id)" {
        #expect(!rest.isEmpty, "a piece is never empty")
        pieces += 1
        body += rest
      } else if line.isEmpty || line.split(separator: " ")[1] == "\(id)" {
        return (pieces, String(decoding: body + rest, as: UTF8.self), line, others)
      } else {
        others.append(line)
      }
    }
  }

  @Test func `pieces come as the server sends them, and their order is kept`() {
    let parts = stride(from: 0, to: Self.events.utf8.count, by: 97).map {
      Array(Array(Self.events.utf8)[$0..<min($0 + 97, Self.events.utf8.count)])
    }
    let server = StubServer(
      always: .pieces([Array((Self.head + "\r\n").utf8)] + parts, milliseconds: 10))
    defer { server.stop() }
    ask(server)
    let all = hearAll()
    #expect(all.body == Self.events)
    #expect(all.end == "answer 1 200 whole")
    #expect(all.pieces > parts.count / 2, "\(all.pieces) of \(parts.count)")
    #expect(server.requests[0].header("Accept") == "text/event-stream")
    #expect(relay.leave())
  }

  @Test func `one byte at a time`() {
    let body = "data: a\n\ndata: b\n\n"
    let server = StubServer(always: .slowly(Array((Self.head + "\r\n" + body).utf8)))
    // It ends only with its connection, which stays: the time that it has is over first.
    defer { server.stop() }
    ask(server, within: 5000)
    let all = hearAll()
    #expect(all.body == body && all.end == "failed 1 late")
    #expect(all.pieces > 5)
  }

  @Test func `a stream that breaks off brings what came, and then says so, once`() {
    let body = "data: {\"choices\":[{\"del"
    let server = StubServer(
      always: .bytes(Array((Self.head + "Content-Length: 900\r\n\r\n" + body).utf8)))
    defer { server.stop() }
    ask(server)
    let all = hearAll()
    #expect(all.body == body && all.end == "failed 1 broken")
    relay.say("fetch 2 5000 GET ftp://127.0.0.1/\n\n")
    #expect(relay.hear() == "failed 2 unsendable\n", "nothing more was said of the first")
  }

  @Test func `an answer that is a refusal comes whole`() {
    let body = "{\"error\":{\"message\":\"slow down\",\"code\":429}}"
    let server = StubServer(always: .status(429, headers: ["Retry-After: 3"], body: body))
    defer { server.stop() }
    ask(server)
    #expect(relay.hear() == "answer 1 429 whole\n\n" + body)
  }

  @Test func `a refusal of any length is cut`() {
    let server = StubServer(always: .status(500, body: String(repeating: "x", count: 10 << 20)))
    defer { server.stop() }
    ask(server)
    let message = relay.hear()
    #expect(message.hasPrefix("answer 1 500 cut\n\nxxx"))
    #expect(message.utf8.count <= Fetcher.pieceBytesMax + 40)
  }

  @Test func `ten megabytes are cut where a stream is too long`() {
    let server = StubServer(always: .status(200, body: String(repeating: "x", count: 10 << 20)))
    defer { server.stop() }
    ask(server, within: 30_000)
    let all = hearAll()
    #expect(all.body.utf8.count == Fetcher.streamBytesMax && all.end == "answer 1 200 cut")
  }

  @Test func `a stream without an end has its time`() {
    let head = Self.head + "Transfer-Encoding: chunked\r\n\r\n"
    let server = StubServer { _, _ in
      .pieces([Array((head + "5\r\n: ok\n\r\n").utf8)], milliseconds: 20_000)
    }
    defer { server.stop() }
    ask(server, within: 700)
    let all = hearAll()
    #expect(all.body == ": ok\n" && all.end == "failed 1 late")
  }

  @Test func `a relay that does not read has the server wait, and others are not kept`() throws {
    let server = StubServer { _, request in
      request.head.contains("/v1/c")
        ? .endlessly(
          Array(String(repeating: "y", count: 8192).utf8), head: Array((Self.head + "\r\n").utf8))
        : .status(204)
    }
    defer { server.stop() }
    ask(server, within: 20_000)
    Thread.sleep(forTimeInterval: 0.5)
    let before = server.bytesTaken
    Thread.sleep(forTimeInterval: 0.5)
    #expect(server.bytesTaken == before, "it waits")
    #expect(before < 16 << 20)
    // What is asked meanwhile is answered, in its turn.
    relay.say("fetch 2 9000 GET \(server.url("/well").text)\n\n")
    let all = hearAll()
    #expect(all.end == "answer 1 200 cut" && all.body.utf8.count == Fetcher.streamBytesMax)
    #expect(all.others == ["answer 2 204 whole"])
    #expect(relay.leave())
  }

  @Test func `a stream that nobody wants any more is ended`() throws {
    let server = StubServer(
      always: .endlessly(
        Array(": keep\n\n".utf8), head: Array((Self.head + "\r\n").utf8)))
    defer { server.stop() }
    ask(server, within: 20_000)
    #expect(relay.hear().hasPrefix("piece 1\n"))
    relay.say("cancel 1\n\n")
    relay.say("fetch 2 5000 GET ftp://127.0.0.1/\n\n")
    // What was said before it was read.
    var last = relay.hear()
    for _ in 0..<2000 where last.hasPrefix("piece 1\n") { last = relay.hear() }
    #expect(last == "failed 2 unsendable\n")
    #expect(relay.hear(seconds: 1) == "", "and nothing more")
    #expect(relay.leave())
  }

  @Test func `many streams at once each have their own pieces, and one end`() {
    let server = StubServer { number, _ in
      let body = String(repeating: "\(number % 10)", count: 300)
      return .pieces(
        [Array((Self.head + "Content-Length: 600\r\n\r\n" + body).utf8), Array(body.utf8)],
        milliseconds: 30)
    }
    defer { server.stop() }
    for id in 1...50 { ask(server, id) }
    var bodies: [Int: String] = [:]
    var ends: [Int: Int] = [:]
    while ends.count < 50 {
      let message = relay.hear()
      let words = message.prefix { $0 != "\n" }.split(separator: " ")
      guard words.count >= 2, let id = Int(words[1]) else { break }
      let rest = message.drop { $0 != "\n" }.dropFirst(2)
      bodies[id, default: ""] += rest
      if words[0] == "answer" { ends[id, default: 0] += 1 }
    }
    #expect(ends.count == 50 && ends.values.allSatisfy { $0 == 1 })
    #expect(bodies.values.allSatisfy { $0.count == 600 && Set($0).count == 1 })
  }
}
