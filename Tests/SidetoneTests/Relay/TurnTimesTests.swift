// When the stages of a model's answers are reached, as they are written down and counted: to the
// millisecond, of both models that talk.

import Foundation
import TestSupport
import Testing

@testable import Sidetone

struct TurnTimesTests {
  private func talk(
    _ kind: String = "openai", on carrier: String = "twilio",
    _ change: (inout Config) -> Void = { _ in }
  ) throws -> Talk {
    try Talk(carrier, with: kind) {
      $0.records = Config.Records()
      change(&$0)
    }
  }

  /// Of each turn that was told: the end of the caller's speech, asked, first byte, sent, heard.
  private func turns(_ talk: Talk) throws -> [[Int?]] {
    try talk.rig.entries.filter { $0.contains(#""kind":"turn""#) }.map { entry in
      let object = try Hearing.json(entry)
      return ["speech_end", "asked", "first_byte", "sent", "heard"].map { object[$0] as? Int }
    }
  }

  private func created(_ item: String = "item_1") -> String {
    #"{"type":"response.created","response":{"id":"r_\#(item)"}}"#
  }

  private func stopped(_ milliseconds: Int) -> String {
    #"{"type":"input_audio_buffer.speech_stopped","audio_end_ms":\#(milliseconds),"item_id":"u"}"#
  }

  /// The caller speaks from 0 to 1000 ms as the model hears it, and it is 1200 ms.
  private func asks(_ talk: Talk) {
    talk.speak(1200, Talk.silence)
    talk.tell(stopped(1000))
  }

  /// The caller's carrier has played up to the first mark that waits.
  private func playMark(_ talk: Talk) throws {
    let mark = try #require(talk.heard().others.first { $0.contains(#""event":"mark""#) })
    talk.play(mark.pieces(cutAt: #""name":""#)[1].pieces(cutAt: "\"")[0])
  }

  // MARK: Whole turns

  @Test func `every stage of an answer of OpenAI's, heard by the carrier's mark`() throws {
    let talk = try talk()
    talk.rig.advance(milliseconds: 300)
    talk.speak(2000)
    talk.tell(stopped(1900))
    talk.rig.advance(milliseconds: 50)
    talk.tell(created())
    talk.rig.advance(milliseconds: 200)
    talk.say(500)
    talk.rig.advance(milliseconds: 120)
    #expect(try turns(talk) == [])
    // It stands behind the first 20 ms.
    try playMark(talk)
    #expect(try turns(talk) == [[2200, 2350, 2550, 2550, 2650]])
    talk.end()
    talk.finish()
    talk.rig.advance(milliseconds: 3000)
    talk.expectAllHome()
    #expect(try turns(talk).count == 1)
  }

  @Test func `of Gemini's, which says no times: when a voice was last heard`() throws {
    let talk = try talk("gemini")
    talk.speak(1000)
    talk.speak(500, Talk.silence)
    talk.say(200)
    talk.end()
    talk.finish()
    talk.rig.advance(milliseconds: 100)
    try playMark(talk)
    #expect(try turns(talk) == [[980, nil, 1500, 1500, 1580]])
    // Nobody said anything that this would answer.
    talk.rig.advance(milliseconds: 400)
    talk.say(200)
    talk.rig.advance(milliseconds: 100)
    try playMark(talk)
    #expect(try turns(talk).last == [nil, nil, 2000, 2000, 2080])
  }

  @Test func `a model that begins while the caller still speaks answers nothing of that`() throws {
    for kind in ["openai", "gemini"] {
      let talk = try talk(kind)
      talk.speak(1000)
      talk.say(200)
      talk.rig.advance(milliseconds: 1000)
      talk.interrupt()
      #expect(try turns(talk) == [[nil, nil, 1000, 1000, 1000]])
    }
  }

  @Test func `a carrier without marks: by our clock`() throws {
    for kind in ["openai", "gemini"] {
      let talk = try talk(kind, on: "ucid")
      talk.rig.advance(milliseconds: 300)
      talk.say(500)
      talk.rig.advance(milliseconds: 20)
      talk.finish()
      #expect(try turns(talk) == [[nil, nil, 300, 300, 300]])
    }
  }

  @Test func `marks that never come back: by our clock, once they are given up`() throws {
    let talk = try talk()
    talk.tell(created())
    talk.say(500)
    talk.end()
    talk.finish()
    talk.rig.advance(milliseconds: 1000)
    #expect(try turns(talk) == [])
    talk.rig.advance(milliseconds: 1500)
    #expect(try turns(talk) == [[nil, 0, 0, 0, 0]])
  }

  @Test func `of a first piece in two messages the first counts`() throws {
    let talk = try talk("openai", on: "ucid")
    // Less than a step of the filter: it waits for more.
    talk.say(5)
    talk.rig.advance(milliseconds: 40)
    talk.say(500)
    talk.rig.advance(milliseconds: 20)
    talk.finish()
    #expect(try turns(talk) == [[nil, nil, 0, 40, 40]])
  }

  @Test func `two answers in a row: the second waits until the first is played`() throws {
    let talk = try talk("openai", on: "ucid")
    talk.tell(stopped(0))
    talk.rig.advance(milliseconds: 100)
    talk.tell(created())
    talk.say(1000)
    talk.finish()
    talk.rig.advance(milliseconds: 50)
    talk.tell(created("item_2"))
    talk.rig.advance(milliseconds: 50)
    talk.say(500, item: "item_2")
    talk.finish(item: "item_2")
    talk.rig.advance(milliseconds: 3000)
    talk.expectAllHome()
    // The first, with what the filter held of it, lasts 1020 ms; 20 ms are sent ahead, in tens.
    #expect(try turns(talk) == [[0, 100, 100, 100, 100], [nil, 150, 200, 1110, 1120]])
  }

  @Test func `of more answers than are watched the oldest is told before it is heard`() throws {
    let talk = try talk("openai", on: "ucid")
    for number in 0..<6 {
      talk.tell(created("i\(number)"))
      talk.say(1000, item: "i\(number)")
      talk.finish(item: "i\(number)")
      talk.rig.advance(milliseconds: 1)
    }
    talk.rig.advance(milliseconds: 8000)
    talk.expectAllHome()
    let told = try turns(talk)
    #expect(told.count == 6)
    #expect(told.map { $0[1] } == [0, 1, 2, 3, 4, 5])
    #expect(told.map { $0[4] == nil } == [false, true, false, false, false, false])
  }

  // MARK: Asked by us

  @Test func `a greeting is asked for by us, and answers nobody`() throws {
    for kind in ["openai", "gemini"] {
      let talk = try talk(kind, on: "ucid") { $0.upstreams[2].options = [("greeting", "Hello")] }
      talk.rig.advance(milliseconds: 100)
      if kind == "openai" { talk.tell(created()) }
      talk.rig.advance(milliseconds: 100)
      talk.say(100)
      talk.rig.advance(milliseconds: 30)
      talk.finish()
      #expect(try turns(talk) == [[nil, 0, 200, 200, 200]])
    }
  }

  @Test func `keys are asked for by us, and are no speech`() throws {
    for kind in ["openai", "gemini"] {
      let talk = try talk(kind)
      talk.speak(1000)
      talk.rig.say(##"{"event":"dtmf","streamSid":"MZ1","dtmf":{"digit":"#"}}"##, on: talk.caller)
      talk.rig.advance(milliseconds: 500)
      talk.say(100)
      talk.rig.advance(milliseconds: 100)
      talk.interrupt()
      #expect(try turns(talk) == [[nil, 1000, 1500, 1500, 1500]])
    }
  }

  @Test func `what is asked for too early is no turn, and what answers then is one`() throws {
    let talk = try talk()
    talk.rig.say(##"{"event":"dtmf","streamSid":"MZ1","dtmf":{"digit":"#"}}"##, on: talk.caller)
    talk.rig.advance(milliseconds: 100)
    talk.tell(#"{"type":"error","error":{"code":"conversation_already_has_active_response"}}"#)
    talk.finish(item: "other")
    #expect(try turns(talk) == [])
    talk.rig.advance(milliseconds: 100)
    talk.say(100)
    talk.rig.advance(milliseconds: 100)
    talk.interrupt()
    #expect(try turns(talk) == [[nil, 100, 200, 200, 200]])
  }

  // MARK: Turns that are not whole

  @Test func `a caller who speaks before anything is heard`() throws {
    for stage in 0..<3 {
      let talk = try talk()
      asks(talk)
      talk.tell(created())
      talk.rig.advance(milliseconds: 100)
      if stage > 0 { talk.say(500) }
      if stage > 1 { talk.rig.advance(milliseconds: 100) }
      talk.interrupt()
      let all: [[Int?]] = [
        [1000, 1200, nil, nil, nil], [1000, 1200, 1300, 1300, nil], [1000, 1200, 1300, 1300, 1300],
      ]
      #expect(try turns(talk) == [all[stage]])
      // What it says then is another turn, and what comes late of the first is none.
      talk.say(100)
      talk.finish()
      talk.tell(stopped(1100))
      talk.tell(created("item_2"))
      talk.say(100, item: "item_2")
      talk.interrupt()
      let now = stage == 2 ? 1400 : 1300
      #expect(try turns(talk).last == [1100, now, now, now, nil])
    }
  }

  @Test func `an answer of Gemini's that is interrupted before it is heard`() throws {
    let talk = try talk("gemini")
    talk.speak(200)
    talk.speak(200, Talk.silence)
    talk.say(500)
    talk.interrupt()
    #expect(try turns(talk) == [[180, nil, 400, 400, nil]])
    talk.say(300)
    talk.finish()
    #expect(try turns(talk).count == 1)
  }

  @Test func `an answer in text alone`() throws {
    let talk = try talk()
    asks(talk)
    talk.tell(created())
    talk.tell(
      """
      {"type":"response.output_audio_transcript.delta","response_id":"r_item_1",\
      "item_id":"item_1","delta":"yes"}
      """)
    talk.rig.advance(milliseconds: 100)
    talk.finish(#","output":[{"type":"message"}]"#)
    #expect(try turns(talk) == [[1000, 1200, nil, nil, nil]])
    // The next one answers something else.
    talk.tell(created("item_2"))
    talk.finish(item: "item_2")
    #expect(try turns(talk).last == [nil, 1300, nil, nil, nil])
  }

  @Test func `a turn of Gemini's without sound is none`() throws {
    let talk = try talk("gemini")
    talk.tell(#"{"serverContent":{"outputTranscription":{"text":"yes"}}}"#)
    talk.finish()
    talk.rig.advance(milliseconds: 2000)
    talk.expectAllHome()
    #expect(try turns(talk) == [])
  }

  @Test func `an answer that is asked for again is a second turn to the same words`() throws {
    let talk = try talk()
    asks(talk)
    talk.tell(created())
    talk.tell(
      #"""
      {"type":"response.done","response":{"id":"r_item_1","status":"failed","status_details":\#
      {"error":{"code":"rate_limit_exceeded","message":"Please try again in 1.3s."}}}}
      """#)
    talk.rig.advance(milliseconds: 1400)
    talk.tell(created("item_2"))
    talk.say(100, item: "item_2")
    talk.rig.advance(milliseconds: 100)
    try playMark(talk)
    #expect(
      try turns(talk) == [[1000, 1200, nil, nil, nil], [1000, 2500, 2600, 2600, 2680]])
  }

  @Test func `an answer that never comes`() throws {
    let talk = try talk()
    asks(talk)
    talk.tell(created("item_0"))
    talk.finish(item: "item_0")
    talk.tell(stopped(1100))
    talk.tell(#"{"type":"input_audio_buffer.committed","item_id":"u1"}"#)
    talk.rig.advance(milliseconds: 5000)
    talk.rig.advance(milliseconds: 5000)
    // It was waited for, then asked for once, then given up.
    #expect(try turns(talk).dropFirst() == [[1100, 6200, nil, nil, nil]])
    talk.expectAllHome()
  }

  // MARK: The end

  /// Another session, which stands in half a second.
  private func nextSession(_ talk: Talk) throws -> SlotID {
    talk.rig.fail(talk.model)
    talk.rig.advance(milliseconds: 500)
    let second = try #require(talk.rig.answerDial())
    talk.rig.answer(Talk.ready(talk.kind), on: second)
    return second
  }

  @Test func `a session that is lost before its answer sounds is one turn, the next's another`()
    throws
  {
    let talk = try talk()
    asks(talk)
    talk.tell(created())
    talk.rig.advance(milliseconds: 100)
    let second = try nextSession(talk)
    #expect(try turns(talk) == [[1000, 1200, nil, nil, nil]])
    talk.rig.advance(milliseconds: 200)
    talk.rig.answer(created("item_2"), on: second)
    let audio = Talk.base64([UInt8](repeating: 0, count: 9600))
    talk.rig.answer(
      """
      {"type":"response.output_audio.delta","response_id":"r_item_2","item_id":"item_2",\
      "delta":"\(audio)"}
      """, on: second)
    talk.rig.advance(milliseconds: 100)
    try playMark(talk)
    #expect(try turns(talk).last == [1000, 1800, 2000, 2000, 2080])
  }

  @Test func `what had come of an answer when its session was lost is heard all the same`() throws {
    for kind in ["openai", "gemini"] {
      let talk = try talk(kind)
      talk.say(500)
      _ = try nextSession(talk)
      #expect(try turns(talk) == [])
      try playMark(talk)
      #expect(try turns(talk) == [[nil, nil, 0, 0, 480]])
      talk.expectAllHome()
      #expect(try turns(talk).count == 1)
    }
  }

  @Test(arguments: 0..<4) func `a call that ends in the middle of a turn`(stage: Int) throws {
    let talk = try talk()
    asks(talk)
    if stage > 0 { talk.tell(created()) }
    if stage > 1 { talk.say(500) }
    if stage > 2 { talk.rig.advance(milliseconds: 100) }
    talk.rig.fail(talk.caller)
    let all: [[Int?]] = [
      [], [1000, 1200, nil, nil, nil], [1000, 1200, 1200, 1200, nil],
      [1000, 1200, 1200, 1200, 1200],
    ]
    #expect(try turns(talk) == (stage == 0 ? [] : [all[stage]]))
    let kinds = try talk.rig.entries.map { try Hearing.json($0)["kind"] as? String }
    #expect(kinds.last == "ended" || stage == 0)
    talk.expectAllHome()
    #expect(try turns(talk).count == min(stage, 1))
  }

  @Test func `without records nothing is written down, and all is counted`() throws {
    let talk = try Talk("ucid")
    talk.tell(stopped(0))
    talk.rig.advance(milliseconds: 250)
    talk.tell(created())
    talk.rig.advance(milliseconds: 400)
    talk.say(100)
    talk.rig.advance(milliseconds: 20)
    talk.finish()
    #expect(talk.rig.entries == [])
    let metrics = try talk.rig.metrics()
    for (name, seconds) in [
      ("asked", "0.250000"), ("first_byte", "0.400000"), ("sent", "0.000000"),
      ("heard", "0.650000"),
    ] {
      #expect(metrics.contains("# TYPE sidetone_answer_\(name)_seconds histogram\n"))
      #expect(metrics.contains("\nsidetone_answer_\(name)_seconds_sum \(seconds)\n"))
      #expect(metrics.contains("\nsidetone_answer_\(name)_seconds_count 1\n"))
    }
    #expect(metrics.contains("\nsidetone_answer_heard_seconds_bucket{le=\"0.500000\"} 0\n"))
    #expect(metrics.contains("\nsidetone_answer_heard_seconds_bucket{le=\"0.700000\"} 1\n"))
    talk.expectAllHome()
  }

  @Test func `a stage that is not known is not counted`() throws {
    let talk = try Talk("ucid")
    talk.say(100)
    talk.rig.advance(milliseconds: 20)
    talk.finish()
    let metrics = try talk.rig.metrics()
    for (name, count) in [("asked", 0), ("first_byte", 0), ("sent", 1), ("heard", 0)] {
      #expect(metrics.contains("\nsidetone_answer_\(name)_seconds_count \(count)\n"))
    }
  }
}

extension EngineDriver {
  /// What `/metrics` says.
  func metrics() throws -> String {
    let link = try #require(accept())
    feed("GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", on: link)
    return String(decoding: taken(from: link), as: UTF8.self)
  }
}
