// What a call's entries add up to. Entries go in, in the order of the journal; the transcript and
// the call file come out. Nothing here reads a clock or a disk, so that the same entries give the
// same files, however often a courier is killed between them.
//
// A transcript says what was heard. Words that a model had made and nobody heard, because the
// caller interrupted, stand beside it as `generated`.
//
// In both files a field without a value is null and never left out.

/// A line of the conversation.
package struct SpokenLine: Equatable, Sendable {
  package static let caller = "caller"
  package static let agent = "agent"

  /// "caller", "agent", or the side as the journal names it.
  package var speaker: String
  /// What was heard.
  package var text: String
  /// Milliseconds from the call's beginning, where they are known.
  package var start: Int64?
  package var end: Int64?
  /// Unix milliseconds at which the line was written down.
  package var at: Int64
  /// What the model had made, where that is not what was heard.
  package var generated: String?
  package var isInterrupted = false
  package var language: String?
  package var confidence: JSONTree = .null
  package var channel: Int64?
  /// How the model names it, where it does.
  private(set) var item = ""

  /// Nil for entries that hold no words: `final`, `interim`, `said` and `interrupted` do.
  package init?(_ entry: Entry) {
    at = entry.at
    start = entry.integer("start")
    end = entry.integer("end")
    language = entry.text("language")
    switch entry.kind {
    case "final", "interim":
      speaker = entry.text("side") ?? Self.caller
      text = entry.text("text") ?? ""
      if let number = entry.object["confidence"], number.double != nil { confidence = number }
      channel = speaker.hasPrefix("channel ") ? Int64(speaker.dropFirst(8)) : nil
    case "said":
      speaker = Self.agent
      text = entry.text("text") ?? ""
      item = entry.text("item") ?? ""
    case "interrupted":
      speaker = Self.agent
      text = entry.text("heard") ?? ""
      item = entry.text("item") ?? ""
      isInterrupted = true
      let whole = entry.text("generated") ?? text + (entry.text("unheard") ?? "")
      // Compared as bytes: what looks alike may be written differently.
      if !whole.isEmpty, !whole.utf8.elementsEqual(text.utf8) { generated = whole }
    default: return nil
    }
  }

  /// Only so many of so many milliseconds of it were heard, which is known only now. Which words
  /// these are is an estimate, back to the end of one; nobody says when which was spoken.
  package mutating func cut(heard: Int64, of whole: Int64) {
    isInterrupted = true
    guard heard < whole, generated == nil, !text.isEmpty else { return }
    let (share, made) = (Int(Double(text.utf8.count) * Double(max(heard, 0)) / Double(whole)), text)
    let end = made.utf8.index(made.startIndex, offsetBy: share)
    let isWord = made.utf8[end] == 0x20
    let space = isWord ? end : made.utf8[..<end].lastIndex(of: 0x20)
    generated = made
    text = space.map { String(made[..<$0]) } ?? ""
    if let start { self.end = start + max(heard, 0) }
  }

  /// It has words, and nobody has cut them.
  var isAllHeard: Bool { !text.isEmpty && !isInterrupted }

  /// As it stands in the transcript; `started` is the call's beginning in Unix milliseconds.
  package func tree(started: Int64?) -> JSONTree {
    let began = start.flatMap { start in started.map { $0.addingReportingOverflow(start) } }
    let time = began.map { $0.overflow ? at : $0.partialValue } ?? at
    return .made([
      "speaker": .known(speaker), "text": .text(text),
      "start_ms": .known(start), "end_ms": .known(end),
      "time": .text(timestamp(time)),
      "generated": .known(generated), "interrupted": .bool(isInterrupted),
      "language": .known(language), "confidence": confidence, "channel": .known(channel),
    ])
  }
}

extension JSONTree {
  static func known(_ number: Int64?) -> JSONTree { number.map { .integer($0) } ?? .null }
}

package struct CallHistory: Sendable {
  package static let schemaVersion = 1

  package let call: String
  private(set) var started: Entry?
  private(set) var ended: Entry?
  private(set) var lines: [SpokenLine] = []
  private(set) var firstAt: Int64?
  private(set) var lastAt: Int64 = 0

  private(set) var sessions = 0
  private(set) var connectMilliseconds: Int64?
  private(set) var reconnectMilliseconds: Int64?
  private(set) var request: String?
  /// The upstream that took over from the first.
  private(set) var fallback: Entry?
  private(set) var keys: [JSONTree] = []
  private(set) var bargeIns: [JSONTree] = []
  private(set) var losses: [JSONTree] = []
  private(set) var turns: [JSONTree] = []
  /// How long the caller heard nothing, of each turn of which that is known.
  private(set) var answerDelays: [Int64] = []
  private(set) var redials = 0
  private(set) var functions: [JSONTree] = []
  private(set) var interruptions = 0
  private(set) var missing: Int64 = 0
  private(set) var missingOfRelay: Int64 = 0
  private(set) var missingReasons: [String] = []

  package init(call: String) { self.call = call }

  /// The beginning, in Unix milliseconds: of the first entry where `started` itself is missing.
  package var startedAt: Int64? { started?.at ?? firstAt }
  /// The id of the call as the carrier gave it.
  package var id: String? { started?.text("id").flatMap { $0.isEmpty ? nil : $0 } }

  package mutating func take(_ entry: Entry) {
    if firstAt == nil { firstAt = entry.at }
    lastAt = max(lastAt, entry.at)
    switch entry.kind {
    case "started": if started == nil { started = entry }
    case "ended": if ended == nil { ended = entry }
    case "final", "said": if let line = SpokenLine(entry) { lines.append(line) }
    case "interrupted": takeInterrupted(entry)
    case "connected": takeConnected(entry)
    case "turn": takeTurn(entry)
    case "key": keys.append(.made(["key": .known(entry.text("key")), "at_ms": offset(of: entry)]))
    case "lost":
      losses.append(
        .made(["at_ms": offset(of: entry), "sentence": .known(entry.text("sentence"))]))
    case "redial": redials += 1
    case "fallback": if fallback == nil { fallback = entry }
    case "function": functions.append(function(entry))
    case "missing": takeMissing(entry)
    default: break
    }
  }

  private mutating func takeConnected(_ entry: Entry) {
    sessions += 1
    let milliseconds = entry.integer("milliseconds")
    if sessions == 1 {
      connectMilliseconds = milliseconds
    } else if let milliseconds {
      reconnectMilliseconds = max(reconnectMilliseconds ?? 0, milliseconds)
    }
    if let text = entry.text("request"), !text.isEmpty { request = text }
  }

  private mutating func takeTurn(_ entry: Entry) {
    var turn = JSONTree.made([
      "speech_end_ms": .known(entry.integer("speech_end")),
      "asked_ms": .known(entry.integer("asked")),
      "first_byte_ms": .known(entry.integer("first_byte")),
      "sent_ms": .known(entry.integer("sent")), "heard_ms": .known(entry.integer("heard")),
    ])
    // Of cascades alone.
    if let thought = entry.integer("thought") { turn.set("thought_ms", .integer(thought)) }
    turns.append(turn)
    guard let end = entry.integer("speech_end"), let heard = entry.integer("heard"), heard >= end
    else { return }
    answerDelays.append(heard - end)
  }

  /// Words that were told before are cut in their place. Journals of earlier relays do not say
  /// whether they were: there what has no words of its own is taken for that.
  private mutating func takeInterrupted(_ entry: Entry) {
    interruptions += 1
    let moment = offset(of: entry)
    if bargeIns.last != moment { bargeIns.append(moment) }
    guard let line = SpokenLine(entry) else { return }
    let told = lines.lastIndex { $0.speaker == SpokenLine.agent && $0.item == line.item }
    let wereSaid = entry.object["were_said"]?.isTrue ?? true
    guard wereSaid, line.text.isEmpty, line.generated == nil, let told, lines[told].isAllHeard,
      let heard = entry.integer("heard_milliseconds"),
      let whole = entry.integer("generated_milliseconds")
    else { return lines.append(line) }
    lines[told].cut(heard: heard, of: whole)
  }

  private mutating func takeMissing(_ entry: Entry) {
    let count = max(0, entry.integer("count") ?? 0)
    if entry.call == Entry.noCall { missingOfRelay += count } else { missing += count }
    if let reason = entry.text("reason"), !missingReasons.contains(reason) {
      missingReasons.append(reason)
    }
  }

  /// How many milliseconds after the beginning.
  func offset(of entry: Entry) -> JSONTree {
    .integer(max(0, entry.at - (startedAt ?? entry.at)))
  }
}
