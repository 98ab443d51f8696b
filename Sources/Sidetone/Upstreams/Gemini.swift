// Google's Gemini Live, BidiGenerateContent. JSON both ways, text to it and mostly binary messages
// from it, audio as base64 in both. Rules that shape this file, from Google's reference of the Live
// API and its pages on sessions:
// - `setup` comes first and once, and nothing may follow it before `setupComplete`;
// - one message may say several things;
// - after `interrupted` the old turn's audio may still come, up to `turnComplete`; what was heard
//   of it is the service's own guess, there is nothing to tell;
// - a connection lasts some ten minutes; `goAway` comes before its end, and the newest handle
//   resumes the session in another one;
// - a refusal is a close frame, and its reason is the only diagnosis.

extension Upstream {
  package static let gemini = Upstream(
    name: "gemini",
    isDialled: true,
    needsKey: true,
    keyHeader: "x-goog-api-key",
    keyScheme: "",
    hears: { caller, _ in caller.channels == 1 ? Format(codec: .linear16, rate: 16_000) : nil },
    voice: .init(
      says: { _, _ in Format(codec: .linear16, rate: 24_000) },
      speech: SpeechPath(
        at: "serverContent", "modelTurn", each: "parts", "inlineData", payload: "data",
        type: "mimeType", unless: "thought"),
      hasItems: false, functions: Gemini.functions, history: .told(Gemini.writeHistory)),
    envelope: { _, prefix, suffix in
      prefix.write("{\"realtimeInput\":{\"audio\":{\"data\":\"")
      suffix.write("\",\"mimeType\":\"audio/pcm;rate=16000\"}}}")
    },
    allowed: voiceOptions,
    query: { session, writer in writer.write(session.fixed) },
    setup: Gemini.setup,
    read: Gemini.read,
    write: { command, _, writer in Gemini.write(command, &writer) },
    refused: Gemini.refused,
    closed: Gemini.closed,
    timing: Timing(
      keepAliveAfter: .never, finalizeAfter: .never, openingSilenceMilliseconds: 0,
      chunkMillisecondsMax: 20, acknowledges: false, lastWordsWithin: .seconds(2)),
    ends: Gemini.ends,
    phrases: Phrases(
      dialled: "Gemini connection initiated", connected: "Connected to Gemini Live API"),
    settings: Gemini.settings)
}

/// What the parts of this row share; `Gemini+Settings.swift` has what operators set and how a
/// session is asked for.
enum Gemini {}

// MARK: - What it is told

extension Gemini {
  /// Text on the live input is understood by every model, and answered without being asked;
  /// `clientContent` is for history only in the newer ones.
  static func write(_ command: Upstream.Command, _ writer: inout Writer) {
    switch command {
    case .greet(let text):
      if text.isEmpty { return }
      writer.write("{\"realtimeInput\":{\"text\":\"")
      writer.write(jsonOfEncoded: text)
      writer.write("\"}}")
    case .answer(let id, let function, let answer): writeAnswer(id, function, answer, &writer)
    case .lateAnswer(let function, let answer):
      writer.write("{\"realtimeInput\":{\"text\":\"")
      writer.write(lateAnswerOf: function, answer)
      writer.write("\"}}")
    case .keys(let keys):
      writer.write("{\"realtimeInput\":{\"text\":\"The caller pressed ")
      writer.write(keys)
      writer.write(".\"}}")
    case .reprompt(let text):
      writer.write("{\"realtimeInput\":{\"text\":\"")
      writer.write(json: text)
      writer.write("\"}}")
    case .finish: writer.write("{\"realtimeInput\":{\"audioStreamEnd\":true}}")
    case .keepAlive, .finalize, .truncate, .forget, .respond: break
    }
  }
}

// MARK: - What it says

extension Gemini {
  static func read(_ message: Bytes) -> Upstream.Event {
    // A binary message has not been judged as text by anybody.
    var text = UTF8Validator()
    guard text.accept(message), text.isComplete else { return .malformed }
    var news = Upstream.Event()
    var scanner = JSON.Scanner(message)
    var step = scanner.enter(.object)
    while step == .item {
      guard let name = scanner.name(), let value = scanner.value() else { return .malformed }
      if JSON.text(name, in: message, equals: "setupComplete") {
        news.isReady = true
      } else if JSON.text(name, in: message, equals: "serverContent") {
        readContent(value, message, &news)
      } else if JSON.text(name, in: message, equals: "goAway") {
        news.leavesWithin = timeLeft(value, in: message)
      } else if JSON.text(name, in: message, equals: "sessionResumptionUpdate") {
        news.handle = handle(value, in: message)
      } else if JSON.text(name, in: message, equals: "error") {
        news.complaint = complaint(value, in: message)
      } else if JSON.text(name, in: message, equals: "toolCall") {
        var ending = Upstream.Ending(.calls)
        ending.instead = Upstream.callOfNone
        news.ending = ending
        news.callsFunctions = true
      } else if JSON.text(name, in: message, equals: "toolCallCancellation") {
        news.cancelsFunctions = true
      }
      step = scanner.advance(in: .object)
    }
    return step == .end && scanner.isAtEnd ? news : .malformed
  }

  private static func readContent(
    _ content: JSON.Value, _ message: Bytes, _ news: inout Upstream.Event
  ) {
    var members = JSON.Members(of: content, in: message)
    var reason = 0..<0
    var goesOn = false
    var isIdle = false
    while let member = members.next() {
      let isTrue = member.value.kind == .true
      if JSON.text(member.name, in: message, equals: "interrupted") {
        news.isInterrupted = isTrue
      } else if JSON.text(member.name, in: message, equals: "generationComplete") {
        news.isSpoken = isTrue
      } else if JSON.text(member.name, in: message, equals: "turnComplete") {
        if isTrue { news.ending = Upstream.Ending(.whole) }
      } else if JSON.text(member.name, in: message, equals: "turnCompleteReason") {
        if member.value.kind == .string { reason = member.value.range }
      } else if JSON.text(member.name, in: message, equals: "interactionStatus") {
        goesOn = JSON.text(member.value, in: message, equals: "IN_PROGRESS")
        isIdle =
          JSON.text(member.value, in: message, equals: "IDLE")
          || JSON.text(member.value, in: message, equals: "REQUIRES_ACTION")
      } else if JSON.text(member.name, in: message, equals: "inputTranscription") {
        news.callerWords = words(member.value, in: message)
      } else if JSON.text(member.name, in: message, equals: "outputTranscription") {
        news.agentWords = words(member.value, in: message)
      }
    }
    // Only a piece of its output is over: it thinks, and goes on.
    if goesOn, news.isTurnOver {
      news.ending = nil
      news.isSpoken = true
    }
    // The turn may have ended before, or ends with this alone.
    if isIdle, !news.isTurnOver { news.ending = Upstream.Ending(.idle) }
    // It says why where it has refused to answer, or stopped.
    if !reason.isEmpty, news.isTurnOver {
      news.ending?.how = .failed
      news.ending?.reason = reason
    }
  }

  /// Pieces, each of which continues the one before; some bring no text.
  private static func words(_ value: JSON.Value, in message: Bytes) -> Upstream.Words? {
    guard value.kind == .object, let text = JSON.find("text", in: message, under: value),
      text.kind == .string, !text.range.isEmpty
    else { return nil }
    let language = JSON.find("languageCode", in: message, under: value)
    return Upstream.Words(
      text: text.range, isWhole: false,
      language: language?.kind == .string ? language?.range ?? 0..<0 : 0..<0)
  }

  /// An error as Google's services write it: a code, a message, and the name of the code, which
  /// says more. What it means for the session is said by the close that follows.
  private static func complaint(_ error: JSON.Value, in message: Bytes) -> Upstream.Complaint {
    func text(_ name: StaticString) -> Range<Int> {
      guard error.kind == .object, let value = JSON.find(name, in: message, under: error),
        value.kind == .string
      else { return 0..<0 }
      return value.range
    }
    return Upstream.Complaint(code: text("status"), message: text("message"))
  }

  /// While it talks, and while it waits for a function, a session cannot be resumed: the handle is
  /// then empty.
  private static func handle(_ value: JSON.Value, in message: Bytes) -> Range<Int>? {
    guard value.kind == .object,
      JSON.find("resumable", in: message, under: value)?.kind == .true,
      let handle = JSON.find("newHandle", in: message, under: value), handle.kind == .string,
      !handle.range.isEmpty
    else { return nil }
    return handle.range
  }

  /// A duration is a string of seconds that ends with s, or an object with `seconds`. Where there
  /// is none, or less than none, the end may come at any time.
  private static func timeLeft(_ value: JSON.Value, in message: Bytes) -> Instant.Span {
    guard value.kind == .object, let left = JSON.find("timeLeft", in: message, under: value) else {
      return .zero
    }
    var seconds = left
    if left.kind == .object {
      guard let whole = JSON.find("seconds", in: message, under: left) else { return .zero }
      seconds = whole
    } else if left.kind == .string, !left.range.isEmpty,
      message[left.range.upperBound &- 1] == UInt8(ascii: "s")
    {
      seconds = JSON.Value(.string, left.range.dropLast())
    }
    let milliseconds = JSON.decimal(seconds, scale: 3, in: message) ?? 0
    return .milliseconds(min(max(milliseconds, 0), 3_600_000))
  }
}

// MARK: - What its refusals mean

extension Gemini {
  private static let badKey = Upstream.Verdict(
    retry: false, cause: .upstreamKey, code: "upstream_key",
    sentence: "Gemini refused the relay's key: set GEMINI_API_KEY to one with access")
  private static let noQuota = Upstream.Verdict(
    retry: false, cause: .upstreamRefused, code: "upstream_quota",
    sentence: "Gemini's quota or credit is used up")
  private static let badSession = Upstream.Verdict(
    retry: false, cause: .upstreamRefused, code: "upstream_refused",
    sentence: "Gemini refused the session: check url, model, voice and language")
  private static let lost = Upstream.Verdict(
    retry: true, cause: .upstreamLost, code: "upstream_lost",
    sentence: "Gemini ended the session")

  static func refused(_ status: Int) -> Upstream.Verdict {
    switch status {
    case 401, 403: return badKey
    case 429:
      return Upstream.Verdict(
        retry: true, cause: .upstreamBusy, code: "upstream_busy",
        sentence: "Gemini's limit of requests is reached")
    case 500...599:
      return Upstream.Verdict(
        retry: true, cause: .upstreamLost, code: "upstream_unavailable",
        sentence: "Gemini is not available")
    case 400, 422: return badSession
    default: return .misplaced(status)
    }
  }

  /// What the reason names goes before what the code says: quota, for one, comes as an internal
  /// error.
  static func closed(_ code: UInt16, _ reason: Bytes) -> Upstream.Verdict {
    if reason.containsIgnoringCase("api key") { return badKey }
    for word in ["quota", "resource_exhausted", "billing", "credit"] as [StaticString] {
      if reason.containsIgnoringCase(word) { return noQuota }
    }
    if code == 1007 || code == 1008 { return badSession }
    return lost
  }
}
