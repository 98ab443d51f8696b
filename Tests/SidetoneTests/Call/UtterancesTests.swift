// The few items that are not yet heard to their end: which is which, and which are void.

import Testing

@testable import Sidetone

struct UtterancesTests {
  private func begin(_ utterances: inout Utterances, _ name: String, at position: Int = 0) -> Int? {
    utterances.begin(kept(name), at: position)
  }

  @Test func `items stay in the order in which they began`() {
    var utterances = Utterances()
    for (index, name) in ["a", "b", "c"].enumerated() {
      let place = begin(&utterances, name, at: 100 * index)
      #expect(place == index)
    }
    #expect(utterances.index(of: kept("b")) == 1 && utterances.last == 2)
    let first = utterances.removeFirst()
    #expect(first.item.equals(kept("a")))
    #expect(utterances.index(of: kept("b")) == 0 && utterances.index(of: kept("a")) == nil)
    #expect(utterances[1].start == 200)
  }

  @Test func `there is place for four, and for another when one has gone`() {
    var utterances = Utterances()
    let places = ["a", "b", "c", "d", "e"].map { begin(&utterances, $0) }
    #expect(places == [0, 1, 2, 3, nil])
    _ = utterances.removeFirst()
    let place = begin(&utterances, "e")
    #expect(place == 3)
  }

  @Test func `a name that is too long begins nothing`() {
    var utterances = Utterances()
    let long = String(repeating: "x", count: Name.bytesMax + 1)
    let place = begin(&utterances, long)
    #expect(place == nil && utterances.count == 0)
  }

  @Test func `what has no name goes to the item without one that is not complete`() {
    var utterances = Utterances()
    #expect(utterances.index(of: .empty) == nil)
    let first = begin(&utterances, "")
    #expect(first == 0 && utterances.index(of: .empty) == 0)
    utterances[0].isComplete = true
    #expect(utterances.index(of: .empty) == nil)
    let second = begin(&utterances, "", at: 500)
    #expect(second == 1 && utterances.index(of: .empty) == 1)
  }

  @Test func `the last four that were interrupted are void, and nothing without a name is`() {
    var utterances = Utterances()
    for name in ["a", "b", "c", "d", "e"] { utterances.void(Name(kept(name))!) }
    #expect(!utterances.isVoid(kept("a")))
    for name in ["b", "c", "d", "e"] { #expect(utterances.isVoid(kept(name))) }
    #expect(!utterances.isVoid(kept("f")) && !utterances.isVoid(.empty))
  }

  @Test func `heard is never before an item's begin and never behind its end`() {
    var utterance = Utterance()
    utterance.start = 1000
    utterance.length = 300
    #expect([0, 1000, 1001, 1300, 9999].map(utterance.heard) == [0, 0, 1, 300, 300])
  }
}
