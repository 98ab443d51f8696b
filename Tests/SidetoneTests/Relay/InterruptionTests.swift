// The caller speaks over the agent: nothing stale leaves any more, and the model learns what was
// heard.

import Sidetone
import Testing

struct InterruptionTests {
  private let clear = #"{"event":"clear","streamSid":"MZ1"}"#
  private func truncate(_ milliseconds: Int, _ item: String = "item_1") -> String {
    #"{"type":"conversation.item.truncate","item_id":"\#(item)","content_index":0,"audio_end_ms":\#(milliseconds)}"#
  }
  private func delete(_ item: String) -> String {
    #"{"type":"conversation.item.delete","item_id":"\#(item)"}"#
  }

  /// Our marks among what a caller was sent.
  private func marks(_ messages: [String]) -> [String] {
    messages.filter { $0.contains(#""event":"mark""#) }.map {
      $0.pieces(cutAt: "\"name\":\"")[1].pieces(cutAt: "\"")[0]
    }
  }

  @Test func `of what nobody heard the model is told to forget it`() throws {
    let talk = try Talk("ucid")
    talk.say(500)
    talk.interrupt()
    #expect(talk.told() == [delete("item_1")])
    #expect(talk.heard().others == [#"{"command":"clearBuffer"}"#])
    talk.rig.advance(milliseconds: 500)
    #expect(talk.heardBytes() == 0)
    talk.expectAllHome()
  }

  @Test func `before the first sample there is nothing to clear and nothing to tell`() throws {
    let talk = try Talk()
    talk.interrupt()
    #expect(talk.told() == [] && talk.heard().others == [])
    talk.say(100)
    #expect(talk.heardBytes() > 0)
  }

  @Test func `an item of which only words have come is forgotten as a whole`() throws {
    let talk = try Talk()
    talk.tell(
      #"{"type":"response.output_audio_transcript.delta","response_id":"r_item_1","item_id":"item_1","delta":"Hel"}"#
    )
    talk.interrupt()
    #expect(talk.told() == [delete("item_1")])
    talk.say(100)
    #expect(talk.heardBytes() == 0)
  }

  @Test func `when all has been heard the model is told nothing`() throws {
    for carrier in ["twilio", "ucid"] {
      let talk = try Talk(carrier)
      talk.say(500)
      talk.end()
      talk.rig.advance(milliseconds: 700)
      for mark in marks(talk.heard().others) { talk.play(mark) }
      talk.interrupt()
      #expect(talk.told() == [])
    }
  }

  @Test func `without marks the clock says how much was heard`() throws {
    let talk = try Talk("ucid")
    talk.say(2000)
    talk.rig.advance(milliseconds: 345)
    talk.interrupt()
    #expect(talk.told() == [truncate(345)])
  }

  @Test func `with marks it is what the carrier has played, and the clock since then`() throws {
    let talk = try Talk()
    talk.say(2000)
    // The carrier is 100 ms late.
    talk.rig.advance(milliseconds: 120)
    let first = try #require(marks(talk.heard().others).first)
    talk.play(first)
    talk.rig.advance(milliseconds: 200)
    talk.interrupt()
    #expect(talk.told() == [truncate(220)])
  }

  @Test func `a mark of before the interruption says nothing about what is said after it`() throws {
    let talk = try Talk()
    talk.say(2000)
    talk.rig.advance(milliseconds: 300)
    let old = marks(talk.heard().others)
    talk.interrupt()
    _ = talk.told()
    talk.say(2000, item: "item_2")
    talk.rig.advance(milliseconds: 10)
    for mark in old { talk.play(mark) }
    for strange in ["1.99999999", "-1.5", "x.y", "1", "", "1.2.3", "\\u0031.160"] {
      talk.play(strange)
    }
    talk.interrupt()
    #expect(talk.told() == [truncate(10, "item_2")])
  }

  @Test func `twice in a row clears once and tells once`() throws {
    let talk = try Talk()
    talk.say(1000)
    talk.interrupt()
    talk.interrupt()
    #expect(talk.heard().others.filter { $0 == clear }.count == 1)
    #expect(talk.told().count == 1)
    #expect(talk.rig.relay.totals.interruptions == 1)
  }

  @Test func `two items that wait are both void: one truncated, one forgotten`() throws {
    let talk = try Talk("ucid")
    talk.say(300)
    talk.end()
    talk.say(300, item: "item_2")
    talk.rig.advance(milliseconds: 100)
    talk.interrupt()
    #expect(talk.told() == [truncate(100), delete("item_2")])
    talk.say(300)
    talk.say(300, item: "item_2")
    talk.rig.advance(milliseconds: 100)
    #expect(talk.rig.relay.totals.speechLate == 2)
  }

  @Test func `heard is never more than was received`() throws {
    let talk = try Talk("ucid")
    // The last message is filled up with silence.
    talk.say(33)
    talk.end()
    talk.rig.advance(milliseconds: 34)
    talk.interrupt()
    for message in talk.told() { #expect(message == truncate(33)) }
  }

  @Test(arguments: [1, 100, 300, 700, 900])
  func `what a stalled socket has not begun to take is taken back`(taken: Int) throws {
    let talk = try Talk()
    talk.rig.stall(talk.caller)
    talk.say(2000)
    talk.rig.push(taken, through: talk.caller)
    talk.interrupt()
    talk.rig.unstall(talk.caller)
    let (pieces, others) = talk.heard()
    // The first message (20 ms), its mark, and then pieces of 40 ms: what was begun is finished.
    #expect(pieces.count == (taken <= 300 ? 1 : taken <= 700 ? 2 : 3))
    #expect(others.last == clear)
    talk.rig.advance(milliseconds: 1000)
    #expect(talk.heardBytes() == 0)
    talk.expectAllHome()
  }

  @Test func `a clear that waits in a stalled socket survives another interruption`() throws {
    let talk = try Talk()
    talk.say(2000)
    talk.rig.stall(talk.caller)
    talk.rig.advance(milliseconds: 100)
    talk.rig.push(10, through: talk.caller)
    talk.interrupt()
    talk.interrupt()
    talk.rig.unstall(talk.caller)
    #expect(talk.heard().others.last == clear)
  }

  @Test func `what is said after an interruption follows the clear in a stalled socket`() throws {
    let talk = try Talk()
    talk.say(2000)
    _ = talk.heard()
    talk.rig.stall(talk.caller)
    talk.rig.advance(milliseconds: 100)
    talk.rig.push(10, through: talk.caller)
    talk.interrupt()
    talk.say(100, item: "item_2")
    talk.rig.unstall(talk.caller)
    let messages = talk.rig.messages(from: talk.caller, isCaller: true)
    let place = try #require(messages.firstIndex(of: clear))
    #expect(place == 1)
    #expect(messages[(place + 1)...].contains { $0.hasPrefix(#"{"event":"media""#) })
  }
}
