// Chains of blocks, against an array, and the pool that they share.

import Testing

@testable import Sidetone

struct ChainTests {
  @Test func `bytes come out as they went in, over as many blocks as it takes`() {
    let pool = BlockPool(blocks: 4)
    defer { pool.deallocate() }
    var chain = Chain()
    let bytes = (0..<5000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
    #expect(bytes.withBytes { chain.append($0, from: pool) })
    #expect(pool.free == 1 && chain.count == 5000)
    #expect(drain(&chain, pool) == bytes)
    #expect(pool.free == 4)
  }

  @Test func `a dry pool refuses the whole, and leaves what was there alone`() {
    let pool = BlockPool(blocks: 2)
    defer { pool.deallocate() }
    var chain = Chain()
    #expect([UInt8](repeating: 1, count: 3000).withBytes { chain.append($0, from: pool) })
    #expect(![UInt8](repeating: 2, count: 1097).withBytes { chain.append($0, from: pool) })
    #expect([UInt8](repeating: 3, count: 1096).withBytes { chain.append($0, from: pool) })
    let none = chain.acquire(1, from: pool)
    #expect(none == nil)
    #expect(drain(&chain, pool).filter { $0 == 2 }.isEmpty)
    #expect(pool.free == 2 && pool.leastFree == 0)
  }

  @Test
  func `an acquired place is never cut in two; settling for less takes what the block has`() throws
  {
    let pool = BlockPool(blocks: 2)
    defer { pool.deallocate() }
    var chain = Chain()
    #expect([UInt8](repeating: 1, count: 2000).withBytes { chain.append($0, from: pool) })
    let short = chain.acquire(upTo: 100, from: pool)
    #expect(short?.count == 48)
    let acquired = chain.acquire(100, from: pool)
    let place = try #require(acquired)
    #expect(place.count == 100 && pool.free == 0)
    place.fill(9)
    chain.commit(60, in: pool)
    #expect(
      drain(&chain, pool) == [UInt8](repeating: 1, count: 2000) + [UInt8](repeating: 9, count: 60))
    #expect(pool.free == 2)
  }

  @Test(arguments: 1...40)
  func `a chain agrees with an array, and a cursor reads it through`(seed: UInt64) {
    var dice = SeededRandom(seed: seed)
    let pool = BlockPool(blocks: 6)
    defer { pool.deallocate() }
    var chain = Chain()
    var model: [UInt8] = []
    for _ in 0..<300 {
      let length = Int.random(in: 1...3000, using: &dice)
      switch Int.random(in: 0..<3, using: &dice) {
      case 0:
        let bytes = dice.bytes(length)
        let hasRoom = chain.hasRoom(length, in: pool)
        let isDone = bytes.withBytes { chain.append($0, from: pool) }
        #expect(isDone == hasRoom)
        if isDone { model += bytes }
      case 1:
        if let place = chain.acquire(min(length, 2048), from: pool) {
          let bytes = dice.bytes(place.count)
          bytes.withBytes { place.copy($0) }
          chain.commit(place.count, in: pool)
          model += bytes
        }
      default:
        let dropped = min(length, model.count)
        chain.drop(dropped, in: pool)
        model.removeFirst(dropped)
      }
      #expect(chain.count == model.count)
      #expect(read(chain, pool, &dice) == model)
    }
    chain.clear(in: pool)
    #expect(pool.free == 6 && chain.isEmpty)
  }

  private func read(_ chain: Chain, _ pool: BlockPool, _ dice: inout SeededRandom) -> [UInt8] {
    var cursor = chain.first()
    var bytes: [UInt8] = []
    while bytes.count < chain.count {
      let run = chain.run(at: &cursor, upTo: Int.random(in: 1...2500, using: &dice), in: pool)
      if run.isEmpty { break }
      bytes += run.array
      chain.advance(&cursor, by: run.count, in: pool)
    }
    return bytes
  }

  private func drain(_ chain: inout Chain, _ pool: BlockPool) -> [UInt8] {
    var bytes: [UInt8] = []
    while !chain.isEmpty {
      let run = chain.front(in: pool)
      bytes += run.array
      chain.drop(run.count, in: pool)
    }
    return bytes
  }
}

struct BlockPoolTests {
  @Test func `every block is another, and all come home`() {
    let pool = BlockPool(blocks: 5)
    defer { pool.deallocate() }
    let taken = (0..<5).map { _ in pool.take() }
    #expect(Set(taken) == [0, 1, 2, 3, 4])
    #expect(pool.take() == -1 && pool.free == 0)
    for block in taken { pool.give(block) }
    #expect(pool.free == 5 && pool.leastFree == 0)
  }
}
