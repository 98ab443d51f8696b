// A caller and a voice model through the whole relay, on a clock moved by hand: what each is sent,
// and when.

import Sidetone
import Testing

struct TwoWayTests {
  @Test func `a caller's frame reaches the model in its turn, six times as large`() throws {
    let talk = try Talk()
    #expect(talk.setup.count == 1)
    #expect(talk.setup[0].hasPrefix(#"{"type":"session.update""#))
    talk.rig.media(talk.caller)
    let sent = talk.rig.messages(from: talk.model, isCaller: false)
    #expect(sent.count == 1)
    #expect(sent[0].hasPrefix(#"{"type":"input_audio_buffer.append","audio":""#))
    #expect(sent[0].utf8.count == 47 + 1280)
  }

  @Test func `what was said before the model was ready reaches it whole`() throws {
    let rig = Talk.rig()
    let caller = try #require(rig.open("/talk"))
    rig.start(caller)
    for _ in 0..<7 { rig.media(caller) }
    let model = try #require(rig.answerDial())
    for _ in 0..<5 { rig.media(caller) }
    #expect(rig.messages(from: model, isCaller: false).count == 1)
    rig.answer(#"{"type":"session.updated","session":{}}"#, on: model)
    rig.advance(milliseconds: 100)
    #expect(rig.messages(from: model, isCaller: false).count == 12)
  }

  @Test func `a burst is played in real time, 200 ms ahead`() throws {
    let talk = try Talk()
    talk.say(2000)
    #expect(talk.heardBytes() == 1440)
    var total = 1440
    for _ in 0..<40 {
      talk.rig.advance(milliseconds: 10)
      total += talk.heardBytes()
    }
    // 400 ms have been played.
    #expect(total >= 3200 + 1280 && total <= 3200 + 1600)
    talk.rig.advance(milliseconds: 3000)
    #expect(total + talk.heardBytes() == 16_000)
  }

  @Test func `an interruption clears the caller's buffer and tells the model what was heard`()
    throws
  {
    let talk = try Talk()
    talk.say(2000)
    talk.rig.advance(milliseconds: 500)
    _ = talk.heard()
    _ = talk.told()
    talk.interrupt()
    let after = talk.heard()
    #expect(after.pieces == [])
    #expect(after.others == [#"{"event":"clear","streamSid":"MZ1"}"#])
    // No mark has come back: the caller may have heard the first 20 ms, and no more is known.
    #expect(
      talk.told() == [
        #"{"type":"conversation.item.truncate","item_id":"item_1","content_index":0,"audio_end_ms":20}"#
      ])
    talk.say(300)
    talk.rig.advance(milliseconds: 1000)
    #expect(talk.heardBytes() == 0)
    talk.say(300, item: "item_2")
    talk.rig.advance(milliseconds: 1000)
    #expect(talk.heardBytes() == 2400)
  }

  @Test func `everything comes home`() throws {
    let talk = try Talk()
    talk.say(3000)
    talk.rig.media(talk.caller)
    talk.rig.advance(milliseconds: 300)
    talk.rig.say(#"{"event":"stop","streamSid":"MZ1"}"#, on: talk.caller)
    talk.rig.advance(milliseconds: 10_000)
    #expect(talk.rig.relay.callsInUse == 0)
    #expect(talk.rig.relay.blocksFree == talk.rig.relay.blocksMax)
    #expect(talk.rig.relay.resamplersInUse == 0)
    #expect(talk.rig.closed.contains(talk.caller))
  }
}
