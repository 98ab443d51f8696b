// A whole courier with hooks and extraction: from a journal on the disk to servers on loopback.

import CLinux
import Foundation
import Glibc
import Testing

@testable import SidetoneCourier

struct DeliveryTests {
  private let folder = Folder()

  private static let schemaText = #"""
    {"type":"object","properties":{"order":{"type":"integer"},"name":{"type":"string"}}}
    """#

  private func hook(_ server: StubServer) -> HookConfig {
    HookConfig(
      url: server.url("/hook").text,
      secrets: ["whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="],
      events: Set(EventKind.allCases))
  }

  private func extraction(_ server: StubServer, live: [String] = []) -> ExtractionConfig {
    folder.put(Self.schemaText, "schema.json")
    return ExtractionConfig(
      url: server.url("").text, model: "m", key: "k", schemaFile: "\(folder.path)/schema.json",
      live: live)
  }

  /// A chat endpoint whose model finds the order's number and nothing else.
  private func model() -> StubServer {
    let found = chat(#"{"order":42,"name":null,"reasons":{"name":"nobody said it"}}"#).answer
    let body = String(decoding: found?.body ?? [], as: UTF8.self)
    return StubServer(always: .status(200, body: body))
  }

  private func call() throws {
    try journal(
      folder, [started(), spoken("hello"), spoken("order 42", after: 2000), ended(after: 5000)])
  }

  /// Delivers all that can be delivered; the exit status.
  private func run(_ hooks: [HookConfig], _ extraction: ExtractionConfig? = nil) -> Int32 {
    let config = CourierConfig(directory: folder.path, hooks: hooks, extraction: extraction)
    return runCourier(config, word: nil, once: true)
  }

  private func types(_ server: StubServer) -> [String] {
    server.requests.compactMap { JSONTree($0.body)?["type"]?.string }
  }

  private func callFile() throws -> JSONTree {
    let name = try #require(folder.names("calls").first)
    return try #require(folder.tree("calls/\(name)"))
  }

  @Test func `a hook hears of a call in its order and what was extracted last`() throws {
    let (server, chat) = (StubServer(always: .status(204)), model())
    defer {
      server.stop()
      chat.stop()
    }
    try call()
    #expect(run([hook(server)], extraction(chat)) == 0)
    #expect(
      types(server) == [
        "call.started", "transcript.final", "transcript.final", "call.ended", "call.extracted",
      ])
    let last = try #require(server.requests.last.flatMap { JSONTree($0.body)?["data"] })
    let fields = try tree(#"{"order":42,"name":null}"#)
    #expect(last["extracted"] == fields)
    #expect(last["call_id"] == "TEST-001" && last["final"] == .bool(true))
    #expect(last["reasons"]?["name"] == "nobody said it")
    #expect(try callFile()["extracted"] == fields)
    #expect(Set(server.requests.compactMap { $0.header("webhook-id") }).count == 5)
    let sent = try #require(chat.requests.last.flatMap { JSONTree($0.body) })
    let words = sent["messages"]?.elements.last?["content"]?.string ?? ""
    #expect(words.hasSuffix("caller: hello\ncaller: order 42"))
  }

  @Test func `a dead hook and a dead model hold up neither files nor another hook nor the end`()
    throws
  {
    let (live, dead) = (StubServer(always: .status(200)), StubServer(always: .reset))
    defer {
      live.stop()
      dead.stop()
    }
    try call()
    #expect(run([hook(dead), hook(live)], extraction(dead)) == 1)
    #expect(types(live).count == 4)
    #expect(folder.names("transcripts").count == 1)
    #expect(try callFile()["extracted"] == .null)
  }

  @Test func `what a hook did not take before the end comes after the next start`() throws {
    let isUp = StubServer { number, _ in number == 0 ? .reset : .status(200) }
    defer { isUp.stop() }
    try call()
    #expect(run([hook(isUp)]) == 1)
    // Its first event is due again within a second.
    let end = cl_monotonic() + 5_000_000_000
    while run([hook(isUp)]) != 0, cl_monotonic() < end { usleep(100_000) }
    #expect(
      types(isUp) == [
        "call.started", "call.started", "transcript.final", "transcript.final", "call.ended",
      ])
    let ids = isUp.requests.compactMap { $0.header("webhook-id") }
    #expect(ids[0] == ids[1] && Set(ids).count == 4)
  }

  @Test func `while a call runs, what changed is told once`() throws {
    let (server, chat) = (StubServer(always: .status(204)), model())
    defer {
      server.stop()
      chat.stop()
    }
    let relay = try Relay(
      folder, "1750000000000-1", [started(), spoken("order 42"), spoken("yes", after: 2000)])
    #expect(run([hook(server)], extraction(chat, live: ["order"])) == 0)
    #expect(chat.requests.count == 1)
    relay.write([ended()])
    relay.die()
    #expect(run([hook(server)], extraction(chat, live: ["order"])) == 0)
    let told = server.requests.compactMap { JSONTree($0.body) }
      .filter { $0["type"] == "call.extracted" }.compactMap { $0["data"] }
    #expect(told.map { $0["final"] } == [.bool(false), .bool(true)])
    #expect(told.first?["extracted"] == .made(["order": .number("42")]))
    // One request for both lines, one for the end.
    #expect(chat.requests.count == 2)
  }

  @Test func `mistakes in the settings are all named before anything starts`() throws {
    folder.put("prose", "schema.json")
    var config = CourierConfig(directory: folder.path)
    config.hooks = [
      HookConfig(url: "http://a.test/", secrets: [], events: [.ended]),
      HookConfig(url: "https://a.test/", secrets: [], events: [.ended]),
      HookConfig(url: "https://a.test/", secrets: ["short"], events: [.ended]),
    ]
    config.extraction = ExtractionConfig(
      url: "https://b.test", model: "m", key: "", schemaFile: "\(folder.path)/schema.json",
      live: [])
    let (mistakes, warnings) = config.check()
    #expect(mistakes.count == 3)
    #expect(
      mistakes[0].hasPrefix("webhooks, number 1: `url` would go over the network unencrypted"))
    #expect(mistakes[1].hasPrefix("webhooks, number 3: `secrets`: number 1"))
    #expect(mistakes[2].hasPrefix("extraction: the schema is not JSON"))
    #expect(warnings.count == 1 && warnings[0].hasPrefix("webhooks, number 2: without `secrets`"))
    #expect(runCourier(config, word: nil, once: true) == 1)
    config.extraction?.schemaFile = "\(folder.path)/nowhere.json"
    #expect(config.check().mistakes.last?.contains("nowhere.json, which cannot be read") ?? false)
  }
}
