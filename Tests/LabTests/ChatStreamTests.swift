// The chat endpoint where it streams: its chunks, its calls of functions, and how it breaks off.

import Testing

@testable import LabKit

struct ChatStreamTests {
  private static let tools: JSON = [
    [
      "type": "function",
      "function": [
        "name": "status", "description": "d",
        "parameters": ["type": "object", "properties": ["n": ["type": "integer"]]],
      ],
    ]
  ]

  private func ask(
    _ messages: JSON, tools: JSON? = nil, _ settings: ChatTwin.Settings = ChatTwin.Settings()
  ) -> Reaction {
    var twin = ChatTwin(settings)
    var body: JSON = ["model": "m", "stream": true, "messages": messages]
    if let tools { body["tools"] = tools }
    return twin.take(
      path: "/v1/chat/completions", authorization: "", body: Array(body.text.utf8), at: 1
    ).reaction
  }

  private struct Unexpected: Error { let what: String }
  private func stream(_ reaction: Reaction) throws -> WebStream {
    guard case .stream(let body) = reaction else { throw Unexpected(what: "\(reaction)") }
    return body
  }

  /// The chunks of a stream that is whole.
  private func chunks(_ reaction: Reaction) throws -> [JSON] {
    let body = try stream(reaction)
    let text = String(decoding: Array(body.pieces.joined()), as: UTF8.self)
    var events = text.split(separator: "\n\n").map { String($0.dropFirst(6)) }
    #expect(events.popLast() == "[DONE]" && !body.isBroken)
    return events.compactMap { JSON($0.utf8) }
  }
  private func content(_ chunks: [JSON]) -> String {
    chunks.compactMap { $0["choices"]?[0]?["delta"]?["content"]?.string }.joined()
  }
  /// Why it ended: of the last chunk but the one of what it has cost.
  private func reason(_ chunks: [JSON]) -> String? {
    chunks.dropLast().last?["choices"]?[0]?["finish_reason"]?.string
  }

  @Test func `it says what was said last, word by word`() throws {
    let prompt: JSON = ["role": "system", "content": "Be kind."]
    let found = try chunks(ask([prompt, ["role": "user", "content": "where is it"]]))
    #expect(content(found) == "you said: where is it")
    #expect(found.count > 6 && reason(found) == "stop")
    #expect(found.last?["choices"]?.array?.isEmpty == true)
    let greeting = try chunks(ask([prompt]))
    #expect(content(greeting) == VoiceManner.greeting)
  }

  @Test func `it calls the first function, and says what that has answered`() throws {
    var settings = ChatTwin.Settings()
    settings.calls = 1
    let question: JSON = ["role": "user", "content": "number 7"]
    let found = try chunks(ask([question], tools: Self.tools, settings))
    let calls = found.compactMap { $0["choices"]?[0]?["delta"]?["tool_calls"]?[0] }
    let id = try #require(calls.first?["id"]?.string)
    #expect(calls.first?["function"]?["name"] == "status")
    let arguments = calls.compactMap { $0["function"]?["arguments"]?.string }.joined()
    #expect(JSON(arguments.utf8)?["n"] == 7)
    #expect(reason(found) == "tool_calls")
    let call: JSON = [
      "id": .string(id), "type": "function",
      "function": ["name": "status", "arguments": .string(arguments)],
    ]
    let calling: JSON = ["role": "assistant", "content": nil, "tool_calls": [call]]
    let answer: JSON = ["role": "tool", "tool_call_id": .string(id), "content": "{}"]
    let said = try chunks(ask([question, calling, answer], tools: Self.tools, settings))
    #expect(content(said) == "the function says: {}")
    let wrong: [JSON] = [
      [question, calling], [question, answer], [question, calling, question],
      [question, calling, answer, answer],
    ]
    for messages in wrong {
      #expect(ask(messages, tools: Self.tools).status == 400, "\(messages.text)")
    }
    #expect(ask([question], tools: []).status == 400)
  }

  @Test func `it breaks off in the middle, is slow, or refuses, by order`() throws {
    func reaction(_ fault: String) throws -> Reaction {
      var settings = ChatTwin.Settings()
      settings.faults = try FaultSchedule(fault, flaws: true)
      settings.chunkMilliseconds = 60_000
      return ask([["role": "user", "content": "one two three four"]], settings)
    }
    let broken = try stream(reaction("broken"))
    #expect(broken.isBroken && broken.milliseconds == 60_000)
    let text = String(decoding: Array(broken.pieces.joined()), as: UTF8.self)
    #expect(text.contains("you") && !text.contains("four") && !text.hasSuffix("\n\n"))
    #expect(try stream(reaction("slow:700")).lateMilliseconds == 700)
    #expect(try reason(chunks(reaction("cut-off"))) == "length")
    #expect(try reaction("429:3").status == 429)
    #expect(try reaction("hang") == .hang)
    #expect(try reaction("not-json").status == 200)
  }
}
