// How often one caller may come: token buckets that hold one second's worth. A bucket is a single
// number, the time at which it will be full again; taking a token moves that time on by one refill.
// Two fixed tables, one place per API key and 1,024 places for addresses; where a place must be
// found, the bucket that is nearest to full goes, which forgets the least.

package struct TokenBucket: BitwiseCopyable, Sendable {
  private var fullAt = Int64.min

  package init() {}

  /// Takes a token of a bucket that holds, and in a second regains, `perSecond` of them. Nil:
  /// taken. Otherwise the time until there is one.
  package mutating func take(perSecond: Int, at now: Instant) -> Instant.Span? {
    let refill = 1_000_000_000 / Int64(max(perSecond, 1))
    let next = max(fullAt, now.nanoseconds) &+ refill
    let over = next &- now.nanoseconds &- refill &* Int64(max(perSecond, 1))
    if over > 0 { return Instant.Span(nanoseconds: over) }
    fullAt = next
    return nil
  }

  /// One that was taken was not needed.
  package mutating func giveBack(perSecond: Int) {
    fullAt = fullAt &- 1_000_000_000 / Int64(max(perSecond, 1))
  }

  fileprivate static func isFuller(_ a: TokenBucket, _ b: TokenBucket) -> Bool {
    a.fullAt < b.fullAt
  }
}

package struct RateLimiter: Sendable {
  private static let waysMax = 4
  private static let setsMax = Limits.addressesMax / waysMax

  private struct Entry: BitwiseCopyable, Sendable {
    var high: UInt64 = 0
    var low: UInt64 = 0
    var bucket = TokenBucket()
  }

  private let perKey: Int
  private let perAddress: Int
  private let perAccount: Int
  private let seed: UInt64
  private var keys: [TokenBucket]
  private var entries: [Entry]

  /// `seed` keeps peers from choosing addresses that meet in one place.
  package init(keys count: Int, limits: Limits, seed: UInt64) {
    perKey = limits.callsPerSecondPerKey
    perAddress = limits.callsPerSecondPerAddress
    perAccount = limits.webhooksPerAccount
    self.seed = seed
    keys = Array(repeating: TokenBucket(), count: count)
    entries = Array(repeating: Entry(), count: Self.setsMax * Self.waysMax)
  }

  /// For addresses alone.
  package init(addressesPerSecond: Int, seed: UInt64) {
    var limits = Limits()
    limits.callsPerSecondPerAddress = addressesPerSecond
    self.init(keys: 0, limits: limits, seed: seed)
  }

  package mutating func take(key: Int, at now: Instant) -> Instant.Span? {
    keys[key].take(perSecond: perKey, at: now)
  }

  package mutating func take(address: Address, at now: Instant) -> Instant.Span? {
    take(entry: address.counted, perSecond: perAddress, at: now)
  }

  /// A token of it was not needed.
  package mutating func giveBack(address: Address) {
    let address = address.counted
    let first = Int(address.hash(seed: seed) % UInt64(Self.setsMax)) * Self.waysMax
    for way in first..<first + Self.waysMax
    where entries[way].high == address.high && entries[way].low == address.low {
      entries[way].bucket.giveBack(perSecond: perAddress)
    }
  }

  /// A carrier's account, by whatever name; no address is like it.
  package mutating func take(account: Bytes, at now: Instant) -> Instant.Span? {
    let name = Address(high: Complaints.likeness(account, .empty), low: .max, port: 0)
    return take(entry: name, perSecond: perAccount, at: now)
  }

  private mutating func take(
    entry address: Address, perSecond: Int, at now: Instant
  ) -> Instant.Span? {
    let first = Int(address.hash(seed: seed) % UInt64(Self.setsMax)) * Self.waysMax
    var place = first
    for way in first..<first + Self.waysMax {
      if entries[way].high == address.high && entries[way].low == address.low {
        return entries[way].bucket.take(perSecond: perSecond, at: now)
      }
      if TokenBucket.isFuller(entries[way].bucket, entries[place].bucket) { place = way }
    }
    entries[place] = Entry(high: address.high, low: address.low)
    return entries[place].bucket.take(perSecond: perSecond, at: now)
  }
}
