// Who hears of calls while they go (`GET /events`): programs of operators, each by a link of its
// own, as Server-Sent Events or as a WebSocket.
//
//     Turn.note ──▶ LiveEvent ──▶ RecentEvents ──flush──▶ outbox of each that wants it ──▶ socket
//
// 1. Everything is bounded: how many there are, what is kept for all of them, and what waits for
//    each in blocks that the plan has for it. The last blocks are the calls'.
// 2. Who does not read misses what has no room. As soon as half of its outbox is free it is told
//    how many events that were, and then what comes next.
// 3. No frame waits for them: an event is written down once, however many hear of it; a subscriber
//    is given what came at once, then not again for a moment, and few of them in one turn.
// 4. A slot is free when its link leaves, whichever way (`Link.leave`, `reset`, `release`).

/// One who hears of calls, or of one call.
struct Subscriber: BitwiseCopyable {
  /// A stream of Server-Sent Events, or a WebSocket.
  enum Manner: BitwiseCopyable { case stream, socket }

  let link: SlotID
  let manner: Manner
  /// The id of the one call that it wants to hear of, or nothing; and what it is alike by.
  let call: Name
  let hash: UInt64
  let since: Instant
  /// Events that it was told, and that it missed; of these, those that it was not told of yet.
  var told = 0
  var missed = 0
  var owed = 0
  /// The number of the event that it is given next.
  var next: Int
  /// Something lies in its outbox that the driver was not asked to write; from when on it may.
  var hasNews = false
  var writableFrom = Instant.zero
  /// Bytes that waited at the last beat, that were added since, and how often nothing had moved.
  var waiting = 0
  var added = 0
  var stuck = 0

  init(_ link: SlotID, _ manner: Manner, to call: Name, from next: Int, at now: Instant) {
    self.link = link
    self.manner = manner
    self.call = call
    hash = call.hash
    self.next = next
    since = now
  }

  func wants(_ name: Name, _ hash: UInt64) -> Bool {
    call.isEmpty || self.hash == hash && call.equals(name)
  }
}

struct Subscribers {
  /// For their links and their blocks.
  let store: Store
  private let slots: Slab<Subscriber>
  /// By a link's index its slot, or -1.
  private let places: Slab<Int32>
  /// Events so far, whoever heard them; for `Subscribers+Telling`.
  var recent: RecentEvents
  /// When the next of them may be written to.
  var flushTime = Instant.never
  private var next = 0
  /// Keeps those who come and go all the time from filling the log.
  private var lines = LineLimit()

  /// Between two writes to one subscriber, and how many are written to in one turn.
  private static let pause = Instant.Span.milliseconds(100)
  private static let writesMax = 2

  init(_ store: Store) {
    self.store = store
    let limits = store.limits
    slots = Slab(
      capacity: limits.subscribersMax,
      repeating: Subscriber(.none, .stream, to: Name(), from: 1, at: .zero))
    places = Slab(capacity: limits.linksMax, repeating: -1)
    recent = RecentEvents(limits)
  }

  func deallocate() {
    slots.deallocate()
    places.deallocate()
    recent.deallocate()
  }

  var count: Int { @inline(__always) get { slots.inUse } }
  var capacity: Int { slots.capacity }
  var isFull: Bool { slots.isFull }

  func isInUse(_ index: Int) -> Bool { slots.isInUse(index) }

  subscript(index: Int) -> Subscriber {
    @inline(__always) _read { yield slots[index] }
    @inline(__always) nonmutating _modify { yield &slots[index] }
  }

  /// The slot of a link.
  func index(of link: Int) -> Int { Int(places[link]) }

  // MARK: From the first to the last

  /// There is room (`isFull`).
  mutating func came(_ subscriber: Subscriber) {
    guard let id = slots.take() else { preconditionFailure("there is room for it") }
    slots[id.index] = subscriber
    places[subscriber.link.index] = Int32(id.index)
  }

  /// Its link is no subscriber's any more, if it was one.
  @_noAllocation mutating func left(_ link: Int) {
    let place = places[link]
    guard place >= 0 else { return }
    slots.release(slots.id(at: Int(place)))
    places[link] = -1
  }

  /// How many lines about those who come and go were withheld; nil: so is this one.
  mutating func lineMayBeWritten(at now: Instant) -> Int? { lines.take(at: now) }

}

// MARK: Writing

extension Subscribers {
  /// Something was put into its outbox.
  mutating func hasNews(_ index: Int, bytes: Int) {
    slots[index].added &+= bytes
    slots[index].hasNews = true
    // Much at once is not gathered any longer.
    let waiting = store.links[slots[index].link.index].outbox.count
    if waiting > Limits.subscriberOutboxBytesMax / 4 { slots[index].writableFrom = .zero }
    flushTime = min(flushTime, slots[index].writableFrom)
  }

  /// Gives those whose turn it is what they have not been given, and has that written.
  static func flush(_ turn: inout Turn) {
    let store = turn.subscribers.store
    let slots = turn.subscribers.slots
    let first = turn.subscribers.next
    var writes = 0
    var time = Instant.never
    for step in 0..<slots.capacity {
      let index = (first &+ step) % slots.capacity
      guard slots.isInUse(index), turn.subscribers.isOwed(index) else { continue }
      guard slots[index].writableFrom <= turn.now, writes < writesMax else {
        if time == .never { turn.subscribers.next = index }
        time = min(time, slots[index].writableFrom)
        continue
      }
      giveNews(to: index, &turn)
      guard slots[index].hasNews else { continue }
      writes &+= 1
      slots[index].hasNews = false
      slots[index].writableFrom = turn.now + pause
      store.links[slots[index].link.index].ask(.write, &turn)
    }
    turn.subscribers.flushTime = time
  }

  /// There is something that it was not given, or that was not written.
  private func isOwed(_ index: Int) -> Bool {
    slots[index].hasNews || slots[index].next <= recent.last
  }
}
