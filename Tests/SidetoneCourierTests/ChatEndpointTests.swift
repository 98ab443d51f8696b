// What is asked of a chat endpoint, and what its answers say.

import Testing

@testable import SidetoneCourier

/// The answer of a chat endpoint whose model wrote this.
func chat(_ content: String, finish: String = "stop") -> HTTPResult {
  var answer = HTTPAnswer(status: 200)
  let message = JSONTree.made(["role": "assistant", "content": .text(content), "refusal": .null])
  let choice = JSONTree.made([
    "index": .number("0"), "finish_reason": .text(finish), "message": message,
  ])
  answer.body = JSONTree.made(["object": "chat.completion", "choices": .list([choice])]).compact
  return .success(answer)
}

func answer(_ status: Int, _ body: String) -> HTTPResult {
  var answer = HTTPAnswer(status: status)
  answer.body = Array(body.utf8)
  return .success(answer)
}

struct ChatEndpointTests {
  private func url(_ text: String) throws(CourierMistake) -> String {
    try ChatEndpoint(url: text, model: "m", key: "").url.text
  }

  @Test func `a base becomes the whole URL`() throws {
    for (given, whole) in [
      ("https://a.test", "https://a.test/v1/chat/completions"),
      ("https://a.test:8443/", "https://a.test:8443/v1/chat/completions"),
      ("https://a.test/v1", "https://a.test/v1/chat/completions"),
      ("https://a.test/v1/", "https://a.test/v1/chat/completions"),
      ("https://a.test/v1beta/x", "https://a.test/v1beta/x/chat/completions"),
      ("https://a.test/v1/chat/completions", "https://a.test/v1/chat/completions"),
      ("https://a.test/d/m?api-version=1", "https://a.test/d/m/chat/completions?api-version=1"),
      ("http://127.0.0.1:4000", "http://127.0.0.1:4000/v1/chat/completions"),
    ] {
      #expect(try url(given) == whole)
    }
  }

  @Test func `what cannot be used is refused`() {
    for (url, model, key) in [
      ("ftp://a.test", "m", ""), ("http://a.test", "m", ""), ("https://a.test", "", ""),
      ("https://a.test", "m", "two words"), ("https://a.test", "m", "line\n"),
    ] {
      #expect(throws: CourierMistake.self) {
        try ChatEndpoint(url: url, model: model, key: key)
      }
    }
  }

  @Test func `each form asks for what it says`() throws {
    let endpoint = try ChatEndpoint(url: "https://a.test", model: "m-1", key: "secret")
    let asked = try schema(#"{"properties":{"a":{"type":"string"}}}"#).asked(for: ["a"])
    func body(_ form: ChatEndpoint.Form) throws -> JSONTree {
      let messages = ExtractionPrompt.messages([], asked, form: form)
      let request = endpoint.request(messages, schema: asked, form: form, totalMilliseconds: 1)
      #expect(
        request.headers.contains { $0.name == "Authorization" && $0.value == "Bearer secret" })
      return try #require(JSONTree(request.body))
    }
    let strict = try body(.schema)
    #expect(strict["model"] == "m-1")
    #expect(strict["response_format"]?["type"] == "json_schema")
    #expect(strict["response_format"]?["json_schema"]?["strict"] == .bool(true))
    #expect(strict["response_format"]?["json_schema"]?["schema"] == asked.tree)
    #expect(try body(.object)["response_format"] == .made(["type": "json_object"]))
    #expect(try body(.plain)["response_format"] == nil)
    // Where the server does not hold the model to the schema, the model is told.
    func system(_ form: ChatEndpoint.Form) throws -> String {
      try #require(body(form)["messages"]?.elements.first?["content"]?.string)
    }
    let text = String(decoding: asked.tree.compact, as: UTF8.self)
    #expect(try !system(.schema).contains(text))
    #expect(try system(.object).contains(text) && system(.plain).contains(text))
    #expect(try system(.object).contains("JSON"))
  }

  @Test func `replies are told apart`() {
    func reply(_ result: HTTPResult) -> ChatReply? { result.answer.map(ChatReply.init) }
    #expect(reply(chat("{}")) == .content("{}"))
    #expect(reply(chat("{\"a\":", finish: "length")) == .cutOff)
    let parts = #"{"choices":[{"message":{"content":[{"type":"text","text":"{"},{"text":"}"}]}}]}"#
    #expect(reply(answer(200, parts)) == .content("{}"))
    let refusal = #"{"choices":[{"message":{"content":null,"refusal":"I will not"}}]}"#
    #expect(reply(answer(200, refusal)) == .refused("I will not"))
    #expect(
      reply(chat("x", finish: "content_filter")) == .refused("its filter of contents stopped it"))
    #expect(reply(answer(200, #"{"error":{"message":"no\u001bmodel"}}"#)) == .failed("no?model"))
    for text in [
      "", "<html>", "[]", "{}", #"{"choices":[]}"#, #"{"choices":[{"message":{}}]}"#,
      #"{"choices":[{"message":{"content":""}}]}"#, #"{"choices":[{"message":{"content":7}}]}"#,
    ] {
      guard case .unreadable = reply(answer(200, text)) else {
        Issue.record("\(text)")
        continue
      }
    }
    var large = HTTPAnswer(status: 200)
    large.isCut = true
    #expect(ChatReply(large) == .unreadable("the answer is larger than 1 MiB"))
  }

  @Test func `an object is found in what a model wrote around it`() throws {
    let object = try tree(#"{"a":"}{\"","b":[{}]}"#)
    let text = String(decoding: object.compact, as: UTF8.self)
    for written in [
      text, " \n\(text)\n", "```json\n\(text)\n```", "Here it is:\n\n\(text)\n\nAnything else?",
      "<think>{\"a\": 1} or {x}?</think>\(text)", "{ that was a brace. \(text)",
    ] {
      #expect(ChatReply.object(in: written) == object, "\(written)")
    }
    for written in ["", "nothing", "[1]", "{", "{a:1}", "{\"a\":1", "}{"] {
      #expect(ChatReply.object(in: written) == nil, "\(written)")
    }
    let braces = String(repeating: "{", count: 1 << 20)
    #expect(ChatReply.object(in: braces) == nil)
  }
}
