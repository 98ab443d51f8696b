// Every frame.
//
// The way of a frame through its call, both ways. A read brings messages; audio among them goes the
// whole way here, in this turn. The first message that is anything else comes back to the relay,
// whose rare half of the call (Call+Caller, Call+Upstream) sees to it before the next.
//
//   caller's bytes ──nextEvent──▶ message ──locate──▶ audio ──Uplink.take, pump──▶ upstream's outbox
//   upstream's bytes ─nextEvent─▶ message ──locate──▶ speech ──Downlink.take, play──▶ caller's outbox

extension Call {
  /// What a caller's bytes hold beside audio.
  enum FromCaller {
    /// Nothing more.
    case done
    /// A text message that is no audio, or none that can be understood yet.
    case text(Bytes)
    case binary(Bytes)
    /// Audio that is not what it should be.
    case malformed
    case wrongRate
    /// The audio has shown that its bytes lie the other way round.
    case byteOrder(isBigEndian: Bool)
    case close(UInt16)
    case failed(Cause)
  }

  /// What a caller's read brought: messages, handled one after the other where they lie, up to the
  /// first that is not simply audio.
  @_noAllocation mutating func receivedFromCaller(
    _ window: Bytes, on link: Int, _ store: Store, _ turn: inout Turn
  ) -> FromCaller {
    while store.links[link].phase == .caller {
      switch store.links[link].webSocket.nextEvent(in: window) {
      case .needMore:
        return store.links[link].keepRest(of: window, store) ? .done : .failed(.noMemory)
      case .text(let range):
        guard caller.isStarted, caller.media.carriage != .binary else {
          return .text(window[range])
        }
        let message = window[range]
        switch caller.media.locate(message) {
        case .audio(let piece):
          guard piece.rate <= 0 || piece.rate == caller.input.rate else { return .wrongRate }
          // Only the agent would hear itself from that mouth.
          if piece.track == .outbound, isTwoWay { continue }
          carry(message[piece.payload], of: piece, store, &turn)
          if let isBigEndian = uplink.intake.byteOrder?.verdict,
            isBigEndian != caller.input.isBigEndian
          {
            return .byteOrder(isBigEndian: isBigEndian)
          }
        case .other: return .text(message)
        case .malformed: return .malformed
        }
      case .binary(let range):
        guard caller.isStarted, caller.media.carriage == .binary else {
          return .binary(window[range])
        }
        carry(window[range], of: Media.Piece(payload: 0..<range.count), store, &turn)
      case .ping(let range): store.links[link].answerPing(window[range], store, &turn)
      case .pong: break
      case .close(let code, _): return .close(code)
      case .failed(let failure): return .failed(Cause(failure))
      }
    }
    return .done
  }

  /// The audio of one message goes into the ring and on to the upstream.
  @_noAllocation mutating func carry(
    _ payload: Bytes, of piece: Media.Piece, _ store: Store, _ turn: inout Turn
  ) {
    guard !state.isClosing else { return }
    guard upstream.partner != .nobody else { return echo(payload, store, &turn) }
    let kept = uplink.take(payload, of: piece, as: caller.media.carriage, store, &turn)
    turn.timers.wake(.call(id.index), at: uplink.intake.heldUntil)
    switch kept {
    case .done: break
    // Never forwarded: several upstreams take an empty message for the end.
    case .empty: return
    case .malformed: return turn.note(.frameBad)
    case .full: turn.note(.frameLost)
    }
    record.frameCame()
    turn.note(.frame)
    // The line about the first audio is written by the call's timer, off this path.
    if uplink.lastAudio == .never { turn.timers.wake(.call(id.index), at: turn.now) }
    uplink.heard(at: turn.now)
    pump(store, &turn)
  }

  /// What may be sent goes into the upstream's outbox.
  @_noAllocation mutating func pump(_ store: Store, _ turn: inout Turn) {
    guard upstream.isOpen(store) else { return }
    let link = upstream.link.index
    let isHurried = state.isClosing
    let sent = uplink.pump(into: &store.links[link], isHurried: isHurried, store, &turn)
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
      let next = uplink.flowTime(isHurried: isHurried, at: turn.now)
      turn.timers.wake(.call(id.index), at: next)
    }
  }

  /// The upstream's socket has taken what there was: what waits behind it may follow.
  @_noAllocation mutating func upstreamTook(_ store: Store, _ turn: inout Turn) {
    guard uplink.backlog > 0 else { return }
    pump(store, &turn)
    if uplink.backlog == 0 { turn.timers.wake(.call(id.index), at: turn.now) }
  }

  /// A call without an upstream: the caller hears itself.
  @_noAllocation private mutating func echo(
    _ payload: Bytes, _ store: Store, _ turn: inout Turn
  ) {
    let link = caller.link
    guard !payload.isEmpty, store.links.holds(link),
      !store.links[link.index].outbox.isCloseSent
    else { return }
    var audio = payload
    switch caller.media.carriage {
    case .base64:
      // Decoded where it lies.
      guard let count = Base64.decode(payload, into: payload) else { return turn.note(.frameBad) }
      audio = payload.prefix(count)
    case .integers:
      guard let count = Integers.parse(payload, into: store.gathered) else {
        return turn.note(.frameBad)
      }
      audio = store.gathered.prefix(2 &* count)
    case .binary: break
    }
    record.frameCame()
    turn.note(.frame)
    uplink.heard(at: turn.now)
    if downlink.echo(audio, into: &store.links[link.index], store, &turn) {
      record.sent(audio.count)
    }
  }
}

// MARK: And back

extension Call {
  /// What an upstream's bytes hold beside speech.
  enum FromUpstream {
    /// Nothing more.
    case done
    case message(Bytes)
    /// A message of a model that talks: what was found in it, and not taken yet.
    case spoken(Bytes, SpeechPath.Located)
    /// What was played has to be followed by a mark.
    case markDue
    case close(UInt16, reason: Bytes)
    case failed
  }

  /// What an upstream's read brought: messages, handled where they lie, up to the first that is not
  /// simply more of what the agent is saying.
  @_noAllocation mutating func receivedFromUpstream(
    _ window: Bytes, on link: Int, _ store: Store, _ turn: inout Turn
  ) -> FromUpstream {
    while store.links[link].phase == .upstream || store.links[link].phase == .setup {
      switch store.links[link].webSocket.nextEvent(in: window) {
      case .needMore:
        return store.links[link].keepRest(of: window, store) ? .done : .failed
      case .text(let range), .binary(let range):
        let message = window[range]
        guard isTwoWay, store.links[link].phase == .upstream else { return .message(message) }
        let located = upstream.speech.locate(message)
        guard case .speech(let piece) = located, !piece.isNotAll, piece.next == 0,
          takeSpeech(message[piece.payload], message[piece.item], store, &turn)
        else { return .spoken(message, located) }
        if play(store, &turn) { return .markDue }
      case .ping(let range): store.links[link].answerPing(window[range], store, &turn)
      case .pong: break
      case .close(let code, let reason): return .close(code, reason: window[reason])
      case .failed: return .failed
      }
    }
    return .done
  }

  /// One piece of what the agent says is taken at once, or dropped where it is void. False, and
  /// nothing done: it begins an item that is not known yet.
  @_noAllocation mutating func takeSpeech(
    _ payload: Bytes, _ item: Bytes, _ store: Store, _ turn: inout Turn
  ) -> Bool {
    if dialogue.isVoid || downlink.utterances.isVoid(item) || state.isClosing {
      turn.note(.speechLate)
      return true
    }
    guard let utterance = downlink.utterances.index(of: item) else { return false }
    takeSpeech(payload, of: utterance, store, &turn)
    return true
  }

  /// One piece of an item goes on its way.
  @_noAllocation mutating func takeSpeech(
    _ payload: Bytes, of utterance: Int, _ store: Store, _ turn: inout Turn
  ) {
    progressed()
    downlink.take(payload, of: utterance, store, &turn)
    let link = caller.link
    if store.links.holds(link), store.links[link.index].outbox.isEmpty {
      store.links[link.index].outbox.stampAudio(turn.now)
    }
  }

  /// Says what has come as far as it is time for it, and sees to it that the rest follows. True: a
  /// mark has to be sent, and then this is to be called again.
  @_noAllocation mutating func play(_ store: Store, _ turn: inout Turn) -> Bool {
    let timer = TimerKey.playout(id.index)
    guard !state.isClosing else {
      turn.timers.set(timer, .never)
      return false
    }
    downlink.convert(store, &turn)
    guard caller.isOpen(store) else {
      turn.timers.set(timer, .never)
      return false
    }
    let link = caller.link.index
    while true {
      switch downlink.play(into: &store.links[link], store, &turn) {
      case .piece: continue
      case .piecedMark: return true
      case .nothing:
        let bytes = store.links[link].outbox.count
        let next = downlink.nextTime(
          outboxBytes: bytes, conversionsLeft: turn.conversionsLeft, store, at: turn.now)
        turn.timers.set(timer, next)
        return false
      }
    }
  }

  // MARK: Holding back

  /// Whether a caller must wait with its next bytes: its ring has no room for a message and a read,
  /// or the pool has not.
  @_noAllocation mutating func mustWait(_ store: Store, _ turn: inout Turn) -> Bool {
    guard caller.pressure == .waits, caller.isStarted, upstream.partner != .nobody,
      !state.isClosing
    else { return false }
    let needed = store.limits.heldBackBytesMin
    guard uplink.ring.room < needed || store.pool.free < needed / BlockPool.blockBytes else {
      return false
    }
    let link = store.links[caller.link.index]
    turn.timers.wake(.call(id.index), at: link.holdBackEnd(after: Self.holdBackLook))
    return true
  }
}

extension Cause {
  @_noAllocation init(_ failure: WebSocket.Failure) {
    switch failure.closeCode {
    case 1007: self = .notUTF8
    case 1009: self = .tooLarge
    default: self = .malformedFrames
    }
  }
}
