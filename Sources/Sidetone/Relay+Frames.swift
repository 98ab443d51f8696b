// Every frame.
//
// From the caller's message to the upstream's outbox, in one turn:
//
//   message  ──decode──▶  ring (kept until acknowledged)  ──convert, seal──▶  outbox  ──▶ socket
//
// `carry` does the first arrow, `pump` the second. `pump` is also what sends a backlog: after the
// upstream has opened, after its socket was full, when the pace allows the next piece.

extension Relay {
  /// Step 6 of a frame: the audio of one message goes into the call's ring and on to the upstream.
  @_noAllocation func carry(
    _ payload: Bytes, of piece: Media.Piece, on call: Int, at now: Instant
  ) {
    guard !calls[call].life.isClosing else { return }
    guard calls[call].isDialled else {
      bounce(payload, on: call, at: now)
      return
    }
    switch keep(payload, of: piece, on: call, at: now) {
    case .done: break
    // Never forwarded: several upstreams take an empty message for the end.
    case .empty: return
    case .malformed:
      totals.framesBad &+= 1
      return
    case .full: totals.framesLost &+= 1
    }
    calls[call].framesIn &+= 1
    totals.frames &+= 1
    // The line about the first audio is written by the call's timer, off this path.
    if calls[call].lastAudio == .never { wake(call, at: now) }
    calls[call].lastAudio = now
    calls[call].isFinalized = false
    pump(call, at: now)
  }

  /// Puts the audio of a message into the ring, by way of what it may have to wait for: its other
  /// track, or those that it has overtaken.
  @_noAllocation private func keep(
    _ payload: Bytes, of piece: Media.Piece, on call: Int, at now: Instant
  ) -> Uplink.Kept {
    if calls[call].pairingBlock >= 0 { return pair(payload, of: piece, on: call, at: now) }
    if calls[call].orderBlock >= 0 { return sort(payload, piece.order, on: call, at: now) }
    switch calls[call].media.carriage {
    case .base64: return calls[call].uplink.keep(base64: payload, in: pool)
    case .integers: return calls[call].uplink.keep(integers: payload, in: pool)
    case .binary: return calls[call].uplink.keep(raw: payload, in: pool)
    }
  }

  /// A piece of one of two tracks: what has its partner by now goes into the ring, both channels
  /// together.
  @_noAllocation private func pair(
    _ payload: Bytes, of piece: Media.Piece, on call: Int, at now: Instant
  ) -> Uplink.Kept {
    guard !payload.isEmpty else { return .empty }
    // Decoded where it lies.
    guard let count = Base64.decode(payload, into: payload) else { return .malformed }
    let isPut = calls[call].pairing.put(
      payload.prefix(count), track: piece.track == .inbound ? 0 : 1, timestamp: piece.timestamp,
      in: pool.bytes(calls[call].pairingBlock))
    guard isPut else { return .malformed }
    return keepPairs(calls[call].pairing.ready(), on: call, at: now)
  }

  /// Moves that many pairs of samples into the ring; what still waits is looked after in 40 ms.
  @_noAllocation func keepPairs(_ count: Int, on call: Int, at now: Instant) -> Uplink.Kept {
    var kept = Uplink.Kept.done
    if count > 0 {
      let block = pool.bytes(calls[call].pairingBlock)
      if let place = calls[call].uplink.acquire(2 &* count, in: pool) {
        calls[call].pairing.take(count, from: block, into: place)
        calls[call].uplink.commit(2 &* count, in: pool)
      } else {
        calls[call].pairing.drop(count, in: block)
        kept = .full
      }
    }
    let isNew = calls[call].pairAt == .never
    if calls[call].pairing.waiting == 0 {
      calls[call].pairAt = .never
    } else if isNew || count > 0 {
      calls[call].pairAt = now + .milliseconds(40)
      wake(call, at: calls[call].pairAt)
    }
    return kept
  }

  /// A call without an upstream: the caller hears itself, in its carrier's words. A caller who does
  /// not read misses frames; nothing piles up.
  @_noAllocation private func bounce(_ payload: Bytes, on call: Int, at now: Instant) {
    let link = calls[call].caller
    guard !payload.isEmpty, links.holds(link), !links[link.index].isCloseSent else { return }
    let index = link.index
    var audio = payload
    switch calls[call].media.carriage {
    case .base64:
      // Decoded where it lies.
      guard let count = Base64.decode(payload, into: payload) else {
        totals.framesBad &+= 1
        return
      }
      audio = payload.prefix(count)
    case .integers:
      guard let count = Integers.parse(payload, into: gathered) else {
        totals.framesBad &+= 1
        return
      }
      audio = gathered.prefix(2 &* count)
    case .binary: break
    }
    calls[call].framesIn &+= 1
    totals.frames &+= 1
    calls[call].lastAudio = now
    guard links[index].outbox.count < Limits.echoOutboxBytesMax else {
      totals.framesLost &+= 1
      return
    }
    if links[index].outbox.isEmpty { links[index].audioSince = now }
    let isSealed = calls[call].envelope.seal(
      audio: audio, as: calls[call].media.carriage, key: nil, into: &links[index].outbox,
      from: pool)
    if !isSealed { totals.framesLost &+= 1 }
    calls[call].bytesSent &+= audio.count
    want(.write, index)
  }

  /// Step 7: what may be sent goes into the upstream's outbox, sealed.
  @_noAllocation func pump(_ call: Int, at now: Instant) {
    let link = calls[call].dialled
    guard links.holds(link), links[link.index].phase == .upstream else { return }
    let index = link.index
    let isHurried = calls[call].life.isClosing
    let chunkMax = calls[call].chunkBytesMax
    while links[index].outbox.count < Limits.upstreamOutboxBytesMax {
      let chunk = calls[call].uplink.next(
        upTo: chunkMax, isHurried: isHurried, at: now, scratch: gathered, in: pool)
      if chunk.isEmpty { break }
      let wasEmpty = links[index].outbox.isEmpty
      guard seal(chunk, of: call, on: index) else { break }
      calls[call].uplink.advance(by: chunk.count, in: pool)
      if !calls[call].keepsForReplay { calls[call].uplink.forgetSent(in: pool) }
      calls[call].bytesSent &+= chunk.count
      totals.bytesToUpstreams &+= chunk.count
      calls[call].lastSign = now
      // Only audio of this very turn says how late we are; a backlog waits for other reasons.
      if wasEmpty, calls[call].uplink.backlog == 0, calls[call].lastAudio == now {
        links[index].audioSince = now
      }
      want(.write, index)
    }
    if calls[call].uplink.backlog == 0 {
      // A closing call has now drained; its timer, which is due at once, tells the upstream to
      // finish.
      if isHurried { wake(call, at: now) }
    } else if links[index].outbox.count < Limits.upstreamOutboxBytesMax {
      wake(call, at: flowTime(call, now))
    }
  }

  /// Puts one chunk into the upstream's outbox as the upstream wants it: converted, wrapped,
  /// masked. False and nothing done where the pool is dry.
  @_noAllocation private func seal(_ chunk: Bytes, of call: Int, on index: Int) -> Bool {
    var audio = chunk
    if !calls[call].toUpstream.isIdentity {
      // A resampler must not hear the same twice: what it gives has to find its place.
      guard pool.free > 1 else { return false }
      audio = converted.prefix(calls[call].toUpstream.outputBytes(for: chunk.count))
      calls[call].toUpstream.convert(chunk, into: audio, in: resamplers)
    }
    let key = random.next()
    if calls[call].isWrapped {
      return calls[call].wrapping.seal(
        audio: audio, as: .base64, key: key, into: &links[index].outbox, from: pool)
    }
    return WebSocket.seal(.binary, audio, key: key, into: &links[index].outbox, from: pool)
  }

  /// When more of what waits may go to the upstream: as the pace allows, and a little later where
  /// only the pool is dry. A socket that is full says itself when it is not.
  @_noAllocation func flowTime(_ call: Int, _ now: Instant) -> Instant {
    let pace = calls[call].uplink.paceTime(for: calls[call].chunkBytesMax, at: now)
    return max(calls[call].life.isClosing ? now : pace, now + .milliseconds(5))
  }

  /// The most audio in one message, which fits in a block.
  static let chunkBytesMax = BlockPool.blockBytes &- WebSocket.headerBytesMax

  /// Has the call's timer look after it at `time` at the latest.
  @_noAllocation func wake(_ call: Int, at time: Instant) {
    let key = callTimer(call)
    if time < timers.deadline(of: key) { timers.set(key, time) }
  }
}
