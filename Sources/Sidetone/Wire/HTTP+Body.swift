// The body behind a head. Chunked bodies are decoded where they lie: proxies that translate HTTP/2
// send webhooks so, though carriers themselves name a length.

extension HTTP {
  package enum Body: Equatable, Sendable {
    /// The content is the first `count` bytes; `consumed` is what it took on the wire.
    case complete(count: Int, consumed: Int)
    case needMore
    case bad(Fault)
  }

  /// Looks for the whole body at the start of `bytes`, which is everything that came behind the
  /// head. Content and chunk framing together may take `limit` bytes. Once `complete` was answered
  /// for a chunked body its bytes are decoded, so the question must not be asked again.
  @_noAllocation package static func body(
    _ framing: Framing, in bytes: Bytes, limit: Int
  ) -> Body {
    switch framing {
    case .none:
      return .complete(count: 0, consumed: 0)
    case .length(let length):
      guard length <= limit else { return .bad(.bodyTooLarge) }
      return bytes.count >= length ? .complete(count: length, consumed: length) : .needMore
    case .untilClose:
      return bytes.count > limit ? .bad(.bodyTooLarge) : .needMore
    case .chunked:
      let outcome = measureChunks(bytes.prefix(min(bytes.count, limit)))
      guard case .complete(_, let consumed) = outcome else {
        return outcome == .needMore && bytes.count >= limit ? .bad(.bodyTooLarge) : outcome
      }
      return .complete(count: joinChunks(bytes.prefix(consumed)), consumed: consumed)
    }
  }

  /// RFC 9112 §7.1: size in hexadecimal, extensions that are ignored, CR LF, that many bytes, CR
  /// LF; a chunk of size 0, then trailer lines that are ignored, and an empty line.
  @_noAllocation private static func measureChunks(_ bytes: Bytes) -> Body {
    var at = 0
    var count = 0
    while true {
      switch readChunkLine(bytes, at) {
      case .needMore: return .needMore
      case .bad(let fault): return .bad(fault)
      case .complete(let chunk):
        if chunk.size == 0 { return measureTrailer(bytes, from: chunk.start, count: count) }
        let end = chunk.start &+ chunk.size
        guard end &+ 2 <= bytes.count else {
          return end < bytes.count && bytes[end] != 0x0d ? .bad(.badChunk) : .needMore
        }
        guard bytes[end] == 0x0d, bytes[end &+ 1] == 0x0a else { return .bad(.badChunk) }
        count &+= chunk.size
        at = end &+ 2
      }
    }
  }

  private struct Chunk: BitwiseCopyable {
    var size = 0
    /// Where its bytes begin.
    var start = 0
  }

  @_noAllocation private static func readChunkLine(_ bytes: Bytes, _ from: Int) -> Parsed<Chunk> {
    var at = from
    var chunk = Chunk()
    while at < bytes.count, let digit = Query.hexValue(bytes[at]) {
      // Seven digits are beyond any limit and far from overflow.
      guard at &- from < 7 else { return .bad(.bodyTooLarge) }
      chunk.size = chunk.size << 4 | Int(digit)
      at &+= 1
    }
    guard at < bytes.count else { return .needMore }
    guard at > from else { return .bad(.badChunk) }
    if bytes[at] != 0x0d {
      // An extension begins with a semicolon, perhaps behind white space.
      guard bytes[at] == 0x3b || bytes[at] == 0x20 || bytes[at] == 0x09 else {
        return .bad(.badChunk)
      }
      while at < bytes.count, isText(bytes[at]) { at &+= 1 }
      guard at < bytes.count else { return .needMore }
    }
    guard bytes[at] == 0x0d else { return .bad(.badChunk) }
    guard at &+ 1 < bytes.count else { return .needMore }
    guard bytes[at &+ 1] == 0x0a else { return .bad(.badChunk) }
    chunk.start = at &+ 2
    return .complete(chunk)
  }

  @_noAllocation private static func measureTrailer(
    _ bytes: Bytes, from start: Int, count: Int
  ) -> Body {
    var at = start
    while true {
      let line = at
      while at < bytes.count, isText(bytes[at]) { at &+= 1 }
      guard at < bytes.count else { return .needMore }
      guard bytes[at] == 0x0d else { return .bad(.badChunk) }
      guard at &+ 1 < bytes.count else { return .needMore }
      guard bytes[at &+ 1] == 0x0a else { return .bad(.badChunk) }
      if at == line { return .complete(count: count, consumed: at &+ 2) }
      at &+= 2
    }
  }

  /// Moves the chunks of a measured body together at its front; answers how many bytes they are.
  @_noAllocation private static func joinChunks(_ bytes: Bytes) -> Int {
    var at = 0
    var count = 0
    while case .complete(let chunk) = readChunkLine(bytes, at), chunk.size > 0 {
      bytes.copy(bytes[chunk.start..<chunk.start &+ chunk.size], at: count)
      count &+= chunk.size
      at = chunk.start &+ chunk.size &+ 2
    }
    return count
  }
}
