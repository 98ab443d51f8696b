// Every frame.
//
// Silence that is not paid for: while the caller says nothing, an upstream that only listens is
// sent signs of life instead of audio, where the route asks for that.
//
//          lead   voice    hang-over            lead   voice
//     ░░░░├────┼██████████┼──────────┤░░░░░░░░░├────┼█████████
//                                    └ Finalize
//
// 1. It is open until it knows what the noise is like, and for the hang-over behind every voice:
//    as much silence as the upstream has to hear to find the end of what was said.
// 2. Closed, it keeps the last of what it leaves out, which goes first when it opens: no first
//    syllable is lost.
// 3. As it closes, what was said is asked for as final: so no result reaches over what is left out,
//    and its words are not sent again should the session be lost in between.
// 4. A new session is sent what is not final. Where all of it is, it stays closed.
//
// It lies in a block of the pool, which only calls take that use it.

struct SilenceGate: BitwiseCopyable, Sendable {
  /// Where it lies itself.
  fileprivate let block: Int32
  fileprivate var detectors = InlineArray<2, VoiceDetector>(repeating: VoiceDetector())
  fileprivate var isClosed = false
  /// Up to where the audio was listened to, in bytes of the call, and from where on there will have
  /// been enough silence.
  fileprivate var heard = 0
  fileprivate var openUntil = 0
  fileprivate let hangOver: Int
  /// How many bytes the request for final words has, which lies behind it.
  fileprivate var finalizeBytes = 0
  /// What was left out.
  var skips: Skips

  /// What is kept of what is left out, and what stands behind a voice at least.
  private static let leadMilliseconds = 300
  private static let hangOverMilliseconds = 1000
  fileprivate static let finalizePlace = 1024

  fileprivate init(_ format: Format, hangOverMilliseconds: Int, in block: Int32) {
    self.block = block
    hangOver = format.bytes(
      forMilliseconds: max(hangOverMilliseconds, Self.hangOverMilliseconds))
    skips = Skips(lead: format.bytes(forMilliseconds: Self.leadMilliseconds))
  }

  @_noAllocation fileprivate func finalize(in pool: BlockPool) -> Bytes {
    pool.bytes(block).dropping(Self.finalizePlace).prefix(finalizeBytes)
  }
}

extension Uplink {
  /// What lets only voices pass, where the route asks for that.
  var gate: Lent<SilenceGate> { @inline(__always) get { ring.gate } }

  /// The upstream is not sent silence, but for so much of it behind a voice. False where the pool
  /// is dry.
  @_noAllocation mutating func skipSilence(
    behindMilliseconds milliseconds: Int, asking finalize: Bytes, from pool: BlockPool
  ) -> Bool {
    let block = pool.take()
    guard block >= 0 else { return false }
    var gate = SilenceGate(ring.format, hangOverMilliseconds: milliseconds, in: block)
    let place = pool.bytes(block)
    gate.finalizeBytes = finalize.count
    place.dropping(SilenceGate.finalizePlace).copy(finalize)
    ring.leaveOut(by: Lent(gate, in: place.prefix(SilenceGate.finalizePlace)))
    return true
  }

  /// Everything is sent from now on.
  @_noAllocation mutating func skipNothing(_ pool: BlockPool) {
    if gate.isThere { pool.give(gate.value.block) }
    ring.leaveNothingOut()
  }

  /// Whether the chunk that is next shall be sent; where not, the one after it is to be asked for.
  @_noAllocation mutating func passes(_ chunk: Bytes, in pool: BlockPool) -> Bool {
    let start = ring.sent
    let memory = gate
    let news = min(start &+ chunk.count &- memory.value.heard, chunk.count)
    var isVoice = false
    if news > 0 {
      isVoice = hearsVoice(in: chunk.dropping(chunk.count &- news))
      memory.value.heard = start &+ chunk.count
    }
    if isVoice || !isSure { memory.value.openUntil = start &+ chunk.count &+ memory.value.hangOver }
    guard memory.value.isClosed else { return true }
    if isVoice {
      memory.value.isClosed = false
      ring.unskip(in: pool)
    } else {
      ring.skip(chunk.count, in: pool)
    }
    return false
  }

  private var isSure: Bool { @inline(__always) get { gate.value.detectors[0].isSure } }

  @_noAllocation private func hearsVoice(in audio: Bytes) -> Bool {
    let memory = gate
    let isVoice = memory.value.detectors[0].hears(audio, ring.format)
    guard ring.format.channels > 1 else { return isVoice }
    return memory.value.detectors[1].hears(audio, ring.format, channel: 1) || isVoice
  }

  /// Audio was sent: there may have been enough silence now.
  @_noAllocation mutating func closeGate(
    into link: inout Link, _ store: Store, _ turn: inout Turn
  ) {
    guard gate.value.openUntil <= ring.sent, !gate.value.isClosed else { return }
    let finalize = gate.value.finalize(in: store.pool)
    // Where there is no room for it, a little more silence is sent.
    gate.value.isClosed = link.seal(.text, finalize, store, &turn)
  }

  /// A session has begun. `isAllFinal`: the one before it had said all that there was to say.
  @_noAllocation mutating func restartGate(isAllFinal: Bool) {
    let memory = gate
    memory.value.heard = ring.sent
    if memory.value.isClosed, isAllFinal { return }
    memory.value.isClosed = false
    memory.value.openUntil = ring.sent &+ memory.value.hangOver
  }

  // MARK: Times

  /// Where the session's audio lies in the call's, behind this time of the session; negative: what
  /// it was sent last. In microseconds.
  @_noAllocation func sessionOffset(behind microseconds: Int) -> Int {
    sessionOffset &+ ring.skippedMicroseconds(before: microseconds, isEnd: false)
  }

  /// When a stretch of the session that ends there ends, as the offset of its beginning has it.
  @_noAllocation func end(of heard: Upstream.Heard) -> Int {
    if heard.endMicroseconds < 0 || heard.startMicroseconds < 0 { return heard.endMicroseconds }
    return heard.endMicroseconds
      &+ ring.skippedMicroseconds(before: heard.endMicroseconds, isEnd: true)
      &- ring.skippedMicroseconds(before: heard.startMicroseconds, isEnd: false)
  }

  /// Milliseconds of the caller's audio that were left out.
  var skippedMilliseconds: Int { ring.skippedMilliseconds }
}
