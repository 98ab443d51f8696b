// How OpenAI Realtime takes the caller's audio: settings, the buffer, turns, and their transcripts.

extension OpenAITwin {
  mutating func update(_ value: JSON?) throws(OpenAIRefusal) {
    if behaviour.rejectsUpdate {
      throw OpenAIRefusal(
        code: "unknown_parameter", message: "Unknown parameter: 'session.audio'.",
        param: "session.audio")
    }
    try session.update(value, hasSpoken: hasSpoken)
    if let format = behaviour.echoFormat { session.insist(on: format) }
    let rate = session.inputFormat.rate
    if rate == ear.rate {
      ear.silence = session.silence
    } else {
      ear = TurnEar(rate: rate, silence: session.silence, origin: ear.seconds)
    }
    if !behaviour.mutesSetup { send("session.updated", ["session": session.value]) }
  }

  mutating func append(_ audio: String, at now: Double) throws(OpenAIRefusal) {
    let format = session.inputFormat
    guard let bytes = Base64Text.decode(audio), bytes.count <= 15 << 20 else {
      throw .value("audio", "base64 of at most 15 MiB of audio was expected")
    }
    guard bytes.count % format.sampleBytes == 0 else {
      throw .value("audio", "the audio ends in the middle of a sample")
    }
    tell(.audio(bytes, format))
    bufferedBytes += bytes.count
    for event in ear.hear(format.read(bytes)) {
      switch event {
      case .started(let time): speechStarted(at: now, audio: time)
      case .stopped(let time, let words): speechStopped(words, at: now, audio: time)
      }
    }
  }

  mutating func speechStarted(at now: Double, audio: Double) {
    let item = name("item")
    userItem = item
    // Where the client says when a turn ends, it also says when it is interrupted.
    guard session.silence != nil else { return }
    let isPlaying = playing.flatMap { speeches[$0] }.map { now < $0.playedAt } ?? false
    tell(.speechStarted(interrupts: active != nil || isPlaying))
    send(
      "input_audio_buffer.speech_started",
      [
        "audio_start_ms": JSON(max(0, Int(audio * 1000) - session.prefixMilliseconds)),
        "item_id": .string(item),
      ])
    if session.interruptsResponse { finish("cancelled", reason: "turn_detected") }
  }

  mutating func speechStopped(_ words: [HeardWord], at now: Double, audio: Double) {
    let item = userItem ?? name("item")
    send(
      "input_audio_buffer.speech_stopped",
      ["audio_end_ms": JSON(Int(audio * 1000)), "item_id": .string(item)])
    commit(words, as: item, at: now)
    guard session.createsResponse else { return }
    unanswered = nil
    answer(Self.text(words), at: now)
  }

  mutating func commitByOrder(at now: Double) throws(OpenAIRefusal) {
    guard session.inputFormat.milliseconds(bufferedBytes) >= 100 else {
      throw OpenAIRefusal(
        code: "input_audio_buffer_commit_empty",
        message: "Error committing input audio buffer: buffer too small. "
          + "Expected at least 100ms of audio.")
    }
    let words = ear.finish()
    commit(words, as: userItem ?? name("item"), at: now)
    unanswered = Self.text(words)
  }

  mutating func forgetBuffer() {
    bufferedBytes = 0
    userItem = nil
  }

  mutating func commit(_ words: [HeardWord], as item: String, at now: Double) {
    let text = Self.text(words)
    let milliseconds = session.inputFormat.milliseconds(bufferedBytes)
    forgetBuffer()
    hasQuestion = true
    tell(.heard(text))
    send(
      "input_audio_buffer.committed",
      ["previous_item_id": lastItem, "item_id": .string(item)])
    add(
      item,
      [
        "id": .string(item), "object": "realtime.item", "type": "message", "status": "completed",
        "role": "user", "content": [["type": "input_audio", "transcript": nil]],
      ])
    if session.isTranscribing { transcribe(text, item, milliseconds, at: now) }
  }

  mutating func transcribe(
    _ text: String, _ item: String, _ milliseconds: Int, at now: Double
  ) {
    let kind = "conversation.item.input_audio_transcription."
    let place: JSON.Members = ["item_id": .string(item), "content_index": 0]
    func with(_ key: String, _ value: JSON) -> JSON.Members {
      var members = place
      members[key] = value
      return members
    }
    var messages: [(String, JSON.Members)] = []
    if let code = behaviour.transcriptError {
      let error: JSON = [
        "type": "transcription_error", "code": .string(code), "message": "could not transcribe",
        "param": nil,
      ]
      messages.append((kind + "failed", with("error", error)))
    } else {
      for (index, word) in text.split(separator: " ").enumerated() {
        messages.append((kind + "delta", with("delta", "\(index > 0 ? " " : "")\(word)")))
      }
      var whole = with("transcript", .string(text))
      whole["usage"] = ["type": "duration", "seconds": .number(Double(milliseconds) / 1000)]
      messages.append((kind + "completed", whole))
    }
    if behaviour.swapsTranscripts {
      if heldTranscript.isEmpty {
        heldTranscript = messages
        return
      }
      messages += heldTranscript
      heldTranscript = []
    }
    for (type, rest) in messages {
      if let late = behaviour.transcriptsLate {
        later.append((now + late, type, rest))
      } else {
        send(type, rest)
      }
    }
  }
}
