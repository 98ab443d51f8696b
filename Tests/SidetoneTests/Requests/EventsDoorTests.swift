// Who may hear of calls: those who have a key of operators, or, where there is none, who comes
// straight from this machine; callers never.

import TestSupport
import Testing

@testable import Sidetone

struct EventsDoorTests {
  private func ask(
    _ rig: Rig, _ lines: [String] = [], host: String = "127.0.0.1", method: String = "GET",
    from peer: Address = .here, on listener: Int = 0
  ) throws -> (status: String, body: String) {
    let link = try #require(rig.accept(from: peer, on: listener))
    let head = ["\(method) /events HTTP/1.1", "Host: \(host)"] + lines
    rig.feed(head.joined(separator: "\r\n") + "\r\n\r\n", on: link)
    let answer = String(decoding: rig.taken(from: link), as: UTF8.self)
    rig.fail(link)
    let parts = answer.pieces(cutAt: "\r\n\r\n")
    return (String(answer.dropFirst("HTTP/1.1 ".count).prefix(3)), parts[1])
  }

  @Test func `keys of operators open it, and nothing else does once they are set`() throws {
    let rig = Rig.heard {
      $0.allow(key: "callers")
      $0.allow(operatorKey: "operators")
    }
    #expect(try ask(rig, ["Authorization: Bearer operators"]).status == "200")
    #expect(try ask(rig, ["X-API-Key: operators"], from: .elsewhere).status == "200")
    for (lines, code) in [
      ([], "no_proof"), (["Authorization: Bearer callers"], "wrong_key"),
      (["Authorization: Basic eA=="], "wrong_scheme"),
    ] as [([String], String)] {
      let (status, body) = try ask(rig, lines)
      #expect(status == "401" && body.contains("\"code\":\"\(code)\""), "\(body)")
    }
  }

  @Test func `a web page brings its key among the subprotocols`() throws {
    let rig = Rig.heard { $0.allow(operatorKey: "operators") }
    let offer = socket(["Sec-WebSocket-Protocol: token, operators", "Origin: https://a.example"])
    #expect(try ask(rig, Array(offer.dropFirst())).status == "101")
  }

  @Test func `without keys of operators it is open to this machine only, whatever callers show`()
    throws
  {
    for hasKeys in [false, true] {
      let rig = Rig.heard { if hasKeys { $0.allow(key: "callers") } }
      #expect(try ask(rig).status == "200")
      #expect(try ask(rig, ["Origin: http://127.0.0.1"]).status == "200")
      let key = "Authorization: Bearer callers"
      for (answer, code) in [
        (try ask(rig, [key], from: .elsewhere), "foreign_peer"),
        (try ask(rig, [key], host: "relay.example.com"), "foreign_host"),
        (try ask(rig, [key, "X-Forwarded-For: 1.2.3.4"]), "forwarded"),
        (try ask(rig, [key, "Origin: https://evil.example"]), "foreign_origin"),
      ] {
        #expect(answer.status == "403" && answer.body.contains("\"\(code)\""), "\(answer.body)")
        guard code != "foreign_origin" else { continue }
        #expect(answer.body.contains("SIDETONE_AUTH_OPERATOR_KEYS"), "\(answer.body)")
        #expect(!answer.body.contains("SIDETONE_API_KEYS"), "\(answer.body)")
      }
    }
  }

  @Test func `a listener that others reach tells nobody without such a key`() throws {
    let rig = Rig.heard {
      $0.allow(key: "callers")
      $0.listeners[0].address = "0.0.0.0"
    }
    #expect(try ask(rig).body.contains("foreign_peer"))
    #expect(try ask(rig, ["Authorization: Bearer callers"]).body.contains("foreign_peer"))
  }

  @Test func `the first refusal teaches, whatever the pages were asked before`() throws {
    let rig = Rig.heard()
    let page = try #require(rig.accept())
    rig.feed("GET /stats HTTP/1.1\r\nHost: t.example.com\r\n\r\n", on: page)
    _ = rig.takenLog()
    _ = try ask(rig, host: "t.example.com")
    let log = rig.takenLog().joined()
    #expect(log.contains("WARNING: refused: foreign_host"))
    #expect(log.contains("SIDETONE_AUTH_OPERATOR_KEYS"))
  }

  @Test(arguments: ["HEAD", "POST", "PUT", "DELETE"])
  func `it is asked with GET`(method: String) throws {
    let rig = Rig.heard()
    let link = try #require(rig.accept())
    rig.feed("\(method) /events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", on: link)
    let answer = String(decoding: rig.taken(from: link), as: UTF8.self)
    #expect(answer.hasPrefix("HTTP/1.1 405 ") && answer.contains("\r\nAllow: GET\r\n"))
  }

  @Test func `a socket that is not asked for as one is refused, not streamed to`() throws {
    let rig = Rig.heard()
    let (status, body) = try ask(rig, ["Upgrade: websocket", "Sec-WebSocket-Version: 13"])
    #expect(status == "426" && body.contains("upgrade_required"))
    let old = ["Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 8"]
    #expect(try ask(rig, old).status == "426")
  }

  @Test func `a key in the URL is refused`() throws {
    let rig = Rig.heard { $0.allow(operatorKey: "operators") }
    let link = try #require(rig.accept())
    rig.feed("GET /events?token=operators HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", on: link)
    let answer = String(decoding: rig.taken(from: link), as: UTF8.self)
    #expect(answer.hasPrefix("HTTP/1.1 401 ") && answer.contains("key_in_url"))
  }

  @Test func `where operators have a listener of their own it is served there alone`() throws {
    let rig = Rig.heard {
      var listener = Config.Listener()
      listener.port = 9090
      listener.isForOperators = true
      $0.listeners.append(listener)
    }
    #expect(try ask(rig).status == "404")
    #expect(try ask(rig, on: 1).status == "200")
    // Those who hear hold no place of those who ask.
    for _ in 0..<4 { _ = try Hearing.openElsewhere(rig) }
    #expect(rig.relay.subscribersInUse == 4)
    let page = try #require(rig.accept(from: .here, on: 1))
    rig.feed("GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", on: page)
    #expect(String(decoding: rig.taken(from: page), as: UTF8.self).hasPrefix("HTTP/1.1 200 "))
  }
}

extension Hearing {
  /// One on the operators' listener.
  fileprivate static func openElsewhere(_ rig: Rig) throws -> SlotID {
    let link = try #require(rig.accept(from: .here, on: 1))
    rig.feed("GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", on: link)
    return link
  }
}
