// A route's second upstream: when it takes over, what it is given, and that everything is booked
// where it belongs.

import TestSupport
import Testing

@testable import Sidetone

struct FallbackTests {
  /// `/talk` to openai, then to gemini; `/ws/transcribe` to deepgram, then to another one.
  private static func rig(_ change: (inout Config) -> Void = { _ in }) -> Rig {
    Talk.rig {
      $0.addUpstream("gemini")
      $0.routes[3].fallback = "gemini"
      $0.addUpstream("deepgram")
      $0.upstreams[4].name = "second"
      $0.routes[1].fallback = "second"
      change(&$0)
    }
  }

  private let rig: Rig

  init() { rig = Self.rig() }

  private func begin(query: String = "", _ rig: Rig? = nil) throws -> SlotID {
    let rig = rig ?? self.rig
    let caller = try #require(rig.open("/talk" + query))
    rig.start(caller)
    return caller
  }

  private static let refusal = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"

  /// The last that was dialled is asked for a socket, and refuses.
  private func refuseDial(_ rig: Rig? = nil) throws {
    let rig = rig ?? self.rig
    let link = try #require(rig.dialled.last)
    rig.connected(link)
    rig.feed(Self.refusal, on: link)
  }

  /// The fallback has been dialled and answers: its session is ready.
  private func answerFallback() throws -> (link: SlotID, setup: [String]) {
    let link = try #require(rig.answerDial())
    let setup = rig.messages(from: link, isCaller: false)
    rig.answer(Talk.ready("gemini"), on: link)
    return (link, setup)
  }

  private func expectHome(_ links: SlotID..., sourceLocation: SourceLocation = #_sourceLocation) {
    for link in links { rig.fail(link) }
    rig.advance(milliseconds: 200_000)
    #expect(rig.relay.missing == [], sourceLocation: sourceLocation)
    for upstream in 0..<5 {
      #expect(
        rig.relay.turn.availability.sessionsFree(upstream, at: rig.now)
          == rig.relay.store.prepared.upstreams[upstream].sessionsMax
          || !rig.relay.turn.availability.isWell(upstream, at: rig.now),
        sourceLocation: sourceLocation)
    }
  }

  @Test func `a refusal is followed by the other one at once, with what the caller has said`()
    throws
  {
    let caller = try begin()
    for _ in 0..<10 { rig.media(caller, Talk.voice) }
    let dials = rig.dialled.count
    try refuseDial()
    #expect(rig.dialled.count == dials + 1)
    #expect(rig.relay.totals.fallbacks == 1)
    #expect(
      rig.log.contains {
        $0.contains("upstream_fallback") && $0.contains("gemini takes over from openai")
      })
    let (link, setup) = try answerFallback()
    #expect(setup.count == 1 && setup[0].hasPrefix(#"{"setup":"#))
    rig.advance(milliseconds: 500)
    let audio = rig.messages(from: link, isCaller: false).filter { $0.contains("realtimeInput") }
    #expect(!audio.isEmpty && audio.allSatisfy { $0.contains(#""audio/pcm;rate=16000""#) })
    // It is heard as the caller wants it.
    rig.answer(
      #"{"serverContent":{"modelTurn":{"parts":[\#(Talk.part([UInt8](repeating: 0, count: 24_000)))]}}}"#,
      on: link)
    rig.advance(milliseconds: 600)
    let heard = rig.messages(from: caller, isCaller: true).filter { $0.contains("\"media\"") }
    #expect(heard.count >= 12)
    expectHome(caller, link)
  }

  @Test func `a model whose speech comes as bytes takes over from one that sends text`() throws {
    let rig = Self.rig {
      $0.addUpstream("deepgram-agent")
      $0.routes[3].fallback = "deepgram-agent"
    }
    let caller = try begin(rig)
    for _ in 0..<10 { rig.media(caller, Talk.voice) }
    try refuseDial(rig)
    let link = try #require(rig.answerDial())
    #expect(rig.messages(from: link, isCaller: false)[0].hasPrefix(#"{"type":"Settings""#))
    rig.answer(#"{"type":"SettingsApplied"}"#, on: link)
    rig.advance(milliseconds: 500)
    // What the caller has said, as it was.
    #expect(rig.taken(from: link).count >= 1600)
    rig.feed(
      Frames.frame(.binary, [UInt8](repeating: 0x55, count: 4000), isMasked: false), on: link)
    rig.advance(milliseconds: 600)
    let heard = rig.messages(from: caller, isCaller: true).filter { $0.contains("\"media\"") }
    #expect(heard.count >= 12 && heard.allSatisfy { $0.contains("VVVV") })
    for end in [caller, link] { rig.fail(end) }
    rig.advance(milliseconds: 200_000)
    #expect(rig.relay.missing == [])
  }

  @Test func `audio goes to the other one at the rate that the caller sends`() throws {
    let rig = Self.rig {
      $0.addUpstream("deepgram-agent")
      $0.routes[3].carriers = ["raw"]
      $0.routes[3].fallback = "deepgram-agent"
    }
    let caller = try #require(rig.open("/talk?encoding=linear16&sample_rate=16000"))
    try refuseDial(rig)
    let link = try #require(rig.answerDial())
    #expect(rig.messages(from: link, isCaller: false)[0].contains(#""sample_rate":16000"#))
    for end in [caller, link] { rig.fail(end) }
    rig.advance(milliseconds: 200_000)
    #expect(rig.relay.missing == [])
  }

  @Test
  func `one that is silent is waited for no longer than half of the silence that a caller bears`()
    throws
  {
    let caller = try begin()
    rig.connected(try #require(rig.dialled.last))
    let dials = rig.dialled.count
    rig.advance(milliseconds: 3900)
    #expect(rig.dialled.count == dials)
    rig.advance(milliseconds: 200)
    #expect(rig.dialled.count == dials + 1)
    let (link, _) = try answerFallback()
    #expect(rig.relay.totals.fallbacks == 1 && rig.relay.callsInUse == 1)
    expectHome(caller, link)
  }

  @Test
  func `a session that did its work is dialled again first; where that fails the other takes over`()
    throws
  {
    let caller = try begin()
    let model = try #require(rig.answerDial())
    rig.answer(Talk.ready("openai"), on: model)
    for _ in 0..<150 {
      rig.media(caller, Talk.silence)
      rig.advance(milliseconds: 20)
    }
    rig.fail(model)
    rig.advance(milliseconds: 300)
    #expect(rig.relay.totals.fallbacks == 0)
    try refuseDial()
    #expect(rig.relay.totals.fallbacks == 1)
    let (link, setup) = try answerFallback()
    #expect(setup[0].hasPrefix(#"{"setup":"#))
    // Its own losses are its own, and nobody takes over from it.
    rig.fail(link)
    rig.advance(milliseconds: 300)
    try refuseDial()
    rig.advance(milliseconds: 10_000)
    #expect(rig.relay.totals.fallbacks == 1 && rig.relay.callsInUse == 0)
    expectHome(caller)
  }

  @Test func `what both understand of the caller's choice goes along, and nothing else`() throws {
    let caller = try begin(query: "?model=gpt-realtime&voice=marin&language=de")
    try refuseDial()
    let (link, setup) = try answerFallback()
    #expect(
      setup[0].contains("de") && !setup[0].contains("gpt-realtime") && !setup[0].contains("marin"))
    expectHome(caller, link)
  }

  @Test func `without a place on the other one it goes on as without it`() throws {
    let rig = Self.rig { $0.upstreams[3].sessionsMax = 1 }
    let first = try begin(rig)
    let second = try begin(rig)
    let dials = rig.dialled
    for link in dials {
      rig.connected(link)
      rig.feed(Self.refusal, on: link)
    }
    #expect(rig.relay.totals.fallbacks == 1 && rig.dialled.count == dials.count + 1)
    rig.advance(milliseconds: 20_000)
    #expect(rig.relay.callsInUse == 0)
    for link in [first, second] { rig.fail(link) }
    #expect(rig.relay.missing == [])
  }

  @Test func `who comes while the first one takes no calls is not refused`() throws {
    let first = try begin()
    try refuseDial()
    let (link, _) = try answerFallback()
    let dials = rig.dialled.count
    let second = try begin()
    #expect(rig.dialled.count == dials + 1 && rig.relay.totals.fallbacks == 2)
    let (other, setup) = try answerFallback()
    #expect(setup[0].hasPrefix(#"{"setup":"#))
    #expect(rig.relay.callsInUse == 2)
    expectHome(first, second, link, other)
  }

  @Test func `a listener's words go on with the other one`() throws {
    let caller = try #require(rig.open("/ws/transcribe"))
    let first = try #require(rig.answerDial())
    let audio = Frames.frame(.binary, [UInt8](repeating: 7, count: 3200), isMasked: true)
    rig.feed(audio, on: caller)
    rig.advance(milliseconds: 100)
    _ = rig.taken(from: first)
    // It is refused for good: what was not final is said again.
    rig.feed(Frames.frame(.close, [0x03, 0xf0] + Array("no".utf8), isMasked: false), on: first)
    #expect(rig.relay.totals.fallbacks == 1)
    let second = try #require(rig.answerDial())
    rig.advance(milliseconds: 400)
    #expect(rig.taken(from: second).count > 3200)
    expectHome(caller, second)
  }

  @Test func `of many calls that lose their upstream at once each has its turn`() throws {
    let rig = Self.rig { $0.limits.redialsPerSecondMax = 2 }
    let callers = try (0..<3).map { _ in try begin(rig) }
    let dials = rig.dialled
    for link in dials {
      rig.connected(link)
      rig.feed(Self.refusal, on: link)
    }
    #expect(rig.relay.totals.fallbacks == 3 && rig.dialled.count == dials.count + 1)
    rig.advance(milliseconds: 510)
    #expect(rig.dialled.count == dials.count + 2)
    rig.advance(milliseconds: 500)
    #expect(rig.dialled.count == dials.count + 3 && rig.relay.callsInUse == 3)
    for caller in callers { rig.fail(caller) }
    rig.advance(milliseconds: 200_000)
    #expect(rig.relay.missing == [])
  }

  @Test func `audio that the other one cannot take ends the call at once, and says so`() throws {
    let rig = Talk.rig("raw", with: "deepgram-agent") {
      $0.addUpstream("gemini")
      $0.routes[3].fallback = "gemini"
    }
    let caller = try #require(rig.open("/talk?encoding=linear16&sample_rate=48000"))
    let dials = rig.dialled.count
    try refuseDial(rig)
    #expect(rig.relay.callsInUse == 0 && rig.dialled.count == dials)
    #expect(rig.log.contains { $0.contains("the upstream that takes over cannot take this audio") })
    #expect(rig.log.contains { $0.contains("call_ended") && $0.contains("unsupported") })
    let told = rig.messages(from: caller, isCaller: true)
    #expect(told.contains { $0.contains(#""code":"unsupported""#) }, "\(told)")
    rig.fail(caller)
    rig.advance(milliseconds: 10_000)
    #expect(rig.relay.missing == [])
  }

  @Test func `the record names both`() throws {
    let rig = Self.rig { $0.records = Config.Records() }
    let caller = try begin(rig)
    try refuseDial(rig)
    let entry = try #require(rig.entries.last { $0.contains(#""kind":"fallback""#) })
    #expect(entry.contains(#""from":"openai","upstream":"gemini","sentence":""#), "\(entry)")
    let lost = try #require(rig.entries.last { $0.contains(#""kind":"lost""#) })
    let sentence = entry.pieces(cutAt: #""sentence":""#)[1]
    #expect(lost.hasSuffix(#""sentence":"\#(sentence)"#), "\(lost)")
    rig.fail(caller)
  }

  @Test func `a webhook's answer says what becomes of a caller whose stream has ended`() throws {
    for (verbs, end) in [
      ("<Say>One moment.</Say><Dial>+15550100</Dial>", "<Dial>+15550100</Dial></Response>\n"),
      ("", "</Stream></Connect></Response>\n"),
    ] {
      let rig = Talk.announcingRig { $0.connectVerbs = verbs }
      let link = try #require(rig.accept())
      rig.feed("GET /twiml HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", on: link)
      let answer = String(decoding: rig.taken(from: link), as: UTF8.self)
      #expect(answer.contains("</Connect>\(verbs)</Response>") && answer.hasSuffix(end))
    }
  }

  @Test func `a caller who leaves meanwhile leaves nothing behind`() throws {
    for step in 0..<4 {
      let rig = Self.rig()
      let caller = try begin(rig)
      if step > 0 { try refuseDial(rig) }
      var links = [caller]
      if step > 1 {
        let link = try #require(rig.dialled.last)
        rig.connected(link)
        links.append(link)
      }
      if step > 2 { rig.advance(milliseconds: 100) }
      for link in links { rig.fail(link) }
      rig.advance(milliseconds: 200_000)
      #expect(rig.relay.missing == [], "step \(step)")
    }
  }
}
