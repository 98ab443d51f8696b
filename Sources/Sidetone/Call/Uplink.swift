// Every frame.
//
// The caller's audio on its way to the upstream, in one turn:
//
//   message ──take──▶ ring (kept until acknowledged) ──pump: convert, wrap, seal──▶ outbox
//
// `take` lies in Uplink+Intake. `pump` is also what sends a backlog: after the upstream has opened,
// after its socket was full, when the pace allows the next piece.

package struct Uplink: BitwiseCopyable, Sendable {
  var ring = UplinkRing()
  var intake = Intake()
  /// The most audio in one message, in bytes as the caller sends it.
  private var chunkBytesMax = 0
  private var conversion = Conversion()
  private var framing = Framing.binary
  /// How long audio is kept that has been sent.
  private var keeping = Keeping.untilAcknowledged
  /// What the caller has said and an agent has not answered; of an upstream that acknowledges,
  /// nothing.
  private(set) var unanswered = Unanswered()
  /// When the caller last sent audio; `never` before the first.
  private(set) var lastAudio = Instant.never
  /// When what was said so far is to be asked for as final; `never` where it was, or nothing was
  /// said.
  private var finalizeAt = Instant.never
  private var finalizeAfter = Instant.Span.never
  /// What the upstream is sent.
  private var output = Format.mulaw8k
  private var wrapping = Envelope()
  /// What it sounds like, on its first channel and on its second, and where it was missing.
  private var sound = SoundMeter()
  private var otherSound = SoundMeter()
  private var gaps = Gaps()

  /// How audio goes to the upstream: as messages of its own, or wrapped in text.
  private enum Framing: BitwiseCopyable { case binary, wrapped }
  /// Until the upstream says that its words are final; where it never says so, what nobody has
  /// answered.
  private enum Keeping: BitwiseCopyable { case untilAcknowledged, untilAnswered }

  /// The most audio in one message, which fits in a block.
  private static let messageBytesMax = BlockPool.blockBytes &- WebSocket.headerBytesMax
  /// How soon a pool that is dry, or a pace that is exhausted, is asked again.
  static let pause = Instant.Span.milliseconds(5)
  /// Room for the constant text on either side of what is wrapped.
  private static let wrappingBytesMax = 256

  init() {}

  /// Nil where there is no resampler left. `isHeldBack`: the caller is made to wait where it sends
  /// faster than real time.
  init?(
    from input: Format, to output: Format, _ kind: Upstream, pacePercent: Int, isHeldBack: Bool,
    _ store: Store, at now: Instant
  ) {
    guard let conversion = Conversion(from: input, to: output, in: store.resamplers) else {
      return nil
    }
    self.conversion = conversion
    self.output = output
    keeping = kind.timing.acknowledges ? .untilAcknowledged : .untilAnswered
    unanswered = Unanswered(patience: .seconds(store.limits.deadAirSeconds))
    finalizeAfter = kind.timing.finalizeAfter
    // A message fits in a block as the upstream wants it, which may be six times as large.
    let fitting = Self.messageBytesMax &* input.bytesPerSecond / output.bytesPerSecond
    chunkBytesMax = min(
      input.bytes(forMilliseconds: kind.timing.chunkMillisecondsMax), fitting,
      Self.messageBytesMax)
    ring = UplinkRing(
      format: input, step: conversion.stepBytes,
      milliseconds: store.limits.uplinkMillisecondsMax,
      bytesMin: isHeldBack ? 2 * store.limits.heldBackBytesMin : 0, pacePercent: pacePercent,
      at: now)
    wrap(kind, output, store)
  }

  /// By which way audio gets into the ring. False where the pool is dry.
  @_noAllocation mutating func receive(_ kind: Intake.Kind, hearsByteOrder: Bool, _ store: Store)
    -> Bool
  {
    guard
      let intake = Intake(kind, ring.format, hearsByteOrder: hearsByteOrder, from: store.pool)
    else { return false }
    self.intake = intake
    return true
  }

  /// Gives every block and the resampler back.
  @_noAllocation mutating func release(_ store: Store) {
    ring.release(to: store.pool)
    intake.release(to: store.pool)
    skipNothing(store.pool)
    conversion.release(to: store.resamplers)
  }
}

// MARK: What was said

extension Uplink {
  /// The caller has sent audio. When that is to be asked for as final, where nothing was before.
  @_noAllocation mutating func heard(at now: Instant) -> Instant? {
    let wasFinal = finalizeAt == .never
    lastAudio = now
    finalizeAt = now + finalizeAfter
    return wasFinal && finalizeAt != .never ? finalizeAt : nil
  }

  /// Audio was taken of it, ever.
  var hasHeard: Bool { ring.received > 0 }
  var receivedBytes: Int { ring.received }
  /// Bytes of it that no upstream ever got.
  var lostBytes: Int { ring.lost }
  /// How much a caller who can be held back may still send.
  var room: Int { @inline(__always) get { ring.room } }
  /// Where the present session began, in microseconds of the call.
  var sessionOffset: Int { ring.sessionOffsetMicroseconds }
  /// This session has had no audio.
  var isSessionSilent: Bool { ring.isSessionSilent }
  /// What one of its channels is like; gaps are the connection's. Nil where nothing is known.
  @_noAllocation func figures(of channel: Int) -> Event.SideFigures? {
    guard hasHeard else { return nil }
    return Event.SideFigures(
      sound: channel == 0 ? sound.sound : otherSound.sound, gaps: gaps.figures)
  }
  /// Messages that came twice or too late, and those that never came.
  var lateFrames: Int { Int(intake.late) }
  var missingFrames: Int { Int(intake.missing) }

  /// When what waits for its partner, or for its turn, is waited for no longer.
  var heldUntil: Instant { @inline(__always) get { intake.heldUntil } }
  /// Whether the high byte of a sample comes first, as heard; nil where that is not heard.
  var heardByteOrder: Bool? { @inline(__always) get { intake.byteOrder?.verdict } }

  /// The session's words are final up to here on its clock, in microseconds.
  @_noAllocation mutating func acknowledge(_ microseconds: Int, in pool: BlockPool) {
    ring.acknowledge(sessionMicroseconds: microseconds, in: pool)
  }

  /// What the upstream is sent.
  var sends: Format { output }

  /// The upstream takes another format than was believed.
  @_noAllocation mutating func send(
    as format: Format, by conversion: Conversion, chunkMillisecondsMax: Int, _ store: Store
  ) {
    self.conversion.release(to: store.resamplers)
    self.conversion = conversion
    output = format
    let fitting = Self.messageBytesMax &* ring.format.bytesPerSecond / format.bytesPerSecond
    let asked = ring.format.bytes(forMilliseconds: chunkMillisecondsMax)
    chunkBytesMax = min(asked, min(fitting, Self.messageBytesMax))
    ring.setStep(conversion.stepBytes)
  }

  /// Another upstream will have it from now on: what is kept goes there as it wants it. Not marked:
  /// its row's envelope is a stored function.
  mutating func become(_ kind: Upstream, sending format: Format, _ store: Store) {
    keeping = kind.timing.acknowledges ? .untilAcknowledged : .untilAnswered
    finalizeAfter = kind.timing.finalizeAfter
    finalizeAt = .never
    if kind.silenceBehindWords == nil { skipNothing(store.pool) }
    wrap(kind, format, store)
  }

  /// How audio is wrapped for it.
  private mutating func wrap(_ kind: Upstream, _ format: Format, _ store: Store) {
    var prefix = Writer(store.scratch.prefix(Self.wrappingBytesMax))
    var suffix = Writer(store.scratch[Self.wrappingBytesMax..<2 * Self.wrappingBytesMax])
    kind.envelope(format, &prefix, &suffix)
    framing = prefix.count > 0 ? .wrapped : .binary
    guard let wrapping = Envelope(prefix: prefix.written, suffix: suffix.written) else {
      preconditionFailure("an upstream's row bounds its envelope")
    }
    self.wrapping = wrapping
  }

  /// Takes over the audio of one that had one channel, as one of two.
  @_noAllocation mutating func takeOver(_ other: inout Uplink, channel: Int, _ store: Store) {
    ring.takeOver(&other.ring, channel: channel, in: store.pool)
    if channel == 0 { sound = other.sound } else { otherSound = other.sound }
    sound.goOn(at: ring.received)
    gaps = other.gaps
    gaps.becomeTwoChannels()
    lastAudio = other.lastAudio
    finalizeAt = other.finalizeAt
    other.release(store)
  }

  /// What can be sent but was not yet.
  var backlog: Int { @inline(__always) get { ring.backlog } }

  /// The agent begins to say something: when the caller was last heard, whom that answers.
  @_noAllocation mutating func agentBegan(at now: Instant) -> Instant {
    unanswered.agentBegan(at: now)
  }

  /// Nobody has answered what the caller said. True: there was something.
  @_noAllocation mutating func giveUpUnanswered(at now: Instant) -> Bool {
    unanswered.giveUp(at: now)
  }

  /// A session begins: what was not acknowledged, or not answered, is sent to it, and asked for as
  /// final again. An answer is waited for by a caller who has said it already: it goes at once.
  @_noAllocation mutating func beginSession(at now: Instant, in pool: BlockPool) {
    switch keeping {
    case .untilAcknowledged:
      let isAllFinal = ring.isAllFinal
      ring.beginSession(isHurried: false, at: now)
      if gate.isThere { restartGate(isAllFinal: isAllFinal) }
    case .untilAnswered:
      if !unanswered.isThere { ring.forgetSent(from: ring.sent, in: pool) }
      ring.beginSession(isHurried: true, at: now)
    }
    if ring.backlog > 0, finalizeAt == .never { finalizeAt = lastAudio + finalizeAfter }
  }

  /// When what was said so far is to be asked for as final; `never` where a backlog goes first.
  var finalizeTime: Instant { ring.backlog == 0 ? finalizeAt : .never }

  /// Somebody wants what was said so far as final: now (true), or as soon as the backlog in front
  /// of it is sent.
  /// `isPause`: the caller has paused in what was sent, so whatever waits behind that.
  @_noAllocation mutating func finalize(isPause: Bool) -> Bool {
    guard ring.backlog == 0 || isPause else {
      finalizeAt = .zero
      return false
    }
    if ring.backlog == 0 { finalizeAt = .never }
    return true
  }

  /// The caller's samples lie the other way round than was believed.
  @_noAllocation mutating func turnByteOrder(of input: Format) {
    conversion.turn(from: input, to: output)
    ring.turnByteOrder(to: input)
    sound.restart(at: ring.sent)
  }

  /// Silence for a session that never had audio, in milliseconds: sealed, and known to the clock.
  @_noAllocation mutating func sendSilence(
    milliseconds: Int, into link: inout Link, _ store: Store, _ turn: inout Turn
  ) {
    let silence = store.scratch.prefix(output.bytes(forMilliseconds: milliseconds))
    silence.fill(output.silence)
    guard link.seal(.binary, silence, store, &turn) else { return }
    ring.insertedSilence(bytes: ring.format.bytes(forMilliseconds: milliseconds))
  }
}

// MARK: Sending

extension Uplink {
  /// What may be sent goes into the upstream's outbox, sealed; how many bytes of the caller's audio
  /// that were. `isHurried`: the call is ending, the pace no longer counts. `cascade`: whom the
  /// caller's pauses may concern.
  @_noAllocation mutating func pump(
    into link: inout Link, isHurried: Bool, for cascade: Cascade, _ store: Store,
    _ turn: inout Turn
  ) -> Int {
    let pool = store.pool
    let findsPauses = cascade.isOn && cascade.memory.pauses.isOn
    var sent = 0
    while link.outbox.count < Limits.upstreamOutboxBytesMax {
      let chunk = ring.next(
        upTo: chunkBytesMax, isHurried: isHurried, at: turn.now, scratch: store.gathered, in: pool)
      if chunk.isEmpty { break }
      if gate.isThere {
        if sound.isDue(at: ring.sent) { look(at: chunk, ring.sent) }
        guard passes(chunk, in: pool) else { continue }
      }
      let wasEmpty = link.outbox.isEmpty
      guard seal(chunk, into: &link, store, &turn) else { break }
      let isVoice = keeping == .untilAnswered && Loudness.isVoice(chunk, ring.format)
      let start = ring.sent
      if sound.isDue(at: start) { look(at: chunk, start) }
      if findsPauses, cascade.memory.pauses.hear(chunk, ring.format) {
        turn.timers.wake(.call(link.call.index), at: turn.now)
      }
      ring.advance(by: chunk.count, in: pool)
      if keeping == .untilAnswered { keepUnanswered(from: start, isVoice, turn.now, pool) }
      sent &+= chunk.count
      if gate.isThere { closeGate(into: &link, store, &turn) }
      // Only audio of this very turn says how late we are; a backlog waits for other reasons.
      if wasEmpty, ring.backlog == 0, lastAudio == turn.now { link.outbox.stampAudio(turn.now) }
      link.ask(.write, &turn)
    }
    return sent
  }

  /// Audio that was sent, and began there, is looked at.
  @_noAllocation private mutating func look(at chunk: Bytes, _ start: Int) {
    let every = ring.format.bytes(forMilliseconds: SoundMeter.everyMilliseconds)
    sound.look(at: chunk, ring.format, place: start, every: every)
    guard ring.format.channels > 1 else { return }
    otherSound.look(at: chunk, ring.format, channel: 1, place: start, every: every)
  }

  /// Audio comes after a pause, or is the first.
  @inline(never) @_noAllocation mutating func paused(at now: Instant) {
    gaps.paused(after: lastAudio, received: ring.received, as: ring.format, at: now)
  }

  /// So many bytes never came; silence stands in for them.
  @_noAllocation mutating func missed(_ bytes: Int, at now: Instant) {
    gaps.missed(bytes, as: ring.format, at: now)
  }

  /// A chunk was sent that began there. Of what was sent only what nobody has answered is kept, and
  /// a little more, which may be its beginning.
  @inline(__always) private mutating func keepUnanswered(
    from start: Int, _ isVoice: Bool, _ now: Instant, _ pool: BlockPool
  ) {
    let lead = ring.format.bytes(forMilliseconds: Unanswered.leadMilliseconds)
    if isVoice { unanswered.heardVoice(at: max(0, start &- lead), now) }
    ring.forgetSent(from: min(unanswered.begin, max(0, ring.sent &- lead)), in: pool)
  }

  /// Puts one chunk into the upstream's outbox as the upstream wants it: converted, wrapped,
  /// masked. False and nothing done where the pool is dry.
  @_noAllocation private mutating func seal(
    _ chunk: Bytes, into link: inout Link, _ store: Store, _ turn: inout Turn
  ) -> Bool {
    var audio = chunk
    if !conversion.isIdentity {
      // A resampler must not hear the same twice: what it gives has to find its place.
      guard store.pool.free > 1 else { return false }
      audio = store.converted.prefix(conversion.outputBytes(for: chunk.count))
      conversion.convert(chunk, into: audio, in: store.resamplers)
    }
    let key = turn.random.next()
    switch framing {
    case .wrapped:
      return wrapping.seal(
        audio: audio, as: .base64, key: key, into: &link.outbox, from: store.pool)
    case .binary: return link.outbox.seal(.binary, audio, key: key, from: store.pool)
    }
  }

  /// When more of what waits may go to the upstream: as the pace allows. A socket that is full says
  /// itself when it is not.
  @inline(__always) func flowTime(isHurried: Bool, at now: Instant) -> Instant {
    isHurried ? now : ring.paceTime(for: chunkBytesMax, at: now)
  }
}
