// The caller's side of a call: its messages in, our answers out.

extension Relay {
  /// What a read brought from a caller: messages, handled one after the other where they lie.
  func takeFromCaller(_ index: Int, _ window: Bytes, _ now: Instant) {
    while links[index].phase == .caller {
      switch links[index].webSocket.nextEvent(in: window) {
      case .needMore:
        if !keepRest(index, of: window) { failCaller(index, .noMemory, now) }
        return
      case .text(let range): takeText(index, window[range], now)
      case .binary(let range): takeBinary(index, window[range], now)
      case .ping(let range): answerPing(window[range], on: index)
      case .pong: break
      case .close(let code, _):
        callerClosed(index, code, now)
        return
      case .failed(let failure):
        failCaller(index, Cause(failure), now)
        return
      }
    }
  }

  /// The frame's path, steps 5 and 6: find the audio, carry it. Everything else is rare.
  private func takeText(_ index: Int, _ message: Bytes, _ now: Instant) {
    let call = links[index].call.index
    if calls[call].isStarted, calls[call].media.carriage != .binary {
      switch calls[call].media.locate(message) {
      case .audio(let piece):
        take(piece, in: message, call, now)
        return
      case .other: break
      case .malformed:
        complain(call, "the message is not JSON, or media without its payload", now)
        return
      }
    }
    guard calls[call].carrier >= 0 || recognise(call, message, now) else { return }
    act(on: Carrier.all[calls[call].carrier].read(message), message, call, now)
  }

  /// Audio in a text message, unless it is not what it should be: of another rate, or from the
  /// mouth that only the agent would hear itself from.
  private func take(_ piece: Media.Piece, in message: Bytes, _ call: Int, _ now: Instant) {
    if piece.rate > 0, piece.rate != calls[call].format.rate {
      // Some carriers begin with one message of another rate.
      let isFirst = calls[call].lastAudio == .never && calls[call].messagesBad == 0
      totals.framesBad &+= 1
      if isFirst {
        calls[call].messagesBad &+= 1
      } else {
        complain(call, "audio of another rate than the call's", now)
      }
      return
    }
    if calls[call].isTwoWay, piece.track == .outbound { return }
    carry(message[piece.payload], of: piece, on: call, at: now)
    if let isBigEndian = calls[call].byteOrder.verdict { hear(isBigEndian, on: call, now) }
  }

  /// The audio has shown its byte order; where that is not what was believed, both directions are
  /// read and written the other way from now on.
  private func hear(_ isBigEndian: Bool, on call: Int, _ now: Instant) {
    guard Carrier.all[calls[call].carrier].isByteOrderHeard, calls[call].format.codec == .linear16,
      calls[call].format.isBigEndian != isBigEndian
    else { return }
    calls[call].format.isBigEndian = isBigEndian
    calls[call].toUpstream.turn(from: calls[call].format, to: calls[call].hears)
    if calls[call].reply.codec == .linear16, calls[call].isTwoWay {
      calls[call].reply.isBigEndian = isBigEndian
      calls[call].downlink.turn(to: calls[call].reply, in: pool)
    }
    log(.info, "byte_order", call: call, at: now) {
      $0.write(isBigEndian ? "big-endian, as heard" : "little-endian, as heard")
    }
  }

  /// Where a carrier cannot say which byte comes first, what was chosen holds until it is heard.
  private func ordered(_ format: Format, _ call: Int) -> Format {
    guard Carrier.all[calls[call].carrier].isByteOrderHeard, calls[call].isDialled else {
      return format
    }
    return Format(
      codec: format.codec, rate: format.rate, channels: format.channels,
      isBigEndian: carriers[calls[call].carrier].isBigEndian)
  }

  /// What the caller is sent: what it asked for, what was chosen for it, or what comes from it.
  private func reply(to start: Carrier.Start, _ call: Int) -> Format {
    if let reply = start.reply { return ordered(reply, call) }
    if Carrier.all[calls[call].carrier].takesChosenFormat {
      return carriers[calls[call].carrier].chosen
    }
    var reply = start.format
    reply.channels = 1
    return reply
  }

  private func takeBinary(_ index: Int, _ message: Bytes, _ now: Instant) {
    let call = links[index].call.index
    if calls[call].carrier < 0, !recogniseBinary(call, now) { return }
    if calls[call].isStarted, calls[call].media.carriage == .binary {
      carry(message, of: Media.Piece(payload: 0..<message.count), on: call, at: now)
    } else {
      complain(call, "a binary message, but this carrier's audio comes as text", now)
    }
  }

  // MARK: Who is it

  /// Asks each carrier that the route accepts; false where nobody knows the message, or more than
  /// one does.
  private func recognise(_ call: Int, _ message: Bytes, _ now: Instant) -> Bool {
    calls[call].messagesSeen &+= 1
    var found = -1
    var claims = 0
    for row in routes[calls[call].route].carriers {
      if let recognise = Carrier.all[row].recognise, recognise(message) {
        found = row
        claims &+= 1
      }
    }
    if claims == 1 {
      setCarrier(call, found)
      return true
    }
    if calls[call].messagesSeen >= Carrier.messagesToRecogniseMax {
      end(call, .unrecognised, now)
    }
    return false
  }

  /// A binary first message is a raw client's, where the route accepts one.
  private func recogniseBinary(_ call: Int, _ now: Instant) -> Bool {
    for row in routes[calls[call].route].carriers where Carrier.all[row].open != nil {
      setCarrier(call, row)
      open(call, now)
      return calls.isInUse(call) && calls[call].isStarted
    }
    calls[call].messagesSeen &+= 1
    if calls[call].messagesSeen >= Carrier.messagesToRecogniseMax {
      end(call, .unrecognised, now)
    }
    return false
  }

  func setCarrier(_ call: Int, _ row: Int) {
    calls[call].carrier = row
    calls[call].media = Carrier.all[row].media
  }

  // MARK: Rare events

  private func act(on event: Carrier.Event, _ message: Bytes, _ call: Int, _ now: Instant) {
    switch event {
    // What a caller dials may be the number of a card: it goes to the model and to a terminal,
    // never into the log.
    case .ignored: totals.messagesIgnored &+= 1
    case .complaint(let text):
      guard calls[call].complainAt <= now else { return }
      calls[call].complainAt = now + .seconds(10)
      log(.warning, "carrier_complains", call: call, at: now) { $0.write(message[text]) }
    case .mark(let name): marked(call, message[name], now)
    case .digit(let digit): press(digit, call, now)
    case .started(let start): started(call, start, message, now)
    case .refused(let sentence):
      log(.warning, "call_refused", call: call, at: now) { $0.write(sentence) }
      end(call, .unsupported, now)
    case .stopped:
      log(.info, "stop_received", call: call, at: now)
      perform(calls[call].life.callerDone(.stopped, at: now), call, now)
    case .finalize: finalize(call, now)
    case .finish: perform(calls[call].life.callerDone(.closed, at: now), call, now)
    case .malformed(let sentence): complain(call, sentence, now)
    }
  }

  private func started(_ call: Int, _ start: Carrier.Start, _ message: Bytes, _ now: Instant) {
    // A second start changes nothing: one socket is one call.
    guard !calls[call].isStarted else {
      totals.messagesIgnored &+= 1
      return
    }
    guard let name = Name(message[start.call]), let stream = Name(message[start.stream]) else {
      complain(call, "an id of the start message is too long", now)
      return
    }
    let parameters = start.parameters.isEmpty ? Bytes.empty : message[start.parameters]
    guard let call = admitted(call, parameters, now) else { return }
    calls[call].name = name
    calls[call].stream = stream
    calls[call].tracks = start.tracks
    calls[call].format = ordered(start.format, call)
    calls[call].reply = reply(to: start, call)
    self.start(call, now)
    if start.isAudio, links.holds(calls[call].caller) {
      takeText(calls[call].caller.index, message, now)
    }
  }

  /// Counts a message without sense; says so now and then; too many end the call.
  private func complain(_ call: Int, _ sentence: StaticString, _ now: Instant) {
    calls[call].messagesBad &+= 1
    totals.messagesBad &+= 1
    if calls[call].complainAt <= now {
      calls[call].complainAt = now + .seconds(10)
      log(.warning, "bad_message", call: call, at: now) {
        $0.write(sentence)
        $0.write("; so far: ")
        $0.write(decimal: self.calls[call].messagesBad)
      }
    }
    if calls[call].messagesBad > limits.badMessagesMax { end(call, .badMessages, now) }
  }

  // MARK: The caller's way out

  private func callerClosed(_ index: Int, _ code: UInt16, _ now: Instant) {
    let call = links[index].call.index
    releaseInbox(index)
    perform(calls[call].life.callerDone(.closed, at: now), call, now)
  }

  /// The caller's socket cannot go on: its Close goes out at once, and the call's last words are
  /// still fetched.
  private func failCaller(_ index: Int, _ cause: Cause, _ now: Instant) {
    let call = links[index].call.index
    closeCaller(index, cause, now)
    calls[call].caller = .none
    perform(calls[call].life.callerDone(cause, at: now), call, now)
  }

  /// Closes the caller's socket with the code and sentence of `cause`, and lets go of it.
  func closeCaller(_ index: Int, _ cause: Cause, _ now: Instant) {
    if links[index].phase == .caller, !links[index].isCloseSent {
      links[index].isCloseSent = true
      _ = WebSocket.sealClose(
        code: cause.closeCode, reason: cause.sentence.bytes, key: nil, into: &links[index].outbox,
        from: pool)
    }
    leave(index, now)
  }

  /// The caller is told something, in its carrier's words. `body`: the upstream's own message.
  func tell(_ call: Int, _ answer: Carrier.Answer, body: Bytes = .empty, _ now: Instant) {
    guard links.holds(calls[call].caller), calls[call].carrier >= 0 else { return }
    let index = calls[call].caller.index
    guard links[index].phase == .caller, !links[index].isCloseSent else { return }
    let facts = Carrier.Facts(
      call: calls[call].name, stream: calls[call].stream, now: wall(at: now),
      offsetMicroseconds: calls[call].uplink.sessionOffsetMicroseconds)
    var writer = Writer(scratch.bytes)
    let framing = Carrier.all[calls[call].carrier].write(answer, facts, &writer)
    precondition(!writer.overflowed || body.isEmpty, "what is said about a message is short")
    // One long message does not make a caller slow; what waits in front of it does.
    let isSlow = links[index].outbox.count > limits.outboxBytesMax
    let isSealed: Bool
    switch framing {
    case .none: return
    case .whole where writer.overflowed:
      // A transcript longer than the scratch is not repeated: the caller has it in the upstream's
      // own message.
      totals.answersTooLong &+= 1
      return
    case .whole: isSealed = seal(.text, writer.written, on: index)
    case .around(let suffix):
      let cut = writer.count - suffix
      isSealed = seal(
        .text, writer.written.prefix(cut), body, writer.written.dropping(cut), on: index)
    }
    // A message for which the pool has no room may be left out, where it is longer than all that an
    // outbox may hold: its reader is not slow.
    if !isSealed, !isSlow, body.count > limits.outboxBytesMax {
      totals.answersTooLong &+= 1
    } else if !isSealed || isSlow {
      dropSlow(index, now)
    }
  }

  private func dropSlow(_ index: Int, _ now: Instant) {
    let call = links[index].call
    reset(index)
    guard calls.holds(call) else { return }
    calls[call.index].caller = .none
    perform(calls[call.index].life.callerDone(.tooSlow, at: now), call.index, now)
  }

  /// A peer that reads gets its pong. One that does not would only pile them up (RFC 6455 §5.5.3
  /// asks for the answer to the latest ping alone).
  func answerPing(_ payload: Bytes, on index: Int) {
    if links[index].outbox.count < Limits.pongOutboxBytesMax { _ = seal(.pong, payload, on: index) }
  }

  /// Puts one frame into a link's outbox; false where the pool is dry.
  func seal(
    _ opcode: WebSocket.Opcode, _ part: Bytes, _ second: Bytes = .empty, _ third: Bytes = .empty,
    on index: Int
  ) -> Bool {
    guard !links[index].isCloseSent else { return true }
    let key = links[index].webSocket.role == .client ? random.next() : nil
    let isSealed = WebSocket.seal(
      opcode, part, second, third, key: key, into: &links[index].outbox, from: pool)
    if isSealed { want(.write, index) }
    return isSealed
  }
}

extension Cause {
  init(_ failure: WebSocket.Failure) {
    switch failure.closeCode {
    case 1007: self = .notUTF8
    case 1009: self = .tooLarge
    default: self = .malformedFrames
    }
  }
}
