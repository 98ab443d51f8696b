// The calls of functions that a request goes on from: what the model has called in its last answer,
// and what came of it. An endpoint refuses a request in which a call is not answered, so those that
// are not are left out.

struct CascadeRound: BitwiseCopyable {
  /// Messages of rounds that are closed, of this answer.
  private var closed = Chain()
  /// The calls of the open one, a JSON array as `ChatCalls` writes it, and answers to them.
  private var calls = Chain()
  private var answers = Chain()
  /// Which of them were answered, by the hashes of their ids.
  private var answered = InlineArray<16, UInt64>(repeating: 0)
  private var count = 0

  mutating func clear(in pool: BlockPool) {
    closed.clear(in: pool)
    calls.clear(in: pool)
    answers.clear(in: pool)
    self = CascadeRound()
  }

  /// The model calls these; false where the pool is dry.
  mutating func called(_ calls: Bytes, in pool: BlockPool) -> Bool {
    self.calls.clear(in: pool)
    answers.clear(in: pool)
    count = 0
    return self.calls.append(calls, from: pool)
  }

  /// One of them was answered: its message. False where it cannot be kept. One that another round
  /// has called is known by what was said since.
  mutating func answered(_ id: Bytes, _ message: Bytes, in pool: BlockPool) -> Bool {
    if calls.isEmpty { return true }
    guard let hash = Name(id)?.hash, count < 16 else { return false }
    guard answers.append(message, from: pool) else { return false }
    answered[count] = hash
    count += 1
    return true
  }

  private func isAnswered(_ id: Bytes) -> Bool {
    let hash = Name(id)?.hash
    return (0..<count).contains { answered[$0] == hash }
  }

  /// What a request goes on from, in `room`, whose second half is scratch; the open round is
  /// closed by it.
  mutating func messages(in room: Bytes, _ pool: BlockPool) -> Bytes {
    var text = Writer(room.prefix(room.count / 2))
    let scratch = room.dropping(room.count / 2)
    if count > 0 {
      writeCalls(&text, scratch: scratch, pool)
      text.write(Transcript.whole(answers, scratch: scratch, in: pool))
      _ = closed.append(text.written, from: pool)
    }
    calls.clear(in: pool)
    answers.clear(in: pool)
    count = 0
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
      kept.write(all[element.range])
    }
    kept.write("]")
    Chat.writeCalls(kept.written, after: .empty, &text)
  }
}
