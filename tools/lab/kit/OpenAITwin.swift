// One session of OpenAI Realtime as the client sees it, without its socket. The caller's turns are
// found in the audio itself; each is answered in tones, as a burst unless a pace is set.
//
//     caller:   sound ............ silence
//     to client: speech_started    speech_stopped, committed, item, transcript, response ... done
//
// Sound while an answer is given out cancels it. Over a WebSocket the service cannot know what was
// played: it believes what `conversation.item.truncate` says, and refuses what cannot be.

package struct OpenAITwin: VoiceTwin {
  var session: OpenAISession
  let manner: VoiceManner
  var behaviour: VoiceMisbehaviour { manner.misbehaviour }

  var ear: TurnEar
  /// Bytes of audio since the buffer was last committed or cleared.
  var bufferedBytes = 0
  /// The name of the caller's item whose sound has begun.
  var userItem: String?

  /// The conversation, in order.
  var items: [(id: String, value: JSON)] = []
  var speeches: [String: Speech] = [:]
  /// The answer that is being given out.
  var active: Response?
  /// The item that a listener may still be hearing.
  var playing: String?
  /// What is to be said once the answer under way is over.
  var waiting: String?
  /// The words in writing that nobody has answered yet.
  var unanswered: String?
  var hasSpoken = false
  /// The caller's words were taken.
  var hasQuestion = false
  /// How many answers brought no sound by order.
  var silentAnswers = 0
  /// The words of a turn of the caller's that wait for those of the next one.
  var heldTranscript: [(type: String, rest: JSON.Members)] = []
  /// Words that are sent behind the end of the response.
  var heldWords: [(type: String, rest: JSON.Members)] = []

  var later: [(at: Double, type: String, rest: JSON.Members)] = []
  private let expiresAt: Double?
  private let resetAt: Double?
  private let closesAt: Double?
  private var isOver = false
  private var made: [String: Int] = [:]
  private let number: Int
  private var outputs: [VoiceOutput] = []

  struct Response {
    let id: String
    let texts: [String]
    let format: WireFormat
    let metadata: JSON
    /// When the first delta may be sent.
    let startsAt: Double
    /// The items that were begun, one for each text in turn.
    var items: [String] = []
    var item: String { items.last ?? "" }
  }

  /// `number` is in the names of all that the session makes; `clock` is the time in seconds since
  /// 1970, all others are on any clock that only goes forward.
  package init(
    model: String, number: Int, clock: Int, manner: VoiceManner = VoiceManner(), at now: Double
  ) {
    self.number = number
    self.manner = manner
    session = OpenAISession(id: "sess_\(number)", model: model, expiresAt: clock + 3600)
    ear = TurnEar(rate: WireFormat.pcm24.rate, silence: session.silence)
    expiresAt = manner.misbehaviour.expireAfter.map { now + $0 }
    resetAt = manner.misbehaviour.resetAfter.map { now + $0 }
    closesAt = manner.misbehaviour.closeAfter.map { now + $0 }
  }

  // MARK: Inputs

  package var wakeTime: Double? {
    guard !isOver else { return nil }
    return [expiresAt, resetAt, closesAt, nextDelta, later.map(\.at).min()].compactMap(\.self).min()
  }

  package mutating func opened(at now: Double) -> [VoiceOutput] {
    send("session.created", ["session": session.value])
    return take()
  }

  package mutating func text(_ bytes: [UInt8], at now: Double) -> [VoiceOutput] {
    guard !isOver else { return [] }
    let message = JSON(bytes)
    do throws(OpenAIRefusal) {
      guard let message else {
        throw OpenAIRefusal(code: "invalid_json", message: "The event is not valid JSON.")
      }
      try obey(OpenAIMessage.read(message), message, at: now)
    } catch {
      refuse(error, event: message?["event_id"]?.string)
    }
    return take()
  }

  package mutating func advance(to now: Double) -> [VoiceOutput] {
    guard !isOver else { return [] }
    while let index = later.firstIndex(where: { $0.at <= now }) {
      let due = later.remove(at: index)
      send(due.type, due.rest)
    }
    push(at: now)
    if let resetAt, now >= resetAt {
      outputs.append(.reset)
      isOver = true
    }
    if let expiresAt, now >= expiresAt {
      let reason = "Your session hit the maximum duration of 60 minutes."
      refuse(OpenAIRefusal(code: "session_expired", message: reason), event: nil)
      end(1001, reason)
    }
    if let closesAt, now >= closesAt { end(behaviour.closeCode ?? 1000) }
    return take()
  }

  package mutating func disconnected(at now: Double) -> [VoiceOutput] {
    isOver = true
    let words = ear.finish()
    if !words.isEmpty { tell(.heard(Self.text(words))) }
    for item in active?.items ?? [] { tellSaid(item) }
    active = nil
    return take()
  }

  private mutating func obey(
    _ type: String, _ message: JSON, at now: Double
  ) throws(OpenAIRefusal) {
    switch type {
    case "session.update": try update(message["session"])
    case "input_audio_buffer.append": try append(message["audio"]?.string ?? "", at: now)
    case "input_audio_buffer.commit": try commitByOrder(at: now)
    case "input_audio_buffer.clear":
      _ = ear.finish()
      forgetBuffer()
      send("input_audio_buffer.cleared", [:])
    case "conversation.item.create": try create(message)
    case "conversation.item.truncate": try truncate(message)
    case "conversation.item.delete": try delete(message["item_id"]?.string ?? "")
    case "conversation.item.retrieve": try retrieve(message["item_id"]?.string ?? "")
    case "response.create": try respondByOrder(message["response"] ?? [:], at: now)
    default: try cancel(message["response_id"]?.string, at: now)
    }
  }

  // MARK: Outputs

  /// The next name of a kind, for example `item_1_3`.
  mutating func name(_ kind: String) -> String {
    made[kind, default: 0] += 1
    return "\(kind)_\(number)_\(made[kind, default: 0])"
  }

  mutating func send(_ type: String, _ rest: JSON.Members) {
    guard !behaviour.isSilent, !isOver else { return }
    var message: JSON.Members = ["type": .string(type), "event_id": .string(name("event"))]
    for (key, value) in rest.all { message[key] = value }
    if behaviour.sendsUnknown { message["mood"] = ["type": "response.done", "item_id": 7] }
    let whole = JSON.object(message)
    let isPiece = behaviour.escapesWords && type.hasSuffix("transcript.delta")
    let words = isPiece ? message["delta"]?.string : nil
    outputs.append(.message(words.map { whole.text(escaping: "delta", $0) } ?? whole.text))
  }

  /// Sends a piece of what is said, as words.
  mutating func send(words: String, _ type: String, _ rest: JSON.Members) {
    for piece in behaviour.pieces(of: words) {
      var message = rest
      message["delta"] = .string(piece)
      if behaviour.delaysWords {
        heldWords.append((type, message))
      } else {
        send(type, message)
      }
    }
  }

  mutating func end(_ code: UInt16, _ reason: String = "") {
    guard !isOver else { return }
    outputs.append(.close(code: code, reason: reason))
    isOver = true
  }

  mutating func tell(_ event: VoiceEvent) { outputs.append(.happened(event)) }

  private mutating func refuse(_ refusal: OpenAIRefusal, event: String?) {
    tell(.refused(refusal.message))
    send(
      "error",
      [
        "error": [
          "type": "invalid_request_error", "code": .string(refusal.code),
          "message": .string(refusal.message), "param": refusal.param.map { .string($0) } ?? .null,
          "event_id": event.map { .string($0) } ?? .null,
        ]
      ])
  }

  private mutating func take() -> [VoiceOutput] {
    defer { outputs.removeAll() }
    return outputs
  }

  static func text(_ words: [HeardWord]) -> String {
    words.map(\.text).joined(separator: " ")
  }
}

// MARK: - What is said, and when

extension OpenAITwin {
  mutating func respondByOrder(_ asked: JSON, at now: Double) throws(OpenAIRefusal) {
    if let active {
      throw OpenAIRefusal(
        code: "conversation_already_has_active_response",
        message: "Conversation already has an active response in progress: \(active.id). "
          + "Wait until the response is finished before creating a new one.")
    }
    let text =
      asked["instructions"] == nil
      ? unanswered.map { manner.answer(to: $0) } ?? manner.greeting : manner.greeting
    unanswered = nil
    let format = asked["audio"]?["output"]?["format"].map { OpenAISession.format($0) }
    speak(text, in: format, metadata: asked["metadata"] ?? .null, at: now)
  }

  /// Answers a turn of the caller; one answer after the other.
  mutating func answer(_ words: String, at now: Double) {
    if active == nil {
      speak(manner.answer(to: words), at: now)
    } else {
      waiting = words
    }
  }

  mutating func speak(
    _ text: String, in format: WireFormat? = nil, metadata: JSON = .null, at now: Double
  ) {
    let response = Response(
      id: name("resp"), texts: parts(text), format: format ?? session.outputFormat,
      metadata: metadata, startsAt: now + behaviour.thinks)
    if saySilently(text, response) { return }
    hasSpoken = true
    beginResponse(response)
    beginItem(of: response, at: response.startsAt)
    if hasQuestion, let code = behaviour.questionClose { end(code) }
    push(at: now)
  }

  /// The text in as many parts as there are to be items, none of them without a word.
  private func parts(_ text: String) -> [String] {
    let words = text.split(separator: " ")
    let count = min(behaviour.items, words.count)
    guard count > 1 else { return [text] }
    return (0..<count).map { part in
      let begin = part * words.count / count
      return words[begin..<(part + 1) * words.count / count].joined(separator: " ")
    }
  }

  private mutating func beginItem(of response: Response, at begin: Double) {
    var response = response
    let item = name("item")
    speeches[item] = Speech(response.texts[response.items.count], in: response.format, at: begin)
    response.items.append(item)
    active = response
    playing = item
    announceItem(of: response)
  }

  /// When the next piece of the answer is due.
  private var nextDelta: Double? {
    guard let active, let speech = speeches[active.item] else { return nil }
    guard let pace = manner.pace else { return active.startsAt }
    return speech.beganAt + (speech.playedAt - speech.beganAt) / pace
  }

  /// Gives out what is due of the answer under way.
  mutating func push(at now: Double) {
    while !isOver, let response = active, let speech = speeches[response.item] {
      let isNext = speech.isComplete || behaviour.interleavesItems
      if isNext, response.items.count < response.texts.count {
        // An item is played behind the one before it.
        let begin = manner.pace == nil ? speech.playedAt : nextDelta ?? now
        beginItem(of: response, at: begin)
        continue
      }
      guard let index = nextItem(of: response) else {
        finish("completed", reason: nil)
        return sayWaiting(at: now)
      }
      if let nextDelta, nextDelta > now { return }
      sendPiece(of: response, index)
    }
  }

  /// Of which item the next piece is: of the one that was begun last, or where they come side by
  /// side, of the one of which least was sent. Nil: all were given out.
  private func nextItem(of response: Response) -> Int? {
    func sent(_ index: Int) -> Int { speeches[response.items[index]]?.sentBytes ?? 0 }
    let open = response.items.indices.filter { speeches[response.items[$0]]?.isComplete == false }
    return behaviour.interleavesItems ? open.min { sent($0) < sent($1) } : open.last
  }

  mutating func sayWaiting(at now: Double) {
    guard let words = waiting else { return }
    waiting = nil
    speak(manner.answer(to: words), at: now)
  }

  mutating func cancel(_ id: String?, at now: Double) throws(OpenAIRefusal) {
    guard let active, id == nil || id == active.id else {
      throw OpenAIRefusal(
        code: "response_cancel_not_active",
        message: "Cancellation failed: no active response found")
    }
    finish("cancelled", reason: "client_cancelled")
    sayWaiting(at: now)
  }

  mutating func finish(_ status: String, reason: String?) {
    guard let response = active else { return }
    active = nil
    // Nobody hears an item of which nothing was sent, but perhaps still the one before it.
    if speeches[response.item]?.sentMilliseconds == 0 { playing = response.items.dropLast().last }
    if status == "cancelled" { sendTrailing(behaviour.deltasBeforeCancel, of: response) }
    endResponse(response, status: status, reason: reason)
    for item in response.items { tellSaid(item) }
    if status == "cancelled" { sendTrailing(behaviour.trailingDeltas, of: response) }
  }

  mutating func tellSaid(_ item: String) {
    guard let speech = speeches[item] else { return }
    tell(.said(speech.sentText, item: item, milliseconds: speech.sentMilliseconds))
  }
}
