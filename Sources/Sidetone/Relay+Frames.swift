// Every frame.
//
// From the caller's message to the upstream's outbox, in one turn:
//
//   message  ──decode──▶  ring (kept until acknowledged)  ──mask, seal──▶  outbox  ──▶ socket
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
    let kept: Uplink.Kept
    if calls[call].pairingBlock >= 0 {
      kept = pair(payload, of: piece, on: call, at: now)
    } else {
      switch calls[call].media.carriage {
      case .base64: kept = calls[call].uplink.keep(base64: payload, in: pool)
      case .integers: kept = calls[call].uplink.keep(integers: payload, in: pool)
      case .binary: kept = calls[call].uplink.keep(raw: payload, in: pool)
      }
    }
    switch kept {
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
    if calls[call].media.carriage == .base64 {
      // Decoded where it lies.
      guard let count = Base64.decode(payload, into: payload) else {
        totals.framesBad &+= 1
        return
      }
      audio = payload.prefix(count)
    }
    calls[call].framesIn &+= 1
    totals.frames &+= 1
    calls[call].lastAudio = now
    guard links[index].outbox.count < Limits.echoOutboxBytesMax else {
      totals.framesLost &+= 1
      return
    }
    if links[index].outbox.isEmpty { links[index].audioSince = now }
    let isSealed: Bool
    if calls[call].media.carriage == .base64 {
      isSealed = calls[call].envelope.seal(audio: audio, into: &links[index].outbox, from: pool)
    } else {
      isSealed = WebSocket.seal(.binary, audio, key: nil, into: &links[index].outbox, from: pool)
    }
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
    let chunkMax = chunkMax(call)
    while links[index].outbox.count < Limits.upstreamOutboxBytesMax {
      let chunk = calls[call].uplink.next(upTo: chunkMax, isHurried: isHurried, at: now, in: pool)
      if chunk.isEmpty { break }
      let wasEmpty = links[index].outbox.isEmpty
      guard
        WebSocket.seal(
          .binary, chunk, key: random.next(), into: &links[index].outbox, from: pool)
      else { break }
      calls[call].uplink.advance(by: chunk.count)
      calls[call].bytesSent &+= chunk.count
      totals.bytesToUpstreams &+= chunk.count
      calls[call].lastSign = now
      // Only audio of this very turn says how late we are; a backlog waits for other reasons.
      if wasEmpty, calls[call].uplink.unsent == 0, calls[call].lastAudio == now {
        links[index].audioSince = now
      }
      want(.write, index)
    }
    if calls[call].uplink.unsent == 0 {
      // A closing call has now drained; its timer, which is due at once, tells the upstream to
      // finish.
      if isHurried { wake(call, at: now) }
    } else if links[index].outbox.count < Limits.upstreamOutboxBytesMax {
      wake(call, at: flowTime(call, now))
    }
  }

  /// When more of what waits may go to the upstream: as the pace allows, and a little later where
  /// only the pool is dry. A socket that is full says itself when it is not.
  @_noAllocation func flowTime(_ call: Int, _ now: Instant) -> Instant {
    let pace = calls[call].uplink.paceTime(for: chunkMax(call), at: now)
    return max(calls[call].life.isClosing ? now : pace, now + .milliseconds(5))
  }

  /// The most audio in one message, which fits in a block.
  private func chunkMax(_ call: Int) -> Int {
    min(calls[call].chunkBytesMax, BlockPool.blockBytes &- WebSocket.headerBytesMax)
  }

  /// Has the call's timer look after it at `time` at the latest.
  @_noAllocation func wake(_ call: Int, at time: Instant) {
    let key = links.capacity &+ call
    if time < timers.deadline(of: key) { timers.set(key, time) }
  }
}
