// What was said in a call so far, kept for the session that may have to go on with it: the newest
// turns, in blocks of the shared pool. The oldest fall out where there are too many, or where the
// pool has no more than what calls that begin need.

package struct HistoryRing: BitwiseCopyable, Sendable {
  package static let entriesMax = Limits.historyEntriesMax
  package static let bytesMax = Limits.historyBytesMax

  private var entries = Chain()
  private var count: UInt16 = 0
  /// Turns that fell out, of all in the call.
  private(set) var leftOut: UInt32 = 0
  /// What was said from then on, in milliseconds of the call, is left out: it is said again.
  private var end = Int32.max

  package init() {}

  package var isEmpty: Bool { count == 0 }

  mutating func clear(in pool: BlockPool) {
    entries.clear(in: pool)
    count = 0
  }

  /// Keeps one more turn; how many older ones, or the turn itself, fell out for it.
  package mutating func add(
    _ speaker: Upstream.History.Speaker, _ text: Bytes, of item: UInt64 = 0, since: Int,
    in pool: BlockPool
  ) -> Int {
    typealias Entry = Upstream.History.Entry
    if text.isEmpty { return 0 }
    let fitting = JSON.wholePrefix(of: text, upTo: Self.bytesMax / 2)
    let entry = Entry(speaker: speaker, since: since, item: item, text: text.prefix(fitting))
    var dropped = 0
    while count > 0, !hasRoom(for: entry.bytes, in: pool) {
      dropFirst(in: pool)
      dropped += 1
    }
    if !hasRoom(for: entry.bytes, in: pool) {
      dropped += 1
    } else {
      append(entry, in: pool)
    }
    leftOut &+= UInt32(dropped)
    return dropped
  }

  private func hasRoom(for bytes: Int, in pool: BlockPool) -> Bool {
    count < Self.entriesMax && entries.count + bytes <= Self.bytesMax
      && entries.hasRoom(bytes, in: pool) && pool.free > Limits.callBlocksMin
  }

  private mutating func append(_ entry: Upstream.History.Entry, in pool: BlockPool) {
    Bytes.withTemporary(Upstream.History.Entry.headBytes) { head in
      entry.write(head: head)
      let isKept = entries.append(head, from: pool) && entries.append(entry.text, from: pool)
      precondition(isKept, "its room was counted before")
    }
    count &+= 1
  }

  private mutating func dropFirst(in pool: BlockPool) {
    Bytes.withTemporary(Upstream.History.Entry.headBytes) { scratch in
      let head = entries.whole(scratch.count, at: entries.first(), scratch: scratch, in: pool)
      entries.drop(Upstream.History.Entry.bytes(from: head), in: pool)
    }
    count &-= 1
  }

  // MARK: What was not heard, or is said again

  /// Of what the agent said last as this item only so much was heard. `item` 0: nobody knows which;
  /// the latest. `scratch` holds at least `bytesMax`.
  package mutating func cut(
    _ item: UInt64, heard: Int, of generated: Int, scratch: Bytes, in pool: BlockPool
  ) {
    let all = gathered(scratch, in: pool)
    var last = -1
    Self.walk(all) { place, entry in
      if entry.isAgents, item == 0 || entry.item == item { last = place }
    }
    guard last >= 0 else { return }
    clear(in: pool)
    Self.walk(all) { place, entry in
      var entry = entry
      if place == last {
        let end = Transcript.cut(entry.text, heard: heard, of: generated)
        entry.text = entry.text.prefix(end)
      }
      if !entry.text.isEmpty { append(entry, in: pool) }
    }
  }

  /// What was said from then on is said again.
  package mutating func forget(from since: Int, scratch: Bytes, in pool: BlockPool) {
    let all = gathered(scratch, in: pool)
    clear(in: pool)
    Self.walk(all) { _, entry in if !entry.isSaidAgain(from: since) { append(entry, in: pool) } }
  }

  private func gathered(_ scratch: Bytes, in pool: BlockPool) -> Bytes {
    guard count > 0 else { return .empty }
    let all = entries.whole(entries.count, at: entries.first(), scratch: scratch, in: pool)
    // The blocks are given back before it is read.
    scratch.copy(all)
    return scratch.prefix(all.count)
  }

  private static func walk(
    _ all: Bytes, _ body: (_ place: Int, Upstream.History.Entry) -> Void
  ) {
    var place = 0
    while place < all.count {
      let entry = Upstream.History.Entry(at: place, in: all)
      body(place, entry)
      place += entry.bytes
    }
  }

  // MARK: Telling

  /// The same, but for what was said from then on; `max`: all of it.
  func before(_ since: Int) -> HistoryRing {
    var ring = self
    ring.end = Int32(clamping: since)
    return ring
  }

  private static let earlier: StaticString = "(What was said before is left out.)"
  private static let unheard: StaticString =
    "(Nothing of what the caller said before was written down.)"

  /// What a session is told; it lies in `scratch`, which holds at least `bytesMax`.
  package func told(scratch: Bytes, in pool: BlockPool) -> Upstream.History {
    let all = gathered(scratch, in: pool)
    var kept = Writer(scratch)
    var hasCallers = false
    Self.walk(all) { place, entry in
      guard !entry.isSaidAgain(from: Int(end)) else { return }
      // Over itself, or what came before it.
      kept.write(all[place..<place + entry.bytes])
      if entry.speaker == .caller { hasCallers = true }
    }
    if kept.count == 0 { return .none }
    return Upstream.History(
      kept.written, note: leftOut > 0 ? Self.earlier : hasCallers ? "" : Self.unheard)
  }
}
