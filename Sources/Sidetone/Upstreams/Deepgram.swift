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
    write: Deepgram.write,
    refused: Deepgram.refused,
    closed: Deepgram.closed,
    timing: Timing(
      keepAliveAfter: .seconds(4), finalizeAfter: .seconds(1), openingSilenceMilliseconds: 20,
      chunkMillisecondsMax: 100),
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

  static func query(_ session: Upstream.Session, _ writer: inout Writer) {
    writer.write("encoding=")
    switch session.hears.codec {
    case .mulaw: writer.write("mulaw")
    case .alaw: writer.write("alaw")
    case .linear16: writer.write("linear16")
    }
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
    var results = Results()
    results.read(message)
    guard let type = results.type, type.kind == .string else { return .malformed }
    if results.isHeard { return results.news(in: message) }
    var news = Upstream.Event()
    news.isFinished = message[type.range].equals("Metadata")
    return news
  }

  static func write(_ command: Upstream.Command, _ writer: inout Writer) {
    switch command {
    case .keepAlive: writer.write("{\"type\":\"KeepAlive\"}")
    case .finalize: writer.write("{\"type\":\"Finalize\"}")
    case .finish: writer.write("{\"type\":\"CloseStream\"}")
    case .greet, .truncate, .forget, .keys, .respond: break
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

// MARK: - What it heard

/// The members of a message that matter, found in one walk. It ends as soon as they are all there,
/// so what comes behind, the words with their times above all, is not looked at; as for any value
/// that is looked for, it need not even be sound.
private struct Results {
  private(set) var type: JSON.Value?
  /// Of another type nothing more is asked.
  private(set) var isHeard = true
  private var start: JSON.Value?
  private var duration: JSON.Value?
  private var isFinal: JSON.Value?
  private var index: JSON.Value?
  private var text: JSON.Value?
  private var confidence: JSON.Value?
  private var hasChannel = false

  mutating func read(_ message: Bytes) {
    var scanner = JSON.Scanner(message)
    var step = scanner.enter(.object)
    while step == .item {
      guard let name = scanner.name() else { return }
      if !hasChannel, JSON.text(name, in: message, equals: "channel") {
        hasChannel = true
        guard readChannel(&scanner) else { return }
      } else {
        guard let value = scanner.value() else { return }
        take(name, value, in: message)
      }
      if !isHeard || hasChannel && hasAllAround { return }
      step = scanner.advance(in: .object)
    }
  }

  /// The first of a name counts.
  private mutating func take(_ name: JSON.Value, _ value: JSON.Value, in message: Bytes) {
    if type == nil, JSON.text(name, in: message, equals: "type") {
      type = value
      isHeard = value.kind == .string && message[value.range].equals("Results")
    } else if start == nil, JSON.text(name, in: message, equals: "start") {
      start = value
    } else if duration == nil, JSON.text(name, in: message, equals: "duration") {
      duration = value
    } else if isFinal == nil, JSON.text(name, in: message, equals: "is_final") {
      isFinal = value
    } else if index == nil, JSON.text(name, in: message, equals: "channel_index") {
      index = value
    }
  }

  /// Whether all is found but for what is in the channel.
  private var hasAllAround: Bool {
    type != nil && start != nil && duration != nil && isFinal != nil && index != nil
  }

  /// The value of the channel, with the list of alternatives in it; false where the walk is over.
  private mutating func readChannel(_ scanner: inout JSON.Scanner) -> Bool {
    guard scanner.next() == UInt8(ascii: "{") else { return scanner.value() != nil }
    var hasList = false
    var step = scanner.enter(.object)
    while step == .item {
      guard let name = scanner.name() else { return false }
      if !hasList, JSON.text(name, in: scanner.document, equals: "alternatives") {
        hasList = true
        guard readAlternatives(&scanner) else { return false }
      } else {
        guard scanner.value() != nil else { return false }
      }
      step = scanner.advance(in: .object)
    }
    return step == .end
  }

  /// The list, of which the first counts; false where the walk is over.
  private mutating func readAlternatives(_ scanner: inout JSON.Scanner) -> Bool {
    guard scanner.next() == UInt8(ascii: "[") else { return scanner.value() != nil }
    var isFirst = true
    var step = scanner.enter(.array)
    while step == .item {
      if isFirst, scanner.next() == UInt8(ascii: "{") {
        guard readFirst(&scanner) else { return false }
      } else {
        guard scanner.value() != nil else { return false }
      }
      isFirst = false
      step = scanner.advance(in: .array)
    }
    return step == .end
  }

  private mutating func readFirst(_ scanner: inout JSON.Scanner) -> Bool {
    var step = scanner.enter(.object)
    while step == .item {
      guard let name = scanner.name(), let value = scanner.value() else { return false }
      if text == nil, JSON.text(name, in: scanner.document, equals: "transcript") {
        text = value
      } else if confidence == nil, JSON.text(name, in: scanner.document, equals: "confidence") {
        confidence = value
      }
      if text != nil, confidence != nil, hasAllAround { return false }
      step = scanner.advance(in: .object)
    }
    return step == .end
  }

  func news(in message: Bytes) -> Upstream.Event {
    guard let start, let duration,
      let startMicroseconds = JSON.decimal(start, scale: 6, in: message),
      let durationMicroseconds = JSON.decimal(duration, scale: 6, in: message),
      startMicroseconds >= 0, durationMicroseconds >= 0
    else { return .malformed }
    var heard = Upstream.Heard(
      text: 0..<0, confidence: 0..<0, isFinal: isFinal?.kind == .true, channel: 0, channels: 1,
      endMicroseconds: startMicroseconds &+ durationMicroseconds)
    if let index, index.kind == .array {
      var numbers = JSON.Elements(of: index, in: message)
      heard.channel = numbers.next().flatMap { JSON.integer($0, in: message) } ?? 0
      heard.channels = numbers.next().flatMap { JSON.integer($0, in: message) } ?? 1
    }
    if let text, text.kind == .string { heard.text = text.range }
    if let confidence, confidence.kind == .number { heard.confidence = confidence.range }
    var news = Upstream.Event()
    news.heard = heard
    return news
  }
}
