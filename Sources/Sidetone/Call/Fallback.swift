// A route's second upstream: it takes over from the one that a call has, once, by the way on which
// every session comes (`Call.handle`). What the caller has said and nobody has answered, and what
// else is owed, goes to it, and it is told what was said before (HistoryRing); what it cannot know,
// such as a handle of the other one's, does not.
//
//     refused, silent, broken while it was dialled ─┐
//     lost, and another attempt is of no use ───────┼──▶ dialling the fallback: at once, or where
//                                                   │    many calls do so, one behind the other
//     no place for a new caller (Callers+Choosing) ─┘
//     lost, having done its work ──▶ one attempt more ──▶ as above; or no attempt is left

enum Fallback {
  /// The upstream that takes over; nil: none does, and the call goes on as without it.
  static func takesOver(
    from call: Call, after loss: UpstreamLeg.Loss, _ store: Store, _ turn: Turn
  ) -> Int? {
    guard let other = call.upstream.preparedRoute(store).fallback?.upstream,
      !call.upstream.isFallback, call.state.state == .dialling || call.state.state == .talking,
      !loss.isHandleDropped,
      loss.life == .none || !loss.verdict.retry || call.state.isOutOfAttempts(after: loss)
    else { return nil }
    let held = call.hasPlace ? call.upstream.index : nil
    let refusal = turn.availability.refusal(of: other, holding: held, at: turn.now)
    return refusal == nil ? other : nil
  }

  /// The call has this upstream from now on.
  static func begin(
    on other: Int, in call: inout Call, after loss: UpstreamLeg.Loss, _ store: Store,
    _ turn: inout Turn
  ) -> CallState.Action {
    let names = store.prepared.upstreams
    turn.note(.fallback)
    turn.note(
      .upstream(
        .fellBack(
          names[call.upstream.index].name.bytes, to: names[other].name.bytes,
          loss.verdict.sentence)), of: call.record.identity)
    call.caller.sendLoss(
      loss.verdict, isFinal: false, call.upstream.reason, as: call.record.name, store, &turn)
    if call.hasPlace {
      turn.availability.move(call.upstream.index, other, isAnnounced: call.isAnnounced)
    }
    call.upstream.cascade.end(store, &turn)
    call.upstream.fallBack(to: other, store)
    guard isFit(&call, store) else {
      let sentence: StaticString = "the upstream that takes over cannot take this audio"
      turn.note(.call(.refused(sentence)), of: call.record.name)
      call.caller.send(
        .error(code: "unsupported", message: sentence), as: call.record.name, store, &turn)
      return call.state.givenUp(.unsupported, at: turn.now)
    }
    if call.caller.isStarted {
      call.uplink.become(call.upstream.kind, sending: call.upstream.input, store)
      call.upstream.beginSpeech()
      if let voice = call.upstream.kind.voice { call.conversation.become(voice) }
    }
    return call.state.fellBack()
  }

  /// Whether the audio of both sides can be had from the other, as it is settled here.
  private static func isFit(_ call: inout Call, _ store: Store) -> Bool {
    let (input, output) = (call.caller.input, call.caller.output)
    guard call.upstream.settleFormats(from: input, to: output, store),
      Conversion.exists(from: input, to: call.upstream.input)
    else { return false }
    return call.upstream.kind.voice == nil
      || Conversion.exists(from: call.upstream.output, to: output)
  }
}

extension Writer {
  /// Of choices for one voice model those that any of them understands.
  mutating func write(commonChoices query: Bytes) {
    var pairs = Query(query)
    while let pair = pairs.next() {
      guard pair.name.equals("language") || pair.name.equals("system_instruction") else { continue }
      if count > 0 { write("&") }
      write(pair.name)
      write("=")
      write(pair.value)
    }
  }
}
