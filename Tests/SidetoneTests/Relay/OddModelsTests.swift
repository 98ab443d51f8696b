// What voice models, and the lines in front of them, may also send: other spellings of audio,
// states instead of ends, keys that are none.

import Sidetone
import TestSupport
import Testing

struct OddModelsTests {
  private let audio = (0..<4800).map { UInt8(truncatingIfNeeded: $0 &* 37 &+ $0 / 250) }

  private func spellings(_ text: String) -> [String] {
    let web = text.replacing("+", with: "-").replacing("/", with: "_")
    let middle = text.index(text.startIndex, offsetBy: text.count / 2)
    return [
      web, text.replacing("=", with: ""), String(text[..<middle]) + "\\r\\n" + text[middle...],
      text + "\\n", text.replacing("/", with: "\\/"), "data:audio/pcm;base64," + text,
    ]
  }

  /// What a caller who hears the model's own samples was sent.
  private func heard(_ delta: String, _ kind: String) throws -> [UInt8] {
    let talk = try Talk("telnyx", with: kind, start: Talk.telnyxStart("L16", 16_000))
    if kind == "gemini" {
      talk.tell(
        """
        {"serverContent":{"modelTurn":{"parts":[{"inlineData":{"mimeType":"audio/pcm;rate=24000",\
        "data":"\(delta)"}}]}}}
        """)
    } else {
      talk.tell(
        """
        {"type":"response.output_audio.delta","response_id":"r","item_id":"i","output_index":0,\
        "content_index":0,"delta":"\(delta)"}
        """)
    }
    talk.end(item: "i")
    for _ in 0..<20 { talk.rig.advance(milliseconds: 20) }
    return talk.heard().pieces.flatMap { $0 }
  }

  @Test(arguments: ["openai", "gemini"], [960, 4800])
  func `another spelling of base64 is heard as the standard one`(kind: String, bytes: Int) throws {
    let standard = Talk.base64(Array(audio.prefix(bytes)))
    let right = try heard(standard, kind)
    #expect(!right.isEmpty)
    for spelling in spellings(standard) { #expect(try heard(spelling, kind) == right) }
  }

  @Test(arguments: ["openai", "gemini"])
  func `audio that is no base64 is one line and a count, and what is around it is heard`(
    kind: String
  ) throws {
    let talk = try Talk(with: kind)
    let audio = Talk.base64([UInt8](repeating: 7, count: 960))
    let deltas = ["*" + audio, audio, "\u{e9}" + audio, audio, String(audio.dropLast(3)) + "?!?"]
    for delta in deltas {
      talk.tell(
        kind == "openai"
          ? #"{"type":"response.output_audio.delta","response_id":"r","item_id":"i","delta":"\#(delta)"}"#
          : #"{"serverContent":{"modelTurn":{"parts":[{"inlineData":{"mimeType":"audio/pcm;rate=24000","data":"\#(delta)"}}]}}}"#
      )
    }
    #expect(talk.rig.relay.totals.framesBad == 3)
    #expect(talk.rig.log.count { $0.contains("upstream_audio_bad") } == 1)
    for _ in 0..<10 { talk.rig.advance(milliseconds: 20) }
    #expect(!talk.heard().pieces.isEmpty)
  }

  @Test func `a turn that ends with a state alone is over`() throws {
    let talk = try Talk(with: "gemini")
    talk.say(100)
    talk.tell(#"{"serverContent":{"turnComplete":true,"interactionStatus":"IN_PROGRESS"}}"#)
    talk.say(100)
    talk.rig.say(
      ##"{"event":"dtmf","streamSid":"MZ1","dtmf":{"digit":"#"}}"##, on: talk.caller)
    #expect(talk.told() == [])
    talk.tell(#"{"serverContent":{"interactionStatus":"IDLE"}}"#)
    #expect(talk.told().contains { $0.contains("pressed #") })
    // Said again it is no answer without sound.
    talk.tell(#"{"serverContent":{"interactionStatus":"IDLE"}}"#)
    #expect(!talk.rig.log.contains { $0.contains("answer_silent") })
  }

  @Test(arguments: [#"\""#, "\\\\", "\\n", "é", "z"])
  func `what is no key is no key`(digit: String) throws {
    let talk = try Talk()
    talk.rig.say(
      #"{"event":"dtmf","streamSid":"MZ1","dtmf":{"digit":"\#(digit)"}}"#, on: talk.caller)
    talk.rig.advance(milliseconds: 2000)
    #expect(talk.told() == [])
    #expect(talk.rig.relay.callsInUse == 1)
  }

  @Test func `an answer that ends late does not end the one that is heard`() throws {
    let talk = try Talk()
    talk.tell(#"{"type":"response.created","response":{"id":"r_item_1"}}"#)
    talk.say(100)
    talk.tell(#"{"type":"response.created","response":{"id":"r_item_2"}}"#)
    // Less than a piece: it waits for more.
    talk.say(105, item: "item_2")
    talk.rig.advance(milliseconds: 1000)
    _ = talk.heard()
    talk.finish(item: "item_1")
    talk.say(100, item: "item_2")
    talk.rig.advance(milliseconds: 1000)
    talk.finish(item: "item_2")
    talk.rig.advance(milliseconds: 1000)
    #expect(talk.rig.relay.totals.answersSilent == 0)
  }

  @Test func `a response whose name is too long to keep is heard`() throws {
    let talk = try Talk()
    let name = String(repeating: "n", count: 120)
    talk.tell(#"{"type":"response.created","response":{"id":"\#(name)"}}"#)
    talk.tell(
      """
      {"type":"response.output_audio.delta","response_id":"\(name)","item_id":"i",\
      "output_index":0,"content_index":0,"delta":"\(Talk.base64(audio))"}
      """)
    #expect(talk.heardBytes() > 0)
    talk.tell(#"{"type":"response.done","response":{"id":"\#(name)","status":"completed"}}"#)
    #expect(!talk.rig.log.contains { $0.contains("answer_silent") })
  }
}
