// Calls of functions as no well-behaved model makes them, and at moments at which nobody wants
// them: nothing breaks, nothing is done twice, and what was asked for is not cut short.

import TestSupport
import Testing

@testable import Sidetone

struct HostileFunctionsTests {
  private static let models = ["openai", "gemini"]

  @Test(arguments: 0..<70) func `a name is shown wherever its text would be cut`(length: Int) throws
  {
    for tail in [#"\u00e4"#, #"\n"#, #"\ud83d\ude00"#, "é", #"\""#] {
      let call = try FunctionTalk()
      call.begin()
      call.call(String(repeating: "x", count: length) + tail, "c")
      #expect(call.rig.relay.totals.functionsRefused == 1 && call.lines.count == 1)
    }
  }

  @Test(arguments: [#"0"#, #"{"name":"status"}"#, #"{"id":"a","name":"nothing"}"#, "[]"])
  func `a message that calls without end is heeded for a few`(one: String) throws {
    let call = try FunctionTalk("gemini")
    let list = Array(repeating: one, count: 500_000 / one.count).joined(separator: ",")
    call.talk.tell(#"{"toolCall":{"functionCalls":[\#(list)]}}"#)
    #expect(call.rig.relay.totals.functionsRefused <= 17 && call.talk.told().count <= 16)
    let ids = Array(repeating: "7", count: 200_000).joined(separator: ",")
    call.talk.tell(#"{"toolCallCancellation":{"ids":[\#(ids)]}}"#)
    #expect(call.rig.relay.callsInUse == 1)
    call.talk.expectAllHome()
  }

  @Test(arguments: ["incomplete", "in_progress", "cancelled"])
  func `a call that was cut short is none`(status: String) throws {
    let call = try FunctionTalk()
    call.begin()
    for name in ["bye", "slow"] {
      call.talk.tell(
        #"{"type":"response.function_call_arguments.done","call_id":"c","name":"\#(name)","arguments":""}"#
      )
      call.talk.tell(
        #"{"type":"response.output_item.done","item":{"type":"function_call","status":"\#(status)","name":"\#(name)","call_id":"c","arguments":"{}"}}"#
      )
    }
    call.done()
    #expect(call.asked == [] && call.rig.relay.callsInUse == 1)
  }

  @Test(arguments: models) func `who has a function called is not heard again by another session`(
    model: String
  ) throws {
    let call = try FunctionTalk(model)
    call.talk.speak(400)
    call.talk.speak(400, Talk.silence)
    call.begin()
    call.call("status", "a")
    call.rig.fail(call.talk.model)
    call.rig.advance(milliseconds: 500)
    let next = try #require(call.rig.answerDial())
    _ = call.rig.messages(from: next, isCaller: false)
    call.rig.answer(Talk.ready(model), on: next)
    call.rig.advance(milliseconds: 200)
    let told = call.rig.messages(from: next, isCaller: false)
    #expect(!told.contains { $0.contains("audio") }, "\(told.count)")
    call.rig.fetcherSays("answer 1 200 whole\n\n{\"n\":1}")
    #expect(call.asked == [1] && call.rig.relay.totals.functionsAnswered == 1)
    call.talk.expectAllHome()
  }

  @Test func `nothing is done for a caller who is gone`() throws {
    let call = try FunctionTalk(carrier: "ucid")
    call.begin()
    call.talk.tell(
      #"{"type":"input_audio_buffer.speech_stopped","audio_end_ms":300,"item_id":"u2"}"#)
    call.talk.tell(#"{"type":"input_audio_buffer.committed","item_id":"u2"}"#)
    call.rig.say(#"{"event":"stop","ucid":"123"}"#, on: call.talk.caller)
    if call.rig.relay.callsInUse == 1 { call.call("status", "a") }
    #expect(call.asked == [])
    call.rig.advance(milliseconds: 200_000)
    #expect(call.rig.relay.missing == [])
  }

  // MARK: Hanging up

  private func sayGoodbye(_ call: FunctionTalk) {
    if call.talk.kind == "gemini" {
      call.talk.say(1000)
    } else {
      let sound = Talk.base64([UInt8](repeating: 0, count: 48_000))
      call.talk.tell(
        #"{"type":"response.output_audio.delta","response_id":"r1","item_id":"w","delta":"\#(sound)"}"#
      )
    }
  }

  @Test func `a caller who speaks over the goodbye is heard, and the model is told`() throws {
    let call = try FunctionTalk(carrier: "ucid")
    call.begin()
    sayGoodbye(call)
    call.item("bye", "h", "{}")
    call.rig.advance(milliseconds: 300)
    call.talk.interrupt()
    call.done()
    call.rig.advance(milliseconds: 3000)
    #expect(call.rig.relay.callsInUse == 1)
    #expect(
      call.talk.told().contains(
        call.answer("h", call.error("the caller speaks, so the call goes on", isRetryable: true))))
    // It may hang up again.
    call.talk.tell(#"{"type":"response.created","response":{"id":"r2"}}"#)
    call.item("bye", "h2", "{}")
    call.talk.tell(#"{"type":"response.done","response":{"id":"r2","status":"completed"}}"#)
    call.rig.advance(milliseconds: 3000)
    #expect(call.rig.relay.callsInUse == 0)
    #expect(call.rig.log.contains { $0.contains("call_ended") && $0.contains("hung_up") })
  }

  @Test(arguments: models) func `what runs beside it is waited for`(model: String) throws {
    let call = try FunctionTalk(model, carrier: "ucid")
    call.begin()
    call.item("status", "a")
    call.item("bye", "h", "{}")
    call.done()
    call.rig.advance(milliseconds: 500)
    #expect(call.rig.relay.callsInUse == 1 && call.rig.relay.totals.functionsCancelled == 0)
    call.rig.fetcherSays("answer 1 200 whole\n\n{\"n\":1}")
    call.rig.advance(milliseconds: 100)
    #expect(call.rig.relay.callsInUse == 0 && call.rig.relay.totals.functionsAnswered == 2)
    #expect(call.rig.relay.totals.functionsCancelled == 0)
    call.rig.advance(milliseconds: 200_000)
    #expect(call.rig.relay.missing == [])
  }

  @Test(arguments: models, [true, false])
  func `a session that is lost meanwhile is not dialled again`(model: String, hasFallback: Bool)
    throws
  {
    let call = try FunctionTalk(model, carrier: "ucid") {
      guard hasFallback else { return }
      $0.addUpstream("deepgram-agent")
      $0.routes[3].fallback = "deepgram-agent"
    }
    call.begin()
    call.item("status", "a")
    sayGoodbye(call)
    call.item("bye", "h", "{}")
    let dials = call.rig.dialled.count
    call.rig.fail(call.talk.model)
    call.rig.advance(milliseconds: 2000)
    #expect(call.rig.relay.callsInUse == 0 && call.rig.dialled.count == dials)
    #expect(call.rig.relay.totals.fallbacks == 0)
    #expect(call.rig.log.contains { $0.contains("call_ended") && $0.contains("hung_up") })
    call.rig.advance(milliseconds: 200_000)
    #expect(call.rig.relay.missing == [])
  }

  @Test func `one that Gemini takes back is not done`() throws {
    let call = try FunctionTalk("gemini")
    call.item("status", "a")
    call.item("bye", "h", "{}")
    call.talk.tell(#"{"toolCallCancellation":{"ids":["a","h"]}}"#)
    call.rig.advance(milliseconds: 500)
    #expect(call.rig.relay.callsInUse == 1 && call.rig.relay.totals.functionsCancelled == 2)
    call.talk.expectAllHome()
  }

  @Test(arguments: [true, false])
  func `a session takes back its own call, though one before it named its call the same`(
    hasCalled: Bool
  ) throws {
    let call = try FunctionTalk("gemini")
    call.item("status", "a")
    call.rig.fail(call.talk.model)
    call.rig.advance(milliseconds: 500)
    let next = try #require(call.rig.answerDial())
    call.rig.answer(Talk.ready("gemini"), on: next)
    if hasCalled {
      call.rig.answer(
        #"{"toolCall":{"functionCalls":[{"id":"a","name":"status","args":{"id":"9"}}]}}"#, on: next)
    }
    _ = call.rig.messages(from: next, isCaller: false)
    call.rig.answer(#"{"toolCallCancellation":{"ids":["a"]}}"#, on: next)
    // One that was resumed may know the former's.
    #expect(call.rig.fetches.last == (hasCalled ? "cancel 2\n\n" : "cancel 1\n\n"))
    #expect(call.rig.relay.totals.functionsCancelled == 1)
    call.rig.fetcherSays("answer 1 200 whole\n\n{\"n\":1}")
    call.rig.fetcherSays("answer 2 200 whole\n\n{\"n\":2}")
    #expect(call.rig.messages(from: next, isCaller: false).count == (hasCalled ? 1 : 0))
    call.talk.expectAllHome()
  }

  @Test func `pieces of an answer that was asked for whole are nobody's`() throws {
    let call = try FunctionTalk("gemini")
    call.item("status", "a")
    let ignored = call.rig.relay.totals.messagesIgnored
    for piece in ["piece 1\n\n{\"n\":7}", "piece 1", "piece 1\n", "piece 9\n\nx", "piece x\n\ny"] {
      call.rig.fetcherSays(piece)
    }
    #expect(call.rig.relay.totals.messagesIgnored == ignored + 3 && call.talk.told() == [])
    call.rig.fetcherSays("answer 1 200 whole\n\n{\"n\":1}")
    #expect(call.talk.told().contains(call.answer("a", #"{"n":1}"#)))
    call.talk.expectAllHome()
  }

  // MARK: Waiting

  @Test func `a function that takes long is no answer that is missing`() throws {
    let call = try FunctionTalk("gemini")
    call.talk.tell(#"{"serverContent":{"inputTranscription":{"text":"where"}}}"#)
    call.item("status", "a")
    for _ in 0..<7 { call.rig.advance(milliseconds: 1000) }
    #expect(!call.rig.log.contains { $0.contains("answer_missing") })
    call.rig.fetcherSays("answer 1 200 whole\n\n{\"n\":1}")
    #expect(call.talk.told().contains(call.answer("a", #"{"n":1}"#)))
    call.talk.expectAllHome()
  }
}
