// A cascade calls functions: what the chat endpoint is asked then, and that its requests are such
// as an endpoint takes; and what else it is told: keys, and that the caller is silent.

import Sidetone
import TestSupport
import Testing

struct CascadeFunctionTests {
  private func talk(
    carrier: String = "twilio", _ change: (inout Config) -> Void = { _ in }
  ) throws -> CascadeTalk {
    try CascadeTalk(carrier: carrier) {
      $0.routes[3].functions = FunctionTalk.functions
      change(&$0)
    }
  }

  /// Every call in a request is answered behind it, and every answer is to a call before it.
  private func expectPaired(
    _ request: CascadeTalk.Request, sourceLocation: SourceLocation = #_sourceLocation
  ) {
    var open: [String] = []
    for message in request.messages {
      let calls = message["tool_calls"] as? [[String: Any]] ?? []
      if message["role"] as? String == "tool" {
        let id = message["tool_call_id"] as? String ?? "?"
        #expect(open.contains(id), sourceLocation: sourceLocation)
        open.removeAll { $0 == id }
      } else {
        #expect(open == [], sourceLocation: sourceLocation)
        open = calls.compactMap { $0["id"] as? String }
        #expect(open.count == calls.count, sourceLocation: sourceLocation)
      }
    }
    #expect(open == [], sourceLocation: sourceLocation)
  }

  private func answers(_ call: CascadeTalk, _ post: Int, _ body: String) {
    call.rig.fetcherSays("answer \(post) 200 whole\n\n\(body)")
  }

  @Test func `its server is asked, and the next request goes on from its answer`() throws {
    let call = try talk()
    call.ask("Where is it?")
    let request = try #require(call.requests.first)
    let tools = request.body["tools"] as? [[String: Any]] ?? []
    let names = tools.compactMap { ($0["function"] as? [String: Any])?["name"] as? String }
    #expect(names == ["status", "slow", "bye"])
    call.calls(["call_1": "status"])
    #expect(call.posts.count == 1 && call.requests.count == 1)
    let post = try #require(call.rig.fetches.last)
    #expect(post.contains(#""function":"status""#) && post.contains(#""arguments":{"id":"42"}"#))
    answers(call, try #require(call.posts.first), #"{"state":"sent"}"#)
    #expect(call.requests.count == 2)
    let next = try #require(call.requests.last)
    expectPaired(next)
    let lines = next.lines
    let calls = try #require(lines.firstIndex { $0.hasPrefix("assistant calls ") })
    #expect(lines[calls + 1].hasSuffix(#": {"state":"sent"}"#) && lines.count == calls + 2)
    #expect(lines.contains("user: Where is it?"))
    let called = next.messages[calls]["tool_calls"] as? [[String: Any]]
    let function = called?.first?["function"] as? [String: Any]
    #expect(function?["name"] as? String == "status")
    #expect(function?["arguments"] as? String == #"{"id":"42"}"#)
    call.answer("It was sent.")
    #expect(call.told() == ["It was sent.", "[Flush]"])
    #expect(call.rig.relay.totals.functionsAnswered == 1)
    // What it knows of it later is what was said.
    call.ask("Thanks.")
    expectPaired(try #require(call.requests.last))
    #expect(call.requests.last?.lines.last == "user: Thanks.")
    #expect(call.requests.last?.lines.contains("assistant: It was sent.") == true)
    call.expectAllHome()
  }

  @Test func `words before a call are spoken, and the caller is answered behind them`() throws {
    let call = try talk()
    call.ask("Where is it?")
    call.thinks("Let me look.\\n")
    call.calls(["call_1": "status"])
    #expect(call.told() == ["Let me look.", "[Flush]"] && call.posts.count == 1)
    call.sounds(200)
    answers(call, try #require(call.posts.first), #"{"state":"sent"}"#)
    call.rig.advance(milliseconds: 100)
    #expect(call.requests.count == 1)
    call.flushed(2)
    call.rig.advance(milliseconds: 1500)
    #expect(call.requests.count == 2)
    expectPaired(try #require(call.requests.last))
    #expect(call.requests.last?.lines.contains("assistant: Let me look.\n") == true)
    call.answer("It was sent.")
    #expect(call.told() == ["It was sent.", "[Flush]"])
    #expect(call.rig.relay.totals.answersSilent == 0)
    call.expectAllHome()
  }

  @Test func `two calls of one answer are gone on from together`() throws {
    let call = try talk()
    call.ask("Both?")
    call.calls(["a": "status", "b": "status"])
    #expect(call.posts.count == 2)
    answers(call, call.posts[1], #"{"n":2}"#)
    #expect(call.requests.count == 1)
    answers(call, call.posts[0], #"{"n":1}"#)
    #expect(call.requests.count == 2)
    let next = try #require(call.requests.last)
    expectPaired(next)
    #expect(next.messages.count { $0["role"] as? String == "tool" } == 2)
    call.expectAllHome()
  }

  @Test func `rounds of one answer stand behind each other`() throws {
    let call = try talk()
    call.ask("Deep?")
    for round in 1...3 {
      call.calls(["call_1": "status"])
      answers(call, try #require(call.posts.last), #"{"n":\#(round)}"#)
      let request = try #require(call.requests.last)
      #expect(call.requests.count == round + 1)
      expectPaired(request)
      #expect(request.messages.count { $0["role"] as? String == "tool" } == round)
    }
    call.answer("Done.")
    call.ask("Next.")
    expectPaired(try #require(call.requests.last))
    #expect(call.requests.last?.messages.contains { $0["role"] as? String == "tool" } == false)
    call.expectAllHome()
  }

  @Test func `of two calls only the answered one is in a request that cannot wait`() throws {
    let call = try talk()
    call.ask("Both?")
    call.calls(["a": "status", "b": "status"])
    answers(call, call.posts[0], #"{"n":1}"#)
    #expect(call.requests.count == 1)
    call.ask("Are you there?")
    #expect(call.requests.count == 2)
    let request = try #require(call.requests.last)
    expectPaired(request)
    #expect(request.messages.count { $0["role"] as? String == "tool" } == 1)
    #expect(request.lines.contains("user: Are you there?"))
    call.answer("Yes.")
    #expect(call.requests.count == 2)
    // The other one is told in words when it comes, and answered.
    answers(call, call.posts[1], #"{"n":2}"#)
    call.rig.advance(milliseconds: 100)
    #expect(call.requests.count == 3)
    let last = try #require(call.requests.last)
    expectPaired(last)
    #expect(last.lines.count { $0.contains("2}") } == 1, "\(last.lines)")
    call.answer("All is well.")
    #expect(call.rig.relay.totals.functionsAnswered == 2)
    call.expectAllHome()
  }

  @Test func `what a function says while an answer is told is gone on from behind it`() throws {
    let call = try talk()
    call.ask("Slowly?")
    call.calls(["a": "slow"])
    call.ask("Meanwhile?")
    #expect(call.requests.count == 2)
    call.thinks("We wait.\\n")
    answers(call, call.posts[0], #"{"n":7}"#)
    #expect(call.requests.count == 2)
    call.chatEnds()
    call.sounds(200)
    call.flushed(2)
    call.rig.advance(milliseconds: 1500)
    #expect(call.requests.count == 3)
    expectPaired(try #require(call.requests.last))
    #expect(call.requests.last?.lines.contains { $0.contains("7}") } == true)
    // Not of what it has just said itself.
    #expect(call.requests.last?.lines.suffix(2) == ["assistant: We wait.\n", "user: (Go on.)"])
    call.answer("It is seven.")
    #expect(call.rig.relay.totals.answersSilent == 0)
    call.expectAllHome()
  }

  @Test func `a failure is told as well`() throws {
    let call = try talk()
    call.ask("Where?")
    call.calls(["a": "status"])
    call.rig.fetcherSays("answer \(call.posts[0]) 500 whole\n\nno")
    let request = try #require(call.requests.last)
    expectPaired(request)
    #expect(request.lines.last?.contains("its server refused with 500") == true)
    call.answer("I could not find out.")
    call.expectAllHome()
  }

  @Test func `a function that does not exist is answered at once`() throws {
    let call = try talk()
    call.ask("Where?")
    call.calls(["a": "nothing"])
    call.rig.advance(milliseconds: 100)
    #expect(call.posts == [] && call.requests.count == 2)
    expectPaired(try #require(call.requests.last))
    #expect(call.requests.last?.lines.last?.contains("there is no such function") == true)
    call.answer("I cannot.")
    call.expectAllHome()
  }

  // MARK: Hanging up

  @Test func `last words are heard, then the call ends`() throws {
    let call = try talk(carrier: "ucid")
    call.ask("Bye.")
    call.thinks("Good bye.\\n")
    call.calls(["a": "bye"], "{}")
    #expect(call.rig.relay.callsInUse == 1 && !call.rig.isGone(call.caller))
    call.sounds(1000, 0x21)
    call.rig.advance(milliseconds: 300)
    #expect(call.rig.relay.callsInUse == 1)
    call.flushed(2)
    call.rig.advance(milliseconds: 400)
    #expect(call.rig.relay.callsInUse == 1)
    call.rig.advance(milliseconds: 3000)
    #expect(call.heardBytes() == 16_000)
    #expect(call.rig.relay.callsInUse == 0 && call.logs("hung_up") > 0)
    #expect(call.rig.relay.totals.upstreamsLost == 0)
    call.expectAllHome()
  }

  @Test func `who hangs up without a word is heard to do so`() throws {
    let call = try talk(carrier: "ucid")
    call.ask("Bye.")
    call.calls(["a": "bye"], "{}")
    call.rig.advance(milliseconds: 3000)
    #expect(call.rig.relay.callsInUse == 0 && call.logs("hung_up") > 0)
    call.expectAllHome()
  }

  @Test func `who speaks over last words keeps the call`() throws {
    let call = try talk(carrier: "ucid")
    call.ask("Bye.")
    call.thinks("Good bye.\\n")
    call.calls(["a": "bye"], "{}")
    call.sounds(1000)
    call.rig.advance(milliseconds: 300)
    call.ask("One thing more.")
    call.cleared()
    #expect(call.requests.count == 2)
    expectPaired(try #require(call.requests.last))
    call.answer("Yes?")
    #expect(call.rig.relay.callsInUse == 1)
    call.expectAllHome()
  }

  // MARK: Keys, and silence

  @Test func `keys are told and answered`() throws {
    let call = try CascadeTalk()
    for digit in ["4", "2", "#"] {
      call.rig.say(
        #"{"event":"dtmf","streamSid":"MZ1","dtmf":{"track":"inbound_track","digit":"\#(digit)"}}"#,
        on: call.caller)
    }
    call.rig.advance(milliseconds: 50)
    #expect(call.requests.count == 1)
    let line = try #require(call.requests.last?.lines.last)
    #expect(line == "user: (The caller pressed 42#.)")
    call.answer("Thanks.")
    call.ask("And?")
    #expect(
      call.requests.last?.lines.dropFirst() == [
        "user: (The caller pressed 42#.)", "assistant: Thanks.", "user: And?",
      ])
    call.expectAllHome()
  }

  @Test func `a silent caller is spoken to twice, then the call ends`() throws {
    let call = try CascadeTalk(carrier: "ucid", greeting: "Hello.") {
      $0.routes[3].watch.callerQuietSeconds = 10
    }
    call.sounds(200)
    call.flushed(2)
    call.rig.advance(milliseconds: 200)
    for number in 1...2 {
      call.rig.advance(milliseconds: 9800)
      #expect(call.requests.count == number - 1)
      call.rig.advance(milliseconds: 600)
      #expect(call.requests.count == number)
      let line = try #require(call.requests.last?.lines.last)
      #expect(line.contains("(The caller is silent.) ") && line.contains(Config.Watch().reprompt))
      call.thinks("Are you there?")
      call.chatEnds()
      call.sounds(200)
      call.flushed(2)
      call.rig.advance(milliseconds: 200)
    }
    call.rig.advance(milliseconds: 12_000)
    #expect(call.rig.relay.totals.reprompts == 2 && call.rig.relay.totals.callersGivenUp == 1)
    #expect(call.rig.relay.callsInUse == 0)
    call.expectAllHome()
  }
}
