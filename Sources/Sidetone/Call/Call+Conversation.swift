// The agent's side of a two-way call: what it says beside more of the same, who speaks, what was
// heard, what the model is told. Its audio takes the way of every frame (Call+Frames); whose turn it
// is stands in Dialogue.

extension Call {
  /// The agent's audio: in which format it comes, and how it is played. False where there is no
  /// resampler.
  mutating func prepareConversation(
    _ voice: Upstream.Voice, _ envelope: Envelope, _ store: Store
  ) -> Bool {
    guard var manner = caller.carrier.playout,
      let conversion = Conversion(
        from: upstream.output, to: caller.output, in: store.resamplers)
    else { return false }
    // A piece cut in two messages would have one that is shorter than the carrier takes.
    let bytesMax = envelope.audioBytesMax(as: manner.carriage)
    manner.pieceMilliseconds = min(
      manner.pieceMilliseconds, caller.output.milliseconds(forBytes: bytesMax))
    downlink = Downlink(
      says: upstream.output, reply: caller.output, conversion: conversion, manner: manner,
      envelope: envelope, millisecondsMax: store.limits.playoutMillisecondsMax)
    dialogue = Dialogue(voice)
    upstream.beginSpeech()
    return true
  }

  // MARK: What a model says

  /// One message of a model: an interruption in it goes first, its audio second.
  mutating func handleSpoken(
    _ message: Bytes, _ found: SpeechPath.Located, _ store: Store, _ turn: inout Turn
  ) {
    let kind = upstream.kind
    var located = found
    var news: Upstream.News?
    switch located {
    case .malformed: return turn.note(.messageBad)
    case .other: news = kind.read(message)
    case .speech(let piece):
      if piece.isNotAll { news = kind.read(message) }
    }
    if let news, news.isInterrupted { interrupt(store, &turn) }
    // Before its audio is decoded where it lies.
    if let news, !news.isMalformed {
      tell(.response(upstream: kind.name), body: message, store, &turn)
    }
    var hasSpoken = false
    while case .speech(let piece) = located {
      speak(message[piece.payload], message[piece.item], store, &turn)
      hasSpoken = true
      guard piece.next > 0 else { break }
      located = upstream.speech.locate(message, from: piece.next)
    }
    if let news { act(on: news, message, store, &turn) }
    if hasSpoken, !isOver { converse(store, &turn) }
  }

  /// Says what has come as far as it is time for it, with the marks that belong to it.
  mutating func converse(_ store: Store, _ turn: inout Turn) {
    while play(store, &turn) { mark(store, &turn) }
  }

  /// The playout's moment has come.
  mutating func playoutExpired(_ store: Store, _ turn: inout Turn) {
    guard isTwoWay else { return }
    converse(store, &turn)
    retire(store, &turn)
  }

  /// The caller's socket takes again.
  mutating func callerTook(_ store: Store, _ turn: inout Turn) {
    if isTwoWay { converse(store, &turn) }
  }

  /// What else a model's message says.
  private mutating func act(
    on news: Upstream.News, _ message: Bytes, _ store: Store, _ turn: inout Turn
  ) {
    guard !news.isMalformed else { return turn.note(.messageBad) }
    transcript.owe(news.transcriptsOwed)
    if let words = news.callerWords { gatherWords(words, message, store, &turn) }
    if let words = news.agentWords {
      gatherAgentWords(words, message, message[news.item], store, &turn)
    }
    if news.isSpoken || news.isTurnOver { ended(message[news.item], news, store, &turn) }
    keepHandle(news, message, store)
    if let span = news.leavesWithin {
      // A second before, whatever is being said.
      upstream.leaveAt = max(turn.now, turn.now + (span - Self.leaveEarly))
      turn.timers.wake(.call(id.index), at: turn.now)
    }
    if let complaint = news.complaint { complained(complaint, message, store, &turn) }
  }

  private static let leaveEarly = Instant.Span.seconds(1)

  // MARK: Items

  /// A piece of any item; one that is new begins here.
  private mutating func speak(
    _ payload: Bytes, _ item: Bytes, _ store: Store, _ turn: inout Turn
  ) {
    if takeSpeech(payload, item, store, &turn) { return }
    guard let utterance = beginItem(item, store, &turn) else { return turn.note(.speechCut) }
    takeSpeech(payload, of: utterance, store, &turn)
  }

  /// Another item begins: what came before it has all come. Nil where there is no place for it.
  private mutating func beginItem(
    _ item: Bytes, _ store: Store, _ turn: inout Turn
  ) -> Int? {
    downlink.utterances.completeAll()
    retire(store, &turn)
    if downlink.utterances.count == Utterances.capacity { giveUpMarks(store, &turn) }
    flushCallerWords(store, &turn)
    dialogue.agentBegan()
    downlink.begin(in: store.pool)
    return downlink.utterances.begin(item, at: downlink.end)
  }

  /// Items that were heard to their end are done with.
  private mutating func retire(_ store: Store, _ turn: inout Turn) {
    while downlink.utterances.count > 0 {
      let oldest = downlink.utterances[0]
      let heard = downlink.playout.heard(at: turn.now)
      guard oldest.isComplete, heard >= oldest.start + oldest.length else { return }
      forgetOldest(heard: oldest.length, store, &turn)
    }
  }

  /// There is no place for another item because no mark has come back: what our own clock has
  /// played counts as heard.
  private mutating func giveUpMarks(_ store: Store, _ turn: inout Turn) {
    let oldest = downlink.utterances[0]
    guard downlink.playout.played(at: turn.now) >= oldest.start + oldest.length else { return }
    forgetOldest(heard: oldest.length, store, &turn)
  }

  /// Whatever may still be under way of it is dropped from now on.
  private mutating func forgetOldest(heard: Int, _ store: Store, _ turn: inout Turn) {
    showWords(of: 0, store, &turn)
    var utterance = downlink.utterances.removeFirst()
    if !utterance.item.isEmpty { downlink.utterances.void(utterance.item) }
    let rate = caller.output.rate
    record.said(milliseconds: utterance.length &* 1000 / rate, heard: heard &* 1000 / rate)
    utterance.words.clear(in: store.pool)
  }

  /// All of an item has come, or the agent's turn is over.
  private mutating func ended(
    _ item: Bytes, _ news: Upstream.News, _ store: Store, _ turn: inout Turn
  ) {
    let utterances = downlink.utterances
    if let index = item.isEmpty
      ? (utterances.count > 0 ? utterances.last : nil)
      : utterances.index(of: item)
    {
      downlink.utterances[index].isComplete = true
      if index == utterances.last { downlink.finish() }
      if news.isTurnOver { showWords(of: index, store, &turn) }
    }
    if news.isTurnOver {
      downlink.utterances.completeAll()
      flushCallerWords(store, &turn)
      if dialogue.turnEnded() { upstream.command(.respond, store, &turn) }
    }
    converse(store, &turn)
  }

  // MARK: Interruption

  /// The caller has begun to speak over the agent: nothing of what waits is said any more, the
  /// carrier forgets what it has not played, and the upstream learns what was heard. All of it in
  /// this turn.
  private mutating func interrupt(_ store: Store, _ turn: inout Turn) {
    let heard = downlink.playout.heard(at: turn.now)
    retire(store, &turn)
    let wasSpeaking = downlink.utterances.count > 0
    dialogue.interrupted()
    downlink.clear(in: store.pool, store.resamplers)
    turn.timers.set(.playout(id.index), .never)
    // Otherwise the latest that waits may be what told the carrier to clear.
    if downlink.playout.hasSent {
      takeBack(store)
      downlink.playout.clear()
      tell(.clear, store, &turn)
    }
    guard wasSpeaking else { return }
    record.wasInterrupted()
    turn.note(.interruption, of: record.name)
    let isNamed = upstream.kind.voice?.hasItems == true
    while downlink.utterances.count > 0 { voidOldest(at: heard, isNamed, store, &turn) }
  }

  /// Tells the upstream and the terminal how much of the oldest item was heard, and lets go of it.
  private mutating func voidOldest(
    at position: Int, _ isNamed: Bool, _ store: Store, _ turn: inout Turn
  ) {
    let utterance = downlink.utterances[0]
    let heard = utterance.heard(at: position)
    let rate = caller.output.rate
    let heardMilliseconds = min(
      heard &* 1000 / rate, downlink.says.milliseconds(forBytes: utterance.received))
    if isNamed, !utterance.item.isEmpty {
      var name = Writer(store.source.prefix(Name.bytesMax))
      name.write(utterance.item)
      upstream.command(
        heardMilliseconds > 0
          ? .truncate(item: name.written, milliseconds: heardMilliseconds)
          : .forget(item: name.written), store, &turn)
    }
    let generated = utterance.length &* 1000 / rate
    let words = Transcript.whole(utterance.words, scratch: store.source, in: store.pool)
    turn.note(
      .interrupted(
        heard: heardMilliseconds, generated: generated, words: words,
        cut: Transcript.cut(words, heard: heardMilliseconds, of: generated)), of: record.name)
    downlink.utterances[0].areWordsShown = true
    forgetOldest(heard: heard, store, &turn)
  }

  /// What the caller's socket has not begun to take is taken back: it was said to nobody. A client
  /// that reads text has other messages in it as well.
  private func takeBack(_ store: Store) {
    guard caller.isOpen(store), caller.pressure == .dropsOldest,
      !store.links[caller.link.index].outbox.isCloseSent
    else { return }
    store.links[caller.link.index].outbox.takeBack(in: store.pool)
  }

  // MARK: Marks

  /// A mark behind what was sent so far; its name is the epoch and the position.
  mutating func mark(_ store: Store, _ turn: inout Turn) {
    // The last blocks are for what somebody waits for.
    guard store.pool.free > Limits.callBlocksMin else { return }
    var name = Writer(store.source.prefix(Name.bytesMax))
    name.write(decimal: downlink.playout.epoch)
    name.write(".")
    name.write(decimal: downlink.playout.sent)
    tell(.mark(name: name.written), store, &turn)
  }

  /// The carrier has played up to one of our marks; others' marks say nothing.
  mutating func marked(_ name: Bytes, _ store: Store, _ turn: inout Turn) {
    guard isTwoWay, let dot = name.firstIndex(of: 0x2e),
      let epoch = name.prefix(dot).decimal, let position = name.dropping(dot + 1).decimal
    else { return turn.note(.messageIgnored) }
    downlink.playout.marked(position, epoch: epoch, at: turn.now)
    retire(store, &turn)
  }

  // MARK: Keys

  /// A key that the caller pressed reaches the model as text; before the model stands it waits.
  /// What a caller dials may be the number of a card: it goes to the model and to a terminal, never
  /// into the log.
  mutating func press(_ digit: UInt8, _ store: Store, _ turn: inout Turn) {
    turn.note(.digit(digit), of: record.name)
    guard isTwoWay else { return }
    guard upstream.isOpen(store) else { return dialogue.keep(key: digit) }
    upstream.command(.digit(digit), store, &turn)
    askForAnswer(store, &turn)
  }

  /// An agent that is talking answers when it has ended: upstreams make one answer at a time.
  private mutating func askForAnswer(_ store: Store, _ turn: inout Turn) {
    if dialogue.wantAnswer() { upstream.command(.respond, store, &turn) }
  }
}

// MARK: - Words

extension Call {
  /// Words of the caller: whole sentences are shown as they come, increments when they are
  /// complete.
  private mutating func gatherWords(
    _ words: Upstream.Words, _ message: Bytes, _ store: Store, _ turn: inout Turn
  ) {
    progressed()
    if words.isWhole {
      transcript.forgetIncrements(in: store.pool)
      showCallerWords(message[words.text], store, &turn)
    } else {
      transcript.gather(message[words.text], from: store.pool)
    }
  }

  /// Increments are complete once the agent answers; where a whole sentence is still to come, that
  /// one is shown instead.
  private mutating func flushCallerWords(_ store: Store, _ turn: inout Turn) {
    let words = transcript.increments(scratch: store.source, in: store.pool)
    guard !words.isEmpty else { return }
    showCallerWords(words, store, &turn)
    transcript.forgetIncrements(in: store.pool)
  }

  private mutating func showCallerWords(
    _ text: Bytes, _ store: Store, _ turn: inout Turn
  ) {
    guard !text.isEmpty else { return }
    record.transcribed()
    turn.note(.heard(text, isFinal: true), of: record.name)
    tell(
      .transcript(text: text, isFinal: true, confidence: .empty, channel: 0, channels: 1), store,
      &turn)
  }

  private mutating func gatherAgentWords(
    _ words: Upstream.Words, _ message: Bytes, _ item: Bytes, _ store: Store, _ turn: inout Turn
  ) {
    guard !dialogue.isVoid, !downlink.utterances.isVoid(item), !state.isClosing else { return }
    guard
      let index = downlink.utterances.index(of: item) ?? beginItem(item, store, &turn)
    else { return }
    if words.isWhole { downlink.utterances[index].words.clear(in: store.pool) }
    Transcript.append(
      message[words.text], to: &downlink.utterances[index].words, from: store.pool)
    if words.isWhole { showWords(of: index, store, &turn) }
  }

  /// Shows what an item says, once.
  private mutating func showWords(of index: Int, _ store: Store, _ turn: inout Turn) {
    let utterance = downlink.utterances[index]
    guard !utterance.areWordsShown, !utterance.words.isEmpty else { return }
    downlink.utterances[index].areWordsShown = true
    let words = Transcript.whole(utterance.words, scratch: store.source, in: store.pool)
    turn.note(.said(words), of: record.name)
  }
}

// MARK: - Sessions

extension Call {
  /// A session has begun: the first one of a call is asked to greet.
  mutating func beginConversation(_ store: Store, _ turn: inout Turn) {
    transcript.forgetOwed()
    upstream.leaveAt = .never
    let isFirst = dialogue.sessionBegan()
    guard !state.isClosing else { return }
    let route = store.prepared.routes[upstream.route]
    // Where a recorded greeting is playing already, nobody else greets.
    if isFirst, route.greeting(at: caller.output.rate) == nil,
      let greeting = upstream.session(store).value(of: "greeting")
    {
      upstream.command(.greet(greeting), store, &turn)
    }
    var hasKeys = false
    while let key = dialogue.nextKey() {
      upstream.command(.digit(key), store, &turn)
      hasKeys = true
    }
    if hasKeys { askForAnswer(store, &turn) }
  }

  /// The session is gone: what it has said is played to its end, and it is told nothing about it.
  mutating func sessionEnded(_ store: Store, _ turn: inout Turn) {
    guard isTwoWay else { return }
    dialogue.sessionEnded()
    transcript.forgetOwed()
    downlink.utterances.completeAll()
    downlink.utterances.forgetNames()
    downlink.finish()
    converse(store, &turn)
  }

  /// A session that will be ended by its upstream is left for a new one when nobody speaks, or when
  /// there is no time left.
  mutating func handOverInQuiet(_ store: Store, _ turn: inout Turn) {
    guard upstream.leaveAt != .never, state.state == .talking else { return }
    retire(store, &turn)
    guard upstream.leaveAt <= turn.now || downlink.utterances.count == 0 else { return }
    handOver(store, &turn)
  }

  /// The call ends: what was not heard never will be.
  mutating func endConversation(_ store: Store, _ turn: inout Turn) {
    guard isTwoWay else { return }
    flushCallerWords(store, &turn)
    let heard = downlink.playout.heard(at: turn.now)
    while downlink.utterances.count > 0 {
      forgetOldest(heard: downlink.utterances[0].heard(at: heard), store, &turn)
    }
  }

  /// What the route's callers hear at once, while the upstream is still being opened.
  mutating func playGreeting(_ store: Store, _ turn: inout Turn) {
    let reply = caller.output
    guard let greeting = store.prepared.routes[upstream.route].greeting(at: reply.rate),
      let utterance = downlink.utterances.begin(.empty, at: 0)
    else { return }
    let step = reply.rate / 100 * 2
    var at = 0
    while at < greeting.count {
      let samples = greeting[at..<min(at + step, greeting.count)]
      let count = Samples.encode(samples, as: reply, into: store.converted)
      guard downlink.keep(ready: store.converted.prefix(count), in: store.pool) else { break }
      at += samples.count
    }
    downlink.utterances[utterance].length = at / 2
    downlink.utterances[utterance].isComplete = true
    downlink.utterances[utterance].areWordsShown = true
    downlink.finish()
    converse(store, &turn)
  }
}
