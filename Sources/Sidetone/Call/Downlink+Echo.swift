// Every frame.
//
// What callers are sent that nobody says: their own audio, and now and then a little silence.

extension Downlink {
  /// A little silence, which is no part of what is played.
  @_noAllocation mutating func comfort(into link: inout Link, _ store: Store, _ turn: inout Turn) {
    guard !link.outbox.isCloseSent, link.outbox.isEmpty else { return }
    let whole = reply.bytes(forMilliseconds: 20)
    // In messages of the length that its envelope may speak of.
    let bytes = playout.least > 0 ? playout.least &* reply.bytesPerFrame : whole
    let silence = store.gathered.prefix(bytes)
    silence.fill(reply.silence)
    var sent = 0
    while sent < whole,
      envelope.seal(
        audio: silence, as: payloadEncoding, key: nil, into: &link.outbox, from: store.pool)
    { sent &+= bytes }
    if sent > 0 { link.ask(.write, &turn) }
  }

  /// What became of a caller's audio that goes back to it.
  enum Echoed: BitwiseCopyable {
    case sent(bytes: Int)
    /// Nothing was in it; it made no sense; its caller does not read.
    case empty, malformed, full
  }

  /// Callers hear themselves, in their carrier's words. One who does not read misses frames;
  /// nothing piles up.
  @_noAllocation mutating func echo(
    _ payload: Bytes, into link: inout Link, _ store: Store, _ turn: inout Turn
  ) -> Echoed {
    guard !payload.isEmpty, !link.outbox.isCloseSent else { return .empty }
    var audio = payload
    switch payloadEncoding {
    case .base64:
      // Decoded where it lies.
      guard let count = Base64.decode(payload, into: payload) else { return .malformed }
      audio = payload.prefix(count)
    case .integers:
      guard let count = Integers.parse(payload, into: store.gathered) else { return .malformed }
      audio = store.gathered.prefix(2 &* count)
    case .binary: break
    }
    guard link.outbox.count < Limits.echoOutboxBytesMax else { return .full }
    if link.outbox.isEmpty { link.outbox.stampAudio(turn.now) }
    let isSealed = envelope.seal(
      audio: audio, as: payloadEncoding, key: nil, into: &link.outbox, from: store.pool)
    link.ask(.write, &turn)
    return isSealed ? .sent(bytes: audio.count) : .full
  }
}
