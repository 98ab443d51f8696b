// Every frame.
//
// Audio of carriers whose messages overtake each other, and of whose samples nobody can say which
// byte comes first: put right before it goes into the ring.

extension Relay {
  /// Keeps a numbered piece in its turn, and those that waited for it; silence stands in for what
  /// was given up, since a hole would shift all that follows.
  @_noAllocation func sort(
    _ payload: Bytes, _ order: Int, on call: Int, at now: Instant
  ) -> Uplink.Kept {
    guard !payload.isEmpty else { return .empty }
    // Decoded where it lies.
    guard let count = Base64.decode(payload, into: payload),
      count % calls[call].format.bytesPerFrame == 0
    else { return .malformed }
    let audio = payload.prefix(count)
    calls[call].byteOrder.hear(audio)
    let block = pool.bytes(calls[call].orderBlock)
    var kept = Uplink.Kept.done
    // A gap is followed by another look at the piece itself: two gaps at most lie between pieces
    // that are held, one behind them.
    for _ in 0..<4 {
      switch calls[call].order.take(audio, order: order, in: block) {
      case .pass:
        kept = calls[call].uplink.keep(raw: audio, in: pool)
        keepSorted(call)
        return kept
      case .held:
        if calls[call].orderAt == .never {
          calls[call].orderAt = now + .milliseconds(60)
          wake(call, at: calls[call].orderAt)
        }
        return .done
      case .late:
        totals.framesLate &+= 1
        return .empty
      case .gap(let missing): keepSilence(missing, on: call)
      }
    }
    return kept
  }

  /// Waits no longer for what is missing.
  @_noAllocation func giveUpOrder(_ call: Int) {
    while calls[call].order.waiting > 0 { keepSilence(calls[call].order.giveUp(), on: call) }
    calls[call].orderAt = .never
  }

  /// Silence for so many pieces that never came, then those that waited behind them.
  @_noAllocation private func keepSilence(_ missing: Int, on call: Int) {
    guard missing > 0 else { return }
    totals.framesMissing &+= missing
    let silence = gathered.prefix(min(calls[call].order.pieceBytes, gathered.count))
    silence.fill(calls[call].format.silence)
    for _ in 0..<missing { _ = calls[call].uplink.keep(raw: silence, in: pool) }
    keepSorted(call)
  }

  @_noAllocation private func keepSorted(_ call: Int) {
    let block = pool.bytes(calls[call].orderBlock)
    while let piece = calls[call].order.next(in: block) {
      if calls[call].uplink.keep(raw: piece, in: pool) == .full { totals.framesLost &+= 1 }
    }
    if calls[call].order.waiting == 0 { calls[call].orderAt = .never }
  }
}
