// Every frame.
//
// The constant text around audio that goes to a caller, rendered once when its call starts: prefix,
// base64, suffix is then a whole message, and no carrier's code runs for a frame. It lives in the
// call's slot.

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

  /// Puts a payload that is base64 already into messages of the server side: one, or several where
  /// it does not fit in a block. False and nothing done where the pool is dry; nothing comes of
  /// nothing.
  @_noAllocation package func seal(
    base64 payload: Bytes, into outbox: inout Chain, from pool: BlockPool
  ) -> Bool {
    seal(payload, isEncoded: true, into: &outbox, from: pool)
  }

  /// The same with the audio itself, which is encoded straight into the outbox.
  @_noAllocation package func seal(
    audio: Bytes, into outbox: inout Chain, from pool: BlockPool
  ) -> Bool {
    seal(audio, isEncoded: false, into: &outbox, from: pool)
  }

  private func seal(
    _ source: Bytes, isEncoded: Bool, into outbox: inout Chain, from pool: BlockPool
  ) -> Bool {
    // Groups of base64 in a message: a multiple of 160, so that 20 ms of audio is not cut either.
    let room =
      BlockPool.blockBytes &- WebSocket.headerBytesMax &- prefix.count &- suffix.count
    let most = room / 640 &* 160 &* (isEncoded ? 4 : 3)
    // Each message takes at most one new block; a single one asks for it itself.
    if source.count > most, (source.count &+ most &- 1) / most > pool.free { return false }
    var done = 0
    while done < source.count {
      let piece = source[done..<min(done &+ most, source.count)]
      guard sealPiece(piece, isEncoded: isEncoded, into: &outbox, from: pool) else { return false }
      done &+= piece.count
    }
    return true
  }

  private func sealPiece(
    _ piece: Bytes, isEncoded: Bool, into outbox: inout Chain, from pool: BlockPool
  ) -> Bool {
    let length = isEncoded ? piece.count : Base64.encodedCount(of: piece.count)
    let count = prefix.count &+ length &+ suffix.count
    guard
      let draft = WebSocket.draft(.text, payloadBytes: count, key: nil, into: &outbox, from: pool)
    else { return false }
    prefix.copy(to: draft.payload)
    let place = draft.payload.dropping(prefix.count)
    if isEncoded { place.copy(piece) } else { _ = Base64.encode(piece, into: place) }
    suffix.copy(to: place.dropping(length))
    WebSocket.commit(draft, in: &outbox, of: pool)
    return true
  }
}

extension Envelope {
  /// A short text, kept in words: copying it is a few stores.
  private struct Part: BitwiseCopyable, Sendable {
    static let bytesMax = 192

    private var words = InlineArray<24, UInt64>(repeating: 0)
    private(set) var count = 0

    init() {}

    init(_ text: Bytes) {
      for index in 0..<text.count {
        words[index >> 3] |= UInt64(text[index]) << UInt64((index & 7) &* 8)
      }
      count = text.count
    }

    /// Copies the text to the beginning of `place`.
    @_noAllocation func copy(to place: Bytes) {
      var at = 0
      while at &+ 8 <= count {
        place.store(words[at >> 3], at: at)
        at &+= 8
      }
      while at < count {
        place[at] = UInt8(truncatingIfNeeded: words[at >> 3] >> UInt64((at & 7) &* 8))
        at &+= 1
      }
    }
  }
}
