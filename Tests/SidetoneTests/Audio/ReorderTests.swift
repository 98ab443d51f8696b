// Numbered pieces that overtake each other, come twice, are lost, or are numbered by nonsense.

import Testing

@testable import Sidetone

struct ReorderTests {
  /// A call's owner: takes pieces as the relay does and notes what would be heard. A piece is its
  /// number; a lost one is -1.
  private struct Ear {
    var reorder = Reorder()
    var heard: [Int] = []
    var late = 0
    let block = kept(count: BlockPool.blockBytes)

    mutating func hear(_ order: Int, size: Int = 160, as name: Int? = nil) {
      let piece = kept(count: size)
      if size >= 8 { piece.store(name ?? order, at: 0) }
      var verdict = reorder.take(piece, order: order, in: block)
      var rounds = 0
      while case .gap(let missing) = verdict {
        lose(missing)
        verdict = reorder.take(piece, order: order, in: block)
        rounds += 1
        #expect(rounds <= 8)
      }
      switch verdict {
      case .pass:
        note(piece)
        drain()
      case .late: late += 1
      case .held, .gap: break
      }
      #expect(reorder.waiting <= Reorder.window)
    }

    mutating func hear(_ orders: [Int]) { for order in orders { hear(order) } }

    mutating func timeout() {
      while reorder.waiting > 0 { lose(reorder.giveUp()) }
      #expect(reorder.giveUp() == 0)
    }

    private mutating func lose(_ missing: Int) {
      heard += Array(repeating: -1, count: missing)
      drain()
    }

    private mutating func drain() { while let piece = reorder.next(in: block) { note(piece) } }

    private mutating func note(_ piece: Bytes) {
      heard.append(piece.count >= 8 ? piece.load(Int.self, at: 0) : 0)
    }
  }

  private func heard(_ orders: [Int]) -> [Int] {
    var ear = Ear()
    ear.hear(orders)
    return ear.heard
  }

  @Test func `what comes in order passes at once, wherever the numbers begin`() {
    #expect(heard([1, 2, 3, 4]) == [1, 2, 3, 4])
    #expect(heard([700, 701, 702]) == [700, 701, 702])
    #expect(heard([0, 1]) == [0, 1])
  }

  @Test func `every order of four pieces in a window of three is put right`() {
    for a in 2...5 {
      for b in 2...5 where b != a {
        for c in 2...5 where ![a, b].contains(c) {
          let d = 14 - a - b - c
          #expect(heard([1, a, b, c, d, 6, 7]) == Array(1...7), "\([a, b, c, d])")
        }
      }
    }
  }

  @Test func `a repeated piece counts once, whether it was held or heard`() {
    var ear = Ear()
    ear.hear([1, 1, 2, 4, 4, 3, 3, 4, 5])
    #expect(ear.heard == [1, 2, 3, 4, 5] && ear.late == 4)
  }

  @Test func `a lost piece is waited for as far as the window, then silence stands in for it`() {
    #expect(heard([1, 3, 4, 5]) == [1])
    #expect(heard([1, 3, 4, 5, 6]) == [1, -1, 3, 4, 5, 6])
    #expect(heard([1, 3, 5, 7, 9]) == [1, -1, 3, -1, 5])
    #expect(heard([1, 12, 13, 14, 11]) == [1] + Array(repeating: -1, count: 9) + [11, 12, 13, 14])
    #expect(heard([1, 12, 11, 10, 9]) == [1] + Array(repeating: -1, count: 7) + [9, 10, 11, 12])
  }

  @Test func `time gives up what is missing; what comes for it then is late`() {
    var ear = Ear()
    ear.hear([1, 3, 5])
    ear.timeout()
    #expect(ear.heard == [1, -1, 3, -1, 5])
    ear.hear([2, 4, 6])
    #expect(ear.heard == [1, -1, 3, -1, 5, 6] && ear.late == 2)
  }

  @Test(arguments: [
    [100, 101, 1, 2, 3], [1, 2, 1_000_000, 1_000_001], [5, Int.max, 1, 2],
    [Int.max - 1, Int.max, 0, 1], [60, 0, 60, 0], [1, Int.max, Int.max, 7],
  ])
  func `numbers that leap, begin anew or are absurd are where the stream goes on`(orders: [Int]) {
    var ear = Ear()
    ear.hear(orders)
    #expect(ear.heard.count + ear.late == orders.count)
    #expect(!ear.heard.contains(-1))
    #expect(ear.heard.last == orders.last)
  }

  @Test func `a leap lets out what was held before it`() {
    #expect(heard([1, 3, 500, 501]) == [1, -1, 3, 500, 501])
    #expect(heard([100, 103, 1, 2]) == [100, -1, -1, 103, 1, 2])
  }

  @Test func `pieces without a number pass; a piece too long to be held waits for nobody`() {
    #expect(heard([-1, 3, -1, 4]) == [-1, 3, -1, 4])
    var ear = Ear()
    ear.hear([1, 3])
    ear.hear(4, size: 641)
    #expect(ear.heard == [1, -1, 3, 4])
    ear.hear(6, size: 2000)
    #expect(ear.heard == [1, -1, 3, 4, -1, 6])
    ear.hear(6, size: 2000)
    #expect(ear.late == 1)
  }

  @Test func `what is held keeps its bytes and its length, up to the longest`() {
    var reorder = Reorder()
    let block = kept(count: BlockPool.blockBytes)
    var random = SeededRandom(seed: 3)
    let pieces = (0..<4).map { kept(random.bytes([160, 0, 7, 640][$0])) }
    #expect(reorder.take(.empty, order: 9, in: block) == .pass)
    for place in [3, 1, 2] {
      #expect(reorder.take(pieces[place], order: 10 + place, in: block) == .held)
    }
    #expect(reorder.take(pieces[0], order: 10, in: block) == .pass)
    #expect(reorder.pieceBytes == 160)
    for place in 1...3 { #expect(reorder.next(in: block)?.array == pieces[place].array) }
    #expect(reorder.next(in: block) == nil)
  }

  @Test func `whatever numbers come, pieces are heard in order, once, and none is kept for ever`() {
    for seed in 0..<300 {
      var random = SeededRandom(seed: UInt64(seed))
      var ear = Ear()
      var number = Int.random(in: 0...9, using: &random)
      for name in 0..<200 {
        switch Int.random(in: 0..<12, using: &random) {
        case 0: number &+= Int.random(in: -4...4, using: &random)
        case 1: number = Int.random(in: 0...200, using: &random)
        case 2: number = seed % 7 == 0 ? Int.max : number &+ 3
        case 3: ear.timeout()
        default: number = number == Int.max ? 0 : number + 1
        }
        ear.hear(max(number, 0), size: name % 20 == 0 ? 700 : 160, as: name)
      }
      ear.timeout()
      let names = ear.heard.filter { $0 >= 0 }
      #expect(Set(names).count == names.count && names.count + ear.late == 200, "seed \(seed)")
      #expect(ear.heard.count < 200 * 60)
    }
  }
}
