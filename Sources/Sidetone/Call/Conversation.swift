// The agent's side of a two-way call: what it says on its way to the caller (Downlink), whose turn
// it is (Dialogue), the words of both (Transcript). It is lent the caller's leg, which hears it;
// what the model has to be told waits here until the call passes it on (`nextCommand`), so the
// upstream's leg is not seen.
//
//     model's message ──▶ begin, take, cut off, end ──▶ caller's outbox
//                                   └──▶ commands ──▶ (the call) ──▶ upstream's outbox

package struct Conversation: BitwiseCopyable, Sendable {
  var downlink = Downlink()
  var dialogue = Dialogue()
  var transcript = Transcript()
  var answers = AnswerWatch()
  /// Samples a second of what the caller hears.
  private(set) var rate = 8000
  /// How many items have begun to sound: their words may have come long before.
  private(set) var itemsBegun = 0
  /// Whether the model is told of its items by name, and can be.
  private var naming = Naming.none
  /// The buffer in which what is said lies; none where nobody talks.
  private var memory = Int32(-1)

  private enum Naming: BitwiseCopyable { case none, items }

  /// What was said so far, for sessions that are to go on with it.
  var history: HistoryRing {
    get { transcript.history }
    set { transcript.history = newValue }
  }

  /// Who keeps whom waiting.
  var quiet: QuietWatch {
    @inline(__always) get { answers.quiet }
    nonmutating set { answers.quiet = newValue }
  }

  init() {}

  /// For callers who hear nobody but themselves, or nothing.
  init(echoing format: Format, _ envelope: Envelope, as payloadEncoding: Media.PayloadEncoding) {
    downlink = Downlink(reply: format, envelope: envelope, as: payloadEncoding)
  }

  /// Such a buffer holds what is said as items, then as lines, then when answers came.
  private static let itemBytes = MemoryLayout<Utterances.Memory>.stride
  private static let lineBytes = MemoryLayout<Transcript.Memory>.stride

  /// In which format the agent's audio comes (`says`) and goes (`reply`), and how it is played. Nil
  /// where the carrier takes none, or there is no memory or no resampler.
  init?(
    _ voice: Upstream.Voice, from says: Format, to reply: Format, _ envelope: Envelope,
    as pacing: Carrier.Pacing?, after other: Conversation, _ store: Store
  ) {
    guard var pacing, let memory = store.conversations.take() else { return nil }
    guard let conversion = Conversion(from: says, to: reply, in: store.resamplers) else {
      store.conversations.give(memory)
      return nil
    }
    // A piece cut in two messages would have one that is shorter than the carrier takes.
    let bytesMax = envelope.audioBytesMax(as: pacing.payloadEncoding)
    pacing.pieceMilliseconds = min(
      pacing.pieceMilliseconds, reply.milliseconds(forBytes: bytesMax))
    downlink = Downlink(
      says: says, as: voice.speech.isBinary ? .raw : .base64, reply: reply,
      conversion: conversion, pacing: pacing, envelope: envelope,
      millisecondsMax: store.limits.playoutMillisecondsMax)
    dialogue = Dialogue(voice)
    rate = reply.rate
    naming = voice.hasItems ? .items : .none
    self.memory = memory
    let place = store.conversations.bytes(memory)
    downlink.utterances = Utterances(in: place.prefix(Self.itemBytes))
    transcript = Transcript(after: other.transcript, in: place.dropping(Self.itemBytes))
    answers = AnswerWatch(in: place.dropping(Self.itemBytes + Self.lineBytes))
  }

  /// Another model talks from now on; what the one before has said is played to its end.
  mutating func become(_ voice: Upstream.Voice) {
    naming = voice.hasItems ? .items : .none
    downlink.expect(voice.speech.isBinary ? .raw : .base64)
    dialogue.become(voice)
  }

  mutating func release(_ store: Store) {
    downlink.release(to: store.pool, store.resamplers)
    transcript.release(to: store.pool)
    history.clear(in: store.pool)
    guard memory >= 0 else { return }
    transcript = Transcript()
    downlink.utterances = Utterances()
    answers = AnswerWatch()
    store.conversations.give(memory)
    memory = -1
  }

  /// The caller's samples lie the other way round than was believed.
  mutating func turnByteOrder(to reply: Format, in pool: BlockPool) {
    downlink.turn(to: reply, in: pool)
  }

  /// The call is ending: nothing more is said, and no turn begins.
  mutating func close() { dialogue.close() }
}

// MARK: Items

extension Conversation {
  /// What became of a piece of any item.
  enum Spoken: BitwiseCopyable { case heard, unheard, unreadable }

  /// A piece of any item; one that is new begins here.
  mutating func speak(
    _ payload: Bytes, of item: Bytes, in response: Bytes, to caller: inout CallerLeg,
    _ record: inout CallRecord, _ store: Store, _ turn: inout Turn
  ) -> Spoken {
    guard case .heard = came(response, isSound: !payload.isEmpty, of: record.identity, &turn) else {
      turn.note(.speechLate)
      neverHeard(item, in: response, of: record.name, &turn)
      return .unheard
    }
    let known = downlink.utterances.index(of: item)
    let isForgotten = known == nil && downlink.utterances.isForgotten(item)
    guard
      let index = known ?? (isForgotten ? nil : beginItem(item, &caller, &record, store, &turn))
    else {
      turn.note(.speechCut)
      guard !isForgotten, !downlink.utterances.isDone(item), let name = Name(item) else {
        return .unheard
      }
      turn.note(.agent(.speechCut(keptMilliseconds: 0)), of: record.name)
      tell(name, heardMilliseconds: 0, of: record.name, &turn)
      return .unheard
    }
    let isFirst = !downlink.utterances.hasSound(index)
    switch take(payload, of: index, to: caller.link, store, &turn) {
    case .bytes:
      if isFirst, downlink.utterances.hasSound(index) { itemsBegun &+= 1 }
      return .heard
    case .malformed: return .unreadable
    case .full:
      drop(payload, of: index, record, &turn)
      return .unheard
    }
  }

  /// There is no room for a piece: nor will there be for the rest of its item, which would be heard
  /// with a hole in it.
  private mutating func drop(
    _ payload: Bytes, of index: Int, _ record: CallRecord, _ turn: inout Turn
  ) {
    turn.note(.speechCut)
    guard downlink.utterances.drop(downlink.bytes(in: payload), of: index) else { return }
    downlink.finish()
    turn.note(.agent(.speechCut(keptMilliseconds: kept(of: index))), of: record.name)
  }

  /// How much of an item was kept.
  private mutating func kept(of index: Int) -> Int {
    let utterance = downlink.utterances[index]
    return downlink.says.milliseconds(forBytes: utterance.receivedBefore &+ utterance.received)
  }

  /// An item of the answer that was cut off last, which had not begun by then: the model is told
  /// that nobody heard it, once.
  mutating func neverHeard(
    _ item: Bytes, in response: Bytes, of call: Name, _ turn: inout Turn
  ) {
    guard dialogue.isLatest(response), !downlink.utterances.isDone(item), let name = Name(item)
    else { return }
    tell(name, heardMilliseconds: 0, of: call, &turn)
  }

  mutating func tell(
    _ item: Name, heardMilliseconds: Int, of call: Name, _ turn: inout Turn
  ) {
    guard naming == .items else { return }
    if !downlink.utterances.tell(item, heardMilliseconds: heardMilliseconds) {
      turn.note(.upstream(.untold), of: call)
    }
  }

  /// Another item begins, or one of those that came before goes on. Nil where there is no place for
  /// it.
  mutating func beginItem(
    _ item: Bytes, _ caller: inout CallerLeg, _ record: inout CallRecord, _ store: Store,
    _ turn: inout Turn
  ) -> Int? {
    retire(&record, at: turn.now)
    if downlink.utterances.count == Utterances.capacity { giveUpMarks(&record, at: turn.now) }
    transcript.agentBegins(item, at: turn.now)
    showLines(to: &caller, &record, store, &turn)
    return downlink.utterances.begin(item, at: downlink.end)
  }

  /// Items that were heard to their end are done with.
  mutating func retire(_ record: inout CallRecord, at now: Instant) {
    while downlink.utterances.count > 0 {
      let oldest = downlink.utterances[0]
      let heard = downlink.playout.heard(at: now)
      guard oldest.isComplete, heard >= oldest.start + oldest.length else { return }
      forgetOldest(heard: oldest.length, &record)
    }
  }

  /// There is no place for another item because no mark has come back: what our own clock has
  /// played counts as heard.
  private mutating func giveUpMarks(_ record: inout CallRecord, at now: Instant) {
    let oldest = downlink.utterances[0]
    guard downlink.playout.played(at: now) >= oldest.start + oldest.length else { return }
    forgetOldest(heard: oldest.length, &record)
  }

  mutating func forgetOldest(heard: Int, _ record: inout CallRecord) {
    let utterance = downlink.utterances.removeFirst()
    let dropped = downlink.says.milliseconds(forBytes: utterance.dropped)
    record.said(
      milliseconds: utterance.length &* 1000 / rate &+ dropped, heard: heard &* 1000 / rate,
      cut: dropped)
  }

  /// All of an item has come, or of every one where the turn is over. An empty name: of the latest.
  /// Of one whose rest had no room the model is told.
  mutating func ended(_ item: Bytes, isTurnOver: Bool, of call: Name, _ turn: inout Turn) {
    let last = downlink.utterances.last
    for index in 0..<downlink.utterances.count {
      let isMeant =
        item.isEmpty ? index == last : downlink.utterances[index].item.equals(item)
      guard isTurnOver || isMeant else { continue }
      if index == last { downlink.finish() }
      guard downlink.utterances.complete(index) else { continue }
      tell(downlink.utterances[index].item, heardMilliseconds: kept(of: index), of: call, &turn)
    }
  }

  /// The turn of an answer is over; one without sound is a line.
  mutating func answerEnded(
    _ ending: Upstream.Ending, _ message: Bytes, _ response: Bytes, of call: Name,
    _ turn: inout Turn
  ) {
    let told = Event.Answer(
      reason: message[ending.reason], message: message[ending.message], instead: ending.instead,
      repeatsIn: nil)
    switch dialogue.answerEnded(response, ending, at: turn.now) {
    case .silent(let time):
      var told = told
      if time != .never { told.repeatsIn = (time - turn.now).milliseconds }
      turn.note(.agent(.answerSilent(told)), of: call)
    case .well where ending.how == .cut || ending.how == .failed:
      turn.note(.agent(.answerCut(told)), of: call)
    case .well: break
    }
  }

  /// Whether nothing that was said is still to be heard.
  var isQuiet: Bool { downlink.utterances.count == 0 }

  /// When it will be quiet, if nothing more is said: at the moment at which our clock, or a mark
  /// that must have come by then, says so. `never` where more is to come, or to be sent: that is an
  /// event.
  mutating func quietTime(after now: Instant) -> Instant {
    guard downlink.utterances.count > 0 else { return now }
    let last = downlink.utterances[downlink.utterances.last]
    let end = last.start + last.length
    guard last.isComplete, end <= downlink.playout.sent else { return .never }
    return downlink.playout.heardTime(of: end, after: now)
  }
}

// MARK: What the model is told

extension Conversation {
  /// What the model has to be told next, or nil: of what was cut off, then what it is to answer.
  /// `scratch` holds the command's text until it is used; what greets is the session's to say.
  mutating func nextCommand(scratch: Bytes, at now: Instant) -> Upstream.Command? {
    guard let told = downlink.utterances.nextTold() else {
      return nextQuestion(scratch: scratch, at: now)
    }
    var name = Writer(scratch.prefix(Name.bytesMax))
    name.write(told.item)
    return told.heardMilliseconds > 0
      ? .truncate(item: name.written, milliseconds: told.heardMilliseconds)
      : .forget(item: name.written)
  }

  private mutating func nextQuestion(scratch: Bytes, at now: Instant) -> Upstream.Command? {
    switch dialogue.nextWish(at: now) {
    case nil: return nil
    case .greet: return .greet(.empty)
    case .respond: return .respond
    case .reprompt: return .reprompt(.empty)
    case .tellKeys:
      var keys = Writer(scratch)
      dialogue.writeKeys(&keys)
      return .keys(keys.written)
    }
  }

  /// Time has passed: lines that are no longer waited for are shown. `isTalking`: an answer that
  /// has not begun by now is a line of its own.
  mutating func expired(
    isTalking: Bool, _ caller: inout CallerLeg, _ record: inout CallRecord, _ store: Store,
    _ turn: inout Turn
  ) {
    if isTalking, dialogue.expired(at: turn.now) {
      turn.note(.agent(.answerMissing), of: record.name)
      settleAnswers(of: record.identity, &turn)
    }
    showLines(to: &caller, &record, store, &turn)
  }

  /// When something has to be shown, and while it is talked, when it has to be asked, or is no
  /// longer waited for.
  mutating func wakeTime(isTalking: Bool) -> Instant {
    isTalking ? min(dialogue.wakeTime, transcript.wakeTime) : transcript.wakeTime
  }
}

// MARK: Marks and keys

extension Conversation {
  /// A mark behind what was sent so far; its name is the epoch and the position.
  mutating func mark(
    _ caller: inout CallerLeg, _ record: CallRecord, _ store: Store, _ turn: inout Turn
  ) {
    // The last blocks are for what somebody waits for.
    guard store.pool.free > Limits.callBlocksMin else { return }
    var name = Writer(store.source.prefix(Name.bytesMax))
    name.write(decimal: downlink.playout.epoch)
    name.write(".")
    name.write(decimal: downlink.playout.sent)
    caller.send(.mark(name: name.written), as: record.name, store, &turn)
  }

  /// The carrier has played up to one of our marks; false: it was none of ours.
  mutating func marked(
    _ name: Bytes, _ record: inout CallRecord, _ store: Store, _ turn: inout Turn
  ) -> Bool {
    guard let dot = name.firstIndex(of: 0x2e), let epoch = name.prefix(dot).decimal,
      let position = name.dropping(dot + 1).decimal
    else { return false }
    downlink.playout.marked(position, epoch: epoch, at: turn.now)
    noticeHeard(&record, &turn)
    return true
  }

  /// A key that the caller pressed reaches the model as text, as soon as it stands.
  mutating func press(_ key: UInt8, _ turn: inout Turn) {
    if !dialogue.press(key, at: turn.now) { turn.note(.keyLost) }
  }
}

// MARK: Sessions

extension Conversation {
  /// The oldest key of which the model has not been told, which is the taker's from now on.
  mutating func takeKey() -> UInt8? { dialogue.takeKey() }

  /// The session is as it was asked for.
  mutating func sessionReady(transcribes: Bool) {
    transcript.sessionBegan(transcribes: transcribes)
  }

  /// What the caller said last is said again: its words come anew.
  mutating func forgetCallerWords(in pool: BlockPool) { transcript.forgetCallers(in: pool) }

  /// What the caller has said is answered, though not by words.
  mutating func callerAnswered() { transcript.callerAnswered() }

  /// Words of the caller are still to come.
  var isOwedWords: Bool { transcript.isOwedWords }

  /// Nobody speaks or is heard, and neither side owes the other anything.
  var isIdle: Bool { isQuiet && dialogue.isIdle }

  /// What a session that begins now would be asked for; nil: nothing.
  var owed: Dialogue.Prompt? { dialogue.owed }

  /// A session stands: it is asked for what is owed, by `nextCommand`. `greets`: the first one of a
  /// call shall speak first. `hearsAgain`: it is given once more what the caller said last, so
  /// nobody has to ask for an answer to that.
  mutating func sessionBegan(greets: Bool, hearsAgain: Bool = false, at now: Instant) {
    transcript.forgetOwed()
    dialogue.sessionBegan(greets: greets, hearsAgain: hearsAgain, at: now)
  }

  /// An answer has begun, and its turn is not over.
  var isAnswerOpen: Bool { dialogue.isAnswerOpen }

  /// Functions run, and the model waits for their answers, or not any more.
  mutating func functionsRun(isWaitedFor: Bool) { dialogue.functionsRun(isWaitedFor: isWaitedFor) }

  /// The model has all answers that it waits for. `goesOn`: it does by itself.
  mutating func functionsAnswered(goesOn: Bool, at now: Instant) {
    dialogue.functionsAnswered(goesOn: goesOn, at: now)
  }

  /// The session is gone: what it has said is played to its end, and it is told nothing about it.
  /// `isSaidAgain`: the next one will hear, and write down, what the caller said last.
  mutating func sessionEnded(isSaidAgain: Bool, of record: CallRecord, _ turn: inout Turn) {
    dialogue.sessionEnded(at: turn.now)
    settleAnswers(of: record.identity, &turn)
    transcript.forgetOwed()
    if isSaidAgain { transcript.endAgents() } else { transcript.endAll() }
    for index in 0..<downlink.utterances.count { _ = downlink.utterances.complete(index) }
    downlink.utterances.forgetNames()
    downlink.finish()
  }

  /// The call is over: what was not heard never will be.
  mutating func ended(
    _ caller: inout CallerLeg, _ record: inout CallRecord, _ store: Store, _ turn: inout Turn
  ) {
    transcript.endAll()
    showLines(to: &caller, &record, store, &turn)
    answers.tellHeard(downlink.playout, isLast: true, of: record.identity, &turn)
    let heard = downlink.playout.heard(at: turn.now)
    while downlink.utterances.count > 0 {
      forgetOldest(heard: downlink.utterances[0].heard(at: heard), &record)
    }
  }

  /// A recording is heard behind all that was said: 16-bit samples at the caller's rate, in whole
  /// steps of 10 ms, which stay where they are until they were played. False: there is no place
  /// for it.
  mutating func play(
    recorded samples: Bytes, isUninterrupted: Bool, _ store: Store
  ) -> Bool {
    downlink.convertAll(scratch: store.gathered, in: store.pool, store.resamplers)
    guard let index = downlink.utterances.begin(.empty, at: downlink.end) else { return false }
    downlink.recorded = LentBytes(samples)
    downlink.utterances.wasRecorded(
      index, length: samples.count / Downlink.recordedBytes, isUninterrupted: isUninterrupted)
    return true
  }
}
