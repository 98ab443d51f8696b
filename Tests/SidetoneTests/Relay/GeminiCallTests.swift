// What is special about Gemini Live in a call: turns instead of items, several things in one
// message, sessions that are handed over.

import Sidetone
import TestSupport
import Testing

struct GeminiCallTests {
  private let done = #"{"serverContent":{"turnComplete":true}}"#

  @Test func `audio goes up at 16 kHz and comes down from 24 kHz`() throws {
    let talk = try Talk(with: "gemini")
    talk.rig.media(talk.caller)
    #expect(talk.reached().count == 640)
    talk.say(100)
    #expect(talk.heardBytes() == 800)
  }

  @Test func `after an interruption all is void until the turn is complete`() throws {
    let talk = try Talk(with: "gemini")
    talk.say(2000)
    _ = talk.heard()
    talk.interrupt()
    #expect(talk.told() == [])
    #expect(talk.heard().others == [#"{"event":"clear","streamSid":"MZ1"}"#])
    talk.say(300)
    talk.tell(#"{"serverContent":{"generationComplete":true}}"#)
    talk.say(300)
    talk.rig.advance(milliseconds: 500)
    #expect(talk.heardBytes() == 0 && talk.rig.relay.totals.speechLate == 2)
    talk.tell(done)
    talk.say(100)
    #expect(talk.heardBytes() == 800)
  }

  @Test func `an interruption in a message with audio voids that audio`() throws {
    let talk = try Talk(with: "gemini")
    talk.say(500)
    _ = talk.heard()
    let part = Talk.part([UInt8](repeating: 0, count: 4800))
    talk.tell(
      #"{"serverContent":{"modelTurn":{"parts":[\#(part)]},"interrupted":true,"turnComplete":true}}"#
    )
    talk.rig.advance(milliseconds: 500)
    #expect(talk.heardBytes() == 0)
    talk.say(100)
    #expect(talk.heardBytes() == 800)
  }

  @Test func `one message may bring several parts, words and the end of a turn`() throws {
    let talk = try Talk(with: "gemini") { $0.printsTranscripts = true }
    let part = Talk.part([UInt8](repeating: 0, count: 960))
    talk.tell(
      """
      {"usageMetadata":{"totalTokenCount":7},"serverContent":{"modelTurn":{"parts":[\(part),\
      {"text":"no sound"},\(part),{"thought":true,"inlineData":{"data":"AAAA"}}]},\
      "outputTranscription":{"text":"Hello"},"inputTranscription":{"text":"Hi"},\
      "generationComplete":true,"turnComplete":true},"sessionResumptionUpdate":{"resumable":true,\
      "newHandle":"h1"}}
      """)
    talk.rig.advance(milliseconds: 1200)
    // Two frames, and what the filter held of them.
    #expect(talk.heardBytes() == 320 + 160)
    #expect(talk.rig.log.contains { $0.hasPrefix("[AGENT] Hello (") })
    #expect(talk.rig.log.contains { $0.hasPrefix("[FINAL] Transcription: Hi (") })
  }

  @Test func `turn after turn is played, one behind the other`() throws {
    let talk = try Talk(with: "gemini")
    for _ in 0..<10 {
      talk.say(100)
      talk.end()
      talk.tell(done)
      talk.rig.advance(milliseconds: 200)
    }
    #expect(talk.heardBytes() == 10 * (800 + 160))
    #expect(talk.rig.relay.totals.speechCut == 0)
    talk.expectAllHome()
  }

  @Test func `a refused setup ends the call, and the log shows the reason`() throws {
    let rig = Talk.rig(with: "gemini")
    let caller = try #require(rig.open("/talk"))
    rig.start(caller)
    let model = try #require(rig.answerDial())
    let reason = Array("models/none is not found for API version v1beta".utf8)
    rig.feed(Frames.frame(.close, [0x03, 0xf0] + reason, isMasked: false), on: model)
    #expect(rig.log.contains { $0.contains("1008 models/none is not found for API version") })
    rig.advance(milliseconds: 1000)
    #expect(rig.relay.callsInUse == 0 && rig.dialled.count == 1)
    #expect(rig.closed.contains(caller))
  }

  @Test(arguments: [true, false])
  func `a session that will end is handed over when nobody speaks`(hasHandle: Bool) throws {
    for carrier in ["twilio", "ucid"] {
      let talk = try Talk(carrier, with: "gemini") {
        $0.upstreams[2].options = [("greeting", "Hello")]
      }
      if hasHandle {
        talk.tell(#"{"sessionResumptionUpdate":{"resumable":true,"newHandle":"handle-1"}}"#)
        talk.tell(#"{"sessionResumptionUpdate":{"resumable":false}}"#)
      }
      talk.say(500)
      talk.end()
      talk.tell(done)
      talk.tell(#"{"goAway":{"timeLeft":"50s"}}"#)
      talk.rig.advance(milliseconds: 300)
      #expect(talk.rig.dialled.count == 1)
      for _ in 0..<8 {
        talk.rig.advance(milliseconds: 100)
        for message in talk.heard().others where message.contains("mark") {
          talk.play(message.pieces(cutAt: "\"name\":\"")[1].pieces(cutAt: "\"")[0])
        }
      }
      #expect(talk.rig.dialled.count == 2, "\(carrier)")
      let second = try #require(talk.rig.answerDial())
      let setup = talk.rig.messages(from: second, isCaller: false)
      #expect(setup.count == 1)
      #expect(setup[0].contains(#""handle":"handle-1""#) == hasHandle)
      talk.rig.answer(#"{"setupComplete":{}}"#, on: second)
      // The first session was greeted.
      #expect(talk.rig.messages(from: second, isCaller: false) == [])
      talk.expectAllHome()
    }
  }

  @Test func `when there is no time left it is handed over in mid-speech, which is played out`()
    throws
  {
    let talk = try Talk(with: "gemini")
    talk.say(4000)
    talk.tell(#"{"goAway":{"timeLeft":"2s"}}"#)
    let second = try #require(talk.rig.answerDial())
    talk.rig.answer(#"{"setupComplete":{}}"#, on: second)
    talk.rig.advance(milliseconds: 900)
    #expect(!talk.rig.isGone(talk.model))
    talk.rig.advance(milliseconds: 300)
    #expect(talk.rig.dialled.count == 2 && talk.rig.isGone(talk.model))
    talk.rig.advance(milliseconds: 4000)
    #expect(talk.heardBytes() == 32_000 + 160)
  }

  @Test func `what the caller says while sessions change reaches the next one`() throws {
    let talk = try Talk(with: "gemini")
    talk.tell(#"{"goAway":{}}"#)
    talk.rig.advance(milliseconds: 1)
    #expect(talk.rig.dialled.count == 2)
    for _ in 0..<5 { talk.rig.media(talk.caller) }
    let second = try #require(talk.rig.answerDial())
    talk.rig.answer(#"{"setupComplete":{}}"#, on: second)
    talk.rig.advance(milliseconds: 50)
    let sent = talk.rig.messages(from: second, isCaller: false)
    #expect(sent.filter { $0.hasPrefix(#"{"realtimeInput":{"audio""#) }.count == 5)
  }

  @Test func `a handle that is refused is forgotten, and the session begins anew`() throws {
    let talk = try Talk(with: "gemini")
    talk.tell(#"{"sessionResumptionUpdate":{"resumable":true,"newHandle":"old"}}"#)
    talk.tell(#"{"goAway":{"timeLeft":"0s"}}"#)
    talk.rig.advance(milliseconds: 1)
    let second = try #require(talk.rig.answerDial())
    #expect(talk.rig.messages(from: second, isCaller: false)[0].contains(#""handle":"old""#))
    let reason = Array("session not found".utf8)
    talk.rig.feed(Frames.frame(.close, [0x03, 0xf0] + reason, isMasked: false), on: second)
    talk.rig.advance(milliseconds: 500)
    #expect(talk.rig.dialled.count == 3)
    let third = try #require(talk.rig.answerDial())
    #expect(!talk.rig.messages(from: third, isCaller: false)[0].contains("handle\":"))
    talk.rig.answer(#"{"setupComplete":{}}"#, on: third)
    #expect(talk.rig.relay.callsInUse == 1)
    talk.expectAllHome()
  }

  @Test(arguments: [
    "{", "[]", "7", "\"x\"", #"{"serverContent":7}"#,
    #"{"serverContent":{"modelTurn":{"parts":{}}}}"#,
    #"{"serverContent":{"modelTurn":{"parts":[{"inlineData":{"data":7}}]}}}"#,
    #"{"serverContent":{"modelTurn":{"parts":[{"inlineData":{"data":"a"}}]}}}"#, "{\"\u{0}\":1}",
  ])
  func `nonsense from the model stops nothing`(message: String) throws {
    let talk = try Talk(with: "gemini")
    talk.tell(message)
    talk.rig.feed(Frames.frame(.binary, Array(message.utf8), isMasked: false), on: talk.model)
    talk.say(100)
    #expect(talk.heardBytes() == 800)
  }
}
