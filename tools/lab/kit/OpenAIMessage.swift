// What a client may send to OpenAI Realtime besides its settings: the known events and their keys.

enum OpenAIMessage {
  /// The whole message, checked. The settings of a session are checked by the session.
  static func read(_ message: JSON) throws(OpenAIRefusal) -> String {
    guard message.members != nil else {
      throw OpenAIRefusal(code: "invalid_event", message: "The event is not a JSON object.")
    }
    guard let type = message["type"]?.string else { throw .missing("type") }
    guard var keys = events[type] else {
      let known = events.keys.sorted().map { "'\($0)'" }.joined(separator: ", ")
      throw OpenAIRefusal(
        code: "invalid_value",
        message: "Invalid value: '\(type)'. Supported values are: \(known).", param: "type")
    }
    keys["type"] = .text
    keys["event_id"] = .text
    if let misfit = Shape.object(keys).misfit(of: message, at: "") { throw OpenAIRefusal(misfit) }
    for key in needed[type] ?? [] where message[key] == nil { throw .missing(key) }
    return type
  }

  private static let needed = [
    "input_audio_buffer.append": ["audio"],
    "conversation.item.create": ["item"],
    "conversation.item.truncate": ["item_id", "content_index", "audio_end_ms"],
    "conversation.item.delete": ["item_id"],
    "conversation.item.retrieve": ["item_id"],
  ]

  private static let events: [String: [String: Shape]] = [
    "session.update": ["session": .any],
    "input_audio_buffer.append": ["audio": .text],
    "input_audio_buffer.commit": [:],
    "input_audio_buffer.clear": [:],
    "conversation.item.create": ["previous_item_id": .nullable(.text), "item": item],
    "conversation.item.truncate": [
      "item_id": .text, "content_index": .whole, "audio_end_ms": .whole,
    ],
    "conversation.item.delete": ["item_id": .text],
    "conversation.item.retrieve": ["item_id": .text],
    "response.create": ["response": response],
    "response.cancel": ["response_id": .text],
  ]

  private static let item = Shape.object([
    "id": .text, "object": .one(of: ["realtime.item"]), "type": .one(of: itemTypes),
    "status": .one(of: ["completed", "incomplete", "in_progress"]),
    "role": .one(of: ["user", "assistant", "system"]), "content": .list(content),
    "call_id": .text, "name": .text, "arguments": .text, "output": .text,
  ])
  private static let itemTypes = ["message", "function_call", "function_call_output"]

  private static let content = Shape.object([
    "type": .one(of: ["input_text", "input_audio", "input_image", "output_text"]), "text": .text,
    "audio": .text, "transcript": .text, "image_url": .text, "detail": .text,
  ])

  private static let response = Shape.object([
    "output_modalities": OpenAISession.modalitiesShape, "instructions": .text,
    "audio": .object(["output": OpenAISession.outputShape]),
    "conversation": .one(of: ["auto", "none"]), "input": .list(.any), "tools": .list(.any),
    "tool_choice": .any, "max_output_tokens": OpenAISession.tokensShape,
    "metadata": .nullable(.any), "parallel_tool_calls": .truth, "prompt": .any,
    "reasoning": .any,
  ])

  /// The kinds of content that a role may say.
  static let contentTypes = [
    "user": ["input_text", "input_audio", "input_image"], "system": ["input_text"],
    "assistant": ["output_text"],
  ]
}
