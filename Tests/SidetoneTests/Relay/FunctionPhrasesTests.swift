// What a caller hears while functions run: a phrase, once, when nobody is heard; and who is left in
// peace meanwhile.

import TestSupport
import Testing

@testable import Sidetone

struct FunctionPhrasesTests {
  private static let models = ["openai", "gemini"]
  private static let apology = Config.Greeting.tone(400)

  private func heard(_ talk: Talk) -> [UInt8] { talk.heard().pieces.flatMap { $0 } }

  private static func calling(
    _ kind: String, after milliseconds: Int = 700, _ change: (inout Config) -> Void = { _ in }
  ) throws -> FunctionTalk {
    try FunctionTalk(kind, carrier: "ucid") {
      for index in 0..<2 {
        $0.routes[3].functions[index].phraseAudio = Self.apology
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
    #expect(QuietWatchTests.counts(call.talk) == [0, 0, 0])
    call.talk.expectAllHome()
  }

  @Test func `a caller who presses keys for a function is left in peace`() throws {
    let talk = try Talk {
      var digits = Config.Function()
      digits.name = "digits"
      digits.description = "Asks for digits."
      digits.builtIn = .collectDigits
      $0.routes[3].functions = [digits]
      $0.routes[3].watch.modelQuietSeconds = 2
      $0.routes[3].watch.callerQuietSeconds = 3
    }
    talk.rig.relay.fetcherStarted()
    talk.tell(#"{"type":"response.created","response":{"id":"r1"}}"#)
    talk.tell(
      #"{"type":"response.output_item.done","response_id":"r1","item":{"id":"i","type":"function_call","status":"completed","name":"digits","call_id":"c","arguments":"{\"count\":8}"}}"#
    )
    talk.tell(#"{"type":"response.done","response":{"id":"r1","status":"completed"}}"#)
    for _ in 0..<5 {
      talk.rig.say(#"{"event":"dtmf","streamSid":"MZ1","dtmf":{"digit":"5"}}"#, on: talk.caller)
      talk.rig.advance(milliseconds: 2900)
    }
    #expect(QuietWatchTests.counts(talk) == [0, 0, 0])
    talk.expectAllHome()
  }

  @Test func `the time of a phrase begins when the caller has spoken`() throws {
    let call = try Self.calling("openai")
    call.begin()
    call.call("slow", "a")
    call.talk.interrupt()
    call.rig.advance(milliseconds: 2000)
    call.talk.tell(#"{"type":"input_audio_buffer.committed","item_id":"u1"}"#)
    call.rig.advance(milliseconds: 600)
    #expect(call.rig.relay.totals.functionPhrases == 0)
    call.rig.advance(milliseconds: 200)
    #expect(call.rig.relay.totals.functionPhrases == 1)
    call.talk.expectAllHome()
  }

  @Test func `one phrase does for calls of one function, and none waits for another's`() throws {
    let call = try Self.calling("openai") {
      $0.routes[3].functions[1].phraseAfterMilliseconds = 20_000
    }
    call.begin()
    call.item("slow", "a")
    call.item("status", "b")
    call.item("status", "c")
    call.done()
    call.rig.advance(milliseconds: 3000)
    #expect(call.rig.relay.totals.functionPhrases == 1)
    call.rig.advance(milliseconds: 3000)
    #expect(call.rig.relay.totals.functionPhrases == 1)
    call.talk.expectAllHome()
  }
}
