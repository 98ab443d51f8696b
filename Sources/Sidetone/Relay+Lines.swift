// What people read: transcript lines as they come, and the log, plain for a terminal or one JSON
// object a line for everything else.

extension Relay {
  package enum Level: Sendable {
    case info, warning, error
    var word: StaticString {
      switch self {
      case .info: return "info"
      case .warning: return "warning"
      case .error: return "error"
      }
    }
  }

  /// Writes one line of the log. `event` is one word; `detail` writes the rest, without line
  /// breaks.
  func log(
    _ level: Level, _ event: StaticString, call: Int? = nil, at now: Instant,
    _ detail: (inout Writer) -> Void = { _ in }
  ) {
    var line = lines.blank
    let wall = wall(at: now)
    if config.logsJSON {
      line.write("{\"time\":\"")
      line.write(timestamp: wall)
      line.write("\",\"level\":\"")
      line.write(level.word)
      line.write("\",\"event\":\"")
      line.write(event)
      if let call {
        line.write("\",\"call_id\":\"")
        line.write(calls[call].name)
      }
      line.write("\",\"detail\":\"")
      var text = Writer(scratch.bytes.dropping(Limits.scratchBytes / 2))
      detail(&text)
      line.write(json: text.written)
      line.write("\"}")
    } else {
      line.write(timestamp: wall)
      if level != .info {
        line.write(" ")
        line.write(level.word)
      }
      line.write(" ")
      line.write(event)
      if let call, !calls[call].name.isEmpty {
        line.write(" ")
        line.write(calls[call].name)
      }
      line.write(": ")
      detail(&line)
    }
    lines.put(line, .log)
  }

  /// A transcript line: `[FINAL] Transcription: … (call)`. `text` is the inside of a JSON string.
  func say(_ call: Int, _ text: Bytes, isFinal: Bool, at now: Instant) {
    guard config.printsTranscripts else { return }
    var line = lines.blank
    line.write(isFinal ? "[FINAL] Transcription: " : "[INTERIM] Transcription: ")
    let quoted = JSON.Value(.string, 0..<text.count, hasEscapes: true)
    JSON.unescape(quoted, in: text, to: &line)
    line.write(" (")
    line.write(calls[call].name)
    line.write(")")
    lines.put(line, .transcript)
  }
}

/// Keeps lines that anybody can cause from filling the log: ten a second, the others counted.
struct LineLimit: BitwiseCopyable, Sendable {
  private static let linesPerSecond = 10
  private var begun = Instant.zero
  private var written = 0
  private var withheld = 0

  /// How many lines were withheld since the last one; nil where this one is withheld too.
  mutating func take(at now: Instant) -> Int? {
    if begun + .seconds(1) <= now {
      begun = now
      written = 0
    }
    guard written < Self.linesPerSecond else {
      withheld &+= 1
      return nil
    }
    written &+= 1
    defer { withheld = 0 }
    return withheld
  }
}
