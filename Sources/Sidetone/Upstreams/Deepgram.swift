// Deepgram's streaming speech-to-text, `/v1/listen`. Audio goes up as raw binary messages in the
// call's own encoding; results come as JSON text. Rules that shape this file, from Deepgram's API
// reference and its pages on KeepAlive, Finalize and CloseStream:
// - a session that has neither audio nor a KeepAlive for 10 s is closed with 1011 (NET-0001), and
//   KeepAlive alone does not save one that never had audio;
// - an empty binary message ends the session, so none is ever sent;
// - times in results count the audio of this session, not the clock;
// - after CloseStream come the last results, then Metadata, then a close with 1000.

extension Upstream {
  package static let deepgram = Upstream(
    name: "deepgram",
    isDialled: true,
    needsKey: true,
    keyHeader: "Authorization",
    keyScheme: "Token ",
    hears: Deepgram.hears,
    voice: nil,
    envelope: { _, _, _ in },
    allowed: Deepgram.allowed,
    query: Deepgram.query,
    setup: { _, _ in },
    read: Deepgram.read,
    write: { command, _, writer in Deepgram.write(command, &writer) },
    refused: Deepgram.refused,
    closed: Deepgram.closed,
    timing: Timing(
      keepAliveAfter: .seconds(4), finalizeAfter: .seconds(1), openingSilenceMilliseconds: 20,
      chunkMillisecondsMax: 100),
    silenceBehindWords: Deepgram.silenceBehindWords,
    phrases: Phrases(
      dialled: "Deepgram connection initiated", connected: "Connected to Deepgram WebSocket"),
    settings: Deepgram.settings,
    reasonHeaders: ReasonHeaders(words: "dg-error", request: "dg-request-id"))
}

/// What the parts of this row share; `Deepgram+Settings.swift` has what operators set.
enum Deepgram {
  /// It takes audio as it comes, but for the byte order. Another rate is the operator's wish, and
  /// for one channel only.
  static func hears(_ caller: Format, _ session: Upstream.Session) -> Format? {
    if session.rate > 0, session.rate != caller.rate, caller.channels == 1 {
      return Format(codec: .linear16, rate: session.rate)
    }
    return Format(codec: caller.codec, rate: caller.rate, channels: caller.channels)
  }

  /// What it waits for before it says that somebody has paused, and a little for what it rounds.
  static func silenceBehindWords(_ session: Upstream.Session) -> Int {
    let pauses: [StaticString] = ["endpointing", "utterance_end_ms"]
    let longest = pauses.compactMap { session.wish(for: $0)?.decimal }.max() ?? 0
    return min(longest, 60_000) + 200
  }

  static func query(_ session: Upstream.Session, _ writer: inout Writer) {
    writer.write("encoding=")
    writer.write(session.hears.codec.word)
    writer.write("&sample_rate=")
    writer.write(decimal: session.hears.rate)
    writer.write("&channels=")
    writer.write(decimal: session.hears.channels)
    // Without it the channels are mixed down.
    if session.hears.channels > 1 { writer.write("&multichannel=true") }
    if !session.fixed.isEmpty {
      writer.write("&")
      writer.write(session.fixed)
    }
    var defaults = Query(session.options)
    while let option = defaults.next() {
      if place(of: option.name, in: session.callers) == nil { write(option, &writer) }
    }
    var wishes = Query(session.callers)
    var index = 0
    while let option = wishes.next() {
      let isFirst = place(of: option.name, in: session.callers) == index
      let isWanted = Upstream.isName(option.name, in: allowed) && !option.value.isEmpty
      if isWanted, isFirst || Upstream.isName(option.name, in: lists) { write(option, &writer) }
      index += 1
    }
  }

  private static func write(_ option: Query.Pair, _ writer: inout Writer) {
    writer.write("&")
    writer.write(option.name)
    writer.write("=")
    writer.write(option.value)
  }

  /// Which part of a query is the first with a value of that name; nil: none.
  private static func place(of name: Bytes, in query: Bytes) -> Int? {
    var pairs = Query(query)
    var index = 0
    while let pair = pairs.next() {
      if pair.name.equals(name), !pair.value.isEmpty { return index }
      index += 1
    }
    return nil
  }

  static func read(_ message: Bytes) -> Upstream.Event {
    var results = DeepgramResults()
    results.read(message)
    guard !results.isBroken else { return .malformed }
    if let heard = results.heard(in: message) {
      var news = Upstream.Event()
      news.heard = heard
      return news
    }
    return other(results.type, message)
  }

  /// A message without words: the end, an error, or one of which nothing more is asked.
  private static func other(_ type: JSON.Value?, _ message: Bytes) -> Upstream.Event {
    var news = Upstream.Event()
    guard let type, type.kind == .string else {
      news.complaint = complaint(in: message, isError: false)
      if news.complaint == nil { news.unknown = 0..<0 }
      return news
    }
    func isNamed(_ name: StaticString) -> Bool { JSON.text(type, in: message, equals: name) }
    if isNamed("Metadata") {
      news.isFinished = true
    } else if isNamed("Error") || isNamed("error") {
      news.complaint = complaint(in: message, isError: true)
    } else if !isNamed("UtteranceEnd"), !isNamed("SpeechStarted"), !isNamed("Results") {
      news.complaint = complaint(in: message, isError: false)
      if news.complaint == nil { news.unknown = type.range }
    }
    return news
  }

  /// Errors have had several shapes; which member says what is seen from its name. Nil where the
  /// message does not call itself one, and has none of their names.
  private static func complaint(in message: Bytes, isError: Bool) -> Upstream.Complaint? {
    func text(_ names: [StaticString], under parent: JSON.Value? = nil) -> Range<Int>? {
      for name in names {
        guard let value = JSON.find(name, in: message, under: parent), !value.range.isEmpty,
          value.kind == .string || value.kind == .number
        else { continue }
        return value.range
      }
      return nil
    }
    let inner = JSON.find("error", in: message).flatMap { $0.kind == .object ? $0 : nil }
    let sentences: [StaticString] = ["err_msg", "description", "message", "reason", "details"]
    let codes: [StaticString] = ["err_code", "code", "variant", "category", "type"]
    if let inner {
      return Upstream.Complaint(
        code: text(codes, under: inner) ?? 0..<0, message: text(sentences, under: inner) ?? 0..<0)
    }
    let sentence = text(isError ? sentences : ["err_msg", "error"])
    guard isError || sentence != nil || text(["err_code"]) != nil else { return nil }
    let code =
      isError ? text(["err_code", "code", "message", "variant"]) : text(["err_code", "code"])
    return Upstream.Complaint(code: code ?? 0..<0, message: sentence ?? 0..<0)
  }

  static func write(_ command: Upstream.Command, _ writer: inout Writer) {
    switch command {
    case .keepAlive: writer.write("{\"type\":\"KeepAlive\"}")
    case .finalize: writer.write("{\"type\":\"Finalize\"}")
    case .finish: writer.write("{\"type\":\"CloseStream\"}")
    case .greet, .truncate, .forget, .keys, .reprompt, .respond, .answer, .lateAnswer: break
    }
  }

  /// Refused handshakes: 401 and 403 are the key's fault, 402 the account's, 400 the parameters';
  /// 429 is the limit of concurrent sessions, and 5xx passes.
  static func refused(_ status: Int) -> Upstream.Verdict {
    switch status {
    case 401, 403:
      return Upstream.Verdict(
        retry: false, cause: .upstreamKey, code: "upstream_key",
        sentence: "Deepgram refused the relay's key: set DEEPGRAM_API_KEY to one with access")
    case 402:
      return Upstream.Verdict(
        retry: false, cause: .upstreamRefused, code: "upstream_payment",
        sentence: "Deepgram's account has no credit left")
    case 429:
      return Upstream.Verdict(
        retry: true, cause: .upstreamBusy, code: "upstream_busy",
        sentence: "Deepgram's limit of concurrent sessions is reached")
    case 500...599:
      return Upstream.Verdict(
        retry: true, cause: .upstreamLost, code: "upstream_unavailable",
        sentence: "Deepgram is not available")
    case 400, 422:
      return Upstream.Verdict(
        retry: false, cause: .upstreamRefused, code: "upstream_refused",
        sentence: "Deepgram refused the session: check model, language and options")
    default: return .misplaced(status)
    }
  }

  /// 1008 says that the bytes were no audio in the announced encoding: trying again would not help.
  static func closed(_ code: UInt16, _ reason: Bytes) -> Upstream.Verdict {
    if code == 1008 || code == 1002 {
      return Upstream.Verdict(
        retry: false, cause: .upstreamRefused, code: "upstream_refused",
        sentence: "Deepgram could not decode the audio: check encoding and sample_rate")
    }
    return Upstream.Verdict(
      retry: true, cause: .upstreamLost, code: "upstream_lost",
      sentence: "Deepgram ended the session")
  }
}
