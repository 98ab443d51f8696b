// The events of late lie whole and in order for as long as they are there, whatever their lengths.

import TestSupport
import Testing

@testable import Sidetone

struct RecentEventsTests {
  @Test(arguments: [1, 2, 3]) func `what is kept lies as it was written, the oldest leave first`(
    seed: UInt64
  ) {
    var random = SeededRandom(seed: seed)
    var recent = RecentEvents(Limits())
    defer { recent.deallocate() }
    var kept: [[UInt8]] = []
    for number in 1...5_000 {
      let longest = number % 1_000 < 500 ? 200 : Limits.eventBytesMax
      let count = Int.random(in: 0...longest, using: &random)
      var room = recent.room()
      while room == nil {
        recent.dropOldest()
        kept.removeFirst()
        room = recent.room()
      }
      let text = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ number) }
      text.withBytes { room?.copy($0) }
      #expect(room?.count == Limits.eventBytesMax)
      recent.keep("kind", of: Name(), bytes: count)
      kept.append(text)
      #expect(recent.last == number && recent.oldest == number - kept.count + 1)
      guard number % 37 == 0 else { continue }
      for (place, text) in kept.enumerated() {
        let row = recent[recent.oldest + place]
        #expect(recent.text(of: row).array == text)
      }
    }
    // Most of the page is in use, whatever the lengths.
    #expect(kept.count > 12)
  }
}
