// The chat endpoint: what it refuses, what it answers, and how it goes wrong.

import Testing

@testable import LabKit

@Suite struct ChatTwinTests {
  private static let schema: JSON = [
    "type": "object", "additionalProperties": false,
    "required": ["intent", "order", "count", "note", "reasons"],
    "properties": [
      "intent": ["type": ["string", "null"], "enum": ["order_status", "complaint", nil]],
      "order": ["type": ["string", "null"], "pattern": "^\\d{4,}$"],
      "count": ["type": ["integer", "null"], "maximum": 9],
      "note": ["anyOf": [["$ref": "#/$defs/text"], ["type": "null"]]],
      "reasons": [
        "type": "object", "additionalProperties": false,
        "required": ["intent", "order", "count", "note"],
        "properties": [
          "intent": ["type": ["string", "null"]], "order": ["type": ["string", "null"]],
          "count": ["type": ["string", "null"]], "note": ["type": ["string", "null"]],
        ],
      ],
    ],
    "$defs": ["text": ["type": "string"]],
  ]
  private static let call = """
    The transcript of the call:

    agent: how can I help you with complaint or so
    caller: what about my order status, please
    agent: which one
    caller: number 4711. Bought 2 of them
    """

  private func request(_ change: (inout JSON) -> Void = { _ in }) -> [UInt8] {
    var body: JSON = [
      "model": "m",
      "messages": [
        ["role": "system", "content": "Answer in JSON."],
        ["role": "user", "content": .string(Self.call)],
      ],
      "response_format": [
        "type": "json_schema",
        "json_schema": ["name": "call", "strict": true, "schema": Self.schema],
      ],
    ]
    change(&body)
    return Array(body.text.utf8)
  }

  private func take(
    _ body: [UInt8], _ change: (inout ChatTwin.Settings) -> Void = { _ in },
    path: String = "/v1/chat/completions?x=1", authorization: String = "Bearer k"
  ) -> Reaction {
    var settings = ChatTwin.Settings()
    change(&settings)
    var twin = ChatTwin(settings)
    return twin.take(path: path, authorization: authorization, body: body, at: 1).reaction
  }

  private func answer(_ reaction: Reaction) -> (status: Int, body: JSON) {
    guard case .answer(let answer, _) = reaction else { return (0, .null) }
    return (answer.status, JSON(answer.body) ?? .null)
  }

  private func content(_ reaction: Reaction) -> String {
    answer(reaction).body["choices"]?[0]?["message"]?["content"]?.string ?? ""
  }

  @Test func `the answer holds what was said, and reasons for what was not`() {
    let found = JSON(content(take(request())).utf8)
    #expect(found?["intent"] == "order_status")
    #expect(found?["order"] == "4711")
    #expect(found?["count"] == 2)
    #expect(found?["note"] == "number 4711. Bought 2 of them")
    #expect(found?["reasons"]?["order"] == JSON.null)
    let silent = request { $0["messages"] = [["role": "user", "content": "caller: hello"]] }
    let nothing = JSON(content(take(silent)).utf8)
    #expect(nothing?["order"] == JSON.null && nothing?["count"] == JSON.null)
    #expect(nothing?["reasons"]?["order"] == "it was not said")
  }

  @Test func `a schema in the prompt does as well`() {
    let plain = request {
      $0["response_format"] = nil
      $0["messages"] = [
        ["role": "system", "content": .string("The JSON schema:\n" + Self.schema.text)],
        ["role": "user", "content": .string(Self.call)],
      ]
    }
    #expect(JSON(content(take(plain)).utf8)?["order"] == "4711")
    let bare = request { $0["response_format"] = nil }
    #expect(content(take(bare)).hasPrefix("You said: The transcript"))
  }

  @Test func `fields that may not be null are filled all the same`() {
    let strict: JSON = [
      "type": "object",
      "properties": [
        "a": ["type": "string", "pattern": "^z+$"], "b": ["type": "integer", "minimum": 3],
        "c": ["type": "boolean"], "d": ["enum": ["x", "y"]], "e": ["const": 5],
        "f": ["type": "array", "items": ["type": "string"], "minItems": 2],
        "g": ["$ref": "#/properties/g"],
      ],
    ]
    let filled = SchemaFiller(strict, transcript: "").filled()
    #expect(
      filled == [
        "a": "", "b": 3, "c": false, "d": "y", "e": 5, "f": ["", ""], "g": nil,
      ])
  }

  @Test(arguments: ChatTwin.Form.allCases) func `a form that it does not have is refused`(
    form: ChatTwin.Form
  ) {
    let body = request {
      if form == .object { $0["response_format"] = ["type": "json_object"] }
    }
    #expect(answer(take(body)).status == 200)
    let (status, refusal) = answer(take(body) { $0.forms.remove(form) })
    #expect(status == 400)
    #expect(refusal["error"]?["message"]?.string?.contains(form.rawValue) == true)
  }

  @Test func `it is as strict as the original`() {
    func status(_ change: (inout JSON) -> Void) -> Int { answer(take(request(change))).status }
    #expect(answer(take(Array("{".utf8))).status == 400)
    #expect(status { $0["model"] = nil } == 400)
    #expect(status { $0["messages"] = [] } == 400)
    #expect(status { $0["messages"] = [["role": "bard", "content": "x"]] } == 400)
    #expect(status { $0["messages"] = [["role": "user", "content": 5]] } == 400)
    #expect(status { $0["response_format"] = ["type": "xml"] } == 400)
    #expect(status { $0["response_format"] = ["type": "json_schema"] } == 400)
    // Nobody said JSON.
    #expect(
      status {
        $0["response_format"] = ["type": "json_object"]
        $0["messages"] = [["role": "user", "content": "x"]]
      } == 400)
    // The strict form, but a property is not required; or others are allowed.
    for (place, value) in [("required", ["intent"] as JSON), ("additionalProperties", nil)] {
      var loose = Self.schema
      loose[place] = value
      let body = request {
        $0["response_format"] = [
          "type": "json_schema",
          "json_schema": ["name": "call", "strict": true, "schema": loose],
        ]
      }
      #expect(answer(take(body)).status == 400)
    }
    #expect(answer(take(request(), path: "/v1/completions")).status == 404)
    #expect(answer(take(request(), { $0.key = "other" })).status == 401)
    #expect(answer(take(request(), { $0.key = "k" })).status == 200)
  }

  @Test(arguments: ChatFlaw.allCases) func `an answer is wrong in the way that was ordered`(
    flaw: ChatFlaw
  ) throws {
    var settings = ChatTwin.Settings()
    settings.faults = try FaultSchedule(flaw.rawValue, flaws: true)
    var twin = ChatTwin(settings)
    func next() -> Reaction {
      twin.take(path: "/chat/completions", authorization: "", body: request(), at: 1).reaction
    }
    let wrong = next()
    let choice = answer(wrong).body["choices"]?[0]
    #expect(answer(wrong).status == (flaw == .broken ? 0 : 200))
    switch flaw {
    case .broken: #expect(wrong == .drop)
    case .prose: #expect(JSON(content(wrong).utf8) == nil)
    case .fenced: #expect(content(wrong).contains("```json\n{"))
    case .wrongShape: #expect(JSON(content(wrong).utf8)?["intent"]?.array != nil)
    case .refusal: #expect(choice?["message"]?["refusal"]?.string != nil)
    case .cutOff: #expect(choice?["finish_reason"] == "length")
    case .huge: #expect(content(wrong).utf8.count == ChatTwin.hugeCount)
    case .notJSON: #expect(choice == nil)
    }
    #expect(JSON(content(next()).utf8)?["order"] == "4711")
  }

  @Test func `faults of the server come before any answer`() throws {
    let schedule = try FaultSchedule("hang")
    #expect(take(request()) { $0.faults = schedule } == .hang)
  }

  @Test func `what is refused takes nothing from the schedule`() throws {
    var settings = ChatTwin.Settings()
    settings.forms = [.object]
    settings.faults = try FaultSchedule("500")
    var twin = ChatTwin(settings)
    let plain = request { $0["response_format"] = nil }
    let statuses = [request(), Array("{".utf8), plain, plain].map { body in
      twin.take(path: "/chat/completions", authorization: "", body: body, at: 1).reaction.status
    }
    #expect(statuses == [400, 400, 500, 200])
  }

  @Test func `a fixed answer is given whatever is asked`() {
    #expect(content(take(request()) { $0.answer = "{}" }) == "{}")
  }
}
