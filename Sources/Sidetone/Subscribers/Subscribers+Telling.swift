// What subscribers are told: each event is written once, and put into the outbox of each that wants
// it, in the manner of its own. Who had no room for some is told how many those were.

extension Subscribers {
  /// Something happened in a call: programs are told, where there are any.
  static func tell(_ event: Event, of call: Name?, _ turn: inout Turn) {
    guard let event = LiveEvent(event) else { return }
    let call = call ?? Name()
    if event.audience != .subscribers { turn.log.print(event, of: call, at: turn.now) }
    if event.audience != .readers, turn.subscribers.count > 0 { tell(event, of: call, &turn) }
  }

  fileprivate static func tell(_ event: LiveEvent, of call: Name, _ turn: inout Turn) {
    var event = event
    let hash = call.hash
    let time = turn.log.wall(at: turn.now)
    while true {
      var text = Writer(turn.subscribers.text)
      guard event.write(of: call, at: time, into: &text) else { return }
      turn.subscribers.number &+= 1
      let message = Message(
        event.type, number: turn.subscribers.number, text.written, turn.subscribers.head)
      var rest = turn.subscribers.count
      var index = 0
      while rest > 0 {
        if turn.subscribers.isInUse(index) {
          rest &-= 1
          if turn.subscribers[index].wants(call, hash) { give(message, to: index, &turn) }
        }
        index &+= 1
      }
    }
  }

  private static func give(_ message: Message, to index: Int, _ turn: inout Turn) {
    if tellMissed(to: index, &turn), put(message, to: index, &turn) {
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
    return Bytes.withTemporary(256) { place in
      var text = Writer(place.prefix(128))
      text.write("{\"type\":\"events.missed\",\"time\":\"")
      text.write(timestamp: turn.log.wall(at: turn.now))
      text.write("\",\"count\":")
      text.write(decimal: count)
      text.write("}")
      let message = Message("events.missed", number: nil, text.written, place.dropping(128))
      guard put(message, to: index, &turn) else { return false }
      turn.subscribers[index].owed = 0
      return true
    }
  }

  /// False: there is no room in its outbox, or the blocks that are left are the calls'.
  private static func put(_ message: Message, to index: Int, _ turn: inout Turn) -> Bool {
    let store = turn.subscribers.store
    let (link, manner) = (turn.subscribers[index].link.index, turn.subscribers[index].manner)
    let head = manner == .stream ? message.streamHead : message.socketHead
    let tail = manner == .stream ? ("\n\n" as StaticString).bytes : .empty
    let count = head.count &+ message.text.count &+ tail.count
    guard store.links[link].outbox.count &+ count <= Limits.subscriberOutboxBytesMax,
      store.pool.free &- count / BlockPool.blockBytes > store.limits.blocksOfCalls,
      store.links[link].outbox.append(head, message.text, tail, from: store.pool)
    else { return false }
    turn.subscribers.hasNews(index, bytes: count)
    return true
  }

  /// One event on its way to those who want it.
  private struct Message {
    let text: Bytes
    /// What stands in front of it in a stream, and in a socket.
    let streamHead: Bytes
    let socketHead: Bytes

    /// `place`: where the heads are written.
    init(_ type: StaticString, number: Int?, _ text: Bytes, _ place: Bytes) {
      self.text = text
      var socket = Writer(place.prefix(WebSocket.headerBytesMax))
      WebSocket.encodeHeader(.text, payloadBytes: text.count, into: &socket)
      socketHead = socket.written
      var stream = Writer(place.dropping(WebSocket.headerBytesMax))
      stream.write("event: ")
      stream.write(type)
      if let number {
        stream.write("\nid: ")
        stream.write(decimal: number)
      }
      stream.write("\ndata: ")
      streamHead = stream.written
    }
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
