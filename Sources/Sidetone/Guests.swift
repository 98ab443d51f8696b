// Who has proven nothing yet: a connection that has said nothing, one whose TLS handshake is under
// way, whose request is not whole, or whose socket owes a call token. All that strangers can fill
// without proof is counted here, and only here.
//
//     came ──▶ silent ──▶ connection ──▶ (a whole request)      no guest any more: answered, or a
//              (bytes)        │                                 caller
//                             └────────▶ socket ──▶ (its token) no guest any more
//
// 1. Nobody who comes is refused while a guest holds a place: a guest gives way to the newcomer. Of
//    those that have said nothing it is the oldest, where it has been silent for a moment or most
//    are silent; else the oldest of the others. So a burst of silent ones displaces nobody whose
//    handshake is under way, and many who have begun nobody who has only just come. Who is honest
//    shows who it is soon; who holds a place without doing so is the first to lose it, however many
//    of them there are.
// 2. An address that has its share gives way among its own, so that it cannot make others do so. A
//    balancer is one address; those that are trusted have no share of their own.
// 3. Where all places are taken, sockets give way or connections, whichever are more: silent
//    connections cost no socket its place, and sockets without a token no connection its own.
//    Operators who have a listener of their own are an account of their own.
//
// Everything is one step, however many there are: lists through the guests, in the order in which
// they came, one for each kind and two for each address (who is silent, and who is not); addresses
// are found by a seeded hash.

package struct Guests: Sendable {
  package enum Kind: Int, BitwiseCopyable, Sendable, CaseIterable {
    case silent, connection, socket, operators
  }

  /// Why somebody has to give way.
  package enum Crowd: Equatable, BitwiseCopyable, Sendable {
    /// `limits.other_links_max` are there.
    case all
    /// `limits.unproven_per_address_max` of one address are.
    case address
    /// `limits.calls_max` calls are, and it is one that owes its token.
    case calls
  }

  private static let nobody: Int32 = -1

  /// The place of a guest in a list: who came before it, and who after.
  private struct Neighbours: BitwiseCopyable {
    var before = Guests.nobody
    var after = Guests.nobody
  }

  private struct Queue: BitwiseCopyable {
    var first = Guests.nobody
    var last = Guests.nobody
    var count = 0
  }

  /// By a link's index.
  private struct Guest: BitwiseCopyable {
    /// Nil: this link is no guest's.
    var kind: Kind?
    var since = Instant.zero
    var address = SlotID.none
    /// In the list of its kind, and in one of its address.
    var lists = InlineArray<2, Neighbours>(repeating: Neighbours())
  }
  private static let byKind = 0
  private static let byAddress = 1

  private struct Place: BitwiseCopyable {
    var address = Address.none
    /// Its guests that have said nothing, and the others.
    var silent = Queue()
    var others = Queue()
    var count: Int { silent.count &+ others.count }
    subscript(kind: Kind) -> Queue {
      @inline(__always) get { kind == .silent ? silent : others }
      @inline(__always) set { if kind == .silent { silent = newValue } else { others = newValue } }
    }
    /// The next address in the same bucket.
    var next = SlotID.none
  }

  private let guests: Slab<Guest>
  private let places: Slab<Place>
  private let buckets: Slab<SlotID>
  private let seed: UInt64
  private var queues = InlineArray<4, Queue>(repeating: Queue())
  package let guestsMax: Int
  private var perAddressMax: Int
  private var handshakesPerAddressMax: Int
  private let operatorsMax: Int
  private var tokenSpan: Instant.Span

  /// `seed` keeps peers from choosing addresses that meet in one bucket.
  package init(_ limits: Limits, seed: UInt64) {
    guestsMax = limits.otherLinksMax
    perAddressMax = limits.unprovenPerAddress
    handshakesPerAddressMax = limits.handshakesPerAddressMax
    operatorsMax = limits.operatorLinksMax
    tokenSpan = .seconds(limits.tokenSeconds)
    // One that comes is counted before another goes.
    let most = guestsMax + operatorsMax + 2
    guests = Slab(capacity: limits.linksMax, repeating: Guest())
    places = Slab(capacity: most, repeating: Place())
    buckets = Slab(capacity: most, repeating: .none)
    self.seed = seed
  }

  /// Other shares and times from now on; there are no more places than there were.
  mutating func follow(_ limits: Limits) {
    perAddressMax = limits.unprovenPerAddress
    handshakesPerAddressMax = limits.handshakesPerAddressMax
    tokenSpan = .seconds(limits.tokenSeconds)
    setTokenDue()
  }

  package func deallocate() {
    guests.deallocate()
    places.deallocate()
    buckets.deallocate()
  }

  /// What is taken at start.
  static func bytes(_ limits: Limits) -> Int {
    limits.linksMax * MemoryLayout<Guest>.stride
      + (limits.otherLinksMax + limits.operatorLinksMax)
      * (MemoryLayout<Place>.stride + MemoryLayout<SlotID>.stride)
  }

  // MARK: The question

  /// How many there are, operators left out.
  package var count: Int {
    queues[Kind.silent.rawValue].count &+ queues[Kind.connection.rawValue].count
      &+ queues[Kind.socket.rawValue].count
  }

  /// Those that are sockets.
  var sockets: Int { queues[Kind.socket.rawValue].count }

  @inline(__always) package func isGuest(_ link: Int) -> Bool { guests[link].kind != nil }
  /// When it came, or became a socket.
  func since(_ link: Int) -> Instant { guests[link].since }

  /// The link of the guest that gives way to one more from there, and why; nil: nobody has to.
  /// `isSecure`: it comes to a listener with TLS. `isShared`: its address is a balancer's.
  package func inTheWay(
    of address: Address, asOperator: Bool = false, isSecure: Bool = false, isShared: Bool = false,
    at now: Instant
  ) -> (link: Int, why: Crowd)? {
    if asOperator {
      let queue = queues[Kind.operators.rawValue]
      return queue.count < operatorsMax ? nil : (Int(queue.first), .all)
    }
    let share = isSecure ? min(perAddressMax, handshakesPerAddressMax) : perAddressMax
    if !isShared, let place = place(of: address.counted), places[place].count >= share {
      return (first(of: places[place].silent, places[place].others, at: now), .address)
    }
    guard count >= guestsMax else { return nil }
    let silent = queues[Kind.silent.rawValue]
    let connections = queues[Kind.connection.rawValue]
    let sockets = queues[Kind.socket.rawValue]
    if sockets.count > silent.count &+ connections.count { return (Int(sockets.first), .all) }
    return (first(of: silent, connections, at: now), .all)
  }

  /// The first bytes of a connection come a moment behind it.
  package static let momentsSilence = Instant.Span.milliseconds(20)

  private func first(of silent: Queue, _ others: Queue, at now: Instant) -> Int {
    let isSilent =
      silent.count > 0
      && (silent.count > others.count
        || now - since(Int(silent.first)) >= Self.momentsSilence)
    return Int(isSilent ? silent.first : others.first)
  }

  /// When the socket that has owed its token for longest has had its time; asked in every turn.
  private(set) var tokenDue = Instant.never
  /// The socket that has owed its token for longest.
  package var oldestSocket: Int? {
    let first = queues[Kind.socket.rawValue].first
    return first == Self.nobody ? nil : Int(first)
  }

  // MARK: The book

  /// Somebody came, and has proven nothing.
  package mutating func came(
    _ link: Int, from address: Address, asOperator: Bool = false, at now: Instant
  ) {
    precondition(!isGuest(link))
    guests[link] = Guest(kind: asOperator ? .operators : .silent, since: now)
    if !asOperator { guests[link].address = placed(address.counted) }
    enter(link)
  }

  /// Its first bytes have come.
  @_noAllocation package mutating func spoke(_ link: Int) {
    guard guests[link].kind == .silent else { return }
    leaveLists(link)
    guests[link].kind = .connection
    enter(link)
  }

  /// Its request was whole, and its socket stands. Who still owes a token remains a guest.
  @_noAllocation mutating func becameSocket(_ link: Int, owesToken: Bool, at now: Instant) {
    guard owesToken else { return left(link) }
    guard isGuest(link) else { return }
    leaveLists(link)
    guests[link].kind = .socket
    guests[link].since = now
    enter(link)
  }

  /// It has proven itself, or is gone.
  @_noAllocation package mutating func left(_ link: Int) {
    guard isGuest(link) else { return }
    leaveLists(link)
    let address = guests[link].address
    if address != .none, places[address.index].count == 0 { remove(address) }
    guests[link].kind = nil
  }

  // MARK: Lists

  @_noAllocation private mutating func enter(_ link: Int) {
    guard let kind = guests[link].kind else { return }
    Self.append(link, to: &queues[kind.rawValue], Self.byKind, guests)
    if kind == .socket { setTokenDue() }
    let address = guests[link].address
    guard address != .none else { return }
    Self.append(link, to: &places[address.index][kind], Self.byAddress, guests)
  }

  @_noAllocation private mutating func leaveLists(_ link: Int) {
    guard let kind = guests[link].kind else { return }
    Self.remove(link, from: &queues[kind.rawValue], Self.byKind, guests)
    if kind == .socket { setTokenDue() }
    let address = guests[link].address
    guard address != .none else { return }
    Self.remove(link, from: &places[address.index][kind], Self.byAddress, guests)
  }

  @_noAllocation private mutating func setTokenDue() {
    let first = queues[Kind.socket.rawValue].first
    tokenDue = first == Self.nobody ? .never : guests[Int(first)].since + tokenSpan
  }

  @_noAllocation private static func append(
    _ link: Int, to queue: inout Queue, _ list: Int, _ guests: Slab<Guest>
  ) {
    guests[link].lists[list] = Neighbours(before: queue.last)
    if queue.last == nobody {
      queue.first = Int32(link)
    } else {
      guests[Int(queue.last)].lists[list].after = Int32(link)
    }
    queue.last = Int32(link)
    queue.count &+= 1
  }

  @_noAllocation private static func remove(
    _ link: Int, from queue: inout Queue, _ list: Int, _ guests: Slab<Guest>
  ) {
    let own = guests[link].lists[list]
    if own.before == nobody {
      queue.first = own.after
    } else {
      guests[Int(own.before)].lists[list].after = own.after
    }
    if own.after == nobody {
      queue.last = own.before
    } else {
      guests[Int(own.after)].lists[list].before = own.before
    }
    queue.count &-= 1
  }

  // MARK: Addresses

  @_noAllocation private func bucket(of address: Address) -> Int {
    Int(address.hash(seed: seed) % UInt64(buckets.capacity))
  }

  @_noAllocation private func place(of address: Address) -> Int? {
    var id = buckets[bucket(of: address)]
    while id != .none {
      if places[id.index].address == address { return id.index }
      id = places[id.index].next
    }
    return nil
  }

  private mutating func placed(_ address: Address) -> SlotID {
    if let place = place(of: address) { return places.id(at: place) }
    guard let id = places.take() else {
      preconditionFailure("there are as many addresses as guests at most")
    }
    let bucket = bucket(of: address)
    places[id.index] = Place(address: address, next: buckets[bucket])
    buckets[bucket] = id
    return id
  }

  @_noAllocation private mutating func remove(_ id: SlotID) {
    let bucket = bucket(of: places[id.index].address)
    if buckets[bucket] == id {
      buckets[bucket] = places[id.index].next
    } else {
      var before = buckets[bucket]
      while places[before.index].next != id { before = places[before.index].next }
      places[before.index].next = places[id.index].next
    }
    places.release(id)
  }
}
