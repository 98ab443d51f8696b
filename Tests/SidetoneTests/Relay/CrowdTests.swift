// Strangers who show nothing: silent, half a request, slow, from one address, one network or many.
// Whoever comes is let in, whoever is displaced is told, and who has proven itself stays.

import TestSupport
import Testing

@testable import Sidetone

struct CrowdTests {
  /// What holds a place without proof.
  enum Idle: CaseIterable {
    case silent, halfHead, halfBody

    var bytes: String {
      switch self {
      case .silent: ""
      case .halfHead: "GET /media HTTP/1.1\r\nHost: 127.0.0.1\r\nX: "
      case .halfBody:
        "POST /voice HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 40\r\n\r\nCallSid="
      }
    }
  }

  private static func rig(_ change: (inout Config) -> Void = { _ in }) -> Rig {
    Rig {
      $0.limits.otherLinksMax = 128
      $0.limits.callsPerSecondPerAddress = Limits().callsPerSecondPerAddress
      $0.addVoice()
      change(&$0)
    }
  }

  static func address(_ number: Int) -> Address {
    Address(ipv4: 0xcb00_7100 &+ UInt32(number), port: 40_000)
  }

  private func come(_ rig: Rig, from address: Address, as idle: Idle = .silent) throws -> SlotID {
    let link = try #require(rig.accept(from: address))
    if !idle.bytes.isEmpty { rig.feed(idle.bytes, on: link) }
    return link
  }

  private func text(_ rig: Rig, _ link: SlotID) -> String {
    String(decoding: rig.taken(from: link), as: UTF8.self)
  }

  private func expectHealthy(_ rig: Rig, from address: Address = .here) throws {
    let link = try #require(rig.accept(from: address))
    rig.feed("GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", on: link)
    #expect(text(rig, link).hasPrefix("HTTP/1.1 200 "))
  }

  @Test(arguments: Idle.allCases)
  func `at the cap the oldest gives way to the newcomer, and is told`(idle: Idle) throws {
    let rig = Self.rig()
    let first = try come(rig, from: Self.address(0), as: idle)
    let second = try come(rig, from: Self.address(1), as: idle)
    for number in 2..<128 { _ = try come(rig, from: Self.address(number), as: idle) }
    #expect(!rig.isGone(first))
    try expectHealthy(rig)
    #expect(rig.isGone(first) && !rig.isGone(second))
    let answer = text(rig, first)
    #expect(answer.hasPrefix("HTTP/1.1 503 ") && answer.contains("Retry-After: 1\r\n"))
    #expect(answer.contains("crowded") && answer.contains("SIDETONE_LIMITS_OTHER_LINKS_MAX"))
    #expect(rig.relay.totals.guestsDisplaced == 1 && rig.relay.totals.linksRefused == 0)
    #expect(rig.log.filter { $0.contains("limits.other_links_max") }.count == 1)
  }

  @Test(arguments: Idle.allCases)
  func `in a flood everybody who shows something is served`(idle: Idle) throws {
    let rig = Self.rig()
    let caller = try #require(rig.open("/ws/transcribe"))
    for number in 0..<2000 {
      _ = try come(rig, from: Self.address(number % 700), as: idle)
      if number % 100 == 0 {
        try expectHealthy(rig)
        try expectHealthy(rig, from: Self.address(number % 700))
      }
      if number == 1000 { #expect(rig.open("/ws/transcribe") != nil) }
      if number % 50 == 0 { rig.advance(milliseconds: 10) }
    }
    #expect(!rig.isGone(caller) && rig.relay.callsInUse == 2)
    #expect(rig.relay.totals.linksRefused == 0)
    // A line for the first, ten a second at most for the others.
    #expect(rig.log.filter { $0.contains("crowded") }.count <= 20)
  }

  @Test func `at the cap of calls strangers hold up no page`() throws {
    let rig = Self.rig { $0.limits.callsMax = 2 }
    for _ in 0..<2 { _ = try #require(rig.open("/ws/transcribe")) }
    for number in 0..<300 { _ = try come(rig, from: Self.address(number)) }
    for page in ["health", "metrics", "ready"] {
      let link = try #require(rig.accept())
      rig.feed("GET /\(page) HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", on: link)
      #expect(text(rig, link).hasPrefix("HTTP/1.1 \(page == "ready" ? 503 : 200) "))
    }
    // And the one who calls is told.
    let link = try #require(rig.accept())
    rig.feed(Frames.handshake("/ws/transcribe"), on: link)
    #expect(text(rig, link).hasPrefix("HTTP/1.1 503 "))
  }

  @Test func `an address that has its share gives way among its own`() throws {
    let rig = Self.rig()
    let other = try come(rig, from: Self.address(1))
    let first = try come(rig, from: Self.address(2))
    for _ in 1..<32 { _ = try come(rig, from: Self.address(2)) }
    #expect(!rig.isGone(first))
    _ = try come(rig, from: Self.address(2))
    #expect(rig.isGone(first) && !rig.isGone(other))
    #expect(text(rig, first).contains("limits.unproven_per_address_max"))
  }

  @Test func `a network of IPv6 is one address`() throws {
    let rig = Self.rig()
    let first = try come(rig, from: Address(high: 0x2001_0db8_0000_0001, low: 1, port: 1))
    for number in 2...33 {
      _ = try come(rig, from: Address(high: 0x2001_0db8_0000_0001, low: UInt64(number), port: 1))
    }
    #expect(rig.isGone(first))
    _ = try come(rig, from: Address(high: 0x2001_0db8_0000_0002, low: 1, port: 1))
    #expect(rig.relay.totals.guestsDisplaced == 1)
  }

  @Test(arguments: [true, false])
  func `a balancer and a raised bound have no such share`(isTrusted: Bool) throws {
    let rig = Self.rig {
      if isTrusted {
        $0.trustedProxies = [AddressRange(network: Self.address(0), prefixBits: 120)]
      } else {
        $0.limits.handshakesPerAddressMax = 100
      }
    }
    for _ in 0..<100 { _ = try come(rig, from: Self.address(5)) }
    #expect(rig.relay.totals.guestsDisplaced == 0)
  }

  @Test func `the first byte has two seconds, the rest has its time however slowly it comes`()
    throws
  {
    let rig = Self.rig()
    let silent = try come(rig, from: Self.address(0))
    let slow = try come(rig, from: Self.address(1))
    rig.feed("G", on: slow)
    rig.advance(milliseconds: 1900)
    #expect(!rig.isGone(silent))
    rig.advance(milliseconds: 200)
    let answer = text(rig, silent)
    #expect(rig.isGone(silent) && answer.hasPrefix("HTTP/1.1 408 "))
    #expect(answer.contains("limits.first_byte_seconds"))
    for byte in "ET /health" {
      rig.advance(milliseconds: 950)
      #expect(!rig.isGone(slow))
      rig.feed(String(byte), on: slow)
    }
    rig.advance(milliseconds: 1000)
    #expect(rig.isGone(slow) && text(rig, slow).contains("limits.handshake_seconds"))
    #expect(rig.relay.missing == [])
  }

  @Test func `a TLS handshake under way gives way as well, and one that is done may ask`() throws {
    let rig = Self.rig { $0.listeners[0].certificate = "chain.pem" }
    let first = try come(rig, from: Self.address(0))
    for number in 1...128 { _ = try come(rig, from: Self.address(number)) }
    // In the middle of a handshake nothing can be said.
    #expect(rig.closed.contains(first) && rig.taken(from: first).isEmpty)
    #expect(rig.log.contains { $0.contains("crowded") })
    let link = try come(rig, from: .here)
    rig.connected(link)
    rig.feed("GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", on: link)
    #expect(text(rig, link).hasPrefix("HTTP/1.1 200 "))
  }

  @Test func `operators have a listener of their own`() throws {
    let rig = Self.rig {
      var listener = Config.Listener()
      listener.port = 9090
      listener.isForOperators = true
      $0.listeners.append(listener)
    }
    func ask(_ path: String, on listener: Int) throws -> String {
      let link = try #require(rig.accept(from: .here, on: listener))
      rig.feed("GET \(path) HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", on: link)
      return text(rig, link)
    }
    for number in 0..<300 { _ = try come(rig, from: Self.address(number)) }
    for _ in 0..<20 { _ = rig.accept(from: .here, on: 1) }
    for path in ["/health", "/ready", "/stats", "/metrics"] {
      #expect(try ask(path, on: 1).hasPrefix("HTTP/1.1 200 "))
    }
    for path in ["/media", "/voice"] { #expect(try ask(path, on: 1).hasPrefix("HTTP/1.1 404 ")) }
    for path in ["/stats", "/metrics"] {
      let answer = try ask(path, on: 0)
      #expect(answer.hasPrefix("HTTP/1.1 404 ") && answer.contains("listen.operators"))
    }
    #expect(try ask("/health", on: 0).hasPrefix("HTTP/1.1 200 "))
  }

  @Test func `everybody comes home`() throws {
    let rig = Self.rig()
    for number in 0..<500 {
      let idle = Idle.allCases[number % 3]
      let link = try come(rig, from: Self.address(number % 90), as: idle)
      if number % 7 == 0 { rig.fail(link) }
      if number % 11 == 0 { rig.end(link) }
    }
    rig.advance(milliseconds: 20_000)
    #expect(rig.relay.missing == [] && rig.relay.turn.guests.count == 0)
  }
}

extension Config {
  fileprivate mutating func addVoice() {
    var voice = Config.Route()
    voice.path = "/voice"
    voice.kind = .voice
    voice.stream = "/media"
    routes.append(voice)
  }
}
