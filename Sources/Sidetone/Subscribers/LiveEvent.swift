// What happens in a call as programs read it: one JSON object for each thing. Subscribers get it
// while it happens, readers of standard output where `output.transcripts` is `json`.
//
//     {"type":"transcript.final","call_id":"CA1","time":"…","side":"caller","text":"good morning"}

/// An event that is told to programs. Words for which one object has no room are told in several,
/// all but the last of which say that they go on.
struct LiveEvent {
  /// What a program looks at first.
  let type: StaticString
  let audience: Audience
  private let event: Event
  /// What was said: the inside of a JSON string, escapes and all. Of these so much was told.
  private let words: Bytes
  private var told = 0
  private var isBegun = false

  enum Audience: BitwiseCopyable {
    case everybody
    /// Who hears of calls as they go.
    case subscribers
    /// Who reads standard output: a key may be one of a card's number.
    case readers
  }

  /// Nil: programs are not told of it.
  init?(_ event: Event) {
    self.event = event
    switch event {
    case .words(.heard(let text, let isFinal, _, _, _, _, _)):
      (type, audience) = (isFinal ? "transcript.final" : "transcript.interim", .everybody)
      words = text
    case .words(.said(let text, _, _, _)):
      (type, audience, words) = ("transcript.final", .everybody, text)
    case .words(.interrupted(_, _, let text, _, _, _, _, _)):
      // Without words: those of a line that was told before.
      (type, audience) = (text.isEmpty ? "transcript.interrupted" : "transcript.final", .everybody)
      words = text
    case .call(.started): (type, audience, words) = ("call.started", .subscribers, .empty)
    case .call(.ended(let ending)):
      guard ending.hasStarted else { return nil }
      (type, audience, words) = ("call.ended", .subscribers, .empty)
    case .caller(.key): (type, audience, words) = ("call.key", .readers, .empty)
    default: return nil
    }
  }

  /// Writes the next object; false: all was told. There is room for two KiB at least.
  mutating func write(of call: Name, at time: WallTime, into out: inout Writer) -> Bool {
    guard !isBegun || told < words.count else { return false }
    isBegun = true
    out.write("{\"type\":\"")
    out.write(type)
    out.write("\",\"call_id\":\"")
    Bytes.withTemporary(Name.bytesMax) { place in
      var name = Writer(place)
      name.write(call)
      _ = out.write(shown: name.written, leaving: 0)
    }
    out.write("\",\"time\":\"")
    out.write(timestamp: time)
    out.write("\"")
    writeRest(into: &out)
    out.write("}")
    return true
  }

  /// Behind what every event says.
  private mutating func writeRest(into out: inout Writer) {
    switch event {
    case .words(.heard(_, _, let side, _, _, _, _)):
      out.write(",\"side\":\"")
      out.write(spoken: side)
      out.write("\"")
      writeWords(upTo: words.count, as: "text", into: &out)
    case .words(.said):
      out.write(",\"side\":\"agent\"")
      writeWords(upTo: words.count, as: "text", into: &out)
    case .words(.interrupted(let heard, let generated, _, let cut, _, _, _, _)):
      out.write(",\"side\":\"agent\",\"interrupted\":true,\"heard_milliseconds\":")
      out.write(decimal: heard)
      out.write(",\"generated_milliseconds\":")
      out.write(decimal: generated)
      guard !words.isEmpty else { return }
      writeWords(upTo: cut, as: "text", into: &out)
      if told >= cut { writeWords(upTo: words.count, as: "unheard", into: &out) }
    case .call(.started(let start)):
      write(start.carrier.bytes, as: "carrier", into: &out)
      write(start.upstream, as: "upstream", into: &out)
      write(start.path, as: "path", into: &out)
    case .call(.ended(let ending)):
      write(ending.cause.word.bytes, as: "cause", into: &out)
      write(ending.cause.recordSentence.bytes, as: "sentence", into: &out)
      out.write(",\"milliseconds\":")
      out.write(decimal: ending.milliseconds)
    case .caller(.key(let key)):
      out.write(",\"key\":\"")
      out.write(byte: key)
      out.write("\"")
    default: break
    }
    if told < words.count { out.write(",\"continues\":true") }
  }

  /// The room that is left for what follows a text.
  private static let restBytes = 64

  /// So much of the words as there is room for.
  private mutating func writeWords(upTo end: Int, as name: StaticString, into out: inout Writer) {
    Self.begin(name, &out)
    told &+= out.write(shown: words[min(told, end)..<end], leaving: Self.restBytes)
    out.write("\"")
  }

  /// A plain text.
  private func write(_ text: Bytes, as name: StaticString, into out: inout Writer) {
    Self.begin(name, &out)
    _ = out.write(shown: text, leaving: Self.restBytes)
    out.write("\"")
  }

  private static func begin(_ name: StaticString, _ out: inout Writer) {
    out.write(",\"")
    out.write(name)
    out.write("\":\"")
  }
}

extension Writer {
  /// A side by its name; the only one is the caller's.
  fileprivate mutating func write(spoken side: Event.Side) {
    switch side {
    case .only, .caller: write("caller")
    case .agent: write("agent")
    case .channel(let number):
      write("channel ")
      write(decimal: number)
    }
  }

  /// Writes as much as fits of a text that is the inside of a JSON string, or is to be: whatever it
  /// is, it comes out as one, and without what speaks to a terminal. Leaves so much free; how many
  /// bytes of the text were taken, up to a whole character.
  mutating func write(shown text: Bytes, leaving rest: Int) -> Int {
    var at = 0
    while at < text.count, free &- rest >= Self.shownBytesMax {
      let byte = text[at]
      if byte == UInt8(ascii: "\\") {
        at &+= write(escapeIn: text, at: at)
        continue
      }
      let mark = Mark(text, at)
      if mark.length > 0 {
        mark.units { write(escapeOf: $0) }
        at &+= mark.length
        continue
      }
      let length = text.characterLength(at: at)
      if length == 0 {
        write("\u{fffd}")
      } else if byte == UInt8(ascii: "\"") {
        write("\\\"")
      } else {
        write(text[at..<at &+ length])
      }
      at &+= max(length, 1)
    }
    return at
  }

  /// One character as it comes out: two escapes at most.
  private static let shownBytesMax = 12

  /// An escape as it stands, where it is one; half a pair and what is none are made good. How many
  /// bytes it has.
  private mutating func write(escapeIn text: Bytes, at place: Int) -> Int {
    let length = text.escapeLength(at: place)
    guard length > 0 else {
      write("\\\\")
      return 1
    }
    write(jsonText: text[place..<place &+ length])
    return length
  }

  private mutating func write(escapeOf unit: UInt16) {
    write("\\u")
    write(hex: UInt64(unit), digits: 4)
  }
}
