// A chat endpoint without a model (POST …/chat/completions): as strict about what it is asked as
// OpenAI is, and its answer follows from the schema and the words that it is given; one that is
// streamed follows from what was said last. Pure: requests and the time in, reactions out.

package struct ChatTwin: Sendable {
  /// What holds a model to a form; a server may know neither.
  package enum Form: String, CaseIterable, Sendable {
    case schema = "json_schema"
    case object = "json_object"
  }

  package struct Settings: Sendable {
    /// The only key that is let in; nil: any, or none.
    package var key: String?
    /// Answered whatever is asked; nil: what follows from the schema.
    package var answer: String?
    package var forms = Set(Form.allCases)
    /// Between one chunk of a stream and the next.
    package var chunkMilliseconds = 0
    /// So many streams call the first function that they may call.
    package var calls = 0
    package var faults = FaultSchedule()

    package init() {}
  }

  package struct Taken: Sendable {
    package let line: String
    package let reaction: Reaction
  }

  /// Characters of an answer that is too long for anybody.
  package static let hugeCount = 10_000_000

  private var settings: Settings
  private var requests = 0
  /// Of the request under way.
  private var now: Int64 = 0

  package init(_ settings: Settings) { self.settings = settings }

  /// - Parameter path: with the query, if there is one.
  /// - Parameter now: Unix seconds.
  package mutating func take(
    path: String, authorization: String, body: [UInt8], at now: Int64
  ) -> Taken {
    requests += 1
    self.now = now
    do throws(ChatRefusal) {
      try admit(path, authorization)
      let request = try ChatRequest(body)
      if let form = request.form, !settings.forms.contains(form) {
        throw ChatRefusal(400, "response_format of type \(form.rawValue) is not supported here")
      }
      // What is refused takes nothing from the schedule.
      let fault = settings.faults.next()
      if request.isStream { return stream(request, fault) }
      let head = "request \(requests) model \(request.model) \(request.formName)"
      let content = settings.answer ?? request.content
      let answer = answer(to: request, content, fault)
      let reaction = fault == .flaw(.broken) ? .drop : fault.reaction(answer)
      let said = content.count > 200 ? content.prefix(200) + "…" : Substring(content)
      let flaw = if case .flaw(let flaw) = fault { " (\(flaw.rawValue))" } else { "" }
      return Taken(line: "\(head), \(reaction.text)\(flaw): \(said)", reaction: reaction)
    } catch {
      return Taken(
        line: "request \(requests) answered \(error.status): \(error.message)",
        reaction: .answer(error.answer))
    }
  }

  private func admit(_ path: String, _ authorization: String) throws(ChatRefusal) {
    guard path.prefix(while: { $0 != "?" }).hasSuffix("/chat/completions") else {
      throw ChatRefusal(404, "No such path; there is /v1/chat/completions.")
    }
    if let key = settings.key, authorization != "Bearer \(key)" {
      throw ChatRefusal(401, "Incorrect API key provided.", code: "invalid_api_key")
    }
  }

  private func answer(to request: ChatRequest, _ content: String, _ fault: Fault) -> WebAnswer {
    guard case .flaw(let flaw) = fault else { return completion(request, content) }
    switch flaw {
    case .prose: return completion(request, "I listened to the call. The caller was very friendly.")
    case .fenced:
      return completion(request, "This is what I found:\n```json\n\(content)\n```\nIs that all?")
    case .wrongShape:
      let names = JSON(content.utf8)?.members?.all.map(\.key) ?? []
      var wrong: JSON = ["strange": true]
      for name in names { wrong[name] = [["wrong": true]] }
      return completion(request, wrong.text)
    case .refusal: return completion(request, nil, refusal: "I am sorry, I cannot help with that.")
    case .cutOff:
      return completion(request, String(content.prefix(content.count / 2)), reason: "length")
    case .broken: return completion(request, content)
    case .huge: return completion(request, String(repeating: "long ", count: Self.hugeCount / 5))
    case .notJSON:
      return WebAnswer(200, type: "text/html", text: "<html><body>It works!</body></html>")
    }
  }

  private mutating func stream(_ request: ChatRequest, _ fault: Fault) -> Taken {
    let text = settings.answer ?? request.spoken
    let head = "request \(requests) model \(request.model)"
    var line = "\(head) streamed: \(text.prefix(200))"
    var stream = ChatStream(id: "chatcmpl-lab-\(requests)", model: request.model, created: now)
    var reason = "stop"
    if settings.calls > 0, let call = request.call {
      settings.calls -= 1
      stream.call(call.name, call.arguments, id: "call_\(requests)")
      reason = "tool_calls"
      line = "\(head) calls \(call.name): \(call.arguments)"
    } else if fault == .flaw(.huge) {
      stream.say(String(repeating: "long ", count: Self.hugeCount / 200))
    } else if fault == .flaw(.cutOff) {
      stream.say(String(text.prefix(text.count / 2)))
      reason = "length"
    } else {
      stream.say(text)
    }
    stream.end(reason, tokens: request.letters / 4)
    var body = WebStream(
      type: "text/event-stream", pieces: stream.events.map { Array($0.utf8) },
      milliseconds: settings.chunkMilliseconds)
    switch fault {
    case .none, .flaw(.huge), .flaw(.cutOff): break
    case .slow(let milliseconds): body.lateMilliseconds = milliseconds
    case .flaw(.broken):
      // In the middle of an event in the middle of the answer.
      body.pieces = Array(body.pieces.prefix(max(body.pieces.count / 2, 2)))
      body.pieces[body.pieces.count - 1].removeLast(20)
      body.isBroken = true
    default:
      let reaction = fault.reaction(answer(to: request, text, fault))
      return Taken(line: "\(line), \(reaction.text)", reaction: reaction)
    }
    return Taken(line: line, reaction: .stream(body))
  }

  private func completion(
    _ request: ChatRequest, _ content: String?, refusal: String? = nil, reason: String = "stop"
  ) -> WebAnswer {
    let message: JSON = [
      "role": "assistant", "content": content.map { .string($0) } ?? .null,
      "refusal": refusal.map { .string($0) } ?? .null, "annotations": [],
    ]
    // A token is about four letters.
    let asked = request.letters / 4
    let said = (content ?? refusal ?? "").utf8.count / 4
    return WebAnswer(
      200,
      [
        "id": "chatcmpl-lab-\(requests)", "object": "chat.completion",
        "created": .number(Double(now)),
        "model": .string(request.model),
        "choices": [
          ["index": 0, "message": message, "logprobs": nil, "finish_reason": .string(reason)]
        ],
        "usage": [
          "prompt_tokens": JSON(asked), "completion_tokens": JSON(said),
          "total_tokens": JSON(asked + said),
        ],
      ])
  }
}

/// An answer that is an error in OpenAI's form.
struct ChatRefusal: Error, Equatable {
  let status: Int
  let message: String
  let answer: WebAnswer

  init(_ status: Int, _ message: String, code: String? = nil) {
    self.status = status
    self.message = message
    let error: JSON = [
      "message": .string(message), "type": "invalid_request_error", "param": nil,
      "code": code.map { .string($0) } ?? .null,
    ]
    answer = WebAnswer(status, ["error": error])
  }
}
