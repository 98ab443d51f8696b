// The items of a conversation with OpenAI Realtime, and what its client may do with them.

extension OpenAITwin {
  var lastItem: JSON { items.last.map { .string($0.id) } ?? .null }

  /// A finished item at the end of the conversation.
  mutating func add(_ id: String, _ value: JSON) {
    let rest: JSON.Members = ["previous_item_id": lastItem, "item": value]
    keep(id, value)
    send("conversation.item.added", rest)
    send("conversation.item.done", rest)
  }

  /// Takes an item into the conversation, or its new value.
  mutating func keep(_ id: String, _ value: JSON) {
    if let index = items.firstIndex(where: { $0.id == id }) {
      items[index].value = value
    } else {
      items.append((id, value))
    }
  }

  private func index(of id: String) throws(OpenAIRefusal) -> Int {
    guard let index = items.firstIndex(where: { $0.id == id }) else {
      throw OpenAIRefusal(
        code: "item_not_found", message: "Item with item_id not found: \(id)", param: "item_id")
    }
    return index
  }

  mutating func create(_ message: JSON) throws(OpenAIRefusal) {
    var item = message["item"] ?? [:]
    if let previous = message["previous_item_id"]?.string, previous != items.last?.id {
      throw .value("previous_item_id", "this twin only appends")
    }
    guard let type = item["type"]?.string else { throw .missing("item.type") }
    if type == "message" { try check(item) }
    let id = item["id"]?.string ?? name("item")
    guard !items.contains(where: { $0.id == id }) else {
      throw .value("item.id", "the name is taken")
    }
    item["id"] = .string(id)
    item["object"] = "realtime.item"
    item["status"] = "completed"
    add(id, item)
    let text = (item["content"]?.array ?? []).compactMap { $0["text"]?.string }
      .joined(separator: " ")
    if item["role"]?.string == "user", !text.isEmpty {
      unanswered = text
      tell(.read(text))
    }
  }

  private func check(_ item: JSON) throws(OpenAIRefusal) {
    guard let role = item["role"]?.string else { throw .missing("item.role") }
    guard let content = item["content"]?.array else { throw .missing("item.content") }
    let known = OpenAIMessage.contentTypes[role] ?? []
    for (index, part) in content.enumerated() {
      guard let type = part["type"]?.string, known.contains(type) else {
        throw .value(
          "item.content[\(index)].type", "supported is \(known.joined(separator: ", "))")
      }
      if type != "input_audio" && type != "input_image", part["text"] == nil {
        throw .missing("item.content[\(index)].text")
      }
    }
  }

  mutating func truncate(_ message: JSON) throws(OpenAIRefusal) {
    let id = message["item_id"]?.string ?? ""
    let end = Int(message["audio_end_ms"]?.number ?? 0)
    let index = try index(of: id)
    guard let speech = speeches[id], message["content_index"]?.number == 0, end > 0 else {
      throw OpenAIRefusal(
        code: "unsupported_content_type",
        message: "Only model output audio messages can be truncated")
    }
    guard end <= speech.sentMilliseconds else {
      throw OpenAIRefusal(
        code: "invalid_value",
        message: "Audio content of \(speech.sentMilliseconds)ms is already shorter than \(end)ms",
        param: "audio_end_ms")
    }
    // The service keeps the audio that was heard, and no text.
    items[index].value["content"] = [["type": "output_audio", "transcript": nil]]
    if playing == id { playing = nil }
    tell(
      .truncated(
        item: id, milliseconds: end, of: speech.sentMilliseconds, heard: speech.heard(end)))
    send(
      "conversation.item.truncated",
      ["item_id": .string(id), "content_index": 0, "audio_end_ms": JSON(end)])
  }

  mutating func delete(_ id: String) throws(OpenAIRefusal) {
    items.remove(at: try index(of: id))
    if playing == id { playing = nil }
    tell(.deleted(item: id))
    send("conversation.item.deleted", ["item_id": .string(id)])
  }

  mutating func retrieve(_ id: String) throws(OpenAIRefusal) {
    send("conversation.item.retrieved", ["item": items[try index(of: id)].value])
  }
}
