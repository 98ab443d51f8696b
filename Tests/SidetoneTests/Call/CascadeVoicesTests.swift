// Cascades with voices whose audio is text that names its answer: they do not say that they have
// forgotten one, and what comes of it all the same is told by its name.

import Foundation
import Sidetone
import TestSupport
import Testing

struct CascadeVoicesTests {
  static let kinds = ["cascade-cartesia", "cascade-elevenlabs"]

  private func message(_ text: String) -> [String: Any] {
    (try? JSONSerialization.jsonObject(with: Data(text.utf8))) as? [String: Any] ?? [:]
  }

  /// What the voice was told, each with the name of its answer: texts, and other commands in
  /// brackets.
  private func told(_ call: CascadeTalk) throws -> [String] {
    let voice = try #require(call.voice)
    return call.rig.messages(from: voice, isCaller: false).map { text in
      let json = message(text)
      let name = json["context_id"] as? String ?? "?"
      if json["cancel"] != nil { return "\(name) [cancel]" }
      if json["close_context"] != nil { return "\(name) [close]" }
      if json["continue"] as? Bool == false { return "\(name) [end]" }
      return "\(name) \(json["transcript"] as? String ?? json["text"] as? String ?? text)"
    }
  }

  private func isCartesia(_ call: CascadeTalk) -> Bool { call.handshakes[1].contains("cartesia") }

  private func sounds(_ call: CascadeTalk, _ milliseconds: Int, _ byte: UInt8, of answer: Int) {
    let audio = Talk.base64([UInt8](repeating: byte, count: milliseconds * 8))
    call.voiceSays(
      isCartesia(call)
        ? #"{"type":"chunk","context_id":"\#(answer)","status_code":206,"done":false,"data":"\#(audio)"}"#
        : #"{"audio":"\#(audio)","isFinal":null,"contextId":"\#(answer)"}"#)
  }

  private func ends(_ call: CascadeTalk, _ answer: Int) {
    call.voiceSays(
      isCartesia(call)
        ? #"{"type":"done","context_id":"\#(answer)","status_code":206,"done":true}"#
        : #"{"isFinal":true,"contextId":"\#(answer)"}"#)
  }

  private func clear(_ call: CascadeTalk) -> String { isCartesia(call) ? "cancel" : "close" }
  private func end(_ call: CascadeTalk) -> String { isCartesia(call) ? "end" : "close" }

  @Test func `each is asked for its socket in its own words`() throws {
    let cartesia = try CascadeTalk("cascade-cartesia")
    #expect(cartesia.handshakes[1].hasPrefix("GET /v1/speak?cartesia_version="))
    #expect(cartesia.handshakes[1].contains("X-API-Key: k\r\n"))
    cartesia.expectAllHome()
    let other = try CascadeTalk("cascade-elevenlabs")
    #expect(
      other.handshakes[1].hasPrefix("GET /v1/speak/v-1/multi-stream-input?output_format=ulaw_8000"))
    #expect(other.handshakes[1].contains("xi-api-key: k\r\n"))
    other.expectAllHome()
  }

  @Test(arguments: kinds) func `an answer is heard whole`(kind: String) throws {
    let call = try CascadeTalk(kind)
    call.ask("Well?")
    call.thinks("It is here. ", "And red.")
    #expect(try told(call) == ["1 It is here. "])
    sounds(call, 200, 0x11, of: 1)
    #expect(call.heardBytes() > 0)
    call.chatEnds()
    let told = try told(call)
    #expect(told.count == 2 && told[0].hasPrefix("1 And red."), "\(told)")
    #expect(told.last == "1 [\(end(call))]")
    sounds(call, 200, 0x11, of: 1)
    ends(call, 1)
    call.rig.advance(milliseconds: 1500)
    #expect(call.rig.relay.totals.answersSilent == 0)
    call.ask("And?")
    #expect(call.requests.last?.lines[2] == "assistant: It is here. And red.")
    call.thinks("No.\\n")
    #expect(try self.told(call).first?.hasPrefix("2 No.") == true)
    call.expectAllHome()
  }

  @Test(arguments: kinds) func `what comes of one that was interrupted is dropped`(
    kind: String
  ) throws {
    let call = try CascadeTalk(kind)
    call.ask("Well?")
    call.thinks("It is a long story.\\n")
    sounds(call, 1000, 0x11, of: 1)
    call.rig.advance(milliseconds: 300)
    _ = try told(call)
    call.ask("Stop.")
    #expect(try told(call) == ["1 [\(clear(call))]"])
    _ = call.heard()
    sounds(call, 500, 0x11, of: 1)
    call.thinks("Fine.")
    call.chatEnds()
    let told = try told(call)
    #expect(told.first?.hasPrefix("2 Fine.") == true && told.last == "2 [\(end(call))]", "\(told)")
    // Both come in turn, as may be.
    for _ in 0..<3 {
      sounds(call, 100, 0x22, of: 2)
      sounds(call, 100, 0x11, of: 1)
    }
    ends(call, 1)
    call.rig.advance(milliseconds: 100)
    sounds(call, 100, 0x22, of: 2)
    ends(call, 2)
    call.rig.advance(milliseconds: 1500)
    #expect(call.heard().audio == [UInt8](repeating: 0x22, count: 3200))
    #expect(call.rig.relay.totals.answersSilent == 0)
    #expect(call.rig.relay.totals.speechLate == 4)
    call.ask("Go on.")
    #expect(call.requests.last?.lines.suffix(2) == ["assistant: Fine.", "user: Go on."])
    call.expectAllHome()
  }

  @Test(arguments: kinds) func `an error about an old answer ends nothing`(kind: String) throws {
    let call = try CascadeTalk(kind)
    call.ask("Well?")
    call.thinks("It is a long story.\\n")
    sounds(call, 500, 0x11, of: 1)
    call.rig.advance(milliseconds: 100)
    call.ask("Stop.")
    call.thinks("Fine.")
    call.chatEnds()
    call.voiceSays(
      isCartesia(call)
        ? #"{"type":"error","context_id":"1","status_code":400,"message":"cancelled"}"#
        : #"{"error":"invalid_context","message":"closed","contextId":"1"}"#)
    _ = call.heard()
    sounds(call, 200, 0x22, of: 2)
    ends(call, 2)
    call.rig.advance(milliseconds: 1500)
    #expect(call.heardBytes() == 1600 && call.dials(ofVoice: true).count == 1)
    call.expectAllHome()
  }

  @Test(arguments: kinds) func `an error about this one ends the session`(kind: String) throws {
    let call = try CascadeTalk(kind)
    call.wait(seconds: 12)
    call.ask("Well?")
    call.thinks("It is a long story.\\n")
    call.voiceSays(
      isCartesia(call)
        ? #"{"type":"error","context_id":"1","status_code":500,"message":"oh no"}"#
        : #"{"error":"internal_error","message":"oh no","contextId":"1"}"#)
    #expect(call.logs("oh no") > 0)
    call.wait(seconds: 1)
    #expect(call.dials(ofVoice: false).count == 2 && call.dials(ofVoice: true).count == 2)
    try call.openEar()
    try call.openVoice()
    call.ask("Hello?")
    call.thinks("Yes.\\n")
    #expect(try told(call).last?.contains(" Yes.") == true)
    call.expectAllHome()
  }

  @Test(arguments: kinds) func `sound of no answer, or of one to come, is not heard`(
    kind: String
  ) throws {
    let call = try CascadeTalk(kind)
    sounds(call, 100, 0x11, of: 1)
    call.ask("Well?")
    call.thinks("It is here.\\n")
    for answer in [0, 2, 99] { sounds(call, 100, 0x11, of: answer) }
    call.rig.advance(milliseconds: 500)
    #expect(call.heardBytes() == 0 && call.rig.relay.totals.speechLate == 4)
    sounds(call, 100, 0x22, of: 1)
    call.rig.advance(milliseconds: 500)
    #expect(call.heardBytes() == 800)
    call.expectAllHome()
  }

  @Test func `sound and the end in one message are both heeded`() throws {
    let call = try CascadeTalk("cascade-elevenlabs")
    call.ask("Well?")
    call.thinks("It is here.")
    call.chatEnds()
    let audio = Talk.base64([UInt8](repeating: 0x11, count: 800))
    call.voiceSays(#"{"audio":"\#(audio)","isFinal":true,"contextId":"1"}"#)
    call.rig.advance(milliseconds: 1500)
    #expect(call.heardBytes() == 800 && call.rig.relay.totals.answersSilent == 0)
    call.ask("Good.")
    #expect(call.requests.count == 2)
    call.wait(seconds: 10)
    #expect(call.dials(ofVoice: true).count == 1)
    call.expectAllHome()
  }
}
