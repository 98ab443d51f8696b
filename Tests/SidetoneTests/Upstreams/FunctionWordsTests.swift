// How each voice model's row declares functions and answers calls, to the letter.

import Testing

@testable import Sidetone

struct FunctionWordsTests {
  private static let functions = [
    Upstream.Function(
      name: "a", description: "Says \"a\".", schema: #"{"type":"object"}"#, talksMeanwhile: false),
    Upstream.Function(
      name: "b", description: "b", schema: #"{"type":"object"}"#, talksMeanwhile: true),
  ]

  private func setup(_ row: Upstream, _ options: String, _ functions: [Upstream.Function]) -> String
  {
    let session = Upstream.Session(
      hears: .mulaw8k, says: .mulaw8k, options: kept(options), functions: functions)
    return written { row.setup(session, &$0) }.string
  }

  @Test func `OpenAI is told of functions in its session`() {
    let text = setup(.openai, "", Self.functions)
    #expect(
      text.contains(
        #""tools":[{"type":"function","name":"a","description":"Says \"a\".","parameters":{"type":"object"}},{"type":"function","name":"b","description":"b","parameters":{"type":"object"}}],"tool_choice":"auto","audio":"#
      ), "\(text)")
    #expect(JSON.isValid(kept(text)))
    #expect(!setup(.openai, "", []).contains("tools"))
  }

  @Test(arguments: [
    ("gemini-2.5-flash-native-audio", true), ("gemini-3.8-live", true),
    ("gemini-3.1-flash-live-preview", false), ("gemini-3.8-live-extended-thinking", false),
  ])
  func `Gemini is told of functions, and whether to wait where its family takes that`(
    model: String, takesBehavior: Bool
  ) {
    let text = setup(.gemini, "model=\(model)", Self.functions)
    func behavior(_ word: String) -> String { takesBehavior ? #""behavior":"\#(word)","# : "" }
    #expect(
      text.contains(
        #""tools":[{"functionDeclarations":[{"name":"a","description":"Says \"a\".",\#(behavior("BLOCKING"))"parametersJsonSchema":{"type":"object"}},{"name":"b","description":"b",\#(behavior("NON_BLOCKING"))"parametersJsonSchema":{"type":"object"}}]}],"#
      ), "\(text)")
    #expect(JSON.isValid(kept(text)))
    #expect(!setup(.gemini, "model=\(model)", []).contains("tools"))
  }

  @Test func `what is answered is valid whatever it holds`() {
    let answer = kept(#"{"text":"a \"quoted\" \u0007 line"}"#)
    for row in [Upstream.openai, .gemini] {
      for command in [
        Upstream.Command.answer(id: kept("c1"), function: kept("f"), answer),
        .lateAnswer(function: kept("f"), answer),
      ] {
        let text = written { row.write(command, anySession, &$0) }
        #expect(JSON.isValid(text), "\(text.string)")
      }
    }
  }
}
