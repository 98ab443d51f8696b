// How OpenAI Realtime words an answer: the events round its audio, in the service's order.

extension OpenAITwin {
  private func place(_ response: Response) -> JSON.Members {
    [
      "response_id": .string(response.id), "item_id": .string(response.item), "output_index": 0,
      "content_index": 0,
    ]
  }

  private func item(_ id: String, status: String, transcript: String?) -> JSON {
    [
      "id": .string(id), "object": "realtime.item", "type": "message", "status": .string(status),
      "role": "assistant",
      "content": transcript.map { [["type": "output_audio", "transcript": .string($0)]] } ?? [],
    ]
  }

  private func value(
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
    let empty = item(response.item, status: "in_progress", transcript: nil)
    send("response.created", ["response": value(response, status: "in_progress")])
    send(
      "rate_limits.updated",
      [
        "rate_limits": [
          ["name": "requests", "limit": 1000, "remaining": 999, "reset_seconds": 60],
          ["name": "tokens", "limit": 50000, "remaining": 49950, "reset_seconds": 60],
        ]
      ])
    send(
      "response.output_item.added",
      ["response_id": .string(response.id), "output_index": 0, "item": empty])
    send("conversation.item.added", ["previous_item_id": lastItem, "item": empty])
    keep(response.item, empty)
    var part = place(response)
    part["part"] = ["type": "audio", "transcript": ""]
    send("response.content_part.added", part)
  }

  /// The next piece, its words first.
  mutating func sendPiece(of response: Response) {
    guard let piece = speeches[response.item]?.next(manner.deltaBytes) else { return }
    if !piece.text.isEmpty {
      var words = place(response)
      words["delta"] = .string(piece.text)
      send("response.output_audio_transcript.delta", words)
    }
    var audio = place(response)
    audio["delta"] = .string(Base64Text.encode(piece.audio))
    send("response.output_audio.delta", audio)
  }

  /// Pieces that should not be sent any more: they count for nothing.
  mutating func sendTrailing(_ count: Int, of response: Response) {
    guard var speech = speeches[response.item] else { return }
    for _ in 0..<count where !speech.isComplete {
      var audio = place(response)
      audio["delta"] = .string(Base64Text.encode(speech.next(manner.deltaBytes).audio))
      send("response.output_audio.delta", audio)
    }
  }

  mutating func endResponse(
    _ response: Response, _ speech: Speech, status: String, reason: String?
  ) {
    let text = speech.sentText
    let isWhole = status == "completed"
    let whole = item(
      response.item, status: isWhole ? "completed" : "incomplete", transcript: text)
    let before = items.last { $0.id != response.item }.map { JSON.string($0.id) } ?? .null
    keep(response.item, whole)
    send("response.output_audio.done", place(response))
    var words = place(response)
    words["transcript"] = .string(text)
    send("response.output_audio_transcript.done", words)
    var part = place(response)
    part["part"] = ["type": "audio", "transcript": .string(text)]
    send("response.content_part.done", part)
    send("conversation.item.done", ["previous_item_id": before, "item": whole])
    send(
      "response.output_item.done",
      ["response_id": .string(response.id), "output_index": 0, "item": whole])
    let details: JSON = reason.map { ["type": .string(status), "reason": .string($0)] } ?? .null
    let final = value(
      response, status: status, details: details, output: [whole], usage: usage(speech))
    send("response.done", ["response": final])
  }

  /// A token for each word and each 50 ms of audio: what matters is that they add up.
  private func usage(_ speech: Speech) -> JSON {
    let text = speech.sentText.split(separator: " ").count
    let audio = speech.sentMilliseconds / 50
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
