// What others may ask about who speaks in a call, and who owes whom an answer.

extension Dialogue {
  /// What the model has to be told next.
  package enum Wish: Equatable, Sendable {
    case greet
    /// The caller pressed these; `keys` until the next is asked for.
    case tellKeys
    /// The caller says nothing.
    case reprompt
    case respond
  }

  /// Nobody speaks, and neither side owes the other anything.
  package var isIdle: Bool { state == .quiet && request == .none && keys.count == 0 }

  /// Whether it says when the caller begins and ends to speak.
  var tellsOfSpeech: Bool { names == .responses }

  /// The caller has begun to speak, and what it says is not whole yet.
  var isCallerSpeaking: Bool {
    switch state {
    case .callerSpeaking, .agentCutOff: true
    case .quiet, .answerAwaited, .agentSpeaking, .over: false
    }
  }

  /// The model has to say something to the caller, and nothing is heard of it yet.
  var owesSound: Bool {
    switch state {
    case .answerAwaited(let prompt, _): prompt != .silence && prompt != .silenceTold
    case .agentSpeaking(_, .none): true
    case .callerSpeaking, .agentCutOff: !tellsOfSpeech && isAnswerOwed
    case .quiet: isWaiting || isAnswerOwed
    case .agentSpeaking, .over: false
    }
  }

  /// It is the caller's turn, and nothing else is asked for. Of a model that does not say when the
  /// caller speaks, a beginning or a murmur changes nothing about that.
  var awaitsCaller: Bool {
    guard request == .none, keys.count == 0 else { return false }
    switch state {
    case .quiet: return !isWaiting && !isAnswerOwed
    case .callerSpeaking, .agentCutOff: return !tellsOfSpeech && !isAnswerOwed
    case .answerAwaited, .agentSpeaking, .over: return false
    }
  }

  /// Somebody could say something, and nobody is heard to.
  var isWatched: Bool {
    awaitsCaller || owesSound || tellsOfSpeech && isCallerSpeaking
  }

  /// An answer has begun, and its turn is not over.
  var isAnswerOpen: Bool { if case .agentSpeaking = state { true } else { false } }

  /// What a session that begins now would be asked for; nil: nothing.
  package var owed: Prompt? {
    if case .due(let prompt, _) = request { return prompt }
    return keys.count > 0 ? .keys : nil
  }

  /// When the next of `nextWish` or `expired` is due; `never` where only an event changes anything.
  package var wakeTime: Instant {
    switch state {
    case .quiet:
      if isWaiting { return .never }
      guard case .due(_, let time) = request else { return keys.dueTime }
      return min(time, keys.dueTime)
    case .callerSpeaking, .agentCutOff: return keys.dueTime
    case .answerAwaited(_, let until): return until
    case .agentSpeaking, .over: return .never
    }
  }
}
