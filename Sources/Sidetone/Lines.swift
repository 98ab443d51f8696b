// Lines for people, transcripts and the log, on their way to a writer that may be slow. A ring of
// bytes with a fixed size: a line that finds no room is dropped and counted, and nothing waits for
// it.

/// A line that was taken: which stream it belongs to, and its bytes, newline included.
package struct Line: Sendable {
  package enum Stream: Sendable { case transcript, log }
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

  package init(bytes: Int) {
    precondition(bytes > Self.lineBytesMax)
    arena = Buffer(count: bytes)
    // The newline comes on top.
    draft = Buffer(count: Self.lineBytesMax - 1)
  }

  package var isEmpty: Bool { used == 0 }

  /// Where the next line is written; then `put`.
  package var blank: Writer { Writer(draft.bytes) }

  /// Appends the line with its newline; a line that was too long is cut.
  package mutating func put(_ line: Writer, _ stream: Line.Stream) {
    let length = line.count
    guard length &+ 4 <= arena.bytes.count &- used else {
      dropped &+= 1
      return
    }
    push(stream == .transcript ? 1 : 0)
    push(UInt8(truncatingIfNeeded: (length &+ 1) >> 8))
    push(UInt8(truncatingIfNeeded: length &+ 1))
    // What comes from outside must not speak to a terminal: control characters become spaces, also
    // those of the upper set, which are two bytes in UTF-8 (C2, then 80 to 9F).
    var isSecond = false
    for index in 0..<length {
      let byte = line.written[index]
      let next = index &+ 1 < length ? line.written[index &+ 1] : 0
      let isFirst = byte == 0xc2 && next >= 0x80 && next <= 0x9f
      push(byte < 0x20 || byte == 0x7f || isFirst || isSecond ? 0x20 : byte)
      isSecond = isFirst
    }
    push(0x0a)
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
