// One answer of a chat endpoint on its way to a voice: what comes of the body is words for the
// transcript as they are written, and pieces to be spoken as soon as they can be; what it calls is
// gathered until it is over.
//
//     body ──EventStream──▶ chunk ──▶ words ──▶ text that is still to be spoken ──cut──▶ say
//                             └──▶ calls
//
// `next` is asked again and again, with what is left of the body's piece, until it wants more; when
// the body is over, `last`.

package struct ChatAnswer: BitwiseCopyable, Sendable {
  /// What `scratch` has to hold.
  package static let scratchBytes = 2 * EventStream.lineBytesMax + SentenceCutter.bytesMax

  /// What is valid until the next call.
  package enum Step {
    /// Written by the model: the inside of a JSON string.
    case words(Bytes)
    /// To be spoken, UTF-8. `isFirst`: nothing of this answer was before.
    case say(Bytes, isFirst: Bool)
    /// An error that the event tells, or why the model would not answer.
    case complaint(Upstream.Complaint, in: Bytes)
    /// An event that cannot be read: some words are missing.
    case lost
    case needMore
  }

  private var stream = EventStream()
  /// What was written and is not spoken yet.
  private var text = Chain()
  package private(set) var calls = ChatCalls()
  package private(set) var finish: Chat.Finish?
  private var progress = Progress.silent

  private enum Progress: BitwiseCopyable { case silent, spoken }

  package init() {}

  package mutating func clear(in pool: BlockPool) {
    stream.clear(in: pool)
    text.clear(in: pool)
    calls.clear(in: pool)
    self = ChatAnswer()
  }

  /// How it ended, once its body is over: one that does not say why was cut off.
  package var ending: Upstream.Ending {
    switch finish {
    case .stop, .unknown: Upstream.Ending(.whole)
    case .calls: Upstream.Ending(calls.isEmpty ? .whole : .calls)
    case .filtered: Upstream.Ending(.failed)
    case .length, nil: Upstream.Ending(.cut)
    }
  }

  /// What follows from the front of `piece`, of which it leaves the rest.
  package mutating func next(
    in piece: inout Bytes, scratch: Bytes, from pool: BlockPool
  ) -> Step {
    let (line, room) = Self.split(scratch)
    while true {
      if let said = cut(isWhole: false, room, in: pool) { return said }
      switch stream.next(in: &piece, scratch: line, from: pool) {
      case .needMore: return .needMore
      case .lost: return .lost
      case .event(let event): if let step = take(event, from: pool) { return step }
      }
    }
  }

  /// The body is over: what is left of it.
  package mutating func last(scratch: Bytes, from pool: BlockPool) -> Step {
    let (line, room) = Self.split(scratch)
    switch stream.last(scratch: line, from: pool) {
    case .needMore: break
    case .lost: return .lost
    case .event(let event): if let step = take(event, from: pool) { return step }
    }
    return cut(isWhole: true, room, in: pool) ?? .needMore
  }

  private static func split(_ scratch: Bytes) -> (line: Bytes, text: Bytes) {
    (scratch.prefix(EventStream.lineBytesMax), scratch.dropping(EventStream.lineBytesMax))
  }

  // MARK: What is written

  private mutating func take(_ event: Bytes, from pool: BlockPool) -> Step? {
    let chunk = Chat.read(event)
    if chunk.isMalformed { return .lost }
    if let complaint = chunk.complaint { return .complaint(complaint, in: event) }
    if let reason = chunk.finish { finish = reason }
    if let pieces = chunk.calls { calls.take(pieces, in: event, from: pool) }
    if !chunk.refusal.isEmpty {
      return .complaint(
        Upstream.Complaint(code: 0..<0, message: chunk.refusal, scope: .warning), in: event)
    }
    if chunk.content.isEmpty { return nil }
    guard keep(event, chunk.content, from: pool) else { return .lost }
    return .words(event[chunk.content])
  }

  /// The text that the inside of a string stands for is to be spoken. False where the pool is dry.
  private mutating func keep(_ event: Bytes, _ content: Range<Int>, from pool: BlockPool) -> Bool {
    var characters = JSON.Text(JSON.Value(.string, content, hasEscapes: true), in: event)
    return Bytes.withTemporary(256) { piece in
      var count = 0
      while let byte = characters.next() {
        piece[count] = byte
        count &+= 1
        guard count == piece.count else { continue }
        guard text.append(piece, from: pool) else { return false }
        count = 0
      }
      return text.append(piece.prefix(count), from: pool)
    }
  }

  // MARK: What is spoken

  /// The next piece that can be; what holds nothing to be said is passed over.
  private mutating func cut(isWhole: Bool, _ room: Bytes, in pool: BlockPool) -> Step? {
    while !text.isEmpty {
      let all = text.whole(text.count, at: text.first(), scratch: room, in: pool)
      let isFirst = progress == .silent
      guard let count = SentenceCutter.cut(all, isFirst: isFirst, isWhole: isWhole) else {
        return nil
      }
      // Its block may be given back.
      room.copy(all.prefix(count))
      text.drop(count, in: pool)
      let said = room.prefix(count)
      guard Self.isSpeakable(said) else { continue }
      progress = .spoken
      return .say(said, isFirst: isFirst)
    }
    return nil
  }

  private static func isSpeakable(_ text: Bytes) -> Bool {
    for at in 0..<text.count {
      let byte = text[at]
      let isLetter = (0x41...0x5a).contains(byte & 0xdf)
      if isLetter || byte >= 0x80 || (0x30...0x39).contains(byte) { return true }
    }
    return false
  }
}
