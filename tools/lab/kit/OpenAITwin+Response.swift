// How OpenAI Realtime words an answer: the events round its audio, in the service's order.

extension OpenAITwin {
  private func place(_ response: Response, _ index: Int? = nil) -> JSON.Members {
    let index = index ?? response.items.count - 1
    return [
      "response_id": .string(response.id), "item_id": .string(response.items[index]),
      "output_index": JSON(index), "content_index": 0,
    ]
  }

  private func item(_ id: String, status: String, transcript: String?) -> JSON {
    [
      "id": .string(id), "object": "realtime.item", "type": "message", "status": .string(status),
      "role": "assistant",
      "content": transcript.map { [["type": "output_audio", "transcript": .string($0)]] } ?? [],
    ]
  }

  func value(
    _ response: Response, status: String, details: JSON = nil, output: JSON = [],
    usage: JSON = nil
  ) -> JSON {
    [
      "object": "realtime.response", "id": .string(response.id), "status": .string(status),
      "status_details": details, "output": output, "conversation_id": "conv_1",
      "output_modalities": ["audio"], "max_output_tokens": "inf", "usage": usage,
      "metadata": response.metadata,
    ]
  }

  mutating func beginResponse(_ response: Response) {
    if behaviour.sendsUnknown { send("weather.changed", ["delta": "//8=", "item_id": "item_0"]) }
    send("response.created", ["response": value(response, status: "in_progress")])
    send(
      "rate_limits.updated",
      [
        "rate_limits": [
          ["name": "requests", "limit": 1000, "remaining": 999, "reset_seconds": 60],
          ["name": "tokens", "limit": 50000, "remaining": 49950, "reset_seconds": 60],
        ]
      ])
  }

  /// The newest item of the response, still empty.
  mutating func announceItem(of response: Response) {
    let empty = item(response.item, status: "in_progress", transcript: nil)
    send(
      "response.output_item.added",
      [
        "response_id": .string(response.id), "output_index": JSON(response.items.count - 1),
        "item": empty,
      ])
    send("conversation.item.added", ["previous_item_id": lastItem, "item": empty])
    keep(response.item, empty)
    var part = place(response)
    part["part"] = ["type": "audio", "transcript": ""]
    send("response.content_part.added", part)
  }

  /// The next piece of an item, its words first.
  mutating func sendPiece(of response: Response, _ index: Int) {
    guard let piece = speeches[response.items[index]]?.next(manner.deltaBytes) else { return }
    if !piece.text.isEmpty {
      send(words: piece.text, "response.output_audio_transcript.delta", place(response, index))
    }
    send(audio: piece.audio, of: response, index)
    if behaviour.closesAfterFirst { end(behaviour.closeCode ?? 1011) }
  }

  private mutating func send(
    audio bytes: ArraySlice<UInt8>, of response: Response, _ index: Int? = nil
  ) {
    var audio = place(response, index)
    audio["delta"] = .string(Base64Text.encode(bytes, forURL: behaviour.writesURLBase64))
    send("response.output_audio.delta", audio)
  }

  /// Pieces that should not be sent any more: they count for nothing.
  mutating func sendTrailing(_ count: Int, of response: Response) {
    guard var speech = speeches[response.item] else { return }
    for _ in 0..<count where !speech.isComplete {
      send(audio: speech.next(manner.deltaBytes).audio, of: response)
    }
  }

  mutating func endResponse(_ response: Response, status: String, reason: String?) {
    let output = response.items.indices.map { endItem($0, of: response, status: status) }
    let details: JSON = reason.map { ["type": .string(status), "reason": .string($0)] } ?? .null
    let final = value(
      response, status: status, details: details, output: .array(output), usage: usage(response))
    send("response.done", ["response": final])
    for (type, rest) in heldWords { send(type, rest) }
    heldWords = []
  }

  /// Ends an item of the response, and answers its last value.
  private mutating func endItem(_ index: Int, of response: Response, status: String) -> JSON {
    let id = response.items[index]
    let text = speeches[id]?.sentText ?? ""
    let isWhole = status == "completed"
    let whole = item(id, status: isWhole ? "completed" : "incomplete", transcript: text)
    let before = items.prefix { $0.id != id }.last.map { JSON.string($0.id) } ?? .null
    keep(id, whole)
    send("response.output_audio.done", place(response, index))
    var words = place(response, index)
    words["transcript"] = .string(text)
    if behaviour.delaysWords {
      heldWords.append(("response.output_audio_transcript.done", words))
    } else {
      send("response.output_audio_transcript.done", words)
    }
    var part = place(response, index)
    part["part"] = ["type": "audio", "transcript": .string(text)]
    send("response.content_part.done", part)
    send("conversation.item.done", ["previous_item_id": before, "item": whole])
    send(
      "response.output_item.done",
      ["response_id": .string(response.id), "output_index": JSON(index), "item": whole])
    return whole
  }

  /// A token for each word and each 50 ms of audio: what matters is that they add up.
  private func usage(_ response: Response) -> JSON {
    let said = response.items.compactMap { speeches[$0] }
    let text = said.reduce(0) { $0 + $1.sentText.split(separator: " ").count }
    let audio = said.reduce(0) { $0 + $1.sentMilliseconds } / 50
    return [
      "total_tokens": JSON(text + audio + 10), "input_tokens": 10,
      "output_tokens": JSON(text + audio),
      "input_token_details": [
        "text_tokens": 10, "audio_tokens": 0, "image_tokens": 0, "cached_tokens": 0,
        "cached_tokens_details": ["text_tokens": 0, "audio_tokens": 0],
      ],
      "output_token_details": ["text_tokens": JSON(text), "audio_tokens": JSON(audio)],
    ]
  }
}
