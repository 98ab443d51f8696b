// When a model's answers came and were heard, as a conversation sees it (AnswerWatch): what the
// dialogue makes of each message says when an answer begins, sounds, and is over.

extension Conversation {
  /// A piece of an answer came, which may begin it, or its sound.
  mutating func came(
    _ response: Bytes, isSound: Bool, of call: CallIdentity, _ turn: inout Turn
  ) -> Dialogue.Piece {
    let (begun, sounding) = (dialogue.answersBegun, dialogue.soundsBegun)
    let piece = dialogue.came(response, isSound: isSound, at: turn.now)
    let isToWords = dialogue.isAnswerToWords
    if dialogue.answersBegun != begun {
      answers.began(isSaid: false, isToWords: isToWords, of: call, &turn)
    }
    if dialogue.soundsBegun != sounding {
      answers.sounded(at: downlink.end, isToWords: isToWords, of: call, &turn)
    }
    return piece
  }

  /// An answer says that it begins.
  mutating func began(_ response: Bytes, of call: CallIdentity, _ turn: inout Turn) {
    let begun = dialogue.answersBegun
    dialogue.answerBegan(response)
    guard dialogue.answersBegun != begun else { return }
    answers.began(isSaid: true, isToWords: dialogue.isAnswerToWords, of: call, &turn)
  }

  /// The model was told this, which may be a request for an answer.
  mutating func asked(
    by command: Upstream.Command, of call: CallIdentity, _ turn: inout Turn
  ) {
    switch command {
    case .greet, .keys, .respond, .reprompt: break
    case .keepAlive, .finalize, .finish, .truncate, .forget, .answer, .lateAnswer: return
    }
    guard case .answerAwaited = dialogue.state else { return }
    answers.asked(isToWords: dialogue.isAnswerToWords, of: call, &turn)
  }

  /// What the caller said is being answered: by a model whom we ask for that, as for all else.
  mutating func askedByWords(of call: CallIdentity, _ turn: inout Turn) {
    if answers.isAsked { return }
    answers.asked(isToWords: dialogue.isAnswerToWords, of: call, &turn)
  }

  /// Whatever was said is whole by now.
  mutating func endLines(
    to caller: inout CallerLeg, _ record: inout CallRecord, _ store: Store, _ turn: inout Turn
  ) {
    transcript.callerAnswered()
    transcript.endAgents()
    showLines(to: &caller, &record, store, &turn)
  }

  /// Words of an answer are there before its sound: until that comes nobody has heard them.
  mutating func expectSound(
    of item: Bytes, to caller: inout CallerLeg, _ record: inout CallRecord, _ store: Store,
    _ turn: inout Turn
  ) {
    if downlink.utterances.index(of: item) == nil {
      _ = beginItem(item, &caller, &record, store, &turn)
    }
  }

  /// Of the latest answer nothing was heard, and nothing will be.
  mutating func forgetUnheard(at now: Instant) {
    let count = downlink.utterances.count
    guard count > 0, !downlink.utterances.hasSound(count - 1) else { return }
    transcript.cutOff(downlink.utterances[count - 1].item, heard: 0, generated: 1, at: now)
  }

  /// The first sentence of an answer is there, which somebody else speaks.
  mutating func answerThought(at time: Instant) { answers.thought(at: time) }

  /// An answer without sound may be over.
  mutating func settleAnswers(of call: CallIdentity, _ turn: inout Turn) {
    answers.settle(
      isSoundAwaited: dialogue.awaitsSound, isOwed: dialogue.owed != nil, of: call, &turn)
  }

  /// Answers may be heard by now, and items to their end.
  mutating func noticeHeard(_ record: inout CallRecord, _ turn: inout Turn) {
    if !answers.isEmpty {
      answers.tellHeard(downlink.playout, isLast: false, of: record.identity, &turn)
    }
    retire(&record, at: turn.now)
  }
}

extension Dialogue {
  /// An answer was asked for or has begun, and nothing is heard of it yet.
  var awaitsSound: Bool {
    switch state {
    case .answerAwaited, .agentSpeaking(_, .none): true
    case .quiet, .callerSpeaking, .agentSpeaking, .agentCutOff, .over: false
    }
  }

  /// What is awaited or being said answers what the caller said.
  var isAnswerToWords: Bool {
    switch state {
    case .answerAwaited(let prompt, _), .agentSpeaking(let prompt, _): prompt == .words
    case .quiet, .callerSpeaking, .agentCutOff, .over: false
    }
  }
}
