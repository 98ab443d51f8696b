// Every frame.
//
// What the agent says on its way to the caller. It comes in bursts, much faster than it can be
// played; it is taken at once, so that the upstream's socket is never held back (its interruption
// stands behind the audio), and waits here.
//
//   speech ──take──▶ staged ──convert──▶ ring ──play──▶ the caller's outbox
//                 (as it came)      (as the caller wants it)
//
// Where both formats are one there is nothing to convert, and audio goes straight into the ring.
// Otherwise it is converted in whole steps of 10 ms, at most so many in one turn of the loop; what
// is less than a step waits for more, and is filled with silence when its speaker has ended, behind
// which comes the tail that the filter still holds. Only whole samples are kept. An item for which
// there is no room is dropped from there to its end.

package struct Downlink: BitwiseCopyable, Sendable {
  private var staged = Chain()
  private var ring = Chain()
  private var conversion = Conversion()
  package private(set) var says = Format.mulaw8k
  package private(set) var reply = Format.mulaw8k
  private var millisecondsMax = 0

  package var playout = Playout()
  package var utterances = Utterances()
  /// The constant text around audio for the caller, and how audio is written in it.
  var envelope = Envelope()
  /// Until when the rest of a piece is waited for: a frame and a little behind what came last.
  private var patience = Instant.never
  private(set) var payloadEncoding = Media.PayloadEncoding.base64
  /// How what the agent says comes: base64 text, or the bytes themselves.
  private var coming = Coming.base64
  /// No more will come soon: what is less than a piece is said too.
  private var isEnding = false
  /// The filter holds something of what was said.
  private var isTailOwed = false
  private var hasRecorded = false
  /// What it sounds like, and where in the middle of something its caller heard nothing.
  private var sound = SoundMeter()
  private var gaps = Event.SideFigures.Gaps()

  package enum Coming: BitwiseCopyable, Sendable { case base64, raw }

  /// What was recorded and is not yet in the ring (Downlink+Recorded).
  var recorded: LentBytes {
    @inline(__always) get { hasRecorded ? utterances.recorded : LentBytes() }
    set {
      hasRecorded = !newValue.isEmpty
      if hasRecorded { utterances.recorded = newValue }
    }
  }

  package init() {}

  package init(
    says: Format, as coming: Coming = .base64, reply: Format, conversion: Conversion,
    pacing: Carrier.Pacing, envelope: Envelope = Envelope(), millisecondsMax: Int
  ) {
    self.coming = coming
    self.says = says
    self.reply = reply
    self.conversion = conversion
    self.envelope = envelope
    self.millisecondsMax = millisecondsMax
    payloadEncoding = pacing.payloadEncoding
    playout = Playout(pacing, rate: reply.rate)
  }

  /// For callers who hear nobody but themselves, or nothing.
  init(reply: Format, envelope: Envelope, as payloadEncoding: Media.PayloadEncoding) {
    self.reply = reply
    self.envelope = envelope
    self.payloadEncoding = payloadEncoding
  }

  /// Samples that wait to be played, in whole ones of the caller's format.
  package var waiting: Int {
    @inline(__always) get { ring.count / reply.bytesPerFrame }
  }

  /// Where the next piece that comes will be played.
  package var end: Int {
    playout.sent &+ waiting &+ recorded.count / Self.recordedBytes
      &+ staged.count / says.bytesPerFrame &* reply.rate / says.rate
  }

  package var waitingMilliseconds: Int {
    reply.milliseconds(forBytes: ring.count) &+ says.milliseconds(forBytes: staged.count)
  }

  /// Something of what came is not yet in the ring, and can be.
  package var hasToConvert: Bool {
    @inline(__always) get {
      !conversion.isIdentity && staged.count >= conversion.stepBytes || isEnding && isTailOwed
    }
  }

  /// What is in the ring is the last for now.
  package var isLast: Bool {
    @inline(__always) get { isEnding && staged.isEmpty && !isTailOwed && recorded.isEmpty }
  }

  /// The last has been sent.
  package var isAllSent: Bool { @inline(__always) get { isLast && ring.isEmpty } }
}

extension Downlink {
  /// The caller's samples lie the other way round than was believed; those that wait are turned.
  @_noAllocation package mutating func turn(to reply: Format, in pool: BlockPool) {
    self.reply = reply
    conversion.turn(from: says, to: reply)
    var cursor = ring.first()
    var rest = ring.count & ~1
    while rest > 0 {
      let run = ring.run(at: &cursor, upTo: rest, in: pool)
      let whole = max(run.count & ~1, 1)
      for index in 0..<whole / 2 {
        run.store(run.load(UInt16.self, at: 2 &* index).byteSwapped, at: 2 &* index)
      }
      ring.advance(&cursor, by: whole, in: pool)
      rest &-= whole
      guard whole == 1 else { continue }
      // A sample of which the other half lies in the next block.
      let other = ring.run(at: &cursor, upTo: 1, in: pool)
      let first = run[0]
      run[0] = other[0]
      other[0] = first
      ring.advance(&cursor, by: 1, in: pool)
      rest &-= 1
    }
  }
}

// MARK: Another format

extension Downlink {
  /// What has come is converted to its end: less than a step is filled up with silence.
  @_noAllocation mutating func convertAll(
    scratch: Bytes, in pool: BlockPool, _ resamplers: ResamplerPool
  ) {
    isEnding = true
    while hasToConvert, convert(budget: 50, scratch: scratch, in: pool, resamplers) > 0 {}
  }

  /// What the agent says comes in another format from now on. What has come is converted first.
  /// False: the pool was dry, and it is lost.
  @_noAllocation package mutating func follow(
    _ says: Format, by next: Conversion, scratch: Bytes, in pool: BlockPool,
    _ resamplers: ResamplerPool
  ) -> Bool {
    let wasEnding = isEnding
    convertAll(scratch: scratch, in: pool, resamplers)
    isEnding = wasEnding
    let isKept = staged.isEmpty
    staged.clear(in: pool)
    isTailOwed = false
    conversion.release(to: resamplers)
    conversion = next
    self.says = says
    return isKept
  }
}

// MARK: In

extension Downlink {
  package enum Kept: BitwiseCopyable, Sendable {
    /// So many bytes, all of whole samples; and the first half of another.
    case bytes(Int, odd: UInt8?)
    case malformed, full
  }

  /// One piece of what the agent says, as it came, behind the odd byte of its item. Nothing was
  /// done where there is no room for it.
  @_noAllocation mutating func take(
    _ payload: Bytes, of utterance: Int, _ store: Store, _ turn: inout Turn
  ) -> Kept {
    guard utterances.hasRoom(utterance), recorded.isEmpty || takeAllRecorded(store) else {
      return .full
    }
    // A burst leaves a block to every call: nobody else's words are lost for it.
    let blocks = payload.count / 4 &* (coming == .raw ? 4 : 3) / BlockPool.blockBytes
    if blocks > 0, store.pool.free &- blocks <= store.limits.callsMax { return .full }
    let kept = keep(payload, behind: utterances.odd(of: utterance), in: store.pool)
    switch kept {
    case .bytes(let count, let odd):
      utterances.grow(utterance, by: count, odd: odd, from: says, to: reply)
      patience = turn.now + Self.frameAndLittle
      turn.note(.speechPiece)
    case .malformed, .full: break
    }
    return kept
  }

  /// What the agent says comes in another way from now on.
  @_noAllocation mutating func expect(_ coming: Coming) { self.coming = coming }

  /// How many bytes of audio a piece of speech is.
  @_noAllocation func bytes(in payload: Bytes) -> Int {
    coming == .raw ? payload.count : Base64.decodedCount(of: payload) ?? 0
  }

  /// Takes a piece of speech as it came. Says how many bytes of audio it was.
  @_noAllocation package mutating func keep(
    _ payload: Bytes, behind odd: UInt8?, in pool: BlockPool
  ) -> Kept {
    guard !payload.isEmpty else { return .bytes(0, odd: odd) }
    guard waitingMilliseconds < millisecondsMax else { return .full }
    let isIdentity = conversion.isIdentity
    let size = says.bytesPerFrame
    let kept =
      isIdentity
      ? Self.append(payload, as: coming, behind: odd, size, to: &ring, in: pool)
      : Self.append(payload, as: coming, behind: odd, size, to: &staged, in: pool)
    if case .bytes = kept {
      isEnding = false
      if !isIdentity { isTailOwed = true }
    }
    return kept
  }

  /// A frame is decoded where it will lie; a burst, and another spelling of base64, where it came,
  /// and moved. What is left of a sample that is not whole (of `size` bytes, 1 or 2) is the next
  /// odd byte.
  private static func append(
    _ payload: Bytes, as coming: Coming, behind odd: UInt8?, _ size: Int, to chain: inout Chain,
    in pool: BlockPool
  ) -> Kept {
    let before = odd == nil ? 0 : 1
    if coming == .base64, let length = Base64.decodedCount(of: payload),
      before &+ length <= BlockPool.blockBytes
    {
      let count = before &+ length
      guard let place = chain.acquire(count, from: pool) else { return .full }
      if Base64.decode(payload, into: place.dropping(before)) == length {
        if let odd { place[0] = odd }
        let whole = wholeSamples(count, size)
        let rest = whole < count ? place[whole] : nil
        chain.commit(whole, in: pool)
        return .bytes(whole, odd: rest)
      }
    }
    guard let length = coming == .raw ? payload.count : Base64.decodeInPlace(payload) else {
      return .malformed
    }
    let count = before &+ length
    let whole = wholeSamples(count, size)
    guard whole > 0 else { return .bytes(0, odd: length > 0 ? payload[0] : odd) }
    guard chain.hasRoom(whole, unbroken: before, in: pool) else { return .full }
    if let odd, let place = chain.acquire(1, from: pool) {
      place[0] = odd
      chain.commit(1, in: pool)
    }
    guard chain.append(payload.prefix(whole &- before), from: pool) else {
      preconditionFailure("room was counted before")
    }
    return .bytes(whole, odd: whole < count ? payload[length &- 1] : nil)
  }

  @inline(__always) private static func wholeSamples(_ count: Int, _ size: Int) -> Int {
    size == 1 ? count : count & ~1
  }

  /// Takes samples that are already as the caller wants them. At most a block.
  @_noAllocation package mutating func keep(ready audio: Bytes, in pool: BlockPool) -> Bool {
    guard let place = ring.acquire(audio.count, from: pool) else { return false }
    place.copy(audio)
    ring.commit(audio.count, in: pool)
    return true
  }

  /// Nobody is speaking any more: what is left is filled up and said.
  @_noAllocation package mutating func finish() { isEnding = true }

  /// Converts what waits, at most `budget` frames of 20 ms, and says how many it took.
  @_noAllocation package mutating func convert(
    budget: Int, scratch: Bytes, in pool: BlockPool, _ resamplers: ResamplerPool
  ) -> Int {
    let step = conversion.stepBytes
    let frame = says.bytes(forMilliseconds: 20)
    var frames = 0
    while frames < budget {
      if staged.count < step {
        guard isEnding, isTailOwed, fill(to: step, pool, resamplers) else { break }
        if staged.isEmpty {
          frames &+= 1
          continue
        }
      }
      let length = min(staged.count, frame) / step &* step
      let output = conversion.outputBytes(for: length)
      guard let place = ring.acquire(output, from: pool) else { break }
      let input = staged.whole(length, at: staged.first(), scratch: scratch, in: pool)
      conversion.convert(input, into: place, in: resamplers)
      ring.commit(output, in: pool)
      staged.drop(length, in: pool)
      frames &+= 1
    }
    return frames
  }

  /// The end of speech: the last step is filled with silence; when it has gone, the tail that the
  /// filter holds follows. False where the pool is dry.
  private mutating func fill(
    to step: Int, _ pool: BlockPool, _ resamplers: ResamplerPool
  ) -> Bool {
    let missing = step &- staged.count
    if missing < step {
      guard let place = staged.acquire(upTo: missing, from: pool) else { return false }
      place.fill(says.silence)
      staged.commit(place.count, in: pool)
      return staged.count == step || fill(to: step, pool, resamplers)
    }
    let output = conversion.tailBytes
    if output > 0 {
      guard let place = ring.acquire(output, from: pool) else { return false }
      conversion.tail(into: place, in: resamplers)
      ring.commit(output, in: pool)
    }
    isTailOwed = false
    return true
  }
}

// MARK: Out

extension Downlink {
  /// The next samples to be played, in one piece.
  @inline(__always) package func next(_ samples: Int, scratch: Bytes, in pool: BlockPool) -> Bytes {
    ring.whole(samples &* reply.bytesPerFrame, at: ring.first(), scratch: scratch, in: pool)
  }

  @_noAllocation package mutating func advance(_ samples: Int, in pool: BlockPool) {
    ring.drop(samples &* reply.bytesPerFrame, in: pool)
  }

  /// What one message of the playout asks for beside itself.
  enum Played: BitwiseCopyable {
    /// Nothing was due.
    case nothing
    case piece
    /// A mark shall follow.
    case piecedMark
  }

  /// Converts what this turn's budget allows.
  @_noAllocation mutating func convert(_ store: Store, _ turn: inout Turn) {
    if !recorded.isEmpty { takeRecorded(store) }
    guard hasToConvert else { return }
    turn.conversionsLeft &-= convert(
      budget: max(0, turn.conversionsLeft), scratch: store.gathered, in: store.pool,
      store.resamplers)
  }

  /// Sends the next piece that is due, as one message.
  @_noAllocation mutating func play(
    into link: inout Link, _ store: Store, _ turn: inout Turn
  ) -> Played {
    guard !link.outbox.isCloseSent, link.outbox.count < Limits.playoutOutboxBytesMax,
      store.pool.free > 1
    else { return .nothing }
    let isLast = isLast
    let waiting = waiting
    let count = playout.due(waiting, isLast: isLast, patience: patience, at: turn.now)
    guard count > 0 else { return .nothing }
    var audio = next(count, scratch: store.gathered, in: store.pool)
    let place = playout.sent
    if sound.isDue(at: place) {
      let every = reply.rate &* SoundMeter.everyMilliseconds / 1000
      sound.look(at: audio, reply, place: place, every: every)
    }
    audio = filled(audio, store)
    let isSealed = envelope.seal(
      audio: audio, as: payloadEncoding, key: nil, into: &link.outbox, from: store.pool)
    precondition(isSealed, "the pool had room for one message")
    advance(count, in: store.pool)
    link.ask(.write, &turn)
    turn.note(.speechSent)
    let isMarked = playout.send(
      audio.count / reply.bytesPerFrame, isEnd: isLast && count == waiting, at: turn.now)
    if playout.wasDryFor > Gaps.lateness { notePause(before: place) }
    return isMarked ? .piecedMark : .piece
  }

  /// The carrier had nothing to play before the sample at this place: a gap in the middle of
  /// something, not in front of it.
  private mutating func notePause(before place: Int) {
    for index in 0..<utterances.count {
      let utterance = utterances[index]
      guard utterance.start < place, place < utterance.start &+ utterance.length else { continue }
      gaps.count &+= 1
      gaps.milliseconds &+= UInt32(clamping: playout.wasDryFor.milliseconds)
    }
  }

  /// What its caller was sent is like; nil where nothing was.
  var figures: Event.SideFigures? {
    sound.sound.map { Event.SideFigures(sound: $0, gaps: gaps) }
  }

  /// The last piece of a carrier whose messages have a least length, filled up with silence.
  @inline(__always) private func filled(_ audio: Bytes, _ store: Store) -> Bytes {
    let bytes = playout.least &* reply.bytesPerFrame
    guard audio.count < bytes else { return audio }
    let place = store.converted.prefix(bytes)
    place.copy(audio)
    place.dropping(audio.count).fill(reply.silence)
    return place
  }

  /// When the playout has to be looked after again; `never` where only something that comes, or a
  /// socket that takes again, can change anything.
  @inline(__always) func nextTime(
    outboxBytes: Int, conversionsLeft: Int, _ store: Store, at now: Instant
  ) -> Instant {
    guard outboxBytes < Limits.playoutOutboxBytesMax else { return .never }
    var next = playout.time(waiting, isLast: isLast, patience: patience)
    if isRecordedDue { next = min(next, now + Self.dryPause) }
    if hasToConvert {
      // The rest of a burst, in the next turn: others come first. Where the budget was not what
      // was missing the pool is dry.
      next = min(next, now + (conversionsLeft > 0 ? Self.dryPause : Self.burstPause))
    }
    // Nothing can be sent before somebody gives a block back, whatever the clock says.
    if store.pool.free <= 1, waiting > 0 { next = now + Self.dryPause }
    return next == .never ? next : max(next, now + Self.leastPause)
  }

  private static let frameAndLittle = Instant.Span.milliseconds(25)
  private static let dryPause = Instant.Span.milliseconds(5)
  private static let burstPause = Instant.Span.microseconds(200)
  private static let leastPause = Instant.Span.microseconds(100)

  /// What was not yet sent is void.
  @_noAllocation package mutating func clear(in pool: BlockPool, _ resamplers: ResamplerPool) {
    recorded = LentBytes()
    ring.clear(in: pool)
    clearStaged(isEnding: false, in: pool, resamplers)
  }

  /// The same of what would be played from this place on.
  @_noAllocation mutating func clear(
    behind place: Int, in pool: BlockPool, _ resamplers: ResamplerPool
  ) {
    let left = max(0, place &- playout.sent) &* reply.bytesPerFrame
    if ring.count > left { ring.truncate(to: left, in: pool) }
    clearStaged(isEnding: true, in: pool, resamplers)
  }

  @_noAllocation private mutating func clearStaged(
    isEnding: Bool, in pool: BlockPool, _ resamplers: ResamplerPool
  ) {
    staged.clear(in: pool)
    self.isEnding = isEnding
    if isTailOwed { conversion.settle(in: resamplers) }
    isTailOwed = false
  }

  /// Gives everything back.
  @_noAllocation package mutating func release(to pool: BlockPool, _ resamplers: ResamplerPool) {
    recorded = LentBytes()
    ring.clear(in: pool)
    staged.clear(in: pool)
    conversion.release(to: resamplers)
  }
}
