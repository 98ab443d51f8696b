// What voice models' wires look like beside what was asked of them: other rates, other formats,
// parts that are no audio.

import TestSupport
import Testing

@testable import Sidetone

struct VoiceWiresTests {
  private func part(_ type: String, milliseconds: Int, rate: Int) -> String {
    let audio = Talk.base64([UInt8](repeating: 0, count: 2 * rate * milliseconds / 1000))
    return
      #"{"serverContent":{"modelTurn":{"parts":[{"inlineData":{\#(type)"data":"\#(audio)"}}]}}}"#
  }

  /// How many milliseconds the caller hears of one that was said.
  private func heard(_ talk: Talk) -> Int {
    talk.rig.advance(milliseconds: 3000)
    return talk.heardBytes() / 8
  }

  @Test(arguments: [
    (#""mimeType":"audio/pcm;rate=16000","#, 16_000),
    (#""mimeType":"audio/pcm; rate=8000","#, 8000),
    (#""mimeType":"audio\/L16;rate=24000;channels=1","#, 24_000), ("", 24_000),
    (#""mimeType":"AUDIO/PCM","#, 24_000),
  ])
  func `the rate that a part names is heeded`(type: String, rate: Int) throws {
    let talk = try Talk(with: "gemini")
    talk.tell(part(type, milliseconds: 1000, rate: rate))
    talk.tell(#"{"serverContent":{"generationComplete":true}}"#)
    #expect((1000...1040).contains(heard(talk)))
    #expect(talk.rig.log.contains { $0.contains("upstream_audio_format") } == (rate != 24_000))
    talk.expectAllHome()
  }

  @Test(arguments: ["audio/pcm;rate=48000", "image/png", "audio/opus", "text/plain"])
  func `a part that cannot be converted is a line, and is not played`(type: String) throws {
    let talk = try Talk(with: "gemini")
    for _ in 0..<3 {
      talk.tell(part(#""mimeType":"\#(type)","#, milliseconds: 200, rate: 48_000))
    }
    #expect(heard(talk) == 0 && talk.rig.relay.totals.speechCut == 3)
    #expect(talk.rig.log.filter { $0.contains("WARNING: upstream_audio_format") }.count == 1)
    // What comes in the usual format is heard as before.
    talk.say(1000)
    talk.end()
    #expect((1000...1040).contains(heard(talk)))
  }

  @Test(arguments: [
    #"{"audio":{"input":{"format":{"type":"audio/pcmu"}},"output":{"format":{"type":"audio/pcmu"}}}}"#,
    #"{"input_audio_format":"g711_ulaw","output_audio_format":"g711_ulaw"}"#,
    #"{"audio":{"input":{"format":"g711_ulaw"},"output":{"format":{"type":"audio\/PCMU"}}}}"#,
  ])
  func `a format that the session states is heeded both ways`(session: String) throws {
    let talk = try Talk("twilio", with: "openai", start: nil)
    let rig = Talk.rig()
    let caller = try #require(rig.open("/talk"))
    rig.say(try #require(Talk.starts["twilio"]), on: caller)
    let model = try #require(rig.answerDial())
    rig.answer(#"{"type":"session.updated","session":\#(session)}"#, on: model)
    let said = (0..<800).map { UInt8(truncatingIfNeeded: $0 % 100) }
    rig.answer(
      #"{"type":"response.output_audio.delta","item_id":"i","delta":"\#(Talk.base64(said))"}"#,
      on: model)
    _ = rig.messages(from: model, isCaller: false)
    rig.advance(milliseconds: 500)
    let pieces = rig.messages(from: caller, isCaller: true).filter { $0.contains("payload") }
    let heard = pieces.flatMap {
      Talk.decoded($0.pieces(cutAt: "payload\":\"")[1].pieces(cutAt: "\"")[0])
    }
    #expect(heard == said)
    rig.media(caller)
    #expect(rig.messages(from: model, isCaller: false).contains { $0.contains(Rig.frame) })
    _ = talk
  }

  @Test func `a format that nobody knows ends the session with a line`() throws {
    let rig = Talk.rig()
    let caller = try #require(rig.open("/talk"))
    rig.say(try #require(Talk.starts["twilio"]), on: caller)
    let model = try #require(rig.answerDial())
    rig.answer(
      #"{"type":"session.updated","session":{"audio":{"output":{"format":{"type":"audio/opus"}}}}}"#,
      on: model)
    #expect(rig.log.contains { $0.contains("WARNING: upstream_audio_format") })
    rig.advance(milliseconds: 20_000)
    #expect(rig.relay.callsInUse == 0)
  }

  // MARK: Commands

  @Test func `a carrier is told to clear only what is left to play`() throws {
    let talk = try Talk("ucid")
    talk.say(200)
    talk.end()
    talk.rig.advance(milliseconds: 100)
    talk.interrupt()
    #expect(talk.heard().others.filter { $0.contains("clearBuffer") }.count == 1)
    talk.tell(#"{"type":"response.done","response":{"status":"cancelled"}}"#)
    talk.say(200, item: "item_2")
    talk.end(item: "item_2")
    talk.rig.advance(milliseconds: 2000)
    talk.interrupt()
    #expect(talk.heard().others.isEmpty)
  }

  @Test func `a route's setting spares vendors that know no commands`() throws {
    let talk = try Talk("ucid") { $0.routes[3].takesCommands = false }
    talk.say(1000)
    talk.rig.advance(milliseconds: 100)
    talk.interrupt()
    #expect(talk.heard().others.isEmpty)
  }

  // MARK: Tracks

  @Test func `both tracks in a talk are one voice, at its own speed`() throws {
    let talk = try Talk("telnyx") { $0.upstreams[2].options = [("audio", "g711")] }
    for index in 0..<20 {
      for (track, name) in ["inbound", "outbound"].enumerated() {
        talk.rig.say(
          """
          {"event":"media","media":{"track":"\(name)","chunk":"\(2 * index + track + 1)",\
          "payload":"\(Talk.base64([UInt8](repeating: UInt8(track + 1), count: 160)))"}}
          """, on: talk.caller)
      }
    }
    talk.rig.advance(milliseconds: 500)
    #expect(talk.reached() == [UInt8](repeating: 1, count: 20 * 160))
    #expect(talk.rig.relay.totals.framesMissing == 0)
    #expect(talk.rig.log.filter { $0.contains("WARNING: other_track") }.count == 1)
  }

  // MARK: Gaps

  @Test(arguments: [true, false])
  func `where a carrier's clock jumps, silence is sent if that is asked for`(fills: Bool) throws {
    let talk = try Talk("twilio") {
      $0.upstreams[2].options = [("audio", "g711")]
      $0.routes[3].fillsGaps = fills
    }
    func media(at milliseconds: Int) {
      talk.rig.say(
        #"{"event":"media","media":{"timestamp":"\#(milliseconds)","payload":"\#(Rig.frame)"}}"#,
        on: talk.caller)
    }
    for time in [0, 20, 60, 2060, 2080, 40] { media(at: time) }
    talk.rig.advance(milliseconds: 5000)
    let expected = 6 * 160 + (fills ? 1980 * 8 : 0)
    #expect(talk.reached().count == expected)
    #expect(talk.rig.relay.totals.silenceFilled == (fills ? 1980 : 0))
  }
}
