// The agent's side of a two-way call: each message of an upstream that talks comes here (`heed`)
// and goes where it belongs. Audio is moved in Relay+Speech and words are gathered in Relay+Words;
// the rest is rare: an item begins, the caller interrupts, a mark comes back, a key was pressed, a
// session takes over from another.

extension Relay {
  // MARK: What an upstream that talks says

  /// One message of an upstream with a voice: an interruption in it goes first, its audio second.
  func heed(_ call: Int, _ message: Bytes, _ now: Instant) {
    let path = calls[call].speech
    var located = calls[call].learnedSpeech.locate(message, by: path)
    var news: Upstream.News?
    switch located {
    case .malformed:
      totals.messagesBad &+= 1
      return
    case .other: news = Upstream.all[calls[call].kind].read(message)
    case .speech(let piece):
      if piece.isNotAll { news = Upstream.all[calls[call].kind].read(message) }
    }
    if let news, news.isInterrupted { interrupt(call, now) }
    // Before its audio is decoded where it lies.
    if let news, !news.isMalformed {
      tell(call, .response(upstream: Upstream.all[calls[call].kind].name), body: message, now)
    }
    var hasSpoken = false
    while case .speech(let piece) = located {
      say(message[piece.payload], message[piece.item], call, now)
      hasSpoken = true
      guard piece.next > 0 else { break }
      located = path.locate(message, from: piece.next)
    }
    if let news { act(on: news, message, call, now) }
    if hasSpoken, calls.isInUse(call) { converse(call, now) }
  }

  /// Says what has come as far as it is time for it, and sees to it that the rest follows.
  func converse(_ call: Int, _ now: Instant) {
    guard !calls[call].life.isClosing else {
      return timers.set(playoutTimer(call), .never)
    }
    convert(call)
    while true {
      switch play(call, at: now) {
      case .nothing: return setPlayout(call, at: now)
      case .piece: continue
      case .piecedMark: mark(call, now)
      }
    }
  }

  func playoutIsDue(_ call: Int, _ now: Instant) {
    guard calls.isInUse(call), calls[call].isTwoWay else { return }
    converse(call, now)
    retire(call, now)
  }

  // MARK: Items

  private func say(_ payload: Bytes, _ item: Bytes, _ call: Int, _ now: Instant) {
    if calls[call].isVoid || calls[call].downlink.utterances.isVoid(item)
      || calls[call].life.isClosing
    {
      totals.speechLate &+= 1
      return
    }
    guard let utterance = utterance(item, call, now) else {
      totals.speechCut &+= 1
      return
    }
    calls[call].life.progressed()
    speak(payload, of: utterance, on: call, at: now)
    let link = calls[call].caller
    if links.holds(link), links[link.index].outbox.isEmpty { links[link.index].audioSince = now }
  }

  /// The item that this name stands for; it begins here where it is new.
  private func utterance(_ item: Bytes, _ call: Int, _ now: Instant) -> Int? {
    if let known = calls[call].downlink.utterances.index(of: item) { return known }
    return beginUtterance(item, call, now)
  }

  /// What came before it has all come.
  func beginUtterance(_ item: Bytes, _ call: Int, _ now: Instant) -> Int? {
    completeUtterances(call)
    retire(call, now)
    if calls[call].downlink.utterances.count == Utterances.capacity { giveUpMarks(call, now) }
    flushCallerWords(call, now)
    calls[call].isTurnOpen = true
    calls[call].downlink.begin(in: pool)
    return calls[call].downlink.utterances.begin(item, at: calls[call].downlink.end)
  }

  private func completeUtterances(_ call: Int) {
    for index in 0..<calls[call].downlink.utterances.count {
      calls[call].downlink.utterances[index].isComplete = true
    }
  }

  /// Items that were heard to their end are done with.
  private func retire(_ call: Int, _ now: Instant) {
    while calls[call].downlink.utterances.count > 0 {
      let oldest = calls[call].downlink.utterances[0]
      let heard = calls[call].downlink.playout.heard(at: now)
      guard oldest.isComplete, heard >= oldest.start + oldest.length else { return }
      forgetOldest(call, heard: oldest.length, now)
    }
  }

  /// There is no place for another item because no mark has come back: what our own clock has
  /// played counts as heard.
  private func giveUpMarks(_ call: Int, _ now: Instant) {
    let oldest = calls[call].downlink.utterances[0]
    guard calls[call].downlink.playout.played(at: now) >= oldest.start + oldest.length else {
      return
    }
    forgetOldest(call, heard: oldest.length, now)
  }

  /// Whatever may still be under way of it is dropped from now on.
  private func forgetOldest(_ call: Int, heard: Int, _ now: Instant) {
    showWords(call, 0, now)
    var utterance = calls[call].downlink.utterances.removeFirst()
    if !utterance.item.isEmpty { calls[call].downlink.utterances.void(utterance.item) }
    let rate = calls[call].reply.rate
    calls[call].generatedMilliseconds &+= utterance.length &* 1000 / rate
    calls[call].heardMilliseconds &+= heard &* 1000 / rate
    utterance.words.clear(in: pool)
  }

  // MARK: Interruption

  /// The caller has begun to speak over the agent: nothing of what waits is said any more, the
  /// carrier forgets what it has not played, and the upstream learns what was heard. All of it in
  /// this turn.
  func interrupt(_ call: Int, _ now: Instant) {
    let voice = Upstream.all[calls[call].kind].voice
    let heard = calls[call].downlink.playout.heard(at: now)
    retire(call, now)
    let wasSpeaking = calls[call].downlink.utterances.count > 0
    if voice?.isVoidUntilTurnEnds == true { calls[call].isVoid = true }
    calls[call].isAnswerOwed = false
    calls[call].downlink.clear(in: pool, resamplers)
    timers.set(playoutTimer(call), .never)
    // Otherwise the latest that waits may be what told the carrier to clear.
    if calls[call].downlink.playout.hasSent {
      takeBack(call)
      calls[call].downlink.playout.clear()
      tell(call, .clear, now)
    }
    guard wasSpeaking else { return }
    calls[call].interruptions &+= 1
    totals.interruptions &+= 1
    while calls[call].downlink.utterances.count > 0 {
      voidOldest(call, at: heard, voice?.hasItems == true, now)
    }
  }

  /// Tells the upstream and the terminal how much of the oldest item was heard, and lets go of it.
  private func voidOldest(_ call: Int, at position: Int, _ isNamed: Bool, _ now: Instant) {
    let utterance = calls[call].downlink.utterances[0]
    let heard = utterance.heard(at: position)
    let says = calls[call].downlink.says
    let heardMilliseconds = min(
      heard &* 1000 / calls[call].reply.rate, says.milliseconds(forBytes: utterance.received))
    if isNamed, !utterance.item.isEmpty {
      var name = Writer(source.bytes.prefix(Name.bytesMax))
      name.write(utterance.item)
      command(
        heardMilliseconds > 0
          ? .truncate(item: name.written, milliseconds: heardMilliseconds)
          : .forget(item: name.written), call, now)
    }
    showInterruption(call, utterance, heardMilliseconds, now)
    calls[call].downlink.utterances[0].areWordsShown = true
    forgetOldest(call, heard: heard, now)
  }

  /// What the caller's socket has not begun to take is taken back: it was said to nobody.
  private func takeBack(_ call: Int) {
    let link = calls[call].caller
    guard links.holds(link), links[link.index].phase == .caller, !links[link.index].isCloseSent
    else { return }
    let index = link.index
    // A client that reads text has other messages in it as well.
    guard !Carrier.all[calls[call].carrier].isHeldBack else { return }
    let rest = links[index].frontRest
    guard rest < links[index].outbox.count else { return }
    links[index].outbox.truncate(to: rest, in: pool)
    links[index].audioSince = .never
  }

  // MARK: Marks

  /// A mark behind what was sent so far; its name is the epoch and the position.
  private func mark(_ call: Int, _ now: Instant) {
    // The last blocks are for what somebody waits for.
    guard pool.free > Limits.callBlocksMin else { return }
    var name = Writer(source.bytes.prefix(Name.bytesMax))
    name.write(decimal: calls[call].downlink.playout.epoch)
    name.write(".")
    name.write(decimal: calls[call].downlink.playout.sent)
    tell(call, .mark(name: name.written), now)
  }

  /// The carrier has played up to one of our marks; others' marks say nothing.
  func marked(_ call: Int, _ name: Bytes, _ now: Instant) {
    guard calls[call].isTwoWay, let dot = name.firstIndex(of: 0x2e),
      let epoch = name.prefix(dot).decimal, let position = name.dropping(dot + 1).decimal
    else {
      totals.messagesIgnored &+= 1
      return
    }
    calls[call].downlink.playout.marked(position, epoch: epoch, at: now)
    retire(call, now)
  }

  // MARK: Keys

  /// A key that the caller pressed reaches the model as text; before the model stands it waits.
  func press(_ digit: UInt8, _ call: Int, _ now: Instant) {
    showDigit(call, digit)
    guard calls[call].isTwoWay else { return }
    guard isUpstreamOpen(call) else {
      if calls[call].digitCount < calls[call].digits.count {
        calls[call].digits[calls[call].digitCount] = digit
        calls[call].digitCount += 1
      }
      return
    }
    command(.digit(digit), call, now)
    askForAnswer(call, now)
  }

  func pressWaiting(_ call: Int, _ now: Instant) {
    guard calls[call].digitCount > 0 else { return }
    for index in 0..<calls[call].digitCount {
      command(.digit(calls[call].digits[index]), call, now)
    }
    calls[call].digitCount = 0
    askForAnswer(call, now)
  }

  /// An agent that is talking answers when it has ended: upstreams make one answer at a time.
  private func askForAnswer(_ call: Int, _ now: Instant) {
    calls[call].isAnswerOwed = calls[call].isTurnOpen
    if !calls[call].isTurnOpen { command(.respond, call, now) }
  }

  // MARK: News

  /// What else an upstream's message says.
  private func act(on news: Upstream.News, _ message: Bytes, _ call: Int, _ now: Instant) {
    guard !news.isMalformed else {
      totals.messagesBad &+= 1
      return
    }
    if calls[call].transcribes {
      calls[call].transcriptsOwed = max(0, calls[call].transcriptsOwed + news.transcriptsOwed)
    }
    if let words = news.callerWords { hear(words, message, call, now) }
    if let words = news.agentWords { hearAgent(words, message, message[news.item], call, now) }
    if news.isSpoken || news.isTurnOver { ended(message[news.item], news, call, now) }
    keepHandle(news, message, call)
    if let span = news.leavesWithin {
      // A second before, whatever is being said.
      calls[call].leaveAt = max(now, now + (span - .seconds(1)))
      wake(call, at: now)
    }
    if let complaint = news.complaint { complained(complaint, message, call, now) }
  }

  /// What will resume the session, where it says so.
  func keepHandle(_ news: Upstream.News, _ message: Bytes, _ call: Int) {
    guard let handle = news.handle else { return }
    calls[call].handle.clear(in: pool)
    let text = message[handle]
    if text.count <= Limits.wordsBytesMax { _ = calls[call].handle.append(text, from: pool) }
  }

  // MARK: Sessions

  /// A session has begun: the first one of a call is asked to greet.
  func beginTalk(_ call: Int, _ now: Instant) {
    calls[call].isVoid = false
    calls[call].transcriptsOwed = 0
    calls[call].leaveAt = .never
    guard calls[call].isTwoWay, !calls[call].life.isClosing else { return }
    if !calls[call].hasGreeted {
      calls[call].hasGreeted = true
      // Where a recorded greeting is playing already, nobody else greets.
      let isGreeted = routes[calls[call].route].greeting(at: calls[call].reply.rate) != nil
      if !isGreeted, let greeting = session(call).value(of: "greeting") {
        command(.greet(greeting), call, now)
      }
    }
    pressWaiting(call, now)
  }

  /// The session is gone: what it has said is played to its end, and it is told nothing about it.
  func upstreamFellSilent(_ call: Int, _ now: Instant) {
    guard calls[call].isTwoWay else { return }
    calls[call].isVoid = false
    calls[call].isTurnOpen = false
    calls[call].transcriptsOwed = 0
    completeUtterances(call)
    for index in 0..<calls[call].downlink.utterances.count {
      calls[call].downlink.utterances[index].item = Name()
    }
    calls[call].downlink.finish()
    converse(call, now)
  }

  /// A session that will be ended by its upstream is left for a new one when nobody speaks, or when
  /// there is no time left.
  func handOver(_ call: Int, _ now: Instant) {
    guard calls[call].leaveAt != .never, calls[call].life.state == .talking else { return }
    retire(call, now)
    guard calls[call].leaveAt <= now || calls[call].downlink.utterances.count == 0 else { return }
    calls[call].leaveAt = .never
    letGoOfUpstream(call, now)
    upstreamFellSilent(call, now)
    perform(calls[call].life.handOver(), call, now)
  }

  /// The call ends: what was not heard never will be.
  func endSpeech(_ call: Int, _ now: Instant) {
    guard calls[call].isTwoWay else { return }
    flushCallerWords(call, now)
    let heard = calls[call].downlink.playout.heard(at: now)
    while calls[call].downlink.utterances.count > 0 {
      forgetOldest(call, heard: calls[call].downlink.utterances[0].heard(at: heard), now)
    }
  }

  private func ended(
    _ item: Bytes, _ news: Upstream.News, _ call: Int, _ now: Instant
  ) {
    let utterances = calls[call].downlink.utterances
    if let index = item.isEmpty
      ? (utterances.count > 0 ? utterances.last : nil)
      : utterances.index(of: item)
    {
      calls[call].downlink.utterances[index].isComplete = true
      if index == utterances.last { calls[call].downlink.finish() }
      if news.isTurnOver { showWords(call, index, now) }
    }
    if news.isTurnOver {
      completeUtterances(call)
      calls[call].isVoid = false
      calls[call].isTurnOpen = false
      flushCallerWords(call, now)
      if calls[call].isAnswerOwed { askForAnswer(call, now) }
    }
    converse(call, now)
  }

  // MARK: Greeting

  /// What the route's callers hear at once, while the upstream is still being opened.
  func playGreeting(_ call: Int, _ now: Instant) {
    guard let greeting = routes[calls[call].route].greeting(at: calls[call].reply.rate) else {
      return
    }
    let reply = calls[call].reply
    guard let utterance = calls[call].downlink.utterances.begin(.empty, at: 0) else { return }
    let step = reply.rate / 100 * 2
    var at = 0
    while at < greeting.count {
      let samples = greeting[at..<min(at + step, greeting.count)]
      let count = Samples.encode(samples, as: reply, into: converted)
      guard calls[call].downlink.keep(ready: converted.prefix(count), in: pool) else { break }
      at += samples.count
    }
    calls[call].downlink.utterances[utterance].length = at / 2
    calls[call].downlink.utterances[utterance].isComplete = true
    calls[call].downlink.utterances[utterance].areWordsShown = true
    calls[call].downlink.finish()
    converse(call, now)
  }
}
