// The calls of functions that a request goes on from: what the model has called in its last answer,
// and what came of it. An endpoint refuses a request in which a call is not answered, or one is
// that was not called: so those that are not answered are left out, and what comes late is known by
// the history alone.

struct CascadeRound: BitwiseCopyable {
  /// What answers to one round may take, and all rounds of an answer.
  private static let answersBytesMax = 16 * 1024
  private static let bytesMax = 32 * 1024
  private static let callsMax = 16

  /// Messages of rounds that are closed, of this answer.
  private var closed = Chain()
  /// The calls of the open one, a JSON array as `ChatCalls` writes it, and answers to them.
  private var calls = Chain()
  private var answers = Chain()
  /// The ids of those that are not answered, and of those that are, by their hashes.
  private var open = InlineArray<16, UInt64>(repeating: 0)
  private var openCount = 0
  private var answered = InlineArray<16, UInt64>(repeating: 0)
  private var answeredCount = 0

  mutating func clear(in pool: BlockPool) {
    closed.clear(in: pool)
    clearOpen(in: pool)
    self = CascadeRound()
  }

  private mutating func clearOpen(in pool: BlockPool) {
    calls.clear(in: pool)
    answers.clear(in: pool)
    openCount = 0
    answeredCount = 0
  }

  /// The model calls these; false where the pool is dry.
  mutating func begin(_ calls: Bytes, in pool: BlockPool) -> Bool {
    clearOpen(in: pool)
    guard let list = JSON.whole(of: calls), self.calls.append(calls, from: pool) else {
      return false
    }
    var elements = JSON.Elements(of: list, in: calls)
    while openCount < Self.callsMax, let element = elements.next() {
      guard let id = JSON.find("id", in: calls, under: element),
        let hash = Name(calls[id.range])?.hash
      else { continue }
      open[openCount] = hash
      openCount += 1
    }
    return true
  }

  /// One of them was answered. `room`: where its message is put together. False where there is none
  /// for it.
  mutating func answer(
    _ id: Bytes, _ answer: Bytes, room: Bytes, in pool: BlockPool
  ) -> Bool {
    guard let hash = Name(id)?.hash,
      let place = (0..<openCount).first(where: { open[$0] == hash })
    else { return true }
    let half = room.count / 2
    var message = Writer(room.prefix(half))
    Chat.writeAnswer(own(id, scratch: room.dropping(half), pool), answer, &message)
    guard !message.overflowed, answers.count + message.count <= Self.answersBytesMax,
      answers.append(message.written, from: pool)
    else { return false }
    openCount -= 1
    open[place] = open[openCount]
    answered[answeredCount] = hash
    answeredCount += 1
    return true
  }

  /// The endpoint's own id of the call that has this one.
  private func own(_ id: Bytes, scratch: Bytes, _ pool: BlockPool) -> Bytes {
    let all = Transcript.whole(calls, scratch: scratch, in: pool)
    guard let list = JSON.whole(of: all) else { return id }
    var elements = JSON.Elements(of: list, in: all)
    while let element = elements.next() {
      guard let found = JSON.find("id", in: all, under: element), all[found.range].equals(id)
      else { continue }
      return ChatCalls.own(element, in: all) ?? id
    }
    return id
  }

  private func isAnswered(_ id: Bytes) -> Bool {
    let hash = Name(id)?.hash
    return (0..<answeredCount).contains { answered[$0] == hash }
  }

  /// What a request goes on from, in `room`, whose second half is scratch; the open round is
  /// closed by it.
  mutating func messages(in room: Bytes, _ pool: BlockPool) -> Bytes {
    var text = Writer(room.prefix(room.count / 2))
    let scratch = room.dropping(room.count / 2)
    if answeredCount > 0 {
      writeCalls(&text, scratch: scratch, pool)
      text.write(Transcript.whole(answers, scratch: scratch, in: pool))
      precondition(!text.overflowed, "calls and answers are shorter than half of the room")
      // The oldest rounds are the first to go.
      if closed.count + text.count > Self.bytesMax { closed.clear(in: pool) }
      _ = closed.append(text.written, from: pool)
    }
    clearOpen(in: pool)
    return Transcript.whole(closed, scratch: room, in: pool)
  }

  private func writeCalls(_ text: inout Writer, scratch: Bytes, _ pool: BlockPool) {
    let all = Transcript.whole(calls, scratch: scratch, in: pool)
    guard let list = JSON.whole(of: all) else { return }
    // Chat writes what stands around them.
    var kept = Writer(scratch.dropping(all.count))
    kept.write("[")
    var elements = JSON.Elements(of: list, in: all)
    while let element = elements.next() {
      guard let id = JSON.find("id", in: all, under: element), isAnswered(all[id.range]) else {
        continue
      }
      if kept.count > 1 { kept.write(",") }
      ChatCalls.repeat(element, in: all, &kept)
    }
    kept.write("]")
    Chat.writeCalls(kept.written, after: .empty, &text)
  }
}
