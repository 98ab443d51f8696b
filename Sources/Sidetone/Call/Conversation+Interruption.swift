// The caller speaks over the agent: what it had still to say is taken back from everybody who holds
// some of it, and the model and the words of it are told how much was heard.

extension Conversation {
  /// The caller has begun to speak over the agent: nothing of what waits is said any more, the
  /// carrier forgets what it has not played, and the model learns what was heard. All of it in this
  /// turn. Only a recording that is to be heard whole goes on.
  mutating func interrupt(
    _ caller: inout CallerLeg, _ record: inout CallRecord, _ store: Store, _ turn: inout Turn
  ) {
    let heard = downlink.playout.heard(at: turn.now)
    let isPlaying = downlink.playout.isPlaying(at: turn.now)
    answers.interrupted(downlink.playout, of: record.identity, &turn)
    retire(&record, at: turn.now)
    dialogue.interrupted(at: turn.now)
    transcript.endAgents()
    let going = downlink.takeUninterrupted(at: turn.now)
    defer { if let going { downlink.utterances.putBack(going) } }
    if let going {
      downlink.clear(behind: going.start + going.length, in: store.pool, store.resamplers)
    } else {
      downlink.clear(in: store.pool, store.resamplers)
    }
    // Otherwise the latest that waits may be what told the carrier to clear.
    if going == nil, downlink.playout.hasSent {
      let waited = caller.takeBackAudio(store)
      downlink.playout.clear(at: turn.now)
      if isPlaying || waited { caller.send(.clear, as: record.name, store, &turn) }
    }
    guard downlink.utterances.count > 0 else { return }
    record.wasInterrupted()
    turn.note(.interruption)
    // Words without a name are those of the latest: these go first.
    for index in (0..<downlink.utterances.count).reversed()
    where downlink.utterances[index].item.isEmpty && !downlink.utterances[index].isRecorded {
      cutOffWords(of: downlink.utterances[index], at: heard, turn.now)
      showLines(to: &caller, &record, store, &turn)
    }
    while downlink.utterances.count > 0 {
      cutOffOldest(at: heard, &record, &turn)
      showLines(to: &caller, &record, store, &turn)
    }
  }

  /// Lets go of the oldest item, of which the model and the terminal are told how much was heard.
  private mutating func cutOffOldest(
    at position: Int, _ record: inout CallRecord, _ turn: inout Turn
  ) {
    let utterance = downlink.utterances[0]
    let heard = utterance.heard(at: position)
    // It is nobody's line.
    if utterance.isRecorded { return forgetOldest(heard: heard, &record) }
    let isHandedOn = downlink.utterances.handOn(heard: utterance.lengthBefore &+ heard)
    forgetOldest(heard: heard, &record)
    if isHandedOn || utterance.item.isEmpty { return }
    let milliseconds = cutOffWords(of: utterance, at: position, turn.now)
    tell(utterance.item, heardMilliseconds: milliseconds, of: record.name, &turn)
  }

  /// Of an item's words no more was said than was heard of it by then: how many milliseconds.
  @discardableResult private mutating func cutOffWords(
    of utterance: Utterance, at position: Int, _ now: Instant
  ) -> Int {
    let heard = utterance.lengthBefore &+ utterance.heard(at: position)
    let bytes = utterance.receivedBefore &+ utterance.received
    let milliseconds = min(heard &* 1000 / rate, downlink.says.milliseconds(forBytes: bytes))
    let generated =
      bytes == 0
      ? utterance.length &* 1000 / rate
      : downlink.says.milliseconds(forBytes: bytes &+ utterance.dropped)
    transcript.cutOff(utterance.item, heard: milliseconds, generated: generated, at: now)
    return milliseconds
  }
}
