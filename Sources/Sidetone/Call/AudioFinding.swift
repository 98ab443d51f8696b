// What audio turns out to be, against what was said or asked for at first: another format, a file's
// head in front of it, a second track; an upstream's of another rate. What is kept, how it is
// converted and what the upstream was asked for follow it.

enum AudioFinding {
  /// It is of this format, as its sender says.
  case format(Format)
  /// The same, as audio says that is to be taken afterwards; in its message.
  case reformat(Format, Media.Piece, Bytes)
  /// It is said to be what cannot be served; the sentence says so.
  case unserved(StaticString)
  case otherTrack(Media.Piece, Bytes)
  /// Binary audio that may be the head of a file, or what follows one.
  case head(Bytes)
  /// The high byte of its samples comes first, or does not, as heard.
  case byteOrder(isBigEndian: Bool)

  func follow(in call: inout Call, _ store: Store, _ turn: inout Turn) {
    switch self {
    case .format(let format): Self.adopt(format, in: &call, store, &turn)
    case .reformat(let format, let piece, let message):
      Self.adopt(format, in: &call, store, &turn)
      if !call.isOver { call.carry(message[piece.payload], of: piece, store, &turn) }
    case .unserved(let sentence): Self.refuse(sentence, in: &call, store, &turn)
    case .otherTrack(let piece, let message):
      Self.takeOtherTrack(piece, message, in: &call, store, &turn)
    case .head(let message): Self.takeHead(message, in: &call, store, &turn)
    case .byteOrder(let isBigEndian):
      Self.turnByteOrder(isBigEndian: isBigEndian, in: &call, store, &turn)
    }
  }
}

// MARK: A caller's format

extension AudioFinding {
  /// Heeded as long as no audio was taken.
  private static func adopt(
    _ format: Format, in call: inout Call, _ store: Store, _ turn: inout Turn
  ) {
    guard call.caller.isStarted, !call.state.isClosing, format != call.caller.input else { return }
    let isHeeded = !call.uplink.hasHeard
    turn.note(.caller(.odd(.format(format.described, isHeeded: isHeeded))), of: call.record.name)
    guard isHeeded else { return }
    call.caller.sends(format)
    guard call.upstream.partner != .nobody else { return }
    let before = call.upstream.input
    guard call.upstream.settleFormats(from: format, to: call.caller.output, store),
      Conversion.exists(from: format, to: call.upstream.input)
    else {
      return refuse(
        "this route's upstream cannot take audio of this rate or channels", in: &call, store, &turn)
    }
    call.uplink.release(store)
    guard prepareUplink(of: &call, isPaired: false, store, at: turn.now) else {
      return call.end(.noMemory, store, &turn)
    }
    if call.upstream.input != before {
      beginAnew(&call, store, &turn)
    } else if call.state.state == .talking {
      call.uplink.beginSession(at: turn.now, in: store.pool)
    }
  }

  static func refuse(
    _ sentence: StaticString, in call: inout Call, _ store: Store, _ turn: inout Turn
  ) {
    turn.note(.call(.refused(sentence)), of: call.record.name)
    call.caller.send(
      .error(code: "unsupported", message: sentence), as: call.record.name, store, &turn)
    call.end(.unsupported, store, &turn)
  }

  /// The way up alone, for what the caller sends. False where the memory for it is missing.
  static func prepareUplink(
    of call: inout Call, isPaired: Bool, _ store: Store, at now: Instant
  ) -> Bool {
    let caller = call.caller
    guard
      let uplink = Uplink(
        from: caller.input, to: call.upstream.input, call.upstream.kind,
        pacePercent: call.upstream.prepared(store).pacePercent,
        isHeldBack: caller.pressure == .waits, store, at: now)
    else { return false }
    call.uplink = uplink
    var isReordered = caller.carrier.isReordered && call.upstream.partner != .nobody
    // Numbers that both tracks share would leave holes in the one that is listened to.
    if case .only = caller.tracks { isReordered = false }
    let isReceived = call.uplink.receive(
      isPaired ? .paired : isReordered ? .reordered : .direct,
      hearsByteOrder: caller.carrier.isByteOrderHeard, store)
    let habits = call.upstream.preparedRoute(store).habits
    if habits.contains(.fillsGaps) { call.uplink.fillsGaps() }
    guard isReceived, habits.contains(.skipsSilence),
      let behind = call.upstream.kind.silenceBehindWords
    else { return isReceived }
    let session = call.upstream.session(store)
    let milliseconds = behind(session)
    var finalize = Writer(store.scratch)
    call.upstream.kind.write(.finalize, session, &finalize)
    return call.uplink.skipSilence(
      behindMilliseconds: milliseconds, asking: finalize.written, from: store.pool)
  }

  /// How the caller is spoken to, as its route says.
  static func beginHabits(in call: inout Call, _ store: Store, at now: Instant) {
    let habits = call.upstream.preparedRoute(store).habits
    call.caller.takesCommands = habits.contains(.takesCommands)
    if habits.contains(.sendsComfort) { call.comfortAt = now + comfortEvery }
  }

  /// Its samples lie the other way round than was believed.
  private static func turnByteOrder(
    isBigEndian: Bool, in call: inout Call, _ store: Store, _ turn: inout Turn
  ) {
    let isTwoWay = call.isTwoWay
    guard call.caller.turnByteOrder(isBigEndian: isBigEndian, isTwoWay: isTwoWay) else { return }
    call.uplink.turnByteOrder(of: call.caller.input)
    if call.caller.output.codec == .linear16, isTwoWay {
      call.conversation.turnByteOrder(to: call.caller.output, in: store.pool)
    }
    turn.note(.caller(.byteOrder(isBigEndian: isBigEndian)), of: call.record.name)
  }

  /// The upstream was asked for another format: it is asked again.
  private static func beginAnew(_ call: inout Call, _ store: Store, _ turn: inout Turn) {
    call.upstream.leaveNext(store, &turn)
    if call.upstream.isOpen(store) {
      call.upstream.leave(store, &turn)
      call.sessionEnded(store, &turn)
    }
    call.perform(call.state.begunAnew(), store, &turn)
  }

  /// What came before the start is taken now.
  static func takeEarly(in call: inout Call, _ store: Store, _ turn: inout Turn) {
    while call.caller.isStarted, !call.state.isClosing,
      let message = call.caller.waiting.take(into: store.source, in: store.pool)
    {
      guard !message.isEmpty else {
        turn.note(.frameLost)
        continue
      }
      guard let found = call.take(message, store, &turn) else { continue }
      // Beside audio only keys were kept.
      if case .text(let text) = found {
        guard case .digit = call.caller.carrier.read(text) else {
          turn.note(.messageIgnored)
          continue
        }
      }
      _ = call.handle(found, store, &turn)
    }
  }
}

// MARK: Files

extension AudioFinding {
  private static func takeHead(
    _ message: Bytes, in call: inout Call, _ store: Store, _ turn: inout Turn
  ) {
    guard call.caller.head.isOpen || WaveHead.begins(message) else {
      if call.uplink.lastAudio == .never, let name = Container.named(by: message) {
        return refuse(file: name, in: &call, store, &turn)
      }
      return carry(message, in: &call, store, &turn)
    }
    switch call.caller.head.take(message) {
    case .needMore: break
    case .audio(let format, let audio):
      adopt(format, in: &call, store, &turn)
      carry(audio, in: &call, store, &turn)
    case .unsupported: refuse(file: "WAV of other samples", in: &call, store, &turn)
    case .other(let rest):
      carry(call.caller.head.held(into: store.source), in: &call, store, &turn)
      carry(rest, in: &call, store, &turn)
    }
  }

  /// Nothing more comes: what was kept, because it might have been a file's first words, is audio.
  static func endHead(in call: inout Call, _ store: Store, _ turn: inout Turn) {
    guard call.caller.head.isOpen, call.caller.head.close() else { return }
    carry(call.caller.head.held(into: store.source), in: &call, store, &turn)
  }

  private static func carry(
    _ audio: Bytes, in call: inout Call, _ store: Store, _ turn: inout Turn
  ) {
    guard !audio.isEmpty, !call.isOver else { return }
    call.carry(audio, of: Media.Piece(payload: 0..<audio.count), store, &turn)
  }

  private static func refuse(
    file name: StaticString, in call: inout Call, _ store: Store, _ turn: inout Turn
  ) {
    turn.note(.caller(.odd(.isFile(name))), of: call.record.name)
    refuse(
      "the audio is a file; send raw samples of linear16, mulaw or alaw", in: &call, store, &turn)
  }
}

// MARK: Tracks

extension AudioFinding {
  /// Audio of a track that is not listened to. The first audio of a call says which track it has;
  /// with the other one it has two channels, where its upstream only listens and they can be laid
  /// side by side. Where they cannot, the caller's own is listened to, whichever came first.
  private static func takeOtherTrack(
    _ piece: Media.Piece, _ message: Bytes, in call: inout Call, _ store: Store, _ turn: inout Turn
  ) {
    guard case .one(let track) = call.caller.tracks, !call.state.isClosing else {
      return turn.note(.messageIgnored)
    }
    if call.record.framesIn == 0, call.upstream.partner != .talker {
      call.caller.listen(to: piece.track, isForGood: false)
    } else {
      let isHeard = pairTracks(beside: track, in: &call, store, &turn)
      let name: StaticString = isHeard && piece.track == .inbound ? "inbound" : "outbound"
      turn.note(.caller(.odd(.otherTrack(name, isHeard: isHeard))), of: call.record.name)
      if !isHeard {
        call.caller.listen(to: .inbound, isForGood: true)
        // Numbers that both tracks share would leave holes in each.
        call.uplink.takeAsItComes(store, &turn)
        guard piece.track == .inbound else { return turn.note(.messageIgnored) }
      }
    }
    guard !call.isOver else { return }
    call.carry(message[piece.payload], of: piece, store, &turn)
  }

  /// What was one track becomes one channel of two. False where that cannot be, and nothing is
  /// done.
  private static func pairTracks(
    beside track: Media.Track, in call: inout Call, _ store: Store, _ turn: inout Turn
  ) -> Bool {
    let one = call.caller.input
    guard call.upstream.partner == .listener, one.codec != .linear16, one.rate == 8000 else {
      return false
    }
    var both = one
    both.channels = 2
    guard call.upstream.settleFormats(from: both, to: call.caller.output, store),
      call.upstream.input == both
    else {
      _ = call.upstream.settleFormats(from: one, to: call.caller.output, store)
      return false
    }
    call.uplink.takeAsItComes(store, &turn)
    var old = call.uplink
    call.caller.pairTracks()
    guard prepareUplink(of: &call, isPaired: true, store, at: turn.now) else {
      old.release(store)
      call.end(.noMemory, store, &turn)
      return true
    }
    call.uplink.takeOver(&old, channel: track == .inbound ? 0 : 1, store)
    beginAnew(&call, store, &turn)
    return true
  }
}

// MARK: An upstream's

extension AudioFinding {
  /// A session has begun: audio goes to it, and comes from it, as it says itself. False where the
  /// memory for that is missing, and the call has ended.
  static func followsFormats(
    in call: inout Call, _ store: Store, _ turn: inout Turn
  ) -> Bool {
    let isFollowed = follow(in: &call, store, &turn)
    if !isFollowed { call.end(.noMemory, store, &turn) }
    return isFollowed
  }

  private static func follow(
    in call: inout Call, _ store: Store, _ turn: inout Turn
  ) -> Bool {
    guard call.caller.isStarted, call.upstream.partner != .nobody else { return true }
    let takes = call.upstream.input
    if call.uplink.sends != takes {
      guard
        let conversion = Conversion(from: call.caller.input, to: takes, in: store.resamplers)
      else { return false }
      call.uplink.send(
        as: takes, by: conversion,
        chunkMillisecondsMax: call.upstream.kind.timing.chunkMillisecondsMax, store)
    }
    guard call.isTwoWay, call.conversation.downlink.says != call.upstream.output else {
      return true
    }
    return listens(to: call.upstream.output, in: &call, store, &turn)
  }

  private static func listens(
    to says: Format, in call: inout Call, _ store: Store, _ turn: inout Turn
  ) -> Bool {
    let reply = call.conversation.downlink.reply
    guard let conversion = Conversion(from: says, to: reply, in: store.resamplers) else {
      return false
    }
    let isKept = call.conversation.downlink.follow(
      says, by: conversion, scratch: store.gathered, in: store.pool, store.resamplers)
    if !isKept { turn.note(.speechCut) }
    return true
  }

  /// One piece of what the agent says, at the rate that its message states. False where it is not
  /// to be heard.
  static func speak(
    _ piece: SpeechPath.Piece, of message: Bytes, in call: inout Call, _ store: Store,
    _ turn: inout Turn
  ) -> Bool {
    guard follows(piece, in: &call, store, &turn) else { return false }
    switch call.conversation.speak(
      message[piece.payload], of: message[piece.item], in: message[piece.response],
      to: &call.caller, &call.record, store, &turn)
    {
    case .heard: return true
    case .unheard: return false
    case .unreadable:
      turn.note(.frameBad)
      call.upstream.noteUnreadable(as: call.record.name, store, &turn)
      return false
    }
  }

  /// Whether speech of this rate can be played, from here on.
  private static func follows(
    _ piece: SpeechPath.Piece, in call: inout Call, _ store: Store, _ turn: inout Turn
  ) -> Bool {
    guard piece.rate != 0, piece.rate != call.upstream.output.rate else { return true }
    let says = piece.rate > 0 ? Format(codec: .linear16, rate: piece.rate) : nil
    let isHeeded = says.map { listens(to: $0, in: &call, store, &turn) } ?? false
    if let says, isHeeded { call.upstream.become(takes: call.upstream.input, sends: says) }
    call.upstream.noteOtherSpeech(
      max(piece.rate, 0), isHeeded: isHeeded, as: call.record.name, store, &turn)
    if !isHeeded { turn.note(.speechCut) }
    return isHeeded
  }
}

// MARK: The clock

extension AudioFinding {
  static let comfortEvery = Instant.Span.seconds(1)

  /// Audio that is live and of another rate than was said would pile up without a word.
  static func checkSpeed(in call: inout Call, _ turn: inout Turn) {
    let received = call.uplink.ring.received
    guard let percent = call.speed.look(received: received, as: call.caller.input, at: turn.now)
    else { return }
    turn.note(
      .caller(.odd(.tooFast(percent: percent, call.caller.input.described))), of: call.record.name)
  }

  /// A carrier may drop a leg that is sent nothing.
  static func comfort(in call: inout Call, _ store: Store, _ turn: inout Turn) {
    call.comfortAt = turn.now + comfortEvery
    guard call.caller.isOpen(store), call.conversation.isQuiet else { return }
    call.conversation.downlink.comfort(
      into: &store.links[call.caller.link.index], store, &turn)
  }
}
