// What people read: transcript lines as they come, and the log, as text or as one JSON object a
// line. A line of the log is an event's name and a detail. Where there is a sentence in plain words
// that users look for, it stands as text on a line of its own, with nothing but the call before it:
//
//     [CA1] Connected to X
//     2026-11-20T10:00:00.000Z [CA1] upstream_connected: x after 120 ms
//     2026-11-20T10:00:00.000Z [CA1] WARNING: upstream_error: rate_limit: try again in 1.3 s
//     {"time":"…","level":"warning","event":"upstream_error","call_id":"CA1","message":"…", …}

package struct Log {
  typealias Level = Config.LogLevel

  private var lines: Lines
  private let isJSON: Bool
  private let isColoured: Bool
  private var least: Level
  private var complaints = Complaints()
  /// Transcripts are personal data: printed on a terminal, or where the operator asked.
  private(set) var printsTranscripts: Bool
  /// They are JSON objects.
  private(set) var printsJSON: Bool
  /// For the parts of a line that is JSON.
  private let scratch: Bytes
  private var origin: (now: Instant, wall: WallTime)

  init(_ config: Config, scratch: Bytes, now: Instant, wall: WallTime) {
    lines = Lines(bytes: Limits.linesBytes)
    isJSON = config.logsJSON
    isColoured = config.coloursLog
    least = config.logLevel
    printsTranscripts = config.printsTranscripts
    printsJSON = config.printsTranscripts && config.transcriptsAreJSON
    self.scratch = scratch
    origin = (now, wall)
  }

  /// Other lines are wanted from now on; how they are written stays.
  mutating func follow(_ config: Config) {
    least = config.logLevel
    printsTranscripts = config.printsTranscripts
    printsJSON = config.printsTranscripts && config.transcriptsAreJSON
  }

  /// Lines that no reader saw, ever: they found no room here, or were taken and never reached him.
  var dropped: Int { lines.dropped + lost.transcripts + lost.logs }
  /// Of these, lines of the transcript.
  var droppedTranscripts: Int { lines.droppedTranscripts + lost.transcripts }
  /// What the driver's writer lost.
  var lost = (transcripts: 0, logs: 0)
  /// Lines that repeated what had just been said.
  var repeated: Int { complaints.repeated }
  /// Warnings and errors, written or not.
  private(set) var warnings = 0
  private(set) var errors = 0

  /// A warning that another line tells with others.
  mutating func countWarning() { warnings &+= 1 }

  mutating func setWall(_ wall: WallTime, at now: Instant) { origin = (now, wall) }

  func wall(at now: Instant) -> WallTime {
    WallTime(nanoseconds: origin.wall.nanoseconds + (now - origin.now).nanoseconds)
  }

  mutating func take(into place: Bytes) -> Line? { lines.take(into: place) }

  /// Whether lines of this level are wanted.
  @inline(__always) func shows(_ level: Level) -> Bool { level >= least }

  /// Writes one line of the log. `event` is one word; `sentence` and `detail` write the rest,
  /// without line breaks; `call` is nil where it is about none. Of complaints that are alike one is
  /// written now and then, with how many were not. `isAnswer`: somebody has just asked for it, so
  /// it is written however often it was.
  mutating func write(
    _ level: Level, _ event: StaticString, call: Name?, at now: Instant, isAnswer: Bool = false,
    sentence: (inout Writer) -> Void = { _ in }, detail: (inout Writer) -> Void = { _ in }
  ) {
    if level == .warning { warnings &+= 1 }
    if level == .error { errors &+= 1 }
    guard shows(level) else { return }
    let call = call.flatMap { $0.isEmpty ? nil : $0 }
    if !isJSON, let call { writeAlone(call, sentence) }
    var line = lines.blank
    if isJSON { line.write("{\"time\":\"") }
    line.write(timestamp: wall(at: now))
    let whose = line.count
    if isJSON { writeHead(level, event, call, &line) } else { writeHead(level, call, &line) }
    let what = line.count
    if isJSON {
      write(event, sentence, detail, asJSON: &line)
    } else {
      write(event, call == nil ? sentence : { _ in }, detail, asText: &line)
    }
    var others = 0
    if level >= .warning, !isAnswer {
      let written = line.written
      let likeness = Complaints.likeness(written[whose..<what], written.dropping(what))
      guard let before = complaints.admit(likeness, of: call, at: now) else { return }
      others = before
    }
    close(&line, others)
    lines.put(line, .log, isColoured ? level.colour : .none)
  }

  /// A sentence about a call, for those who look for its words.
  private mutating func writeAlone(_ call: Name, _ sentence: (inout Writer) -> Void) {
    var line = lines.blank
    line.write("[")
    line.write(call)
    line.write("] ")
    let head = line.count
    sentence(&line)
    if line.count > head { lines.put(line, .log) }
  }

  private func writeHead(_ level: Level, _ call: Name?, _ line: inout Writer) {
    if let call {
      line.write(" [")
      line.write(call)
      line.write("]")
    }
    switch level {
    case .debug, .info: break
    case .warning: line.write(" WARNING:")
    case .error: line.write(" ERROR:")
    }
    line.write(" ")
  }

  private func write(
    _ event: StaticString, _ sentence: (inout Writer) -> Void, _ detail: (inout Writer) -> Void,
    asText line: inout Writer
  ) {
    let start = line.count
    sentence(&line)
    let hasSentence = line.count > start
    if hasSentence { line.write(" (") }
    line.write(event)
    let mark = line.count
    line.write(": ")
    let body = line.count
    detail(&line)
    if line.count == body, !line.overflowed { line.rewind(to: mark) }
    if hasSentence, !line.overflowed { line.write(")") }
  }

  private func writeHead(
    _ level: Level, _ event: StaticString, _ call: Name?, _ line: inout Writer
  ) {
    line.write("\",\"level\":\"")
    line.write(level.word)
    line.write("\",\"event\":\"")
    line.write(event)
    if let call {
      line.write("\",\"call_id\":\"")
      Bytes.withTemporary(Name.bytesMax) { scratch in
        var name = Writer(scratch)
        name.write(call)
        line.write(json: name.written)
      }
    }
    line.write("\"")
  }

  /// `message` is the sentence.
  private func write(
    _ event: StaticString, _ sentence: (inout Writer) -> Void, _ detail: (inout Writer) -> Void,
    asJSON line: inout Writer
  ) {
    var text = Writer(scratch)
    sentence(&text)
    let cut = text.count
    detail(&text)
    let written = text.written
    if cut > 0 { line.write(member: "message", written.prefix(cut)) }
    line.write(member: "detail", written.dropping(cut))
  }

  /// How many others there were, and the end of the line.
  private func close(_ line: inout Writer, _ others: Int) {
    if others > 0 {
      line.write(isJSON ? ",\"not_shown\":" : "; like it, not shown: ")
      line.write(decimal: others)
    }
    if isJSON { line.write("}") }
  }

  /// How many complaints of this call were never shown, as they were like another.
  mutating func unshown(of call: Name) -> Int { complaints.end(call) }

  /// Writes a line of the transcript, with the call's id behind it.
  mutating func print(of call: Name, _ text: (inout Writer) -> Void) {
    guard printsTranscripts, !printsJSON else { return }
    var line = lines.blank
    text(&line)
    let shown = Shown(line.written, bytesMax: line.into.count &- Name.bytesMax &- 8)
    if line.overflowed || shown.end < line.count {
      line.rewind(to: shown.end)
      line.write("…")
    }
    line.write(" (")
    line.write(call)
    line.write(")")
    lines.put(line, .transcript)
  }

  /// The same as JSON, where that is asked for: an object a line.
  mutating func print(_ event: LiveEvent, of call: Name, at now: Instant) {
    guard printsJSON else { return }
    var event = event
    while true {
      var line = lines.blank
      guard event.write(of: call, at: wall(at: now), into: &line) else { return }
      lines.put(line, .transcript)
    }
  }
}

extension Config.LogLevel {
  var word: StaticString {
    switch self {
    case .debug: "debug"
    case .info: "info"
    case .warning: "warning"
    case .error: "error"
    }
  }

  fileprivate var colour: Line.Colour {
    switch self {
    case .debug: .grey
    case .info: .none
    case .warning: .yellow
    case .error: .red
    }
  }
}

extension Writer {
  /// A member of a JSON object, behind others. A text for which there is no room is cut.
  fileprivate mutating func write(member name: StaticString, _ text: Bytes) {
    let mark = count
    var rest = text
    while true {
      write(",\"")
      write(name)
      write("\":\"")
      write(json: rest)
      if rest.count < text.count { write("…") }
      write("\"")
      // What still follows on the line, and what marks of others take more where they are shown.
      let shown = Shown(written, bytesMax: into.count &- 64)
      if !overflowed, shown.end == count || rest.isEmpty { return }
      rewind(to: mark)
      var half = rest.count / 2
      while half > 0, rest[half] & 0xc0 == 0x80 { half &-= 1 }
      rest = rest.prefix(half)
    }
  }
}
