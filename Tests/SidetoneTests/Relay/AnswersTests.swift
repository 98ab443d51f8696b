// Answers that bring no sound, or that the model cuts off, and speech for which there is no room:
// each is a line with its reason, and the model knows the same.

import Sidetone
import Testing

struct AnswersTests {
  private let respond = #"{"type":"response.create"}"#
  private func truncate(_ milliseconds: Int, _ item: String = "item_1") -> String {
    #"{"type":"conversation.item.truncate","item_id":"\#(item)","content_index":0,"audio_end_ms":\#(milliseconds)}"#
  }
  private func created(_ response: String) -> String {
    #"{"type":"response.created","response":{"id":"\#(response)"}}"#
  }
  private func done(_ response: String, _ members: String) -> String {
    #"{"type":"response.done","response":{"id":"\#(response)",\#(members)}}"#
  }

  @Test(arguments: [
    (#""status":"completed","output":[{"type":"message"}]"#, "but text"),
    (#""status":"completed","output":[{"type":"function_call"}]"#, "a call of a function"),
    (#""status":"completed","output":[]"#, "but nothing"),
    (#""status":"incomplete","status_details":{"reason":"content_filter"}"#, "content_filter"),
    (
      #""status":"failed","status_details":{"error":{"type":"invalid_request_error"}}"#,
      "invalid_request_error"
    ),
  ])
  func `an answer without sound is one line with its reason`(members: String, reason: String)
    throws
  {
    let talk = try Talk()
    talk.tell(created("r1"))
    talk.tell(done("r1", members))
    let lines = talk.rig.log.filter { $0.contains("answer_silent") }
    #expect(lines.count == 1 && lines[0].contains(reason))
    #expect(talk.rig.relay.totals.answersSilent == 1 && talk.told() == [])
  }

  @Test func `a failure that passes is asked for again when it has passed`() throws {
    let talk = try Talk { $0.upstreams[2].options = [("greeting", "Say hi")] }
    let greet = #"{"type":"response.create","response":{"instructions":"Say hi"}}"#
    #expect(talk.told() == [greet])
    talk.tell(created("r1"))
    talk.tell(
      done(
        "r1",
        #""status":"failed","status_details":{"error":{"code":"rate_limit_exceeded","message":"Please try again in 1.3s."}}"#
      ))
    #expect(talk.rig.log.contains { $0.contains("asked for again in 1300 ms") })
    talk.rig.advance(milliseconds: 1290)
    #expect(talk.told() == [])
    talk.rig.advance(milliseconds: 20)
    #expect(talk.told() == [greet])
  }

  @Test func `an answer that the model cuts off is heard, and a line`() throws {
    let talk = try Talk()
    talk.say(100)
    talk.tell(
      done(
        "r_item_1", #""status":"incomplete","status_details":{"reason":"max_output_tokens"}"#))
    #expect(talk.heardBytes() > 0)
    #expect(
      talk.rig.log.contains {
        $0.contains("answer_incomplete") && $0.contains("max_output_tokens")
      })
  }

  @Test func `a Gemini turn without sound is a line, and counted each time`() throws {
    let talk = try Talk(with: "gemini")
    for _ in 0..<3 {
      talk.tell(
        #"{"serverContent":{"turnComplete":true,"turnCompleteReason":"RESPONSE_REJECTED"}}"#)
    }
    talk.tell(#"{"toolCall":{"functionCalls":[{"id":"f1","name":"lookup","args":{}}]}}"#)
    // The same complaint is counted, not repeated.
    #expect(talk.rig.log.contains { $0.contains("RESPONSE_REJECTED") })
    #expect(talk.rig.relay.totals.answersSilent == 4)
    // Only a piece of an answer is over.
    talk.tell(#"{"serverContent":{"turnComplete":true,"interactionStatus":"IN_PROGRESS"}}"#)
    #expect(talk.rig.relay.totals.answersSilent == 4)
  }

  @Test func `what is asked for too early is asked for again behind the answer`() throws {
    let talk = try Talk()
    let key = ##"{"event":"dtmf","streamSid":"MZ1","dtmf":{"digit":"#"}}"##
    talk.rig.say(key, on: talk.caller)
    #expect(talk.told().last == respond)
    talk.tell(
      #"{"type":"error","error":{"code":"conversation_already_has_active_response"}}"#)
    talk.rig.advance(milliseconds: 3000)
    #expect(talk.told() == [])
    talk.tell(done("r0", #""status":"completed""#))
    #expect(talk.told() == [respond])
    #expect(!talk.rig.log.contains { $0.contains("upstream_error") })
  }

  @Test func `an item that is interrupted before it began is taken back`() throws {
    let talk = try Talk()
    talk.tell(created("r_item_1"))
    talk.interrupt()
    talk.say(400)
    talk.say(400)
    #expect(talk.told() == [#"{"type":"conversation.item.delete","item_id":"item_1"}"#])
    talk.rig.advance(milliseconds: 1000)
    #expect(talk.heardBytes() == 0 && talk.rig.relay.totals.speechLate == 2)
  }

  // MARK: Room

  @Test func `speech beyond the longest wait is cut once, and the model is told where`() throws {
    let talk = try Talk { $0.limits.playoutMillisecondsMax = 1000 }
    for _ in 0..<15 { talk.say(100) }
    let cut = talk.rig.relay.totals.speechCut
    #expect(cut > 0 && talk.rig.relay.totals.itemsCut == 1)
    #expect(talk.rig.log.filter { $0.contains("speech_cut") }.count == 1)
    let kept = (15 - cut) * 100
    talk.rig.advance(milliseconds: 3000)
    // Nothing more of it is heard, though there is room again: there would be a hole in it.
    talk.say(100)
    talk.rig.advance(milliseconds: 500)
    let heard = talk.heardBytes() / 8
    #expect(heard >= kept && heard - kept < 40 && talk.told() == [])
    talk.end()
    #expect(talk.told() == [truncate(kept)])
    talk.say(100, item: "item_2")
    #expect(talk.heardBytes() > 0)
    talk.expectAllHome()
  }

  @Test func `two minutes in one burst are heard whole`() throws {
    let talk = try Talk {
      $0.limits.playoutMillisecondsPlanned = $0.limits.playoutMillisecondsMax
    }
    for _ in 0..<60 {
      for _ in 0..<10 { talk.say(200) }
      talk.rig.advance(milliseconds: 1)
    }
    talk.end()
    for _ in 0..<13 {
      talk.rig.media(talk.caller)
      talk.tell(#"{"type":"rate_limits.updated"}"#)
      talk.rig.advance(milliseconds: 10_000)
    }
    #expect(talk.rig.relay.totals.speechCut == 0)
    #expect(talk.heardBytes() == 960_000 + 160)
  }

  @Test func `two items in turn, in odd pieces, are both heard and told apart`() throws {
    let talk = try Talk("ucid")
    for _ in 0..<3 {
      talk.say([UInt8](repeating: 0, count: 4801), item: "item_1")
      talk.tell(
        """
        {"type":"response.output_audio.delta","response_id":"r_item_1","item_id":"item_2",\
        "delta":"\(Talk.base64([UInt8](repeating: 0, count: 4801)))"}
        """)
    }
    talk.rig.advance(milliseconds: 350)
    talk.interrupt()
    #expect(talk.told() == [truncate(200), truncate(150, "item_2")])
  }

  @Test func `an item that the model was told nobody heard is not heard later`() throws {
    let talk = try Talk("ucid")
    func say(_ item: Int) {
      talk.tell(
        """
        {"type":"response.output_audio.delta","response_id":"r","item_id":"i\(item)",\
        "delta":"\(Talk.base64([UInt8](repeating: 0, count: 4800)))"}
        """)
    }
    for item in 0...20 {
      say(item)
      if item < 20 { talk.end(item: "i\(item)") }
    }
    #expect(talk.told() == [#"{"type":"conversation.item.delete","item_id":"i20"}"#])
    talk.rig.advance(milliseconds: 3000)
    #expect(talk.heardBytes() >= 20 * 1600)
    for _ in 0..<3 { say(20) }
    talk.rig.advance(milliseconds: 3000)
    #expect(talk.heardBytes() == 0 && talk.told() == [])
    // Another one has room by now.
    say(21)
    talk.end(item: "i21")
    talk.rig.advance(milliseconds: 3000)
    #expect(talk.heardBytes() >= 1600)
  }
}
