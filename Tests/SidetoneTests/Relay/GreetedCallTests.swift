// Who speaks first: a sound that is there at once, or the model that is asked to.

import Testing

@testable import Sidetone

struct GreetedCallTests {
  private static func tone(_ milliseconds: Int) -> Config.Greeting {
    .tone(milliseconds)
  }

  @Test(arguments: [
    ("openai", #"{"type":"response.create","response":{"instructions":"Say hello"}}"#),
    ("gemini", #"{"realtimeInput":{"text":"Say hello"}}"#),
  ])
  func `a model that shall greet is asked to as soon as its session stands`(
    kind: String, expected: String
  ) throws {
    let talk = try Talk(with: kind) { $0.upstreams[2].options = [("greeting", "Say hello")] }
    #expect(talk.told() == [expected])
    #expect(talk.rig.relay.totals.frames == 0)
  }

  @Test(arguments: ["twilio", "telnyx", "ucid"])
  func `a sound is heard while the upstream is being dialled`(carrier: String) throws {
    let rig = Talk.rig(carrier) { $0.routes[3].greetingAudio = Self.tone(300) }
    let caller = try #require(rig.open("/talk"))
    rig.say(Talk.starts[carrier]!, on: caller)
    #expect(rig.dialled.count == 1)
    let first = rig.messages(from: caller, isCaller: true)
    #expect(first.contains { $0.hasPrefix(#"{"event":"media""#) })
    rig.advance(milliseconds: 400)
    #expect(rig.messages(from: caller, isCaller: true).count > 1)
  }

  @Test func `the sound is whole, and what the model says follows it`() throws {
    let talk = try Talk("ucid") { $0.routes[3].greetingAudio = Self.tone(300) }
    talk.say(100)
    talk.rig.advance(milliseconds: 1000)
    let pieces = talk.heard().pieces
    #expect(pieces.allSatisfy { $0.count == 160 })
    let tone = Self.tone(300).samples.flatMap {
      [UInt8(truncatingIfNeeded: $0), UInt8(truncatingIfNeeded: $0 >> 8)]
    }
    #expect(Array(pieces.flatMap { $0 }.prefix(tone.count)) == tone)
    #expect(pieces.count == 40)
  }

  @Test(arguments: [true, false])
  func `a greeting that was heard is not repeated when the upstream is dialled again`(
    isSound: Bool
  ) throws {
    let talk = try Talk {
      if isSound { $0.routes[3].greetingAudio = Self.tone(100) }
      $0.upstreams[2].options = [("greeting", "Say hello")]
    }
    // Where a sound greets the model is not asked to.
    #expect(talk.told().count == (isSound ? 0 : 1))
    if !isSound {
      talk.say(90)
      talk.end()
    }
    talk.rig.advance(milliseconds: 300)
    #expect(talk.heardBytes() >= 720)
    talk.rig.relay.failed(talk.model, .reset, at: talk.rig.now)
    talk.rig.advance(milliseconds: 500)
    #expect(talk.rig.dialled.count == 2)
    let second = try #require(talk.rig.answerDial())
    #expect(talk.rig.messages(from: second, isCaller: false).count == 1)
    talk.rig.answer(Talk.ready("openai"), on: second)
    talk.rig.advance(milliseconds: 300)
    #expect(talk.rig.messages(from: second, isCaller: false) == [])
    #expect(talk.heardBytes() == 0)
    talk.expectAllHome()
  }

  @Test func `a caller who has gone is not greeted`() throws {
    let rig = Talk.rig { $0.upstreams[2].options = [("greeting", "Say hello")] }
    let caller = try #require(rig.open("/talk"))
    rig.start(caller)
    rig.media(caller)
    rig.say(#"{"event":"stop","streamSid":"MZ1"}"#, on: caller)
    let model = try #require(rig.answerDial())
    rig.answer(Talk.ready("openai"), on: model)
    rig.advance(milliseconds: 100)
    #expect(!rig.messages(from: model, isCaller: false).contains { $0.contains("Say hello") })
  }

  @Test func `an interruption ends the sound, and the model is told nothing of it`() throws {
    let talk = try Talk { $0.routes[3].greetingAudio = Self.tone(2000) }
    talk.rig.advance(milliseconds: 100)
    _ = talk.heard()
    talk.interrupt()
    talk.rig.advance(milliseconds: 1000)
    let (pieces, others) = talk.heard()
    #expect(pieces == [] && others == [#"{"event":"clear","streamSid":"MZ1"}"#])
    #expect(talk.told() == [])
  }
}
