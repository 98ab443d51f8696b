// What is said in a call as words: gathered piece by piece, and whole when they are whole. What
// becomes of them (the terminal, the caller, later a record) is the call's business.
//
// Words are the inside of a JSON string, escapes and all, in blocks of the shared pool.

package struct Transcript: BitwiseCopyable, Sendable {
  /// Increments of what the caller is saying.
  private var callerWords = Chain()
  private var transcription = Transcription.off

  /// Whether the session writes down what the caller says, and how much of it is still to come.
  private enum Transcription: BitwiseCopyable {
    case off
    case on(owed: Int)
  }

  init() {}

  mutating func release(to pool: BlockPool) { callerWords.clear(in: pool) }

  // MARK: What is owed

  /// The session says whether it will transcribe.
  mutating func sessionBegan(transcribes: Bool) {
    transcription = transcribes ? .on(owed: 0) : .off
  }

  /// Nothing is awaited of this session (any more).
  mutating func forgetOwed() {
    if case .on = transcription { transcription = .on(owed: 0) }
  }

  /// Stretches of speech that were heard (1), or whose words have come or will not (-1).
  mutating func owe(_ more: Int) {
    if case .on(let owed) = transcription { transcription = .on(owed: max(0, owed &+ more)) }
  }

  /// Words of the caller are still to come.
  var isOwedWords: Bool {
    if case .on(let owed) = transcription { return owed > 0 }
    return false
  }

  // MARK: The caller's words

  /// An increment of what the caller is saying; what is too long for anybody to read is left out.
  mutating func gather(_ text: Bytes, from pool: BlockPool) {
    Self.append(text, to: &callerWords, from: pool)
  }

  /// A whole sentence came, instead of all increments before it.
  mutating func forgetIncrements(in pool: BlockPool) { callerWords.clear(in: pool) }

  /// The increments, once they are complete: the agent answers, and no whole sentence is to come
  /// instead. Empty where there is nothing. Valid until the scratch is written again; then
  /// `forgetIncrements`.
  func increments(scratch: Bytes, in pool: BlockPool) -> Bytes {
    isOwedWords ? .empty : Self.whole(callerWords, scratch: scratch, in: pool)
  }

  // MARK: Pieces

  static func append(_ text: Bytes, to words: inout Chain, from pool: BlockPool) {
    guard words.count + text.count <= Limits.wordsBytesMax else { return }
    _ = words.append(text, from: pool)
  }

  /// All of a text in one piece.
  static func whole(_ words: Chain, scratch: Bytes, in pool: BlockPool) -> Bytes {
    guard words.count > 0 else { return .empty }
    return words.whole(words.count, at: words.first(), scratch: scratch, in: pool)
  }

  /// Whether a text is this one.
  static func equals(_ words: Chain, _ text: Bytes, in pool: BlockPool) -> Bool {
    guard words.count == text.count else { return false }
    var cursor = words.first()
    var at = 0
    while at < text.count {
      let run = words.run(at: &cursor, upTo: text.count - at, in: pool)
      guard run.equals(text[at..<at + run.count]) else { return false }
      words.advance(&cursor, by: run.count, in: pool)
      at += run.count
    }
    return true
  }

  /// Where an interrupted text is cut: the share of it that the time is, at the end of a whole
  /// word. Which words were heard is an estimate; nobody says when which was spoken.
  static func cut(_ text: Bytes, heard: Int, of generated: Int) -> Int {
    let share = generated > 0 ? text.count &* min(heard, generated) / generated : 0
    if share >= text.count { return text.count }
    var at = share
    while at > 0, text[at] != 0x20 { at -= 1 }
    return at
  }
}
