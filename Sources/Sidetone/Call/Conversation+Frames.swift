// Every frame.
//
// The way of the agent's speech through a conversation: taken as it comes, played as it is time.

extension Conversation {
  /// What became of a piece of speech.
  enum Taken: BitwiseCopyable {
    case taken
    /// It was interrupted: it is dropped, and counted.
    case isVoid
    /// Nothing yet: it begins an item that is not known.
    case isNew
  }

  /// One piece of what the agent says is taken at once, or dropped where it is void.
  @_noAllocation mutating func take(
    _ payload: Bytes, of item: Bytes, to caller: SlotID, _ store: Store, _ turn: inout Turn
  ) -> Taken {
    if dialogue.isVoid || downlink.utterances.isVoid(item) {
      turn.note(.speechLate)
      return .isVoid
    }
    guard let index = downlink.utterances.index(of: item) else { return .isNew }
    take(payload, of: index, to: caller, store, &turn)
    return .taken
  }

  /// One piece of a known item goes on its way.
  @_noAllocation mutating func take(
    _ payload: Bytes, of index: Int, to caller: SlotID, _ store: Store, _ turn: inout Turn
  ) {
    downlink.take(payload, of: index, store, &turn)
    if store.links.holds(caller), store.links[caller.index].outbox.isEmpty {
      store.links[caller.index].outbox.stampAudio(turn.now)
    }
  }

  /// Says what has come as far as it is time for it. True: a mark has to be sent, and then this is
  /// to be called again; else `next` is when it is time for more.
  @_noAllocation mutating func play(
    into link: inout Link, next: inout Instant, _ store: Store, _ turn: inout Turn
  ) -> Bool {
    downlink.convert(store, &turn)
    while true {
      switch downlink.play(into: &link, store, &turn) {
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
