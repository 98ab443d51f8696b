// The stretches that are not yet heard to their end: which is which, how an item goes on in
// several, and of what the model has to be told.

import Testing

@testable import Sidetone

struct UtterancesTests {
  private func begin(_ utterances: inout Utterances, _ name: String, at position: Int = 0) -> Int? {
    utterances.begin(kept(name), at: position)
  }

  /// 16-bit samples at 8 kHz, both ways.
  private func grow(_ utterances: inout Utterances, _ index: Int, by bytes: Int) {
    let format = Format(codec: .linear16, rate: 8000)
    utterances.grow(index, by: bytes, odd: nil, from: format, to: format)
  }

  @Test func `items stay in the order in which they began`() {
    var utterances = Utterances(in: kept(count: Limits.conversationBytes))
    for (index, name) in ["a", "b", "c"].enumerated() {
      let place = begin(&utterances, name, at: 100 * index)
      #expect(place == index)
    }
    let latestB = utterances.latest(of: kept("b"))
    #expect(latestB == 1 && utterances.last == 2)
    let first = utterances.removeFirst()
    let isDone = utterances.isDone(kept("a"))
    #expect(first.item.equals(kept("a")) && isDone)
    let latestOfB = utterances.latest(of: kept("b"))
    let latestOfA = utterances.latest(of: kept("a"))
    #expect(latestOfB == 0 && latestOfA == nil)
    #expect(utterances[1].start == 200)
  }

  @Test func `there is place for thirty-two, and for another when one has gone`() {
    var utterances = Utterances(in: kept(count: Limits.conversationBytes))
    for index in 0..<Utterances.capacity {
      let place = begin(&utterances, "i\(index)")
      #expect(place == index)
    }
    let none = begin(&utterances, "another")
    _ = utterances.removeFirst()
    let place = begin(&utterances, "another")
    #expect(none == nil && place == Utterances.capacity - 1)
  }

  @Test func `a name that is too long begins nothing`() {
    var utterances = Utterances(in: kept(count: Limits.conversationBytes))
    let long = String(repeating: "x", count: Name.bytesMax + 1)
    let place = begin(&utterances, long)
    #expect(place == nil && utterances.count == 0)
  }

  @Test func `what has no name goes to the item without one that is not complete`() {
    var utterances = Utterances(in: kept(count: Limits.conversationBytes))
    let atFirst = utterances.index(of: .empty)
    #expect(atFirst == nil)
    let first = begin(&utterances, "")
    let whileItGoesOn = utterances.index(of: .empty)
    #expect(first == 0 && whileItGoesOn == 0)
    _ = utterances.complete(0)
    let onceWhole = utterances.index(of: .empty)
    #expect(onceWhole == nil)
    let second = begin(&utterances, "", at: 500)
    let ofTheNext = utterances.index(of: .empty)
    #expect(second == 1 && ofTheNext == 1)
  }

  @Test func `an item that goes on behind another is a stretch that knows the one before`() {
    var utterances = Utterances(in: kept(count: Limits.conversationBytes))
    _ = begin(&utterances, "a")
    grow(&utterances, 0, by: 800)
    _ = begin(&utterances, "b", at: 400)
    grow(&utterances, 1, by: 200)
    let behindAnother = utterances.index(of: kept("a"))
    #expect(behindAnother == nil)
    let place = begin(&utterances, "a", at: 500)
    #expect(place == 2 && utterances[2].lengthBefore == 400 && utterances[2].receivedBefore == 800)
    // So much of the first was heard: the last of them is told.
    let isHandedOn = utterances.handOn(heard: 123)
    #expect(isHandedOn && utterances[2].lengthBefore == 123)
    _ = utterances.removeFirst()
    let goesOn = utterances.handOn(heard: 5)
    #expect(!goesOn)
  }

  @Test func `the rest of an item for which there is no room has none, and is told once`() {
    var utterances = Utterances(in: kept(count: Limits.conversationBytes))
    _ = begin(&utterances, "a")
    let isFirst = utterances.drop(10, of: 0)
    let isSecond = utterances.drop(10, of: 0)
    let hasRoom = utterances.hasRoom(0)
    #expect(isFirst && !isSecond && !hasRoom && utterances[0].dropped == 20)
    _ = begin(&utterances, "b")
    _ = begin(&utterances, "a")
    let hasMore = utterances.hasRoom(2)
    #expect(!hasMore)
    // Another stretch follows, which tells for both.
    let told = (0..<3).map { utterances.complete($0) }
    #expect(told == [false, false, true])
    let again = utterances.complete(2)
    #expect(!again)
  }

  @Test func `what is to be told waits in its order, and takes nothing from what is said`() {
    var utterances = Utterances(in: kept(count: Limits.conversationBytes))
    _ = begin(&utterances, "c")
    for (name, heard) in [("a", 100), ("b", 0)] {
      let isTold = utterances.tell(Name(kept(name))!, heardMilliseconds: heard)
      #expect(isTold)
    }
    #expect(utterances.count == 1 && utterances[0].item.equals(kept("c")))
    _ = begin(&utterances, "d")
    let first = utterances.nextTold()
    let second = utterances.nextTold()
    let third = utterances.nextTold()
    #expect(first?.item.equals(kept("a")) == true && first?.heardMilliseconds == 100)
    #expect(second?.item.equals(kept("b")) == true && third == nil)
    #expect(utterances.count == 2 && utterances[1].item.equals(kept("d")))
    let isFirstDone = utterances.isDone(kept("a"))
    let isOtherDone = utterances.isDone(kept("c"))
    #expect(isFirstDone && !isOtherDone)
    // Of the one nobody has heard anything, and it stays so.
    let areForgotten = ["a", "b", "c"].map { utterances.isForgotten(kept($0)) }
    #expect(areForgotten == [false, true, false])
  }

  @Test func `more than can be told is said to be lost`() {
    var utterances = Utterances(in: kept(count: Limits.conversationBytes))
    for index in 0..<Utterances.capacity { _ = begin(&utterances, "i\(index)") }
    let told = (0..<6).map { utterances.tell(Name(kept("x\($0)"))!, heardMilliseconds: 0) }
    #expect(told == [true, true, true, true, false, false])
  }

  @Test func `heard is never before an item's begin and never behind its end`() {
    var utterance = Utterance()
    utterance.start = 1000
    utterance.length = 300
    #expect([0, 1000, 1001, 1300, 9999].map(utterance.heard) == [0, 0, 1, 300, 300])
  }
}
