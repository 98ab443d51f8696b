// What a chat endpoint is told again of the functions that its model called, and when it is asked
// for no more; and callers who were heard to begin while one ran, and said nothing.

import Sidetone
import TestSupport
import Testing

struct CascadeRoundTests {
  private func talk(_ change: (inout Config) -> Void = { _ in }) throws -> CascadeTalk {
    let call = try CascadeTalk(carrier: "twilio") {
      $0.routes[3].functions = FunctionTalk.functions
      change(&$0)
    }
    call.ask("Where is it?")
    return call
  }

  private func answers(_ call: CascadeTalk, _ body: String) throws {
    let post = try #require(call.posts.last)
    call.rig.fetcherSays("answer \(post) 200 whole\n\n\(body)")
  }

  /// The calls of the latest request, and the ids that are answered behind them.
  private func repeated(_ call: CascadeTalk) -> (calls: [[String: Any]], answered: [String]) {
    let messages = call.requests.last?.messages ?? []
    return (
      messages.flatMap { $0["tool_calls"] as? [[String: Any]] ?? [] },
      messages.compactMap { $0["tool_call_id"] as? String }
    )
  }

  @Test(arguments: [97, 800, 6000])
  func `an id is repeated as it is, however long`(_ length: Int) throws {
    let call = try talk()
    let id = "call_1__thought__" + String(repeating: "Qf+/", count: length / 4)
    call.calls([id: "status"])
    #expect(call.posts.count == 1)
    try answers(call, #"{"state":"sent"}"#)
    #expect(call.requests.count == 2)
    let (calls, answered) = repeated(call)
    #expect(calls.count == 1 && calls.first?["id"] as? String == id && answered == [id])
    #expect(calls.first?["own"] == nil && calls.first?.keys.sorted() == ["function", "id", "type"])
    call.answer("It was sent.")
    #expect(call.rig.relay.totals.functionsAnswered == 1)
    call.expectAllHome()
  }

  @Test func `what belongs to a call beside it is repeated as it is`() throws {
    let call = try talk()
    let extra = #"{"google":{"thought_signature":"CiQ\u00e9/+=="}}"#
    call.piece(
      CascadeTalk.chunk(
        #""tool_calls":[{"index":0,"id":"a","type":"function","extra_content":\#(extra),"#
          + #""function":{"name":"status","arguments":"{\"id\":\"42\"}"}}]"#))
    call.chatEnds("tool_calls")
    try answers(call, "{}")
    let content = repeated(call).calls.first?["extra_content"] as? [String: Any]
    let signature = (content?["google"] as? [String: Any])?["thought_signature"] as? String
    #expect(signature == "CiQ\u{e9}/+==")
    call.answer("Yes.")
    call.expectAllHome()
  }

  @Test func `a model that calls without end is not asked for ever`() throws {
    let call = try talk()
    for round in 0..<40 where call.requests.count > round {
      call.calls(["call_\(round)": "status"])
      if call.posts.count > round { try answers(call, "{}") }
      call.rig.advance(milliseconds: 100)
    }
    #expect(call.requests.count == 17 && call.posts.count == 16)
    #expect(call.logs("it calls functions without end") == 1)
    call.ask("Well?")
    call.answer("I do not know.")
    #expect(call.told().contains("I do not know."))
    call.expectAllHome()
  }

  @Test func `answers that leave no room are the history's alone`() throws {
    let call = try talk {
      $0.upstreams[2].options.append(
        (name: "instructions", value: String(repeating: "i", count: 16_000)))
      $0.routes[3].functions[0].description = String(repeating: "d", count: 16_000)
    }
    let long = String(repeating: "x", count: 13_000)
    for round in 0..<3 {
      call.calls(["call_\(round)": "status"])
      try answers(call, "{\"n\":\"\(long)\"}")
    }
    #expect(call.requests.count == 4 && call.logs("leave no room") == 0)
    call.answer("Yes.")
    #expect(call.told().contains("Yes."))
    call.expectAllHome()
  }

  // MARK: What it writes before

  @Test func `a sentence in front of a call is spoken before that is whole`() throws {
    let call = try talk()
    call.thinks("Let me look that up.")
    #expect(call.told() == [])
    call.piece(
      CascadeTalk.chunk(#""tool_calls":[{"index":0,"id":"a","function":{"name":"status"}}]"#))
    #expect(call.told() == ["Let me look that up.", "[Flush]"])
    call.expectAllHome()
  }

  @Test func `an answer that says it is over is, though its request stays open`() throws {
    let call = try talk()
    call.thinks("Yes, it is.")
    call.piece(CascadeTalk.chunk("", finish: "stop") + "data: [DONE]\n\n")
    #expect(call.told() == ["Yes, it is.", "[Flush]"] && call.cancelled == [])
    call.rig.advance(milliseconds: 600)
    #expect(call.cancelled.count == 1)
    #expect(call.logs("says nothing") == 0 && call.logs("answer_incomplete") == 0)
    call.sounds(200)
    call.flushed(2)
    call.ask("And?")
    #expect(call.requests.count == 2)
    call.expectAllHome()
  }

  // MARK: Who says nothing

  @Test func `a function is answered behind a noise that was taken for words`() throws {
    let call = try talk()
    call.calls(["a": "status"])
    call.hears("uh")
    call.hears("", isFinal: true, endsSpeech: true)
    try answers(call, #"{"state":"sent"}"#)
    call.rig.advance(milliseconds: 100)
    #expect(call.requests.count == 2)
    call.answer("It was sent.")
    #expect(call.told().contains("It was sent."))
    call.expectAllHome()
  }

  @Test func `what it answers during the noise is gone on from behind it`() throws {
    let call = try talk()
    call.calls(["a": "status"])
    call.hears("uh")
    try answers(call, #"{"state":"sent"}"#)
    #expect(call.requests.count == 1)
    call.hears("", isFinal: true, endsSpeech: true)
    call.rig.advance(milliseconds: 100)
    #expect(call.requests.count == 2 && repeated(call).answered == ["a"])
    call.answer("It was sent.")
    call.expectAllHome()
  }

  @Test func `where words follow it is asked once`() throws {
    let call = try talk()
    call.calls(["a": "status"])
    call.hears("and")
    try answers(call, #"{"state":"sent"}"#)
    call.hears("And when?", isFinal: true, endsSpeech: true)
    call.answer("It was sent today.")
    call.rig.advance(milliseconds: 2000)
    #expect(call.requests.count == 2)
    #expect(call.requests.last?.lines.contains("user: And when?") == true)
    call.expectAllHome()
  }
}
