// What reasoning models write in front of their answer where their server leaves it there, between
// `<think>` and `</think>`: it is nobody's words. Servers that take it out send it beside the
// answer (`reasoning_content`).
//
//     front ──"<think>"──▶ thinking ──"</think>"──▶ behind ──a letter──▶ answer
//       └─────────────────────── any other letter ─────────────────────────▲
//
// The first of both is one token of such models and comes in one piece; the other may be cut.

package struct ChatThoughts: BitwiseCopyable, Sendable {
  private enum State: BitwiseCopyable {
    /// Nothing but space was written.
    case front
    /// So many letters of the end have come.
    case thinking(Int)
    /// Space behind the thoughts is theirs.
    case behind
    case answer
  }
  private var state = State.front

  private static let begin: StaticString = "<think>"
  private static let end: StaticString = "</think>"

  package init() {}

  /// How much of the front of `content`, the inside of a JSON string, is thoughts, or space in
  /// front of all.
  package mutating func length(in content: Bytes) -> Int {
    if case .answer = state { return 0 }
    var text = JSON.Text(content)
    var length = 0
    if case .front = state { length = takeBegin(of: &text) }
    while true {
      switch state {
      case .answer: return length
      case .front, .thinking, .behind: length = text.place
      }
      guard let byte = text.next() else { return content.count }
      take(byte)
    }
  }

  /// How much space there is in front.
  private mutating func takeBegin(of text: inout JSON.Text) -> Int {
    var (matched, front) = (0, 0)
    while matched < Self.begin.utf8CodeUnitCount {
      if matched == 0 { front = text.place }
      guard let byte = text.next() else {
        if matched > 0 { state = .answer }
        return front
      }
      if matched == 0, SpokenText.isSpace(byte) { continue }
      guard byte == Self.begin.bytes[matched] else {
        state = .answer
        return front
      }
      matched += 1
    }
    state = .thinking(0)
    return front
  }

  private mutating func take(_ byte: UInt8) {
    switch state {
    case .thinking(let matched):
      if byte == Self.end.bytes[matched] {
        let isEnd = matched + 1 == Self.end.utf8CodeUnitCount
        state = isEnd ? .behind : .thinking(matched + 1)
      } else {
        state = .thinking(byte == Self.end.bytes[0] ? 1 : 0)
      }
    case .behind where !SpokenText.isSpace(byte): state = .answer
    case .front, .behind, .answer: break
    }
  }
}
