// What people read: transcript lines as they come, and the log, plain for a terminal or one JSON
// object a line for everything else.

package struct Log {
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

  private var lines: Lines
  private let isJSON: Bool
  /// Transcripts are personal data: printed on a terminal, or where the operator asked.
  let printsTranscripts: Bool
  /// For the detail of a line that is JSON.
  private let scratch: Bytes
  private var origin: (now: Instant, wall: WallTime)

  init(_ config: Config, scratch: Bytes, now: Instant, wall: WallTime) {
    lines = Lines(bytes: Limits.linesBytes)
    isJSON = config.logsJSON
    printsTranscripts = config.printsTranscripts
    self.scratch = scratch
    origin = (now, wall)
  }

  /// Lines that found no room, ever.
  var dropped: Int { lines.dropped }

  mutating func setWall(_ wall: WallTime, at now: Instant) { origin = (now, wall) }

  func wall(at now: Instant) -> WallTime {
    WallTime(nanoseconds: origin.wall.nanoseconds + (now - origin.now).nanoseconds)
  }

  mutating func take(into place: Bytes) -> Line? { lines.take(into: place) }

  /// Writes one line of the log. `event` is one word; `detail` writes the rest, without line
  /// breaks; `call` is nil where it is about none.
  mutating func write(
    _ level: Level, _ event: StaticString, call: Name?, at now: Instant,
    _ detail: (inout Writer) -> Void
  ) {
    var line = lines.blank
    if isJSON {
      line.write("{\"time\":\"")
      line.write(timestamp: wall(at: now))
      line.write("\",\"level\":\"")
      line.write(level.word)
      line.write("\",\"event\":\"")
      line.write(event)
      if let call {
        line.write("\",\"call_id\":\"")
        line.write(call)
      }
      line.write("\",\"detail\":\"")
      var text = Writer(scratch)
      detail(&text)
      line.write(json: text.written)
      line.write("\"}")
    } else {
      line.write(timestamp: wall(at: now))
      if level != .info {
        line.write(" ")
        line.write(level.word)
      }
      line.write(" ")
      line.write(event)
      if let call, !call.isEmpty {
        line.write(" ")
        line.write(call)
      }
      line.write(": ")
      detail(&line)
    }
    lines.put(line, .log)
  }

  /// Writes a line of the transcript, with the call's id behind it.
  mutating func print(of call: Name, _ text: (inout Writer) -> Void) {
    guard printsTranscripts else { return }
    var line = lines.blank
    text(&line)
    line.write(" (")
    line.write(call)
    line.write(")")
    lines.put(line, .transcript)
  }
}
