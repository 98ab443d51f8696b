// What the caller hears where functions take long: a recording, once for all calls of one that run
// at the same time, when nobody was heard for as long as its settings say.

extension FunctionCalls {
  /// When the caller is told of one; `never`.
  @inline(__always) static func phraseTime(in call: inout Call, _ store: Store) -> Instant {
    call.functions.hasPhraseDue ? next(in: &call, store).time : .never
  }

  /// Which is the next one of which the caller is told.
  private static func next(
    in call: inout Call, _ store: Store
  ) -> (place: Int, time: Instant) {
    var next = (place: 0, time: Instant.never)
    guard call.state.isTalking, call.conversation.isQuiet, call.functions.hangUpPlace == nil else {
      return next
    }
    let functions = call.upstream.preparedFunctions(store)
    for place in call.functions.places where call.functions.phraseTime(of: place) != .never {
      let span = functions[call.functions.function(of: place)].phraseAfter
      let time = max(
        call.functions.phraseTime(of: place), QuietWatch.quietTime(in: &call, after: span))
      if time < next.time { next = (place, time) }
    }
    return next
  }

  static func sayPhrase(in call: inout Call, _ store: Store, _ turn: inout Turn) {
    let due = next(in: &call, store)
    guard due.time <= turn.now else { return }
    let index = call.functions.function(of: due.place)
    for place in call.functions.places where call.functions.function(of: place) == index {
      call.functions.tellNoMore(of: place)
    }
    let function = call.upstream.preparedFunctions(store)[index]
    guard Announcements.play(function.phrase, in: &call, store, &turn) else { return }
    turn.note(.call(.functionPhrase(function.told.name.bytes)), of: call.record.name)
  }
}
