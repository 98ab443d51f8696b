// Deepgram's voices, `/v1/speak`. Text goes up as JSON; audio comes as raw binary messages in the
// encoding that the query asks for, everything else as JSON text. Rules that shape this file, from
// Deepgram's API reference and the models of its own client:
// - text is gathered until there is enough of it or `Flush` comes, of which it takes 20 a minute;
// - `Clear` drops text and audio; what was on its way still comes before `Cleared`;
// - a message of text that is too long ends the session (1009), and so do too many letters in a
//   short time (1008, `DATA-0001`): sentences are what it is made for;
// - whether `Close` drops what was not spoken is not said alike everywhere: `Flush` goes before it.

extension Synthesizer {
  package static let deepgramSpeak = Synthesizer(
    name: "deepgram",
    cascade: "cascade",
    displayName: "Deepgram",
    standardVoice: "aura-2-thalia-en",
    standardModel: "",
    keyHeader: "Authorization",
    keyScheme: "Token ",
    says: usualFormat,
    query: DeepgramSpeak.query,
    speech: .binary,
    namesAnswers: false,
    write: DeepgramSpeak.write,
    read: DeepgramSpeak.read,
    refused: Deepgram.refused,
    closed: DeepgramSpeak.closed,
    flushesPerMinuteMax: 20,
    service: {
      Upstream.Service(
        host: "api.deepgram.com", path: "/v1/speak", keyVariable: "DEEPGRAM_API_KEY",
        urlVariable: "DEEPGRAM_SPEAK_URL")
    })
}

private enum DeepgramSpeak {
  static func query(_ session: Synthesizer.Session, _ writer: inout Writer) {
    writer.write("encoding=")
    writer.write(session.says.codec.word)
    writer.write("&sample_rate=")
    writer.write(decimal: session.says.rate)
    if session.voice.isEmpty { return }
    writer.write("&model=")
    writer.write(session.voice)
  }

  static func write(
    _ command: Synthesizer.Command, _: Synthesizer.Session, _ writer: inout Writer
  ) {
    switch command {
    case .say(let words):
      writer.write("{\"type\":\"Speak\",\"text\":\"")
      writer.write(json: words)
      writer.write("\"}")
    case .flush, .end: writer.write("{\"type\":\"Flush\"}")
    case .clear: writer.write("{\"type\":\"Clear\"}")
    case .finish: writer.write("{\"type\":\"Close\"}")
    }
  }

  static func read(_ message: Bytes) -> Synthesizer.Event {
    guard JSON.isValid(message), let type = JSON.find("type", in: message), type.kind == .string
    else { return .malformed }
    var news = Synthesizer.Event()
    func isNamed(_ name: StaticString) -> Bool { JSON.text(type, in: message, equals: name) }
    if isNamed("Flushed") {
      news.isFlushed = true
    } else if isNamed("Cleared") {
      news.isCleared = true
    } else if isNamed("Warning") {
      news.complaint = complaint(message, .warning)
    } else if isNamed("Error") {
      news.complaint = complaint(message, .session)
    } else if !isNamed("Metadata") {
      news.unknown = type.range
    }
    return news
  }

  private static func complaint(
    _ message: Bytes, _ scope: Upstream.Complaint.Scope
  ) -> Upstream.Complaint {
    func text(_ name: StaticString) -> Range<Int> {
      let value = JSON.find(name, in: message)
      return value?.kind == .string ? value?.range ?? 0..<0 : 0..<0
    }
    let sentence = text("description")
    return Upstream.Complaint(
      code: text("code"), message: sentence.isEmpty ? text("message") : sentence, scope: scope)
  }

  /// What was refused would be refused again, but for having said too much at once.
  static func closed(_ code: UInt16, _ reason: Bytes) -> Upstream.Verdict {
    switch code {
    case 1008 where reason.starts(with: "DATA-0001"):
      Upstream.Verdict(
        retry: true, cause: .upstreamBusy, code: "upstream_busy",
        sentence: "Deepgram's voice was told more than it takes in a short time")
    case 1002, 1003, 1007, 1008, 1009:
      Upstream.Verdict(
        retry: false, cause: .upstreamRefused, code: "upstream_refused",
        sentence: "Deepgram's voice could not take what it was told")
    default:
      Upstream.Verdict(
        retry: true, cause: .upstreamLost, code: "upstream_lost",
        sentence: "Deepgram ended the session of its voice")
    }
  }
}
