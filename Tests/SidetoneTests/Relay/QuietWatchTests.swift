// A model that keeps its caller waiting, and a caller who says nothing: what is heard and asked
// then, and that nobody is hurried who is at work.

import TestSupport
import Testing

@testable import Sidetone

struct QuietWatchTests {
  static let models = ["openai", "gemini"]
  private static let apology = Config.Greeting.tone(400)

  private static func talk(
    _ carrier: String = "ucid", with kind: String = "openai",
    _ change: (inout Config) -> Void = { _ in }
  ) throws -> Talk {
    let talk = try Talk(carrier, with: kind) {
      $0.routes[3].apologyAudio = apology
      $0.routes[3].watch.modelQuietSeconds = 3
      $0.routes[3].watch.callerQuietSeconds = 10
      change(&$0)
    }
    _ = talk.told()
    return talk
  }

  static func counts(_ talk: Talk) -> [Int] {
    let totals = talk.rig.relay.totals
    return [totals.modelsQuiet, totals.reprompts, totals.callersGivenUp]
  }

  private func heard(_ talk: Talk) -> [UInt8] { talk.heard().pieces.flatMap { $0 } }

  /// The caller has said something whole, and is to be answered.
  private func ask(_ talk: Talk, item: String = "item_1") {
    if talk.kind == "gemini" {
      talk.tell(#"{"serverContent":{"inputTranscription":{"text":"Hello?"}}}"#)
    } else {
      talk.interrupt()
      talk.tell(#"{"type":"input_audio_buffer.committed","item_id":"u1"}"#)
      talk.tell(#"{"type":"response.created","response":{"id":"r_\#(item)"}}"#)
    }
  }

  private func answer(_ talk: Talk, _ milliseconds: Int, item: String = "item_1") {
    if talk.kind == "openai" {
      talk.tell(#"{"type":"response.created","response":{"id":"r_\#(item)"}}"#)
    }
    talk.say(milliseconds, item: item)
    talk.end(item: item)
    talk.finish(item: item)
  }

  private func told(_ talk: Talk) -> [String] {
    talk.told().filter { $0 != #"{"type":"KeepAlive"}"# }
  }

  /// Deepgram's agent says something for 200 ms.
  private func answerAsAgent(_ talk: Talk) {
    talk.tell(#"{"type":"AgentStartedSpeaking"}"#)
    let audio = [UInt8](repeating: 0xff, count: 1600)
    talk.rig.feed(Frames.frame(.binary, audio, isMasked: false), on: talk.model)
    talk.tell(#"{"type":"AgentAudioDone"}"#)
  }

  private func reprompt(_ kind: String) -> String {
    let text = Config.Watch().reprompt
    return kind == "gemini"
      ? #"{"realtimeInput":{"text":"\#(text)"}}"#
      : #"{"type":"conversation.item.create","item":{"type":"message","role":"system","content":[{"type":"input_text","text":"\#(text)"}]}}"#
  }

  // MARK: The model

  @Test(arguments: models) func `a caller whom the model keeps waiting hears so, once`(
    model: String
  ) throws {
    let talk = try Self.talk(with: model)
    ask(talk)
    talk.rig.advance(milliseconds: 2900)
    #expect(heard(talk) == [] && Self.counts(talk) == [0, 0, 0])
    talk.rig.advance(milliseconds: 200)
    #expect(Self.counts(talk) == [1, 0, 0])
    talk.rig.advance(milliseconds: 8000)
    #expect(heard(talk) == Self.apology.heard && Self.counts(talk)[0] == 1)
    #expect(talk.rig.log.count { $0.contains("model_quiet: ") } == 1)
    // What it says at last is heard, and the next time it is waited for anew.
    answer(talk, 100)
    #expect(talk.heardBytes() > 0)
    talk.rig.advance(milliseconds: 1000)
    ask(talk, item: "item_2")
    talk.rig.advance(milliseconds: 3100)
    #expect(Self.counts(talk)[0] == 2)
    talk.expectAllHome()
  }

  @Test(arguments: models) func `a model that answers in time is not apologised for`(
    model: String
  ) throws {
    let talk = try Self.talk(with: model)
    for number in 1...3 {
      ask(talk, item: "item_\(number)")
      talk.rig.advance(milliseconds: 2800)
      answer(talk, 3000, item: "item_\(number)")
      talk.rig.advance(milliseconds: 6000)
    }
    #expect(Self.counts(talk) == [0, 0, 0])
    talk.expectAllHome()
  }

  @Test func `a caller who goes on speaking keeps nobody waiting`() throws {
    let talk = try Self.talk("twilio")
    talk.interrupt()
    for _ in 0..<30 { talk.speak(1000) }
    #expect(Self.counts(talk) == [0, 0, 0])
    // Gemini does not say so: it is heard.
    let other = try Self.talk("twilio", with: "gemini")
    ask(other)
    for _ in 0..<5 { other.speak(1000) }
    #expect(Self.counts(other) == [0, 0, 0])
    other.speak(3100, Talk.silence)
    #expect(Self.counts(other) == [1, 0, 0])
    // A noise without end is none.
    ask(other)
    for _ in 0..<64 {
      other.tell(#"{"usageMetadata":{}}"#)
      other.speak(1000)
    }
    #expect(Self.counts(other) == [2, 0, 0])
    other.expectAllHome()
    talk.expectAllHome()
  }

  @Test func `without a recording it is counted and said`() throws {
    let talk = try Self.talk { $0.routes[3].apologyAudio = nil }
    ask(talk)
    talk.rig.advance(milliseconds: 4000)
    #expect(Self.counts(talk) == [1, 0, 0] && heard(talk) == [])
    #expect(talk.rig.log.contains { $0.contains("model_quiet") && !$0.contains("apology") })
    talk.expectAllHome()
  }

  @Test func `no session is no model that is quiet`() throws {
    let talk = try Self.talk()
    ask(talk)
    talk.rig.fail(talk.model)
    talk.rig.advance(milliseconds: 7000)
    #expect(Self.counts(talk) == [0, 0, 0])
    talk.expectAllHome()
  }

  @Test func `a caller who speaks over the apology cuts nobody's words`() throws {
    let talk = try Self.talk(with: "gemini") { $0.routes[3].apologyAudio = .tone(3000) }
    talk.tell(#"{"serverContent":{"outputTranscription":{"text":"All of it was heard."}}}"#)
    answer(talk, 200)
    talk.rig.advance(milliseconds: 1000)
    ask(talk)
    talk.rig.advance(milliseconds: 3500)
    talk.interrupt()
    talk.rig.advance(milliseconds: 1000)
    #expect(!talk.rig.log.contains { $0.contains("heard 0") || $0.contains("🔇") })
    #expect(talk.rig.relay.totals.interruptions == 1)
    talk.expectAllHome()
  }

  // MARK: The caller

  @Test(arguments: models) func `a silent caller is spoken to twice, then the call ends`(
    model: String
  ) throws {
    let talk = try Self.talk(with: model) { $0.routes[3].goodbyeAudio = .tone(300) }
    answer(talk, 1000)
    talk.rig.advance(milliseconds: 10_900)
    #expect(Self.counts(talk) == [0, 0, 0])
    let asks = [reprompt(model)] + (model == "gemini" ? [] : [#"{"type":"response.create"}"#])
    for number in 1...2 {
      talk.rig.advance(milliseconds: 200)
      #expect(Self.counts(talk) == [0, number, 0])
      #expect(talk.told() == asks)
      talk.rig.advance(milliseconds: 500)
      answer(talk, 1000, item: "item_\(number + 1)")
      talk.rig.advance(milliseconds: 10_850)
      #expect(Self.counts(talk) == [0, number, 0])
    }
    _ = talk.heard()
    talk.rig.advance(milliseconds: 200)
    #expect(Self.counts(talk) == [0, 2, 1])
    talk.rig.advance(milliseconds: 1000)
    #expect(heard(talk) == Config.Greeting.tone(300).heard)
    #expect(talk.rig.log.contains { $0.contains("call_ended") && $0.contains("caller_quiet") })
    #expect(talk.rig.relay.callsInUse == 0 && talk.rig.relay.totals.goodbyes == 1)
    #expect(talk.rig.relay.totals.upstreamsLost == 0)
    talk.expectAllHome()
  }

  @Test(arguments: models) func `whatever the caller does begins the count anew`(
    model: String
  ) throws {
    let talk = try Self.talk(with: model)
    talk.rig.advance(milliseconds: 10_100)
    #expect(Self.counts(talk)[1] == 1)
    answer(talk, 200)
    talk.rig.advance(milliseconds: 9000)
    // A sign of life, and nothing else.
    talk.rig.say(#"{"event":"other","ucid":"123"}"#, on: talk.caller)
    ask(talk, item: "item_2")
    answer(talk, 200, item: "item_2")
    // Two more times, not one.
    for number in 2...3 {
      talk.rig.advance(milliseconds: 9000)
      #expect(Self.counts(talk)[1] == number - 1)
      talk.rig.advance(milliseconds: 2500)
      #expect(Self.counts(talk) == [0, number, 0])
      answer(talk, 200, item: "item_\(number + 1)")
    }
    talk.expectAllHome()
  }

  @Test func `a model that does not take up the word is asked again, and the call ends in time`()
    throws
  {
    let talk = try Self.talk { $0.routes[3].watch.modelQuietSeconds = 0 }
    talk.rig.advance(milliseconds: 60_000)
    #expect(Self.counts(talk) == [0, 2, 1] && talk.rig.relay.callsInUse == 0)
    talk.expectAllHome()
  }

  @Test func `a reprompt goes over to the next session`() throws {
    let talk = try Self.talk(with: "gemini")
    talk.rig.advance(milliseconds: 10_100)
    #expect(talk.told() == [reprompt("gemini")])
    talk.rig.fail(talk.model)
    talk.rig.advance(milliseconds: 500)
    let next = try #require(talk.rig.answerDial())
    _ = talk.rig.messages(from: next, isCaller: false)
    talk.rig.answer(Talk.ready("gemini"), on: next)
    #expect(talk.rig.messages(from: next, isCaller: false) == [reprompt("gemini")])
    talk.expectAllHome()
  }

  @Test func `what an operator wants said is told as it is written`() throws {
    let talk = try Self.talk { $0.routes[3].watch.reprompt = "Say \"still there?\"\n\\ é" }
    talk.rig.advance(milliseconds: 10_100)
    #expect(talk.told().first?.contains(#"Say \"still there?\"\n\\ é"#) == true)
    talk.expectAllHome()
  }

  @Test func `without bounds nothing is watched`() throws {
    let talk = try Talk("ucid")
    ask(talk)
    talk.rig.advance(milliseconds: 4000)
    answer(talk, 100)
    talk.rig.advance(milliseconds: 25_000)
    #expect(Self.counts(talk) == [0, 0, 0] && talk.rig.relay.callsInUse == 1)
    talk.expectAllHome()
  }

  // MARK: Whose turn it is

  @Test func `what the agent is told of silence comes back as nobody's words`() throws {
    let talk = try Self.talk(with: "deepgram-agent") { $0.routes[3].watch.modelQuietSeconds = 0 }
    let injected = "(The caller is silent.) " + Config.Watch().reprompt
    for number in 1...2 {
      talk.rig.advance(milliseconds: 10_200)
      #expect(told(talk) == [#"{"type":"InjectUserMessage","content":"\#(injected)"}"#])
      #expect(Self.counts(talk) == [0, number, 0])
      talk.tell(#"{"type":"ConversationText","role":"user","content":"\#(injected)"}"#)
      answerAsAgent(talk)
      talk.rig.advance(milliseconds: 250)
    }
    talk.rig.advance(milliseconds: 12_000)
    #expect(Self.counts(talk) == [0, 2, 1] && talk.rig.relay.callsInUse == 0)
    #expect(!talk.rig.log.contains { $0.contains("(The caller is silent.)") })
    talk.expectAllHome()
  }

  @Test func `a caller of Deepgram's agent who talks for long is not spoken over`() throws {
    let talk = try Self.talk("twilio", with: "deepgram-agent") {
      $0.routes[3].watch.callerQuietSeconds = 5
    }
    talk.tell(#"{"type":"UserStartedSpeaking"}"#)
    for _ in 0..<30 { talk.speak(1000) }
    #expect(Self.counts(talk) == [0, 0, 0])
    talk.tell(#"{"type":"ConversationText","role":"user","content":"So much."}"#)
    talk.speak(3200, Talk.silence)
    #expect(Self.counts(talk) == [1, 0, 0])
    talk.expectAllHome()
  }

  @Test func `a murmur wants no answer, and neither does a cough`() throws {
    let talk = try Self.talk(with: "deepgram-agent")
    talk.tell(
      #"{"type":"ConversationText","role":"user","content":"Mhm.","conversational_behavior":"backchannel"}"#
    )
    talk.rig.advance(milliseconds: 9000)
    #expect(Self.counts(talk) == [0, 0, 0])
    talk.tell(#"{"type":"UserStartedSpeaking"}"#)
    talk.rig.advance(milliseconds: 9000)
    #expect(Self.counts(talk) == [0, 0, 0])
    talk.rig.advance(milliseconds: 1200)
    #expect(Self.counts(talk) == [0, 1, 0])
    talk.expectAllHome()
  }

  @Test(arguments: models) func `a model that has stalled is no caller who is silent`(
    model: String
  ) throws {
    let talk = try Self.talk(with: model) { $0.routes[3].watch.modelQuietSeconds = 15 }
    talk.interrupt()
    talk.tell(
      model == "gemini"
        ? #"{"serverContent":{"inputTranscription":{"text":"Hello?"}}}"#
        : #"{"type":"input_audio_buffer.committed","item_id":"u1"}"#)
    talk.rig.advance(milliseconds: 9000)
    #expect(Self.counts(talk) == [0, 0, 0])
    talk.rig.advance(milliseconds: 60_000)
    #expect(talk.rig.relay.totals.reprompts == 0 && talk.rig.relay.totals.callersGivenUp == 0)
    #expect(talk.rig.relay.totals.modelsGivenUp == 1 && talk.rig.relay.callsInUse == 0)
    #expect(talk.rig.log.contains { $0.contains("call_ended: model_quiet") })
    talk.expectAllHome()
  }

  @Test func `a caller who was said to speak, and is gone, is asked`() throws {
    let talk = try Self.talk()
    talk.interrupt()
    talk.rig.advance(milliseconds: 17_900)
    #expect(Self.counts(talk) == [0, 0, 0])
    talk.rig.advance(milliseconds: 200)
    #expect(Self.counts(talk) == [0, 1, 0] && talk.told().first == reprompt("openai"))
    talk.expectAllHome()
  }

  @Test(arguments: models) func `who had no session is not hurried when one stands`(
    model: String
  ) throws {
    let talk = try Self.talk(with: model) { $0.routes[3].watch.callerQuietSeconds = 4 }
    ask(talk)
    talk.rig.fail(talk.model)
    talk.rig.advance(milliseconds: 6000)
    let next = try #require(talk.rig.answerDial())
    talk.rig.answer(Talk.ready(model), on: next)
    talk.rig.advance(milliseconds: 2800)
    #expect(Self.counts(talk) == [0, 0, 0])
    talk.rig.advance(milliseconds: 1500)
    #expect(Self.counts(talk)[0] + Self.counts(talk)[1] == 1)
    talk.expectAllHome()
  }

  @Test func `a reprompt that comes too early is not made again`() throws {
    let talk = try Self.talk(with: "deepgram-agent")
    talk.rig.advance(milliseconds: 10_200)
    #expect(Self.counts(talk)[1] == 1 && told(talk).count == 1)
    talk.tell(#"{"type":"InjectionRefused","message":"The user speaks."}"#)
    talk.tell(#"{"type":"UserStartedSpeaking"}"#)
    talk.tell(#"{"type":"ConversationText","role":"user","content":"Yes."}"#)
    answerAsAgent(talk)
    talk.rig.advance(milliseconds: 3000)
    #expect(told(talk) == [])
    talk.expectAllHome()
  }

  @Test(arguments: models) func `it is not made behind what the caller says to the next session`(
    model: String
  ) throws {
    let talk = try Self.talk("twilio", with: model)
    talk.rig.advance(milliseconds: 10_200)
    #expect(talk.told().count == (model == "gemini" ? 1 : 2))
    talk.speak(500)
    talk.rig.fail(talk.model)
    talk.rig.advance(milliseconds: 500)
    let next = try #require(talk.rig.answerDial())
    _ = talk.rig.messages(from: next, isCaller: false)
    talk.rig.answer(Talk.ready(model), on: next)
    let told = talk.rig.messages(from: next, isCaller: false)
    #expect(!told.contains { $0.contains("has said nothing") })
    talk.expectAllHome()
  }
}
