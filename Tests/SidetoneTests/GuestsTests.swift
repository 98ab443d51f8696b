// The account of those who have proven nothing, against a plain model of it.

import Testing

@testable import Sidetone

struct GuestsTests {
  private struct Model {
    var guests: [(link: Int, kind: Guests.Kind, address: Address)] = []

    func inTheWay(of address: Address, _ asOperator: Bool, _ limits: Limits) -> Int? {
      let operators = guests.filter { $0.kind == .operators }
      if asOperator {
        return operators.count < limits.operatorLinksMax ? nil : operators[0].link
      }
      let strangers = guests.filter { $0.kind != .operators }
      let own = strangers.filter { $0.address.counted == address.counted }
      if own.count >= limits.unprovenPerAddress {
        return (own.first { $0.kind == .silent } ?? own[0]).link
      }
      guard strangers.count >= limits.otherLinksMax else { return nil }
      let sockets = strangers.filter { $0.kind == .socket }
      let others = strangers.filter { $0.kind != .socket }
      if sockets.count > others.count { return sockets[0].link }
      return (others.first { $0.kind == .silent } ?? others[0]).link
    }
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
    for step in 0..<4000 {
      let address = Address(
        high: Int.random(in: 0..<3, using: &random) == 0 ? 1 : 0,
        low: 0xffff_0000_0000 | UInt64.random(in: 0..<9, using: &random),
        port: UInt16.random(in: 0..<9, using: &random))
      switch Int.random(in: 0..<4, using: &random) {
      case 0, 1:
        let asOperator = Int.random(in: 0..<5, using: &random) == 0
        let gone = guests.inTheWay(of: address, asOperator: asOperator)?.link
        #expect(gone == model.inTheWay(of: address, asOperator, limits))
        if let gone {
          guests.left(gone)
          model.guests.removeAll { $0.link == gone }
          free.append(gone)
        }
        let link = free.remove(at: Int.random(in: 0..<free.count, using: &random))
        guests.came(link, from: address, asOperator: asOperator, at: .zero)
        model.guests.append((link, asOperator ? .operators : .silent, address))
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
          guests.becameSocket(guest.link, owesToken: true, at: .zero)
          guest.kind = .socket
        }
        model.guests.append(guest)
      }
      #expect(guests.count == model.guests.count { $0.kind != .operators }, "step \(step)")
    }
    for guest in model.guests { guests.left(guest.link) }
    #expect(guests.count == 0 && guests.oldestSocket == nil)
  }
}
