// Deepgram's Voice Agent, `/v1/agent/converse`: one socket that listens, thinks and speaks. Audio
// is binary both ways, without anything around it; everything else is JSON text. Rules that shape
// this file, from Deepgram's API reference and the models of its own client:
// - `Settings` comes first and once; audio waits for `SettingsApplied`;
// - what it says comes faster than it is played, cut anywhere, also in the middle of a sample;
// - `UserStartedSpeaking` is the interruption: it stops by itself. It never learns what was heard,
//   so nothing tells it of the rest, which stays in its memory as if it had been said;
// - answers have no names, and their text comes in sentences, before or beside their sound;
// - nothing but a text in the caller's name makes it answer: it comes back among the words;
// - a text that is injected while somebody speaks is refused (`InjectionRefused`);
// - without audio it wants a KeepAlive every 8 s;
// - an `Error` is the end of the session, and the close behind it says nothing; a `Warning` is not;
// - there is no farewell and nothing resumes a session.

extension Upstream {
  package static let deepgramAgent = Upstream(
    name: "deepgram-agent",
    isDialled: true,
    needsKey: true,
    keyHeader: "Authorization",
    keyScheme: "Token ",
    hears: DeepgramAgent.format,
    voice: .init(
      says: { caller, session in DeepgramAgent.format(caller, session) ?? .mulaw8k },
      speech: .binary, hasItems: false, functions: DeepgramAgent.functions, history: .described),
    envelope: { _, _, _ in },
    allowed: voiceOptions,
    query: { session, writer in writer.write(session.fixed) },
    setup: DeepgramAgent.setup,
    read: DeepgramAgent.read,
    write: { command, _, writer in DeepgramAgent.write(command, &writer) },
    refused: DeepgramAgent.refused,
    closed: DeepgramAgent.closed,
    timing: Timing(
      keepAliveAfter: .seconds(8), finalizeAfter: .never, openingSilenceMilliseconds: 0,
      chunkMillisecondsMax: 20, acknowledges: false, lastWordsWithin: .seconds(2)),
    phrases: Phrases(
      dialled: "Deepgram Voice Agent connection initiated",
      connected: "Connected to Deepgram Voice Agent"),
    settings: DeepgramAgent.settings,
    reasonHeaders: ReasonHeaders(words: "dg-error", request: "dg-request-id"))
}

/// What the parts of this row share; `DeepgramAgent+Settings.swift` has what operators set and how
/// a session is asked for.
enum DeepgramAgent {
  /// Both directions alike: G.711 as it is, linear samples at a rate that both of its sides take.
  static func format(_ caller: Format, _ session: Upstream.Session) -> Format? {
    guard caller.channels == 1 else { return nil }
    if caller.codec != .linear16, caller.rate == 8000 {
      return Format(codec: caller.codec, rate: 8000)
    }
    switch caller.rate {
    case 8000, 16_000, 24_000, 48_000: return Format(codec: .linear16, rate: caller.rate)
    default: return Format(codec: .linear16, rate: 16_000)
    }
  }
}

// MARK: - What it is told

extension DeepgramAgent {
  /// How a text begins that tells of keys: it comes back among the caller's words.
  private static let pressed: StaticString = "The caller pressed "
  /// Before what it is told of a silent caller.
  private static let silent: StaticString = "(The caller is silent.) "
  /// What makes it answer without another word of the caller's: so does this.
  private static let unanswered: StaticString = "(Please answer what is not answered yet.)"

  static func write(_ command: Upstream.Command, _ writer: inout Writer) {
    switch command {
    case .keepAlive: writer.write("{\"type\":\"KeepAlive\"}")
    case .greet(let text):
      if text.isEmpty { return }
      writer.write("{\"type\":\"InjectAgentMessage\",\"message\":\"")
      writer.write(jsonOfEncoded: text)
      writer.write("\"}")
    case .keys(let keys):
      writer.write("{\"type\":\"InjectUserMessage\",\"content\":\"")
      writer.write(pressed)
      writer.write(keys)
      writer.write(".\"}")
    case .reprompt(let text):
      writer.write("{\"type\":\"InjectUserMessage\",\"content\":\"")
      writer.write(silent)
      writer.write(json: text)
      writer.write("\"}")
    case .answer(let id, let name, let answer): writeAnswer(id, name, answer, &writer)
    case .lateAnswer(let name, let answer): writeLateAnswer(name, answer, &writer)
    case .respond:
      writer.write("{\"type\":\"InjectUserMessage\",\"content\":\"")
      writer.write(unanswered)
      writer.write("\"}")
    case .finalize, .finish, .truncate, .forget: break
    }
  }
}

// MARK: - What it says

extension DeepgramAgent {
  static func read(_ message: Bytes) -> Upstream.Event {
    guard let event = Event(message), let type = event.type, type.kind == .string else {
      return .malformed
    }
    func isNamed(_ name: StaticString) -> Bool { JSON.text(type, in: message, equals: name) }
    var news = Upstream.Event()
    if isNamed("SettingsApplied") {
      news.isReady = true
    } else if isNamed("UserStartedSpeaking") {
      news.isInterrupted = true
    } else if isNamed("ConversationText") {
      readWords(event, message, &news)
    } else if isNamed("AgentStartedSpeaking") {
      news.isTurnBegun = true
    } else if isNamed("AgentAudioDone") {
      news.isSpoken = true
      // It may be about an answer that was cut off a while ago.
      news.ending = Upstream.Ending(.idle)
    } else if isNamed("Error") {
      news.complaint = Upstream.Complaint(
        code: text(event.code), message: text(event.description),
        verdict: verdict(on: message[text(event.code)]))
    } else if isNamed("Warning") {
      news.complaint = Upstream.Complaint(
        code: text(event.code), message: text(event.description), scope: .warning)
    } else if isNamed("InjectionRefused") {
      news.isAskedTooEarly = true
      news.complaint = Upstream.Complaint(
        code: type.range, message: text(event.description), scope: .warning)
    } else if isNamed("FunctionCallRequest") {
      news.callsFunctions = functions.call(message, 0) != nil
    } else if isNamed("FunctionCallCancelled") {
      news.cancelsFunctions = true
    } else if !isOfNoConcern(type, in: message) {
      news.unknown = type.range
    }
    return news
  }

  private static func isOfNoConcern(_ type: JSON.Value, in message: Bytes) -> Bool {
    let quiet: [StaticString] = [
      "Welcome", "AgentThinking", "History", "LatencyReport", "FrustrationDetected",
      "PromptUpdated", "SpeakUpdated", "ThinkUpdated", "ThinkLiveUpdated", "ListenUpdated",
      "FunctionCallResponse",
    ]
    return quiet.contains { JSON.text(type, in: message, equals: $0) }
  }

  /// The members of an event that are asked for, found in the walk that checks all of it.
  private struct Event {
    private(set) var type: JSON.Value?
    private(set) var role: JSON.Value?
    private(set) var content: JSON.Value?
    private(set) var behavior: JSON.Value?
    private(set) var code: JSON.Value?
    /// Under either of its names.
    private(set) var description: JSON.Value?

    /// Nil where the message is no object in UTF-8; audio is none.
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
      func isNamed(_ text: StaticString) -> Bool { JSON.text(name, in: message, equals: text) }
      if type == nil, isNamed("type") {
        type = value
      } else if role == nil, isNamed("role") {
        role = value
      } else if content == nil, isNamed("content") {
        content = value
      } else if behavior == nil, isNamed("conversational_behavior") {
        behavior = value
      } else if code == nil, isNamed("code") {
        code = value
      } else if description == nil, isNamed("description") || isNamed("message") {
        description = value
      }
    }
  }

  /// What was said, sentence by sentence. Murmurs of either side ("mhm") are words, but no turn.
  private static func readWords(
    _ event: Event, _ message: Bytes, _ news: inout Upstream.Event
  ) {
    guard let role = event.role, let content = event.content, content.kind == .string,
      !content.range.isEmpty
    else { return }
    var words = Upstream.Words(text: content.range, isWhole: false)
    words.isApart = true
    if JSON.text(role, in: message, equals: "assistant") {
      news.agentWords = words
    } else if JSON.text(role, in: message, equals: "user"), !isOurs(message[content.range]) {
      let isMurmur = event.behavior.map { JSON.text($0, in: message, equals: "backchannel") }
      words.isMurmur = isMurmur == true
      news.callerWords = words
      news.isCallerDone = !words.isMurmur
    }
  }

  /// What we told it ourselves. Nobody has said that, and of keys it may be the number of a card.
  private static func isOurs(_ text: Bytes) -> Bool {
    if text.equals(unanswered) || text.starts(with: silent) { return true }
    let begin = pressed.bytes
    guard text.count > begin.count, text.prefix(begin.count).equals(begin) else { return false }
    for index in begin.count..<text.count {
      switch text[index] {
      case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "D"),
        UInt8(ascii: "*"), UInt8(ascii: "#"), UInt8(ascii: "."):
        continue
      default: return false
      }
    }
    return true
  }

  private static func text(_ value: JSON.Value?) -> Range<Int> {
    value?.kind == .string ? value?.range ?? 0..<0 : 0..<0
  }

  static func text(
    _ name: StaticString, of object: JSON.Value, in message: Bytes
  ) -> Range<Int> {
    text(JSON.find(name, in: message, under: object))
  }
}

// MARK: - What its refusals mean

extension DeepgramAgent {
  private static let badSession = Upstream.Verdict(
    retry: false, cause: .upstreamRefused, code: "upstream_refused",
    sentence: "Deepgram refused the agent's settings: check models, voice, language and options")
  private static let lost = Upstream.Verdict(
    retry: true, cause: .upstreamLost, code: "upstream_lost",
    sentence: "Deepgram ended the agent's session")

  /// Those that would come again, since another session would be asked for in the same words; all
  /// others may pass.
  private static func verdict(on code: Bytes) -> Upstream.Verdict {
    let lasting: [StaticString] = [
      "INVALID_SETTINGS", "UNPARSABLE_CLIENT_MESSAGE", "NON_SETTINGS_MESSAGE_BEFORE_SETTINGS",
      "SETTINGS_ALREADY_APPLIED", "USER_AUDIO_FORMAT",
    ]
    return lasting.contains { code.equals($0) } ? badSession : lost
  }

  /// The same account and the same words as for its other services, but for the session's own.
  static func refused(_ status: Int) -> Upstream.Verdict {
    status == 400 || status == 422 ? badSession : Deepgram.refused(status)
  }

  /// What a close means is said by the error before it; a code says no more than whose fault it is.
  static func closed(_ code: UInt16, _ reason: Bytes) -> Upstream.Verdict {
    switch code {
    case 1002, 1003, 1007, 1008: badSession
    default: lost
    }
  }
}
