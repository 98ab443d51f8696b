// What the agent says, item by item, and how much of each was heard: the one truth that barge-in,
// truncation and transcript are made from.
//
//     start                             start + length            the next one's start
//   ────┴──────────────────────────────────┴──────────────────────────┴──── samples of the call
//                   ▲ heard: here falls an interruption
//
// 1. An item begins behind everything that was said before it, and grows with each piece.
// 2. Heard is never more than received: the silence that fills up a last piece belongs to nobody.
// 3. An item that was interrupted is void: pieces of it that are still under way are dropped.

package struct Utterance: BitwiseCopyable, Sendable {
  /// Its name at the upstream; empty where it has none.
  package var item = Name()
  /// Where it begins, in samples of what the caller is sent.
  package var start = 0
  /// What has come of it, in samples of what the caller is sent, and in bytes as it came.
  package var length = 0
  package var received = 0
  /// All of it has come.
  package var isComplete = false
  /// What it says, as the inside of a JSON string.
  package var words = Chain()
  package var areWordsShown = false

  package init() {}

  /// How much of it was heard, in its own samples.
  package func heard(at position: Int) -> Int { min(max(0, position &- start), length) }
}

/// The few that are not yet heard to their end, oldest first.
package struct Utterances: BitwiseCopyable, Sendable {
  package static let capacity = 4

  private var slots = InlineArray<4, Utterance>(repeating: Utterance())
  package private(set) var count = 0
  private var voided = InlineArray<4, Name>(repeating: Name())
  private var voidedCount = 0

  package init() {}

  package subscript(index: Int) -> Utterance {
    get {
      precondition(index < count)
      return slots[index]
    }
    set {
      precondition(index < count)
      slots[index] = newValue
    }
  }

  package var last: Int { count &- 1 }

  /// So many bytes have come of an item, which talks in one format to a caller who hears another.
  @_noAllocation mutating func grow(
    _ index: Int, by bytes: Int, from says: Format, to reply: Format
  ) {
    precondition(index < count)
    let received = slots[index].received &+ bytes
    slots[index].received = received
    slots[index].length = received / says.bytesPerFrame &* reply.rate / says.rate
    slots[index].isComplete = false
  }

  mutating func complete(_ index: Int) { slots[index].isComplete = true }
  mutating func wordsWereShown(_ index: Int) { slots[index].areWordsShown = true }

  /// More of what an item says, or all of it anew.
  mutating func gather(_ text: Bytes, of index: Int, isWhole: Bool, in pool: BlockPool) {
    if isWhole { slots[index].words.clear(in: pool) }
    Transcript.append(text, to: &slots[index].words, from: pool)
  }

  /// An item that is played from a file: so long, whole, and without words.
  mutating func wasRecorded(_ index: Int, length: Int) {
    slots[index].length = length
    slots[index].isComplete = true
    slots[index].areWordsShown = true
  }

  /// No more comes of any of them.
  mutating func completeAll() {
    for index in 0..<count { slots[index].isComplete = true }
  }

  /// Their upstream is gone: nobody can be told of them by name.
  mutating func forgetNames() {
    for index in 0..<count { slots[index].item = Name() }
  }

  /// Whether this item was interrupted. Items without a name are told apart by turns instead.
  @inline(__always) package func isVoid(_ item: Bytes) -> Bool {
    guard !item.isEmpty else { return false }
    for index in 0..<min(voidedCount, 4) where voided[index].equals(item) { return true }
    return false
  }

  package mutating func void(_ item: Name) {
    voided[voidedCount & 3] = item
    voidedCount &+= 1
  }

  /// The place of this item; nil where it is not among them.
  @inline(__always) package func index(of item: Bytes) -> Int? {
    var index = count
    while index > 0 {
      index &-= 1
      if slots[index].item.equals(item), !item.isEmpty || !slots[index].isComplete { return index }
    }
    return nil
  }

  /// Begins an item at this position; nil where there is no place for it, or its name is too long.
  package mutating func begin(_ item: Bytes, at position: Int) -> Int? {
    guard count < Self.capacity, let name = Name(item) else { return nil }
    slots[count] = Utterance()
    slots[count].item = name
    slots[count].start = position
    count &+= 1
    return count &- 1
  }

  /// Takes the oldest out; its words are given back by whoever has read them.
  package mutating func removeFirst() -> Utterance {
    let first = slots[0]
    for index in 1..<max(count, 1) { slots[index &- 1] = slots[index] }
    count &-= 1
    return first
  }
}
