// One answer of a chat endpoint on its way to a voice: what comes of the body is words for the
// transcript as they are written, and pieces to be spoken as soon as they can be, without what is
// only for the eye; what it calls is gathered until it is over. Why the model would not answer is
// written to the caller, and so it is words as others are. What it thinks before (ChatThoughts) is
// not.
//
//     body ──EventStream──▶ chunk ──▶ words ──▶ text that is still to be spoken ──cut──▶ say
//                             └──▶ calls
//
// `next` is asked again and again, with what is left of the body's piece, until it wants more; when
// the body is over, `last`.

package struct ChatAnswer: BitwiseCopyable, Sendable {
  /// What `scratch` has to hold.
  package static let scratchBytes = EventStream.lineBytesMax + SentenceCutter.bytesMax

  /// What is valid until the next call.
  package enum Step {
    /// Written by the model: the inside of a JSON string.
    case words(Bytes)
    /// To be spoken, UTF-8. `isFirst`: nothing of this answer was before.
    case say(Bytes, isFirst: Bool)
    /// Nothing to be heard, but a sign of life: it thinks, or writes down what it calls.
    case progress
    /// It says that it is over.
    case over
    /// An error that the event tells.
    case complaint(Upstream.Complaint, in: Bytes)
    /// An event that cannot be read: some words are missing.
    case lost
    case needMore
  }

  private var stream = EventStream()
  /// What was written and is not spoken yet.
  private var text = Chain()
  private var thoughts = ChatThoughts()
  private var spoken = SpokenText()
  package private(set) var calls = ChatCalls()
  package private(set) var finish: Chat.Finish?
  /// What it wrote is followed by calls.
  private var hasCalledLast = false
  /// It has said that it is over, whether or not its body is.
  package private(set) var isOver = false
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
    // Not all say that they have called.
    case .stop, .calls, .unknown: Upstream.Ending(calls.isEmpty ? .whole : .calls)
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
      let isWhole = isOver || finish != nil || hasCalledLast
      if let said = cut(isWhole: isWhole, room, in: pool) { return said }
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
    if chunk.isDone {
      isOver = true
      return .over
    }
    if let complaint = chunk.complaint { return .complaint(complaint, in: event) }
    if let reason = chunk.finish { finish = reason }
    if let pieces = chunk.calls { calls.take(pieces, in: event, from: pool) }
    hasCalledLast = chunk.calls != nil
    let content = chunk.content.dropFirst(thoughts.length(in: event[chunk.content]))
    let words = content.isEmpty ? chunk.refusal : content
    if words.isEmpty {
      let isAlive = chunk.isThinking || !chunk.content.isEmpty || chunk.calls != nil
      return isAlive ? .progress : nil
    }
    guard keep(event, words, from: pool) else { return .lost }
    return .words(event[words])
  }

  /// The text that the inside of a string stands for is to be spoken. False where the pool is dry.
  private mutating func keep(_ event: Bytes, _ content: Range<Int>, from pool: BlockPool) -> Bool {
    // It is not longer than its string.
    guard text.hasRoom(content.count, in: pool) else { return false }
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

  /// The next piece that can be, as it is said; what holds nothing to be said is passed over.
  private mutating func cut(isWhole: Bool, _ room: Bytes, in pool: BlockPool) -> Step? {
    while !text.isEmpty {
      let front = text.whole(
        min(text.count, SentenceCutter.bytesMax), at: text.first(), scratch: room, in: pool)
      let isFirst = progress == .silent
      guard let count = SentenceCutter.cut(front, isFirst: isFirst, isWhole: isWhole) else {
        return nil
      }
      // Its block may be given back.
      room.copy(front.prefix(count))
      text.drop(count, in: pool)
      let said = spoken.take(room.prefix(count))
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
