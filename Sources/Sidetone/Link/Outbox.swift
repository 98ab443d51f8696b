// Every frame.
//
// What waits to be written to one connection: whole frames, one behind the other, in blocks of the
// shared pool. It knows where a frame that the socket has begun to take ends (what follows can be
// taken back), whether our Close is in it (nothing may follow), and since when the oldest audio in
// it has been ours.

package struct Outbox: BitwiseCopyable, Sendable {
  fileprivate var chain = Chain()
  /// How much of the frame at the front is still to be sent; 0: it begins there.
  private var frontRest = 0
  /// When the oldest audio in it came to us; `never` where there is none.
  private var audioSince = Instant.never
  /// Our Close frame is in it, or was (RFC 6455 §5.5.1: nothing may follow).
  package private(set) var isCloseSent = false

  package init() {}

  package var isEmpty: Bool { @inline(__always) get { chain.isEmpty } }
  package var count: Int { @inline(__always) get { chain.count } }

  // MARK: In

  /// Bytes that are no frame: a request, an answer. False where the pool is dry.
  @_noAllocation package mutating func append(_ bytes: Bytes, from pool: BlockPool) -> Bool {
    chain.append(bytes, from: pool)
  }

  /// Three parts one behind the other, all or none: blocks are filled to the last byte, so what
  /// waits takes no more of them than its length says.
  @_noAllocation package mutating func append(
    _ part: Bytes, _ second: Bytes, _ third: Bytes, from pool: BlockPool
  ) -> Bool {
    guard chain.hasRoom(part.count &+ second.count &+ third.count, in: pool) else { return false }
    return chain.append(part, from: pool) && chain.append(second, from: pool)
      && chain.append(third, from: pool)
  }

  /// What is in it now is no frame; frames follow behind it.
  @_noAllocation package mutating func beginFrames() { frontRest = chain.count }

  /// One frame of up to three parts; masked where there is a key. False where the pool is dry.
  @_noAllocation package mutating func seal(
    _ opcode: WebSocket.Opcode, _ part: Bytes, _ second: Bytes = .empty, _ third: Bytes = .empty,
    key: UInt32?, from pool: BlockPool
  ) -> Bool {
    WebSocket.seal(opcode, part, second, third, key: key, into: &chain, from: pool)
  }

  /// Our Close, unless it was said already.
  @_noAllocation package mutating func sealClose(
    _ code: UInt16, _ reason: Bytes = .empty, key: UInt32?, from pool: BlockPool
  ) {
    guard !isCloseSent else { return }
    isCloseSent = WebSocket.sealClose(
      code: code, reason: reason, key: key, into: &chain, from: pool)
  }

  /// Audio that came at `time` waits in it, or will in this turn.
  @_noAllocation package mutating func stampAudio(_ time: Instant) { audioSince = time }

  // MARK: Out

  /// The first contiguous run; empty when there is nothing.
  @inline(__always) package func front(in pool: BlockPool) -> Bytes { chain.front(in: pool) }

  /// The socket took that many bytes: since when it had waited where that was audio, or `never`.
  /// `isFramed`: where the frame ends that was begun is kept.
  @_noAllocation package mutating func sent(
    _ count: Int, isFramed: Bool, in pool: BlockPool
  ) -> Instant {
    if isFramed, count < chain.count { passFrames(count, in: pool) }
    chain.drop(count, in: pool)
    guard chain.isEmpty else { return .never }
    frontRest = 0
    let since = audioSince
    audioSince = .never
    return since
  }

  /// Only a socket that did not take all makes this walk.
  private mutating func passFrames(_ count: Int, in pool: BlockPool) {
    let front = chain.front(in: pool)
    var end = frontRest
    while end < count { end &+= WebSocket.frameBytes(front.dropping(end)) }
    frontRest = end &- count
  }

  /// Takes back what the socket has not begun to take: it was said to nobody.
  @_noAllocation package mutating func takeBack(in pool: BlockPool) {
    guard frontRest < chain.count else { return }
    chain.truncate(to: frontRest, in: pool)
    audioSince = .never
  }

  @_noAllocation package mutating func clear(in pool: BlockPool) { chain.clear(in: pool) }
}

extension Envelope {
  /// Puts audio into an outbox, as the peer wants it. False where the pool is dry.
  @inline(__always) package mutating func seal(
    audio: Bytes, as payloadEncoding: Media.PayloadEncoding, key: UInt32?,
    into outbox: inout Outbox,
    from pool: BlockPool
  ) -> Bool {
    seal(audio: audio, as: payloadEncoding, key: key, into: &outbox.chain, from: pool)
  }
}
