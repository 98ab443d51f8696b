// Keys that a LiteLLM proxy knows: who is let in on its word, what others are told, and that
// everybody is told once, whatever the proxy and the process that asks it do.

import Sidetone
import TestSupport
import Testing

struct KeyChecksTests {
  private let rig: Rig

  init() { rig = Self.rig() }

  private static func rig(_ change: (inout Config) -> Void = { _ in }) -> Rig {
    let rig = Rig {
      $0.liteLLM = Config.LiteLLM(url: "http://llm.test:4000")
      change(&$0)
    }
    rig.relay.fetcherStarted()
    return rig
  }

  /// Asks for `/stats` with a key.
  private func ask(_ key: String, from peer: Address = .here) throws -> SlotID {
    let link = try #require(rig.accept(from: peer))
    rig.feed(
      "GET /stats HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer \(key)\r\n\r\n", on: link)
    return link
  }

  private func status(_ link: SlotID) -> String {
    String(
      String(decoding: rig.taken(from: link), as: UTF8.self).dropFirst("HTTP/1.1 ".count).prefix(3))
  }

  private func answer(_ number: Int, _ status: Int, _ body: String) {
    rig.fetcherSays("answer \(number) \(status) whole\n\n\(body)")
  }

  private static let active = #"{"key":"h","info":{"blocked":null,"expires":null,"spend":0.1}}"#

  @Test func `an unknown key is asked about with itself, once, and counts for a minute`() throws {
    let link = try ask("sk-a")
    let second = try ask("sk-a")
    #expect(rig.fetches == ["fetch 1 2000 GET http://llm.test:4000/key/info\nbearer sk-a\n\n"])
    #expect(rig.taken(from: link).isEmpty)
    answer(1, 200, Self.active)
    #expect(status(link) == "200" && status(second) == "200")
    rig.advance(milliseconds: 59_000)
    #expect(status(try ask("sk-a")) == "200")
    #expect(rig.fetches.count == 1)
    rig.advance(milliseconds: 2000)
    let late = try ask("sk-a")
    #expect(rig.fetches.count == 2)
    // The proxy is out, and the key is known no more.
    rig.fetcherSays("failed 2 no_route")
    #expect(status(late) == "503")
    #expect(rig.relay.totals.keysGood == 1 && rig.relay.totals.keysUnjudged == 1)
  }

  @Test(arguments: [
    (200, #"{"info":{"blocked":true}}"#, "403", "blocked_key"),
    (200, #"{"info":{"status":"expired"}}"#, "401", "expired_key"),
    (200, #"{"info":{"status":"revoked"}}"#, "403", "blocked_key"),
    (200, #"{"info":{"status":"deleted"}}"#, "403", "blocked_key"),
    (200, #"{"info":{"spend":10.0,"max_budget":10}}"#, "429", "budget_exceeded"),
    (200, #"{"info":{"spend":9.99,"max_budget":10}}"#, "200", ""),
    (
      200,
      #"{"info":{"spend":1e3,"max_budget":1,"metadata":{"throttle_on_budget_exceeded":true}}}"#,
      "200", ""
    ),
    (200, #"{"info":{"spend":3,"max_budget":null,"status":"active"}}"#, "200", ""),
    (200, #"{"info":[]}"#, "503", "key_unjudged"), (200, "<html>", "503", "key_unjudged"),
    (200, "", "503", "key_unjudged"), (204, "", "503", "key_unjudged"),
    (302, "", "503", "key_unjudged"), (500, "{}", "503", "key_unjudged"),
    (503, #"{"error":{"type":"no_db_connection"}}"#, "503", "key_unjudged"),
    (
      400, #"{"error":{"type":"no_db_connection","message":"No connected db."}}"#, "401",
      "wrong_key"
    ),
    (400, #"{"error":{"type":"budget_exceeded"}}"#, "429", "budget_exceeded"),
    (401, #"{"error":{"type":"expired_key"}}"#, "401", "expired_key"),
    (400, #"{"error":{"type":"expired_key"}}"#, "401", "expired_key"),
    (401, #"{"error":{"type":"token_not_found_in_db"}}"#, "401", "wrong_key"),
    (401, "no json", "401", "wrong_key"),
    (403, #"{"error":{"type":"key_model_access_denied"}}"#, "403", "forbidden_key"),
    (404, #"{"error":{"type":"not_found_error"}}"#, "401", "wrong_key"),
    (404, "nothing here", "503", "key_unjudged"),
    (429, #"{"error":{"type":"budget_exceeded"}}"#, "429", "budget_exceeded"),
  ])
  func `what the proxy says becomes a status and a word`(
    asked: Int, body: String, status: String, code: String
  ) throws {
    let link = try ask("sk-x")
    answer(1, asked, body)
    let text = String(decoding: rig.taken(from: link), as: UTF8.self)
    #expect(text.hasPrefix("HTTP/1.1 \(status)"), "\(text)")
    #expect(code.isEmpty || text.contains("\"code\":\"\(code)\""), "\(text)")
  }

  @Test
  func
    `a refused key hears the proxy's words, without what may be a key, and is asked about again after 5 s`()
    throws
  {
    let hash = String(repeating: "8f", count: 32)
    let link = try ask("sk-x")
    answer(
      1, 401,
      #"{"error":{"message":"Invalid key. Received sk-12345678901234567890abcd, hash \#(hash)\u0007."}}"#
    )
    let text = String(decoding: rig.taken(from: link), as: UTF8.self)
    #expect(text.contains("It says: Invalid key. Received …, hash …"))
    #expect(!text.contains("8f8f") && !text.contains("567890abcd"))
    #expect(!rig.log.contains { $0.contains("8f8f") || $0.contains("sk-x") })
    rig.advance(milliseconds: 4000)
    #expect(status(try ask("sk-x")) == "401")
    #expect(rig.fetches.count == 1)
    rig.advance(milliseconds: 2000)
    _ = try ask("sk-x")
    #expect(rig.fetches.count == 2)
  }

  @Test func `a proxy that is silent, a process that dies, and none at all are a 503`() throws {
    let silent = try ask("sk-a")
    rig.advance(milliseconds: 2400)
    #expect(rig.taken(from: silent).isEmpty)
    rig.advance(milliseconds: 200)
    let text = String(decoding: rig.taken(from: silent), as: UTF8.self)
    #expect(text.hasPrefix("HTTP/1.1 503") && text.contains("Retry-After: 2\r\n"))
    // Its answer comes all the same, for nobody.
    answer(1, 200, Self.active)

    let left = try ask("sk-b")
    rig.loseFetcher()
    #expect(status(left) == "503")
    #expect(status(try ask("sk-c")) == "503")
    #expect(rig.relay.fetchesInUse == 0)
    rig.relay.fetcherStarted()
    let well = try ask("sk-c")
    answer(3, 200, Self.active)
    #expect(status(well) == "200")
    #expect(rig.log.contains { $0.contains("keys_unjudged") && $0.contains("in time") })
  }

  @Test func `who leaves while its key is asked about is not missed`() throws {
    let gone = try ask("sk-a")
    let stays = try ask("sk-a")
    rig.fail(gone)
    answer(1, 200, Self.active)
    #expect(status(stays) == "200")
    #expect(rig.taken(from: gone).isEmpty)
    rig.advance(milliseconds: 10_000)
    #expect(rig.relay.missing.isEmpty, "\(rig.relay.missing)")
  }

  @Test func `what comes behind a request that waits changes nothing`() throws {
    let link = try #require(rig.accept())
    let lines = socket(["Authorization: Bearer sk-a"])
    rig.feed(
      "GET /ws/transcribe HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        + lines.dropFirst().joined(separator: "\r\n")
        + "\r\n\r\n", on: link)
    for _ in 0..<5 { rig.feed([0x82, 0x81, 0, 0, 0, 0, 0x7f], on: link) }
    #expect(rig.fetches.count == 1)
    answer(1, 200, Self.active)
    #expect(status(link) == "101")
    #expect(rig.relay.totals.requests == 1 && rig.relay.callsInUse == 1)
    #expect(rig.relay.totals.frames == 5)
  }

  @Test func `only what may be one of its keys is asked about, and ours never`() throws {
    let rig = Self.rig { $0.allow(key: "sk-master") }
    func ask(_ lines: String) throws -> String {
      let link = try #require(rig.accept())
      rig.feed("GET /stats HTTP/1.1\r\nHost: 127.0.0.1\r\n\(lines)\r\n", on: link)
      return status(link, of: rig)
    }
    #expect(try ask("Authorization: Bearer sk-master\r\n") == "200")
    #expect(try ask("Authorization: Bearer key\r\n") == "401")
    #expect(try ask("Authorization: Bearer sk-\(String(repeating: "a", count: 254))\r\n") == "401")
    #expect(try ask("") == "401")
    #expect(rig.fetches.isEmpty)
    #expect(try ask("Authorization: Bearer other\r\nX-API-Key: sk-b\r\n") == "")
    #expect(rig.fetches.count == 1 && rig.fetches[0].contains("bearer sk-b\n"))
  }

  private func status(_ link: SlotID, of rig: Rig) -> String {
    String(
      String(decoding: rig.taken(from: link), as: UTF8.self).dropFirst("HTTP/1.1 ".count).prefix(3))
  }

  @Test func `guessers run into the bound of their address, and take no more than their share`()
    throws
  {
    let rig = Self.rig {
      $0.limits.callsPerSecondPerAddress = 20
      $0.limits.otherLinksMax = 128
      $0.limits.unprovenPerAddressMax = 128
    }
    var refused = 0
    for number in 0..<100 {
      let link = try #require(rig.accept())
      rig.feed(
        "GET /stats HTTP/1.1\r\nHost: 127.0.0.1\r\nX-API-Key: sk-\(number)\r\n\r\n", on: link)
      if status(link, of: rig) == "429" { refused += 1 }
    }
    #expect(refused == 80 && rig.fetches.count == 20)
  }

  @Test func `no more keys are remembered than there is room for, and good ones go last`() throws {
    let rig = Self.rig { $0.limits.callsPerSecondPerAddress = 1_000_000 }
    var number = 0
    func come(_ key: String, _ answer: String) throws {
      let asked = rig.fetches.count
      let link = try #require(rig.accept())
      rig.feed("GET /stats HTTP/1.1\r\nHost: 127.0.0.1\r\nX-API-Key: \(key)\r\n\r\n", on: link)
      guard rig.fetches.count > asked else { return }
      number += 1
      rig.fetcherSays("answer \(number) \(answer)")
      _ = rig.taken(from: link)
    }
    let good = "200 whole\n\n" + Self.active
    try come("sk-good", good)
    for index in 0..<3000 { try come("sk-\(index)", "401 whole\n\n{}") }
    let before = rig.fetches.count
    try come("sk-good", good)
    #expect(rig.fetches.count == before)
  }

  @Test func `with 0 seconds each call asks`() throws {
    let rig = Self.rig { $0.liteLLM?.cacheSeconds = 0 }
    for number in 1...3 {
      let link = try #require(rig.accept())
      rig.feed("GET /stats HTTP/1.1\r\nHost: 127.0.0.1\r\nX-API-Key: sk-a\r\n\r\n", on: link)
      rig.fetcherSays("answer \(number) 200 whole\n\n" + Self.active)
      #expect(status(link, of: rig) == "200")
      rig.advance(milliseconds: 1)
    }
    #expect(rig.fetches.count == 3)
  }
}
