// Tools that the model has a server answer, without the relay: how it is told of them, and that it
// is asked to go on when they have answered, once.

import TestSupport
import Testing

@testable import Sidetone

struct ServedFunctionsTests {
  private static func call(_ change: (inout Config.Function) -> Void = { _ in }) throws
    -> FunctionTalk
  {
    try FunctionTalk {
      var crm = Config.Function()
      crm.name = "crm"
      crm.description = "Knows \"customers\"."
      crm.server = "https://crm.test/mcp"
      crm.key = "secret"
      crm.tools = ["find", "list"]
      change(&crm)
      $0.routes[3].functions.append(crm)
    }
  }

  private func begin(_ call: FunctionTalk, _ id: String, by server: String = "crm") {
    call.talk.tell(
      #"{"type":"response.output_item.added","response_id":"r1","output_index":0,"item":{"id":"\#(id)","type":"mcp_call","server_label":"\#(server)","name":"find","arguments":""}}"#
    )
  }

  private func end(_ call: FunctionTalk, _ id: String, _ how: String = "completed") {
    call.talk.tell(#"{"type":"response.mcp_call.\#(how)","item_id":"\#(id)","output_index":0}"#)
  }

  private func done(_ call: FunctionTalk) {
    call.talk.tell(
      #"{"type":"response.done","response":{"id":"r1","status":"completed","output":[{"type":"mcp_call"}]}}"#
    )
  }

  private func counts(_ call: FunctionTalk) -> [Int] {
    let totals = call.rig.relay.totals
    return [totals.functionsAnswered, totals.functionsFailed, totals.functionsCancelled]
  }

  @Test(arguments: [true, false]) func `a model is told of the server`(isWhole: Bool) throws {
    let call = try Self.call {
      guard !isWhole else { return }
      $0.key = ""
      $0.tools = []
    }
    let setup = try #require(call.talk.setup.first)
    let authorization = isWhole ? #""authorization":"secret","# : ""
    let tools = isWhole ? #","allowed_tools":["find","list"]"# : ""
    #expect(
      setup.contains(
        #",{"type":"mcp","server_label":"crm","server_description":"Knows \"customers\".","#
          + #""server_url":"https://crm.test/mcp",\#(authorization)"require_approval":"never"\#(tools)}]"#
      ))
    call.talk.expectAllHome()
  }

  @Test(arguments: [true, false], ["completed", "failed"])
  func `it is asked to go on once, when the server has answered and its turn is over`(
    endsFirst: Bool, how: String
  ) throws {
    let call = try Self.call()
    call.begin()
    begin(call, "m1")
    if endsFirst { done(call) }
    #expect(call.talk.told() == [])
    end(call, "m1", how)
    if !endsFirst {
      #expect(call.talk.told() == [])
      done(call)
    }
    #expect(call.talk.told() == [#"{"type":"response.create"}"#])
    #expect(counts(call) == (how == "completed" ? [1, 0, 0] : [0, 1, 0]))
    #expect(call.rig.relay.totals.answersSilent == 0 && call.asked == [])
    // It is over: nothing follows from more of it.
    end(call, "m1", how)
    call.rig.advance(milliseconds: 1000)
    #expect(call.talk.told() == [])
    call.talk.expectAllHome()
  }

  @Test func `several, and ours beside them, are all waited for`() throws {
    let call = try Self.call()
    call.begin()
    begin(call, "m1")
    begin(call, "m2")
    call.item("status", "f1")
    done(call)
    end(call, "m2")
    call.rig.fetcherSays("answer 1 200 whole\n\n{}")
    #expect(!call.talk.told().contains(#"{"type":"response.create"}"#))
    end(call, "m1")
    #expect(call.talk.told() == [#"{"type":"response.create"}"#])
    #expect(counts(call) == [3, 0, 0])
    call.talk.expectAllHome()
  }

  @Test func `nothing follows from what nobody has begun, or from another's`() throws {
    let call = try Self.call()
    call.begin()
    begin(call, "m1", by: "other")
    begin(call, "", by: "crm")
    end(call, "m1")
    call.item("status", "f1")
    end(call, "f1")
    #expect(counts(call) == [0, 0, 0] && call.asked.count == 1)
    // Nor is it called as a function of ours.
    call.item("crm", "f2")
    #expect(call.rig.relay.totals.functionsRefused == 1)
    call.talk.expectAllHome()
  }

  @Test(arguments: ["null", #"{"type":"http_error","code":500,"message":"no"}"#])
  func `its item says that it is over, where nothing else does`(error: String) throws {
    let call = try Self.call()
    call.begin()
    begin(call, "m1")
    call.talk.tell(
      #"{"type":"response.output_item.done","response_id":"r1","output_index":0,"item":{"id":"m1","type":"mcp_call","server_label":"crm","name":"find","arguments":"{}","error":\#(error)}}"#
    )
    #expect(counts(call) == (error == "null" ? [1, 0, 0] : [0, 1, 0]))
    done(call)
    #expect(call.talk.told() == [#"{"type":"response.create"}"#])
    // Said again it asks for nothing.
    end(call, "m1")
    call.talk.tell(#"{"type":"response.created","response":{"id":"r2"}}"#)
    call.talk.tell(
      #"{"type":"response.done","response":{"id":"r2","status":"completed","output":[{"type":"message"}]}}"#
    )
    call.rig.advance(milliseconds: 2000)
    #expect(!call.talk.told().contains(#"{"type":"response.create"}"#))
    call.talk.expectAllHome()
  }

  @Test(arguments: ["cancelled", "failed"])
  func `an answer that is cut off takes its calls with it`(status: String) throws {
    let call = try Self.call()
    call.begin()
    begin(call, "m1")
    call.talk.interrupt()
    call.talk.tell(#"{"type":"response.done","response":{"id":"r1","status":"\#(status)"}}"#)
    #expect(counts(call) == [0, 1, 0])
    call.talk.expectAllHome()
  }

  @Test func `a session that is lost takes its calls with it`() throws {
    let call = try Self.call()
    call.begin()
    begin(call, "m1")
    call.rig.fail(call.talk.model)
    #expect(counts(call) == [0, 1, 0])
    call.rig.advance(milliseconds: 500)
    let next = try #require(call.rig.answerDial())
    _ = call.rig.messages(from: next, isCaller: false)
    call.rig.answer(Talk.ready("openai"), on: next)
    // What was asked for is owed.
    #expect(
      call.rig.messages(from: next, isCaller: false).last == #"{"type":"response.create"}"#)
    call.talk.expectAllHome()
  }

  @Test func `a call that ends cancels them, and a phrase is heard meanwhile`() throws {
    let call = try Self.call { $0.phraseAudio = .tone(100) }
    call.begin()
    begin(call, "m1")
    done(call)
    call.rig.advance(milliseconds: 1000)
    #expect(call.rig.relay.totals.functionPhrases == 1)
    call.rig.relay.failed(call.talk.caller, .reset, at: call.rig.now)
    call.rig.perform()
    call.rig.advance(milliseconds: 5000)
    #expect(counts(call) == [0, 0, 1])
    call.talk.expectAllHome()
  }

  @Test func `a server whose tools cannot be listed is said`() throws {
    let call = try Self.call()
    call.talk.tell(#"{"type":"mcp_list_tools.failed","event_id":"e","item_id":"i"}"#)
    #expect(
      call.rig.log.contains {
        $0.contains("upstream_error") && $0.contains("mcp_list_tools.failed")
      })
    #expect(call.rig.relay.callsInUse == 1)
    call.talk.expectAllHome()
  }
}
