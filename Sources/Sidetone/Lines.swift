// Lines for people, transcripts and the log, on their way to a writer that may be slow. A ring of
// bytes with a fixed size: a line that finds no room is dropped and counted, and nothing waits for
// it.

/// A line that was taken: which stream it belongs to, and its bytes, newline included.
package struct Line: Sendable {
  package enum Stream: Sendable { case transcript, log }
  package enum Colour: Sendable { case none, grey, yellow, red }
  package var stream: Stream
  package var count: Int
}

package struct Lines {
  private let arena: Buffer
  private let draft: Buffer
  private var start = 0
  private var used = 0
  /// Lines that found no room, ever.
  package private(set) var dropped = 0
  package static let lineBytesMax = 4096
  /// What comes on top of a line: its colour, the sign that it was cut, its newline.
  private static let aroundBytes = 16

  package init(bytes: Int) {
    precondition(bytes > Self.lineBytesMax)
    arena = Buffer(count: bytes)
    draft = Buffer(count: Self.lineBytesMax - Self.aroundBytes)
  }

  package var isEmpty: Bool { used == 0 }

  /// Where the next line is written; then `put`.
  package var blank: Writer { Writer(draft.bytes) }

  /// Appends the line with its newline; a line that was too long is cut, and says so.
  package mutating func put(
    _ line: Writer, _ stream: Line.Stream, _ colour: Line.Colour = .none
  ) {
    let cut: StaticString = line.overflowed ? "…" : ""
    let text = line.overflowed ? line.written.wholeCharacters : line.written
    let length =
      text.count &+ colour.begin.utf8CodeUnitCount &+ cut.utf8CodeUnitCount
      &+ colour.end.utf8CodeUnitCount &+ 1
    guard length &+ 3 <= arena.bytes.count &- used else {
      dropped &+= 1
      return
    }
    push(stream == .transcript ? 1 : 0)
    push(UInt8(truncatingIfNeeded: length >> 8))
    push(UInt8(truncatingIfNeeded: length))
    push(colour.begin)
    pushClean(text)
    push(cut)
    push(colour.end)
    push(0x0a)
  }

  private mutating func pushClean(_ text: Bytes) {
    // What comes from outside must not speak to a terminal: control characters become spaces, also
    // those of the upper set, which are two bytes in UTF-8 (C2, then 80 to 9F).
    var isSecond = false
    for index in 0..<text.count {
      let byte = text[index]
      let next = index &+ 1 < text.count ? text[index &+ 1] : 0
      let isFirst = byte == 0xc2 && next >= 0x80 && next <= 0x9f
      push(byte < 0x20 || byte == 0x7f || isFirst || isSecond ? 0x20 : byte)
      isSecond = isFirst
    }
  }

  /// Takes the oldest line into `place`, cut to fit.
  package mutating func take(into place: Bytes) -> Line? {
    guard !isEmpty else { return nil }
    let stream = pop() == 1 ? Line.Stream.transcript : .log
    let high = Int(pop())
    let length = high << 8 | Int(pop())
    for index in 0..<length {
      let byte = pop()
      if index < place.count { place[index] = byte }
    }
    return Line(stream: stream, count: min(length, place.count))
  }

  private mutating func push(_ text: StaticString) {
    for index in 0..<text.utf8CodeUnitCount { push(text.bytes[index]) }
  }

  private mutating func push(_ byte: UInt8) {
    arena.bytes[(start &+ used) % arena.bytes.count] = byte
    used &+= 1
  }

  private mutating func pop() -> UInt8 {
    let byte = arena.bytes[start]
    start = start &+ 1 == arena.bytes.count ? 0 : start &+ 1
    used &-= 1
    return byte
  }
}

extension Bytes {
  /// Without what may be the beginning of a character only.
  fileprivate var wholeCharacters: Bytes {
    var end = count
    while end > 0, self[end &- 1] & 0xc0 == 0x80 { end &-= 1 }
    return prefix(end > 0 && self[end &- 1] >= 0xc0 ? end &- 1 : end)
  }
}

extension Line.Colour {
  /// What turns it on at a terminal, and off again.
  fileprivate var begin: StaticString {
    switch self {
    case .none: ""
    case .grey: "\u{1b}[90m"
    case .yellow: "\u{1b}[33m"
    case .red: "\u{1b}[31m"
    }
  }
  fileprivate var end: StaticString { self == .none ? "" : "\u{1b}[0m" }
}
