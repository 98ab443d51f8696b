// Peers that cost more than a call needs (see Account): they wait, and where that does not help
// they are let go. Both is counted, and said.

extension Relay {
  /// The link pays for its frames, its bytes, and those that were no audio.
  @inline(__always) func pay(_ link: SlotID, bytes: Int = 0, besideAudio: Int = 0) {
    guard store.links.holds(link),
      store.links[link.index].pay(bytes: bytes, besideAudio: besideAudio, at: turn.now)
    else { return }
    note(.slowed(store.links[link.index].leg), link.index)
  }

  /// The timer of a leg of a call: why its peer is to be let go of; nil: it goes on.
  func watch(_ link: Int) -> Cause? {
    switch store.links[link].watch(store, &turn) {
    case .goOn: return nil
    case .isGone: return .silent
    case .isFlood:
      note(.flooding(store.links[link].leg), link)
      return .flooding
    }
  }

  private func note(_ event: Event.OfPeer, _ link: Int) {
    let call = store.links[link].call
    turn.note(.peer(event), of: calls.holds(call) ? calls[call.index].record.name : nil)
  }
}
