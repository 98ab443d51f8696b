// One session of Deepgram's voices (`/v1/speak`) as the client sees it, without its socket: text in
// JSON goes in, and comes out as tones in the format that the handshake asked for.
//
//     Speak … > (audio once there is enough)   Flush > audio …, Flushed   Clear > Cleared
//
// Audio comes as a burst unless a pace is set. It is strict: what it does not understand ends the
// session.

package struct SpeakTwin: VoiceTwin {
  private let manner: VoiceManner
  private let number: Int
  private let format: WireFormat
  private var behaviour: VoiceMisbehaviour { manner.misbehaviour }

  /// Text that is not spoken yet, since there is not enough of it.
  private var text = ""
  /// What comes behind what is being spoken.
  private var queue: [Step] = []
  private var speech: Speech?
  /// When what was given out would have been spoken.
  private var spokenAt = 0.0
  private var flushes: [Double] = []
  private var answered = 0
  private let openedAt: Double
  private var isOver = false
  private var outputs: [VoiceOutput] = []

  private enum Step {
    case speak(String)
    case flushed
    case close
  }

  /// With so many letters it begins without being told to.
  private static let enough = 60
  private static let textBytesMax = 2000
  private static let flushesPerMinuteMax = 20

  package init(
    number: Int, format: WireFormat, manner: VoiceManner = VoiceManner(), at now: Double
  ) {
    self.number = number
    self.format = format
    self.manner = manner
    openedAt = now
  }

  // MARK: Inputs

  package var wakeTime: Double? {
    isOver ? nil : [nextPiece, resetAt, closesAt].compactMap(\.self).min()
  }

  private var resetAt: Double? { behaviour.resetAfter.map { openedAt + $0 } }
  private var closesAt: Double? { behaviour.closeAfter.map { openedAt + $0 } }

  package mutating func opened(at now: Double) -> [VoiceOutput] {
    send([
      "type": "Metadata", "request_id": .string("twin-\(number)"), "model_name": "twin",
      "model_version": "1", "model_uuid": "00000000-0000-4000-8000-000000000000",
    ])
    return take()
  }

  package mutating func text(_ bytes: [UInt8], at now: Double) -> [VoiceOutput] {
    guard !isOver else { return [] }
    let message = JSON(bytes)
    switch message?["type"]?.string {
    case "Speak": speak(message?["text"]?.string, at: now)
    case "Flush": flush(at: now)
    case "Clear": clear()
    case "Close":
      speakRest()
      queue.append(.close)
    default: refuse(1008, "DATA-0000: not a valid command")
    }
    push(at: now)
    return take()
  }

  package mutating func audio(_ bytes: [UInt8], at now: Double) -> [VoiceOutput] {
    refuse(1003, "MESSAGE-0000: binary messages are not supported")
    return take()
  }

  package mutating func advance(to now: Double) -> [VoiceOutput] {
    guard !isOver else { return [] }
    push(at: now)
    if let resetAt, now >= resetAt {
      isOver = true
      outputs.append(.reset)
    } else if let closesAt, now >= closesAt {
      close(behaviour.closeCode ?? 1000, "")
    }
    return take()
  }

  package mutating func disconnected(at now: Double) -> [VoiceOutput] {
    isOver = true
    if let speech { tellSaid(speech) }
    speech = nil
    return take()
  }

  // MARK: What it is told

  private mutating func speak(_ words: String?, at now: Double) {
    guard let words, !words.isEmpty else {
      return refuse(1008, "DATA-0000: not a valid command")
    }
    guard words.utf8.count <= Self.textBytesMax else { return refuse(1009, "BIG-0001: too long") }
    tell(.read(words))
    text += words
    // A word is spoken when its end is known.
    guard text.count >= Self.enough, let end = text.lastIndex(where: \.isWhitespace) else { return }
    queue.append(.speak(String(text[..<end])))
    text = String(text[end...])
  }

  private mutating func flush(at now: Double) {
    flushes.removeAll { $0 <= now - 60 }
    guard flushes.count < Self.flushesPerMinuteMax else {
      return send([
        "type": "Warning", "description": "Flush limit reached", "code": "EXCESSIVE_FLUSH",
      ])
    }
    flushes.append(now)
    speakRest()
    queue.append(.flushed)
  }

  private mutating func speakRest() {
    if text.contains(where: { !$0.isWhitespace }) { queue.append(.speak(text)) }
    text = ""
  }

  private mutating func clear() {
    for _ in 0..<behaviour.trailingDeltas where speech?.isComplete == false { sendPiece() }
    text = ""
    queue = []
    if let speech { tellSaid(speech) }
    speech = nil
    sendAnswer("Cleared")
  }

  // MARK: What it says

  /// When the next piece is due.
  private var nextPiece: Double? {
    guard let speech, let pace = manner.pace else { return nil }
    return speech.beganAt + (speech.playedAt - speech.beganAt) / pace
  }

  private mutating func push(at now: Double) {
    while !isOver, !behaviour.isSilent {
      if speech == nil {
        guard !queue.isEmpty else { return }
        switch queue.removeFirst() {
        case .speak(let words): speech = Speech(words, in: format, at: max(now, spokenAt))
        case .flushed: sendAnswer("Flushed")
        case .close: close(1000, "")
        }
        continue
      }
      if let nextPiece, nextPiece > now { return }
      sendPiece()
      if behaviour.closesAfterFirst { return close(behaviour.closeCode ?? 1011, "NET-0000") }
      guard let current = speech, current.isComplete else { continue }
      tellSaid(current)
      spokenAt = nextPiece ?? 0
      speech = nil
    }
  }

  private mutating func sendPiece() {
    guard let piece = speech?.next(manner.deltaBytes) else { return }
    outputs.append(.audio(Array(piece.audio)))
  }

  private mutating func tellSaid(_ speech: Speech) {
    tell(
      .said(
        speech.sentText, item: "session_\(number)", milliseconds: speech.sentMilliseconds))
  }

  private mutating func sendAnswer(_ type: String) {
    send(["type": .string(type), "sequence_id": JSON(answered)])
    answered += 1
  }

  private mutating func send(_ message: JSON) {
    guard !behaviour.isSilent, !isOver else { return }
    var message = message
    if behaviour.sendsUnknown {
      message["weather"] = "rain"
      outputs.append(.message(#"{"type":"Weather","content":"rain"}"#))
    }
    outputs.append(.message(message.text))
  }

  private mutating func tell(_ event: VoiceEvent) { outputs.append(.happened(event)) }

  private mutating func refuse(_ code: UInt16, _ reason: String) {
    tell(.refused(reason))
    close(code, reason)
  }

  private mutating func close(_ code: UInt16, _ reason: String) {
    guard !isOver else { return }
    isOver = true
    outputs.append(.close(code: code, reason: reason))
  }

  private mutating func take() -> [VoiceOutput] {
    defer { outputs.removeAll() }
    return outputs
  }
}
