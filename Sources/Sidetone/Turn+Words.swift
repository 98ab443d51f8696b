// What was said, as lines of the transcript and of the log, and texts of others inside such lines.

extension Turn {
  mutating func note(_ event: Event.OfWords, _ call: Name) {
    switch event {
    case .heard(let text, let isFinal, let side, let sentence, _, _, _):
      counters.transcripts &+= 1
      log.print(text, of: call) {
        $0.write(isFinal ? "[FINAL] Transcription: " : "[INTERIM] Transcription: ")
        $0.write(side)
      }
      if isFinal, text.count > Limits.wordsBytesMax { note(.agent(.wordsCut), of: call) }
      guard isFinal, log.printsTranscripts, sentence.utf8CodeUnitCount > 0 else { return }
      log.quote(text, of: call, "transcription_completed", sentence, at: now)
      guard entries.extractsLive else { return }
      log.quote(
        text, of: call, "extraction_started", "🔍 Starting data extraction from", at: now)
    case .said(let text, _, _, _):
      log.print(text, of: call) { $0.write("[AGENT] ") }
    case .interrupted(let heard, let generated, let words, let cut, _, _, _, _):
      write(.info, "interrupted", call) {
        $0.write(heard: heard, of: generated)
        $0.write(" generated")
      }
      log.print(of: call) {
        $0.write("[INTERRUPTED] ")
        $0.write(heard: heard, of: generated)
        $0.write(": ")
        $0.write(words: words.prefix(cut))
        $0.write(" |")
        $0.write(words: words.dropping(cut))
      }
    }
  }
}

extension Log {
  /// A line whose sentence ends with a caller's words.
  fileprivate mutating func quote(
    _ words: Bytes, of call: Name, _ event: StaticString, _ sentence: StaticString, at now: Instant
  ) {
    write(.info, event, call: call, at: now) {
      $0.write(sentence)
      $0.write(": \"")
      $0.write(words: words)
      $0.write("\"")
    }
  }

  /// Words behind what `head` writes; more than fits in a printed line is several.
  fileprivate mutating func print(
    _ words: Bytes, of call: Name, behind head: (inout Writer) -> Void
  ) {
    guard printsTranscripts else { return }
    var rest = words
    repeat {
      var count = JSON.wholePrefix(of: rest, upTo: Limits.printedWordsBytesMax)
      if count < rest.count, let space = rest.prefix(count).lastIndex(of: 0x20) {
        count = space &+ 1
      }
      print(of: call) {
        head(&$0)
        $0.write(words: rest.prefix(count))
      }
      rest = rest.dropping(count)
    } while !rest.isEmpty
  }
}

extension Writer {
  fileprivate mutating func write(heard: Int, of generated: Int) {
    write("heard ")
    write(decimal: heard)
    write(" of ")
    write(decimal: generated)
    write(" ms")
  }

  mutating func write(_ side: Event.Side) {
    switch side {
    case .only: break
    case .caller: write("[caller] ")
    case .agent: write("[agent] ")
    case .channel(let number):
      write("[channel ")
      write(decimal: number)
      write("] ")
    }
  }

  /// What a call's webhook gave it, but for what opens doors; long texts are cut.
  mutating func write(parameters: Bytes) {
    guard !parameters.isEmpty else { return }
    let object = JSON.Value(.object, 0..<parameters.count)
    var members = JSON.Members(of: object, in: parameters)
    var isFirst = true
    while let member = members.next() {
      if JSON.text(member.name, in: parameters, equals: "token") { continue }
      write(isFirst ? "; parameters: " : ", ")
      isFirst = false
      write(short: parameters[member.name.range])
      write("=")
      write(short: parameters[member.value.range])
    }
  }

  /// The beginning of a text that is the inside of a JSON string, up to a whole character.
  private mutating func write(short text: Bytes) {
    let value = JSON.Value(.string, 0..<text.count, hasEscapes: true)
    var characters = JSON.Text(value, in: text)
    var written = 0
    while let byte = characters.next() {
      if written >= Self.shortBytesMax, byte & 0xc0 != 0x80 { return write("…") }
      write(byte: byte)
      written &+= 1
    }
  }

  private static let shortBytesMax = 80

  /// A text that is the inside of a JSON string, as people read it.
  mutating func write(words text: Bytes) {
    JSON.unescape(JSON.Value(.string, 0..<text.count, hasEscapes: true), in: text, to: &self)
  }
}
