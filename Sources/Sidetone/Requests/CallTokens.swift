// Call tokens: what a webhook gives a call so that its socket is known again. Carriers drop the
// query of a stream's URL and cut parameters at 500 characters, so what a webhook chose for its
// call waits here, and only the token travels: 128 random bits, good for one use and 120 s.
//
//     issue ──▶ waiting ──▶ claim      the socket brought it: what it stands for goes to the call
//                  │
//                  ├──────▶ expired    nobody came: what it stands for goes back to its owner
//                  └──────▶ displaced  the table is full: as expired, for the oldest
//
// Displaced is the oldest, because a socket comes within a second or two of its webhook: the longer
// a token has waited, the surer its caller has hung up. Refusing new calls instead would let calls
// that never come hold up those that do. All tokens live equally long, so the oldest is also the
// first to expire.
//
// A call has one live token: a webhook that is asked again (a carrier tries twice, somebody replays
// what a carrier has signed) gets the same one, and nothing is dialled for it. For a call whose
// token was used within its life nothing is dialled ahead again.

package struct CallTokens: Sendable {
  package static let life = Instant.Span.seconds(120)
  /// One with less life left is given to nobody again.
  private static let leastLife = Instant.Span.seconds(30)
  /// Tokens of one call that may be used within a token's life: a call may come back to its
  /// webhook, but not without end.
  private static let usesMax = 8
  package static let bytes = 16
  /// In hexadecimal.
  package static let textBytes = 32

  /// What a token stands for. Whoever gets it back from here owns the chain and the slot.
  package struct Held: BitwiseCopyable, Sendable {
    /// The call route that it opens; index into Config.routes.
    package var route: Int
    /// Index into the route's bots.
    package var bot: Int
    /// What was chosen, as a query, in blocks of the relay's pool.
    package var choices: Chain
    /// The call whose upstream was dialled ahead, or `none`.
    package var call: SlotID
    /// Whose call it is.
    package var owner: Owner

    package init(
      route: Int, bot: Int, choices: Chain, call: SlotID, owner: Owner = .unknown
    ) {
      self.route = route
      self.bot = bot
      self.choices = choices
      self.call = call
      self.owner = owner
    }
  }

  /// A call as its carrier names it, and whoever vouches for that; by its digest.
  package struct Owner: BitwiseCopyable, Sendable, Equatable {
    fileprivate var high: UInt64
    fileprivate var low: UInt64

    /// A call without a name: no two are the same.
    package static let unknown = Owner(high: 0, low: 0)

    private init(high: UInt64, low: UInt64) {
      self.high = high
      self.low = low
    }

    /// Who proves nothing learns no token of another, whatever call it names.
    package init(call: Bytes, route: Int, as identity: Identity) {
      guard !call.isEmpty, identity.isKnown else {
        self = .unknown
        return
      }
      self = Bytes.withTemporary(Digest.sha256Bytes) { place in
        Digest.sha256(call, into: place)
        var voucher = UInt64(route) << 32
        if case .key(let index) = identity { voucher |= UInt64(index) &+ 1 }
        return Owner(
          high: place.load(UInt64.self, at: 0), low: place.load(UInt64.self, at: 8) ^ voucher)
      }
    }
  }

  package struct Token: Sendable {
    var high: UInt64
    var low: UInt64
    /// Its text where it is sealed, valid until the next is; else empty.
    var text = Bytes.empty

    /// 32 hexadecimal digits, or the text of a sealed one.
    package func write(into out: inout Writer) {
      if !text.isEmpty { return out.write(text) }
      Bytes.withTemporary(CallTokens.bytes) { place in
        place.store(high, at: 0)
        place.store(low, at: 8)
        out.write(hex: place)
      }
    }
  }

  /// A token that nobody has brought yet.
  package struct Waiting: Sendable {
    package let token: Token
    package let held: Held
    package let expiresAt: Instant

    /// Whether a caller who is told of it now has time to bring it.
    package func isFresh(at now: Instant) -> Bool { expiresAt - now >= CallTokens.leastLife }
  }

  private struct Entry: Sendable {
    var token = Token(high: 0, low: 0)
    /// `never`: the entry is free.
    var expiresAt = Instant.never
    var held = Held(route: 0, bot: 0, choices: Chain(), call: .none)
  }

  /// A call whose token was used, until it would have expired.
  private struct Used: BitwiseCopyable, Sendable {
    var owner = Owner.unknown
    var until = Instant.zero
    var count = 0
  }

  private static let usedMax = 4096
  private var entries: [Entry]
  /// By the owner's digest; the later of two that meet is kept.
  private var used = [Used](repeating: Used(), count: Self.usedMax)
  package private(set) var count = 0
  /// When the oldest token expires; `never` where there is none.
  package private(set) var nextExpiry = Instant.never

  package init(capacity: Int) {
    precondition(capacity > 0)
    entries = Array(repeating: Entry(), count: capacity)
  }

  /// A new token for `held`. `displaced` goes back to its owner, where there was no room otherwise.
  package mutating func issue(
    _ held: Held, random: inout Random, at now: Instant
  ) -> (waiting: Waiting, displaced: Held?) {
    let isFull = count == entries.count
    let place = isFull ? oldest : free
    let displaced = isFull ? release(place) : nil
    let token = Token(high: random.next64(), low: random.next64())
    entries[place] = Entry(token: token, expiresAt: now + Self.life, held: held)
    count += 1
    nextExpiry = min(nextExpiry, now + Self.life)
    return (Waiting(token: token, held: held, expiresAt: now + Self.life), displaced)
  }

  /// Whether the text has the form of our tokens.
  static func isToken(_ text: Bytes) -> Bool { read(text) != nil }

  /// What the token stands for, once; nil for one that is unknown, used, expired, or for another
  /// route, which are all alike to whoever brings it. Every entry is compared, so the time tells
  /// nothing.
  package mutating func claim(_ text: Bytes, route: Int, at now: Instant) -> Held? {
    claim(text, at: now) { $0 == route }
  }

  /// The same for whatever routes are meant.
  mutating func claim(_ text: Bytes, at now: Instant, isFor: (Int) -> Bool) -> Held? {
    guard let token = Self.read(text) else { return nil }
    return claim(token, at: now, isFor: isFor)
  }

  mutating func claim(_ token: Token, at now: Instant, isFor: (Int) -> Bool) -> Held? {
    var found = -1
    for index in entries.indices {
      let entry = entries[index]
      let difference = (entry.token.high ^ token.high) | (entry.token.low ^ token.low)
      let isOpen =
        entry.expiresAt != .never && entry.expiresAt > now && isFor(entry.held.route)
      if difference == 0, isOpen { found = index }
    }
    guard found >= 0 else { return nil }
    let owner = entries[found].held.owner
    if owner != .unknown {
      let before = wasUsed(by: owner, at: now) ? used[Self.place(of: owner)].count : 0
      used[Self.place(of: owner)] = Used(
        owner: owner, until: entries[found].expiresAt, count: before + 1)
    }
    return release(found)
  }

  /// The token that waits for this owner, and what it stands for; nil: there is none.
  package func waiting(for owner: Owner, at now: Instant) -> Waiting? {
    place(waitingFor: owner, at: now).map {
      Waiting(
        token: entries[$0].token, held: entries[$0].held, expiresAt: entries[$0].expiresAt)
    }
  }

  /// The owner's token is good no more: what it stood for.
  package mutating func remove(of owner: Owner, at now: Instant) -> Held? {
    place(waitingFor: owner, at: now).map { release($0) }
  }

  private func place(waitingFor owner: Owner, at now: Instant) -> Int? {
    guard owner != .unknown else { return nil }
    return entries.indices.first {
      entries[$0].held.owner == owner && entries[$0].expiresAt != .never
        && entries[$0].expiresAt > now
    }
  }

  /// Whether a token of this owner was used a short while ago.
  package func wasUsed(by owner: Owner, at now: Instant) -> Bool {
    let place = used[Self.place(of: owner)]
    return owner != .unknown && place.owner == owner && place.until > now
  }

  /// How long the owner gets no other token, having used so many; nil: it does.
  func pause(of owner: Owner, at now: Instant) -> Instant.Span? {
    let place = used[Self.place(of: owner)]
    return wasUsed(by: owner, at: now) && place.count >= Self.usesMax ? place.until - now : nil
  }

  private static func place(of owner: Owner) -> Int { Int(owner.high % UInt64(usedMax)) }

  /// What has waited for longest, of all for which `isWanted` holds; it goes on waiting.
  package func oldest(where isWanted: (Held) -> Bool) -> Held? {
    var found = -1
    for index in entries.indices where entries[index].expiresAt != .never {
      guard found < 0 || entries[index].expiresAt < entries[found].expiresAt else { continue }
      if isWanted(entries[index].held) { found = index }
    }
    return found < 0 ? nil : entries[found].held
  }

  /// What the tokens stand for that wait.
  var waiting: [Held] { entries.filter { $0.expiresAt != .never }.map(\.held) }

  /// One that has expired by now, or nil; to be asked until there is none.
  package mutating func expired(at now: Instant) -> Held? {
    guard nextExpiry <= now else { return nil }
    return release(oldest)
  }

  /// One of those that still wait, or nil: for an owner who gives up all of them.
  package mutating func remove() -> Held? { count == 0 ? nil : release(oldest) }

  private mutating func release(_ place: Int) -> Held {
    let held = entries[place].held
    entries[place] = Entry()
    count -= 1
    nextExpiry = .never
    for entry in entries { nextExpiry = min(nextExpiry, entry.expiresAt) }
    return held
  }

  private var oldest: Int {
    var oldest = 0
    for index in entries.indices where entries[index].expiresAt < entries[oldest].expiresAt {
      oldest = index
    }
    return oldest
  }

  private var free: Int {
    for index in entries.indices where entries[index].expiresAt == .never { return index }
    preconditionFailure("a free entry was counted before")
  }

  static func read(_ text: Bytes) -> Token? {
    guard text.count == textBytes else { return nil }
    return Bytes.withTemporary(bytes) { place in
      for index in 0..<bytes {
        guard let high = Query.hexValue(text[2 &* index]),
          let low = Query.hexValue(text[2 &* index &+ 1])
        else { return nil }
        place[index] = high << 4 | low
      }
      return Token(high: place.load(UInt64.self, at: 0), low: place.load(UInt64.self, at: 8))
    }
  }
}
