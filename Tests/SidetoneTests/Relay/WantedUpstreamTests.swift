// Health belongs to an upstream, and is asked once it is known which one is wanted: whose upstream
// does well is served while another one backs off.

import TestSupport
import Testing

@testable import Sidetone

struct WantedUpstreamTests {
  /// `/talk` with two voice models to choose from, `sick` the default, and its webhook.
  private static func rig(_ change: (inout Config) -> Void = { _ in }) -> Rig {
    Talk.announcingRig {
      $0.addUpstream("openai", named: "sick")
      $0.routes[3].bots = [("first", "sick"), ("second", "openai")]
      $0.routes[3].upstream = "sick"
      change(&$0)
    }
  }

  /// The default's key was refused.
  private func sicken(_ rig: Rig) throws {
    _ = try rig.talk(with: "")
    let link = try #require(rig.dialled.last)
    rig.connected(link)
    rig.feed("HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n", on: link)
  }

  private func ask(_ rig: Rig, _ target: String) throws -> String {
    let link = try #require(rig.accept())
    rig.feed("GET \(target) HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", on: link)
    return String(decoding: rig.taken(from: link), as: UTF8.self)
  }

  @Test func `who names a healthy one is served, who wants the sick one is told why`() throws {
    let rig = Self.rig()
    try sicken(rig)
    let dialled = rig.dialled.count
    let served = try rig.talk(with: #""bot_type":"second""#)
    #expect(rig.dialled.count == dialled + 1 && !rig.closed.contains(served))
    let refused = try rig.talk(with: #""bot_type":"first""#)
    #expect(rig.dialled.count == dialled + 1 && rig.closed.contains(refused))
    #expect(rig.log.contains { $0.contains("call_refused") && $0.contains("key") })
  }

  @Test func `a session dialled ahead gets its caller although the default backs off`() throws {
    let rig = Self.rig()
    let answer = try ask(rig, "/twiml?bot_type=second")
    let token = answer.pieces(cutAt: "name=\"token\" value=\"")[1].pieces(cutAt: "\"")[0]
    let model = try #require(rig.answerDial())
    rig.answer(Talk.ready("openai"), on: model)
    try sicken(rig)
    let dialled = rig.dialled.count
    let caller = try rig.talk(with: #""token":"\#(token)""#)
    #expect(!rig.closed.contains(caller) && rig.dialled.count == dialled)
    rig.media(caller)
    #expect(rig.relay.callsInUse == 1)
  }

  @Test func `a webhook gives no token that cannot work`() throws {
    let rig = Self.rig()
    try sicken(rig)
    for (target, status) in [
      ("/twiml", "503"), ("/twiml?bot_type=first", "503"), ("/twiml?bot_type=second", "200"),
    ] {
      let answer = try ask(rig, target)
      #expect(answer.hasPrefix("HTTP/1.1 \(status)"))
      #expect(answer.contains("Retry-After") == (status == "503"))
    }
    rig.advance(milliseconds: 2000)
    #expect(try ask(rig, "/twiml").hasPrefix("HTTP/1.1 200"))
  }

  @Test func `a raw caller's query says which one is wanted`() throws {
    let rig = Self.rig { $0.routes[3].carriers = ["raw"] }
    _ = try #require(rig.open("/talk"))
    let link = try #require(rig.dialled.last)
    rig.connected(link)
    rig.feed("HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n", on: link)
    #expect(rig.open("/talk") == nil && rig.open("/talk?bot_type=first") == nil)
    #expect(rig.open("/talk?bot_type=second") != nil)
  }

  @Test func `a model that has ended is replaced, and that is said once`() throws {
    let rig = Self.rig {
      $0.addUpstream("gemini")
      $0.routes[3].bots.append(("third", "gemini"))
    }
    // The clock of these tests stands at 2023: a name that had ended by then is needed for more.
    _ = try ask(rig, "/twiml?bot_type=third&model=gemini-2.0-flash-live-001")
    #expect(!rig.log.contains { $0.contains("model_replaced") })
    rig.relay.setWall(WallTime(nanoseconds: 1_790_000_000_000_000_000), at: rig.now)
    for _ in 0..<3 { _ = try ask(rig, "/twiml?bot_type=third&model=gemini-2.0-flash-live-001") }
    _ = try ask(rig, "/twiml?bot_type=third&model=gemini-live-2.5-flash-preview")
    rig.perform()
    #expect(
      rig.log.filter { $0.contains("WARNING: model_replaced: gemini was asked for ") }.count == 2)
  }
}
