// Every frame.
//
// How the audio of a caller's message gets into the ring: straight away, or by way of what it has
// to wait for. Two tracks become two channels (Pairing); messages that overtook each other are put
// in order (Reorder). What waits lies in a block of its own.
//
//     direct ─────────────────────────▶ ring
//     paired ───▶ block ─── in pairs ──▶ ring      40 ms or a message, then silence instead
//     reordered ▶ block ─── in order ──▶ ring      60 ms at most, then silence for the missing

/// What of a caller's audio is not in the ring yet.
struct Intake: BitwiseCopyable, Sendable {
  enum Kind: BitwiseCopyable { case direct, paired, reordered }

  fileprivate var kind = Kind.direct
  fileprivate var block: Int32 = -1
  /// When what waits is no longer waited for; `never` where nothing waits.
  fileprivate(set) var heldUntil = Instant.never
  fileprivate var pairing = Pairing(silence: 0)
  fileprivate var order = Reorder()
  /// Where the carrier's media clock says that the next piece begins, in milliseconds; nil where
  /// gaps are not filled.
  fileprivate var clock: Int?
  /// Which byte of a sample comes first, as heard; nil where that is known.
  fileprivate(set) var byteOrder: ByteOrder?
  /// Messages that came twice or too late, and those that never came.
  fileprivate(set) var late: UInt32 = 0
  fileprivate(set) var missing: UInt32 = 0

  /// Less than that is no gap.
  static let gapMilliseconds = 40
  static let orderFor = Instant.Span.milliseconds(60)
  /// Two gaps at most lie between pieces that are held, one behind them.
  static let looksMax = 4

  init() {}

  /// Nil where the pool is dry. `hearsByteOrder`: nobody can say which byte of a sample comes
  /// first.
  init?(_ kind: Kind, _ format: Format, hearsByteOrder: Bool, from pool: BlockPool) {
    self.kind = kind
    if hearsByteOrder, format.codec == .linear16 { byteOrder = ByteOrder(rate: format.rate) }
    switch kind {
    case .direct: return
    case .paired: pairing = Pairing(silence: format.silence)
    case .reordered: break
    }
    block = pool.take()
    if block < 0 { return nil }
  }

  @_noAllocation mutating func release(to pool: BlockPool) {
    if block >= 0 { pool.give(block) }
    block = -1
    kind = .direct
  }
}

extension Uplink {
  /// Puts the audio of a message into the ring.
  @_noAllocation mutating func take(
    _ payload: Bytes, of piece: Media.Piece, as payloadEncoding: Media.PayloadEncoding,
    _ store: Store,
    _ turn: inout Turn
  ) -> UplinkRing.Kept {
    if Gaps.mayBegin(after: lastAudio, at: turn.now), !payload.isEmpty { paused(at: turn.now) }
    switch intake.kind {
    case .direct:
      if intake.clock != nil { fillGap(before: piece.timestamp, store, &turn) }
      let before = ring.received
      let kept =
        intake.byteOrder == nil
        ? keep(payload, as: payloadEncoding, store) : keepHeard(payload, store)
      if intake.clock != nil, piece.timestamp >= 0 {
        let length = ring.format.milliseconds(forBytes: ring.received &- before)
        intake.clock = piece.timestamp &+ length
      }
      return kept
    case .paired: return pair(payload, of: piece, store, &turn)
    case .reordered: return sort(payload, of: piece, store, &turn)
    }
  }

  @inline(__always) private mutating func keep(
    _ payload: Bytes, as payloadEncoding: Media.PayloadEncoding, _ store: Store
  ) -> UplinkRing.Kept {
    switch payloadEncoding {
    case .base64: ring.keep(base64: payload, in: store.pool)
    case .integers: ring.keep(integers: payload, in: store.pool)
    case .binary: ring.keep(raw: payload, in: store.pool)
    }
  }

  /// Audio that is taken as it comes, and whose byte order is heard on its way.
  @_noAllocation private mutating func keepHeard(
    _ payload: Bytes, _ store: Store
  ) -> UplinkRing.Kept {
    guard !payload.isEmpty else { return .empty }
    guard let audio = decoded(payload, store), audio.count % ring.format.bytesPerFrame == 0 else {
      return .malformed
    }
    intake.byteOrder?.hear(audio)
    return ring.keep(raw: audio, in: store.pool)
  }

  // MARK: Gaps

  /// Where the carrier's clock jumps ahead silence is taken. Of two tracks, not: there the clock
  /// lays one beside the other, and of its jumps those up to a second are silence anyway.
  @_noAllocation mutating func fillsGaps() { intake.clock = -1 }

  /// Silence for what lies before a piece on the carrier's clock and never came: no more than is
  /// kept at all.
  @_noAllocation private mutating func fillGap(
    before timestamp: Int, _ store: Store, _ turn: inout Turn
  ) {
    guard let clock = intake.clock, clock >= 0, timestamp &- clock >= Intake.gapMilliseconds else {
      return
    }
    let most = store.limits.uplinkMillisecondsMax &- 1000
    var rest = ring.format.bytes(forMilliseconds: min(timestamp &- clock, max(most, 0)))
    turn.note(.silenceFilled(ring.format.milliseconds(forBytes: rest)))
    missed(rest, at: turn.now)
    let room = store.gathered.count / ring.format.bytesPerFrame &* ring.format.bytesPerFrame
    while rest > 0 {
      let silence = store.gathered.prefix(min(rest, room))
      silence.fill(ring.format.silence)
      _ = ring.keep(raw: silence, in: store.pool)
      rest &-= silence.count
    }
  }

  /// What waits is waited for no longer; the same at the end of a call.
  @_noAllocation mutating func takeHeld(_ store: Store, _ turn: inout Turn) {
    switch intake.kind {
    case .direct: return
    case .paired:
      if keepPairs(intake.pairing.ready(isFinal: true), store, at: turn.now) == .full {
        turn.note(.frameLost)
      }
    case .reordered:
      while intake.order.waiting > 0 { keepSilence(intake.order.giveUp(), store, &turn) }
      intake.heldUntil = .never
    }
  }

  /// The audio of a payload that is not kept as it comes: beside it, or where it lies.
  @_noAllocation private func decoded(_ payload: Bytes, _ store: Store) -> Bytes? {
    let place = store.converted
    if let count = Base64.decodedCount(of: payload), count <= place.count,
      let written = Base64.decode(payload, into: place)
    {
      return place.prefix(written)
    }
    return Base64.decodeInPlace(payload).map { payload.prefix($0) }
  }

  /// Audio that comes is taken as it comes; what waits for its turn goes first.
  @_noAllocation mutating func takeAsItComes(_ store: Store, _ turn: inout Turn) {
    takeHeld(store, &turn)
    intake.release(to: store.pool)
  }

  // MARK: Two tracks

  /// A piece of one of two tracks: what has its partner by now goes into the ring, both channels
  /// together. A long one is laid down in slices.
  @_noAllocation private mutating func pair(
    _ payload: Bytes, of piece: Media.Piece, _ store: Store, _ turn: inout Turn
  ) -> UplinkRing.Kept {
    guard !payload.isEmpty else { return .empty }
    guard let audio = decoded(payload, store) else { return .malformed }
    let track = piece.track == .inbound ? 0 : 1
    let late = intake.pairing.place(audio.count, track: track, timestamp: piece.timestamp)
    if late > 0 { noteLate(&turn) }
    var rest = audio.dropping(late)
    guard !rest.isEmpty else { return .empty }
    var kept = UplinkRing.Kept.done
    while !rest.isEmpty {
      let slice = rest.prefix(min(rest.count, Pairing.sliceSamples))
      let isPut = intake.pairing.put(slice, track: track, in: store.pool.bytes(intake.block))
      let pairs = isPut ? intake.pairing.ready() : intake.pairing.ready(for: slice.count)
      if isPut { rest = rest.dropping(slice.count) }
      if keepPairs(pairs, store, at: turn.now) == .full { kept = .full }
    }
    return kept
  }

  /// Moves that many pairs of samples into the ring.
  @_noAllocation private mutating func keepPairs(
    _ count: Int, _ store: Store, at now: Instant
  ) -> UplinkRing.Kept {
    let pool = store.pool
    var kept = UplinkRing.Kept.done
    if count > 0 {
      let block = pool.bytes(intake.block)
      if let place = ring.acquire(2 &* count, in: pool) {
        intake.pairing.take(count, from: block, into: place)
        ring.commit(2 &* count, in: pool)
      } else {
        intake.pairing.drop(count, in: block)
        kept = .full
      }
    }
    if intake.pairing.waiting == 0 {
      intake.heldUntil = .never
    } else if intake.heldUntil == .never || count > 0 {
      intake.heldUntil = now + .milliseconds(intake.pairing.waitMilliseconds)
    }
    return kept
  }

  // MARK: Order

  /// Keeps a numbered piece in its turn, and those that waited for it; silence stands in for what
  /// was given up, since a hole would shift all that follows.
  @_noAllocation private mutating func sort(
    _ payload: Bytes, of piece: Media.Piece, _ store: Store, _ turn: inout Turn
  ) -> UplinkRing.Kept {
    guard !payload.isEmpty else { return .empty }
    guard let audio = decoded(payload, store), audio.count % ring.format.bytesPerFrame == 0 else {
      return .malformed
    }
    intake.byteOrder?.hear(audio)
    let block = store.pool.bytes(intake.block)
    var kept = UplinkRing.Kept.done
    for _ in 0..<Intake.looksMax {
      switch intake.order.take(audio, order: piece.order, in: block) {
      case .pass:
        if intake.clock != nil { fillGap(before: piece.timestamp, store, &turn) }
        if intake.clock != nil, piece.timestamp >= 0 { intake.clock = piece.timestamp }
        kept = keepInTurn(audio, store)
        keepSorted(store, &turn)
        return kept
      case .held:
        if intake.heldUntil == .never { intake.heldUntil = turn.now + Intake.orderFor }
        return .done
      case .late:
        noteLate(&turn)
        return .empty
      // Behind a gap follows another look at the piece itself.
      case .gap(let missing): keepSilence(missing, store, &turn)
      }
    }
    return kept
  }

  private mutating func noteLate(_ turn: inout Turn) {
    intake.late &+= 1
    turn.note(.frameLate)
  }

  /// Silence for so many pieces that never came, then those that waited behind them.
  @_noAllocation private mutating func keepSilence(
    _ missing: Int, _ store: Store, _ turn: inout Turn
  ) {
    guard missing > 0 else { return }
    turn.note(.framesMissing(missing))
    intake.missing &+= UInt32(clamping: missing)
    missed(missing &* intake.order.pieceBytes, at: turn.now)
    let silence = store.gathered.prefix(min(intake.order.pieceBytes, store.gathered.count))
    silence.fill(ring.format.silence)
    for _ in 0..<missing { _ = keepInTurn(silence, store) }
    keepSorted(store, &turn)
  }

  @_noAllocation private mutating func keepSorted(_ store: Store, _ turn: inout Turn) {
    let block = store.pool.bytes(intake.block)
    while let piece = intake.order.next(in: block) {
      if keepInTurn(piece, store) == .full { turn.note(.frameLost) }
    }
    if intake.order.waiting == 0 { intake.heldUntil = .never }
  }

  /// Whole samples whose turn it is; the carrier's clock, where it counts, goes on by them.
  @inline(__always) private mutating func keepInTurn(
    _ audio: Bytes, _ store: Store
  ) -> UplinkRing.Kept {
    if let clock = intake.clock, clock >= 0 {
      intake.clock = clock &+ ring.format.milliseconds(forBytes: audio.count)
    }
    return ring.keep(raw: audio, in: store.pool)
  }
}
