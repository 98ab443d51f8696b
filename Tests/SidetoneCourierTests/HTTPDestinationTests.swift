// Hooks and extraction as the courier drives them, against servers on loopback.

import CLinux
import Foundation
import Glibc
import Sidetone
import Testing

@testable import SidetoneCourier

extension SidetoneCourier.Destination {
  /// Drives it as the loop does until so many events are finished, or ten seconds have passed.
  func run(untilFinished count: Int = 1) -> [Finished] {
    var all: [Finished] = []
    let end = cl_monotonic() + 10_000_000_000
    while all.count < count, cl_monotonic() < end {
      let now = cl_wall() / 1_000_000
      let milliseconds = max(0, min((wakeTime ?? now + 1000) - now, 1000))
      wait(for: awaited[0].descriptor, milliseconds: Int(milliseconds))
      all += advance(at: cl_wall() / 1_000_000)
    }
    return all
  }
}

struct HTTPDestinationTests {
  private var now: Int64 { cl_wall() / 1_000_000 }

  private func hook(_ server: StubServer, totalMilliseconds: Int = 5000) throws
    -> WebhookDestination
  {
    var config = try WebhookConfig(
      HookConfig(
        url: server.url("/secret").text,
        secrets: ["whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="], events: [.final, .ended]))
    config.totalMilliseconds = totalMilliseconds
    return WebhookDestination(
      config, client: try HTTPClient(), random: Random(seed: [1]), at: now)
  }

  @Test func `two hooks at one address are two destinations`() throws {
    var config = CourierConfig(directory: "data")
    let hook = HookConfig(url: "http://127.0.0.1:9/x", secrets: [], events: [.final])
    config.hooks = [hook, HookConfig(url: "http://127.0.0.1:9/y", secrets: [], events: []), hook]
    config.hooks[1].events = [.ended]
    let all = try destinations(config, FileSystem(), at: now)
    #expect(Set(all.map(\.name)).count == 4)
    #expect(Set(all.map(\.shownName)).count == 4)
  }

  @Test func `an event arrives signed and is delivered`() throws {
    let server = StubServer(always: .status(204))
    defer { server.stop() }
    let hook = try hook(server)
    #expect(hook.wants(.final) && !hook.wants(.interim))
    #expect(hook.shownName.hasPrefix("webhook 127.0.0.1:\(server.port) ("))
    #expect(!hook.name.contains("secret") && hook.name.utf8.count == 24)
    hook.begin(event(1), transcript: { .null }, at: now)
    #expect(hook.run() == [Finished(row: 1, verdict: .delivered)])
    let request = try #require(server.requests.first)
    #expect(request.header("webhook-id") == "c-1")
    #expect(request.header("webhook-signature")?.hasPrefix("v1,") ?? false)
    #expect(JSONTree(request.body)?["data"]?["text"] == "words")
  }

  @Test func `a server that fails in every way gets the event in the end`() throws {
    let server = StubServer { number, _ in
      [
        StubServer.Answer.reset, .status(500), .bytes([]),
        .status(429, headers: ["Retry-After: 1"]),
        .hang, .status(302, headers: ["Location: https://elsewhere.test/"]), .status(200),
      ][min(number, 6)]
    }
    defer { server.stop() }
    var verdicts: [Verdict] = []
    // Each attempt by a hook that knows nothing, so that no test waits for a rest.
    while verdicts.last != .delivered, verdicts.count < 10 {
      let hook = try hook(server, totalMilliseconds: 200)
      hook.begin(event(1, attempts: verdicts.count), transcript: { .null }, at: now)
      verdicts += hook.run().map(\.verdict)
    }
    #expect(verdicts.count == 7 && verdicts.last == .delivered)
    #expect(verdicts.dropLast().allSatisfy { $0.time != nil })
    #expect(Set(server.requests.compactMap { $0.header("webhook-id") }) == ["c-1"])
  }

  @Test func `a hook that hangs holds up neither the loop nor another hook`() throws {
    let silent = StubServer(always: .hang)
    let quick = StubServer(always: .status(200))
    defer {
      silent.stop()
      quick.stop()
    }
    let dead = try hook(silent)
    let live = try hook(quick)
    for row: Int64 in 0..<20 {
      let one = event(row, call: "\(row)")
      if dead.room > 0 { dead.begin(one, transcript: { .null }, at: now) }
      live.begin(one, transcript: { .null }, at: now)
      #expect(live.run().first?.verdict == .delivered)
      #expect(dead.advance(at: now).isEmpty)
    }
    #expect(dead.room == 0)
  }

  @Test func `an event for which there is no room goes back and is not lost`() throws {
    let server = StubServer(always: .status(200))
    defer { server.stop() }
    let hook = try hook(server)
    hook.begin(event(1), transcript: { .null }, at: now)
    hook.begin(event(2), transcript: { .null }, at: now)
    let finished = hook.run(untilFinished: 2)
    #expect(finished.first { $0.row == 2 }?.verdict.time != nil)
    #expect(finished.first { $0.row == 1 }?.verdict == .delivered)
  }

  @Test func `410 turns a hook off`() throws {
    let server = StubServer(always: .status(410))
    defer { server.stop() }
    let hook = try hook(server)
    hook.begin(event(1), transcript: { .null }, at: now)
    guard case .off? = hook.run().first?.verdict else {
      Issue.record("it is on")
      return
    }
    #expect(hook.room == 0)
  }

  @Test func `settings that cannot be used are named`() {
    func mistake(_ url: String, _ secrets: [String], _ events: Set<EventKind>) -> String? {
      do throws(CourierMistake) {
        _ = try WebhookConfig(HookConfig(url: url, secrets: secrets, events: events))
        return nil
      } catch {
        return error.sentence
      }
    }
    #expect(mistake("ftp://a.test", [], [.ended])?.hasPrefix("`url` must begin") ?? false)
    #expect(mistake("https://a.test", ["x"], [.ended])?.hasPrefix("`secrets`: number 1") ?? false)
    #expect(mistake("https://a.test", [], [])?.hasPrefix("`events`") ?? false)
    #expect(mistake("https://a.test", [], [.ended]) == nil)
  }

  private func extraction(_ server: StubServer) throws -> ExtractionDestination {
    let endpoint = try ChatEndpoint(url: server.url("").text, model: "m", key: "k")
    let fields = try schema(#"{"properties":{"order":{"type":"integer"}},"required":["order"]}"#)
    let extraction = try Extraction(endpoint, fields, live: [], random: Random(seed: [1]))
    return ExtractionDestination(extraction, client: try HTTPClient(), at: now)
  }

  private func extract(_ server: StubServer) throws -> Finished? {
    let destination = try extraction(server)
    let ended = OutgoingEvent(row: 1, id: "c-1", kind: .ended, call: "c", at: now, body: [])
    let lines = JSONTree.made(["conversation": .list([.made(["text": "order 42"])])])
    destination.begin(ended, transcript: { lines }, at: now)
    return destination.run().first
  }

  @Test func `a server without the format answers in two rounds more and a repair in one`() throws {
    let server = StubServer { number, _ in
      let answers = [
        answer(400, "response_format"), answer(400, "response_format"), chat("Order 42."),
        chat("```json\n{\"order\": 42}\n```"),
      ]
      let one = answers[number].answer
      return .status(one?.status ?? 0, body: String(decoding: one?.body ?? [], as: UTF8.self))
    }
    defer { server.stop() }
    let finished = try #require(try extract(server))
    #expect(finished.verdict == .delivered)
    #expect(finished.extracted?.fields == .made(["order": .number("42")]))
    #expect(server.requests.count == 4)
    let head = try #require(server.requests.first?.head)
    #expect(head.hasPrefix("POST /v1/chat/completions HTTP/1.1"))
    #expect(server.requests[0].header("Authorization") == "Bearer k")
  }

  @Test func `answers that no schema fits end with a sentence`() throws {
    let large = String(repeating: "x", count: 10 << 20)
    for (answer, words) in [
      (.status(200, body: large), "larger than 1 MiB"), (.status(200, body: "prose"), "not JSON"),
      (.status(500), "answered 500"), (.reset, "gave no answer"),
      (.status(307, headers: ["Location: http://localhost:1/"]), "a redirect to"),
    ] as [(StubServer.Answer, String)] {
      let server = StubServer(always: answer)
      defer { server.stop() }
      let reason = try extract(server)?.verdict.reason
      #expect(reason?.contains(words) ?? false, "\(reason ?? "none")")
    }
  }
}

/// Variables of the environment are the whole process's: what they do is looked at in one test.
struct HTTPProxyTests {
  @Test func `a proxy is used for others and never for this machine`() throws {
    let proxy = StubServer(always: .status(200, body: "proxy"))
    let server = StubServer(always: .status(200, body: "server"))
    defer {
      proxy.stop()
      server.stop()
    }
    setenv("http_proxy", "http://127.0.0.1:\(proxy.port)", 1)
    defer { unsetenv("http_proxy") }
    let client = try HTTPClient()
    let far = HTTPRequest(to: try HTTPURL("http://elsewhere.test/x", allowsPlain: true))
    #expect(client.result(of: far)?.answer?.body == Array("proxy".utf8))
    #expect(proxy.requests.first?.head.hasPrefix("POST http://elsewhere.test/x HTTP/1.1") ?? false)
    let near = HTTPRequest(to: server.url())
    #expect(client.result(of: near)?.answer?.body == Array("server".utf8))
  }
}
