// What subscribers are told: each event is written down once, and put into the outbox of each that
// wants it when its turn comes, in the manner of its own. Who had no room for some is told how many
// those were.

extension Subscribers {
  /// Something happened in a call: programs are told, where there are any.
  static func tell(_ event: Event, of call: Name?, _ turn: inout Turn) {
    guard let event = LiveEvent(event) else { return }
    let call = call ?? Name()
    if event.audience != .subscribers { turn.log.print(event, of: call, at: turn.now) }
    if event.audience != .readers, turn.subscribers.count > 0 { tell(event, of: call, &turn) }
  }

  private static func tell(_ event: LiveEvent, of call: Name, _ turn: inout Turn) {
    var event = event
    let time = turn.log.wall(at: turn.now)
    while true {
      var text = Writer(room(&turn))
      guard event.write(of: call, at: time, into: &text) else { return }
      turn.subscribers.recent.keep(event.type, of: call, bytes: text.count)
      turn.subscribers.flushTime = min(turn.subscribers.flushTime, turn.now)
    }
  }

  /// Where the next event is written. Whoever was not given the oldest is given that now, where
  /// its place is needed.
  private static func room(_ turn: inout Turn) -> Bytes {
    while true {
      if let room = turn.subscribers.recent.room() { return room }
      let oldest = turn.subscribers.recent.oldest
      for index in 0..<turn.subscribers.capacity where turn.subscribers.isInUse(index) {
        if turn.subscribers[index].next == oldest { giveNext(to: index, &turn) }
      }
      turn.subscribers.recent.dropOldest()
    }
  }

  /// All that it was not given yet.
  static func giveNews(to index: Int, _ turn: inout Turn) {
    while turn.subscribers[index].next <= turn.subscribers.recent.last {
      giveNext(to: index, &turn)
    }
  }

  private static func giveNext(to index: Int, _ turn: inout Turn) {
    let number = turn.subscribers[index].next
    turn.subscribers[index].next &+= 1
    let row = turn.subscribers.recent[number]
    guard turn.subscribers[index].wants(row.call, row.hash) else { return }
    let text = turn.subscribers.recent.text(of: row)
    let isGiven =
      tellMissed(to: index, &turn) && put(row.type, number: number, text, to: index, &turn)
    if isGiven {
      turn.subscribers[index].told &+= 1
    } else {
      turn.counters.subscriberEventsMissed &+= 1
      turn.subscribers[index].missed &+= 1
      turn.subscribers[index].owed &+= 1
    }
  }

  /// What it missed, where there is room for that and for more. False: it still is not told.
  private static func tellMissed(
    to index: Int, isLast: Bool = false, _ turn: inout Turn
  ) -> Bool {
    let count = turn.subscribers[index].owed
    if count == 0 { return true }
    let link = turn.subscribers[index].link.index
    let waiting = turn.subscribers.store.links[link].outbox.count
    guard isLast || waiting <= Limits.subscriberOutboxBytesMax / 2 else { return false }
    return Bytes.withTemporary(128) { place in
      var text = Writer(place)
      text.write("{\"type\":\"events.missed\",\"time\":\"")
      text.write(timestamp: turn.log.wall(at: turn.now))
      text.write("\",\"count\":")
      text.write(decimal: count)
      text.write("}")
      guard put("events.missed", number: nil, text.written, to: index, &turn) else { return false }
      turn.subscribers[index].owed = 0
      return true
    }
  }

  /// Puts one event into its outbox, in its manner. False: there is no room, or the blocks that are
  /// left are the calls'.
  private static func put(
    _ type: StaticString, number: Int?, _ text: Bytes, to index: Int, _ turn: inout Turn
  ) -> Bool {
    let store = turn.subscribers.store
    let (link, manner) = (turn.subscribers[index].link.index, turn.subscribers[index].manner)
    let bytes = Bytes.withTemporary(128) { place in
      var head = Writer(place)
      if manner == .stream {
        head.write(streamHeadOf: type, number: number)
      } else {
        WebSocket.encodeHeader(.text, payloadBytes: text.count, into: &head)
      }
      let tail = manner == .stream ? ("\n\n" as StaticString).bytes : .empty
      let count = head.count &+ text.count &+ tail.count
      let waiting = store.links[link].outbox.count
      guard waiting &+ count <= Limits.subscriberOutboxBytesMax,
        store.pool.free &- count / BlockPool.blockBytes > store.limits.blocksOfCalls,
        store.links[link].outbox.append(head.written, text, tail, from: store.pool)
      else { return 0 }
      return count
    }
    guard bytes > 0 else { return false }
    turn.subscribers.hasNews(index, bytes: bytes)
    return true
  }
}

extension Writer {
  /// What stands in front of an event's text in a stream.
  fileprivate mutating func write(streamHeadOf type: StaticString, number: Int?) {
    write("event: ")
    write(type)
    if let number {
      write("\nid: ")
      write(decimal: number)
    }
    write("\ndata: ")
  }
}

// MARK: Their sockets

extension Subscribers {
  /// Its socket has taken all that there was.
  static func took(_ link: Int, _ turn: inout Turn) {
    _ = tellMissed(to: turn.subscribers.index(of: link), &turn)
  }

  /// A beat of a stream: a sign of life where nothing else waits. False: nothing that waits has
  /// moved for some beats.
  static func beat(_ link: Int, _ turn: inout Turn) -> Bool {
    let store = turn.subscribers.store
    let index = turn.subscribers.index(of: link)
    let waiting = store.links[link].outbox.count
    let before = turn.subscribers[index].waiting &+ turn.subscribers[index].added
    turn.subscribers[index].stuck =
      waiting > 0 && waiting == before ? turn.subscribers[index].stuck &+ 1 : 0
    guard turn.subscribers[index].stuck < beatsStuckMax else { return false }
    turn.subscribers[index].added = 0
    if waiting == 0, store.links[link].outbox.append(sign.bytes, from: store.pool) {
      turn.subscribers[index].hasNews = true
      store.links[link].ask(.write, &turn)
    }
    turn.subscribers[index].waiting = store.links[link].outbox.count
    store.links[link].setDeadline(turn.now + beatSpan, &turn)
    return true
  }

  /// A comment. No empty line follows, which would end an event.
  private static let sign: StaticString = ":\n"
  static let beatSpan = Instant.Span.seconds(15)
  private static let beatsStuckMax = 3

  /// The last thing that it is told, where there is room.
  static func tellLast(_ link: Int, _ turn: inout Turn) {
    _ = tellMissed(to: turn.subscribers.index(of: link), isLast: true, &turn)
  }
}
