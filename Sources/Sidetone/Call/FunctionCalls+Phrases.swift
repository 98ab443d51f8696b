// What the caller hears where a function takes long: a recording, once for each call of one, when
// nobody was heard for as long as its settings say.

extension FunctionCalls {
  /// When the caller is told of one; `never`.
  static func phraseTime(in call: Call, _ store: Store) -> Instant {
    guard call.functions.hasPhraseDue, call.state.isTalking, call.conversation.isQuiet,
      let due = call.functions.phraseDue
    else { return .never }
    let function = call.upstream.preparedFunctions(store)[call.functions.function(of: due.place)]
    return max(due.time, QuietWatch.quietTime(in: call, after: function.phraseAfter))
  }

  static func sayPhrase(in call: inout Call, _ store: Store, _ turn: inout Turn) {
    guard let due = call.functions.phraseDue else { return }
    let function = call.upstream.preparedFunctions(store)[call.functions.function(of: due.place)]
    call.functions.tellNoMore(of: due.place)
    guard Announcements.play(function.phrase, in: &call, store, &turn) else { return }
    turn.note(.call(.functionPhrase(function.told.name.bytes)), of: call.record.name)
  }
}
