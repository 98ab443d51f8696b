// One session of Deepgram's /v1/listen as the client sees it, without its socket: messages and time
// in, messages out. Nothing is sent at open; a stream that brings neither audio nor KeepAlive for
// ten seconds ends, and KeepAlive does not save one that never had audio. What it says comes from
// the audio that reached it and from nowhere else.

package struct DeepgramTwin {
  package enum Output: Equatable {
    case text(String)
    case close(code: UInt16, reason: String)
    /// Break the connection.
    case reset
    /// Leave all further bytes in the socket.
    case stopReading
  }

  private static let patience = 10.0
  /// So many seconds of audio may come at once, even to a throttled session.
  private static let burst = 0.5
  /// Finalize with less than this in the buffer is left unanswered.
  private static let finalizeMin = 0.1

  package let request: DeepgramRequest
  package let requestID: String
  /// Bytes of audio received, and every whole word heard on any channel.
  package private(set) var audioBytes = 0
  package private(set) var heard: [HeardWord] = []

  private let behaviour: Misbehaviour
  private let created: String
  private var ears: [Ear]
  /// The bytes of a sample that was cut by the end of a message.
  private var carried: [UInt8] = []
  private var digest = SHA256()
  private var deadline: Double
  private let openedAt: Double
  /// When the last results are to be sent, once the client has asked for them.
  private var finishAt: Double?
  private var isOver = false
  private var isStuck = false
  private var isFinished = false
  private var hasErred = false
  private var outputs: [Output] = []

  /// Times are in seconds on any clock that only goes forward; `created` is the wall clock as RFC
  /// 3339.
  package init(
    _ request: DeepgramRequest, requestID: String, created: String,
    behaviour: Misbehaviour = Misbehaviour(), at now: Double
  ) {
    self.request = request
    self.requestID = requestID
    self.created = created
    self.behaviour = behaviour
    ears = (0..<request.streams).map { _ in Ear(request) }
    deadline = now + Self.patience
    openedAt = now
  }

  /// Seconds of audio received.
  package var seconds: Double {
    Double(audioBytes / request.frameBytes) / Double(request.rate)
  }

  /// When the service would take more audio; in the past where it would now.
  package var takesAudioAt: Double {
    behaviour.isThrottled ? openedAt + (seconds - Self.burst) / 1.25 : -.infinity
  }

  // MARK: Inputs

  /// When `advance` wants to be called; nil: never.
  package var wakeTime: Double? {
    isOver || isStuck || behaviour.isSilent ? nil : finishAt ?? deadline
  }

  package mutating func advance(to now: Double) -> [Output] {
    if !isOver, let finishAt, now >= finishAt {
      finish()
    } else if !isOver, !behaviour.isSilent, finishAt == nil, now >= deadline {
      close(
        1011,
        "Deepgram did not receive audio data or a text message within the timeout window. "
          + "See https://dpgr.am/net0001")
    }
    return take()
  }

  package mutating func binary(_ bytes: [UInt8], at now: Double) -> [Output] {
    guard !isOver, finishAt == nil else { return take() }
    // The historical end of a stream.
    if bytes.isEmpty { return endOfStream(at: now) }
    if bytes.first == UInt8(ascii: "{"), JSON(bytes) != nil {
      close(1008, "DATA-0000: the payload cannot be decoded as audio")
      return take()
    }
    deadline = now + Self.patience
    audioBytes += bytes.count
    digest.append(bytes)
    hear(carried + bytes)
    misbehave()
    return take()
  }

  package mutating func text(_ bytes: [UInt8], at now: Double) -> [Output] {
    guard !isOver, finishAt == nil else { return take() }
    let message = JSON(bytes)
    switch message?["type"]?.string {
    case "KeepAlive": if audioBytes > 0 { deadline = now + Self.patience }
    case "CloseStream": return endOfStream(at: now)
    case "Finalize": finalize(channel: message?["channel"]?.number.map { Int($0) })
    case "Configure" where request.model.hasPrefix("nova-3"):
      say("{\"type\":\"ConfigureSuccess\",\"request_id\":\"\(requestID)\"}")
    case "Configure":
      say(
        "{\"type\":\"ConfigureFailure\",\"request_id\":\"\(requestID)\","
          + "\"code\":\"CONFIGURE_KEYTERMS_NOT_SUPPORTED\","
          + "\"description\":\"model does not support keyterm updates\"}")
    default:
      let text = JSON.quote(String(decoding: bytes, as: UTF8.self))
      say(
        "{\"type\":\"Error\",\"variant\":\"SchemaError\","
          + "\"description\":\"could not parse message\",\"message\":\(text)}")
    }
    return take()
  }

  /// The connection is gone: what was heard but never told counts as heard.
  package mutating func disconnected() {
    for index in ears.indices where !isFinished { heard += ears[index].finish().words }
    isFinished = true
    isOver = true
  }

  private mutating func take() -> [Output] {
    defer { outputs.removeAll() }
    return outputs
  }

  private mutating func endOfStream(at now: Double) -> [Output] {
    if behaviour.ignoresEnd { return take() }
    finishAt = now + (behaviour.finalsLate ?? 0)
    return advance(to: now)
  }

  // MARK: Audio

  /// Hears in stretches of 20 ms, so that a backlog in one message is told like the same audio in
  /// many.
  private mutating func hear(_ bytes: [UInt8]) {
    let whole = bytes.count / request.frameBytes * request.frameBytes
    carried = Array(bytes[whole...])
    let step = max(1, request.rate / 50) * request.frameBytes
    for begin in stride(from: 0, to: whole, by: step) {
      let samples = decode(bytes[begin..<min(begin + step, whole)])
      for index in ears.indices {
        for event in ears[index].hear(samples[index]) { tell(event, channel: index) }
      }
    }
  }

  /// One row of samples per transcript; channels that share one are mixed.
  private func decode(_ bytes: ArraySlice<UInt8>) -> [[Int16]] {
    let bytes = Array(bytes)
    let all: [Int16] =
      switch request.encoding {
      case .mulaw: bytes.map { Law.mu.decode($0) }
      case .alaw: bytes.map { Law.a.decode($0) }
      case .linear16:
        stride(from: 0, to: bytes.count - 1, by: 2).map {
          Int16(bitPattern: UInt16(bytes[$0]) | UInt16(bytes[$0 + 1]) << 8)
        }
      }
    let rows = (0..<request.channels).map { channel in
      stride(from: channel, to: all.count, by: request.channels).map { all[$0] }
    }
    return request.isMultichannel ? rows : [Recording(rate: request.rate, channels: rows).mono]
  }

  private mutating func misbehave() {
    if let after = behaviour.errorAfter, seconds >= after, !hasErred {
      hasErred = true
      say(
        "{\"type\":\"Error\",\"variant\":\"InternalError\","
          + "\"description\":\"a part of the audio could not be transcribed\","
          + "\"message\":\"try again\"}")
    }
    if behaviour.closesAfterFirst {
      tell(.results(Ear.Results(start: 0, end: seconds, words: [])), channel: 0)
      close(behaviour.closeCode ?? 1011, "NET-0000: the service could not make a transcript")
    }
    if let after = behaviour.closeAfter, seconds >= after {
      close(behaviour.closeCode ?? 1000, "")
    }
    if let after = behaviour.resetAfter, seconds >= after {
      isOver = true
      outputs.append(.reset)
    }
    if let after = behaviour.stopReadingAfter, seconds >= after {
      isStuck = true
      outputs.append(.stopReading)
    }
    if let after = behaviour.failAfter, seconds >= after, ears.contains(where: \.isInWord) {
      close(1011, "NET-0000: the service could not make a transcript in time")
    }
  }

  // MARK: Answers

  private mutating func say(_ text: String) {
    if !behaviour.isSilent && !isOver { outputs.append(.text(text)) }
  }

  private mutating func close(_ code: UInt16, _ reason: String) {
    if !behaviour.isSilent && !isOver { outputs.append(.close(code: code, reason: reason)) }
    isOver = true
  }

  private mutating func finalize(channel: Int?) {
    if behaviour.ignoresFinalize { return }
    for index in ears.indices where channel == nil || channel == index {
      if ears[index].buffered > Self.finalizeMin {
        tell(.results(ears[index].finalize()), channel: index)
      }
    }
  }

  /// The last results, the metadata, and the end.
  private mutating func finish() {
    isFinished = true
    for index in ears.indices { tell(.results(ears[index].finish()), channel: index) }
    say(
      "{\"type\":\"Metadata\",\"transaction_key\":\"deprecated\","
        + "\"request_id\":\"\(requestID)\",\"sha256\":\"\(digest.hexadecimal)\","
        + "\"created\":\"\(created)\",\"duration\":\(Self.rounded(seconds)),"
        + "\"channels\":\(request.channels)}")
    close(1000, "")
  }

  private mutating func tell(_ event: Ear.Event, channel: Int) {
    if behaviour.sendsUnknown {
      say("{\"type\":\"Weather\",\"forecast\":[{\"rain\":null}],\"channel\":\"none\"}")
    }
    let place = "[\(channel),\(request.streams)]"
    switch event {
    case .speechStarted(let time):
      say(
        "{\"type\":\"SpeechStarted\",\"channel\":\(place),"
          + "\"timestamp\":\(Self.rounded(time))}")
    case .utteranceEnd(let time):
      say(
        "{\"type\":\"UtteranceEnd\",\"channel\":\(place),"
          + "\"last_word_end\":\(Self.rounded(time))}")
    case .results(let results):
      if results.isFinal { heard += results.words }
      say(text(of: results, place: place))
    }
  }

  private func text(of results: Ear.Results, place: String) -> String {
    let words = results.words.map { word in
      let spoken = word.text.lowercased()
      let bare = spoken.filter { $0.isLetter || $0.isNumber || $0 == "'" }
      var text = "{\"word\":\(JSON.quote(bare.isEmpty ? spoken : bare)),"
      text += "\"start\":\(Self.rounded(word.start)),\"end\":\(Self.rounded(word.end)),"
      text += "\"confidence\":\(Self.confidence(word))"
      if request.punctuates { text += ",\"punctuated_word\":\(JSON.quote(word.text))" }
      return text + "}"
    }
    let sum = results.words.reduce(0) { $0 + Self.confidence($1) }
    let confidence = words.isEmpty ? 0 : sum / Double(words.count)
    let transcript = results.words.map(\.text).joined(separator: " ")
    let duration = "\"duration\":\(Self.rounded(results.end - results.start)),"
    return "{\"type\":\"Results\",\"channel_index\":\(place),"
      + (behaviour.omitsDuration ? "" : duration)
      + "\"start\":\(Self.rounded(results.start)),\"is_final\":\(results.isFinal),"
      + "\"speech_final\":\(results.isSpeechFinal),"
      + (behaviour.sendsUnknown ? "\"mood\":{\"is_final\":\"maybe\"}," : "")
      + "\"channel\":{\"alternatives\":[{\"transcript\":\(JSON.quote(transcript)),"
      + "\"confidence\":\(Self.rounded(confidence)),\"words\":[\(words.joined(separator: ","))]}]},"
      + "\"metadata\":{\"request_id\":\"\(requestID)\","
      + "\"model_info\":{\"name\":\(JSON.quote(request.model)),\"version\":\"tones\","
      + "\"arch\":\"sidetone-lab\"},\"model_uuid\":\"00000000-0000-4000-8000-000000000000\"},"
      + "\"from_finalize\":\(results.isFromFinalize)}"
  }

  private static func confidence(_ word: HeardWord) -> Double { word.isDamaged ? 0.1 : 0.99 }

  /// Whole milliseconds: no more was measured.
  private static func rounded(_ value: Double) -> Double { (value * 1000).rounded() / 1000 }
}
