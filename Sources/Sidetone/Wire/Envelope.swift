// Every frame.
//
// The constant text around audio, rendered once when a call or a session starts: prefix, audio,
// suffix is then a whole message, and no vendor's code runs for a frame. It lives in the call's
// slot and serves both directions: what a caller hears, and what an upstream is sent. Sealing is
// `mutating` though nothing changes: only so are the texts read where they lie.

package struct Envelope: BitwiseCopyable, Sendable {
  private var prefix = Part()
  private var suffix = Part()

  package init() {}

  /// Takes copies; nil where a part is too long.
  package init?(prefix: Bytes, suffix: Bytes) {
    guard prefix.count <= Part.bytesMax, suffix.count <= Part.bytesMax else { return nil }
    self.prefix = Part(prefix)
    self.suffix = Part(suffix)
  }

  /// How much audio one message holds at most.
  @_noAllocation package func audioBytesMax(as payloadEncoding: Media.PayloadEncoding) -> Int {
    most(written(payloadEncoding))
  }

  /// Puts a payload that is base64 already into messages of the server side: one, or several where
  /// it does not fit in a block. False and nothing done where the pool is dry; nothing comes of
  /// nothing.
  @_noAllocation package mutating func seal(
    base64 payload: Bytes, into outbox: inout Chain, from pool: BlockPool
  ) -> Bool {
    seal(payload, .asItIs, key: nil, into: &outbox, from: pool)
  }

  /// The same with the audio itself, which is written straight into the outbox as `payloadEncoding`
  /// has it: integers are made of little-endian samples of two bytes, binary messages have no text
  /// around them. Masked where there is a `key`; a key is for one frame (RFC 6455 §5.3), so such
  /// audio has at most `audioBytesMax`.
  @inline(__always) package mutating func seal(
    audio: Bytes, as payloadEncoding: Media.PayloadEncoding = .base64, key: UInt32? = nil,
    into outbox: inout Chain, from pool: BlockPool
  ) -> Bool {
    seal(audio, written(payloadEncoding), key: key, into: &outbox, from: pool)
  }

  /// How the bytes at hand become the text of a message.
  private enum Writing { case asItIs, base64, integers, binary }

  private func written(_ payloadEncoding: Media.PayloadEncoding) -> Writing {
    switch payloadEncoding {
    case .base64: .base64
    case .integers: .integers
    case .binary: .binary
    }
  }

  /// The most bytes for one message. Base64 is cut between its groups, and only after a multiple of
  /// 160 of them, so that 20 ms of audio is not cut either; a sample is at most seven characters.
  @inline(__always) private func most(_ writing: Writing) -> Int {
    let frame = BlockPool.blockBytes &- WebSocket.headerBytesMax
    let room = frame &- prefix.count &- suffix.count
    switch writing {
    case .asItIs: return room / 640 &* 640
    case .base64: return room / 640 &* 480
    case .integers: return min(room / 7, Integers.countMax) &* 2
    case .binary: return frame / 160 &* 160
    }
  }

  @inline(__always) private mutating func seal(
    _ source: Bytes, _ writing: Writing, key: UInt32?, into outbox: inout Chain,
    from pool: BlockPool
  ) -> Bool {
    let most = most(writing)
    precondition(key == nil || source.count <= most, "a key masks one frame")
    // Each message takes at most one new block; a single one asks for it itself.
    if source.count > most, (source.count &+ most &- 1) / most > pool.free { return false }
    var done = 0
    while done < source.count {
      let piece = source[done..<min(done &+ most, source.count)]
      guard sealPiece(piece, writing, key: key, into: &outbox, from: pool) else { return false }
      done &+= piece.count
    }
    return true
  }

  @inline(__always) private mutating func sealPiece(
    _ piece: Bytes, _ writing: Writing, key: UInt32?, into outbox: inout Chain,
    from pool: BlockPool
  ) -> Bool {
    let length: Int
    switch writing {
    case .asItIs: length = piece.count
    case .base64: length = Base64.encodedCount(of: piece.count)
    case .integers: length = Integers.textCount(of: piece)
    case .binary: return WebSocket.seal(.binary, piece, key: key, into: &outbox, from: pool)
    }
    let count = prefix.count &+ length &+ suffix.count
    guard
      let draft = WebSocket.draft(.text, payloadBytes: count, key: key, into: &outbox, from: pool)
    else { return false }
    prefix.copy(to: draft.payload)
    let place = draft.payload.dropping(prefix.count)
    switch writing {
    case .base64: _ = Base64.encode(piece, into: place)
    case .integers: Integers.write(piece, into: place.prefix(length))
    case .asItIs, .binary: place.copy(piece)
    }
    suffix.copy(to: place.dropping(length))
    WebSocket.commit(draft, in: &outbox, of: pool)
    return true
  }
}

extension Envelope {
  /// A short text, kept in the call's slot.
  private struct Part: BitwiseCopyable, Sendable {
    static let bytesMax = 192

    private var text = InlineArray<192, UInt8>(repeating: 0)
    private(set) var count = 0

    init() {}

    init(_ text: Bytes) {
      for index in 0..<text.count { self.text[index] = text[index] }
      count = text.count
    }

    /// Copies the text to the beginning of `place`.
    @inline(__always) mutating func copy(to place: Bytes) { place.copy(count, of: &text) }
  }
}
