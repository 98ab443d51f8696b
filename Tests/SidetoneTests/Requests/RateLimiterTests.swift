// Token buckets on virtual time: exact counts, exact waits, bounded memory.
import Testing

@testable import Sidetone

struct RateLimiterTests {
  private func limits(_ rate: Int) -> Limits {
    var limits = Limits()
    limits.callsPerSecondPerKey = rate
    limits.callsPerSecondPerAddress = rate
    return limits
  }

  @Test(arguments: [1, 3, 50, 1000])
  func `a second's worth is there at once, and then one for each refill`(rate: Int) {
    var bucket = TokenBucket()
    let refill = 1_000_000_000 / Int64(rate)
    var now = Instant(nanoseconds: 5_000_000_000)
    for _ in 0..<rate { #expect(bucket.take(perSecond: rate, at: now) == nil) }
    #expect(bucket.take(perSecond: rate, at: now) == Instant.Span(nanoseconds: refill))
    for _ in 0..<10 {
      now = now + Instant.Span(nanoseconds: refill - 1)
      #expect(bucket.take(perSecond: rate, at: now) == Instant.Span(nanoseconds: 1))
      now = now + Instant.Span(nanoseconds: 1)
      #expect(bucket.take(perSecond: rate, at: now) == nil)
    }
    now = now + .seconds(1)
    for _ in 0..<rate { #expect(bucket.take(perSecond: rate, at: now) == nil) }
    #expect(bucket.take(perSecond: rate, at: now) != nil)
  }

  @Test func `keys and addresses do not take from each other`() {
    var limiter = RateLimiter(keys: 2, limits: limits(1), seed: 3)
    #expect(limiter.take(key: 0, at: .zero) == nil)
    #expect(limiter.take(key: 0, at: .zero) != nil)
    #expect(limiter.take(key: 1, at: .zero) == nil)
    #expect(limiter.take(address: .here, at: .zero) == nil)
    #expect(limiter.take(address: .here, at: .zero) != nil)
    #expect(limiter.take(address: .elsewhere, at: .zero) == nil)
  }

  @Test func `ports are no identity, and an IPv6 network counts as one caller`() {
    var limiter = RateLimiter(keys: 0, limits: limits(2), seed: 3)
    func six(_ low: UInt64) -> Address { Address(high: 0x2001_0db8_0000_0001, low: low, port: 1) }
    #expect(limiter.take(address: six(1), at: .zero) == nil)
    #expect(limiter.take(address: six(2), at: .zero) == nil)
    #expect(limiter.take(address: six(3), at: .zero) != nil)
    for port in [1, 2] as [UInt16] {
      #expect(limiter.take(address: Address(ipv4: 9, port: port), at: .zero) == nil)
    }
    #expect(limiter.take(address: Address(ipv4: 9, port: 3), at: .zero) != nil)
  }

  @Test func `a busy address outlives a crowd of others that come once`() {
    var limiter = RateLimiter(keys: 0, limits: limits(50), seed: 11)
    let busy = Address(ipv4: 77, port: 0)
    for _ in 0..<50 { #expect(limiter.take(address: busy, at: .zero) == nil) }
    for other in 0..<100_000 {
      _ = limiter.take(address: Address(ipv4: 1000 + UInt32(other), port: 0), at: .zero)
    }
    #expect(limiter.take(address: busy, at: .zero) != nil)
  }

  @Test func `a caller who is too fast gets 429 with the time to wait`() throws {
    var config = plainConfig()
    config.limits = limits(2)
    let admission = Admission(config: config, seed: 7)
    func come(_ seconds: Int) throws -> Result<Identity, Refusal> {
      admission.decide(try request("GET /media", socket(), at: .zero + .seconds(seconds)))
    }
    #expect(try come(0) == .success(.loopback))
    #expect(try come(0) == .success(.loopback))
    #expect(try come(0) == .failure(.tooOften(seconds: 1)))
    #expect(try come(1) == .success(.loopback))
  }

  @Test func `guessing keys is slowed down, and does not slow the right key`() throws {
    var config = plainConfig()
    config.limits = limits(2)
    config.allow(key: "sk-1")
    let admission = Admission(config: config, seed: 7)
    func show(_ key: String) throws -> Result<Identity, Refusal> {
      admission.decide(try request("GET /media", socket(["Authorization: Bearer \(key)"])))
    }
    #expect(try show("a") == .failure(.wrongKey))
    #expect(try show("b") == .failure(.wrongKey))
    #expect(try show("c") == .failure(.tooOften(seconds: 1)))
    #expect(try show("sk-1") == .success(.key(0)))
    #expect(try show("sk-1") == .success(.key(0)))
    #expect(try show("sk-1") == .failure(.tooOften(seconds: 1)))
  }
}
