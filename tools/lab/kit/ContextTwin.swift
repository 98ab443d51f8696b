// One connection of ElevenLabs' voices (`multi-stream-input`) as the client sees it, without its
// socket: text for one context or another goes in as JSON, and comes out as tones, as base64 in
// JSON that names the context.
//
//     {text, context_id, flush} > {audio, contextId} …   {context_id, close_context} > {isFinal}
//
// What is not flushed waits until there is enough of it, and is gone when its context is closed;
// what was flushed is said even then. It is strict: what it does not understand ends the session.

package struct ContextTwin: VoiceTwin {
  private let manner: VoiceManner
  private let number: Int
  private let format: WireFormat
  private var behaviour: VoiceMisbehaviour { manner.misbehaviour }

  /// The contexts that are open, each with its text that is not spoken yet.
  private var contexts: [String: String] = [:]
  /// What comes behind what is being spoken.
  private var queue: [Step] = []
  private var speech: (context: String, speech: Speech)?
  /// When what was given out would have been spoken.
  private var spokenAt = 0.0
  private let openedAt: Double
  private var toldAt: Double
  private var isOver = false
  private var outputs: [VoiceOutput] = []

  private enum Step {
    case speak(String, context: String)
    case final(context: String)
    case close
  }

  /// With so many letters it begins without being told to.
  private static let enough = 120
  private static let contextsMax = 5
  private static let inactivityTimeout = 180.0
  private static let names: Set = [
    "text", "context_id", "flush", "close_context", "close_socket", "voice_settings",
    "generation_config",
  ]

  package init(
    number: Int, format: WireFormat, manner: VoiceManner = VoiceManner(), at now: Double
  ) {
    self.number = number
    self.format = format
    self.manner = manner
    openedAt = now
    toldAt = now
  }

  // MARK: Inputs

  package var wakeTime: Double? {
    isOver ? nil : [nextPiece, resetAt, closesAt, timesOutAt].compactMap(\.self).min()
  }

  private var resetAt: Double? { behaviour.resetAfter.map { openedAt + $0 } }
  private var closesAt: Double? { behaviour.closeAfter.map { openedAt + $0 } }
  private var timesOutAt: Double { toldAt + Self.inactivityTimeout }

  package mutating func opened(at now: Double) -> [VoiceOutput] { [] }

  package mutating func text(_ bytes: [UInt8], at now: Double) -> [VoiceOutput] {
    guard !isOver else { return [] }
    toldAt = now
    let message = JSON(bytes)
    if let members = message?.members, members.all.allSatisfy({ Self.names.contains($0.key) }) {
      tell(members)
    } else {
      refuse("invalid_message", "The message is not understood.")
    }
    push(at: now)
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
    } else if now >= timesOutAt {
      refuse("input_timeout_exceeded", "No text has come for 180 seconds.")
    }
    return take()
  }

  package mutating func disconnected(at now: Double) -> [VoiceOutput] {
    isOver = true
    tellSaid()
    speech = nil
    return take()
  }

  // MARK: What it is told

  private mutating func tell(_ message: JSON.Members) {
    if message["close_socket"]?.bool == true {
      for context in contexts.keys.sorted() { finish(context) }
      queue.append(.close)
      return
    }
    let context = message["context_id"]?.string ?? "default"
    if message["close_context"]?.bool == true { return finish(context) }
    let words = message["text"]?.string ?? ""
    guard contexts[context] != nil || contexts.count < Self.contextsMax else {
      return refuse("too_many_contexts", "At most 5 contexts may be open.")
    }
    if !words.allSatisfy(\.isWhitespace) { outputs.append(.happened(.read(words))) }
    let text = contexts[context, default: ""] + words
    guard message["flush"]?.bool == true || text.count >= Self.enough else {
      contexts[context] = text
      return
    }
    contexts[context] = ""
    if !text.allSatisfy(\.isWhitespace) { queue.append(.speak(text, context: context)) }
  }

  private mutating func finish(_ context: String) {
    if contexts.removeValue(forKey: context) != nil { queue.append(.final(context: context)) }
  }

  // MARK: What it says

  /// When the next piece is due.
  private var nextPiece: Double? {
    guard let speech = speech?.speech, let pace = manner.pace else { return nil }
    return speech.beganAt + (speech.playedAt - speech.beganAt) / pace
  }

  private mutating func push(at now: Double) {
    while !isOver, !behaviour.isSilent {
      guard let context = speech?.context else {
        guard !queue.isEmpty else { return }
        switch queue.removeFirst() {
        case .speak(let words, let context):
          speech = (context, Speech(words, in: format, at: max(now, spokenAt)))
        case .final(let context): send(["isFinal": true, "contextId": .string(context)])
        case .close: close(1000, "")
        }
        continue
      }
      if let nextPiece, nextPiece > now { return }
      if let piece = speech?.speech.next(manner.deltaBytes) {
        let audio = Base64Text.encode(piece.audio, forURL: behaviour.writesURLBase64)
        send(["audio": .string(audio), "contextId": .string(context)])
      }
      if behaviour.closesAfterFirst { return close(behaviour.closeCode ?? 1011, "internal_error") }
      guard speech?.speech.isComplete == true else { continue }
      tellSaid()
      spokenAt = nextPiece ?? 0
      speech = nil
    }
  }

  private mutating func tellSaid() {
    guard let (context, speech) = speech else { return }
    outputs.append(
      .happened(
        .said(
          speech.sentText, item: "context_\(context)", milliseconds: speech.sentMilliseconds)))
  }

  private mutating func send(_ message: JSON) {
    guard !behaviour.isSilent, !isOver else { return }
    var message = message
    if behaviour.sendsUnknown {
      message["weather"] = "rain"
      outputs.append(.message(#"{"weather":"rain"}"#))
    }
    outputs.append(.message(message.text))
  }

  private mutating func refuse(_ error: String, _ sentence: String) {
    outputs.append(.happened(.refused(error)))
    send(["message": .string(sentence), "error": .string(error), "code": 1008])
    close(1008, error)
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
