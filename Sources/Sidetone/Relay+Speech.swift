// Every frame.
//
// From the upstream's message to the caller's outbox, in one turn where the playout allows it:
//
//   message ──decode──▶ downlink (staged, ring) ──playout, seal──▶ outbox ──▶ socket
//
// `speak` does the first arrow, `convert` what lies between staged and ring, `play` the second. The
// timer of a call's playout runs them again when its clock says so. What a carrier must be told
// beside the audio is written in Relay+Voice.

extension Relay {
  /// One piece of what the agent says goes into the call's downlink.
  @_noAllocation func speak(
    _ payload: Bytes, of utterance: Int, on call: Int, at now: Instant
  ) {
    // A burst leaves a block to every call: nobody else's words are lost for it.
    let blocks = payload.count / 4 &* 3 / BlockPool.blockBytes
    if blocks > 0, pool.free &- blocks <= calls.capacity {
      totals.speechCut &+= 1
      return
    }
    switch calls[call].downlink.keep(base64: payload, in: pool) {
    case .bytes(let count):
      let says = calls[call].downlink.says
      let rate = calls[call].reply.rate
      calls[call].downlink.utterances[utterance].received &+= count
      let samples = calls[call].downlink.utterances[utterance].received / says.bytesPerFrame
      calls[call].downlink.utterances[utterance].length = samples &* rate / says.rate
      calls[call].downlink.utterances[utterance].isComplete = false
      totals.speechPieces &+= 1
    case .malformed: totals.framesBad &+= 1
    case .full: totals.speechCut &+= 1
    }
  }

  /// Converts what this turn's budget allows.
  @_noAllocation func convert(_ call: Int) {
    guard calls[call].downlink.hasToConvert else { return }
    conversionsLeft &-= calls[call].downlink.convert(
      budget: max(0, conversionsLeft), scratch: gathered, in: pool, resamplers)
  }

  /// What one message of the playout asks for beside itself.
  enum Played: BitwiseCopyable {
    /// Nothing was due.
    case nothing
    case piece
    /// A mark shall follow.
    case piecedMark
  }

  /// Sends the next piece that is due, as one message.
  @_noAllocation func play(_ call: Int, at now: Instant) -> Played {
    let link = calls[call].caller
    guard links.holds(link), links[link.index].phase == .caller else { return .nothing }
    let index = link.index
    guard !links[index].isCloseSent, links[index].outbox.count < Limits.playoutOutboxBytesMax,
      pool.free > 1
    else { return .nothing }
    let isLast = calls[call].downlink.isLast
    let waiting = calls[call].downlink.waiting
    let count = calls[call].downlink.playout.due(waiting, isLast: isLast, at: now)
    guard count > 0 else { return .nothing }
    var audio = calls[call].downlink.next(count, scratch: gathered, in: pool)
    audio = filled(audio, call)
    let isSealed = calls[call].envelope.seal(
      audio: audio, as: calls[call].carriage, key: nil, into: &links[index].outbox, from: pool)
    precondition(isSealed, "the pool had room for one message")
    calls[call].downlink.advance(count, in: pool)
    want(.write, index)
    let sent = audio.count / calls[call].reply.bytesPerFrame
    totals.speechSent &+= 1
    let isEnd = isLast && count == waiting
    let isMarked = calls[call].downlink.playout.send(sent, isEnd: isEnd, at: now)
    return isMarked ? .piecedMark : .piece
  }

  /// The last piece of a carrier whose messages have a least length, filled up with silence.
  @_noAllocation private func filled(_ audio: Bytes, _ call: Int) -> Bytes {
    let bytes = calls[call].downlink.playout.least &* calls[call].reply.bytesPerFrame
    guard audio.count < bytes else { return audio }
    let place = converted.prefix(bytes)
    place.copy(audio)
    place.dropping(audio.count).fill(calls[call].reply.silence)
    return place
  }

  /// When the playout has to be looked after again.
  @_noAllocation func setPlayout(_ call: Int, at now: Instant) {
    let key = playoutTimer(call)
    let isLast = calls[call].downlink.isLast
    var next = calls[call].downlink.playout.time(calls[call].downlink.waiting, isLast: isLast)
    if calls[call].downlink.hasToConvert {
      // The rest of a burst, in the next turn: others come first. Where the budget was not what
      // was missing the pool is dry.
      next = min(next, now + (conversionsLeft > 0 ? .milliseconds(5) : .microseconds(200)))
    }
    if pool.free <= 1, calls[call].downlink.waiting > 0 {
      // Nothing can be sent before somebody gives a block back, whatever the clock says.
      next = now + .milliseconds(5)
    }
    let link = calls[call].caller
    // A socket that is full says itself when it is not.
    guard links.holds(link), links[link.index].outbox.count < Limits.playoutOutboxBytesMax else {
      return timers.set(key, .never)
    }
    timers.set(key, next == .never ? next : max(next, now + .microseconds(100)))
  }
}
