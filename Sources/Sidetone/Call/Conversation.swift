// The agent's side of a two-way call: what it says on its way to the caller (Downlink), whose turn
// it is (Dialogue), the words of both (Transcript). It is lent the caller's leg, which hears it;
// what the model has to be told waits here until the call passes it on (`nextCommand`), so the
// upstream's leg is not seen.
//
//     model's message ──▶ begin, take, cut off, end ──▶ caller's outbox
//                                   └──▶ commands ──▶ (the call) ──▶ upstream's outbox

package struct Conversation: BitwiseCopyable, Sendable {
  var downlink = Downlink()
  private(set) var dialogue = Dialogue()
  private var transcript = Transcript()
  /// Samples a second of what the caller hears.
  private var rate = 8000
  /// Items that were cut off and of which the model has not been told yet.
  private var cutOff = InlineArray<4, CutOff>(repeating: CutOff())
  private var cutOffCount = 0
  /// How many items have begun.
  private(set) var itemsBegun = 0
  /// Whether the model is told of its items by name, and can be.
  private var naming = Naming.none

  private enum Naming: BitwiseCopyable { case none, items }

  private struct CutOff: BitwiseCopyable {
    var item = Name()
    var heardMilliseconds = 0
  }

  init() {}

  /// For callers who hear nobody but themselves, or nothing.
  init(echoing format: Format, _ envelope: Envelope, as payloadEncoding: Media.PayloadEncoding) {
    downlink = Downlink(reply: format, envelope: envelope, as: payloadEncoding)
  }

  /// In which format the agent's audio comes (`says`) and goes (`reply`), and how it is played. Nil
  /// where the carrier takes none, or there is no resampler.
  init?(
    _ voice: Upstream.Voice, from says: Format, to reply: Format, _ envelope: Envelope,
    as pacing: Carrier.Pacing?, after other: Conversation, _ store: Store
  ) {
    guard var pacing,
      let conversion = Conversion(from: says, to: reply, in: store.resamplers)
    else { return nil }
    // A piece cut in two messages would have one that is shorter than the carrier takes.
    let bytesMax = envelope.audioBytesMax(as: pacing.payloadEncoding)
    pacing.pieceMilliseconds = min(
      pacing.pieceMilliseconds, reply.milliseconds(forBytes: bytesMax))
    downlink = Downlink(
      says: says, reply: reply, conversion: conversion, pacing: pacing, envelope: envelope,
      millisecondsMax: store.limits.playoutMillisecondsMax)
    dialogue = Dialogue(voice)
    rate = reply.rate
    naming = voice.hasItems ? .items : .none
    // A session that was dialled ahead has said already whether it transcribes.
    transcript = other.transcript
  }

  mutating func release(_ store: Store) {
    downlink.release(to: store.pool, store.resamplers)
    transcript.release(to: store.pool)
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
  /// A piece of any item; one that is new begins here. False where it is not to be heard.
  mutating func speak(
    _ payload: Bytes, _ item: Bytes, to caller: inout CallerLeg, _ record: inout CallRecord,
    _ store: Store, _ turn: inout Turn
  ) -> Bool {
    switch take(payload, of: item, to: caller.link, store, &turn) {
    case .taken: return true
    case .isVoid: return false
    case .isNew: break
    }
    guard let index = beginItem(item, to: &caller, &record, store, &turn) else {
      turn.note(.speechCut)
      return false
    }
    take(payload, of: index, to: caller.link, store, &turn)
    return true
  }

  /// Another item begins: what came before it has all come. Nil where there is no place for it.
  private mutating func beginItem(
    _ item: Bytes, to caller: inout CallerLeg, _ record: inout CallRecord, _ store: Store,
    _ turn: inout Turn
  ) -> Int? {
    downlink.utterances.completeAll()
    retire(&record, store, &turn)
    if downlink.utterances.count == Utterances.capacity { giveUpMarks(&record, store, &turn) }
    flushCallerWords(to: &caller, &record, store, &turn)
    dialogue.agentBegan()
    itemsBegun &+= 1
    downlink.begin(in: store.pool)
    return downlink.utterances.begin(item, at: downlink.end)
  }

  /// Items that were heard to their end are done with.
  mutating func retire(_ record: inout CallRecord, _ store: Store, _ turn: inout Turn) {
    while downlink.utterances.count > 0 {
      let oldest = downlink.utterances[0]
      let heard = downlink.playout.heard(at: turn.now)
      guard oldest.isComplete, heard >= oldest.start + oldest.length else { return }
      forgetOldest(heard: oldest.length, &record, store, &turn)
    }
  }

  /// There is no place for another item because no mark has come back: what our own clock has
  /// played counts as heard.
  private mutating func giveUpMarks(
    _ record: inout CallRecord, _ store: Store, _ turn: inout Turn
  ) {
    let oldest = downlink.utterances[0]
    guard downlink.playout.played(at: turn.now) >= oldest.start + oldest.length else { return }
    forgetOldest(heard: oldest.length, &record, store, &turn)
  }

  /// Whatever may still be under way of it is dropped from now on.
  private mutating func forgetOldest(
    heard: Int, _ record: inout CallRecord, _ store: Store, _ turn: inout Turn
  ) {
    showWords(of: 0, record, store, &turn)
    var utterance = downlink.utterances.removeFirst()
    if !utterance.item.isEmpty { downlink.utterances.void(utterance.item) }
    record.said(milliseconds: utterance.length &* 1000 / rate, heard: heard &* 1000 / rate)
    utterance.words.clear(in: store.pool)
  }

  /// All of an item has come, or the agent's turn is over. An empty name: of the latest.
  private mutating func ended(
    _ item: Bytes, isTurnOver: Bool, to caller: inout CallerLeg, _ record: inout CallRecord,
    _ store: Store, _ turn: inout Turn
  ) {
    let last = downlink.utterances.last
    let index =
      item.isEmpty ? (last >= 0 ? last : nil) : downlink.utterances.index(of: item)
    if let index {
      downlink.utterances.complete(index)
      if index == last { downlink.finish() }
      if isTurnOver { showWords(of: index, record, store, &turn) }
    }
    guard isTurnOver else { return }
    downlink.utterances.completeAll()
    flushCallerWords(to: &caller, &record, store, &turn)
    dialogue.turnEnded()
  }

  /// Whether nothing that was said is still to be heard.
  var isQuiet: Bool { downlink.utterances.count == 0 }

  /// Nobody speaks, nothing is asked for, nothing is still to be heard.
  var isIdle: Bool { isQuiet && dialogue.isIdle }

  /// When it will be quiet, if nothing more is said: at the moment at which our clock, or a mark
  /// that must have come by then, says so. `never` where more is to come, or to be sent: that is an
  /// event.
  func quietTime(after now: Instant) -> Instant {
    guard downlink.utterances.count > 0 else { return now }
    let last = downlink.utterances[downlink.utterances.last]
    let end = last.start + last.length
    guard last.isComplete, end <= downlink.playout.sent else { return .never }
    return downlink.playout.heardTime(of: end, after: now)
  }
}

// MARK: Interruption

extension Conversation {
  /// The caller has begun to speak over the agent: nothing of what waits is said any more, the
  /// carrier forgets what it has not played, and the model learns what was heard. All of it in this
  /// turn.
  mutating func interrupt(
    _ caller: inout CallerLeg, _ record: inout CallRecord, _ store: Store, _ turn: inout Turn
  ) {
    let heard = downlink.playout.heard(at: turn.now)
    retire(&record, store, &turn)
    dialogue.interrupted()
    downlink.clear(in: store.pool, store.resamplers)
    // Otherwise the latest that waits may be what told the carrier to clear.
    if downlink.playout.hasSent {
      caller.takeBackAudio(store)
      downlink.playout.clear()
      caller.send(.clear, as: record.name, store, &turn)
    }
    guard downlink.utterances.count > 0 else { return }
    record.wasInterrupted()
    turn.note(.interruption)
    while downlink.utterances.count > 0 { cutOffOldest(at: heard, &record, store, &turn) }
  }

  /// Tells the terminal how much of the oldest item was heard, keeps it for the model, and lets go
  /// of the item.
  private mutating func cutOffOldest(
    at position: Int, _ record: inout CallRecord, _ store: Store, _ turn: inout Turn
  ) {
    let utterance = downlink.utterances[0]
    let heard = utterance.heard(at: position)
    let heardMilliseconds = min(
      heard &* 1000 / rate, downlink.says.milliseconds(forBytes: utterance.received))
    if naming == .items, !utterance.item.isEmpty, cutOffCount < cutOff.count {
      cutOff[cutOffCount] = CutOff(item: utterance.item, heardMilliseconds: heardMilliseconds)
      cutOffCount &+= 1
    }
    let generated = utterance.length &* 1000 / rate
    let words = Transcript.whole(utterance.words, scratch: store.source, in: store.pool)
    let cut = Transcript.cut(words, heard: heardMilliseconds, of: generated)
    turn.note(
      .words(
        .interrupted(heard: heardMilliseconds, generated: generated, words: words, cut: cut)),
      of: record.name)
    downlink.utterances.wordsWereShown(0)
    forgetOldest(heard: heard, &record, store, &turn)
  }

  /// What the model has to be told next, or nil: of what was cut off, then the keys that were
  /// pressed, then that it shall answer. `scratch` holds the command's text until it is used.
  mutating func nextCommand(scratch: Bytes) -> Upstream.Command? {
    guard cutOffCount > 0 else { return dialogue.nextCommand() }
    var name = Writer(scratch.prefix(Name.bytesMax))
    name.write(cutOff[0].item)
    let milliseconds = cutOff[0].heardMilliseconds
    cutOffCount &-= 1
    for index in 0..<cutOffCount { cutOff[index] = cutOff[index &+ 1] }
    return milliseconds > 0
      ? .truncate(item: name.written, milliseconds: milliseconds)
      : .forget(item: name.written)
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
    retire(&record, store, &turn)
    return true
  }

  /// A key that the caller pressed reaches the model as text, as soon as it stands.
  mutating func press(_ key: UInt8) { dialogue.press(key) }
}

// MARK: Sessions

extension Conversation {
  /// The session is as it was asked for.
  mutating func sessionReady(transcribes: Bool) {
    transcript.sessionBegan(transcribes: transcribes)
  }

  /// Words of the caller are still to come.
  var isOwedWords: Bool { transcript.isOwedWords }

  /// A session stands: true where it shall greet, since none has.
  mutating func sessionBegan(greets: Bool) -> Bool {
    transcript.forgetOwed()
    return dialogue.sessionBegan(greets: greets)
  }

  /// The session is gone: what it has said is played to its end, and it is told nothing about it.
  mutating func sessionEnded() {
    dialogue.sessionEnded()
    transcript.forgetOwed()
    cutOffCount = 0
    downlink.utterances.completeAll()
    downlink.utterances.forgetNames()
    downlink.finish()
  }

  /// The call is over: what was not heard never will be.
  mutating func ended(
    _ caller: inout CallerLeg, _ record: inout CallRecord, _ store: Store, _ turn: inout Turn
  ) {
    flushCallerWords(to: &caller, &record, store, &turn)
    let heard = downlink.playout.heard(at: turn.now)
    while downlink.utterances.count > 0 {
      forgetOldest(heard: downlink.utterances[0].heard(at: heard), &record, store, &turn)
    }
  }

  /// What callers hear at once, while the model is still being dialled: 16-bit samples at their
  /// rate.
  mutating func playGreeting(_ greeting: Bytes, as reply: Format, _ store: Store) {
    guard let index = downlink.utterances.begin(.empty, at: 0) else { return }
    let step = reply.rate / 100 * 2
    var at = 0
    while at < greeting.count {
      let samples = greeting[at..<min(at + step, greeting.count)]
      let count = Samples.encode(samples, as: reply, into: store.converted)
      guard downlink.keep(ready: store.converted.prefix(count), in: store.pool) else { break }
      at += samples.count
    }
    downlink.utterances.wasRecorded(index, length: at / 2)
    downlink.finish()
  }
}

// MARK: Words

extension Conversation {
  /// What a message of the model says beside its audio.
  mutating func heard(
    _ news: Upstream.Event, _ message: Bytes, to caller: inout CallerLeg,
    _ record: inout CallRecord, _ store: Store, _ turn: inout Turn
  ) {
    transcript.owe(news.transcriptsOwed)
    if let words = news.callerWords {
      if words.isWhole {
        transcript.forgetIncrements(in: store.pool)
        showCallerWords(message[words.text], to: &caller, &record, store, &turn)
      } else {
        transcript.gather(message[words.text], from: store.pool)
      }
    }
    if let words = news.agentWords {
      gather(words, message, of: message[news.item], to: &caller, &record, store, &turn)
    }
    if news.isSpoken || news.isTurnOver {
      ended(
        message[news.item], isTurnOver: news.isTurnOver, to: &caller, &record, store, &turn)
    }
  }

  /// Words of the agent, of an item that they may begin.
  private mutating func gather(
    _ words: Upstream.Words, _ message: Bytes, of item: Bytes, to caller: inout CallerLeg,
    _ record: inout CallRecord, _ store: Store, _ turn: inout Turn
  ) {
    guard !dialogue.isVoid, !downlink.utterances.isVoid(item),
      let index = downlink.utterances.index(of: item)
        ?? beginItem(item, to: &caller, &record, store, &turn)
    else { return }
    downlink.utterances.gather(
      message[words.text], of: index, isWhole: words.isWhole, in: store.pool)
    if words.isWhole { showWords(of: index, record, store, &turn) }
  }

  /// Shows what an item says, once.
  private mutating func showWords(
    of index: Int, _ record: CallRecord, _ store: Store, _ turn: inout Turn
  ) {
    let utterance = downlink.utterances[index]
    guard !utterance.areWordsShown, !utterance.words.isEmpty else { return }
    downlink.utterances.wordsWereShown(index)
    let words = Transcript.whole(utterance.words, scratch: store.source, in: store.pool)
    turn.note(.words(.said(words)), of: record.name)
  }

  /// Increments are complete once the agent answers; where a whole sentence is still to come, that
  /// one is shown instead.
  private mutating func flushCallerWords(
    to caller: inout CallerLeg, _ record: inout CallRecord, _ store: Store, _ turn: inout Turn
  ) {
    let words = transcript.increments(scratch: store.source, in: store.pool)
    guard !words.isEmpty else { return }
    showCallerWords(words, to: &caller, &record, store, &turn)
    transcript.forgetIncrements(in: store.pool)
  }

  private func showCallerWords(
    _ text: Bytes, to caller: inout CallerLeg, _ record: inout CallRecord, _ store: Store,
    _ turn: inout Turn
  ) {
    guard !text.isEmpty else { return }
    record.transcribed()
    turn.note(
      .words(.heard(text, isFinal: true, sentence: caller.carrier.phrases.heard)), of: record.name)
    caller.send(
      .transcript(text: text, isFinal: true, confidence: .empty, channel: 0, channels: 1),
      as: record.name, store, &turn)
  }
}
