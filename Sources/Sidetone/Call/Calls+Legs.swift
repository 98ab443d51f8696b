// What happens to the connection that is a leg of a call, happens to its call: it stands, it is
// lost, its deadline has come, it costs more than a call needs (Account). What
// changes the call ends with `settle`.

extension Calls {
  /// A connection that was asked for stands.
  func upstreamConnected(_ link: Int, _ store: Store, _ turn: inout Turn) {
    let call = store.links[link].call.index
    if self[call].upstream.cascade.speaks(on: store.links[link].id) {
      CascadeVoice.connected(in: &self[call], store, &turn)
    } else {
      self[call].upstreamConnected(store, &turn)
    }
    settle(call, store, &turn)
  }

  /// The answer to our request for a socket; what came behind it.
  func receivedAnswer(
    _ window: Bytes, on link: Int, _ store: Store, _ turn: inout Turn
  ) -> Bytes {
    let call = store.links[link].call.index
    return self[call].upstream.cascade.speaks(on: store.links[link].id)
      ? CascadeVoice.receivedAnswer(window, in: &self[call], store, &turn)
      : self[call].receivedAnswer(window, on: link, store, &turn)
  }

  /// One thing that came from the upstream and is not simply speech. False: nothing follows from it
  /// for the call.
  func handle(
    _ event: UpstreamLeg.Input, on link: Int, of call: Int, _ store: Store, _ turn: inout Turn
  ) -> Bool {
    guard self[call].upstream.cascade.speaks(on: store.links[link].id) else {
      return self[call].handle(event, on: link, store, &turn)
    }
    CascadeVoice.handle(event, in: &self[call], store, &turn)
    return true
  }

  /// A leg is gone, whichever way; `phase` and `call` are what its link was.
  func lost(
    _ link: SlotID, _ phase: Link.Phase, of call: SlotID, _ failure: LinkFailure, _ store: Store,
    _ turn: inout Turn
  ) {
    guard holds(call) else { return }
    switch phase {
    case .caller: self[call.index].callerGone(.left, store, &turn)
    case .waiting, .dialling, .upgrade, .setup, .ready, .upstream:
      if self[call.index].upstream.cascade.speaks(on: link) {
        CascadeVoice.broke(failure, in: &self[call.index], store, &turn)
      } else {
        self[call.index].upstreamBroke(failure, on: link, store, &turn)
      }
    case .handshake, .request, .subscriber, .leaving, .gone: return
    }
    settle(call.index, store, &turn)
  }

  /// What came of a function that its model has called. A call that is over has cancelled it.
  func functionAnswered(
    _ call: SlotID, _ place: Int, _ result: FetchResult, _ store: Store, _ turn: inout Turn
  ) {
    guard holds(call), !self[call.index].isOver else { return turn.note(.messageIgnored) }
    FunctionCalls.answered(place, result, in: &self[call.index], store, &turn)
    settle(call.index, store, &turn)
  }

  /// More of what a call's chat endpoint says, or (`result`) all of it.
  func chatSaid(_ call: SlotID, _ piece: Bytes, _ store: Store, _ turn: inout Turn) {
    guard holds(call), !self[call.index].isOver else { return turn.note(.messageIgnored) }
    Cascade.chatSaid(piece, in: &self[call.index], store, &turn)
    settle(call.index, store, &turn)
  }

  func chatAnswered(
    _ call: SlotID, _ result: FetchResult, _ store: Store, _ turn: inout Turn
  ) {
    guard holds(call), !self[call.index].isOver else { return turn.note(.messageIgnored) }
    Cascade.chatAnswered(result, in: &self[call.index], store, &turn)
    settle(call.index, store, &turn)
  }

  /// A guest with a socket loses it, and with it its call.
  func endGuest(_ guest: Int, _ cause: Cause, _ store: Store, _ turn: inout Turn) {
    turn.guests.left(guest)
    end(store.links[guest].call.index, cause, store, &turn)
  }

  /// The deadline of a leg has come.
  func legExpired(_ link: Int, _ store: Store, _ turn: inout Turn) {
    let (id, phase, call) = (store.links[link].id, store.links[link].phase, store.links[link].call)
    switch phase {
    case .waiting:
      DialLine.turnCame(for: link, of: self[call.index].upstream.index, store, &turn)
      self[call.index].upstream.askForConnection(store, &turn)
    case .dialling, .upgrade, .setup:
      store.links[link].reset(&turn)
      lost(id, phase, of: call, .timedOut, store, &turn)
    case .caller:
      guard let cause = watch(link, store, &turn) else { return }
      self[call.index].callerCut(cause, store, &turn)
      settle(call.index, store, &turn)
    case .ready, .upstream:
      guard let cause = watch(link, store, &turn) else { return }
      store.links[link].reset(&turn)
      lost(id, phase, of: call, cause == .flooding ? .flooding : .timedOut, store, &turn)
    case .handshake, .request, .subscriber, .leaving, .gone: return
    }
  }

  /// Why a peer is to be let go of; nil: it goes on.
  private func watch(_ link: Int, _ store: Store, _ turn: inout Turn) -> Cause? {
    switch store.links[link].watch(store, &turn) {
    case .goOn: return nil
    case .isGone: return .silent
    case .isFlood:
      note(.flooding(store.links[link].leg), link, store, &turn)
      return .flooding
    }
  }

  /// The link pays for its frames, its bytes, and those that were no audio.
  @inline(__always) func pay(
    _ link: SlotID, bytes: Int = 0, besideAudio: Int = 0, _ store: Store, _ turn: inout Turn
  ) {
    guard store.links.holds(link),
      store.links[link.index].pay(bytes: bytes, besideAudio: besideAudio, at: turn.now)
    else { return }
    note(.slowed(store.links[link.index].leg), link.index, store, &turn)
  }

  /// Kept out of what every frame runs.
  @inline(never) private func note(
    _ event: Event.OfPeer, _ link: Int, _ store: Store, _ turn: inout Turn
  ) {
    let call = store.links[link].call
    turn.note(.peer(event), of: holds(call) ? self[call.index].record.name : nil)
  }
}
