// A subscriber's link, from the answer that lets it in to its end. It has nothing to say: a stream
// that sends anything, and a socket that sends more than signs of life in bulk, are let go.

extension Subscribers {
  /// The longest message of a socket; nothing is made of it.
  static let messageBytesMax = 1024

  /// The answer that lets it in lies in its outbox: from now on it hears of calls.
  static func begin(
    _ link: Int, _ manner: Subscriber.Manner, to call: Name, _ turn: inout Turn
  ) {
    let store = turn.subscribers.store
    turn.guests.left(link)
    store.links[link].becomeSocket(.subscriber, .server, messageBytesMax: messageBytesMax)
    let first = manner == .stream ? beatSpan : .seconds(store.limits.pingSeconds)
    store.links[link].setDeadline(turn.now + first, &turn)
    store.links[link].ask(.write, &turn)
    turn.subscribers.came(
      Subscriber(
        store.links[link].id, manner, to: call, from: turn.subscribers.recent.last &+ 1,
        at: turn.now))
    guard let withheld = turn.subscribers.lineMayBeWritten(at: turn.now) else { return }
    turn.write(.info, "subscribed", nil) {
      $0.write(store.links[link].peer)
      $0.write(manner == .stream ? " by a stream to " : " by a WebSocket to ")
      if call.isEmpty {
        $0.write("all calls")
      } else {
        $0.write("the call ")
        $0.write(call)
      }
      $0.write(withheld: withheld)
    }
  }

  /// What it sends is looked at only as far as the rules of its socket go.
  static func received(_ window: Bytes, on link: Int, _ turn: inout Turn) {
    let store = turn.subscribers.store
    guard turn.subscribers[turn.subscribers.index(of: link)].manner == .socket else {
      return end(link, .badMessages, &turn)
    }
    while store.links[link].phase == .subscriber {
      switch store.links[link].webSocket.nextEvent(in: window) {
      case .needMore:
        guard store.links[link].keepRest(of: window, store) else {
          return end(link, .noMemory, &turn)
        }
        if pays(window.count, link, &turn) { return }
        return end(link, .flooding, &turn)
      case .text, .binary, .pong: break
      case .ping(let range): store.links[link].answerPing(window[range], store, &turn)
      case .close: end(link, .closed, &turn)
      case .failed(let failure): end(link, Cause(failure), &turn)
      }
    }
  }

  /// It may cost as much as a caller who sends no audio.
  private static func pays(_ bytes: Int, _ link: Int, _ turn: inout Turn) -> Bool {
    let store = turn.subscribers.store
    let frames = store.links[link].webSocket.takeFrames()
    store.links[link].account.charge(
      frames: frames, bytes: bytes, besideAudio: bytes, .caller, at: turn.now)
    return !store.links[link].account.mustWait(at: turn.now)
  }

  /// Its deadline has come: it is asked for a sign of life, or gives one; where there is none it is
  /// gone.
  static func expired(_ link: Int, _ turn: inout Turn) {
    let store = turn.subscribers.store
    switch turn.subscribers[turn.subscribers.index(of: link)].manner {
    case .stream: if beat(link, &turn) { return }
    case .socket:
      if case .goOn = store.links[link].watch(store, &turn) { return }
    }
    noteLeft(link, .silent, &turn)
    store.links[link].reset(&turn)
  }

  /// The last call has ended, and nothing will follow.
  static func endAll(_ turn: inout Turn) {
    for index in 0..<turn.subscribers.capacity where turn.subscribers.isInUse(index) {
      end(turn.subscribers[index].link.index, .shutDown, &turn)
    }
  }

  /// It is told what it missed, and let go: a stream ends, a socket is closed with a code.
  static func end(_ link: Int, _ cause: Cause, _ turn: inout Turn) {
    let store = turn.subscribers.store
    giveNews(to: turn.subscribers.index(of: link), &turn)
    tellLast(link, &turn)
    noteLeft(link, cause, &turn)
    if turn.subscribers[turn.subscribers.index(of: link)].manner == .socket {
      store.links[link].outbox.sealClose(
        cause.closeCode, cause.sentence.bytes, key: nil, from: store.pool)
    }
    store.links[link].leave(store, &turn)
  }

  /// Writes down that it hears no more. What was not given yet finds room, or was missed.
  static func noteLeft(_ link: Int, _ cause: Cause, _ turn: inout Turn) {
    giveNews(to: turn.subscribers.index(of: link), &turn)
    guard let withheld = turn.subscribers.lineMayBeWritten(at: turn.now) else { return }
    let subscriber = turn.subscribers[turn.subscribers.index(of: link)]
    let peer = turn.subscribers.store.links[link].peer
    let age = turn.now - subscriber.since
    turn.write(.info, "unsubscribed", nil) {
      $0.write(peer)
      $0.write(": ")
      $0.write(cause.word)
      $0.write(", after ")
      $0.write(decimal: age.milliseconds)
      $0.write(" ms and ")
      $0.write(decimal: subscriber.told)
      $0.write(" events")
      if subscriber.missed > 0 {
        $0.write(", missed ")
        $0.write(decimal: subscriber.missed)
      }
      $0.write(withheld: withheld)
    }
  }
}

extension Writer {
  fileprivate mutating func write(withheld count: Int) {
    guard count > 0 else { return }
    write("; not shown before: ")
    write(decimal: count)
  }
}
