// Slots and their names: a name that has outlived its owner must reach nobody.

import Testing

@testable import Sidetone

struct SlabTests {
  @Test func `a name that outlived its owner reaches nobody`() throws {
    let slab = Slab(capacity: 2, repeating: 0)
    defer { slab.deallocate() }
    let first = try #require(slab.take())
    slab[first.index] = 7
    slab.release(first)
    #expect(!slab.holds(first))
    let second = try #require(slab.take())
    #expect(second.index == first.index)
    #expect(second != first)
    #expect(slab.holds(second) && !slab.holds(first))
  }

  @Test func `full is an answer, and what comes home can be taken again`() {
    let slab = Slab(capacity: 3, repeating: 0)
    defer { slab.deallocate() }
    let taken = (0..<3).compactMap { _ in slab.take() }
    #expect(taken.map(\.index) == [0, 1, 2])
    #expect(slab.isFull && slab.take() == nil)
    slab.release(taken[1])
    #expect(slab.inUse == 2 && !slab.isInUse(1))
    #expect(slab.take()?.index == 1)
  }

  @Test func `no made-up name is held`() {
    let slab = Slab(capacity: 4, repeating: 0)
    defer { slab.deallocate() }
    _ = slab.take()
    #expect(!slab.holds(.none))
    #expect(!slab.holds(SlotID(index: 0, generation: 3)))
    #expect(!slab.holds(SlotID(index: 1, generation: 0)))
    #expect(!slab.holds(SlotID(index: 4, generation: 1)))
  }

  @Test(arguments: 1...20)
  func `the books agree with a set, whatever is taken and released`(seed: UInt64) {
    var dice = SeededRandom(seed: seed)
    let slab = Slab(capacity: 16, repeating: SlotID.none)
    defer { slab.deallocate() }
    var live: Set<SlotID> = []
    var dead: [SlotID] = []
    for _ in 0..<500 {
      if Bool.random(using: &dice), let id = slab.take() {
        #expect(live.insert(id).inserted && !dead.contains(id))
        slab[id.index] = id
      } else if let id = live.randomElement(using: &dice) {
        slab.release(id)
        live.remove(id)
        dead.append(id)
      }
      #expect(slab.inUse == live.count)
      #expect(
        live.allSatisfy { slab.holds($0) && slab[$0.index] == $0 && slab.id(at: $0.index) == $0 })
    }
    #expect(!dead.contains { slab.holds($0) })
  }
}
