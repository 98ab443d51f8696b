// What Deepgram heard: the words in a message and what is said about them. They are taken wherever
// they are found; what is missing beside them is simply not known.

/// The members of a message that matter, found in one walk. It ends as soon as they are all there,
/// so what comes behind, the words with their times above all, is not looked at; as for any value
/// that is looked for, it need not even be sound. Languages are told by sessions alone that hear
/// several, each of which names one in its words: only there they are looked for.
struct DeepgramResults {
  private(set) var type: JSON.Value?
  /// The message is no JSON object as far as it was looked at.
  private(set) var isBroken = false
  private var start: JSON.Value?
  private var duration: JSON.Value?
  private var isFinal: JSON.Value?
  private var speechFinal: JSON.Value?
  private var index: JSON.Value?
  private var text: JSON.Value?
  private var confidence: JSON.Value?
  private var languages: JSON.Value?
  private var hasChannel = false
  private var isWhole = false

  mutating func read(_ message: Bytes) {
    var scanner = JSON.Scanner(message)
    // What was found before a fault counts.
    isBroken = !walk(&scanner) && text == nil
  }

  /// False where it is malformed.
  private mutating func walk(_ scanner: inout JSON.Scanner) -> Bool {
    var step = scanner.enter(.object)
    while step == .item {
      guard let name = scanner.name() else { return false }
      if !hasChannel, JSON.text(name, in: scanner.document, equals: "channel") {
        hasChannel = true
        guard readChannel(&scanner) else { return isWhole }
      } else {
        guard let value = scanner.value() else { return false }
        take(name, value, in: scanner.document)
      }
      if hasChannel && hasAllAround { return true }
      step = scanner.advance(in: .object)
    }
    return step == .end
  }

  /// The first of a name counts.
  private mutating func take(_ name: JSON.Value, _ value: JSON.Value, in message: Bytes) {
    @inline(__always) func isNamed(_ text: StaticString) -> Bool {
      JSON.text(name, in: message, equals: text)
    }
    if type == nil, isNamed("type") {
      type = value
    } else if start == nil, isNamed("start") {
      start = value
    } else if duration == nil, isNamed("duration") {
      duration = value
    } else if isFinal == nil, isNamed("is_final") {
      isFinal = value
    } else if speechFinal == nil, isNamed("speech_final") {
      speechFinal = value
    } else if index == nil, isNamed("channel_index") {
      index = value
    }
  }

  /// Whether all is found but for what is in the channel.
  private var hasAllAround: Bool {
    type != nil && start != nil && duration != nil && isFinal != nil && speechFinal != nil
      && index != nil
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
      } else if languages == nil, JSON.text(name, in: scanner.document, equals: "languages") {
        languages = value
      }
      if text != nil, confidence != nil, hasAllAround {
        isWhole = true
        guard isFinal?.kind == .true, languages == nil, Self.tellsLanguages(scanner) else {
          return false
        }
      }
      step = scanner.advance(in: .object)
    }
    return step == .end
  }

  /// Whether languages may come behind this: the first word that follows says which one it is in.
  private static func tellsLanguages(_ scanner: JSON.Scanner) -> Bool {
    var ahead = scanner
    while ahead.advance(in: .object) == .item {
      guard let name = ahead.name() else { return false }
      if JSON.text(name, in: ahead.document, equals: "languages") { return true }
      guard JSON.text(name, in: ahead.document, equals: "words") else {
        guard ahead.value() != nil else { return false }
        continue
      }
      guard ahead.next() == UInt8(ascii: "["), ahead.enter(.array) == .item,
        ahead.next() == UInt8(ascii: "{")
      else { return false }
      var step = ahead.enter(.object)
      while step == .item {
        guard let name = ahead.name(), ahead.value() != nil else { return false }
        if JSON.text(name, in: ahead.document, equals: "language") { return true }
        step = ahead.advance(in: .object)
      }
      return false
    }
    return false
  }

  /// Nil where there is neither a word in it nor a stretch of audio that was listened to.
  func heard(in message: Bytes) -> Upstream.Heard? {
    let isResult = type.map { JSON.text($0, in: message, equals: "Results") } ?? false
    guard isResult || text?.kind == .string else { return nil }
    var heard = Upstream.Heard(
      text: 0..<0, confidence: 0..<0, isFinal: isFinal?.kind == .true, channel: 0, channels: 1,
      endMicroseconds: -1)
    setStretch(of: &heard, in: message)
    if let index, index.kind == .array {
      var numbers = JSON.Elements(of: index, in: message)
      heard.channel = numbers.next().flatMap { JSON.integer($0, in: message) } ?? 0
      heard.channels = numbers.next().flatMap { JSON.integer($0, in: message) } ?? 1
    }
    if let text, text.kind == .string { heard.text = text.range }
    if let confidence, confidence.kind == .number { heard.confidence = confidence.range }
    if let speechFinal { heard.endsSpeech = speechFinal.kind == .true }
    // The one with the most words goes first.
    if heard.isFinal, let languages, languages.kind == .array {
      var tags = JSON.Elements(of: languages, in: message)
      if let tag = tags.next(), tag.kind == .string { heard.language = tag.range }
    }
    return heard
  }

  /// Where the stretch lies; nowhere where it does not say, or nonsense.
  private func setStretch(of heard: inout Upstream.Heard, in message: Bytes) {
    guard let start, let duration,
      let from = JSON.decimal(start, scale: 6, in: message), from >= 0,
      let length = JSON.decimal(duration, scale: 6, in: message), length >= 0
    else { return }
    let (end, isTooLate) = from.addingReportingOverflow(length)
    if isTooLate { return }
    heard.startMicroseconds = from
    heard.endMicroseconds = end
  }
}
