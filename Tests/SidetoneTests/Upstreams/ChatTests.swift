// The chat endpoint of a cascade: what it is asked, and what its chunks say, also when they are not
// as they should be.

import Testing

@testable import Sidetone

final class ChatTests {
  private let pool = BlockPool(blocks: 64)
  private let scratch = kept(count: ChatCalls.bytesMax)

  deinit { pool.deallocate() }

  private static func chunk(_ delta: String, finish: String = "null") -> String {
    #"{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1795168800,"model":"m","#
      + #""choices":[{"index":0,"delta":\#(delta),"finish_reason":\#(finish)}]}"#
  }

  // MARK: Reading

  @Test(arguments: [
    (#"{"role":"assistant","content":""}"#, ""),
    (#"{"content":"Your order "}"#, "Your order "),
    (#"{"content":"a \"b\" \u00e4"}"#, #"a \"b\" \u00e4"#),
    (#"{"content":null}"#, ""), (#"{"reasoning_content":"hm"}"#, ""), ("{}", ""),
  ])
  func `what it says`(delta: String, text: String) {
    let event = kept(Self.chunk(delta))
    let chunk = Chat.read(event)
    #expect(event[chunk.content].string == text)
    #expect(!chunk.isMalformed && !chunk.isDone && chunk.finish == nil && chunk.complaint == nil)
  }

  @Test(arguments: [
    ("stop", Chat.Finish.stop), ("length", .length), ("tool_calls", .calls),
    ("function_call", .calls), ("content_filter", .filtered), ("eos", .unknown),
  ])
  func `why it ends`(word: String, finish: Chat.Finish) {
    #expect(Chat.read(kept(Self.chunk("{}", finish: "\"\(word)\""))).finish == finish)
  }

  @Test func `the end, what it has cost, and an answer that is no stream`() {
    #expect(Chat.read(kept("[DONE]")).isDone)
    let usage = Chat.read(kept(#"{"choices":[],"usage":{"total_tokens":62}}"#))
    #expect(!usage.isMalformed && usage.content.isEmpty && usage.finish == nil)
    let whole = kept(#"{"choices":[{"message":{"content":"Hi"},"finish_reason":"stop"}]}"#)
    let chunk = Chat.read(whole)
    #expect(whole[chunk.content].string == "Hi" && chunk.finish == .stop)
    let refusal = kept(Self.chunk(#"{"refusal":"I cannot."}"#))
    #expect(refusal[Chat.read(refusal).refusal].string == "I cannot.")
  }

  @Test(arguments: [
    (#"{"error":{"message":"slow","type":"limit","param":null,"code":"rate"}}"#, "rate", "slow"),
    (#"{"error":{"message":"slow","type":"limit","code":null}}"#, "limit", "slow"),
    (#"{"error":{"message":"slow","code":429}}"#, "429", "slow"),
    (#"{"error":"broken"}"#, "", "broken"), (#"{"error":{}}"#, "", ""),
  ])
  func `errors`(text: String, code: String, message: String) throws {
    let event = kept(text)
    let complaint = try #require(Chat.read(event).complaint)
    #expect(event[complaint.code].string == code && event[complaint.message].string == message)
    #expect(Chat.complaint(of: event) != nil && Chat.complaint(of: kept("<html>")) == nil)
  }

  @Test(arguments: [
    "", "{", "[]", "x", #"{"choices":[{"delta""#, #"{"a":1}}"#, "[DONE", "\"\u{0}",
  ])
  func `what is no chunk`(text: String) { #expect(Chat.read(kept(text)).isMalformed) }

  @Test(arguments: [
    #"{"choices":7}"#, #"{"choices":[7]}"#, #"{"choices":[{}]}"#, #"{"choices":[{"delta":7}]}"#,
    #"{"choices":[{"delta":{"content":7,"tool_calls":7},"finish_reason":7}]}"#, "{}",
    #"{"error":null}"#,
  ])
  func `members of another kind say nothing`(text: String) {
    let chunk = Chat.read(kept(text))
    #expect(!chunk.isMalformed && chunk.content.isEmpty && chunk.calls == nil)
    #expect(chunk.finish == nil && chunk.complaint == nil)
  }

  @Test func `refusals that pass, and those that do not`() {
    for status in [408, 429, 500, 503] { #expect(Chat.refused(status).retry, "\(status)") }
    for status in [400, 401, 402, 403, 404, 422] { #expect(!Chat.refused(status).retry) }
  }

  // MARK: Calls

  /// What these pieces of calls are together.
  private func calls(_ deltas: [String]) -> (text: String, isLost: Bool) {
    var calls = ChatCalls()
    for delta in deltas {
      let event = kept(Self.chunk(#"{"tool_calls":\#(delta)}"#))
      if let pieces = Chat.read(event).calls { calls.take(pieces, in: event, from: pool) }
    }
    let text = written { calls.write(round: 4, into: &$0, scratch: scratch, in: pool) }
    let isLost = calls.isLost
    calls.clear(in: pool)
    #expect(calls.isEmpty && pool.free == pool.capacity)
    #expect(JSON.isValid(text), "\(text.string)")
    return (text.string, isLost)
  }
  private func call(_ id: String, _ name: String, _ arguments: String) -> String {
    #"{"id":"\#(id)","type":"function","function":{"name":"\#(name)","arguments":"\#(arguments)"}}"#
  }

  @Test func `pieces of a call`() {
    let found = calls([
      #"[{"index":0,"id":"c1","type":"function","function":{"name":"f","arguments":""}}]"#,
      #"[{"index":0,"function":{"arguments":"{\"id\":"}}]"#,
      #"[{"index":0,"function":{"arguments":"\"4\ud83d"}}]"#,
      #"[{"index":0,"function":{"arguments":"\ude002\"}"}}]"#,
    ])
    #expect(found.text == "[\(call("c1", "f", #"{\"id\":\"4\ud83d\ude002\"}"#))]")
    #expect(!found.isLost)
  }

  @Test func `several calls, one after the other or mixed`() {
    let expected = "[\(call("a", "f", "{}")),\(call("b", "g", #"{\"x\":1}"#))]"
    #expect(
      calls([
        #"[{"index":0,"id":"a","function":{"name":"f"}},{"index":1,"id":"b","function":{"name":"g"}}]"#,
        #"[{"index":1,"function":{"arguments":"{\"x\""}},{"index":0,"function":{"arguments":"{"}}]"#,
        #"[{"index":0,"function":{"arguments":"}"}},{"index":1,"function":{"arguments":":1}"}}]"#,
      ]).text == expected)
    // Without indices, whole.
    #expect(
      calls([
        #"[{"id":"a","function":{"name":"f","arguments":"{}"}},{"id":"b","function":{"name":"g","arguments":"{\"x\":1}"}}]"#
      ]).text == expected)
    // An id and a name that are said again.
    #expect(
      calls([
        #"[{"index":3,"id":"a","function":{"name":"f","arguments":"{"}}]"#,
        #"[{"index":3,"id":"a","function":{"name":"f","arguments":"}"}}]"#,
        #"[{"index":9,"id":"b","function":{"name":"g","arguments":"{\"x\":1}"}}]"#,
      ]).text == expected)
  }

  @Test func `calls without end are lost, and say so`() {
    let long = String(repeating: "x", count: 900)
    let one = #"{"index":0,"id":"a","function":{"name":"f","arguments":"\#(long)"}}"#
    #expect(calls(Array(repeating: "[\(one)]", count: 40)).isLost)
    let many = (0..<20).map { #"{"index":\#($0),"id":"a\#($0)"}"# }.joined(separator: ",")
    #expect(calls(["[\(many)]"]).isLost)
    #expect(calls(["[7,null,{}]"]).text.hasPrefix("[{\"id\":\"call_4_0\""))
  }

  @Test func `each call is one, whatever index its server gives it`() {
    let expected = "[\(call("a", "f", "{}")),\(call("b", "f", #"{\"x\":1}"#))]"
    func piece(_ id: String, _ name: String, _ arguments: String) -> String {
      #"{"index":0,"id":"\#(id)","function":{"name":"\#(name)","arguments":"\#(arguments)"}}"#
    }
    // All have the index 0, in one chunk or in several.
    let (first, second) = (piece("a", "f", "{}"), piece("b", "f", #"{\"x\":1}"#))
    #expect(calls(["[\(first),\(second)]"]).text == expected)
    #expect(calls(["[\(first)]", "[\(second)]"]).text == expected)
    // In pieces, each of which has the id again.
    #expect(
      calls([
        "[\(piece("a", "f", "{"))]", "[\(piece("b", "f", #"{\"x\""#))]",
        #"[{"index":0,"id":"a","function":{"arguments":"}"}}]"#,
        #"[{"index":0,"id":"b","function":{"arguments":":1}"}}]"#,
      ]).text == expected)
    // The latest goes on where a piece has no id.
    #expect(
      calls([
        "[\(first)]", "[\(piece("b", "f", ""))]",
        #"[{"index":0,"function":{"arguments":"{\"x\":"}}]"#,
        #"[{"index":0,"function":{"arguments":"1}"}}]"#,
      ]).text == expected)
    // Without indices, with the id in each piece.
    #expect(
      calls([
        #"[{"id":"a","function":{"name":"f","arguments":"{"}}]"#,
        #"[{"id":"a","function":{"arguments":"}"}}]"#,
        #"[{"id":"b","function":{"name":"f","arguments":"{\"x\":1}"}}]"#,
      ]).text == expected)
    // A new id for each piece of one call, which only its first piece names.
    #expect(
      calls([
        #"[{"index":0,"id":"a","function":{"name":"f","arguments":""}}]"#,
        #"[{"index":0,"id":"x","function":{"arguments":"{"}}]"#,
        #"[{"index":0,"id":"y","function":{"arguments":"}"}}]"#,
      ]).text == "[\(call("a", "f", "{}"))]")
  }

  @Test func `calls without ids get some`() {
    let f = #"{"index":0,"id":"","function":{"name":"f","arguments":"{}"}}"#
    let g = #"{"index":0,"function":{"name":"g","arguments":"{\"x\":1}"}}"#
    let expected = [
      call("call_4_0", "f", "{}"), call("call_4_1", "g", #"{\"x\":1}"#),
      call("call_4_2", "g", "{}"),
    ].joined(separator: ",")
    let again = #"{"index":0,"function":{"name":"g","arguments":"{}"}}"#
    #expect(calls(["[\(f),\(g)]", "[\(again)]"]).text == "[\(expected)]")
    // The name is said again with each piece.
    #expect(
      calls([
        #"[{"index":0,"function":{"name":"f","arguments":"{\"x\""}}]"#,
        #"[{"index":0,"function":{"name":"f","arguments":":1}"}}]"#,
      ]).text == "[\(call("call_4_0", "f", #"{\"x\":1}"#))]")
  }

  @Test func `letter by letter they take little more than their text`() {
    let arguments = Array(repeating: "x", count: Limits.functionArgumentsBytesMax)
    let first = #"[{"index":0,"id":"a","function":{"name":"f","arguments":""}}]"#
    let found = calls(
      [first] + arguments.map { #"[{"index":0,"function":{"arguments":"\#($0)"}}]"# })
    #expect(!found.isLost && found.text == "[\(call("a", "f", arguments.joined()))]")
  }

  @Test func `with a dry pool they are lost`() {
    // The pool goes dry at every byte of a block, within what one piece takes.
    for rest in 0..<64 {
      let small = BlockPool(blocks: 1)
      var calls = ChatCalls()
      func take(_ arguments: String) {
        let event = kept(
          #"[{"index":0,"id":"a","function":{"name":"f","arguments":"\#(arguments)"}}]"#)
        guard let pieces = JSON.whole(of: event) else { return }
        calls.take(pieces, in: event, from: small)
      }
      take(String(repeating: "x", count: BlockPool.blockBytes - 64 + rest))
      take(String(repeating: "y", count: 100))
      take("z")
      #expect(calls.isLost && !calls.isEmpty)
      let text = written { calls.write(into: &$0, scratch: scratch, in: small) }
      #expect(JSON.isValid(text), "\(rest)")
      calls.clear(in: small)
      #expect(small.free == small.capacity)
      small.deallocate()
    }
  }

  @Test func `they are read as those of any voice model`() throws {
    let text = kept("[\(call("c1", "f", #"{\"id\":4}"#)),\(call("c2", "g", ""))]")
    let first = try #require(Chat.functions.call(text, 0))
    #expect(text[first.id].string == "c1" && text[first.name].string == "f")
    #expect(first.arguments.map { text[$0.range].string } == #"{\"id\":4}"#)
    #expect(Chat.functions.call(text, 1).map { text[$0.id].string } == "c2")
    #expect(Chat.functions.call(text, 2) == nil && Chat.functions.call(kept("7"), 0) == nil)
  }

  // MARK: Asking

  private func request(
    _ options: String, round: String = "", functions: [Upstream.Function] = [],
    history: [(Upstream.History.Speaker, String)] = []
  ) -> String {
    let entries = written { writer in
      for (speaker, text) in history {
        let entry = Upstream.History.Entry(speaker: speaker, text: kept(text))
        entry.write(head: writer.reserve(Upstream.History.Entry.headBytes)!)
        writer.write(entry.text)
      }
    }
    var session = Upstream.Session(
      hears: .mulaw8k, says: .mulaw8k, options: kept(options), functions: functions)
    session.history = Upstream.History(entries)
    let text = written { Chat.write(session, round: kept(round), into: &$0) }
    #expect(JSON.isValid(text), "\(text.string)")
    return text.string
  }

  @Test func `a request holds all that was said`() {
    #expect(
      request(
        "model=gpt-4o-mini&instructions=Be+%22kind%22.&temperature=0.3",
        history: [(.agent, "Hello."), (.caller, #"Is it \"open\"?"#), (.function, "It has said 1")])
        == #"{"stream":true,"model":"gpt-4o-mini","temperature":0.3,"messages":["#
        + #"{"role":"system","content":"Be \"kind\"."},{"role":"assistant","content":"Hello."},"#
        + #"{"role":"user","content":"Is it \"open\"?"},{"role":"user","content":"It has said 1"}]}"#
    )
    #expect(
      request("", history: [(.caller, "Hi")])
        == #"{"stream":true,"messages":[{"role":"user","content":"Hi"}]}"#)
  }

  @Test func `it is told of functions, and of what they have answered`() {
    let functions = [
      Upstream.Function(
        name: "f", description: "Says \"f\".", schema: #"{"type":"object"}"#, talksMeanwhile: false)
    ]
    let calls = "[\(call("c1", "f", "{}"))]"
    let round = written {
      Chat.writeCalls(kept(calls), after: .empty, &$0)
      Chat.writeAnswer(kept("c1"), kept(#"{"n":1}"#), &$0)
    }.string
    let expected =
      #"{"role":"assistant","content":null,"tool_calls":\#(calls)},"#
      + #"{"role":"tool","tool_call_id":"c1","content":"{\"n\":1}"}]}"#
    let text = request("model=m", round: round, functions: functions, history: [(.caller, "Hi")])
    #expect(
      text.contains(
        #""tools":[{"type":"function","function":{"name":"f","description":"Says \"f\".","parameters":{"type":"object"}}}]"#
      ), "\(text)")
    #expect(text.hasSuffix(#"{"role":"user","content":"Hi"},"# + expected))
    #expect(request("", round: round).hasSuffix(#""messages":["# + expected))
    #expect(request("instructions=x", round: round).hasSuffix("}," + expected))
    let said = written { Chat.writeCalls(kept(calls), after: kept("One moment."), &$0) }.string
    #expect(said.contains(#""content":"One moment.","tool_calls""#))
  }
}
