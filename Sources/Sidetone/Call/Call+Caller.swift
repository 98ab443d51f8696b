// What a caller says beside audio: who it is, keys, marks, that it stops, nonsense. One message at
// a time; the way of a frame is Call+Frames.

extension Call {
  /// What the relay has to do about a caller's message before the call goes on.
  enum Asked {
    case nothing
    /// Its caller has said who it is: may it have this call, or another? Then `begin`.
    case admission(Arrival)
  }

  /// What a caller has said of itself.
  struct Arrival {
    /// The message that said so: its start, or audio of one who has no start.
    var message: Bytes
    /// Nil: the query of its handshake has said everything.
    var start: Carrier.Start?
    /// The names and texts that its webhook gave it: a JSON object, or nothing.
    var parameters = Bytes.empty
  }

  /// One thing that came from the caller and is not simply audio.
  mutating func handle(
    _ event: FromCaller, on link: Int, _ store: Store, _ turn: inout Turn
  ) -> Asked {
    switch event {
    case .done: break
    case .text(let message): return handleText(message, store, &turn)
    case .binary(let message): return handleBinary(message, store, &turn)
    case .malformed:
      complain("the message is not JSON, or media without its payload", store, &turn)
    case .wrongRate:
      turn.note(.frameBad)
      if !caller.forgivesRate(isFirst: uplink.lastAudio == .never) {
        complain("audio of another rate than the call's", store, &turn)
      }
    case .byteOrder(let isBigEndian): turnByteOrder(isBigEndian, store, &turn)
    case .close:
      store.links[link].releaseInbox(store)
      end(.closed, store, &turn)
    case .failed(let cause):
      // Its Close goes out at once, and the call's last words are still fetched.
      caller.close(cause, store, &turn)
      end(cause, store, &turn)
    }
    return .nothing
  }

  private mutating func handleText(
    _ message: Bytes, _ store: Store, _ turn: inout Turn
  ) -> Asked {
    if caller.row < 0 {
      switch caller.recognise(message, among: store.prepared.routes[upstream.route].carriers) {
      case .known: break
      case .notYet: return .nothing
      case .givenUp:
        end(.unrecognised, store, &turn)
        return .nothing
      }
    }
    return handle(caller.carrier.read(message), message, store, &turn)
  }

  private mutating func handleBinary(
    _ message: Bytes, _ store: Store, _ turn: inout Turn
  ) -> Asked {
    guard caller.row < 0 else {
      complain("a binary message, but this carrier's audio comes as text", store, &turn)
      return .nothing
    }
    switch caller.recogniseBinary(among: store.prepared.routes[upstream.route].carriers) {
    case .known: return .admission(Arrival(message: message))
    case .notYet: break
    case .givenUp: end(.unrecognised, store, &turn)
    }
    return .nothing
  }

  /// What a message of its carrier means.
  private mutating func handle(
    _ event: Carrier.Event, _ message: Bytes, _ store: Store, _ turn: inout Turn
  ) -> Asked {
    switch event {
    case .ignored: turn.note(.messageIgnored)
    case .complaint(let text):
      if caller.mayComplain(at: turn.now) {
        turn.note(.carrierComplains(message[text]), of: record.name)
      }
    case .mark(let name): marked(message[name], store, &turn)
    case .digit(let digit): press(digit, store, &turn)
    case .started(let start): return arrival(start, message, store, &turn)
    case .refused(let sentence): refuse(sentence, .unsupported, store, &turn)
    case .stopped:
      turn.note(.stopReceived, of: record.name)
      end(.stopped, store, &turn)
    case .finalize: finalize(store, &turn)
    case .finish: end(.closed, store, &turn)
    case .malformed(let sentence): complain(sentence, store, &turn)
    }
    return .nothing
  }

  /// The call is not what this route can serve: the log says why.
  mutating func refuse(
    _ sentence: StaticString, _ cause: Cause, _ store: Store, _ turn: inout Turn
  ) {
    turn.note(.callRefused(sentence), of: record.name)
    end(cause, store, &turn)
  }

  // MARK: The start

  private mutating func arrival(
    _ start: Carrier.Start, _ message: Bytes, _ store: Store, _ turn: inout Turn
  ) -> Asked {
    // A second start changes nothing: one socket is one call.
    guard !caller.isStarted else {
      turn.note(.messageIgnored)
      return .nothing
    }
    guard start.call.count <= Name.bytesMax, start.stream.count <= Name.bytesMax else {
      complain("an id of the start message is too long", store, &turn)
      return .nothing
    }
    let parameters = start.parameters.isEmpty ? Bytes.empty : message[start.parameters]
    return .admission(Arrival(message: message, start: start, parameters: parameters))
  }

  /// The caller was admitted to this call: it begins. What is still to be handled of its message.
  mutating func begin(
    _ arrival: Arrival, on link: Int, _ store: Store, _ turn: inout Turn
  ) -> FromCaller {
    guard let start = arrival.start else {
      self.start(store, &turn)
      guard !isOver, caller.isStarted, !arrival.message.isEmpty else { return .done }
      return audio(arrival.message, store, &turn)
    }
    record.name = Name(arrival.message[start.call]) ?? Name()
    caller.describe(
      start, stream: Name(arrival.message[start.stream]) ?? Name(),
      hasUpstream: upstream.partner != .nobody, store.prepared.config)
    self.start(store, &turn)
    guard start.isAudio, store.links.holds(caller.link) else { return .done }
    return audio(arrival.message, store, &turn)
  }

  /// A message that was the start of a call as well as audio.
  private mutating func audio(
    _ message: Bytes, _ store: Store, _ turn: inout Turn
  ) -> FromCaller {
    guard caller.isStarted else { return .text(message) }
    switch caller.media.locate(message) {
    case .audio(let piece):
      guard piece.rate <= 0 || piece.rate == caller.input.rate else { return .wrongRate }
      if piece.track == .inbound || !isTwoWay {
        carry(message[piece.payload], of: piece, store, &turn)
      }
      return .done
    case .other: return .text(message)
    case .malformed: return .malformed
    }
  }

  // MARK: Audio that is not what was believed

  /// The audio has shown its byte order: both directions are read and written the other way from
  /// now on.
  private mutating func turnByteOrder(
    _ isBigEndian: Bool, _ store: Store, _ turn: inout Turn
  ) {
    guard caller.turnByteOrder(isBigEndian: isBigEndian, isTwoWay: isTwoWay) else { return }
    uplink.turnByteOrder(of: caller.input)
    if caller.output.codec == .linear16, isTwoWay {
      downlink.turn(to: caller.output, in: store.pool)
    }
    turn.note(.byteOrder(isBigEndian: isBigEndian), of: record.name)
  }

  /// A message without sense: counted; said now and then; too many end the call.
  private mutating func complain(
    _ sentence: StaticString, _ store: Store, _ turn: inout Turn
  ) {
    turn.note(.messageBad)
    if let soFar = caller.countBad(at: turn.now) {
      turn.note(.badMessage(sentence, soFar: soFar), of: record.name)
    }
    if caller.messagesBad > store.limits.badMessagesMax { end(.badMessages, store, &turn) }
  }

  // MARK: Holding back

  /// A caller that was made to wait is read again, where there is room now.
  mutating func resumeCaller(_ store: Store, _ turn: inout Turn) {
    guard store.links.holds(caller.link), store.links[caller.link.index].isHeldBack,
      !mustWait(store, &turn)
    else { return }
    store.links[caller.link.index].isHeldBack = false
    store.links[caller.link.index].ask(.resume, &turn)
  }

  // MARK: Its end

  /// Its connection is gone, whichever way.
  mutating func callerGone(_ cause: Cause, _ store: Store, _ turn: inout Turn) {
    caller.forgetLink()
    end(cause, store, &turn)
  }

  /// Nothing is heard of it any more.
  mutating func callerSilent(_ store: Store, _ turn: inout Turn) {
    caller.close(.silent, store, &turn)
    end(.silent, store, &turn)
  }
}
