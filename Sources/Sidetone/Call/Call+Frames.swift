// Every frame.
//
// The way of a frame through its call, both ways. A read brings messages; audio among them goes the
// whole way here, in this turn. The first message that is anything else comes back to the
// relay: Callers sees to a caller's and Call+Legs to an upstream's, before the next.
//
//   caller's bytes ──nextEvent──▶ message ──locate──▶ audio ──take, pump──▶ upstream's outbox
//   upstream's bytes ──nextEvent──▶ message ──locate──▶ speech ──take, play──▶ caller's outbox

extension Call {
  /// What a caller's read brought: messages, handled one after the other where they lie, up to the
  /// first that is not simply audio.
  @_noAllocation mutating func receivedFromCaller(
    _ window: Bytes, on link: Int, _ store: Store, _ turn: inout Turn
  ) -> CallerLeg.Input {
    while store.links[link].phase == .caller {
      switch store.links[link].webSocket.nextEvent(in: window) {
      case .needMore:
        return store.links[link].keepRest(of: window, store) ? .done : .failed(.noMemory)
      case .text(let range):
        let message = window[range]
        guard caller.isStarted, caller.media.payloadEncoding != .binary else {
          return .text(message)
        }
        if let event = take(message, store, &turn) { return event }
      case .binary(let range):
        let message = window[range]
        guard caller.isStarted, caller.media.payloadEncoding == .binary else {
          return .binary(message)
        }
        if let event = takeBinary(message, store, &turn) { return event }
      case .ping(let range): store.links[link].answerPing(window[range], store, &turn)
      case .pong: break
      case .close(let code, _): return .close(code)
      case .failed(let failure):
        return .broken(failure, bytes: store.links[link].webSocket.bytesRefused)
      }
    }
    return .done
  }

  /// One message of audio without anything around it. The first may be a file's head, and so may
  /// any other.
  @_noAllocation private mutating func takeBinary(
    _ message: Bytes, _ store: Store, _ turn: inout Turn
  ) -> CallerLeg.Input? {
    if caller.mayBeHead(message, after: uplink.lastAudio) { return .head(message) }
    carry(message, of: Media.Piece(payload: 0..<message.count), store, &turn)
    return nil
  }

  /// One message of a caller who has started; what it is where it is not simply audio.
  @_noAllocation mutating func take(
    _ message: Bytes, _ store: Store, _ turn: inout Turn
  ) -> CallerLeg.Input? {
    switch caller.locate(message) {
    case .audio(let piece):
      guard caller.sends(piece) else { return .otherFormat(piece, message) }
      guard caller.tracks.holds(piece.track) else { return .otherTrack(piece, message) }
      if carry(message[piece.payload], of: piece, store, &turn) == .malformed { return .badAudio }
      guard let isBigEndian = uplink.heardByteOrder,
        isBigEndian != caller.input.isBigEndian
      else { return nil }
      return .byteOrder(isBigEndian: isBigEndian)
    case .other: return .text(message)
    case .malformed: return .malformed(message)
    }
  }

  /// The audio of one message goes into the ring and on to the upstream.
  @_noAllocation @discardableResult mutating func carry(
    _ payload: Bytes, of piece: Media.Piece, _ store: Store, _ turn: inout Turn
  ) -> UplinkRing.Kept {
    guard !state.isClosing else {
      turn.note(.messageIgnored)
      return .empty
    }
    guard upstream.partner != .nobody else { return echo(payload, store, &turn) }
    let kept = uplink.take(payload, of: piece, as: caller.media.payloadEncoding, store, &turn)
    turn.timers.wake(.call(id.index), at: uplink.heldUntil)
    switch kept {
    case .done: break
    // Never forwarded: several upstreams take an empty message for the end.
    case .empty, .malformed: return kept
    case .full: turn.note(.frameLost)
    }
    record.frameCame()
    turn.note(.frame)
    // The line about the first audio is written by the call's timer, off this path.
    if uplink.lastAudio == .never { turn.timers.wake(.call(id.index), at: turn.now) }
    // So is what asks for the words as final.
    if let time = uplink.heard(at: turn.now) { turn.timers.wake(.call(id.index), at: time) }
    pump(store, &turn)
    return kept
  }

  /// What may be sent goes into the upstream's outbox.
  @_noAllocation mutating func pump(_ store: Store, _ turn: inout Turn) {
    guard upstream.isOpen(store) else { return }
    let (link, isHurried) = (upstream.link.index, state.isClosing)
    let sent = uplink.pump(
      into: &store.links[link], isHurried: isHurried, for: upstream.cascade, store, &turn)
    if sent > 0 {
      record.sent(sent)
      upstream.signed(at: turn.now)
      turn.note(.bytesToUpstream(sent))
    }
    if uplink.backlog == 0 {
      // A closing call has now drained; its timer, which is due at once, tells the upstream to
      // finish.
      if isHurried { turn.timers.wake(.call(id.index), at: turn.now) }
    } else if store.links[link].outbox.count < Limits.upstreamOutboxBytesMax {
      let next = max(uplink.flowTime(isHurried: isHurried, at: turn.now), turn.now + Uplink.pause)
      turn.timers.wake(.call(id.index), at: next)
    }
  }

  /// The upstream's socket has taken what there was: what waits behind it may follow. True: so may
  /// a caller who was held back.
  @_noAllocation mutating func upstreamTook(_ store: Store, _ turn: inout Turn) -> Bool {
    guard uplink.backlog > 0 else { return false }
    pump(store, &turn)
    if uplink.backlog == 0 { turn.timers.wake(.call(id.index), at: turn.now) }
    return caller.isHeldBack(store)
  }

  /// A call without an upstream: the caller hears itself.
  @_noAllocation private mutating func echo(
    _ payload: Bytes, _ store: Store, _ turn: inout Turn
  ) -> UplinkRing.Kept {
    guard store.links.holds(caller.link) else { return .empty }
    let link = caller.link.index
    switch conversation.echo(payload, into: &store.links[link], store, &turn) {
    case .empty: return .empty
    case .malformed: return .malformed
    case .full: turn.note(.frameLost)
    case .sent(let bytes): record.sent(bytes)
    }
    record.frameCame()
    turn.note(.frame)
    _ = uplink.heard(at: turn.now)
    return .done
  }

  // MARK: Holding back

  /// Makes a caller wait that sends more than there is room for; true: it does. Room in its ring is
  /// made by events; nobody says when the pool has room again, so that is looked at.
  @_noAllocation mutating func holdBack(_ store: Store, _ turn: inout Turn) -> Bool {
    guard mustWait(store) else { return false }
    store.links[caller.link.index].hold = .room
    if store.isPoolShort {
      turn.timers.wake(.call(id.index), at: turn.now + Self.poolLook)
    }
    return true
  }

  /// Whether a caller must wait with its next bytes: its ring has no room for a message and a read,
  /// or the pool has not.
  @inline(__always) func mustWait(_ store: Store) -> Bool {
    guard caller.pressure == .waits, caller.isStarted, upstream.partner != .nobody,
      !state.isClosing
    else { return false }
    return uplink.room < store.limits.heldBackBytesMin || store.isPoolShort
  }
}

// MARK: And back

extension Call {
  /// What an upstream's read brought: messages, handled where they lie, up to the first that is not
  /// simply more of what the agent is saying.
  @_noAllocation mutating func receivedFromUpstream(
    _ window: Bytes, on link: Int, _ store: Store, _ turn: inout Turn
  ) -> UpstreamLeg.Input {
    while store.links[link].phase.isSession {
      let event = store.links[link].webSocket.nextEvent(in: window)
      switch event {
      case .needMore:
        return store.links[link].keepRest(of: window, store) ? .done : .failed(.noMemory)
      case .text(let range), .binary(let range):
        let message = window[range]
        guard isTwoWay, store.links[link].phase == .upstream else { return .message(message) }
        let located = upstream.locate(message, isBinary: event.isBinary)
        guard case .speech(let piece) = located, !piece.isNotAll, piece.next == 0,
          piece.rate == 0 || piece.rate == upstream.output.rate
        else {
          return .spoken(message, located)
        }
        switch conversation.take(
          message[piece.payload], of: message[piece.item], in: message[piece.response],
          to: caller.link, store, &turn)
        {
        case .isNew: return .spoken(message, located)
        case .taken: upstream.worked()
        }
        if play(store, &turn) { return .markDue }
      case .ping(let range): store.links[link].answerPing(window[range], store, &turn)
      case .pong: break
      case .close(let code, let reason): return .close(code, reason: window[reason])
      case .failed(let failure):
        return failure.closeCode == 1009 ? .tooLarge : .failed(.brokenFrames(failure))
      }
    }
    return .done
  }

  /// The caller's socket has taken what there was. True: a mark is due (`converse`).
  @_noAllocation mutating func callerTook(_ store: Store, _ turn: inout Turn) -> Bool {
    isTwoWay && play(store, &turn)
  }

  /// Says what has come as far as it is time for it, and sees to it that the rest follows. True: a
  /// mark has to be sent, and then this is to be called again.
  @_noAllocation mutating func play(_ store: Store, _ turn: inout Turn) -> Bool {
    var next = Instant.never
    var isMarkDue = false
    if !state.isClosing || state.state == .closing(.playing), caller.isOpen(store) {
      let link = caller.link.index
      isMarkDue = conversation.play(into: &store.links[link], next: &next, store, &turn)
    }
    if isMarkDue { return true }
    turn.timers.set(.playout(id.index), next)
    // The last of what was said has gone: only from now on it is known when it will be quiet.
    if next == .never, awaitsQuiet, conversation.downlink.isAllSent {
      turn.timers.wake(.call(id.index), at: turn.now)
    }
    return false
  }

  /// Something is being heard, and somebody waits for its end.
  @inline(__always) var awaitsQuiet: Bool {
    silence.isBroken
      && (state.isWithoutSession || state.state == .closing(.playing) || upstream.leaving.isSet
        || functions.waits || functions.hasPhraseDue || conversation.quiet.isOn)
  }
}

extension Cause {
  @_noAllocation init(_ failure: WebSocket.Failure) {
    switch failure.closeCode {
    case 1007: self = .notUTF8
    case 1008: self = .flooding
    case 1009: self = .tooLarge
    default: self = .malformedFrames
    }
  }
}
