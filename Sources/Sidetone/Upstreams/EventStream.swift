// Server-sent events (WHATWG HTML §9.2), as servers of language models write them: each event is
// one line of data. It is taken at the end of its line, so that an empty line which a server
// forgets, or sends late, holds nothing up. The body may be cut anywhere, in the middle of a line's
// end or of a character too: what is left of a line waits in blocks of the pool.
//
//     data: {"id":…}⏎        an event
//     : keep-alive⏎          a comment, skipped as all other fields are
//     {"error":…}⏎           an answer that is no stream: taken as an event as well

package struct EventStream: BitwiseCopyable, Sendable {
  /// The longest line; what is longer is skipped to its end.
  package static let lineBytesMax = 16 * 1024

  package enum Step {
    /// One event's data, valid until the next call.
    case event(Bytes)
    /// A line was too long, or the pool is dry: it is not known what it said.
    case lost
    /// All of the piece was taken.
    case needMore
  }

  /// The beginning of a line whose end has not come.
  private var rest = Chain()
  private var isSkipping = false

  package init() {}

  package mutating func clear(in pool: BlockPool) {
    rest.clear(in: pool)
    isSkipping = false
  }

  /// Takes the next event from the front of `piece`, of which it leaves what follows. `scratch`
  /// holds `lineBytesMax`.
  package mutating func next(
    in piece: inout Bytes, scratch: Bytes, from pool: BlockPool
  ) -> Step {
    while !piece.isEmpty {
      guard let end = Self.lineEnd(in: piece) else { return keep(&piece, in: pool) }
      let line = take(piece.prefix(end), scratch: scratch, from: pool)
      piece = piece.dropping(end &+ 1)
      guard let line else { return .lost }
      if let data = Self.data(of: line) { return .event(data) }
    }
    return .needMore
  }

  /// The body is over: what its last line holds, which may lack its end.
  package mutating func last(scratch: Bytes, from pool: BlockPool) -> Step {
    if isSkipping || rest.isEmpty { return .needMore }
    guard let line = take(.empty, scratch: scratch, from: pool) else { return .lost }
    return Self.data(of: line).map { .event($0) } ?? .needMore
  }

  private mutating func keep(_ piece: inout Bytes, in pool: BlockPool) -> Step {
    defer { piece = .empty }
    if isSkipping { return .needMore }
    if rest.count &+ piece.count <= Self.lineBytesMax, rest.append(piece, from: pool) {
      return .needMore
    }
    rest.clear(in: pool)
    isSkipping = true
    return .lost
  }

  /// A whole line, of which this is the end. Nil: it is too long to be known. One that is skipped
  /// is empty: that it is lost was said.
  private mutating func take(_ end: Bytes, scratch: Bytes, from pool: BlockPool) -> Bytes? {
    if isSkipping {
      isSkipping = false
      return .empty
    }
    let count = rest.count &+ end.count
    guard count <= Self.lineBytesMax else {
      rest.clear(in: pool)
      return nil
    }
    if rest.isEmpty { return end }
    let start = rest.whole(rest.count, at: rest.first(), scratch: scratch, in: pool)
    scratch.copy(start)
    scratch.copy(end, at: start.count)
    rest.clear(in: pool)
    return scratch.prefix(count)
  }

  /// Lines end with CR, LF or both; the empty line between the two is none.
  private static func lineEnd(in piece: Bytes) -> Int? {
    for at in 0..<piece.count where piece[at] == 0x0a || piece[at] == 0x0d { return at }
    return nil
  }

  private static func data(of line: Bytes) -> Bytes? {
    if !line.isEmpty, line[0] == UInt8(ascii: "{") { return line }
    let field: StaticString = "data:"
    guard line.starts(with: field) else { return nil }
    let data = line.dropping(field.utf8CodeUnitCount)
    return !data.isEmpty && data[0] == 0x20 ? data.dropping(1) : data
  }
}
