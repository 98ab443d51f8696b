// What has to survive a session, and what must not be taken for its end: words before sound, keys
// that were told, healthy hand-overs, noise, sockets that take nothing.

import Sidetone
import TestSupport
import Testing

struct SurvivingTests {
  /// The session breaks off; the next one stands. What it was told, its caller's audio apart.
  private func next(_ talk: Talk, on link: SlotID? = nil) throws -> (link: SlotID, told: [String]) {
    let close = Frames.frame(.close, [0x03, 0xf3], isMasked: false)
    talk.rig.feed(close, on: link ?? talk.model)
    talk.rig.advance(milliseconds: 300)
    let link = try #require(talk.rig.answerDial())
    _ = talk.rig.messages(from: link, isCaller: false)
    talk.rig.answer(Talk.ready(talk.kind), on: link)
    return (link, talk.rig.messages(from: link, isCaller: false))
  }

  private func press(_ keys: String, _ talk: Talk) {
    for key in keys {
      talk.rig.say(
        #"{"event":"dtmf","streamSid":"MZ1","dtmf":{"digit":"\#(key)"}}"#, on: talk.caller)
    }
  }

  @Test func `a question whose answer came as words and then as sound is answered`() throws {
    let talk = try Talk()
    talk.speak(1000)
    talk.speak(300, Talk.silence)
    talk.tell(
      """
      {"type":"response.output_audio_transcript.delta","response_id":"r_item_1",\
      "item_id":"item_1","delta":"Hel"}
      """)
    talk.say(100)
    talk.end()
    talk.rig.advance(milliseconds: 1000)
    let told = try next(talk).told
    #expect(!told.contains { $0.contains("input_audio_buffer.append") })
    #expect(talk.rig.relay.totals.unanswered == 0)
  }

  @Test func `one of which only words came is said again`() throws {
    let talk = try Talk()
    talk.speak(1000)
    talk.speak(300, Talk.silence)
    talk.tell(
      """
      {"type":"response.output_audio_transcript.delta","response_id":"r_item_1",\
      "item_id":"item_1","delta":"Hel"}
      """)
    #expect(try next(talk).told.contains { $0.contains("input_audio_buffer.append") })
  }

  @Test func `keys that a lost session was told are told to the next, all that there is room for`()
    throws
  {
    let talk = try Talk()
    let keys = String(repeating: "1234567", count: 4) + "890#"
    press(keys, talk)
    talk.rig.advance(milliseconds: 10)
    #expect(talk.told().contains { $0.contains("The caller pressed \(keys).") })
    var told = try next(talk)
    #expect(told.told.contains { $0.contains("The caller pressed \(keys).") })
    // One that was answered is not told again.
    let answered = told.link
    for text in [
      #"{"type":"response.created","response":{"id":"r1"}}"#,
      """
      {"type":"response.output_audio.delta","response_id":"r1","item_id":"i1","output_index":0,\
      "content_index":0,"delta":"\(Talk.base64([UInt8](repeating: 0, count: 4800)))"}
      """,
    ] { talk.rig.answer(text, on: answered) }
    told = try next(talk, on: answered)
    #expect(!told.told.contains { $0.contains("pressed") })
  }

  @Test func `a hand-over long after the last word leaves the next session its own patience`()
    throws
  {
    let talk = try Talk(with: "gemini")
    talk.say(200)
    talk.finish()
    talk.rig.advance(milliseconds: 20_000)
    talk.tell(#"{"sessionResumptionUpdate":{"resumable":true,"newHandle":"h1"}}"#)
    talk.tell(#"{"goAway":{"timeLeft":"50s"}}"#)
    talk.rig.advance(milliseconds: 100)
    let second = try #require(talk.rig.answerDial())
    talk.rig.answer(Talk.ready("gemini"), on: second)
    talk.rig.advance(milliseconds: 3000)
    _ = try next(talk, on: second)
    #expect(talk.rig.relay.callsInUse == 1)
  }

  @Test func `steady noise from before an answer is no question after it`() throws {
    let talk = try Talk()
    talk.speak(9000)
    talk.say(100)
    talk.end()
    let told = try next(talk).told
    let heard = told.reduce(0) { sum, text in
      let parts = text.pieces(cutAt: "\"audio\":\"")
      return sum + (parts.count > 1 ? Talk.decoded(parts[1].pieces(cutAt: "\"")[0]).count / 48 : 0)
    }
    #expect(heard < 2000, "\(heard) ms were said again")
  }

  @Test func `losses of quiet sessions far apart end no call`() throws {
    let talk = try Talk()
    var link = talk.model
    for _ in 0..<9 {
      for _ in 0..<7 {
        talk.rig.media(talk.caller, Talk.silence)
        talk.rig.answer(#"{"type":"rate_limits.updated"}"#, on: link)
        talk.rig.advance(milliseconds: 10_000)
      }
      link = try next(talk, on: link).link
    }
    #expect(talk.rig.relay.callsInUse == 1)
  }

  @Test(arguments: [false, true])
  func `sessions that end as soon as they stand are followed by a few, not without end`(
    hasFallback: Bool
  ) throws {
    let talk = try Talk(with: "gemini") {
      guard hasFallback else { return }
      $0.addUpstream("openai")
      $0.routes[3].fallback = "openai"
    }
    let close = Frames.frame(.close, [0x03, 0xf3], isMasked: false)
    var link = talk.model
    for _ in 0..<50 {
      talk.rig.advance(milliseconds: 1100)
      // It will end, the next one is dialled, and it ends before that stands.
      talk.rig.answer(#"{"goAway":{"timeLeft":"0s"}}"#, on: link)
      talk.rig.advance(milliseconds: 100)
      talk.rig.feed(close, on: link)
      guard talk.rig.relay.callsInUse == 1, talk.rig.relay.totals.fallbacks == 0,
        let next = talk.rig.answerDial()
      else { break }
      link = next
      talk.rig.answer(Talk.ready("gemini"), on: link)
    }
    #expect((5...9).contains(talk.rig.dialled.count), "\(talk.rig.dialled.count)")
    #expect(talk.rig.relay.totals.fallbacks == (hasFallback ? 1 : 0))
    #expect(talk.rig.relay.callsInUse == (hasFallback ? 1 : 0))
    talk.expectAllHome()
  }

  @Test func `a session that says again that it ends has no more sessions dialled for that`()
    throws
  {
    let talk = try Talk(with: "gemini")
    for _ in 0..<100 {
      talk.tell(#"{"goAway":{"timeLeft":"50s"}}"#)
      if talk.rig.dialled.count > 1, let next = talk.rig.dialled.last, !talk.rig.isGone(next) {
        talk.rig.fail(next)
      }
      talk.rig.advance(milliseconds: 100)
    }
    #expect((4...6).contains(talk.rig.dialled.count), "\(talk.rig.dialled.count)")
    #expect(talk.rig.relay.callsInUse == 1)
    talk.expectAllHome()
  }

  @Test func `every two-way call can have a session beside its own`() {
    var limits = Limits()
    limits.callsMax = 100
    limits.twoWayCallsMax = 40
    let fewer = limits.linksMax
    limits.twoWayCallsMax = 60
    #expect(limits.linksMax == fewer + 20)
  }
}
