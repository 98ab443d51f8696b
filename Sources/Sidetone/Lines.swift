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
  private var ring: ByteRing
  private let draft: Buffer
  /// Lines that found no room, ever; of these, lines of the transcript.
  package private(set) var dropped = 0
  package private(set) var droppedTranscripts = 0
  package static let lineBytesMax = 4096
  /// What comes on top of a line: its colour, the sign that it was cut, its newline.
  private static let aroundBytes = 16

  package init(bytes: Int) {
    precondition(bytes > Self.lineBytesMax)
    ring = ByteRing(bytes: bytes)
    draft = Buffer(count: Self.lineBytesMax - Self.aroundBytes)
  }

  package var isEmpty: Bool { ring.isEmpty }

  /// Where the next line is written; then `put`.
  package var blank: Writer { Writer(draft.bytes) }

  /// Appends the line with its newline; a line that was too long is cut, and says so.
  package mutating func put(
    _ line: Writer, _ stream: Line.Stream, _ colour: Line.Colour = .none
  ) {
    let text = line.overflowed ? line.written.wholeCharacters : line.written
    let shown = Shown(text, bytesMax: Self.lineBytesMax &- Self.aroundBytes)
    let cut: StaticString = line.overflowed || shown.end < text.count ? "…" : ""
    let length =
      shown.bytes &+ colour.begin.utf8CodeUnitCount &+ cut.utf8CodeUnitCount
      &+ colour.end.utf8CodeUnitCount &+ 1
    guard length &+ 3 <= ring.free else {
      dropped &+= 1
      if stream == .transcript { droppedTranscripts &+= 1 }
      return
    }
    ring.append(stream == .transcript ? 1 : 0)
    ring.append(length: length)
    push(colour.begin)
    pushShown(text.prefix(shown.end))
    push(cut)
    push(colour.end)
    ring.append(0x0a)
  }

  private mutating func pushShown(_ text: Bytes) {
    var at = 0
    while at < text.count {
      let mark = Mark(text, at)
      switch mark.length {
      case 0:
        ring.append(text[at])
        at &+= 1
        continue
      case _ where mark.isSpace: ring.append(0x20)
      default: mark.units { push(escapeOf: $0) }
      }
      at &+= mark.length
    }
  }

  private mutating func push(escapeOf unit: UInt16) {
    ring.append(0x5c)
    ring.append(0x75)
    for shift in [12, 8, 4, 0] as [UInt16] {
      let digit = UInt8(truncatingIfNeeded: unit >> shift) & 15
      ring.append(digit < 10 ? 0x30 &+ digit : 0x57 &+ digit)
    }
  }

  /// Takes the oldest line into `place`, cut to fit.
  package mutating func take(into place: Bytes) -> Line? {
    guard !isEmpty else { return nil }
    let stream = ring.take() == 1 ? Line.Stream.transcript : .log
    return Line(stream: stream, count: ring.take(ring.takeLength(), into: place))
  }

  private mutating func push(_ text: StaticString) {
    for index in 0..<text.utf8CodeUnitCount { ring.append(text.bytes[index]) }
  }
}

/// How much of a text has room where it is shown, and what it takes there.
struct Shown {
  private(set) var end = 0
  private(set) var bytes = 0

  init(_ text: Bytes, bytesMax: Int) {
    while end < text.count {
      let mark = Mark(text, end)
      var next = bytes &+ 1
      if mark.length > 0, !mark.isSpace { next = bytes &+ (mark.length == 4 ? 12 : 6) }
      if next > bytesMax { break }
      bytes = next
      end &+= max(mark.length, 1)
    }
    if end < text.count { (end, bytes) = Self.whole(text, end, bytes) }
  }

  /// Back to where a character begins.
  private static func whole(_ text: Bytes, _ end: Int, _ bytes: Int) -> (Int, Int) {
    var (end, bytes) = (end, bytes)
    while end > 0, text[end] & 0xc0 == 0x80 {
      end &-= 1
      bytes &-= 1
    }
    return (end, bytes)
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
