// OpenAI's voice models, the Realtime interface in its general (GA) shape. Everything is JSON text,
// audio is base64 in it. Rules that shape this file, from OpenAI's reference of client and server
// events:
// - `session.update` names its type, changes only what it names, and is void as a whole where one
//   name in it is unknown; audio waits for `session.updated`;
// - the session does not know what was heard: after an interruption it must be told where in the
//   item the playing stopped, in whole milliseconds and never behind what it sent; of an item that
//   nobody heard, it is told to forget it;
// - what the caller said is transcribed by another model, which may be late or fail;
// - nothing resumes a session, and none lasts longer than an hour.
//
// Servers that speak an older shape name a few events otherwise; both names are read.

extension Upstream {
  package static let openai = Upstream(
    name: "openai",
    isDialled: true,
    needsKey: true,
    keyHeader: "Authorization",
    keyScheme: "Bearer ",
    hears: OpenAI.format,
    voice: .init(
      says: { caller, session in OpenAI.format(caller, session) ?? OpenAI.pcm },
      speech: SpeechPath(
        when: "type", is: "response.output_audio.delta", or: "response.audio.delta",
        payload: "delta", item: "item_id", response: "response_id"),
      hasItems: true, functions: OpenAI.functions, history: .told(OpenAI.writeHistory)),
    envelope: { _, prefix, suffix in
      prefix.write("{\"type\":\"input_audio_buffer.append\",\"audio\":\"")
      suffix.write("\"}")
    },
    allowed: voiceOptions,
    query: OpenAI.query,
    setup: OpenAI.setup,
    read: OpenAI.read,
    write: { command, _, writer in OpenAI.write(command, &writer) },
    refused: OpenAI.refused,
    closed: OpenAI.closed,
    timing: Timing(
      keepAliveAfter: .never, finalizeAfter: .never, openingSilenceMilliseconds: 0,
      chunkMillisecondsMax: 20, acknowledges: false, lastWordsWithin: .seconds(2),
      sessionLasts: .seconds(60 * 60)),
    ends: OpenAI.ends,
    phrases: Phrases(
      dialled: "OpenAI connection initiated", connected: "Connected to OpenAI Realtime API"),
    settings: OpenAI.settings)
}

/// What the parts of this row share; `OpenAI+Settings.swift` has what operators set.
enum OpenAI {
  static let pcm = Format(codec: .linear16, rate: 24_000)

  /// Both directions alike. G.711 saves the conversion, where the operator prefers that.
  static func format(_ caller: Format, _ session: Upstream.Session) -> Format? {
    guard caller.channels == 1 else { return nil }
    let isG711 = caller.codec != .linear16 && caller.rate == 8000
    guard isG711, let audio = session.value(of: "audio"), audio.equals("g711") else { return pcm }
    return caller
  }

  static func query(_ session: Upstream.Session, _ writer: inout Writer) {
    writer.write(session.fixed)
    guard let model = session.wish(for: "model") else { return }
    if !session.fixed.isEmpty { writer.write("&") }
    writer.write("model=")
    writer.write(model)
  }
}

// MARK: - What it is told

extension OpenAI {
  static func setup(_ session: Upstream.Session, _ writer: inout Writer) {
    writer.write("{\"type\":\"session.update\",\"session\":{\"type\":\"realtime\",")
    writer.write("\"output_modalities\":[\"audio\"],")
    if let text = session.wish(for: "system_instruction") ?? session.value(of: "instructions") {
      writer.write("\"instructions\":\"")
      writer.write(jsonOfEncoded: text)
      writer.write("\",")
    }
    writeFunctions(session.functions, &writer)
    writer.write("\"audio\":{\"input\":{\"format\":")
    writeFormat(session.hears, &writer)
    writeTranscription(session, &writer)
    writer.write(",\"turn_detection\":")
    writeTurnDetection(session, &writer)
    writer.write("},\"output\":{\"format\":")
    writeFormat(session.says, &writer)
    if let voice = session.wish(for: "voice") {
      writer.write(",\"voice\":\"")
      writer.write(jsonOfEncoded: voice)
      writer.write("\"")
    }
    writeNumber(",\"speed\":", session.value(of: "speed"), &writer)
    writer.write("}}}}")
  }

  private static func writeFormat(_ format: Format, _ writer: inout Writer) {
    switch format.codec {
    case .mulaw: writer.write("{\"type\":\"audio/pcmu\"}")
    case .alaw: writer.write("{\"type\":\"audio/pcma\"}")
    case .linear16: writer.write("{\"type\":\"audio/pcm\",\"rate\":24000}")
    }
  }

  /// It is off unless a model is named for it.
  private static func writeTranscription(_ session: Upstream.Session, _ writer: inout Writer) {
    guard let model = session.value(of: "transcription_model") else { return }
    writer.write(",\"transcription\":{\"model\":\"")
    writer.write(jsonOfEncoded: model)
    writer.write("\"")
    if let language = session.wish(for: "language").flatMap(letters(of:)) {
      writer.write(",\"language\":\"")
      writer.write(byte: language[0] | 0x20)
      writer.write(byte: language[1] | 0x20)
      writer.write("\"")
    }
    writer.write("}")
  }

  /// The two letters of ISO 639-1 with which a tag such as en-US begins; nil where it does not.
  private static func letters(of tag: Bytes) -> Bytes? {
    func isLetter(_ place: Int) -> Bool { (0x61...0x7a).contains(tag[place] | 0x20) }
    guard tag.count >= 2, isLetter(0), isLetter(1), tag.count == 2 || !isLetter(2) else {
      return nil
    }
    return tag.prefix(2)
  }

  /// With none, nothing is answered unless somebody asks.
  private static func writeTurnDetection(_ session: Upstream.Session, _ writer: inout Writer) {
    let wish = session.value(of: "turn_detection") ?? Bytes.empty
    if wish.equals("none") {
      writer.write("null")
      return
    }
    if wish.equals("semantic_vad") {
      writer.write("{\"type\":\"semantic_vad\"")
    } else {
      writer.write("{\"type\":\"server_vad\"")
      writeNumber(",\"threshold\":", session.value(of: "threshold"), &writer)
      writeNumber(",\"silence_duration_ms\":", session.value(of: "silence_milliseconds"), &writer)
    }
    writer.write(",\"create_response\":true,\"interrupt_response\":true}")
  }

  /// Only what is a number to JSON as well, lest the whole update be void.
  private static func writeNumber(
    _ name: StaticString, _ value: Bytes?, _ writer: inout Writer
  ) {
    guard let value, JSON.isValid(value), value[0] &- 0x30 <= 9 else { return }
    writer.write(name)
    writer.write(value)
  }

  static func write(_ command: Upstream.Command, _ writer: inout Writer) {
    switch command {
    case .greet(let text):
      writer.write("{\"type\":\"response.create\"")
      if !text.isEmpty {
        writer.write(",\"response\":{\"instructions\":\"")
        writer.write(jsonOfEncoded: text)
        writer.write("\"}")
      }
      writer.write("}")
    case .truncate(let item, let milliseconds):
      writer.write("{\"type\":\"conversation.item.truncate\",\"item_id\":\"")
      writer.write(item)
      writer.write("\",\"content_index\":0,\"audio_end_ms\":")
      writer.write(decimal: max(milliseconds, 0))
      writer.write("}")
    case .forget(let item):
      writer.write("{\"type\":\"conversation.item.delete\",\"item_id\":\"")
      writer.write(item)
      writer.write("\"}")
    case .answer(let id, _, let answer): writeAnswer(id, answer, &writer)
    case .lateAnswer(let function, let answer):
      writer.write("{\"type\":\"conversation.item.create\",\"item\":{\"type\":\"message\",")
      writer.write("\"role\":\"user\",\"content\":[{\"type\":\"input_text\",\"text\":\"")
      writer.write(lateAnswerOf: function, answer)
      writer.write("\"}]}}")
    case .keys(let keys):
      writer.write("{\"type\":\"conversation.item.create\",\"item\":{\"type\":\"message\",")
      writer.write("\"role\":\"user\",\"content\":[{\"type\":\"input_text\",\"text\":\"")
      writer.write("The caller pressed ")
      writer.write(keys)
      writer.write(".\"}]}}")
    case .reprompt(let text):
      writer.write("{\"type\":\"conversation.item.create\",\"item\":{\"type\":\"message\",")
      writer.write("\"role\":\"system\",\"content\":[{\"type\":\"input_text\",\"text\":\"")
      writer.write(json: text)
      writer.write("\"}]}}")
    case .respond: writer.write("{\"type\":\"response.create\"}")
    case .keepAlive, .finalize, .finish: break
    }
  }

  /// One item of the conversation for each turn: none of them is answered by itself.
  static func writeHistory(
    _ session: Upstream.Session, _ history: inout Upstream.History, _ writer: inout Writer
  ) {
    guard let entry = history.next() else { return }
    writer.write("{\"type\":\"conversation.item.create\",\"item\":{\"type\":\"message\",")
    writer.write(
      entry.isAgents
        ? "\"role\":\"assistant\",\"content\":[{\"type\":\"output_text\",\"text\":\""
        : "\"role\":\"user\",\"content\":[{\"type\":\"input_text\",\"text\":\"")
    writer.write(entry)
    writer.write("\"}]}}")
  }
}

// MARK: - What it says

extension OpenAI {
  static func read(_ message: Bytes) -> Upstream.Event {
    guard let event = Event(message), let type = event.type, type.kind == .string else {
      return .malformed
    }
    func isNamed(_ name: StaticString) -> Bool { JSON.text(type, in: message, equals: name) }
    var news = Upstream.Event()
    if isNamed("session.updated") {
      news.isReady = true
      news.transcribes = transcribes(message)
      news.takes = formatStated("input", older: "input_audio_format", in: message)
      news.sends = formatStated("output", older: "output_audio_format", in: message)
    } else if isNamed("input_audio_buffer.speech_started") {
      news.isInterrupted = true
      news.item = text(event.item) ?? 0..<0
      news.speech = Upstream.Speech(start: microseconds("audio_start_ms", in: message))
    } else if isNamed("input_audio_buffer.speech_stopped") {
      news.item = text(event.item) ?? 0..<0
      news.speech = Upstream.Speech(end: microseconds("audio_end_ms", in: message))
    } else if isNamed("input_audio_buffer.committed") {
      news.transcriptsOwed = 1
      news.isCallerDone = true
      news.item = text(event.item) ?? 0..<0
    } else if isNamed("response.created") {
      news.isTurnBegun = true
      news.response = text(JSON.find("response", "id", in: message)) ?? 0..<0
    } else if isNamed("response.output_audio.done") || isNamed("response.audio.done") {
      news.isSpoken = true
      news.item = text(event.item) ?? 0..<0
      news.response = text(event.response) ?? 0..<0
    } else if isNamed("response.done") {
      readEnding(message, &news)
    } else if isNamed("response.output_item.done")
      || isNamed("response.function_call_arguments.done")
    {
      news.callsFunctions = functionCall(in: message) != nil
      news.servedCall = servedCall(of: type, item: nil, in: message)
    } else if let served = servedCall(of: type, item: text(event.item), in: message) {
      news.servedCall = served
    } else if isNamed("mcp_list_tools.failed") {
      news.complaint = Upstream.Complaint(code: type.range, message: 0..<0, scope: .side)
    } else if isNamed("error") {
      let complaint = complaint(event.error, in: message)
      news.isAskedTooEarly = message[complaint.code].equals(
        "conversation_already_has_active_response")
      if !news.isAskedTooEarly { news.complaint = complaint }
    } else {
      readWords(type, event, message, &news)
    }
    return news
  }

  /// The members of an event that are asked for most, found in the walk that checks all of it.
  private struct Event {
    private(set) var type: JSON.Value?
    private(set) var item: JSON.Value?
    private(set) var response: JSON.Value?
    private(set) var delta: JSON.Value?
    private(set) var transcript: JSON.Value?
    private(set) var error: JSON.Value?

    /// Nil where the message is no object in UTF-8.
    init?(_ message: Bytes) {
      var text = UTF8Validator()
      guard text.accept(message), text.isComplete else { return nil }
      var scanner = JSON.Scanner(message)
      var step = scanner.enter(.object)
      while step == .item {
        guard let name = scanner.name(), let value = scanner.value() else { return nil }
        take(name, value, in: message)
        step = scanner.advance(in: .object)
      }
      guard step == .end, scanner.isAtEnd else { return nil }
    }

    /// The first of a name counts.
    private mutating func take(_ name: JSON.Value, _ value: JSON.Value, in message: Bytes) {
      if type == nil, JSON.text(name, in: message, equals: "type") {
        type = value
      } else if item == nil, JSON.text(name, in: message, equals: "item_id") {
        item = value
      } else if response == nil, JSON.text(name, in: message, equals: "response_id") {
        response = value
      } else if delta == nil, JSON.text(name, in: message, equals: "delta") {
        delta = value
      } else if transcript == nil, JSON.text(name, in: message, equals: "transcript") {
        transcript = value
      } else if error == nil, JSON.text(name, in: message, equals: "error") {
        error = value
      }
    }
  }

  private static func readWords(
    _ type: JSON.Value, _ event: Event, _ message: Bytes, _ news: inout Upstream.Event
  ) {
    func isNamed(_ name: StaticString) -> Bool { JSON.text(type, in: message, equals: name) }
    if isNamed("response.output_audio_transcript.delta")
      || isNamed("response.audio_transcript.delta")
    {
      news.agentWords = words(event.delta, isWhole: false)
      news.item = text(event.item) ?? 0..<0
      news.response = text(event.response) ?? 0..<0
    } else if isNamed("response.output_audio_transcript.done")
      || isNamed("response.audio_transcript.done")
    {
      news.agentWords = words(event.transcript, isWhole: true)
      news.item = text(event.item) ?? 0..<0
      news.response = text(event.response) ?? 0..<0
    } else if isNamed("conversation.item.input_audio_transcription.delta") {
      news.item = text(event.item) ?? 0..<0
      news.callerWords = words(event.delta, isWhole: false)
    } else if isNamed("conversation.item.input_audio_transcription.updated") {
      news.item = text(event.item) ?? 0..<0
      news.callerWords = words(event.transcript, isWhole: true)
    } else if isNamed("conversation.item.input_audio_transcription.completed") {
      news.item = text(event.item) ?? 0..<0
      news.callerWords = words(event.transcript, isWhole: true)
      news.transcriptsOwed = -1
    } else if isNamed("conversation.item.input_audio_transcription.failed") {
      news.item = text(event.item) ?? 0..<0
      news.transcriptsOwed = -1
      news.complaint = complaint(event.error, in: message)
      news.complaint?.scope = .side
    }
  }

  private static func transcribes(_ message: Bytes) -> Bool {
    if JSON.find("session", "audio", "input", "transcription", in: message)?.kind == .object {
      return true
    }
    return JSON.find("session", "input_audio_transcription", in: message)?.kind == .object
  }

  private static func text(_ value: JSON.Value?) -> Range<Int>? {
    value?.kind == .string ? value?.range : nil
  }

  /// -1 where there is no such number of milliseconds, or it is nonsense.
  private static func microseconds(_ name: StaticString, in message: Bytes) -> Int {
    guard let value = JSON.find(name, in: message),
      let number = JSON.integer(value, in: message), (0...86_400_000).contains(number)
    else { return -1 }
    return number &* 1000
  }

  private static func words(_ value: JSON.Value?, isWhole: Bool) -> Upstream.Words? {
    text(value).map { Upstream.Words(text: $0, isWhole: isWhole) }
  }

  /// How an answer ended. Why it failed is an error of its own only where that ends the session.
  private static func readEnding(_ message: Bytes, _ news: inout Upstream.Event) {
    news.response = text(JSON.find("response", "id", in: message)) ?? 0..<0
    let status = message[text(JSON.find("response", "status", in: message)) ?? 0..<0]
    var ending = Upstream.Ending(.whole)
    if status.equals("cancelled") {
      ending.how = .cancelled
    } else if status.equals("incomplete") {
      ending.how = .cut
      ending.reason =
        text(JSON.find("response", "status_details", "reason", in: message)) ?? 0..<0
    } else if status.equals("failed") {
      let error = JSON.find("response", "status_details", "error", in: message)
      let complaint = complaint(error, in: message)
      ending.how = .failed
      ending.reason = complaint.code
      ending.message = complaint.message
      ending.passesAfter = passing(message[complaint.code], message[complaint.message])
      if complaint.verdict != nil { news.complaint = complaint }
    } else {
      ending.instead = content(of: message)
      if ending.instead.bytes.equals(Upstream.callOfNone) { ending.how = .calls }
    }
    news.ending = ending
  }

  /// What a whole answer holds, where that may be why nothing is heard of it.
  private static func content(of message: Bytes) -> StaticString {
    guard let output = JSON.find("response", "output", in: message), output.kind == .array else {
      return "nothing"
    }
    var instead: StaticString = "nothing"
    var items = JSON.Elements(of: output, in: message)
    while let item = items.next() {
      guard item.kind == .object else { continue }
      let type = message[text(JSON.find("type", in: message, under: item)) ?? 0..<0]
      if type.equals("function_call") || type.equals("mcp_call") { return Upstream.callOfNone }
      if type.equals("message") { instead = "text" }
    }
    return instead
  }

  /// Limits of requests pass in the time that the sentence names, failures of the service soon.
  private static func passing(_ code: Bytes, _ sentence: Bytes) -> Instant.Span? {
    if code.equals("server_error") || code.equals("overloaded") || code.equals("timeout") {
      return .seconds(1)
    }
    guard code.equals("rate_limit_exceeded") else { return nil }
    return .milliseconds(sentence.milliseconds(behind: "try again in ") ?? 2000)
  }

  private static func complaint(_ error: JSON.Value?, in message: Bytes) -> Upstream.Complaint {
    guard let error, error.kind == .object else {
      return Upstream.Complaint(code: 0..<0, message: 0..<0)
    }
    var code = text(JSON.find("code", in: message, under: error)) ?? 0..<0
    if code.isEmpty { code = text(JSON.find("type", in: message, under: error)) ?? 0..<0 }
    return Upstream.Complaint(
      code: code, message: text(JSON.find("message", in: message, under: error)) ?? 0..<0,
      verdict: verdict(on: message[code]), scope: scope(of: error, in: message))
  }

  /// The transcription of what the caller says is another model's work, which the talk does not
  /// need.
  private static func scope(
    of error: JSON.Value, in message: Bytes
  ) -> Upstream.Complaint.Scope {
    guard let place = JSON.find("param", in: message, under: error), place.kind == .string else {
      return .session
    }
    return message[place.range].containsIgnoringCase("transcription") ? .side : .session
  }
}

// MARK: - What its refusals mean

extension OpenAI {
  private static let badKey = Upstream.Verdict(
    retry: false, cause: .upstreamKey, code: "upstream_key",
    sentence: "OpenAI refused the relay's key: set OPENAI_API_KEY to one with access")
  private static let noCredit = Upstream.Verdict(
    retry: false, cause: .upstreamRefused, code: "upstream_payment",
    sentence: "OpenAI's account has no credit left")
  private static let badSession = Upstream.Verdict(
    retry: false, cause: .upstreamRefused, code: "upstream_refused",
    sentence: "OpenAI refused the session: check url, model, voice and options")
  private static let busy = Upstream.Verdict(
    retry: true, cause: .upstreamBusy, code: "upstream_busy",
    sentence: "OpenAI's limit of requests is reached")
  private static let expired = Upstream.Verdict(
    retry: true, cause: .upstreamLost, code: "upstream_expired",
    sentence: "OpenAI's session has reached its longest time")
  private static let lost = Upstream.Verdict(
    retry: true, cause: .upstreamLost, code: "upstream_lost",
    sentence: "OpenAI ended the session")

  /// Errors behind which the session is of no use; the others leave it as it was.
  private static func verdict(on code: Bytes) -> Upstream.Verdict? {
    if code.equals("session_expired") { return expired }
    if code.equals("invalid_api_key") { return badKey }
    if code.equals("insufficient_quota") { return noCredit }
    if code.equals("model_not_found") || code.equals("beta_api_shape_disabled") {
      return badSession
    }
    return nil
  }

  static func refused(_ status: Int) -> Upstream.Verdict {
    switch status {
    case 401, 403: return badKey
    case 402: return noCredit
    case 429: return busy
    case 500...599:
      return Upstream.Verdict(
        retry: true, cause: .upstreamLost, code: "upstream_unavailable",
        sentence: "OpenAI is not available")
    case 400, 422: return badSession
    default: return .misplaced(status)
    }
  }

  /// OpenAI's own clients connect again after these codes and after no other, but for 1000, which
  /// they ask for themselves. A reason may name the error that came before.
  static func closed(_ code: UInt16, _ reason: Bytes) -> Upstream.Verdict {
    if reason.containsIgnoringCase("maximum duration") { return expired }
    if reason.containsIgnoringCase("session_expired") { return expired }
    if reason.containsIgnoringCase("api_key") { return badKey }
    if reason.containsIgnoringCase("quota") { return noCredit }
    switch code {
    case 1000, 1001, 1005, 1006, 1011, 1012, 1013, 1014, 1015: return lost
    default: return badSession
    }
  }
}
