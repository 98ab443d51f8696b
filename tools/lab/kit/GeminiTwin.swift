// One session of Gemini Live as the client sees it, without its socket. The caller's turns are
// found in the audio itself; each is answered in tones, as a burst unless a pace is set.
//
//     setup > setupComplete        sound, silence > transcription, answer, generationComplete
//                                  (as long as the answer plays)        > turnComplete
//
// Sound before turnComplete interrupts the answer: what was not given out yet never is. There is no
// truncation here, and every refusal is a close whose reason is all that a client learns.

package struct GeminiTwin: VoiceTwin {
  private let manner: VoiceManner
  private let number: Int
  private var behaviour: VoiceMisbehaviour { manner.misbehaviour }

  private var setup: GeminiSetup?
  private var ear = TurnEar(rate: Self.inputRate, silence: nil)
  /// What is being said, until its turn is complete.
  private var speech: Speech?
  private var isGenerated = false
  /// Words that are sent behind the end of the turn.
  private var heldWords: [String] = []
  /// What is to be said once the turn is complete.
  private var waiting: String?
  /// What was written and not answered yet.
  private var unanswered: [String] = []
  /// Somebody has said something.
  private var hasBegun = false
  private var turns = 0
  private var handles = 0

  private let openedAt: Double
  private var hasSentGoAway = false
  private var hasStrayed = false
  private var rejections = 0
  private var isOver = false
  private var outputs: [VoiceOutput] = []

  private static let inputRate = 16_000
  private static let handlePrefix = "handle-"

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
    return [nextPiece, turnEnd, goAwayAt, cutAt, resetAt, quotaAt, closesAt, straysAt]
      .compactMap(\.self).min()
  }

  private var resetAt: Double? { behaviour.resetAfter.map { openedAt + $0 } }
  private var quotaAt: Double? { behaviour.quotaAfter.map { openedAt + $0 } }
  private var closesAt: Double? { behaviour.closeAfter.map { openedAt + $0 } }
  private var straysAt: Double? {
    guard !hasStrayed, speech == nil, setup != nil else { return nil }
    return behaviour.strayInterruptedAfter.map { openedAt + $0 }
  }
  private var goAwayAt: Double? {
    hasSentGoAway ? nil : behaviour.goAwayAfter.map { openedAt + $0 }
  }
  private var cutAt: Double? {
    behaviour.goAwayAfter.map { openedAt + $0 + behaviour.timeLeft }
  }

  /// The service says nothing before it has a setup.
  package mutating func opened(at now: Double) -> [VoiceOutput] { [] }

  package mutating func text(_ bytes: [UInt8], at now: Double) -> [VoiceOutput] {
    guard !isOver else { return [] }
    do throws(GeminiRefusal) {
      let message = try GeminiMessage.read(bytes)
      try obey(message.name, message.value, at: now)
    } catch {
      close(error)
    }
    return take()
  }

  package mutating func advance(to now: Double) -> [VoiceOutput] {
    guard !isOver else { return [] }
    push(at: now)
    if let goAwayAt, now >= goAwayAt {
      hasSentGoAway = true
      send(["goAway": ["timeLeft": "\(behaviour.timeLeft)s"]])
    }
    if let straysAt, now >= straysAt {
      hasStrayed = true
      sendContent(["interrupted": true])
    }
    if let resetAt, now >= resetAt {
      outputs.append(.reset)
      isOver = true
    } else if let quotaAt, now >= quotaAt {
      close(
        GeminiRefusal(
          1011, "You exceeded your current quota, please check your plan and billing details."))
    } else if let cutAt, now >= cutAt {
      close(GeminiRefusal(1001, "The time of this connection is over."))
    } else if let closesAt, now >= closesAt {
      close(GeminiRefusal(behaviour.closeCode ?? 1000, ""))
    }
    return take()
  }

  package mutating func disconnected(at now: Double) -> [VoiceOutput] {
    isOver = true
    let words = ear.finish()
    if !words.isEmpty { tell(.heard(OpenAITwin.text(words))) }
    if let speech, !isGenerated { tellSaid(speech) }
    speech = nil
    return take()
  }

  private mutating func obey(
    _ name: String, _ value: JSON, at now: Double
  ) throws(GeminiRefusal) {
    guard let setup else {
      guard name == "setup" else { throw .badArgument }
      return try begin(value)
    }
    switch name {
    case "realtimeInput": try hear(value, setup, at: now)
    case "clientContent":
      unanswered += (value["turns"]?.array ?? [])
        .flatMap { $0["parts"]?.array ?? [] }.compactMap { $0["text"]?.string }
      interrupt(at: now)
      if value["turnComplete"]?.bool == true { answerWriting(at: now) }
    case "toolResponse": break
    default: throw GeminiRefusal(1007, "setup must be the first message and the only one")
    }
  }

  private mutating func begin(_ value: JSON) throws(GeminiRefusal) {
    switch behaviour.setupRefusal {
    case 1007?: throw .badArgument
    case 1008?:
      throw GeminiRefusal(
        1008,
        "\(value["model"]?.string ?? "") is not found, or not supported for "
          + "bidiGenerateContent.")
    case 1011?: throw GeminiRefusal(1011, "Internal error occurred.")
    default: break
    }
    let setup = try GeminiSetup(value)
    if let handle = setup.handle {
      guard !behaviour.refusesHandles, handle.hasPrefix(Self.handlePrefix) else {
        throw GeminiRefusal(1008, "BidiGenerateContent session not found")
      }
      hasBegun = true
    }
    self.setup = setup
    ear.silence = setup.silence
    guard !behaviour.mutesSetup else { return }
    send(["setupComplete": [:]])
    offerHandle()
  }

  // MARK: Outputs

  private mutating func send(_ message: JSON) {
    guard !behaviour.isSilent, !isOver else { return }
    var message = message
    if behaviour.sendsUnknown { message["weather"] = ["turnComplete": true, "data": "//8="] }
    let words = message["serverContent"]?["outputTranscription"]?["text"]?.string
    let escaped = behaviour.escapesWords ? words.map { message.text(escaping: "text", $0) } : nil
    outputs.append(.message(escaped ?? message.text))
  }

  private mutating func sendContent(_ content: JSON) { send(["serverContent": content]) }

  private mutating func tell(_ event: VoiceEvent) { outputs.append(.happened(event)) }

  private mutating func tellSaid(_ speech: Speech) {
    tell(.said(speech.sentText, item: item, milliseconds: speech.sentMilliseconds))
  }

  private mutating func close(_ refusal: GeminiRefusal) {
    guard !isOver else { return }
    isOver = true
    tell(.refused(refusal.reason))
    outputs.append(.close(code: refusal.code, reason: refusal.reason))
  }

  private mutating func take() -> [VoiceOutput] {
    defer { outputs.removeAll() }
    return outputs
  }

  /// What an answer is called here; the service itself names none.
  private var item: String { "turn_\(number)_\(turns)" }

  private mutating func offerHandle() {
    guard setup?.isResumable == true else { return }
    handles += 1
    let handle = "\(Self.handlePrefix)\(number)-\(handles)"
    send(["sessionResumptionUpdate": ["newHandle": .string(handle), "resumable": true]])
  }
}

// MARK: - The caller

extension GeminiTwin {
  private mutating func hear(
    _ input: JSON, _ setup: GeminiSetup, at now: Double
  ) throws(GeminiRefusal) {
    for blob in [input["audio"]].compactMap(\.self) + (input["mediaChunks"]?.array ?? []) {
      try hear(blob, at: now)
    }
    if let text = input["text"]?.string {
      unanswered.append(text)
      answerWriting(at: now)
    }
    if input["audioStreamEnd"]?.bool == true, ear.isSpeaking { endTurn(ear.finish(), at: now) }
    let isMarked = input["activityStart"] != nil || input["activityEnd"] != nil
    guard !isMarked || setup.silence == nil else { throw .badArgument }
    if input["activityStart"] != nil { speechStarted(setup, at: now) }
    if input["activityEnd"] != nil { endTurn(ear.finish(), at: now) }
  }

  private mutating func hear(_ blob: JSON, at now: Double) throws(GeminiRefusal) {
    let parts = (blob["mimeType"]?.string ?? "").split(separator: ";")
      .map { $0.filter { !$0.isWhitespace } }
    let stated = parts.dropFirst().first { $0.hasPrefix("rate=") }
    let rate = stated.map { Int($0.dropFirst(5)) ?? 0 } ?? Self.inputRate
    // The service reads the url-safe digits too.
    let digits = (blob["data"]?.string ?? "").map { $0 == "-" ? "+" : $0 == "_" ? "/" : $0 }
    guard parts.first == "audio/pcm", (8000...48_000).contains(rate),
      let bytes = Base64Text.decode(String(digits)), bytes.count % 2 == 0
    else { throw .badArgument }
    if rate != ear.rate {
      ear = TurnEar(rate: rate, silence: setup?.silence, origin: ear.seconds)
    }
    let format = WireFormat.pcm(rate)
    tell(.audio(bytes, format))
    for event in ear.hear(format.read(bytes)) {
      switch event {
      case .started: if let setup, setup.silence != nil { speechStarted(setup, at: now) }
      case .stopped(_, let words): endTurn(words, at: now)
      }
    }
  }

  private mutating func speechStarted(_ setup: GeminiSetup, at now: Double) {
    tell(.speechStarted(interrupts: speech != nil && setup.isInterruptible))
    if setup.isInterruptible { interrupt(at: now) }
  }

  private mutating func endTurn(_ words: [HeardWord], at now: Double) {
    let text = OpenAITwin.text(words)
    tell(.heard(text))
    if setup?.transcribesInput == true {
      for (index, word) in words.enumerated() {
        sendContent(["inputTranscription": ["text": "\(index > 0 ? " " : "")\(word.text)"]])
      }
    }
    hasBegun = true
    say(manner.answer(to: text), at: now)
  }

  /// Answers what was written: with the greeting where nobody has said anything yet.
  private mutating func answerWriting(at now: Double) {
    let text = unanswered.joined(separator: " ")
    unanswered = []
    tell(.read(text))
    say(hasBegun ? manner.answer(to: text) : manner.greeting, at: now)
    hasBegun = true
  }
}

// MARK: - What is said, and when

extension GeminiTwin {
  private mutating func say(_ text: String, at now: Double) {
    guard speech == nil else {
      waiting = text
      return
    }
    if rejections < behaviour.rejected {
      rejections += 1
      return sendContent([
        "turnComplete": true, "turnCompleteReason": .string(behaviour.turnReason),
      ])
    }
    turns += 1
    isGenerated = false
    speech = Speech(text, in: .pcm(behaviour.rate), at: now)
    if setup?.isResumable == true {
      send(["sessionResumptionUpdate": ["resumable": false]])
    }
    push(at: now)
  }

  /// When the next piece of an answer is due.
  private var nextPiece: Double? {
    guard let speech, !isGenerated, let pace = manner.pace else { return nil }
    return speech.beganAt + (speech.playedAt - speech.beganAt) / pace
  }

  /// The service waits with the end of a turn until the answer would have been played.
  private var turnEnd: Double? { isGenerated ? speech?.playedAt : nil }

  private mutating func push(at now: Double) {
    while !isOver, !isGenerated, speech != nil, nextPiece.map({ $0 <= now }) ?? true { sendPiece() }
    if !isOver, let turnEnd, now >= turnEnd { completeTurn(at: now) }
  }

  private mutating func sendPiece() {
    guard var current = speech else { return }
    let piece = current.next(manner.deltaBytes)
    speech = current
    if !piece.text.isEmpty, setup?.transcribesOutput == true {
      heldWords += behaviour.pieces(of: piece.text)
      if !behaviour.delaysWords { sendWords() }
    }
    let digits = Base64Text.encode(piece.audio, forURL: behaviour.writesURLBase64)
    let audio: JSON = [
      "mimeType": "audio/pcm;rate=\(behaviour.rate)", "data": .string(digits),
    ]
    sendContent(["modelTurn": ["role": "model", "parts": [["inlineData": audio]]]])
    if behaviour.closesAfterFirst {
      return close(GeminiRefusal(behaviour.closeCode ?? 1011, "Internal error occurred."))
    }
    if current.isComplete {
      isGenerated = true
      tellSaid(current)
      sendContent(["generationComplete": true])
      if behaviour.endsWithIdle {
        sendContent(["turnComplete": true, "interactionStatus": "IN_PROGRESS"])
      }
    }
  }

  private mutating func sendWords() {
    for words in heldWords { sendContent(["outputTranscription": ["text": .string(words)]]) }
    heldWords = []
  }

  private mutating func interrupt(at now: Double) {
    guard let current = speech else { return }
    waiting = nil
    sendContent(["interrupted": true])
    if !isGenerated { tellSaid(current) }
    completeTurn(at: now)
  }

  private mutating func completeTurn(at now: Double) {
    guard let current = speech else { return }
    var content: JSON.Members = ["turnComplete": true]
    if behaviour.endsWithIdle {
      // The turn's only piece is complete by then, unless it was interrupted.
      content = isGenerated ? [:] : content
      content["interactionStatus"] = "IDLE"
    }
    speech = nil
    isGenerated = false
    // A token for each 40 ms of audio: what matters is that they add up.
    let tokens = current.sentMilliseconds / 40
    send([
      "serverContent": .object(content),
      "usageMetadata": [
        "promptTokenCount": 10, "responseTokenCount": JSON(tokens),
        "totalTokenCount": JSON(tokens + 10),
        "promptTokensDetails": [["modality": "AUDIO", "tokenCount": 10]],
        "responseTokensDetails": [["modality": "AUDIO", "tokenCount": JSON(tokens)]],
      ],
    ])
    sendWords()
    offerHandle()
    guard let next = waiting else { return }
    waiting = nil
    say(next, at: now)
  }
}
