// The account of those who have proven nothing, against a plain model of it.

import Testing

@testable import Sidetone

struct GuestsTests {
  private struct Model {
    struct Guest {
      let link: Int
      var kind: Guests.Kind
      let address: Address
      var since: Instant
    }
    var guests: [Guest] = []

    func inTheWay(
      of address: Address, _ asOperator: Bool, _ limits: Limits, at now: Instant
    ) -> Int? {
      func first(of guests: [Guest]) -> Int {
        let silent = guests.first { $0.kind == .silent }
        let other = guests.first { $0.kind != .silent }
        guard let silent, let other else { return guests[0].link }
        let silentCount = guests.count { $0.kind == .silent }
        let gives = now - silent.since >= Guests.momentsSilence || 2 * silentCount > guests.count
        return gives ? silent.link : other.link
      }
      let operators = guests.filter { $0.kind == .operators }
      if asOperator {
        return operators.count < limits.operatorLinksMax ? nil : operators[0].link
      }
      let strangers = guests.filter { $0.kind != .operators }
      let own = strangers.filter { $0.address.counted == address.counted }
      if own.count >= limits.unprovenPerAddress { return first(of: own) }
      guard strangers.count >= limits.otherLinksMax else { return nil }
      let sockets = strangers.filter { $0.kind == .socket }
      let others = strangers.filter { $0.kind != .socket }
      if sockets.count > others.count { return sockets[0].link }
      return first(of: others)
    }
  }

  /// So many come at one moment, each from the same address, and begin or not; whether the guest
  /// with link 0 still holds its place.
  private func stays(_ hasBegun: Bool, amongThoseWho begin: Bool, count: Int) -> Bool {
    let limits = Limits()
    var guests = Guests(limits, seed: 1)
    defer { guests.deallocate() }
    let address = Address(ipv4: 0xcb00_7101, port: 1)
    func come(_ link: Int, begins: Bool) {
      if let gone = guests.inTheWay(of: address, at: .zero)?.link { guests.left(gone) }
      guests.came(link, from: address, at: .zero)
      if begins { guests.spoke(link) }
    }
    if begin { for link in 1...limits.unprovenPerAddress { come(link, begins: true) } }
    come(0, begins: hasBegun)
    for link in 100..<100 + count { come(link, begins: begin) }
    return guests.isGuest(0)
  }

  @Test func `who has begun stays, however many come at once and say nothing`() {
    #expect(stays(true, amongThoseWho: false, count: 500))
  }

  @Test func `who has only just come stays, however many come at once and begin`() {
    #expect(stays(false, amongThoseWho: true, count: 500))
  }

  @Test(arguments: 0..<20)
  func `it says of every sequence what a plain list says`(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    var limits = Limits()
    limits.callsMax = 10
    limits.otherLinksMax = 24
    var guests = Guests(limits, seed: seed)
    defer { guests.deallocate() }
    var model = Model()
    var free = Array(0..<limits.linksMax)
    var now = Instant.zero
    for step in 0..<4000 {
      now = now + .milliseconds(Int.random(in: 0..<5, using: &random))
      let address = Address(
        high: Int.random(in: 0..<3, using: &random) == 0 ? 1 : 0,
        low: 0xffff_0000_0000 | UInt64.random(in: 0..<9, using: &random),
        port: UInt16.random(in: 0..<9, using: &random))
      switch Int.random(in: 0..<4, using: &random) {
      case 0, 1:
        let asOperator = Int.random(in: 0..<5, using: &random) == 0
        let gone = guests.inTheWay(of: address, asOperator: asOperator, at: now)?.link
        #expect(gone == model.inTheWay(of: address, asOperator, limits, at: now))
        if let gone {
          guests.left(gone)
          model.guests.removeAll { $0.link == gone }
          free.append(gone)
        }
        let link = free.remove(at: Int.random(in: 0..<free.count, using: &random))
        guests.came(link, from: address, asOperator: asOperator, at: now)
        model.guests.append(
          Model.Guest(
            link: link, kind: asOperator ? .operators : .silent, address: address, since: now))
      case 2:
        guard let index = model.guests.indices.randomElement(using: &random) else { continue }
        let guest = model.guests.remove(at: index)
        guests.left(guest.link)
        free.append(guest.link)
      default:
        let rows = model.guests.indices.filter {
          model.guests[$0].kind == .silent || model.guests[$0].kind == .connection
        }
        guard let index = rows.randomElement(using: &random) else { continue }
        // It is the youngest of its new kind.
        var guest = model.guests.remove(at: index)
        if guest.kind == .silent, Bool.random(using: &random) {
          guests.spoke(guest.link)
          guest.kind = .connection
        } else {
          guests.becameSocket(guest.link, owesToken: true, at: now)
          guest.kind = .socket
          guest.since = now
        }
        model.guests.append(guest)
      }
      #expect(guests.count == model.guests.count { $0.kind != .operators }, "step \(step)")
    }
    for guest in model.guests { guests.left(guest.link) }
    #expect(guests.count == 0 && guests.oldestSocket == nil)
  }
}
