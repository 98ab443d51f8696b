// The ring of small values, against an array.

import Testing

@testable import Sidetone

struct RingTests {
  @Test("What goes in first comes out first, round the end and back", arguments: 1...10)
  func order(seed: UInt64) {
    var dice = SeededRandom(seed: seed)
    var ring = Ring(capacity: 5, repeating: 0)
    defer { ring.deallocate() }
    var model: [Int] = []
    for value in 0..<1000 {
      if !ring.isFull, Bool.random(using: &dice) {
        ring.append(value)
        model.append(value)
      } else if !ring.isEmpty {
        #expect(ring.removeFirst() == model.removeFirst())
      }
      #expect(ring.first == model.first && ring.count == model.count)
      #expect(ring.isFull == (model.count == 5) && ring.isEmpty == model.isEmpty)
    }
  }
}
