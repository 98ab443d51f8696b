// Every frame.
//
// The caller's audio on its way to the upstream. One ring of blocks serves dialling, redialling and
// every day: a frame is decoded into it once, sent from it in the same turn where the upstream
// stands, and kept in it until the upstream has acknowledged the words.
//
//     let go of          kept for a replay          kept to be sent
//   ─────────────┬───────────────────────────┬──────────────────────────┬──────
//           acknowledged       <=           sent          <=         received
//
// The three are counts of bytes since the call began, in this order at every moment. A session that
// is lost moves `sent` back to `acknowledged`; that is the whole of a replay. Of an upstream that
// acknowledges nothing, what is answered counts as acknowledged (Unanswered). When the ring is full
// the oldest goes: first what was sent already (a replay will be shorter), then what was not (lost,
// and counted).

package struct UplinkRing: BitwiseCopyable, Sendable {
  private var kept = Chain()
  private var cursor = Chain.Cursor()
  package private(set) var acknowledged = 0
  package private(set) var sent = 0
  package private(set) var received = 0
  /// Bytes that were never sent because there was no room to keep them.
  package private(set) var lost = 0

  /// Where the present session began, in bytes of the call; its clock counts from there.
  package private(set) var sessionStart = 0
  /// Silence that this session was given, which its clock counts as well.
  private var inserted = 0
  /// Whether this session has had any audio.
  package private(set) var isSessionSilent = true

  package private(set) var format = Format.mulaw8k
  /// What is sent is a multiple of this: what has to be converted goes in whole steps.
  private var step = 1
  private var bytesMax = 0
  private var replayMax = 0

  /// The bytes of a sample that its message cut in two.
  private var remainder = InlineArray<4, UInt8>(repeating: 0)
  private var remainderBytes = 0

  private var pace = Pace()
  /// What lets only voices pass; nothing is lent where all is sent.
  private(set) var gate = Lent<SilenceGate>()

  package init() {}

  /// `step`: what is sent is a multiple of so many bytes; 0: of one sample. `milliseconds`: how
  /// much audio may wait, but never less than `bytesMin`; `pacePercent`: how fast a backlog may be
  /// sent.
  package init(
    format: Format, step: Int = 0, milliseconds: Int, bytesMin: Int, pacePercent: Int,
    at now: Instant
  ) {
    self.format = format
    self.step = max(step, format.bytesPerFrame)
    let align = format.bytesPerFrame
    let bytes = format.bytes(forMilliseconds: milliseconds)
    bytesMax = max(bytes, bytesMin) / align * align
    // Half of the least is always left to what waits, or a caller whose words are never final would
    // be stuck.
    replayMax = min(bytes, bytesMax - bytesMin / 2)
    pace = Pace(bytesPerSecond: format.bytesPerSecond, percent: pacePercent, at: now)
  }

  /// What is sent is a multiple of so many bytes from now on.
  @_noAllocation mutating func setStep(_ bytes: Int) { step = max(bytes, format.bytesPerFrame) }

  /// Its samples lie the other way round than was believed.
  @_noAllocation mutating func turnByteOrder(to format: Format) { self.format = format }

  package var unsent: Int { received &- sent }
  /// What can be sent of it: less than a step waits for more.
  package var backlog: Int { unsent / step &* step }

  /// How much a caller who can be held back may still send: what waits to be sent has a bound, and
  /// what was sent stays for a replay, up to its own bound, behind which it makes way.
  package var room: Int { max(0, bytesMax &- unsent &- min(sent &- acknowledged, replayMax)) }
}

// MARK: Keeping

extension UplinkRing {
  package enum Kept: BitwiseCopyable, Sendable { case done, empty, malformed, full }

  /// Decodes a base64 payload into the ring. Payloads that are no base64, or that cut a sample in
  /// two, are malformed and leave nothing behind.
  @_noAllocation package mutating func keep(base64 payload: Bytes, in pool: BlockPool) -> Kept {
    guard !payload.isEmpty else { return .empty }
    let length = Base64.decodedCount(of: payload) ?? 0
    if length == 0 || length > BlockPool.blockBytes { return keep(unusual: payload, in: pool) }
    guard length % format.bytesPerFrame == 0, let place = acquire(length, in: pool) else {
      return length % format.bytesPerFrame == 0 ? .full : keep(unusual: payload, in: pool)
    }
    guard Base64.decode(payload, into: place) == length else {
      return keep(unusual: payload, in: pool)
    }
    commit(length, in: pool)
    return .done
  }

  /// The same where it is too long for a block, or spelt in another way.
  @inline(never) @_noAllocation
  private mutating func keep(unusual payload: Bytes, in pool: BlockPool) -> Kept {
    guard let length = Base64.decodeInPlace(payload) else { return .malformed }
    guard length > 0 else { return .empty }
    guard length % format.bytesPerFrame == 0 else { return .malformed }
    return keep(payload.prefix(length), in: pool)
  }

  /// Reads the inside of a JSON array of integers into the ring as little-endian samples of two
  /// bytes. Lists with anything else in them are malformed and leave nothing behind.
  @_noAllocation package mutating func keep(integers list: Bytes, in pool: BlockPool) -> Kept {
    let count = Integers.count(in: list)
    guard count > 0 else { return .empty }
    let length = 2 &* count
    guard length % format.bytesPerFrame == 0 else { return .malformed }
    guard count <= Integers.countMax else { return keep(long: list, count, in: pool) }
    guard let place = acquire(length, in: pool) else { return .full }
    guard Integers.parse(list, into: place) == count else { return .malformed }
    commit(length, in: pool)
    return .done
  }

  /// The same where the list is longer than is read at once: judged whole, then kept in portions.
  @inline(never) @_noAllocation
  private mutating func keep(long list: Bytes, _ count: Int, in pool: BlockPool) -> Kept {
    guard let read = Self.numbers(in: list, by: pool) else {
      lost &+= 2 &* count
      return .full
    }
    guard read == count else { return .malformed }
    var rest = list
    var left = count
    var isFull = false
    while left > 0 {
      let text = Self.nextPortion(of: &rest)
      let length = 2 &* min(left, Self.portion)
      if let place = acquire(length, in: pool) {
        _ = Integers.parse(text, into: place)
        commit(length, in: pool)
      } else {
        isFull = true
      }
      left &-= min(left, Self.portion)
    }
    return isFull ? .full : .done
  }

  /// So many numbers of a long list are read at once.
  private static let portion = Integers.countMax

  /// How many samples a list holds, read into a block that is given back; -1 where something in it
  /// is none. Nil: the pool is dry.
  @_noAllocation private static func numbers(in list: Bytes, by pool: BlockPool) -> Int? {
    let block = pool.take()
    guard block >= 0 else { return nil }
    var rest = list
    var read = 0
    while !rest.isEmpty, read >= 0 {
      if let parsed = Integers.parse(nextPortion(of: &rest), into: pool.bytes(block)) {
        read &+= parsed
      } else {
        read = -1
      }
    }
    pool.give(block)
    return read
  }

  /// Takes the text of the next portion, and the comma behind it, off a list.
  @_noAllocation private static func nextPortion(of list: inout Bytes) -> Bytes {
    var at = 0
    for _ in 0..<portion {
      guard let comma = list.firstIndex(of: UInt8(ascii: ","), from: at) else {
        let all = list
        list = list.dropping(list.count)
        return all
      }
      at = comma &+ 1
    }
    let front = list.prefix(at &- 1)
    list = list.dropping(at)
    return front
  }

  /// A place in the ring for whole samples (at most a block), to be filled and then given to
  /// `commit`; nil where there is no room, and the audio is lost and counted.
  @_noAllocation package mutating func acquire(_ length: Int, in pool: BlockPool) -> Bytes? {
    guard makeRoom(length, in: pool), let place = kept.acquire(length, from: pool) else {
      lost &+= length
      return nil
    }
    return place
  }

  @_noAllocation package mutating func commit(_ length: Int, in pool: BlockPool) {
    kept.commit(length, in: pool)
    received &+= length
  }

  /// Copies raw audio into the ring. A sample that the message cut in two waits for its other half.
  @_noAllocation package mutating func keep(raw payload: Bytes, in pool: BlockPool) -> Kept {
    guard !payload.isEmpty else { return .empty }
    var rest = payload
    let align = format.bytesPerFrame
    while remainderBytes > 0, remainderBytes < align, !rest.isEmpty {
      remainder[remainderBytes] = rest[0]
      remainderBytes &+= 1
      rest = rest.dropping(1)
    }
    var isFull = false
    if remainderBytes == align {
      // Where there is no room the sample is lost as a whole: what follows must not be shifted.
      remainderBytes = 0
      if let place = acquire(align, in: pool) {
        for index in 0..<align { place[index] = remainder[index] }
        commit(align, in: pool)
      } else {
        isFull = true
      }
    }
    let whole = rest.count / align &* align
    for index in whole..<rest.count {
      remainder[remainderBytes] = rest[index]
      remainderBytes &+= 1
    }
    if whole > 0, keep(rest.prefix(whole), in: pool) == .full { isFull = true }
    return isFull ? .full : .done
  }

  /// Copies whole samples into the ring; a frame that fits in a block is not split over two.
  @_noAllocation private mutating func keep(_ audio: Bytes, in pool: BlockPool) -> Kept {
    guard makeRoom(audio.count, in: pool) else {
      lost &+= audio.count
      return .full
    }
    if audio.count <= BlockPool.blockBytes, let place = kept.acquire(audio.count, from: pool) {
      place.copy(audio)
      kept.commit(audio.count, in: pool)
    } else {
      guard kept.append(audio, from: pool) else {
        lost &+= audio.count
        return .full
      }
    }
    received &+= audio.count
    return .done
  }

  /// Lets the oldest go until `length` more bytes fit into the ring and the pool.
  @_noAllocation private mutating func makeRoom(_ length: Int, in pool: BlockPool) -> Bool {
    guard length <= bytesMax else { return false }
    if kept.count &+ length > bytesMax {
      dropOldest(kept.count &+ length &- bytesMax, in: pool)
    }
    // One block more than the bytes need, since a frame may begin a new one.
    while pool.free < length / BlockPool.blockBytes &+ 1, !kept.hasRoom(length, in: pool) {
      guard kept.count > 0 else { return false }
      dropOldest(min(kept.count, BlockPool.blockBytes), in: pool)
    }
    return true
  }

  @_noAllocation private mutating func dropOldest(_ length: Int, in pool: BlockPool) {
    let frame = max(format.bytes(forMilliseconds: 20), format.bytesPerFrame)
    let dropped = min(kept.count, (length &+ frame &- 1) / frame &* frame)
    letGo(of: dropped, in: pool)
    if sent < acknowledged {
      let skipped = acknowledged &- sent
      lost &+= skipped
      // The session never hears it, so its clock does not count it.
      sessionStart &+= skipped
      sent = acknowledged
      cursor = kept.first()
    }
  }

  @_noAllocation private mutating func letGo(of length: Int, in pool: BlockPool) {
    kept.drop(length, in: pool)
    acknowledged &+= length
    if sent == acknowledged { cursor = kept.first() }
  }
}

// MARK: Two channels

extension UplinkRing {
  /// Takes over what a ring of one channel holds, one-byte samples, as `channel` of two beside
  /// silence. A session has to begin anew.
  @_noAllocation mutating func takeOver(_ other: inout UplinkRing, channel: Int, in pool: BlockPool)
  {
    received = 2 &* other.acknowledged
    lost = 2 &* other.lost
    if gate.isThere, other.gate.isThere {
      gate.value.skips.bytes = 2 &* other.gate.value.skips.bytes
    }
    let start = received
    while other.kept.count > 0 {
      let run = other.kept.front(in: pool)
      let samples = run.prefix(min(run.count, BlockPool.blockBytes / 2))
      if let place = acquire(2 &* samples.count, in: pool) {
        place.fill(format.silence)
        for index in 0..<samples.count { place[2 &* index &+ channel] = samples[index] }
        commit(place.count, in: pool)
      }
      other.kept.drop(samples.count, in: pool)
    }
    acknowledged = max(start, received &- kept.count)
    sent = acknowledged
    cursor = kept.first()
  }
}

// MARK: Sending

extension UplinkRing {
  /// The next chunk to be sent: whole steps, contiguous, at most `bytesMax` and what the pace
  /// allows; a step that lies in two blocks is gathered in `scratch`. Empty: nothing waits, or not
  /// yet (see `paceTime`). `isHurried`: the call is ending, the pace no longer counts.
  @_noAllocation package mutating func next(
    upTo bytesMax: Int, isHurried: Bool, at now: Instant, scratch: Bytes, in pool: BlockPool
  ) -> Bytes {
    guard unsent > 0 else { return .empty }
    let allowed = isHurried ? bytesMax : min(bytesMax, pace.allowance(at: now))
    let length = min(allowed, unsent) / step &* step
    guard length > 0 else { return .empty }
    let run = kept.run(at: &cursor, upTo: length, in: pool)
    if run.count >= step { return run.prefix(run.count / step &* step) }
    return kept.whole(step, at: cursor, scratch: scratch, in: pool)
  }

  /// The chunk that `next` gave out was handed to the upstream.
  @_noAllocation package mutating func advance(by length: Int, in pool: BlockPool) {
    kept.advance(&cursor, by: length, in: pool)
    sent &+= length
    pace.spend(length)
    isSessionSilent = false
    precondition(acknowledged <= sent && sent <= received)
  }

  /// When the pace will allow another chunk of `bytes`; `now` where it does already.
  @_noAllocation package func paceTime(for bytes: Int, at now: Instant) -> Instant {
    pace.time(for: min(bytes, unsent), at: now)
  }
}

// MARK: Sessions

extension UplinkRing {
  /// A new session begins: everything that was not acknowledged is to be sent (again).
  /// `isHurried`: what was said before goes at once, whatever the pace.
  @_noAllocation package mutating func beginSession(isHurried: Bool = false, at now: Instant) {
    let repeated = isHurried ? sent &- acknowledged : 0
    if gate.isThere {
      gate.value.skips.forget(from: acknowledged, unheard: isSessionSilent ? sent : 0)
    }
    sent = acknowledged
    cursor = kept.first()
    sessionStart = acknowledged
    inserted = 0
    isSessionSilent = true
    pace.restart(with: repeated, at: now)
  }

  /// Of what was sent only that from this place on is kept: this upstream never says how far it has
  /// come.
  @_noAllocation package mutating func forgetSent(from place: Int, in pool: BlockPool) {
    let upTo = min(place, sent)
    if upTo > acknowledged { letGo(of: upTo &- acknowledged, in: pool) }
  }

  /// The session was given silence of our own.
  @_noAllocation package mutating func insertedSilence(bytes: Int) {
    inserted &+= bytes
    isSessionSilent = false
  }

  /// The session's words are final up to this time on its clock; the audio before it may go.
  @_noAllocation package mutating func acknowledge(sessionMicroseconds: Int, in pool: BlockPool) {
    let samples = sessionMicroseconds / 1000 &* format.rate / 1000
    var position = sessionStart &+ samples &* format.bytesPerFrame &- inserted
    var most = sent
    if gate.isThere {
      position &+= gate.value.skips.before(position, tolerance)
      most = max(gate.value.skips.latest(endingAt: sent), sent &- gate.value.skips.lead)
    }
    let upTo = min(max(position, acknowledged), most)
    if upTo > acknowledged { letGo(of: upTo &- acknowledged, in: pool) }
  }

  /// Where the present session began, in microseconds of the call.
  package var sessionOffsetMicroseconds: Int {
    let start = max(0, sessionStart &- inserted) / format.bytesPerFrame
    return start / format.rate &* 1_000_000 &+ start % format.rate &* 1_000_000 / format.rate
  }

  /// Gives every block back.
  @_noAllocation package mutating func release(to pool: BlockPool) { kept.clear(in: pool) }
}

// MARK: Leaving out

extension UplinkRing {
  /// So far may a time that the upstream says be beside the place that it means.
  private var tolerance: Int { format.bytes(forMilliseconds: 20) }

  /// Some audio will be left out.
  @_noAllocation mutating func leaveOut(by gate: Lent<SilenceGate>) { self.gate = gate }

  /// Everything is sent from now on.
  @_noAllocation mutating func leaveNothingOut() { gate = Lent() }

  /// Milliseconds that were left out for good.
  package var skippedMilliseconds: Int {
    gate.isThere ? format.milliseconds(forBytes: gate.value.skips.bytes) : 0
  }

  /// Everything that this session was sent is acknowledged.
  package var isAllFinal: Bool {
    isSessionSilent || gate.isThere && acknowledged >= gate.value.skips.latest(endingAt: sent)
  }

  /// The chunk that `next` gave out is left out.
  @_noAllocation package mutating func skip(_ length: Int, in pool: BlockPool) {
    kept.advance(&cursor, by: length, in: pool)
    gate.value.skips.bytes &+= length
    sessionStart &+= isSessionSilent ? length : gate.value.skips.add(length, at: sent)
    sent &+= length
    if isAllFinal { forgetSent(from: sent &- gate.value.skips.lead, in: pool) }
  }

  /// The last of what was left out is wanted after all: it is sent next.
  @_noAllocation package mutating func unskip(in pool: BlockPool) {
    let latest = isSessionSilent ? acknowledged : gate.value.skips.latest(endingAt: sent)
    let back = min(gate.value.skips.lead, sent &- max(latest, acknowledged)) / step &* step
    guard back > 0 else { return }
    if isSessionSilent { sessionStart &-= back } else { gate.value.skips.shorten(by: back) }
    gate.value.skips.bytes &-= back
    sent &-= back
    cursor = kept.first()
    kept.advance(&cursor, by: sent &- acknowledged, in: pool)
  }

  /// How much was left out before a stretch that begins at this time of the session, or one that
  /// ends there; negative: before what it was sent last. In microseconds.
  @_noAllocation package func skippedMicroseconds(before sessionMicroseconds: Int, isEnd: Bool)
    -> Int
  {
    guard gate.isThere else { return 0 }
    var bytes = 0
    if sessionMicroseconds < 0 {
      bytes = gate.value.skips.before(sent &- gate.value.skips.length &- 1, 0)
    } else {
      let samples = sessionMicroseconds / 1000 &* format.rate / 1000
      let position = sessionStart &+ samples &* format.bytesPerFrame &- inserted
      bytes = gate.value.skips.before(position, isEnd ? -tolerance : tolerance)
    }
    return bytes / format.bytesPerFrame &* 1_000_000 / format.rate
  }
}
