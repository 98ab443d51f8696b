// Calls: what Life decided is done here, and what a call's timer has to look after.

extension Relay {
  // MARK: The beginning

  /// The caller has said who it is: from here on it has an upstream, or waits for one.
  func start(_ call: Int, _ now: Instant) {
    let kind = Upstream.all[calls[call].kind]
    let upstream = upstreams[calls[call].upstream]
    let isPaired = calls[call].tracks == 2 && calls[call].isDialled && kind.voice == nil
    if isPaired { calls[call].format.channels = 2 }
    guard settleFormats(call, kind),
      Conversion.exists(from: calls[call].format, to: calls[call].hears)
    else {
      tell(
        call, .error(code: "unsupported", message: "this route's upstream cannot take this audio"),
        now)
      end(call, .unsupported, now)
      return
    }
    if calls[call].name.isEmpty { calls[call].name = makeName() }
    renderEnvelope(call)
    guard prepareUplink(call, kind, upstream, now), kind.voice == nil || prepareDownlink(call),
      !isPaired || beginPairing(call), isPaired || beginOrder(call)
    else { return end(call, .noMemory, now) }
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
    let id = calls.id(at: call)
    perform(calls[call].life.started(), call, now)
    guard calls.holds(id), calls[call].isTwoWay else { return }
    playGreeting(call, now)
    if isUpstreamOpen(call) { beginTalk(call, now) }
  }

  /// What the upstream is sent and what it sends: settled before it is dialled, by what the caller
  /// sends, or for one dialled ahead by what callers mostly send. False: it can take none of it.
  func settleFormats(_ call: Int, _ kind: Upstream) -> Bool {
    guard !calls[call].isAhead else {
      calls[call].isAhead = false
      healths[calls[call].upstream].ahead &-= 1
      return true
    }
    guard let hears = kind.hears(calls[call].format, session(call)) else { return false }
    calls[call].hears = hears
    if let voice = kind.voice { calls[call].says = voice.says(calls[call].reply, session(call)) }
    return true
  }

  /// What the present session of this call is made from. Valid until the next call of this method.
  func session(_ call: Int) -> Upstream.Session {
    let handle = calls[call].handle
    return Upstream.Session(
      hears: calls[call].hears, says: calls[call].says,
      fixed: upstreams[calls[call].upstream].query.bytes,
      options: routes[calls[call].route].bots[calls[call].bot].options.bytes,
      callers: calls[call].choices.front(in: pool),
      rate: routes[calls[call].route].upstreamRate,
      handle: handle.isEmpty
        ? .empty : handle.whole(handle.count, at: handle.first(), scratch: source.bytes, in: pool))
  }

  /// The caller's audio: how it is kept, converted and wrapped. False where there is no resampler.
  private func prepareUplink(
    _ call: Int, _ kind: Upstream, _ upstream: PreparedUpstream, _ now: Instant
  ) -> Bool {
    let format = calls[call].format
    let hears = calls[call].hears
    guard let conversion = Conversion(from: format, to: hears, in: resamplers) else { return false }
    calls[call].toUpstream = conversion
    calls[call].keepsForReplay = kind.habits.acknowledges
    // A message fits in a block as the upstream wants it, which may be six times as large.
    let fitting = Self.chunkBytesMax &* format.bytesPerSecond / hears.bytesPerSecond
    calls[call].chunkBytesMax = min(
      format.bytes(forMilliseconds: kind.habits.chunkMillisecondsMax), fitting, Self.chunkBytesMax)
    let isHeldBack = Carrier.all[calls[call].carrier].isHeldBack
    calls[call].uplink = Uplink(
      format: format, step: conversion.stepBytes, milliseconds: limits.uplinkMillisecondsMax,
      bytesMin: isHeldBack ? 2 * limits.heldBackBytesMin : 0, pacePercent: upstream.pacePercent,
      at: now)
    var prefix = Writer(scratch.bytes.prefix(256))
    var suffix = Writer(scratch.bytes[256..<512])
    kind.envelope(hears, &prefix, &suffix)
    calls[call].isWrapped = prefix.count > 0
    guard let wrapping = Envelope(prefix: prefix.written, suffix: suffix.written) else {
      preconditionFailure("an upstream's row bounds its envelope")
    }
    calls[call].wrapping = wrapping
    return true
  }

  /// The agent's audio: in which format it comes, and how it is played. False where there is no
  /// resampler.
  private func prepareDownlink(_ call: Int) -> Bool {
    guard let voice = Upstream.all[calls[call].kind].voice,
      var manner = Carrier.all[calls[call].carrier].playout
    else { return false }
    let reply = calls[call].reply
    let says = calls[call].says
    guard let conversion = Conversion(from: says, to: reply, in: resamplers) else { return false }
    // A piece cut in two messages would have one that is shorter than the carrier takes.
    let bytesMax = calls[call].envelope.audioBytesMax(as: manner.carriage)
    manner.pieceMilliseconds = min(
      manner.pieceMilliseconds, reply.milliseconds(forBytes: bytesMax))
    calls[call].downlink = Downlink(
      says: says, reply: reply, conversion: conversion, manner: manner,
      millisecondsMax: limits.playoutMillisecondsMax)
    calls[call].carriage = manner.carriage
    calls[call].speech = voice.speech
    calls[call].isTwoWay = true
    return true
  }

  /// Both tracks of a call in one stream of two channels, where the upstream takes that.
  private func beginPairing(_ call: Int) -> Bool {
    guard calls[call].isDialled else { return true }
    calls[call].pairingBlock = pool.take()
    calls[call].pairing = Pairing(silence: calls[call].format.silence)
    return calls[call].pairingBlock >= 0
  }

  /// Where a carrier's messages may overtake each other.
  private func beginOrder(_ call: Int) -> Bool {
    let carrier = Carrier.all[calls[call].carrier]
    guard carrier.isReordered, calls[call].isDialled, calls[call].tracks == 1 else { return true }
    calls[call].orderBlock = pool.take()
    calls[call].byteOrder = ByteOrder(rate: calls[call].format.rate)
    return calls[call].orderBlock >= 0
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
        if calls[call].orderBlock >= 0 { giveUpOrder(call) }
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
    if calls[call].orderAt <= now {
      giveUpOrder(call)
      pump(call, at: now)
    }
    if calls[call].uplink.backlog > 0 { pump(call, at: now) }
    if calls[call].uplink.backlog == 0, isUpstreamOpen(call) {
      perform(calls[call].life.drained(), call, now)
    }
    guard calls.holds(id) else { return }
    handOver(call, now)
    keepAlive(call, now)
    if !calls[call].isFinalized, calls[call].uplink.backlog == 0,
      calls[call].lastAudio + Upstream.all[calls[call].kind].habits.finalizeAfter <= now
    {
      finalize(call, now)
    }
    resumeCaller(call)
    timers.set(callTimer(call), .never)
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
    if calls[call].uplink.backlog > 0, isUpstreamOpen(call) {
      next = min(next, flowTime(call, now))
    }
    if calls[call].life.state == .talking, calls[call].isDialled {
      next = min(next, max(calls[call].lastSign + habits.keepAliveAfter, now + .milliseconds(1)))
      if calls[call].leaveAt != .never { next = min(next, now + .milliseconds(100)) }
      if !calls[call].isFinalized, calls[call].uplink.backlog == 0 {
        next = min(
          next, max(calls[call].lastAudio + habits.finalizeAfter, now + .milliseconds(1)))
      }
    }
    next = min(next, min(calls[call].pairAt, calls[call].orderAt))
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
    guard calls[call].isDialled, !calls[call].isConfirmed else { return false }
    return calls[call].isTwoWay
      ? calls[call].transcriptsOwed > 0 : calls[call].uplink.received > 0
  }

  /// Both legs are closed, everything is given back, and the end is written down: once for each
  /// call.
  func finishCall(_ call: Int, _ now: Instant) {
    let id = calls.id(at: call)
    let cause = calls[call].life.cause
    endSpeech(call, now)
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
      let milliseconds = (now - self.calls[call].startedAt).milliseconds
      $0.write(decimal: milliseconds)
      $0.write(" ms (")
      $0.write(decimal: milliseconds / 1000)
      $0.write(".")
      $0.write(decimal: milliseconds % 1000, width: 3)
      $0.write(" s), ")
      $0.write(decimal: self.calls[call].framesIn)
      $0.write(" frames, ")
      $0.write(decimal: self.calls[call].transcripts)
      $0.write(" results")
      if self.calls[call].isTwoWay {
        $0.write(", heard ")
        $0.write(decimal: self.calls[call].heardMilliseconds)
        $0.write(" of ")
        $0.write(decimal: self.calls[call].generatedMilliseconds)
        $0.write(" ms that the agent said, interrupted ")
        $0.write(decimal: self.calls[call].interruptions)
        $0.write(" times")
      }
      if self.calls[call].uplink.lost > 0 {
        $0.write(", lost ")
        $0.write(decimal: self.calls[call].uplink.lost)
        $0.write(" bytes of audio")
      }
    }
    if links.holds(calls[call].caller) { closeCaller(calls[call].caller.index, cause, now) }
    letGoOfUpstream(call, now)
    healths[calls[call].upstream].calls &-= 1
    if calls[call].isAhead { healths[calls[call].upstream].ahead &-= 1 }
    totals.callsEnded &+= 1
    if calls[call].isStarted { totals.callsEndedAfterStart &+= 1 }
    totals.audioLost &+= calls[call].uplink.lost
    calls[call].uplink.release(to: pool)
    if calls[call].pairingBlock >= 0 { pool.give(calls[call].pairingBlock) }
    if calls[call].orderBlock >= 0 { pool.give(calls[call].orderBlock) }
    calls[call].downlink.release(to: pool, resamplers)
    calls[call].toUpstream.release(to: resamplers)
    calls[call].choices.clear(in: pool)
    calls[call].callerWords.clear(in: pool)
    calls[call].handle.clear(in: pool)
    timers.set(callTimer(call), .never)
    timers.set(playoutTimer(call), .never)
    calls.release(id)
  }
}
