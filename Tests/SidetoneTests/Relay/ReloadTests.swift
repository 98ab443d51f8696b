// Settings that are read anew while calls run: a call keeps what it began with, the next one has
// what counts by then.

import TestSupport
import Testing

@testable import Sidetone

extension Rig {
  /// These settings count from now on; answers what was made of them.
  @discardableResult func reload(_ change: (inout Config) -> Void) throws -> Successor {
    var wanted = relay.config
    wanted.routes.removeAll(where: \.isRetired)
    wanted.upstreams.removeAll(where: \.isRetired)
    change(&wanted)
    let next = try #require(relay.inForce.successor(wanted))
    relay.follow(next, at: now)
    perform()
    return next
  }

  /// What the upstream that was dialled last is asked.
  fileprivate func request() throws -> String {
    let link = try #require(dialled.last)
    connected(link)
    return String(decoding: taken(from: link), as: UTF8.self)
  }

  fileprivate func answer(to target: String, _ lines: String = "") throws -> String {
    let link = try #require(accept())
    feed("GET \(target) HTTP/1.1\r\nHost: 127.0.0.1\r\n\(lines)\r\n", on: link)
    return String(decoding: taken(from: link), as: UTF8.self)
  }

  fileprivate func expectAllHome(_ place: SourceLocation = #_sourceLocation) {
    relay.stop(at: now)
    perform()
    advance(milliseconds: 200_000)
    #expect(relay.callsInUse == 0 && relay.missing == [], sourceLocation: place)
  }
}

struct ReloadTests {
  @Test func `a running call keeps its key, also when it dials again`() throws {
    let rig = Rig()
    let caller = try #require(rig.open("/ws/transcribe"))
    let first = try #require(rig.dialled.last)
    #expect(try rig.request().contains("Authorization: Token test\r\n"))
    try rig.reload { $0.upstreams[0].key = "fresh" }
    rig.fail(first)
    rig.advance(milliseconds: 3000)
    #expect(rig.dialled.count == 2)
    #expect(try rig.request().contains("Authorization: Token test\r\n"))
    _ = try #require(rig.open("/ws/transcribe"))
    #expect(try rig.request().contains("Authorization: Token fresh\r\n"))
    #expect(!rig.isGone(caller))
    rig.expectAllHome()
  }

  @Test func `a route that is gone serves its calls to their end, and nobody else`() throws {
    let rig = Rig()
    let caller = try #require(rig.open("/echo"))
    rig.feed(Frames.frame(.binary, [1, 2, 3], isMasked: true), on: caller)
    _ = rig.taken(from: caller)
    try rig.reload { config in
      config.routes.removeAll { $0.path == "/echo" }
      config.addRoute("/other", [], to: "echo")
    }
    #expect(rig.open("/echo") == nil && rig.open("/other") != nil)
    #expect(try rig.answer(to: "/echo").contains("/other"))
    #expect(try !rig.answer(to: "/nothing").contains("/echo"))
    rig.feed(Frames.frame(.binary, [4, 5, 6], isMasked: true), on: caller)
    #expect(rig.messages(from: caller, isCaller: true).count == 1)
    rig.expectAllHome()
  }

  @Test func `what is the same keeps its place, and a place is used again when it is free`() throws
  {
    let rig = Rig()
    let caller = try #require(rig.open("/ws/transcribe"))
    let places = rig.relay.config.upstreams.count
    let next = try rig.reload { $0.upstreams[0].key = "second" }
    #expect(next.keepsUpstream == [true, true, true, false])
    #expect(rig.relay.config.upstreams.map(\.isRetired) == [true, false, false, false])
    // The call still has the first; the second has nobody.
    try rig.reload { $0.upstreams[2].key = "third" }
    try rig.reload { $0.upstreams[2].key = "fourth" }
    #expect(rig.relay.config.upstreams.count == places + 2)
    rig.end(caller)
    rig.advance(milliseconds: 60_000)
    #expect(rig.relay.callsInUse == 0)
    for number in 5..<20 { try rig.reload { $0.upstreams[2].key = "\(number)" } }
    #expect(rig.relay.config.upstreams.count == places + 2)
    rig.expectAllHome()
  }

  @Test func `keys and doors count for whoever comes next`() throws {
    let rig = Rig { $0.keyDigests = [keyDigest("old")] }
    #expect(try rig.answer(to: "/stats", "Authorization: Bearer old\r\n").contains("200 OK"))
    try rig.reload { $0.keyDigests = [keyDigest("new")] }
    #expect(try rig.answer(to: "/stats", "Authorization: Bearer old\r\n").contains("401"))
    #expect(try rig.answer(to: "/stats", "Authorization: Bearer new\r\n").contains("200 OK"))
    try rig.reload { $0.keyDigests = [] }
    #expect(try rig.answer(to: "/stats").contains("200 OK"))
  }

  @Test func `sessions of an upstream are counted over the change of its key`() throws {
    let rig = Rig { $0.upstreams[0].sessionsMax = 1 }
    let caller = try #require(rig.open("/ws/transcribe"))
    try rig.reload { $0.upstreams[0].key = "fresh" }
    #expect(rig.open("/ws/transcribe") == nil)
    rig.end(caller)
    rig.advance(milliseconds: 60_000)
    #expect(rig.open("/ws/transcribe") != nil)
    rig.expectAllHome()
  }

  @Test func `a token that a webhook gave before opens the call after`() throws {
    for isChanged in [true, false] {
      let rig = Talk.announcingRig()
      let token = try #require(try rig.announce(""))
      let model = try #require(rig.answerDial())
      rig.answer(Talk.ready("openai"), on: model)
      try rig.reload { if isChanged { $0.upstreams[2].key = "fresh" } }
      let before = rig.dialled.count
      _ = try rig.talk(with: #""token":"\#(token)""#)
      // The session that was dialled ahead is the call's.
      #expect(rig.dialled.count == before && rig.relay.callsInUse == 1)
      rig.expectAllHome()
    }
  }

  @Test func `a caller who has not said who it is goes on by the route on which it came`() throws {
    let rig = Talk.announcingRig()
    let token = try #require(try rig.announce(""))
    let caller = try #require(rig.open("/talk"))
    try rig.reload { $0.upstreams[2].key = "fresh" }
    rig.say(
      Talk.starts["twilio"]!.replacing(
        #""tracks""#, with: #""customParameters":{"token":"\#(token)"},"tracks""#), on: caller)
    #expect(!rig.isGone(caller) && rig.relay.callsInUse == 1)
    rig.expectAllHome()
  }

  @Test func `how long a call may last is settled when it begins`() throws {
    let rig = Rig { $0.limits.callSecondsMax = 100 }
    let old = try #require(rig.open("/echo"))
    try rig.reload { $0.limits.callSecondsMax = 10 }
    let young = try #require(rig.open("/echo"))
    func live(_ seconds: Int) {
      for _ in 0..<seconds {
        for caller in [old, young] where !rig.isGone(caller) {
          rig.feed(Frames.frame(.binary, [1, 2], isMasked: true), on: caller)
        }
        rig.advance(milliseconds: 1000)
      }
    }
    live(20)
    #expect(rig.isGone(young) && !rig.isGone(old))
    live(90)
    #expect(rig.isGone(old))
    rig.expectAllHome()
  }

  @Test func `sizes that were taken at start stay, whatever is wanted`() throws {
    let rig = Rig()
    let next = try rig.reload {
      $0.limits.callsMax = 1
      $0.limits.twoWayCallsMax = 9
      $0.upstreams[2].key = "test"
    }
    #expect(rig.relay.config.limits.callsMax == 4)
    #expect(next.shortfalls.count == 1 && next.shortfalls[0].contains("restart"))
    #expect(rig.open("/talk") == nil && rig.open("/echo") != nil)
    rig.expectAllHome()
  }

  @Test func `calls cannot keep more of earlier settings than is borne`() throws {
    var config = Config.small(callsMax: 400)
    config.addUpstream("echo")
    let rig = Rig(config: config)
    var refused = 0
    for number in 0..<300 {
      var wanted = config
      wanted.addRoute("/\(number)", [], to: "echo")
      guard let next = rig.relay.inForce.successor(wanted) else {
        refused += 1
        continue
      }
      rig.relay.follow(next, at: rig.now)
      _ = try #require(rig.open("/\(number)"))
    }
    // The one in force is not counted.
    #expect(rig.relay.callsInUse == InForce.heldMax + 1 && refused == 299 - InForce.heldMax)
    rig.expectAllHome()
  }

  @Test func `reloads are counted`() throws {
    let rig = Rig()
    try rig.reload { _ in }
    rig.relay.reloadRefused()
    rig.relay.reloadRefused()
    let metrics = try rig.answer(to: "/metrics")
    #expect(metrics.contains("sidetone_reloads_total 1\n"))
    #expect(metrics.contains("sidetone_reloads_refused_total 2\n"))
  }
}

/// SHA-256 of an API key.
private func keyDigest(_ key: String) -> [UInt8] {
  Bytes.withTemporary(Digest.sha256Bytes) { digest in
    Array(key.utf8).withBytes { Digest.sha256($0, into: digest) }
    return digest.array
  }
}
