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

  private func counts(_ talk: Talk) -> [Int] {
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
    #expect(heard(talk) == [] && counts(talk) == [0, 0, 0])
    talk.rig.advance(milliseconds: 200)
    #expect(counts(talk) == [1, 0, 0])
    talk.rig.advance(milliseconds: 8000)
    #expect(heard(talk) == Self.apology.heard && counts(talk)[0] == 1)
    #expect(talk.rig.log.count { $0.contains("model_quiet: ") } == 1)
    // What it says at last is heard, and the next time it is waited for anew.
    answer(talk, 100)
    #expect(talk.heardBytes() > 0)
    talk.rig.advance(milliseconds: 1000)
    ask(talk, item: "item_2")
    talk.rig.advance(milliseconds: 3100)
    #expect(counts(talk)[0] == 2)
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
    #expect(counts(talk) == [0, 0, 0])
    talk.expectAllHome()
  }

  @Test func `a caller who goes on speaking keeps nobody waiting`() throws {
    let talk = try Self.talk()
    talk.interrupt()
    talk.rig.advance(milliseconds: 30_000)
    #expect(counts(talk) == [0, 0, 0])
    // Gemini does not say so: it is heard.
    let other = try Self.talk("twilio", with: "gemini")
    ask(other)
    for _ in 0..<5 { other.speak(1000) }
    #expect(counts(other) == [0, 0, 0])
    other.speak(3100, Talk.silence)
    #expect(counts(other) == [1, 0, 0])
    // A noise without end is none.
    ask(other)
    for _ in 0..<12 { other.speak(1000) }
    #expect(counts(other) == [2, 0, 0])
    other.expectAllHome()
    talk.expectAllHome()
  }

  @Test func `without a recording it is counted and said`() throws {
    let talk = try Self.talk { $0.routes[3].apologyAudio = nil }
    ask(talk)
    talk.rig.advance(milliseconds: 4000)
    #expect(counts(talk) == [1, 0, 0] && heard(talk) == [])
    #expect(talk.rig.log.contains { $0.contains("model_quiet") && !$0.contains("apology") })
    talk.expectAllHome()
  }

  @Test func `no session is no model that is quiet`() throws {
    let talk = try Self.talk()
    ask(talk)
    talk.rig.fail(talk.model)
    talk.rig.advance(milliseconds: 7000)
    #expect(counts(talk) == [0, 0, 0])
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
    #expect(counts(talk) == [0, 0, 0])
    let asks = [reprompt(model)] + (model == "gemini" ? [] : [#"{"type":"response.create"}"#])
    for number in 1...2 {
      talk.rig.advance(milliseconds: 200)
      #expect(counts(talk) == [0, number, 0])
      #expect(talk.told() == asks)
      talk.rig.advance(milliseconds: 500)
      answer(talk, 1000, item: "item_\(number + 1)")
      talk.rig.advance(milliseconds: 10_850)
      #expect(counts(talk) == [0, number, 0])
    }
    _ = talk.heard()
    talk.rig.advance(milliseconds: 200)
    #expect(counts(talk) == [0, 2, 1])
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
    #expect(counts(talk)[1] == 1)
    answer(talk, 200)
    talk.rig.advance(milliseconds: 9000)
    talk.rig.say(#"{"event":"dtmf","digit":"5","ucid":"123"}"#, on: talk.caller)
    ask(talk, item: "item_2")
    answer(talk, 200, item: "item_2")
    // Two more times, not one.
    for number in 2...3 {
      talk.rig.advance(milliseconds: 9000)
      #expect(counts(talk)[1] == number - 1)
      talk.rig.advance(milliseconds: 2500)
      #expect(counts(talk) == [0, number, 0])
      answer(talk, 200, item: "item_\(number + 1)")
    }
    talk.expectAllHome()
  }

  @Test func `a model that does not take up the word is asked again, and the call ends in time`()
    throws
  {
    let talk = try Self.talk { $0.routes[3].watch.modelQuietSeconds = 0 }
    talk.rig.advance(milliseconds: 60_000)
    #expect(counts(talk) == [0, 2, 1] && talk.rig.relay.callsInUse == 0)
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
    #expect(counts(talk) == [0, 0, 0] && talk.rig.relay.callsInUse == 1)
    talk.expectAllHome()
  }

  // MARK: Functions

  private static func calling(
    _ kind: String, after milliseconds: Int = 700, _ change: (inout Config) -> Void = { _ in }
  ) throws -> FunctionTalk {
    try FunctionTalk(kind, carrier: "ucid") {
      for index in 0..<2 {
        $0.routes[3].functions[index].phraseAudio = apology
        $0.routes[3].functions[index].phraseAfterMilliseconds = milliseconds
      }
      change(&$0)
    }
  }

  @Test(arguments: models) func `a function that takes long is told to the caller, once`(
    model: String
  ) throws {
    let call = try Self.calling(model)
    call.begin()
    call.call("status", "a")
    call.rig.advance(milliseconds: 650)
    #expect(heard(call.talk) == [])
    call.rig.advance(milliseconds: 3000)
    #expect(heard(call.talk) == Self.apology.heard)
    #expect(call.rig.relay.totals.functionPhrases == 1)
    call.rig.fetcherSays("answer 1 200 whole\n\n{}")
    // The next one has its own.
    call.begin()
    call.call("status", "b")
    call.rig.advance(milliseconds: 3000)
    #expect(call.rig.relay.totals.functionPhrases == 2)
    call.talk.expectAllHome()
  }

  @Test func `one that answers in time is not, and nobody is spoken over`() throws {
    let call = try Self.calling("openai")
    call.begin()
    call.call("status", "a")
    call.rig.advance(milliseconds: 500)
    call.rig.fetcherSays("answer 1 200 whole\n\n{}")
    call.rig.advance(milliseconds: 3000)
    #expect(call.rig.relay.totals.functionPhrases == 0)
    // The model says itself that it will take a while.
    call.begin()
    call.talk.tell(#"{"type":"response.created","response":{"id":"r_item_9"}}"#)
    call.talk.say(2000, item: "item_9")
    call.talk.end(item: "item_9")
    call.call("status", "b")
    call.rig.advance(milliseconds: 2500)
    #expect(call.rig.relay.totals.functionPhrases == 0)
    call.rig.advance(milliseconds: 400)
    #expect(call.rig.relay.totals.functionPhrases == 1)
    // Nor is the caller.
    call.rig.advance(milliseconds: 1000)
    call.rig.fetcherSays("answer 2 200 whole\n\n{}")
    call.rig.advance(milliseconds: 1000)
    call.begin()
    call.call("slow", "c")
    call.talk.interrupt()
    call.rig.advance(milliseconds: 5000)
    #expect(call.rig.relay.totals.functionPhrases == 1)
    call.talk.expectAllHome()
  }

  @Test func `a caller whose function runs is not asked where it is`() throws {
    let call = try Self.calling("openai") { $0.routes[3].watch.callerQuietSeconds = 2 }
    call.begin()
    call.call("slow", "a")
    call.rig.advance(milliseconds: 7000)
    #expect(counts(call.talk) == [0, 0, 0])
    call.talk.expectAllHome()
  }
}
