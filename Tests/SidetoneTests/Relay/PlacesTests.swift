// Places with a voice model: a caller whom a webhook announced has its own, a session that was
// dialled for nobody gives way, and who shows no token holds none.

import TestSupport
import Testing

@testable import Sidetone

struct PlacesTests {
  private static func rig(
    places: Int = 4, calls: Int = 16, _ change: (inout Config) -> Void = { _ in }
  ) -> Rig {
    Talk.announcingRig {
      $0.limits.callsMax = calls
      $0.limits.twoWayCallsMax = places
      change(&$0)
    }
  }

  /// The same, for everybody who proves something.
  private static func guarded(
    places: Int = 4, calls: Int = 16, _ change: (inout Config) -> Void = { _ in }
  ) -> Rig {
    rig(places: places, calls: calls) {
      $0.limits.otherLinksMax = 128
      $0.limits.callsPerSecondPerAddress = Limits().callsPerSecondPerAddress
      $0.publicURL = "https://relay.example.com"
      // Telnyx signs webhooks only: its sockets owe their token.
      $0.telnyxKeys = [telnyxKey()]
      $0.routes[3].carriers = ["telnyx"]
      $0.routes[4].secret = "known"
      change(&$0)
    }
  }

  private func token(_ rig: Rig, _ target: String = "/twiml") throws -> String {
    let link = try #require(rig.accept())
    rig.feed("GET \(target) HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", on: link)
    let answer = String(decoding: rig.taken(from: link), as: UTF8.self)
    try #require(answer.hasPrefix("HTTP/1.1 200"))
    return answer.pieces(cutAt: "name=\"token\" value=\"")[1].pieces(cutAt: "\"")[0]
  }

  private func say(_ token: String?, on caller: SlotID, _ rig: Rig, isTelnyx: Bool = false) {
    let member = token.map { #""token":"\#($0)""# } ?? ""
    if isTelnyx {
      rig.say(Talk.telnyxStart("PCMU", 8000, parameters: member), on: caller)
    } else {
      rig.say(
        """
        {"event":"start","streamSid":"MZ1","start":{"streamSid":"MZ1","callSid":"CA1","tracks":\
        ["inbound"],"customParameters":{\(member)},\
        "mediaFormat":{"encoding":"audio/x-mulaw","sampleRate":8000}}}
        """, on: caller)
    }
  }

  private func open(_ rig: Rig, from address: Address) -> SlotID? {
    guard let link = rig.accept(from: address) else { return nil }
    rig.feed(Frames.handshake("/talk"), on: link)
    let head = String(decoding: rig.taken(from: link), as: UTF8.self)
    return head.hasPrefix("HTTP/1.1 101") ? link : nil
  }

  private func expectAllHome(_ rig: Rig) {
    rig.relay.stop(at: rig.now)
    rig.perform()
    rig.advance(milliseconds: 200_000)
    #expect(rig.relay.missing == [] && rig.relay.turn.guests.count == 0)
  }

  @Test(arguments: [(4, 16), (4, 4), (1, 1), (7, 7)], [true, false])
  func `as many announced callers as there are places are all served`(
    bounds: (places: Int, calls: Int), areTogether: Bool
  ) throws {
    let rig = Self.rig(places: bounds.places, calls: bounds.calls)
    let tokens = try (0..<bounds.places).map { _ in try token(rig) }
    // The last quarter is left for those who come.
    #expect(rig.dialled.count == max(bounds.places - bounds.places / 4, 1))
    var callers: [SlotID] = []
    for token in tokens.reversed() {
      let caller = try #require(rig.open("/talk"))
      callers.append(caller)
      if !areTogether { say(token, on: caller, rig) }
    }
    if areTogether {
      for (caller, token) in zip(callers, tokens.reversed()) { say(token, on: caller, rig) }
    }
    #expect(callers.allSatisfy { !rig.isGone($0) })
    #expect(rig.relay.callsInUse == bounds.places)
    expectAllHome(rig)
  }

  @Test func `a session that was dialled for nobody gives way to a caller who is there`() throws {
    let rig = Self.rig {
      $0.addRoute("/direct", ["twilio"], to: "openai")
    }
    let tokens = try (0..<4).map { _ in try token(rig) }
    #expect(rig.dialled.count == 3)
    var callers: [SlotID] = []
    for _ in 0..<4 {
      let caller = try #require(rig.open("/direct"))
      rig.start(caller)
      callers.append(caller)
    }
    #expect(callers.allSatisfy { !rig.isGone($0) } && rig.relay.callsInUse == 4)
    // All places are taken by callers who talk: the next one is told, and so is one with a token.
    #expect(rig.open("/direct") == nil)
    rig.fail(callers[0])
    rig.advance(milliseconds: 5200)
    let late = try #require(rig.open("/talk"))
    say(tokens[0], on: late, rig)
    #expect(!rig.isGone(late) && rig.relay.callsInUse == 4)
    expectAllHome(rig)
  }

  @Test func `sockets without a token take no place, and have two seconds`() throws {
    let rig = Self.guarded(calls: 300)
    var strangers: [SlotID] = []
    // Fifty a second from five addresses.
    for step in 0..<200 {
      if let stranger = open(rig, from: CrowdTests.address(step % 5)) { strangers.append(stranger) }
      if step % 50 == 0, step < 200 {
        let token = try token(rig, "/twiml/known")
        let caller = try #require(open(rig, from: .elsewhere))
        say(token, on: caller, rig, isTelnyx: true)
        #expect(!rig.isGone(caller))
      }
      rig.advance(milliseconds: 20)
    }
    #expect(strangers.count >= 150 && rig.isGone(strangers[0]))
    #expect(rig.relay.turn.guests.count <= 101)
    #expect(rig.log.contains { $0.contains("no_token") })
    rig.advance(milliseconds: 2100)
    #expect(rig.relay.turn.guests.count == 0 && rig.relay.callsInUse == 4)
    expectAllHome(rig)
  }

  @Test func `more of them than one address may have give way among themselves`() throws {
    let rig = Self.guarded(calls: 100)
    let other = try #require(open(rig, from: CrowdTests.address(1)))
    let strangers = try (0..<40).map { _ in try #require(open(rig, from: CrowdTests.address(2))) }
    #expect(strangers.filter { rig.isGone($0) }.count == 8 && !rig.isGone(other))
    #expect(rig.log.contains { $0.contains("crowded") })
    expectAllHome(rig)
  }

  @Test func `where all calls are taken by sockets without a token the oldest of them goes`() throws
  {
    let rig = Self.guarded(places: 4, calls: 4)
    let strangers = try (0..<4).map { try #require(open(rig, from: CrowdTests.address($0))) }
    let token = try token(rig, "/twiml/known")
    #expect(rig.dialled.isEmpty)
    let caller = try #require(open(rig, from: .elsewhere))
    #expect(rig.isGone(strangers[0]) && !rig.isGone(strangers[1]))
    say(token, on: caller, rig, isTelnyx: true)
    #expect(rig.dialled.count == 1)
    expectAllHome(rig)
  }

  // MARK: Replays

  @Test func `one call has one token, however often its webhook is sent`() throws {
    let rig = Self.guarded()
    let target = "/twiml/known?CallSid=CA7"
    let first = try token(rig, target)
    for _ in 0..<60 { #expect(try token(rig, target) == first) }
    #expect(rig.dialled.count == 1 && rig.relay.tokensInUse == 1)
    let caller = try #require(open(rig, from: .elsewhere))
    say(first, on: caller, rig, isTelnyx: true)
    #expect(!rig.isGone(caller))
    // Behind that, nothing is dialled ahead for the same call for as long as a token lives.
    let again = try token(rig, target)
    #expect(again != first && rig.dialled.count == 1)
    #expect(try token(rig, target) == again)
    #expect(try token(rig, "/twiml/known?CallSid=CA8") != again)
    #expect(rig.dialled.count == 2)
    expectAllHome(rig)
  }

  @Test func `a sealed token is the same each time, opens one socket, and ends with its successor`()
    throws
  {
    let rig = Self.guarded { $0.tokenKey = Array("a secret of sixteen".utf8) }
    let target = "/twiml/known?CallSid=CA7"
    let first = try token(rig, target)
    #expect(first.utf8.count > CallTokens.textBytes)
    for _ in 0..<5 { #expect(try token(rig, target) == first) }
    for isFirst in [true, false] {
      let caller = try #require(open(rig, from: .elsewhere))
      say(first, on: caller, rig, isTelnyx: true)
      #expect(rig.isGone(caller) != isFirst)
    }
    let second = try token(rig, target)
    let third = try token(rig, target + "&voice=verse")
    for (token, isGood) in [(second, false), (third, true)] {
      let caller = try #require(open(rig, from: .elsewhere))
      say(token, on: caller, rig, isTelnyx: true)
      #expect(rig.isGone(caller) != isGood)
    }
    expectAllHome(rig)
  }

  @Test func `a token that would soon end is not given again`() throws {
    let rig = Self.guarded()
    let target = "/twiml/known?CallSid=CA7"
    let first = try token(rig, target)
    rig.advance(milliseconds: 85_000)
    #expect(try token(rig, target) == first)
    rig.advance(milliseconds: 10_000)
    let second = try token(rig, target)
    #expect(second != first && rig.relay.tokensInUse == 1)
    rig.advance(milliseconds: 60_000)
    let caller = try #require(open(rig, from: .elsewhere))
    say(second, on: caller, rig, isTelnyx: true)
    #expect(!rig.isGone(caller))
    expectAllHome(rig)
  }

  @Test func `a call comes back to its webhook some times, and not without end`() throws {
    let rig = Self.guarded(places: 16)
    let target = "/twiml/known?CallSid=CA7"
    for _ in 0..<8 {
      let token = try token(rig, target)
      let caller = try #require(open(rig, from: .elsewhere))
      say(token, on: caller, rig, isTelnyx: true)
      #expect(!rig.isGone(caller))
    }
    let link = try #require(rig.accept())
    rig.feed("GET \(target) HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", on: link)
    let answer = String(decoding: rig.taken(from: link), as: UTF8.self)
    #expect(answer.hasPrefix("HTTP/1.1 429 ") && answer.contains("Retry-After: "))
    #expect(try token(rig, "/twiml/known?CallSid=CA8").isEmpty == false)
    expectAllHome(rig)
  }

  @Test func `what is asked anew for the same call takes the place of what was asked before`()
    throws
  {
    let rig = Self.guarded()
    let first = try token(rig, "/twiml/known?CallSid=CA7")
    let second = try token(rig, "/twiml/known?CallSid=CA7&voice=verse")
    #expect(first != second && rig.relay.tokensInUse == 1 && rig.dialled.count == 2)
    let caller = try #require(open(rig, from: .elsewhere))
    say(first, on: caller, rig, isTelnyx: true)
    #expect(rig.isGone(caller))
    expectAllHome(rig)
  }

  @Test func `who proves nothing gets nobody else's token`() throws {
    let rig = Self.rig { $0.routes[4].isOpen = true }
    #expect(try token(rig, "/twiml?CallSid=CA7") != token(rig, "/twiml?CallSid=CA7"))
    let owner = CallTokens.Owner(call: kept("CA7"), route: 1, as: .signature)
    #expect(owner == CallTokens.Owner(call: kept("CA7"), route: 1, as: .signature))
    #expect(owner != CallTokens.Owner(call: kept("CA7"), route: 2, as: .signature))
    #expect(owner != CallTokens.Owner(call: kept("CA7"), route: 1, as: .key(0)))
    #expect(CallTokens.Owner(call: kept("CA7"), route: 1, as: .anyone) == .unknown)
  }

  @Test func `a carrier's account has a rate of its own`() {
    var limits = Limits()
    limits.webhooksPerSecondPerAccount = 3
    var limiter = RateLimiter(keys: 0, limits: limits, seed: 1)
    func isLimited(_ account: String) -> Bool {
      limiter.take(account: kept(account), at: .zero) != nil
    }
    for _ in 0..<3 { #expect(!isLimited("AC1")) }
    #expect(isLimited("AC1") && !isLimited("AC2"))
    limits.callsPerSecondPerAddress = 1000
    limiter = RateLimiter(keys: 0, limits: limits, seed: 1)
    for _ in 0..<1000 { #expect(!isLimited("AC1")) }
  }
}
