// One session of Deepgram's Voice Agent as the client sees it, without its socket. Audio is binary
// both ways. The caller's turns are found in the audio itself; each is answered in tones, as a
// burst unless a pace is set.
//
//     Welcome   Settings > SettingsApplied   sound > UserStartedSpeaking   silence >
//     ConversationText (user), AgentStartedSpeaking, ConversationText and audio …, AgentAudioDone
//
// Sound while an answer is given out or still plays interrupts it: what was not given out yet never
// is. It is strict: an error ends the session.

package struct AgentTwin: VoiceTwin {
  private let manner: VoiceManner
  private let number: Int
  private var behaviour: VoiceMisbehaviour { manner.misbehaviour }

  /// What goes in and out; nil before the settings.
  private var formats: (input: WireFormat, output: WireFormat)?
  private var ear = TurnEar(rate: 8000, silence: Self.silence)
  /// Half a sample of the caller's.
  private var odd: [UInt8] = []
  /// What is being said, until it would have been played.
  private var speech: Speech?
  private var isGivenOut = false
  private var turns = 0
  private var functionsAsked = 0
  /// The first one that the settings declare.
  private var function: JSON?
  private let openedAt: Double
  private var isOver = false
  private var outputs: [VoiceOutput] = []

  /// Seconds behind which a caller has finished.
  private static let silence = 0.5

  /// `number` is in the names of all that the session makes; times are in seconds on any clock that
  /// only goes forward.
  package init(number: Int, manner: VoiceManner = VoiceManner(), at now: Double) {
    self.number = number
    self.manner = manner
    openedAt = now
  }

  // MARK: Inputs

  package var wakeTime: Double? {
    guard !isOver else { return nil }
    return [nextPiece, speechEnd, resetAt, closesAt].compactMap(\.self).min()
  }

  private var resetAt: Double? { behaviour.resetAfter.map { openedAt + $0 } }
  private var closesAt: Double? { behaviour.closeAfter.map { openedAt + $0 } }

  package mutating func opened(at now: Double) -> [VoiceOutput] {
    send(["type": "Welcome", "request_id": .string("twin-\(number)")])
    return take()
  }

  package mutating func text(_ bytes: [UInt8], at now: Double) -> [VoiceOutput] {
    guard !isOver else { return [] }
    do throws(AgentRefusal) {
      guard let message = JSON(bytes), let type = message["type"]?.string else {
        throw AgentRefusal("UNPARSABLE_CLIENT_MESSAGE", "The message could not be parsed.")
      }
      try obey(type, message, at: now)
    } catch {
      refuse(error)
    }
    return take()
  }

  package mutating func audio(_ bytes: [UInt8], at now: Double) -> [VoiceOutput] {
    guard !isOver else { return [] }
    guard let formats else {
      refuse(.early)
      return take()
    }
    let size = formats.input.sampleBytes
    let all = odd + bytes
    let whole = all.count / size * size
    odd = Array(all[whole...])
    let samples = Array(all[..<whole])
    tell(.audio(samples, formats.input))
    for event in ear.hear(formats.input.read(samples)) {
      switch event {
      case .started: speechStarted()
      case .stopped(_, let words): endTurn(OpenAITwin.text(words), at: now)
      }
    }
    return take()
  }

  package mutating func advance(to now: Double) -> [VoiceOutput] {
    guard !isOver else { return [] }
    push(at: now)
    if let resetAt, now >= resetAt {
      outputs.append(.reset)
      isOver = true
    } else if let closesAt, now >= closesAt {
      close(behaviour.closeCode ?? 1000)
    }
    return take()
  }

  package mutating func disconnected(at now: Double) -> [VoiceOutput] {
    isOver = true
    let words = ear.finish()
    if !words.isEmpty { tell(.heard(OpenAITwin.text(words))) }
    if let speech, !isGivenOut { tellSaid(speech) }
    speech = nil
    return take()
  }

  // MARK: Outputs

  private mutating func send(_ message: JSON) {
    guard !behaviour.isSilent, !isOver else { return }
    var message = message
    if behaviour.sendsUnknown {
      message["weather"] = ["type": "AgentAudioDone"]
      outputs.append(.message(#"{"type":"Weather","content":"rain"}"#))
    }
    outputs.append(.message(message.text))
  }

  private mutating func sendWords(_ role: String, _ words: String) {
    for piece in behaviour.pieces(of: words) where piece != " " {
      let message: JSON = [
        "type": "ConversationText", "role": .string(role), "content": .string(piece),
      ]
      let isEscaped = behaviour.escapesWords
      guard isEscaped, !behaviour.isSilent, !isOver else {
        send(message)
        continue
      }
      outputs.append(.message(message.text(escaping: "content", piece)))
    }
  }

  private mutating func tell(_ event: VoiceEvent) { outputs.append(.happened(event)) }

  private mutating func tellSaid(_ speech: Speech) {
    tell(
      .said(speech.sentText, item: "turn_\(number)_\(turns)", milliseconds: speech.sentMilliseconds)
    )
  }

  private mutating func refuse(_ refusal: AgentRefusal) {
    guard !isOver else { return }
    tell(.refused(refusal.description))
    send([
      "type": "Error", "description": .string(refusal.description), "code": .string(refusal.code),
    ])
    close(1000)
  }

  private mutating func close(_ code: UInt16) {
    guard !isOver else { return }
    isOver = true
    outputs.append(.close(code: code, reason: ""))
  }

  private mutating func take() -> [VoiceOutput] {
    defer { outputs.removeAll() }
    return outputs
  }
}

/// An error of the service's, which ends a session.
struct AgentRefusal: Error, Equatable {
  let code: String
  let description: String

  init(_ code: String, _ description: String) {
    self.code = code
    self.description = description
  }

  static let early = AgentRefusal(
    "NON_SETTINGS_MESSAGE_BEFORE_SETTINGS", "Settings must be the first message.")
}

// MARK: - What it is told

extension AgentTwin {
  private mutating func obey(
    _ type: String, _ message: JSON, at now: Double
  ) throws(AgentRefusal) {
    if type == "Settings" { return try begin(message) }
    guard formats != nil else { throw .early }
    switch type {
    case "KeepAlive", "ForceEndTurn", "UpdateThink_Live": break
    case "UpdatePrompt", "UpdateSpeak", "UpdateThink", "UpdateListen":
      send(["type": .string("\(type.dropFirst(6))Updated")])
    case "InjectAgentMessage":
      let text = try text("message", of: message)
      if isFree() { say(text, at: now) }
    case "InjectUserMessage":
      let text = try text("content", of: message)
      guard isFree() else { return }
      tell(.read(text))
      sendWords("user", text)
      say(manner.answer(to: text), at: now)
    case "FunctionCallResponse": tell(.read(try text("content", of: message)))
    default:
      throw AgentRefusal("UNPARSABLE_CLIENT_MESSAGE", "There is no message named \(type).")
    }
  }

  private func text(_ name: String, of message: JSON) throws(AgentRefusal) -> String {
    guard let text = message[name]?.string, !text.isEmpty else {
      throw AgentRefusal("UNPARSABLE_CLIENT_MESSAGE", "The message has no \(name).")
    }
    return text
  }

  /// Nobody speaks, so a text may be injected; where somebody does, it is refused.
  private mutating func isFree() -> Bool {
    guard ear.isSpeaking || speech != nil else { return true }
    let who = ear.isSpeaking ? "user" : "agent"
    send(["type": "InjectionRefused", "message": .string("The \(who) is speaking.")])
    return false
  }

  private mutating func begin(_ message: JSON) throws(AgentRefusal) {
    guard formats == nil else {
      throw AgentRefusal("SETTINGS_ALREADY_APPLIED", "Settings may be sent once.")
    }
    let agent = message["agent"]
    guard let input = format(message["audio"]?["input"]),
      let output = format(message["audio"]?["output"]),
      message["audio"]?["output"]?["container"]?.string == "none",
      agent?["listen"]?["provider"]?["type"]?.string == "deepgram",
      ["v1", "v2"].contains(agent?["listen"]?["provider"]?["version"]?.string ?? ""),
      agent?["think"]?["provider"]?["type"]?.string != nil,
      agent?["think"]?["provider"]?["model"]?.string != nil,
      agent?["speak"]?["provider"]?["model"]?.string != nil, !behaviour.refusesSettings
    else { throw AgentRefusal("INVALID_SETTINGS", "The settings are not valid.") }
    guard !behaviour.mutesSetup else { return }
    formats = (input, output)
    function = agent?["think"]?["functions"]?.array?.first
    ear = TurnEar(rate: input.rate, silence: Self.silence)
    send(["type": "SettingsApplied"])
  }

  private func format(_ value: JSON?) -> WireFormat? {
    guard let coding = WireFormat.Coding(rawValue: value?["encoding"]?.string ?? ""),
      let rate = value?["sample_rate"]?.number.map({ Int($0) }),
      [8000, 16_000, 24_000, 32_000, 48_000].contains(rate)
    else { return nil }
    return WireFormat(coding, rate: rate)
  }

  private mutating func speechStarted() {
    tell(.speechStarted(interrupts: speech != nil))
    send(["type": "UserStartedSpeaking"])
    if let speech, !isGivenOut { tellSaid(speech) }
    speech = nil
    isGivenOut = false
  }

  private mutating func endTurn(_ words: String, at now: Double) {
    tell(.heard(words))
    if !words.isEmpty { sendWords("user", words) }
    send(["type": "AgentThinking", "content": .string(words)])
    if functionsAsked < behaviour.functions {
      functionsAsked += 1
      send(["type": "FunctionCallRequest", "functions": .array([call(with: words)])])
    }
    say(manner.answer(to: words), at: now)
  }
}

extension AgentTwin {
  /// A call of the first function, with what the caller's words give for its arguments.
  private func call(with words: String) -> JSON {
    let schema = function?["parameters"] ?? ["type": "object"]
    let arguments = SchemaFiller(schema, transcript: "caller: \(words)").filled()
    return [
      "id": .string("fc_\(functionsAsked)"),
      "name": .string(function?["name"]?.string ?? "lookup_order"),
      "arguments": .string(arguments.text), "client_side": true,
    ]
  }
}

// MARK: - What is said, and when

extension AgentTwin {
  private mutating func say(_ text: String, at now: Double) {
    guard let output = formats?.output else { return }
    turns += 1
    isGivenOut = false
    speech = Speech(text, in: output, at: now)
    send([
      "type": "AgentStartedSpeaking", "total_latency": 0.5, "tts_latency": 0.2, "ttt_latency": 0.3,
    ])
    push(at: now)
  }

  /// When the next piece of an answer is due.
  private var nextPiece: Double? {
    guard let speech, !isGivenOut, let pace = manner.pace else { return nil }
    return speech.beganAt + (speech.playedAt - speech.beganAt) / pace
  }

  /// Until then an answer can be interrupted, and refuses what is injected.
  private var speechEnd: Double? { isGivenOut ? speech?.playedAt : nil }

  private mutating func push(at now: Double) {
    while !isOver, !isGivenOut, speech != nil, nextPiece.map({ $0 <= now }) ?? true { sendPiece() }
    if let speechEnd, now >= speechEnd {
      speech = nil
      isGivenOut = false
    }
  }

  private mutating func sendPiece() {
    guard var current = speech else { return }
    let piece = current.next(manner.deltaBytes)
    speech = current
    let words = String(piece.text.drop { $0 == " " })
    if !words.isEmpty, !behaviour.delaysWords { sendWords("assistant", words) }
    if !behaviour.isSilent { outputs.append(.audio(Array(piece.audio))) }
    if behaviour.closesAfterFirst { return close(behaviour.closeCode ?? 1011) }
    guard current.isComplete else { return }
    isGivenOut = true
    tellSaid(current)
    send(["type": "AgentAudioDone"])
    if behaviour.delaysWords { sendWords("assistant", current.sentText) }
  }
}
