// The conversation so far, as a session that begins in its middle is told of it: what the caller
// said, what was heard of the agent, what functions answered, each in the order in which it was
// said. Every row has its own words for that (`Upstream.History.Telling`); the call keeps what is
// told (`HistoryRing`).
//
//     0         2            4         8          16
//     ┌─────────┬────────────┬─────────┬──────────┬───────────────────────────────┐
//     │ speaker │ text bytes │ since   │ item     │ text, a JSON string's inside  │
//     └─────────┴────────────┴─────────┴──────────┴───────────────────────────────┘

extension Upstream {
  package struct History {
    package enum Speaker: UInt8, BitwiseCopyable, Sendable {
      case caller, agent
      /// A function that the model called.
      case function
      /// The relay itself, of what it does not know.
      case relay
    }

    /// One thing that was said.
    package struct Entry {
      package var speaker: Speaker
      /// Milliseconds of the call at which it began.
      var since = 0
      /// The hash of the item's name.
      var item: UInt64 = 0
      /// The inside of a JSON string, as its writer left it.
      package var text: Bytes

      package var isAgents: Bool { speaker == .agent }

      /// Where what callers said from then on is said again. A function answers only once.
      func isSaidAgain(from time: Int) -> Bool { since >= time && speaker != .function }
    }

    /// How a session is told.
    package enum Telling: Sendable {
      /// Its description holds it: `setup` writes it.
      case described
      /// A message, or one after the other while something is left; nothing written: there is
      /// nothing to tell.
      case told(@Sendable (_ session: Session, inout History, inout Writer) -> Void)
    }

    private let entries: Bytes
    private var at = 0
    private var note: StaticString
    /// The session was described with it, and waits for it before anything else.
    package var isAwaited = false

    package static var none: History { History(.empty) }

    /// `note`: what the relay has to say first; empty: nothing.
    package init(_ entries: Bytes, note: StaticString = "") {
      self.entries = entries
      self.note = note
    }

    package var isEmpty: Bool { note.utf8CodeUnitCount == 0 && at == entries.count }

    /// The next thing that was said; nil: that was all.
    package mutating func next() -> Entry? {
      if note.utf8CodeUnitCount > 0 {
        defer { note = "" }
        return Entry(speaker: .relay, text: note.bytes)
      }
      guard at < entries.count else { return nil }
      let entry = Entry(at: at, in: entries)
      at &+= entry.bytes
      return entry
    }
  }
}

// MARK: How it is kept

extension Upstream.History.Entry {
  static let headBytes = 16
  static let textBytesMax = Int(UInt16.max)

  /// How long an entry is that begins so.
  static func bytes(from head: Bytes) -> Int { headBytes + Int(head.load(UInt16.self, at: 2)) }

  var bytes: Int { Self.headBytes + text.count }

  init(at place: Int, in entries: Bytes) {
    let rest = entries.dropping(place)
    speaker = Upstream.History.Speaker(rawValue: rest[0]) ?? .relay
    since = Int(rest.load(Int32.self, at: 4))
    item = rest.load(UInt64.self, at: 8)
    text = rest[Self.headBytes..<Self.bytes(from: rest)]
  }

  /// What stands in front of its text.
  func write(head: Bytes) {
    head.store(UInt16(speaker.rawValue), at: 0)
    head.store(UInt16(text.count), at: 2)
    head.store(Int32(clamping: since), at: 4)
    head.store(item, at: 8)
  }
}

extension Upstream.History {
  /// All that is left, as elements of a JSON array: what stands in front of a text and behind it is
  /// the row's.
  mutating func write(
    into writer: inout Writer, from agents: StaticString, others: StaticString, end: StaticString
  ) {
    var isFirst = true
    while let entry = next() {
      if !isFirst { writer.write(",") }
      isFirst = false
      writer.write(entry.isAgents ? agents : others)
      writer.write(entry)
      writer.write(end)
    }
  }
}

extension Writer {
  /// What was said, as the inside of a JSON string.
  mutating func write(_ entry: Upstream.History.Entry) { write(jsonText: entry.text) }
}
