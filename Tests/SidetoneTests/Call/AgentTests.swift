// A talk with a model whose speech comes as binary messages and whose answers have no names.

import TestSupport
import Testing

@testable import Sidetone

struct AgentTests {
  private let began = #"{"type":"UserStartedSpeaking"}"#
  private let over = #"{"type":"AgentAudioDone"}"#

  private func talk(
    _ carrier: String = "twilio", start: String? = nil, _ change: (inout Config) -> Void = { _ in }
  ) throws -> Talk {
    try Talk(carrier, with: "deepgram-agent", start: start, change)
  }

  /// The model says these bytes, as one message.
  private func say(_ audio: [UInt8], _ talk: Talk) {
    talk.rig.feed(Frames.frame(.binary, audio, isMasked: false), on: talk.model)
  }
  private func words(_ role: String, _ content: String) -> String {
    #"{"type":"ConversationText","role":"\#(role)","content":"\#(content)"}"#
  }
  private func close(_ talk: Talk, _ code: UInt16) {
    let payload = [UInt8(code >> 8), UInt8(code & 0xff)]
    talk.rig.feed(Frames.frame(.close, payload, isMasked: false), on: talk.model)
  }
  /// What both sides have said, as the log's terminal lines show it.
  private func said(_ talk: Talk, _ text: String) -> Bool {
    talk.rig.log.contains { $0.contains(text) }
  }

  // MARK: Audio

  @Test func `mu-law goes through as it is, both ways`() throws {
    let talk = try talk()
    #expect(talk.setup.count == 1 && talk.setup[0].contains(#""encoding":"mulaw""#))
    talk.rig.media(talk.caller, Talk.voice)
    let sent = talk.rig.taken(from: talk.model)
    // A masked binary frame of 160 bytes: 2 + 2 of length + 4 of key.
    #expect(sent.count == 168 && sent[0] == 0x82)
    let audio = (0..<400).map { UInt8(truncatingIfNeeded: $0 * 7) }
    say(Array(audio[..<13]), talk)
    say([], talk)
    say(Array(audio[13...]), talk)
    talk.tell(over)
    talk.rig.advance(milliseconds: 500)
    #expect(talk.heard().pieces.flatMap { $0 } == audio)
    #expect(talk.rig.relay.totals.framesBad == 0)
    talk.expectAllHome()
  }

  @Test func `samples that are cut in two are put together`() throws {
    let talk = try talk("telnyx", start: Talk.telnyxStart("L16", 16_000))
    #expect(talk.setup[0].contains(#""encoding":"linear16","sample_rate":16000"#))
    let audio = (0..<1280).map { UInt8(truncatingIfNeeded: $0 &* 5) }
    var at = 0
    for length in [1, 1, 3, 640, 0, 5, 630] {
      say(Array(audio[at..<at + length]), talk)
      at += length
    }
    #expect(at == audio.count)
    talk.tell(over)
    talk.rig.advance(milliseconds: 500)
    var expected = audio
    // Telnyx's samples have the high byte last or first: one of both holds, whole.
    let heard = talk.heard().pieces.flatMap { $0 }
    for index in stride(from: 0, to: expected.count, by: 2) { expected.swapAt(index, index + 1) }
    #expect(heard == audio || heard == expected)
  }

  @Test func `64 KiB in one message are heard whole`() throws {
    let talk = try talk()
    say([UInt8](repeating: 0x55, count: 65_536), talk)
    talk.tell(over)
    for _ in 0..<10 {
      talk.rig.media(talk.caller, Talk.silence)
      talk.rig.advance(milliseconds: 1000)
    }
    #expect(talk.heardBytes() == 65_536 && talk.rig.relay.totals.speechCut == 0)
    talk.expectAllHome()
  }

  @Test func `speech beyond the longest wait is cut and counted`() throws {
    let talk = try talk { $0.limits.playoutMillisecondsMax = 1000 }
    for _ in 0..<15 { say([UInt8](repeating: 0x55, count: 800), talk) }
    #expect(talk.rig.relay.totals.speechCut > 0)
    #expect(talk.rig.log.filter { $0.contains("speech_cut") }.count == 1)
    talk.expectAllHome()
  }

  @Test func `without audio it gets a sign of life every 8 s`() throws {
    let talk = try talk()
    talk.rig.advance(milliseconds: 7900)
    #expect(talk.told() == [])
    talk.rig.advance(milliseconds: 200)
    #expect(talk.told() == [#"{"type":"KeepAlive"}"#])
  }

  // MARK: Turns

  @Test func `an interruption stops what is heard at once, and there is nobody to tell`() throws {
    let talk = try talk()
    say([UInt8](repeating: 0x55, count: 16_000), talk)
    talk.rig.advance(milliseconds: 400)
    _ = talk.heard()
    talk.tell(began)
    #expect(talk.heard().others.contains { $0.contains(#""event":"clear""#) })
    // What was still on its way is void.
    say([UInt8](repeating: 0x55, count: 800), talk)
    talk.rig.advance(milliseconds: 200)
    #expect(talk.heardBytes() == 0 && talk.told() == [])
    #expect(talk.rig.relay.totals.interruptions == 1 && talk.rig.relay.totals.speechLate == 1)
    // The next answer is heard.
    talk.tell(words("user", "Stop."))
    talk.tell(#"{"type":"AgentStartedSpeaking","total_latency":0.9}"#)
    say([UInt8](repeating: 0x11, count: 800), talk)
    talk.tell(over)
    talk.rig.advance(milliseconds: 300)
    #expect(talk.heardBytes() == 800)
    talk.expectAllHome()
  }

  @Test func `both sides are written down, sentences apart`() throws {
    let talk = try talk { $0.printsTranscripts = true }
    talk.tell(words("user", "Where is it?"))
    talk.tell(words("assistant", "It has left us."))
    say([UInt8](repeating: 0x55, count: 800), talk)
    talk.tell(words("assistant", "It comes today."))
    talk.tell(over)
    talk.rig.advance(milliseconds: 3000)
    #expect(said(talk, "[FINAL] Transcription: Where is it? ("))
    #expect(said(talk, "[AGENT] It has left us. It comes today. ("))
  }

  @Test func `an end that comes again, or late, is no silent answer`() throws {
    let talk = try talk()
    talk.tell(over)
    say([UInt8](repeating: 0x55, count: 800), talk)
    talk.tell(over)
    talk.tell(over)
    talk.tell(began)
    talk.tell(words("user", "And?"))
    talk.tell(over)
    #expect(talk.rig.relay.totals.answersSilent == 0)
  }

  // MARK: Asking

  @Test func `it greets once, word for word, also behind a loss`() throws {
    let talk = try talk { $0.upstreams[2].options = [("greeting", "Hi.")] }
    #expect(!talk.setup[0].contains("Hi."))
    #expect(talk.told() == [#"{"type":"InjectAgentMessage","message":"Hi."}"#])
    say([UInt8](repeating: 0x55, count: 800), talk)
    talk.tell(over)
    talk.rig.advance(milliseconds: 2000)
    close(talk, 1011)
    talk.rig.advance(milliseconds: 3000)
    let next = try #require(talk.rig.answerDial())
    talk.rig.answer(Talk.ready(talk.kind), on: next)
    #expect(!talk.rig.messages(from: next, isCaller: false).contains { $0.contains("Inject") })
  }

  @Test func `keys that were refused are told again, once a second and not more`() throws {
    let talk = try talk()
    let key = ##"{"event":"dtmf","streamSid":"MZ1","dtmf":{"digit":"#"}}"##
    let told = ##"{"type":"InjectUserMessage","content":"The caller pressed #."}"##
    talk.tell(began)
    talk.rig.say(key, on: talk.caller)
    #expect(talk.told() == [told])
    for _ in 0..<3 {
      talk.tell(#"{"type":"InjectionRefused","message":"The user is speaking"}"#)
      #expect(talk.told() == [])
      talk.rig.advance(milliseconds: 1100)
      #expect(talk.told() == [told])
    }
    talk.tell(words("user", "The caller pressed #."))
    say([UInt8](repeating: 0x55, count: 800), talk)
    talk.tell(over)
    talk.rig.advance(milliseconds: 2000)
    #expect(talk.told() == [] && !said(talk, "caller pressed #"))
    #expect(said(talk, "The user is speaking"))
  }

  @Test func `a function is declined, the talk goes on, and the log says so once`() throws {
    let talk = try talk()
    for number in 1...2 {
      talk.tell(
        #"{"type":"FunctionCallRequest","functions":[{"id":"f\#(number)","name":"look","arguments":"{}","client_side":true}]}"#
      )
    }
    let told = talk.told()
    #expect(told.count == 2 && told[1].contains(#""id":"f2","name":"look""#))
    #expect(told.allSatisfy { $0.contains("not offered") })
    #expect(talk.rig.log.filter { $0.contains("FunctionCallRequest: look") }.count == 1)
    say([UInt8](repeating: 0x55, count: 800), talk)
    #expect(talk.heardBytes() > 0)
  }

  @Test func `a function that its route has is called, and one that is taken back is not answered`()
    throws
  {
    let talk = try FunctionTalk("deepgram-agent")
    #expect(talk.talk.setup[0].contains(#""functions":[{"name":"status""#))
    func call(_ id: String) {
      talk.talk.tell(
        """
        {"type":"FunctionCallRequest","functions":[{"id":"\(id)","name":"status",\
        "arguments":"{\\"id\\":\\"42\\"}","client_side":true}]}
        """)
    }
    call("f1")
    #expect(talk.rig.fetches.count == 1 && talk.rig.fetches[0].contains("shop.test/f"))
    talk.rig.fetcherSays("answer 1 200 whole\n\n{\"sent\":true}")
    let answer =
      #"{"type":"FunctionCallResponse","id":"f1","name":"status","content":"{\"sent\":true}"}"#
    #expect(talk.talk.told() == [answer])
    call("f2")
    talk.talk.tell(#"{"type":"FunctionCallCancelled","functions":[{"id":"f2","name":"status"}]}"#)
    talk.rig.fetcherSays("answer 2 200 whole\n\n{}")
    #expect(talk.talk.told().isEmpty && talk.rig.relay.fetchesInUse == 0)
    talk.talk.expectAllHome()
  }

  @Test(arguments: [true, false])
  func `an agent is asked to say what another session's function has answered`(
    isAnsweredBefore: Bool
  ) throws {
    let talk = try FunctionTalk("deepgram-agent")
    talk.talk.tell(
      """
      {"type":"FunctionCallRequest","functions":[{"id":"f1","name":"status",\
      "arguments":"{\\"id\\":\\"42\\"}","client_side":true}]}
      """)
    close(talk.talk, 1011)
    if isAnsweredBefore { talk.rig.fetcherSays("answer 1 200 whole\n\n{\"n\":1}") }
    talk.rig.advance(milliseconds: 3000)
    let next = try #require(talk.rig.answerDial())
    _ = talk.rig.messages(from: next, isCaller: false)
    talk.rig.answer(Talk.ready("deepgram-agent"), on: next)
    if !isAnsweredBefore { talk.rig.fetcherSays("answer 1 200 whole\n\n{\"n\":1}") }
    let asked = "(Please answer what is not answered yet.)"
    func told() -> [String] { talk.rig.messages(from: next, isCaller: false) }
    let first = told()
    #expect(first.count == 2 && first[0].contains("UpdatePrompt"), "\(first)")
    #expect(first.last == #"{"type":"InjectUserMessage","content":"\#(asked)"}"#)
    // It says that it cannot now: it is asked again. What we have said is not the caller's.
    talk.rig.answer(#"{"type":"InjectionRefused","message":"The user is speaking"}"#, on: next)
    talk.rig.answer(#"{"type":"AgentAudioDone"}"#, on: next)
    talk.rig.advance(milliseconds: 31_000)
    #expect(told().filter { $0.contains("Inject") }.count == 1)
    talk.rig.answer(words("user", asked), on: next)
    #expect(!said(talk.talk, asked))
    // And keys are told when it has spoken.
    talk.rig.feed(
      Frames.frame(.binary, [UInt8](repeating: 0x55, count: 800), isMasked: false), on: next)
    talk.rig.answer(over, on: next)
    talk.rig.advance(milliseconds: 2000)
    talk.rig.say(
      ##"{"event":"dtmf","streamSid":"MZ1","dtmf":{"digit":"#"}}"##, on: talk.talk.caller)
    #expect(told().contains { $0.contains("The caller pressed #.") })
    talk.talk.expectAllHome()
  }

  // MARK: Faults

  @Test func `an error before the settings are applied ends for good what would come again`() throws
  {
    let rig = Talk.rig(with: "deepgram-agent")
    let caller = try #require(rig.open("/talk"))
    rig.start(caller)
    let model = try #require(rig.answerDial())
    rig.answer(#"{"type":"Welcome","request_id":"r"}"#, on: model)
    rig.answer(#"{"type":"Warning","description":"long","code":"PROMPT_TOO_LONG"}"#, on: model)
    #expect(rig.log.contains { $0.contains("PROMPT_TOO_LONG") } && rig.dialled.count == 1)
    rig.answer(
      #"{"type":"Error","description":"no such voice","code":"INVALID_SETTINGS"}"#, on: model)
    rig.advance(milliseconds: 20_000)
    #expect(rig.dialled.count == 1 && rig.log.contains { $0.contains("no such voice") })
  }

  @Test func `audio before the settings are applied is counted, said once and not heard`() throws {
    let rig = Talk.rig(with: "deepgram-agent")
    let caller = try #require(rig.open("/talk"))
    rig.start(caller)
    let model = try #require(rig.answerDial())
    for _ in 0..<2 {
      rig.feed(
        Frames.frame(.binary, [UInt8](repeating: 0x80, count: 160), isMasked: false), on: model)
    }
    #expect(rig.relay.totals.messagesBad == 2)
    #expect(rig.log.filter { $0.contains("no JSON") || $0.contains("not JSON") }.count == 1)
    rig.answer(Talk.ready("deepgram-agent"), on: model)
    #expect(rig.relay.totals.speechSent == 0)
  }

  @Test(arguments: [1000, 1005, 1011] as [UInt16])
  func `a close in mid-call is a loss, and the next session goes on`(code: UInt16) throws {
    let talk = try talk()
    say([UInt8](repeating: 0x55, count: 800), talk)
    talk.tell(over)
    if code == 1005 {
      talk.rig.feed(Frames.frame(.close, [], isMasked: false), on: talk.model)
    } else {
      close(talk, code)
    }
    talk.rig.advance(milliseconds: 3000)
    #expect(talk.rig.dialled.count == 2)
    let next = try #require(talk.rig.answerDial())
    talk.rig.answer(Talk.ready(talk.kind), on: next)
    talk.rig.feed(
      Frames.frame(.binary, [UInt8](repeating: 0x55, count: 800), isMasked: false), on: next)
    talk.rig.advance(milliseconds: 500)
    #expect(talk.heardBytes() == 1600)
    talk.expectAllHome()
  }

  @Test func `an error in mid-call ends the session before its close does`() throws {
    let talk = try talk()
    talk.tell(#"{"type":"Error","description":"gone","code":"ASR_CONNECTION_CLOSED"}"#)
    talk.rig.advance(milliseconds: 3000)
    #expect(talk.rig.dialled.count == 2 && said(talk, "ASR_CONNECTION_CLOSED: gone"))
  }

  @Test func `garbage is counted and said once, a strange type likewise`() throws {
    let talk = try talk()
    for text in ["{", "[]", "{\"type\":"] { talk.tell(text) }
    talk.tell(#"{"type":"BrandNew"}"#)
    talk.tell(#"{"type":"BrandNew"}"#)
    #expect(talk.rig.relay.totals.messagesBad == 3)
    #expect(talk.rig.log.filter { $0.contains("BrandNew") }.count == 1)
    say([UInt8](repeating: 0x55, count: 800), talk)
    #expect(talk.heardBytes() > 0)
  }
}
