// How the sessions of a call come and go. There is one way for the next one to become the session
// (`takeOver`), and one for a loss to be dealt with (`lost`); what is owed waits in between.
//
// Owed to a session, and asked for once it stands, by whichever stands then:
// - what the caller said and nobody has answered: the audio, said again (Unanswered);
// - the greeting, an answer to keys: until something was said (Dialogue).
// One that is not resumed is told first what was said so far (HistoryRing).
//
// A caller who talks with somebody hears nothing while no session stands. There is one bound on
// that, over all attempts and pauses: it is counted from the last thing that could be heard, or
// from the end of a session that had done its work.

extension Call {
  // MARK: In

  /// What became of a session.
  mutating func handle(_ outcome: UpstreamLeg.Outcome, _ store: Store, _ turn: inout Turn) {
    switch outcome {
    case .nothing: break
    case .ready: if state.state != .changing { takeOver(store, &turn) }
    case .finished: perform(state.upstreamFinished(), store, &turn)
    case .lost(let loss):
      perform(lost(loss, store, &turn), store, &turn)
      // The session went before the next one was wanted: it is needed now.
      if upstream.next.isReady, !state.isClosing { takeOver(store, &turn) }
    }
  }

  /// The next session becomes the session: it is told what is owed.
  mutating func takeOver(_ store: Store, _ turn: inout Turn) {
    let transcribes = upstream.next.transcribes
    if upstream.isOpen(store) {
      upstream.leave(store, &turn)
      sessionEnded(store, &turn)
      // It could have spoken until now.
      silence.restart(at: turn.now)
    }
    record.sessionBegan(afterMilliseconds: upstream.next.readyMilliseconds)
    upstream.takeOver(of: record.identity, store, &turn)
    caller.forgetLoss()
    Announcements.sessionBegan(in: &self, at: turn.now)
    guard AudioFinding.followsFormats(in: &self, store, &turn) else { return }
    conversation.sessionReady(transcribes: transcribes)
    if uplink.unanswered.isThere { conversation.forgetCallerWords(in: store.pool) }
    HistoryRing.tell(in: &self, store, &turn)
    uplink.beginSession(at: turn.now, in: store.pool)
    perform(state.opened(), store, &turn)
    if !isOver, isTwoWay { beginConversation(store, &turn) }
  }

  // MARK: Out

  /// A session is gone, or did not come to be: what that means for the call.
  mutating func lost(
    _ loss: UpstreamLeg.Loss, _ store: Store, _ turn: inout Turn
  ) -> CallState.Action {
    var loss = loss
    loss.chance = UInt8(truncatingIfNeeded: turn.random.next())
    turn.availability.failed(upstream.index, loss.verdict, at: turn.now)
    if state.state == .changing, loss.which == .next {
      // Without what should have resumed it, it can be had at once.
      if !loss.isHandleDropped { upstream.postponeLeaving(at: turn.now) }
      return state.upstreamLost(loss, at: turn.now)
    }
    UpstreamLeg.Leaving.sessionLost(loss, in: &self, store, &turn)
    turn.note(.upstream(.sessionLost(loss.verdict.sentence)), of: record.identity)
    sessionEnded(store, &turn)
    listen(store, &turn)
    if loss.life >= .worked { silence.restart(at: turn.now) }
    if functions.hangUpPlace != nil { return FunctionCalls.hungUp(in: &self, store, &turn) }
    if let other = Fallback.takesOver(from: self, after: loss, store, turn) {
      return Fallback.begin(on: other, in: &self, after: loss, store, &turn)
    }
    let action = state.upstreamLost(loss, latest: silenceEnd, at: turn.now)
    caller.sendLoss(
      loss.verdict, isFinal: action == .end || action == .play, upstream.reason, as: record.name,
      store, &turn)
    loss.noteWhatFollows(
      action, state, from: upstream.prepared(store).name.bytes, of: record.identity, &turn)
    return action
  }

  /// The session is gone: what it has said is played to its end, what it was asked for is owed.
  mutating func sessionEnded(_ store: Store, _ turn: inout Turn) {
    guard isTwoWay else { return }
    FunctionCalls.sessionEnded(in: &self, store, &turn)
    conversation.sessionEnded(isSaidAgain: uplink.unanswered.isThere, of: record, &turn)
    converse(store, &turn)
  }

  // MARK: Change

  /// Nobody speaks, and nothing is owed.
  var isIdle: Bool { conversation.isIdle && functions.isIdle && !uplink.unanswered.isThere }

  /// What would resume the session has changed: a next one that is there lacks what was said since
  /// it was described.
  mutating func keepHandle(_ text: Bytes, _ store: Store, _ turn: inout Turn) {
    guard upstream.keepHandle(text, store, &turn), state.state == .changing else { return }
    upstream.leaveNext(store, &turn)
    state.changeGivenUp()
  }

  // MARK: Silence

  /// Notices whether something is still to be heard of what was said; what is played to its end
  /// before the call ends is over when it is not.
  mutating func listen(_ store: Store, _ turn: inout Turn) {
    guard isTwoWay, !isOver else { return }
    conversation.noticeHeard(&record, &turn)
    if !Announcements.isHeard(in: &self, store, &turn) { perform(state.played(), store, &turn) }
  }

  /// When a caller who hears nothing has done so for too long, if no session stands until then.
  var silenceEnd: Instant { isTwoWay ? silence.end(after: state.deadAir) : .never }
}
