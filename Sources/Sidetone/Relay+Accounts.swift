// Peers that cost more than a call needs (see Account): they wait, and where that does not help
// they are let go. Both is counted, and said.

extension Relay {
  /// The link pays for its frames and for so many bytes beside audio.
  @inline(__always) func pay(_ link: SlotID, besideAudio bytes: Int) {
    guard store.links.holds(link),
      store.links[link.index].pay(besideAudio: bytes, at: turn.now)
    else { return }
    turn.noteSlowed(store.links[link.index].phase == .caller, of: name(of: link.index))
  }

  /// The timer of a leg of a call: one that waited goes on. False: it floods, and is let go of.
  func endsWait(_ link: Int) -> Bool {
    guard store.links[link].endWait(&turn) == .isFlood else { return true }
    turn.noteFlood(store.links[link].phase == .caller, of: name(of: link))
    return false
  }

  private func name(of link: Int) -> Name? {
    let call = store.links[link].call
    return calls.holds(call) ? calls[call.index].record.name : nil
  }
}

extension Turn {
  fileprivate mutating func noteSlowed(_ isCaller: Bool, of call: Name?) {
    counters.peersSlowed &+= 1
    write(.warning, "peer_slowed", call) {
      $0.write(isCaller ? "the caller" : "the upstream")
      $0.write(" sends far more frames, or more that is no audio, than a call needs: ")
      $0.write("it is read more slowly")
    }
  }

  fileprivate mutating func noteFlood(_ isCaller: Bool, of call: Name?) {
    counters.peersFlooding &+= 1
    write(.warning, "peer_flooding", call) {
      $0.write(isCaller ? "the caller" : "the upstream")
      $0.write(" went on for ")
      $0.write(decimal: Account.floodSpan.milliseconds / 1000)
      $0.write(" s to send far more frames, or more that is no audio, than a call needs: ")
      $0.write("its socket is closed")
    }
  }
}
