// What a message of the model says beside its audio: whose turn it is, and the words of both sides.

extension Conversation {
  /// What of a message goes before its audio: whose turn it is, and what the caller has said. True:
  /// the caller interrupts. `offset`: how many microseconds behind the first audio the session
  /// began.
  mutating func heardFirst(
    _ news: Upstream.Event, _ message: Bytes, behind offset: Int, from caller: inout CallerLeg,
    _ record: inout CallRecord, _ store: Store, _ turn: inout Turn
  ) -> Bool {
    if let speech = news.speech {
      let when = record.when(
        from: speech.startMicroseconds, to: speech.endMicroseconds, behind: offset)
      transcript.spoke(message[news.item], when)
      if when.end >= 0 {
        answers.callerEnded(at: min(record.startedAt + .milliseconds(when.end), turn.now))
      }
    }
    if let words = news.callerWords {
      dialogue.callerSaid(isMurmur: words.isMurmur)
      transcript.gather(
        message[words.text], isWhole: words.isWhole, isApart: words.isApart,
        of: message[news.item], by: .caller, in: LanguageTag(message[words.language]), at: turn.now,
        from: store.pool)
    }
    if news.isInterrupted { interrupt(&caller, &record, store, &turn) }
    if news.isTurnBegun { began(message[news.response], of: record.identity, &turn) }
    return news.isInterrupted
  }

  /// What a message of the model says beside its audio.
  mutating func heard(
    _ news: Upstream.Event, _ message: Bytes, to caller: inout CallerLeg,
    _ record: inout CallRecord, _ store: Store, _ turn: inout Turn
  ) {
    transcript.owe(news.transcriptsOwed)
    let item = message[news.item]
    if news.isCallerDone {
      dialogue.callerEnded(at: turn.now)
      transcript.callerSaid(item, at: turn.now)
    }
    if news.isFalseStart { dialogue.callerSaidNothing() }
    if news.isAskedTooEarly {
      dialogue.askedTooEarly(at: turn.now)
      answers.refused()
    }
    if news.transcriptsOwed < 0, news.callerWords == nil { transcript.end(item, by: .caller) }
    if let words = news.agentWords {
      gather(words, message, of: item, in: message[news.response], &caller, &record, store, &turn)
    }
    if news.isSpoken { dialogue.spoken() }
    let isTurnOver = news.isTurnOver && !dialogue.isOlder(message[news.response])
    if news.isSpoken || isTurnOver {
      ended(item, isTurnOver: isTurnOver, of: record.name, &turn)
    }
    if let ending = news.ending {
      transcript.turnEnded(at: turn.now)
      answerEnded(ending, message, message[news.response], of: record.name, &turn)
      settleAnswers(of: record.identity, &turn)
    }
    showLines(to: &caller, &record, store, &turn)
  }

  /// Words of the agent, of an item that they may begin.
  private mutating func gather(
    _ words: Upstream.Words, _ message: Bytes, of item: Bytes, in response: Bytes,
    _ caller: inout CallerLeg, _ record: inout CallRecord, _ store: Store, _ turn: inout Turn
  ) {
    guard case .heard = came(response, isSound: false, of: record.identity, &turn) else {
      return neverHeard(item, in: response, of: record.name, &turn)
    }
    if !item.isEmpty, downlink.utterances.latest(of: item) == nil,
      !downlink.utterances.isDone(item)
    {
      _ = beginItem(item, &caller, &record, store, &turn)
    }
    transcript.gather(
      message[words.text], isWhole: words.isWhole, isApart: words.isApart, of: item, by: .agent,
      in: LanguageTag(message[words.language]), isEarly: !dialogue.isAnswerOpen, at: turn.now,
      from: store.pool)
  }

  /// Shows the lines that can be shown, in their order.
  mutating func showLines(
    to caller: inout CallerLeg, _ record: inout CallRecord, _ store: Store, _ turn: inout Turn
  ) {
    while var line = transcript.next(at: turn.now) {
      let words = Transcript.whole(line.words, scratch: store.source, in: store.pool)
      let when = when(line, record, at: turn.now)
      let language = transcript.language(of: line)
      remember(line, words, when, record, store, &turn)
      switch (line.speaker, line.heard) {
      case (.caller, _) where !words.isEmpty:
        record.transcribed()
        let sentence = caller.carrier.phrases.heard
        turn.note(
          .words(
            .heard(
              words, isFinal: true, sentence: sentence, when: when, language: language)),
          of: record.identity)
        caller.send(
          .transcript(text: words, isFinal: true, confidence: .empty, channel: 0, channels: 1),
          as: record.name, store, &turn)
      case (.agent, .whole) where !words.isEmpty:
        turn.note(
          .words(.said(words, item: line.item, when: when, language: language)),
          of: record.identity)
      case (.agent, .part(let heard, let generated)):
        let cut = Transcript.cut(words, heard: heard, of: generated)
        turn.note(
          .words(
            .interrupted(
              heard: heard, generated: generated, words: words, cut: cut,
              wereSaid: line.wereSaid, item: line.item, when: when, language: language)),
          of: record.identity)
      case (.caller, _), (.agent, .whole): break
      }
      if line.isCut { turn.note(.agent(.wordsCut), of: record.name) }
      line.words.clear(in: store.pool)
    }
  }

  /// Keeps a line for sessions that are to go on with the conversation: of the agent's what was
  /// heard.
  private mutating func remember(
    _ line: Transcript.Line, _ words: Bytes, _ when: Event.When, _ record: CallRecord,
    _ store: Store, _ turn: inout Turn
  ) {
    var text = words
    let item = line.item.isEmpty ? 0 : line.item.hash
    if case .part(let heard, let generated) = line.heard, line.speaker == .agent {
      if words.isEmpty {
        // Without a name the words of an answer before it would be taken for its own.
        guard line.wereSaid || item != 0 else { return }
        return history.cut(
          item, heard: heard, of: generated, scratch: store.source, in: store.pool)
      }
      text = words.prefix(Transcript.cut(words, heard: heard, of: generated))
    }
    remember(
      line.speaker == .agent ? .agent : .caller, text, of: item, since: when.start, record, store,
      &turn)
  }

  /// Keeps one thing that was said: the inside of a JSON string.
  mutating func remember(
    _ speaker: Upstream.History.Speaker, _ text: Bytes, of item: UInt64 = 0, since: Int,
    _ record: CallRecord, _ store: Store, _ turn: inout Turn
  ) {
    guard transcript.isThere else { return }
    let isFirst = history.leftOut == 0
    let count = history.add(speaker, text, of: item, since: since, in: store.pool)
    if count > 0 {
      turn.note(.agent(.historyCut(turns: count, isSaid: isFirst)), of: record.name)
    }
  }

  /// When what a line says was said. Of the caller's as the model says; where it does not, from
  /// when its first words came to when its last did.
  private mutating func when(
    _ line: Transcript.Line, _ record: CallRecord, at now: Instant
  ) -> Event.When {
    switch line.speaker {
    case .agent:
      return Event.When(
        start: record.milliseconds(at: line.since),
        end: record.milliseconds(at: endTime(of: line, at: now)))
    case .caller:
      var when = transcript.spoken(line.item)
      if when.start < 0 { when.start = record.milliseconds(at: line.since) }
      if when.end < 0 { when.end = record.milliseconds(at: line.wordsAt) }
      when.end = max(when.start, when.end)
      return when
    }
  }

  /// When what a line says is over: what still plays, when it will have been heard.
  private mutating func endTime(of line: Transcript.Line, at now: Instant) -> Instant {
    guard case .whole = line.heard, downlink.utterances.count > 0 else {
      return now
    }
    for index in 0..<downlink.utterances.count {
      let utterance = downlink.utterances[index]
      guard utterance.item == line.item, utterance.isComplete else { continue }
      let time = downlink.playout.heardTime(of: utterance.start + utterance.length, after: now)
      return time == .never ? now : time
    }
    return now
  }
}
