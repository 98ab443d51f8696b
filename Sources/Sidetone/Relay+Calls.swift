// Calls: what Life decided is done here, and what a call's timer has to look after.

extension Relay {
  // MARK: The beginning

  /// The caller has said who it is: from here on it has an upstream, or waits for one.
  func start(_ call: Int, _ now: Instant) {
    let kind = Upstream.all[calls[call].kind]
    let upstream = upstreams[calls[call].upstream]
    if calls[call].tracks == 2, calls[call].isDialled { calls[call].format.channels = 2 }
    let format = calls[call].format
    let session = Upstream.Session(hears: format, says: format)
    guard kind.hears(format, session) != nil else {
      tell(
        call, .error(code: "unsupported", message: "this route's upstream cannot take this audio"),
        now)
      end(call, .unsupported, now)
      return
    }
    if calls[call].name.isEmpty { calls[call].name = makeName() }
    let isHeldBack = Carrier.all[calls[call].carrier].isHeldBack
    calls[call].uplink = Uplink(
      format: format, milliseconds: limits.uplinkMillisecondsMax,
      bytesMin: isHeldBack ? 2 * limits.heldBackBytesMin : 0, pacePercent: upstream.pacePercent,
      at: now)
    calls[call].chunkBytesMax = format.bytes(
      forMilliseconds: kind.habits.chunkMillisecondsMax)
    renderEnvelope(call)
    if calls[call].tracks == 2, !beginPairing(call) { return end(call, .noMemory, now) }
    guard renderQuery(call) else { return end(call, .noMemory, now) }
    calls[call].isStarted = true
    totals.callsStarted &+= 1
    log(.info, "call_started", call: call, at: now) {
      $0.write(Carrier.all[self.calls[call].carrier].name)
      $0.write(" to ")
      $0.write(upstream.name.bytes)
      $0.write(" on ")
      $0.write(self.routes[self.calls[call].route].path.bytes)
    }
    tell(call, .ready, now)
    perform(calls[call].life.started(), call, now)
  }

  /// Both tracks of a call in one stream of two channels, where the upstream takes that.
  private func beginPairing(_ call: Int) -> Bool {
    guard calls[call].isDialled else { return true }
    calls[call].pairingBlock = pool.take()
    calls[call].pairing = Pairing(silence: calls[call].format.silence)
    return calls[call].pairingBlock >= 0
  }

  private func renderEnvelope(_ call: Int) {
    var prefix = Writer(scratch.bytes.prefix(256))
    var suffix = Writer(scratch.bytes[256..<512])
    Carrier.all[calls[call].carrier].envelope(calls[call].stream, &prefix, &suffix)
    guard let envelope = Envelope(prefix: prefix.written, suffix: suffix.written) else {
      preconditionFailure("a carrier's row bounds its envelope")
    }
    calls[call].envelope = envelope
  }

  /// The upstream's query: rendered once, kept for every dialling. False where there is no block
  /// for it.
  private func renderQuery(_ call: Int) -> Bool {
    guard calls[call].isDialled else { return true }
    var writer = Writer(scratch.bytes.prefix(BlockPool.blockBytes))
    let upstream = upstreams[calls[call].upstream]
    Upstream.all[calls[call].kind].query(
      Upstream.Session(
        hears: calls[call].format, says: calls[call].format, fixed: upstream.query.bytes,
        options: routes[calls[call].route].options.bytes,
        callers: calls[call].query.front(in: pool)), &writer)
    calls[call].query.clear(in: pool)
    return !writer.overflowed && calls[call].query.append(writer.written, from: pool)
  }

  /// A random id in the form of a version 4 UUID (RFC 9562 §5.4).
  private func makeName() -> Name {
    var writer = Writer(scratch.bytes.prefix(36))
    let raw = scratch.bytes[64..<80]
    random.fill(raw)
    raw[6] = raw[6] & 0x0f | 0x40
    raw[8] = raw[8] & 0x3f | 0x80
    var at = 0
    for (place, length) in [(0, 4), (1, 2), (2, 2), (3, 2), (4, 6)] {
      if place > 0 { writer.write(byte: 0x2d) }
      writer.write(hex: raw[at..<at + length])
      at += length
    }
    return Name(writer.written) ?? Name()
  }

  // MARK: What Life decided

  func perform(_ action: Life.Action, _ call: Int, _ now: Instant) {
    switch action {
    case .nothing: break
    case .dial: dial(call, now)
    case .flow:
      if calls[call].life.isClosing {
        wake(call, at: now)
        if calls[call].pairingBlock >= 0 {
          _ = keepPairs(calls[call].pairing.ready(isFinal: true), on: call, at: now)
        }
      }
      pump(call, at: now)
      if !calls[call].isDialled { return perform(calls[call].life.drained(), call, now) }
    case .finish:
      guard calls[call].isDialled else {
        return perform(calls[call].life.upstreamFinished(), call, now)
      }
      finishUpstream(call, now)
    case .rest: break
    case .end:
      finishCall(call, now)
      return
    }
    setTimer(call, now)
  }

  /// Ends a call for a reason of ours; the last words are still fetched.
  func end(_ call: Int, _ cause: Cause, _ now: Instant) {
    perform(calls[call].life.callerDone(cause, at: now), call, now)
  }

  // MARK: The timer

  /// Does what is due for a call, and sets its timer anew.
  func callIsDue(_ call: Int, _ now: Instant) {
    guard calls.isInUse(call) else { return }
    if !calls[call].saidFirstAudio, calls[call].lastAudio != .never {
      calls[call].saidFirstAudio = true
      log(.info, "first_audio", call: call, at: now) {
        $0.write(decimal: (now - self.calls[call].startedAt).milliseconds)
        $0.write(" ms after the start")
      }
    }
    let id = calls.id(at: call)
    perform(calls[call].life.expired(at: now), call, now)
    guard calls.holds(id) else { return }
    if calls[call].startedAt + .seconds(limits.callSecondsMax) <= now { end(call, .tooLong, now) }
    guard calls.holds(id) else { return }
    if calls[call].pairAt <= now {
      _ = keepPairs(calls[call].pairing.ready(isFinal: true), on: call, at: now)
    }
    if calls[call].uplink.unsent > 0 { pump(call, at: now) }
    if calls[call].uplink.unsent == 0, isUpstreamOpen(call) {
      perform(calls[call].life.drained(), call, now)
    }
    guard calls.holds(id) else { return }
    keepAlive(call, now)
    if !calls[call].isFinalized, calls[call].uplink.unsent == 0,
      calls[call].lastAudio + Upstream.all[calls[call].kind].habits.finalizeAfter <= now
    {
      finalize(call, now)
    }
    resumeCaller(call)
    timers.set(links.capacity &+ call, .never)
    setTimer(call, now)
  }

  /// Sets the call's timer to the earliest thing that will be due.
  private func setTimer(_ call: Int, _ now: Instant) {
    guard calls.isInUse(call) else { return }
    let habits = Upstream.all[calls[call].kind].habits
    var next = calls[call].life.wakeTime
    if !calls[call].life.isClosing {
      next = min(next, calls[call].startedAt + .seconds(limits.callSecondsMax))
    }
    if calls[call].uplink.unsent > 0, isUpstreamOpen(call) {
      next = min(next, flowTime(call, now))
    }
    if calls[call].life.state == .talking, calls[call].isDialled {
      next = min(next, max(calls[call].lastSign + habits.keepAliveAfter, now + .milliseconds(1)))
      if !calls[call].isFinalized, calls[call].uplink.unsent == 0 {
        next = min(
          next, max(calls[call].lastAudio + habits.finalizeAfter, now + .milliseconds(1)))
      }
    }
    next = min(next, calls[call].pairAt)
    if calls[call].caller != .none, links.holds(calls[call].caller),
      links[calls[call].caller.index].isHeldBack
    {
      next = min(next, now + .milliseconds(50))
    }
    wake(call, at: next)
  }

  // MARK: Holding back

  /// Whether a caller must wait with its next bytes: its ring has no room for a message and a read,
  /// or the pool has not.
  func mustWait(_ index: Int) -> Bool {
    let call = links[index].call.index
    guard calls[call].isStarted, calls[call].isDialled, calls[call].carrier >= 0,
      Carrier.all[calls[call].carrier].isHeldBack, !calls[call].life.isClosing
    else { return false }
    guard
      calls[call].uplink.room < limits.heldBackBytesMin
        || pool.free < limits.heldBackBytesMin / BlockPool.blockBytes
    else { return false }
    wake(call, at: links[index].lastHeard + .milliseconds(50))
    return true
  }

  func resumeCaller(_ call: Int) {
    let link = calls[call].caller
    guard links.holds(link), links[link.index].isHeldBack, !mustWait(link.index) else { return }
    links[link.index].isHeldBack = false
    want(.resume, link.index)
  }

  // MARK: The end

  /// Audio was taken of which the upstream never said that its results are complete.
  private func isOwedWords(_ call: Int) -> Bool {
    calls[call].isDialled && !calls[call].isConfirmed && calls[call].uplink.received > 0
  }

  /// Both legs are closed, everything is given back, and the end is written down: once for each
  /// call.
  func finishCall(_ call: Int, _ now: Instant) {
    let id = calls.id(at: call)
    let cause = calls[call].life.cause
    if cause.closeCode == 1011 || cause.closeCode == 1013 {
      tell(call, .error(code: cause.word, message: cause.sentence), now)
    } else if isOwedWords(call) {
      tell(
        call,
        .error(
          code: "results_missing",
          message: "the upstream did not confirm the last words in time; some may be missing"), now)
      log(.warning, "results_missing", call: call, at: now) {
        $0.write("the upstream did not confirm the last words")
      }
    }
    log(.info, "call_ended", call: call, at: now) {
      $0.write(cause.word)
      $0.write(" after ")
      $0.write(decimal: (now - self.calls[call].startedAt).milliseconds)
      $0.write(" ms, ")
      $0.write(decimal: self.calls[call].framesIn)
      $0.write(" frames, ")
      $0.write(decimal: self.calls[call].transcripts)
      $0.write(" results")
      if self.calls[call].uplink.lost > 0 {
        $0.write(", lost ")
        $0.write(decimal: self.calls[call].uplink.lost)
        $0.write(" bytes of audio")
      }
    }
    if links.holds(calls[call].caller) { closeCaller(calls[call].caller.index, cause, now) }
    letGoOfUpstream(call, now)
    healths[calls[call].upstream].calls &-= 1
    totals.callsEnded &+= 1
    if calls[call].isStarted { totals.callsEndedAfterStart &+= 1 }
    totals.audioLost &+= calls[call].uplink.lost
    calls[call].uplink.release(to: pool)
    if calls[call].pairingBlock >= 0 { pool.give(calls[call].pairingBlock) }
    calls[call].query.clear(in: pool)
    timers.set(links.capacity &+ call, .never)
    calls.release(id)
  }
}
