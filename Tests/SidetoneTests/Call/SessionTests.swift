// How the sessions of a two-way call come and go: what is lost, what survives, who is asked, and
// how long a caller hears nothing.

import Sidetone
import TestSupport
import Testing

struct SessionTests {
  private let committed = #"{"type":"input_audio_buffer.committed","item_id":"u1"}"#
  private let done = #"{"serverContent":{"turnComplete":true}}"#
  private let handle = #"{"sessionResumptionUpdate":{"resumable":true,"newHandle":"h1"}}"#

  /// The latest dialling is answered, and its session ready; what came to it as set-up.
  private func answer(_ talk: Talk) throws -> (link: SlotID, setup: [String]) {
    let link = try #require(talk.rig.answerDial())
    let setup = talk.rig.messages(from: link, isCaller: false)
    talk.rig.answer(Talk.ready(talk.kind), on: link)
    return (link, setup)
  }

  private func close(_ talk: Talk, _ code: UInt16, _ reason: String = "", on link: SlotID? = nil) {
    let payload = [UInt8(code >> 8), UInt8(code & 0xff)] + Array(reason.utf8)
    talk.rig.feed(Frames.frame(.close, payload, isMasked: false), on: link ?? talk.model)
  }

  /// How many milliseconds of the caller's audio came to this session.
  private func heard(_ talk: Talk, on link: SlotID) -> Int {
    let bytes = talk.rig.messages(from: link, isCaller: false).reduce(0) { sum, text in
      let parts = text.pieces(cutAt: talk.kind == "gemini" ? "\"data\":\"" : "\"audio\":\"")
      return sum + (parts.count > 1 ? Talk.decoded(parts[1].pieces(cutAt: "\"")[0]).count : 0)
    }
    return bytes / (talk.kind == "gemini" ? 32 : 48)
  }

  private func asks(_ talk: Talk, on link: SlotID) -> [String] {
    talk.rig.messages(from: link, isCaller: false).filter { !$0.contains("\"audio\":") }
  }

  /// Nobody says anything; both sides show that they are there.
  private func wait(_ talk: Talk, seconds: Int) {
    for _ in 0..<seconds / 10 {
      talk.rig.media(talk.caller, Talk.silence)
      talk.tell(#"{"type":"rate_limits.updated"}"#)
      talk.rig.advance(milliseconds: 10_000)
    }
  }

  // MARK: What ends a session

  @Test(arguments: ["model_not_found", "insufficient_quota", "invalid_api_key", "anything"])
  func `a failed transcription is a warning, once, and the talk goes on`(code: String) throws {
    let talk = try Talk()
    for item in 1...3 {
      talk.tell(
        """
        {"type":"conversation.item.input_audio_transcription.failed","item_id":"u\(item)",\
        "error":{"type":"server_error","code":"\(code)","message":"no transcription"}}
        """)
    }
    talk.say(100)
    #expect(talk.heardBytes() > 0 && talk.rig.dialled.count == 1)
    #expect(talk.rig.log.filter { $0.contains("upstream_error") }.count == 1)
    #expect(talk.rig.relay.totals.sideErrors == 3)
  }

  @Test func `an error about the transcription's settings does not end the talk either`() throws {
    let talk = try Talk()
    talk.tell(
      """
      {"type":"error","error":{"type":"invalid_request_error","code":"model_not_found",\
      "message":"no such model","param":"session.audio.input.transcription.model"}}
      """)
    talk.say(100)
    #expect(talk.heardBytes() > 0 && talk.rig.dialled.count == 1)
  }

  @Test func `an error of Gemini's is written down, with its name`() throws {
    let talk = try Talk(with: "gemini")
    talk.tell(
      #"{"error":{"code":429,"message":"Resource has been exhausted","status":"RESOURCE_EXHAUSTED"}}"#
    )
    #expect(
      talk.rig.log.contains { $0.contains("RESOURCE_EXHAUSTED: Resource has been exhausted") })
    #expect(talk.rig.relay.callsInUse == 1)
  }

  @Test(arguments: [1000, 1001, 1007, 1008, 1011, 4000])
  func `a session that worked is followed by another, whatever its close says`(
    code: UInt16
  ) throws {
    for kind in ["openai", "gemini"] {
      let talk = try Talk(with: kind)
      talk.say(100)
      close(talk, code, "a reason")
      talk.rig.advance(milliseconds: 300)
      #expect(talk.rig.dialled.count == 2, "\(kind)")
      _ = try answer(talk)
      #expect(talk.rig.relay.callsInUse == 1, "\(kind)")
      talk.expectAllHome()
    }
  }

  @Test(arguments: [1007, 1008])
  func `what resumes a session is tried once, then it is tried without, then the row decides`(
    code: UInt16
  ) throws {
    let talk = try Talk(with: "gemini")
    talk.tell(handle)
    talk.say(100)
    close(talk, code)
    talk.rig.advance(milliseconds: 300)
    let second = try answer(talk)
    #expect(second.setup[0].contains("h1"))
    close(talk, code, on: second.link)
    talk.rig.advance(milliseconds: 500)
    let third = try answer(talk)
    #expect(!third.setup[0].contains("h1"))
    close(talk, code, on: third.link)
    talk.rig.advance(milliseconds: 5000)
    #expect(talk.rig.dialled.count == 3 && talk.rig.relay.callsInUse == 0)
  }

  @Test func `a handle to which nothing is answered is dropped within the caller's patience`()
    throws
  {
    let talk = try Talk(with: "gemini")
    talk.tell(handle)
    talk.say(100)
    close(talk, 1011)
    talk.rig.advance(milliseconds: 300)
    let second = try #require(talk.rig.answerDial())
    #expect(talk.rig.messages(from: second, isCaller: false)[0].contains("h1"))
    talk.rig.advance(milliseconds: 4500)
    let third = try answer(talk)
    #expect(third.link != second && !third.setup[0].contains("h1"))
    #expect(talk.rig.relay.callsInUse == 1)
  }

  @Test(arguments: [(500, 1), (1500, 2)])
  func `one that stood for a moment may have been at work though nothing shows it`(
    milliseconds: Int, dials: Int
  ) throws {
    let talk = try Talk(with: "gemini")
    talk.speak(milliseconds)
    close(talk, 1008)
    talk.rig.advance(milliseconds: 300)
    #expect(talk.rig.dialled.count == dials)
  }

  // MARK: What dies young

  @Test(arguments: ["openai", "gemini"])
  func `sessions that say something and die are not dialled for ever`(kind: String) throws {
    let talk = try Talk(with: kind)
    var model = talk.model
    for _ in 0..<40 where talk.rig.relay.callsInUse > 0 {
      if kind == "gemini" {
        let part = Talk.part([UInt8](repeating: 0, count: 4800))
        talk.rig.answer(#"{"serverContent":{"modelTurn":{"parts":[\#(part)]}}}"#, on: model)
      } else {
        talk.rig.answer(
          #"{"type":"response.output_audio.delta","item_id":"i","delta":"\#(Talk.silence)"}"#,
          on: model)
      }
      close(talk, 1011, on: model)
      let dials = talk.rig.dialled.count
      talk.rig.advance(milliseconds: 3500)
      guard talk.rig.dialled.count > dials else { break }
      model = try answer(talk).link
    }
    #expect(talk.rig.dialled.count == 7 && talk.rig.relay.callsInUse == 0)
  }

  // MARK: What is owed

  @Test(arguments: ["openai", "gemini"])
  func `a question survives its session: it is said again`(kind: String) throws {
    let talk = try Talk(with: kind)
    talk.speak(500, Talk.silence)
    talk.speak(1000)
    talk.speak(300, Talk.silence)
    close(talk, 1011)
    talk.rig.advance(milliseconds: 300)
    let next = try answer(talk)
    let heard = heard(talk, on: next.link)
    #expect(heard >= 1500 && heard <= 1800, "\(heard) ms")
  }

  @Test func `what was answered is not said again`() throws {
    let talk = try Talk()
    talk.speak(1000)
    talk.speak(500, Talk.silence)
    talk.say(100)
    talk.end()
    close(talk, 1011)
    talk.rig.advance(milliseconds: 300)
    let next = try answer(talk)
    #expect(heard(talk, on: next.link) == 0)
  }

  @Test func `what the caller said into an answer is no part of the question before it`() throws {
    let talk = try Talk()
    talk.speak(400)
    // The agent speaks while the caller does: that answers something else.
    talk.say(100)
    talk.speak(400)
    close(talk, 1011)
    talk.rig.advance(milliseconds: 300)
    let next = try answer(talk)
    #expect(heard(talk, on: next.link) == 800)
  }

  @Test func `noise that nobody answers is given up, counted, and not said again`() throws {
    let talk = try Talk()
    talk.speak(200)
    wait(talk, seconds: 20)
    #expect(talk.rig.relay.totals.unanswered == 1)
    close(talk, 1011)
    talk.rig.advance(milliseconds: 300)
    let next = try answer(talk)
    #expect(heard(talk, on: next.link) == 0)
  }

  @Test(arguments: ["openai", "gemini"])
  func `a greeting that was not heard is asked of the next session, once`(kind: String) throws {
    let talk = try Talk(with: kind) { $0.upstreams[2].options = [("greeting", "Say hello")] }
    close(talk, 1011)
    talk.rig.advance(milliseconds: 300)
    let next = try answer(talk)
    #expect(asks(talk, on: next.link).filter { $0.contains("Say hello") }.count == 1)
  }

  // MARK: Planned ends

  @Test func `a goAway in a caller's sentence waits for its answer's end`() throws {
    let talk = try Talk(with: "gemini")
    talk.speak(600)
    talk.tell(#"{"goAway":{"timeLeft":"50s"}}"#)
    talk.speak(1000)
    talk.speak(1500, Talk.silence)
    #expect(talk.rig.dialled.count == 1)
    talk.say(400)
    talk.end()
    talk.tell(done)
    talk.rig.advance(milliseconds: 200)
    #expect(talk.rig.dialled.count == 1)
    talk.rig.advance(milliseconds: 3000)
    #expect(talk.rig.dialled.count == 2)
    let next = try answer(talk)
    #expect(heard(talk, on: next.link) == 0)
    #expect(talk.rig.isGone(talk.model) && talk.rig.relay.callsInUse == 1)
    talk.expectAllHome()
  }

  @Test func `the next session is opened beside the old one, which hears and talks meanwhile`()
    throws
  {
    let talk = try Talk(with: "gemini")
    talk.tell(#"{"goAway":{"timeLeft":"50s"}}"#)
    talk.rig.advance(milliseconds: 10)
    #expect(talk.rig.dialled.count == 2 && !talk.rig.isGone(talk.model))
    _ = talk.reached()
    talk.speak(200)
    #expect(talk.reached().count == 200 * 32)
    talk.say(100)
    #expect(talk.heardBytes() > 0)
    // Not a good moment any more: it waits.
    let next = try answer(talk)
    talk.rig.advance(milliseconds: 50)
    #expect(!talk.rig.isGone(talk.model))
    talk.end()
    talk.tell(done)
    talk.rig.advance(milliseconds: 10_000)
    #expect(talk.rig.isGone(talk.model) && talk.rig.dialled.count == 2)
    talk.speak(200)
    #expect(heard(talk, on: next.link) == 200)
    talk.expectAllHome()
  }

  @Test func `a newer handle voids a session that was opened with an older one`() throws {
    let talk = try Talk(with: "gemini")
    talk.tell(handle)
    talk.tell(#"{"goAway":{"timeLeft":"50s"}}"#)
    talk.rig.advance(milliseconds: 10)
    #expect(talk.rig.dialled.count == 2)
    talk.tell(#"{"sessionResumptionUpdate":{"resumable":true,"newHandle":"h2"}}"#)
    talk.rig.advance(milliseconds: 10)
    #expect(talk.rig.dialled.count == 3)
    #expect(try answer(talk).setup[0].contains("h2"))
  }

  @Test func `at the last second it takes over in mid-sentence, which it hears from its beginning`()
    throws
  {
    let talk = try Talk(with: "gemini")
    talk.speak(100, Talk.silence)
    talk.tell(#"{"goAway":{"timeLeft":"5s"}}"#)
    talk.speak(1500)
    #expect(talk.rig.dialled.count == 2)
    let next = try answer(talk)
    talk.speak(2000)
    #expect(!talk.rig.isGone(talk.model))
    talk.speak(1000)
    #expect(talk.rig.isGone(talk.model) && talk.rig.dialled.count == 2)
    #expect(heard(talk, on: next.link) >= 4500)
  }

  @Test func `a next session that cannot be had leaves the old one in peace`() throws {
    let talk = try Talk(with: "gemini")
    talk.tell(#"{"goAway":{"timeLeft":"20s"}}"#)
    talk.rig.advance(milliseconds: 10)
    let second = try #require(talk.rig.dialled.last)
    talk.rig.fail(second, .refused)
    #expect(talk.rig.relay.callsInUse == 1 && !talk.rig.isGone(talk.model))
    talk.say(100)
    #expect(talk.heardBytes() > 0)
    talk.end()
    talk.tell(done)
    talk.rig.advance(milliseconds: 4000)
    #expect(talk.rig.dialled.count > 2)
    _ = try answer(talk)
    talk.rig.advance(milliseconds: 100)
    #expect(talk.rig.isGone(talk.model) && talk.rig.relay.callsInUse == 1)
  }

  @Test func `an old session that ends first is followed by the one that is under way`() throws {
    let talk = try Talk(with: "gemini")
    talk.tell(#"{"goAway":{"timeLeft":"20s"}}"#)
    talk.rig.advance(milliseconds: 10)
    talk.speak(200)
    talk.rig.fail(talk.model)
    talk.rig.advance(milliseconds: 500)
    #expect(talk.rig.dialled.count == 2)
    let next = try answer(talk)
    #expect(heard(talk, on: next.link) == 200)
    talk.expectAllHome()
  }

  @Test func `an hour of OpenAI's is left in a quiet moment before it is over`() throws {
    let talk = try Talk()
    wait(talk, seconds: 57 * 60)
    #expect(talk.rig.dialled.count == 1)
    for _ in 0..<120 where talk.rig.dialled.count == 1 {
      talk.rig.media(talk.caller, Talk.silence)
      talk.tell(#"{"type":"rate_limits.updated"}"#)
      talk.rig.advance(milliseconds: 500)
    }
    #expect(talk.rig.dialled.count == 2)
    _ = try answer(talk)
    #expect(talk.rig.isGone(talk.model) && talk.rig.relay.callsInUse == 1)
  }

  // MARK: Goodbyes, and silence

  @Test(arguments: [1000, 4000, 1008])
  func `a goodbye is heard to its end, whatever closes the session behind it`(
    code: UInt16
  ) throws {
    for kind in ["openai", "gemini"] {
      let talk = try Talk("ucid", with: kind)
      talk.say(3000)
      talk.end()
      talk.rig.advance(milliseconds: 300)
      close(talk, code)
      talk.rig.advance(milliseconds: 200)
      if talk.rig.dialled.count > 1 { talk.rig.fail(talk.rig.dialled[1], .certificateRefused) }
      #expect(talk.rig.relay.callsInUse == 1, "\(kind)")
      talk.rig.advance(milliseconds: 4000)
      #expect(talk.heardBytes() >= 3000 * 16, "\(kind)")
      #expect(talk.rig.relay.callsInUse == 0, "\(kind)")
    }
  }

  @Test func `a caller who hangs up in a goodbye is let go at once`() throws {
    let talk = try Talk("ucid")
    talk.say(3000)
    talk.tell(#"{"type":"error","error":{"code":"insufficient_quota","message":"no"}}"#)
    talk.rig.advance(milliseconds: 200)
    talk.rig.fail(try #require(talk.rig.dialled.last), .certificateRefused)
    #expect(talk.rig.relay.callsInUse == 1)
    talk.rig.fail(talk.caller)
    #expect(talk.rig.relay.callsInUse == 0)
  }

  @Test func `a set-up that is never answered leaves eight seconds of silence, and is tried twice`()
    throws
  {
    let rig = Talk.rig(with: "gemini")
    let caller = try #require(rig.open("/talk"))
    rig.start(caller)
    _ = try #require(rig.answerDial())
    rig.advance(milliseconds: 4200)
    _ = try #require(rig.answerDial())
    #expect(rig.dialled.count == 2)
    rig.advance(milliseconds: 3700)
    #expect(rig.relay.callsInUse == 1)
    rig.advance(milliseconds: 200)
    #expect(rig.relay.callsInUse == 0 && rig.closed.contains(caller))
    #expect(rig.log.contains { $0.contains("dead_air") && $0.contains("8 s") })
    #expect(rig.log.contains { $0.contains("upstream_redial") && $0.contains("attempt 1 of 6") })
    #expect(rig.relay.totals.deadAir == 1)
  }

  @Test(arguments: [("503", ""), ("429", ""), ("429", "Retry-After: 60\r\n")])
  func `refusals leave no more silence than that`(status: String, field: String) throws {
    let rig = Talk.rig()
    let caller = try #require(rig.open("/talk"))
    rig.start(caller)
    for _ in 0..<20 {
      guard let link = rig.dialled.last, !rig.isGone(link) else { break }
      rig.connected(link)
      rig.feed("HTTP/1.1 \(status) No\r\n\(field)Content-Length: 0\r\n\r\n", on: link)
      rig.advance(milliseconds: 400)
    }
    rig.advance(milliseconds: 8000)
    #expect(rig.relay.callsInUse == 0 && rig.closed.contains(caller))
    let ends = rig.log.filter { $0.contains("dead_air") || $0.contains("upstream_given_up") }
    #expect(ends.count == 1)
  }

  @Test func `silence is counted from the last thing that could be heard`() throws {
    let talk = try Talk("ucid")
    talk.say(3000)
    talk.end()
    close(talk, 1011)
    for _ in 0..<200 where talk.rig.relay.callsInUse > 0 {
      if let link = talk.rig.dialled.last, !talk.rig.isGone(link) {
        talk.rig.fail(link, .refused)
      }
      talk.rig.advance(milliseconds: 100)
    }
    // Six attempts, all of them over before the bound; what was said was heard.
    #expect(talk.heardBytes() >= 3000 * 16)
  }

  @Test func `a healthy session lost after a long silence is followed by another`() throws {
    let talk = try Talk()
    talk.say(100)
    talk.end()
    wait(talk, seconds: 60)
    close(talk, 1011)
    talk.rig.advance(milliseconds: 300)
    #expect(talk.rig.dialled.count == 2)
    _ = try answer(talk)
    #expect(talk.rig.relay.callsInUse == 1)
  }
}
