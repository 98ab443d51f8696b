// The resolver against a small name server on loopback, driven by a loop of the test's own.

import CLinux
import Foundation
import Testing

@testable import Sidetone
@testable import SidetoneLinux

struct ResolverTests {
  @Test func `numbers and localhost ask nobody`() throws {
    let resolver = try Fixture(hosts: ["192.0.2.7", "2001:db8::1", "localhost"], server: nil)
    for upstream in 0..<3 {
      guard case .addresses = resolver.look(up: upstream) else {
        Issue.record("an address is known at once")
        return
      }
    }
    #expect(resolver.addresses(of: 0).first?.ipv4 == 0xc000_0207)
    #expect(resolver.addresses(of: 1).first?.high == 0x2001_0db8_0000_0000)
    #expect(resolver.addresses(of: 2).first?.ipv4 == 0x7f00_0001)
  }

  @Test func `a name is asked once for all who wait and kept for its ttl`() throws {
    let server = try NameServer(addresses: [0x7f00_0001, 0x7f00_0002], ttl: 5)
    let resolver = try Fixture(hosts: ["speech.test"], server: server)
    for _ in 0..<3 {
      guard case .waiting = resolver.look(up: 0) else {
        Issue.record("the answer cannot be here yet")
        return
      }
    }
    resolver.run { $0.resolver.takeFinished() == 0 }
    #expect(Set(resolver.addresses(of: 0).map(\.ipv4)) == [0x7f00_0001, 0x7f00_0002])
    #expect(resolver.addresses(of: 0).allSatisfy { $0.port == 4242 })
    let asked = server.questions
    let answered = resolver.time
    resolver.time = answered + .milliseconds(4999)
    guard case .addresses = resolver.look(up: 0) else {
      Issue.record("the answer still holds")
      return
    }
    #expect(server.questions == asked)
    resolver.time = answered + .seconds(5)
    guard case .waiting = resolver.look(up: 0) else {
      Issue.record("the answer has expired")
      return
    }
    resolver.run { $0.resolver.takeFinished() == 0 }
    #expect(server.questions > asked)
  }

  @Test func `the address that worked is tried first next time`() throws {
    let server = try NameServer(addresses: [0x7f00_0001, 0x7f00_0002, 0x7f00_0003], ttl: 60)
    let resolver = try Fixture(hosts: ["speech.test"], server: server)
    _ = resolver.look(up: 0)
    resolver.run { $0.resolver.takeFinished() == 0 }
    let last = try #require(resolver.addresses(of: 0).last)
    resolver.resolver.worked(last, for: 0)
    #expect(resolver.addresses(of: 0).first == last)
    #expect(resolver.addresses(of: 0).count == 3)
  }

  @Test func `a name that does not exist is not found`() throws {
    let server = try NameServer(addresses: [], ttl: 60)
    let resolver = try Fixture(hosts: ["nowhere.test"], server: server)
    _ = resolver.look(up: 0)
    resolver.run { $0.resolver.takeFinished() == 0 }
    guard case .failed(.nameNotFound) = resolver.look(up: 0) else {
      Issue.record("the server said that there is no such name")
      return
    }
  }

  @Test func `a refused server port fails instead of spinning`() throws {
    let server = try NameServer(addresses: [], ttl: 60)
    server.stop()
    let resolver = try Fixture(hosts: ["speech.test"], server: server)
    _ = resolver.look(up: 0)
    resolver.run { $0.resolver.takeFinished() == 0 }
    guard case .failed(.nameTimedOut) = resolver.look(up: 0) else {
      Issue.record("nobody answered")
      return
    }
    #expect(resolver.turns < 5000)
  }

  @Test func `old addresses serve while the servers are away`() throws {
    let server = try NameServer(addresses: [0x7f00_0001], ttl: 1)
    let resolver = try Fixture(hosts: ["speech.test"], server: server)
    _ = resolver.look(up: 0)
    resolver.run { $0.resolver.takeFinished() == 0 }
    server.stop()
    resolver.time = resolver.time + .seconds(2)
    _ = resolver.look(up: 0)
    resolver.run { $0.resolver.takeFinished() == 0 }
    guard case .addresses = resolver.look(up: 0) else {
      Issue.record("the old address is better than none")
      return
    }
    #expect(resolver.addresses(of: 0).first?.ipv4 == 0x7f00_0001)
  }

  /// A resolver with a loop.
  final class Fixture {
    let poller: Poller
    let resolver: Resolver
    /// The resolver's clock: it goes while the loop turns, and where a test sets it.
    var time = Clock.now
    var turns = 0
    private let count: Int

    init(hosts: [String], server: NameServer?) throws {
      poller = try Poller()
      let upstreams = hosts.map { host in
        var upstream = Config.Upstream()
        upstream.endpoint.host = host
        upstream.endpoint.port = 4242
        return upstream
      }
      count = upstreams.count
      resolver = Resolver(
        upstreams: upstreams, poller: poller, nameServers: server?.name ?? "127.0.0.1:9")
    }

    deinit { resolver.close() }

    func look(up upstream: Int) -> Resolver.Answer {
      resolver.look(up: upstream, at: time)
    }

    func addresses(of upstream: Int) -> [Address] {
      var all: [Address] = []
      while let address = resolver.address(all.count, of: upstream) { all.append(address) }
      return all
    }

    /// Turns until `isDone`.
    func run(until isDone: (Fixture) -> Bool) {
      let begin = Clock.now
      let ahead = time - begin
      let limit = begin + .seconds(patienceSeconds)
      while !isDone(self) {
        turns += 1
        guard Clock.now < limit else {
          Issue.record("nothing came of the question")
          return
        }
        guard case .done(let count) = poller.wait(atMost: .milliseconds(5)) else { continue }
        time = Clock.now + ahead
        for place in 0..<count {
          let (source, ready) = poller[place]
          guard case .resolver(let descriptor) = source.kind else { continue }
          resolver.descriptorIsReady(descriptor, ready, at: time)
        }
        resolver.advance(at: time)
      }
    }
  }
}
