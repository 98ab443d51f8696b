// The chat endpoint of a cascade fails: it refuses, breaks, is silent, or says what cannot be read.
// What passes is asked again, a few times; what was told is spoken; nobody waits for ever.

import Sidetone
import TestSupport
import Testing

struct CascadeChatTroubleTests {
  @Test(arguments: [401, 403, 402, 400, 404]) func `a refusal that would come again ends the call`(
    status: Int
  ) throws {
    let call = try CascadeTalk()
    call.ask("Well?")
    let dials = call.rig.dialled.count
    call.refuses(status, #"{"error":{"message":"no sk-think for you","code":"x"}}"#)
    call.wait(seconds: 5)
    #expect(call.requests.count == 1 && call.rig.dialled.count == dials)
    #expect(call.rig.relay.callsInUse == 0)
    #expect(call.logs("upstream_refused") > 0 && call.logs("for you") > 0)
    #expect(call.logs("sk-think") == 0)
    #expect(call.logs("the chat endpoint") > 0)
    call.expectAllHome()
  }

  @Test func `the fallback takes over from it, and is told what was said`() throws {
    let call = try CascadeTalk {
      $0.addUpstream("gemini")
      $0.routes[3].fallback = "gemini"
    }
    for _ in 0..<10 { call.rig.media(call.caller, Talk.voice) }
    call.ask("Well?")
    call.refuses(401)
    #expect(call.rig.relay.totals.fallbacks == 1 && call.rig.relay.cascadesInUse == 0)
    let other = try #require(call.rig.answerDial())
    let setup = call.rig.messages(from: other, isCaller: false)
    #expect(setup.first?.hasPrefix(#"{"setup":"#) == true)
    call.rig.answer(Talk.ready("gemini"), on: other)
    call.rig.answer(
      #"{"serverContent":{"modelTurn":{"parts":[\#(Talk.part([UInt8](repeating: 0, count: 24_000)))]}}}"#,
      on: other)
    call.rig.advance(milliseconds: 600)
    #expect(call.heardBytes() == 4000)
    #expect(call.requests.count == 1)
    call.expectAllHome()
  }

  @Test func `a cascade takes over as a fallback`() throws {
    let call = try CascadeTalk(isOpen: false) {
      let cascade = $0.upstreams[2]
      $0.upstreams[2] = Config.Upstream()
      $0.upstreams[2].name = "first"
      $0.upstreams[2].kind = "gemini"
      $0.upstreams[2].key = "k"
      $0.upstreams[2].endpoint.isTLS = false
      $0.upstreams[2].endpoint.host = "127.0.0.1"
      $0.upstreams.append(cascade)
      $0.routes[3].upstream = "first"
      $0.routes[3].fallback = "cascade"
    }
    let first = try #require(call.rig.dialled.last)
    call.rig.connected(first)
    call.rig.feed("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n", on: first)
    #expect(call.rig.relay.totals.fallbacks == 1)
    try call.openEar()
    try call.openVoice()
    call.ask("Well?")
    #expect(call.requests.count == 1)
    call.answer("Here I am.")
    #expect(call.heardBytes() == 1600)
    call.expectAllHome()
  }

  @Test(arguments: ["answer # 429 whole\n\n", "answer # 500 whole\n\n{}", "failed # no_route"])
  func `what passes is asked again, a few times, and then said`(failure: String) throws {
    let call = try CascadeTalk()
    call.ask("Well?")
    for attempt in 1...4 {
      #expect(call.requests.count == attempt)
      let id = try #require(call.requests.last).id
      call.rig.fetcherSays(failure.replacing("#", with: "\(id)"))
      #expect(call.requests.count == attempt)
      if attempt < 4 { call.wait(seconds: attempt) }
    }
    #expect(call.requests.count == 4 && call.rig.relay.callsInUse == 1)
    #expect(call.rig.relay.totals.answersSilent == 3 && call.logs("answer_silent") > 0)
    let lines = call.requests.map(\.lines)
    #expect(lines.allSatisfy { $0 == ["system: Be \"brief\".", "user: Well?"] })
    // The session is given up; the next one is asked for what is owed.
    call.rig.advance(milliseconds: 200)
    #expect(call.dials(ofVoice: false).count == 2)
    try call.openAll()
    call.wait(seconds: 1)
    #expect(call.requests.count == 5)
    call.answer("Yes.")
    #expect(call.heardBytes() == 1600)
    call.expectAllHome()
  }

  @Test func `one that comes back is heard`() throws {
    let call = try CascadeTalk()
    call.ask("Well?")
    call.refuses(503)
    call.wait(seconds: 1)
    #expect(call.requests.count == 2)
    call.answer("Here.")
    #expect(call.heardBytes() == 1600 && call.requests.count == 2)
    call.expectAllHome()
  }

  @Test func `a fetcher that dies is waited for`() throws {
    let call = try CascadeTalk()
    call.ask("Well?")
    call.rig.loseFetcher()
    call.rig.relay.fetcherStarted()
    call.wait(seconds: 1)
    #expect(call.requests.count == 2)
    call.answer("Here.")
    #expect(call.heardBytes() == 1600)
    // Without one nothing is asked, and nobody waits for ever: the session is of no use.
    call.rig.loseFetcher()
    call.ask("And now?")
    call.wait(seconds: 20)
    #expect(call.requests.count == 2 && call.rig.relay.callsInUse == 0)
    #expect(call.rig.relay.fetchesInUse == 0)
    call.expectAllHome()
  }

  @Test func `a caller who speaks while it is to be asked again is answered once`() throws {
    let call = try CascadeTalk()
    call.ask("Well?")
    call.refuses(500)
    call.rig.advance(milliseconds: 200)
    call.hears("Are you")
    call.wait(seconds: 2)
    #expect(call.requests.count == 1)
    call.hears("Are you there?", isFinal: true, endsSpeech: true)
    #expect(call.requests.count == 2)
    #expect(
      call.requests.last?.lines.dropFirst() == ["user: Well?", "user: Are you there?"])
    call.answer("Yes.")
    #expect(call.requests.count == 2)
    call.expectAllHome()
  }

  @Test func `one that says nothing for 12 s is let go of, and asked again`() throws {
    let call = try CascadeTalk()
    call.ask("Well?")
    let id = try #require(call.requests.first).id
    call.wait(seconds: 11)
    #expect(call.cancelled == [] && call.requests.count == 1)
    call.wait(seconds: 2)
    #expect(call.cancelled == [id] && call.requests.count == 2)
    #expect(call.logs("the chat endpoint says nothing") > 0)
    call.rig.fetcherSays("piece \(id)\n\n" + CascadeTalk.chunk("\"content\":\"Late. \""))
    #expect(call.told() == [])
    call.answer("Here.")
    #expect(call.told() == ["Here.", "[Flush]"])
    call.expectAllHome()
  }

  @Test(arguments: [
    #""reasoning_content":"hm""#, #""content":"\u003cthink\u003eThe user ""#,
    #""tool_calls":[{"index":0,"id":"c","function":{"name":"f"}}]"#,
  ])
  func `one that thinks is waited for, and one that has stopped thinking is not`(
    _ sign: String
  ) throws {
    let call = try CascadeTalk()
    call.ask("Well?")
    for _ in 0..<5 {
      call.wait(seconds: 10)
      call.piece(CascadeTalk.chunk(sign))
    }
    #expect(call.cancelled == [] && call.requests.count == 1)
    // A sign of the connection alone is none.
    call.wait(seconds: 10)
    call.piece(": still here\n\n")
    call.wait(seconds: 3)
    #expect(call.cancelled.count == 1 && call.requests.count == 2)
    call.answer("Here.")
    #expect(call.told() == ["Here.", "[Flush]"])
    call.expectAllHome()
  }

  @Test func `one that stops in mid-answer is spoken as far as it came`() throws {
    let call = try CascadeTalk()
    call.ask("Well?")
    call.thinks("It is here. And it")
    call.wait(seconds: 13)
    #expect(call.cancelled.count == 1)
    call.sounds(200)
    call.flushed(2)
    call.rig.advance(milliseconds: 1500)
    #expect(call.heardBytes() == 1600 && call.requests.count == 1)
    call.ask("And?")
    #expect(call.requests.count == 2)
    call.expectAllHome()
  }

  @Test(arguments: [nil, "broken", "late"] as [String?])
  func `a stream that breaks in a sentence ends the turn, and its words are spoken`(
    failure: String?
  ) throws {
    let call = try CascadeTalk()
    call.ask("Well?")
    call.thinks("It is here. And it")
    let id = try #require(call.requests.first).id
    if let failure {
      call.rig.fetcherSays("failed \(id) \(failure)")
    } else {
      call.chatEnds(nil)
    }
    let told = call.told()
    #expect(told.first == "It is here. " && told.last == "[Flush]", "\(told)")
    #expect(told.contains("And it"), "\(told)")
    call.sounds(300)
    call.flushed(2)
    call.rig.advance(milliseconds: 1500)
    #expect(call.heardBytes() == 2400 && call.logs("answer_incomplete") == 1)
    call.wait(seconds: 5)
    #expect(call.requests.count == 1)
    call.ask("And?")
    #expect(call.requests.last?.lines[2] == "assistant: It is here. And it")
    call.expectAllHome()
  }

  @Test func `an error in the stream is said, and what passes is asked again`() throws {
    let call = try CascadeTalk()
    call.ask("Well?")
    call.piece("data: {\"error\":{\"message\":\"overloaded\",\"code\":\"busy\"}}\n\n")
    #expect(call.logs("overloaded") == 1 && call.cancelled.count == 1)
    call.wait(seconds: 1)
    #expect(call.requests.count == 2)
    call.thinks("It is here.\\n")
    call.piece("data: {\"error\":\"gone\"}\n\n")
    call.sounds(200)
    call.flushed(2)
    call.rig.advance(milliseconds: 1500)
    #expect(call.heardBytes() == 1600)
    call.wait(seconds: 3)
    #expect(call.requests.count == 2 && call.cancelled.count == 2)
    call.expectAllHome()
  }

  @Test func `what cannot be read is counted and passed over`() throws {
    let call = try CascadeTalk()
    call.ask("Well?")
    call.piece("data: {\"choices\":[\n\ndata: 7\n\n: comment\n\nevent: ping\ndata: {}\n\n")
    call.thinks("It is here.\\n")
    #expect(call.told() == ["It is here.", "[Flush]"])
    #expect(call.rig.relay.totals.messagesBad == 2)
    call.chatEnds()
    call.sounds(100)
    call.flushed(2)
    call.rig.advance(milliseconds: 1500)
    #expect(call.heardBytes() == 800)
    call.expectAllHome()
  }

  @Test func `an empty answer that does not say why it ended is asked for again`() throws {
    let call = try CascadeTalk()
    call.ask("Well?")
    call.chatEnds(nil)
    call.wait(seconds: 1)
    #expect(call.requests.count == 2)
    call.answer("Yes.")
    #expect(call.heardBytes() == 1600)
    call.expectAllHome()
  }

  @Test(arguments: ["stop", "content_filter"])
  func `an answer without a word is said to be one, and the caller can go on`(
    reason: String
  ) throws {
    let call = try CascadeTalk()
    call.ask("Well?")
    call.chatEnds(reason)
    call.wait(seconds: 3)
    #expect(call.rig.relay.totals.answersSilent == 1 && call.requests.count == 1)
    #expect(call.told() == [])
    call.ask("Hello?")
    #expect(call.requests.count == 2)
    call.answer("Yes.")
    #expect(call.heardBytes() == 1600)
    call.expectAllHome()
  }

  @Test func `what has no letter to be spoken is an answer without sound`() throws {
    let call = try CascadeTalk()
    call.ask("Well?")
    call.thinks("...")
    call.chatEnds()
    call.wait(seconds: 3)
    #expect(call.told() == [] && call.rig.relay.callsInUse == 1)
    call.ask("Hello?")
    #expect(call.requests.count == 2)
    call.answer("Yes.")
    #expect(call.heardBytes() == 1600)
    call.expectAllHome()
  }

  @Test func `answers to requests that are over are nobody's`() throws {
    let call = try CascadeTalk()
    call.ask("Well?")
    let id = try #require(call.requests.first).id
    call.answer("Yes.")
    _ = call.told()
    call.piece(CascadeTalk.chunk("\"content\":\"Again. \""), of: id)
    call.rig.fetcherSays("answer \(id) 200 whole\n\n")
    call.rig.fetcherSays("failed \(id) broken")
    call.rig.advance(milliseconds: 1000)
    #expect(call.told() == [] && call.requests.count == 1)
    call.expectAllHome()
  }

  @Test func `a long talk keeps what fits, the newest`() throws {
    let call = try CascadeTalk()
    for turn in 0..<80 {
      call.ask("Question number \(turn), which is " + String(repeating: "long ", count: 40))
      call.answer("Answer \(turn) " + String(repeating: "is long ", count: 40) + ".")
      call.wait(seconds: 1)
    }
    #expect(call.requests.count == 80)
    let request = try #require(call.requests.last)
    #expect(!request.lines.isEmpty && request.lines[0] == "system: Be \"brief\".")
    #expect(request.lines.last?.hasPrefix("user: Question number 79") == true)
    #expect(request.lines.contains { $0.hasPrefix("assistant: Answer 78") })
    call.expectAllHome()
  }
}
