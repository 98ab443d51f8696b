// Every frame.
//
// The way of the agent's speech through a conversation: taken as it comes, played as it is time.

extension Conversation {
  /// What became of a piece of speech.
  enum Taken: BitwiseCopyable {
    case taken
    /// Nothing yet: it is not simply more of what is being heard.
    case isNew
  }

  /// One piece of what the agent says is taken at once where it goes on with what is being heard.
  @_noAllocation mutating func take(
    _ payload: Bytes, of item: Bytes, in response: Bytes, to caller: SlotID, _ store: Store,
    _ turn: inout Turn
  ) -> Taken {
    guard dialogue.isBeingHeard(response), let index = downlink.utterances.index(of: item),
      downlink.utterances.hasSound(index)
    else { return .isNew }
    // What cannot be read is looked at once more, by the one who says so.
    if case .bytes = take(payload, of: index, to: caller, store, &turn) { return .taken }
    return .isNew
  }

  /// One piece of a known item goes on its way, where there is room for it.
  @_noAllocation mutating func take(
    _ payload: Bytes, of index: Int, to caller: SlotID, _ store: Store, _ turn: inout Turn
  ) -> Downlink.Kept {
    let kept = downlink.take(payload, of: index, store, &turn)
    if case .bytes = kept, store.links.holds(caller), store.links[caller.index].outbox.isEmpty {
      store.links[caller.index].outbox.stampAudio(turn.now)
    }
    return kept
  }

  /// Says what has come as far as it is time for it. True: a mark has to be sent, and then this is
  /// to be called again; else `next` is when it is time for more.
  @_noAllocation mutating func play(
    into link: inout Link, next: inout Instant, _ store: Store, _ turn: inout Turn
  ) -> Bool {
    downlink.convert(store, &turn)
    while true {
      let played = downlink.play(into: &link, store, &turn)
      if downlink.playout.sent > answers.nextPlace {
        answers.sent(by: downlink.playout, at: turn.now)
      }
      switch played {
      case .piece: continue
      case .piecedMark: return true
      case .nothing:
        next = downlink.nextTime(
          outboxBytes: link.outbox.count, conversionsLeft: turn.conversionsLeft, store,
          at: turn.now)
        return false
      }
    }
  }

  /// Callers hear themselves.
  @_noAllocation mutating func echo(
    _ payload: Bytes, into link: inout Link, _ store: Store, _ turn: inout Turn
  ) -> Downlink.Echoed {
    downlink.echo(payload, into: &link, store, &turn)
  }
}
