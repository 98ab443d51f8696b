// Answers of OpenAI Realtime that bring no sound, each in the service's words for it.

extension OpenAITwin {
  /// Answers without sound while that is in force; false: it is not.
  mutating func saySilently(_ text: String, _ response: Response) -> Bool {
    guard let kind = behaviour.silentAnswer, silentAnswers < behaviour.silentAnswers else {
      return false
    }
    silentAnswers += 1
    if kind == .bareError {
      send(
        "error",
        [
          "error": [
            "type": "server_error", "code": nil, "message": nil, "param": nil, "event_id": nil,
          ]
        ])
      return true
    }
    beginResponse(response)
    switch kind {
    case .text: endSilently(response, output: [write(text, response)])
    case .call: endSilently(response, output: [call(response)])
    case .incomplete:
      endSilently(response, "incomplete", ["reason": "max_output_tokens"])
    case .limited, .bareError:
      let message =
        "Rate limit reached for \(session.value["model"]?.string ?? "") on tokens per min (TPM): "
        + "Limit 40000, Used 39500, Requested 1367. Please try again in 1.3s."
      endSilently(
        response, "failed",
        [
          "error": [
            "type": "tokens", "code": "rate_limit_exceeded", "message": .string(message),
          ]
        ])
    }
    return true
  }

  private mutating func endSilently(
    _ response: Response, _ status: String = "completed", _ why: JSON.Members? = nil,
    output: JSON = []
  ) {
    var details = why
    details?["type"] = .string(status)
    send(
      "response.done",
      [
        "response": value(
          response, status: status, details: details.map { .object($0) } ?? .null, output: output)
      ])
  }

  private mutating func write(_ text: String, _ response: Response) -> JSON {
    let id = name("item")
    func item(_ status: String, _ content: JSON) -> JSON {
      [
        "id": .string(id), "object": "realtime.item", "type": "message",
        "status": .string(status), "role": "assistant", "content": content,
      ]
    }
    func place(_ key: String, _ value: JSON) -> JSON.Members {
      var place: JSON.Members = [
        "response_id": .string(response.id), "item_id": .string(id), "output_index": 0,
        "content_index": 0,
      ]
      place[key] = value
      return place
    }
    let part: JSON = ["type": "output_text", "text": .string(text)]
    add(item("in_progress", []), item("completed", [part]), of: response) { twin in
      twin.send(
        "response.content_part.added", place("part", ["type": "output_text", "text": ""]))
      twin.send("response.output_text.delta", place("delta", .string(text)))
      twin.send("response.output_text.done", place("text", .string(text)))
      twin.send("response.content_part.done", place("part", part))
    }
    return item("completed", [part])
  }

  private mutating func call(_ response: Response) -> JSON {
    let id = name("item")
    let callID = name("call")
    let arguments = #"{"topic":"weather"}"#
    func item(_ status: String, _ arguments: String) -> JSON {
      [
        "id": .string(id), "object": "realtime.item", "type": "function_call",
        "status": .string(status), "name": "lookup", "call_id": .string(callID),
        "arguments": .string(arguments),
      ]
    }
    func place(_ key: String) -> JSON.Members {
      var place: JSON.Members = [
        "response_id": .string(response.id), "item_id": .string(id), "output_index": 0,
        "call_id": .string(callID),
      ]
      place[key] = .string(arguments)
      return place
    }
    add(item("in_progress", ""), item("completed", arguments), of: response) { twin in
      twin.send("response.function_call_arguments.delta", place("delta"))
      twin.send("response.function_call_arguments.done", place("arguments"))
    }
    return item("completed", arguments)
  }

  /// The only item of a response, from its beginning to its end.
  private mutating func add(
    _ empty: JSON, _ whole: JSON, of response: Response,
    sending content: (inout OpenAITwin) -> Void
  ) {
    let before = lastItem
    func output(_ item: JSON) -> JSON.Members {
      ["response_id": .string(response.id), "output_index": 0, "item": item]
    }
    send("response.output_item.added", output(empty))
    send("conversation.item.added", ["previous_item_id": before, "item": empty])
    content(&self)
    keep(whole["id"]?.string ?? "", whole)
    send("conversation.item.done", ["previous_item_id": before, "item": whole])
    send("response.output_item.done", output(whole))
  }
}
