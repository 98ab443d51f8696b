// What the agent says, stretch by stretch, and how much of each was heard: the one truth that
// barge-in, truncation and transcript are made from.
//
//     start                             start + length            the next one's start
//   ────┴──────────────────────────────────┴──────────────────────────┴──── samples of the call
//                   ▲ heard: here falls an interruption
//
// 1. A stretch begins behind everything that was said before it, and grows with each piece. An item
//    is one stretch, or several where others came between: each knows how much came before it.
// 2. Heard is never more than received: the silence that fills up a last piece belongs to nobody.
// 3. An item carries its own odd byte, until the other half of that sample comes.
// 4. From the first piece for which there is no room the rest of an item is dropped.
// 5. Of what was cut off nothing more is heard; it keeps its place until the model was told.

package struct Utterance: BitwiseCopyable, Sendable {
  /// The item's name at the upstream; empty where it has none.
  package var item = Name()
  /// The first byte of a sample of which the second has not come.
  var odd: UInt8?
  /// All of it has come.
  package var isComplete = false
  var room = Room.enough
  /// A caller who speaks does not end it.
  var isUninterrupted = false
  /// Where it begins, in samples of what the caller is sent.
  package var start = 0
  /// What has come of it, in samples of what the caller is sent, and in bytes as it came.
  package var length = 0
  package var received = 0
  /// What came of the item in earlier stretches, likewise; of one that was cut off, what was heard.
  package var lengthBefore = 0
  package var receivedBefore = 0
  /// What had no room, in bytes as it came.
  package var dropped = 0

  enum Room: BitwiseCopyable {
    case enough
    /// The rest had none, and the model has not been told yet, or has.
    case missing, missingTold
  }

  package init() {}

  /// So many bytes more have come of it.
  @inline(__always)
  fileprivate mutating func grow(by bytes: Int, odd: UInt8?, from says: Format, to reply: Format) {
    received &+= bytes
    length = received / says.bytesPerFrame &* reply.rate / says.rate
    self.odd = odd
    isComplete = false
  }

  /// It is played from a file: nothing of it comes from a model.
  var isRecorded: Bool { length > 0 && received == 0 }

  /// How much of it was heard, in its own samples.
  package func heard(at position: Int) -> Int { min(max(0, position &- start), length) }
}

/// Those that are not yet heard to their end, oldest first, behind those of which the model has
/// still to be told. The latest, of which nearly every piece is, lies in the call; the others where
/// only calls that talk have memory (Lent). Without that there is no place for any.
///
/// What only reads them is `mutating` as well, so that the latest is read where it lies: it is
/// copied whole otherwise.
package struct Utterances: BitwiseCopyable, Sendable {
  package static let capacity = 20
  /// A few more than may be said, so that what has no place can be told.
  private static let slotsMax = 24

  package struct Memory: BitwiseCopyable, Sendable {
    /// Those to be told; then all but the latest of those that are said.
    fileprivate var slots = InlineArray<24, Utterance>(repeating: Utterance())
    /// The items that were heard to their end, or of which the model was told, latest of all.
    fileprivate var done = InlineArray<8, Name>(repeating: Name())
    /// Items, by their hashes, of which the model was told that nobody heard any: that stays so,
    /// whatever more comes of them.
    fileprivate var forgotten = InlineArray<32, UInt64>(repeating: 0)
    /// The latest thing that was recorded, as far as it is still to come.
    fileprivate var recorded = LentBytes()
  }

  private let memory: Lent<Memory>
  private var latest = Utterance()
  private var cutOff = 0
  package private(set) var count = 0
  private var doneCount = 0
  private var forgottenCount = 0

  init() { memory = Lent() }
  package init(in memory: Bytes) { self.memory = Lent(Memory(), in: memory) }

  var recorded: LentBytes {
    get { memory.value.recorded }
    nonmutating set { memory.value.recorded = newValue }
  }

  package subscript(index: Int) -> Utterance {
    mutating get {
      precondition(index < count)
      return index == last ? latest : memory.value.slots[cutOff &+ index]
    }
    set {
      precondition(index < count)
      if index == last { latest = newValue } else { memory.value.slots[cutOff &+ index] = newValue }
    }
  }

  package var last: Int { @inline(__always) get { count &- 1 } }
  /// How many of those that are said are not the latest.
  private var earlier: Int { max(0, count &- 1) }
  private var isFull: Bool {
    count == Self.capacity || cutOff &+ count >= Self.slotsMax || !memory.isThere
  }

  /// So many bytes have come of an item, which talks in one format to a caller who hears another.
  @_noAllocation mutating func grow(
    _ index: Int, by bytes: Int, odd: UInt8?, from says: Format, to reply: Format
  ) {
    precondition(index < count)
    if index == last {
      latest.grow(by: bytes, odd: odd, from: says, to: reply)
    } else {
      memory.value.slots[cutOff &+ index].grow(by: bytes, odd: odd, from: says, to: reply)
    }
  }

  @inline(__always) mutating func odd(of index: Int) -> UInt8? {
    precondition(index < count)
    return index == last ? latest.odd : memory.value.slots[cutOff &+ index].odd
  }

  /// Whether anything of this stretch has come to be heard: words may begin it.
  @inline(__always) mutating func hasSound(_ index: Int) -> Bool {
    precondition(index < count)
    return (index == last ? latest.received : memory.value.slots[cutOff &+ index].received) > 0
  }

  /// Whether more of it can be taken.
  @inline(__always) mutating func hasRoom(_ index: Int) -> Bool {
    precondition(index < count)
    return (index == last ? latest.room : memory.value.slots[cutOff &+ index].room) == .enough
  }

  /// A piece of it had no room. True: the first one.
  mutating func drop(_ bytes: Int, of index: Int) -> Bool {
    let isFirst = hasRoom(index)
    self[index].dropped &+= bytes
    if isFirst { self[index].room = .missing }
    return isFirst
  }

  /// All of it has come; true: and the model has to be told that there was no room for its rest.
  mutating func complete(_ index: Int) -> Bool {
    self[index].isComplete = true
    guard case .missing = self[index].room else { return false }
    self[index].room = .missingTold
    return !goesOn(index)
  }

  /// An item that is played from a file: so long, and whole.
  mutating func wasRecorded(_ index: Int, length: Int, isUninterrupted: Bool) {
    self[index].length = length
    self[index].isUninterrupted = isUninterrupted
    self[index].isComplete = true
  }

  /// Their upstream is gone: nobody can be told of them by name.
  mutating func forgetNames() {
    while nextTold() != nil {}
    for index in 0..<count { self[index].item = Name() }
  }

  /// The place of this item, where it was the last to speak, or that of its latest stretch, where
  /// there is room for no other; nil where another stretch begins.
  @inline(__always) package mutating func index(of item: Bytes) -> Int? {
    guard count > 0 else { return nil }
    if latest.item.equals(item) {
      return !item.isEmpty || !latest.isComplete ? count &- 1 : nil
    }
    return isFull ? latest(of: item) : nil
  }

  /// Its latest stretch, whoever has spoken since.
  mutating func latest(of item: Bytes) -> Int? {
    var index = count
    while index > 0 {
      index &-= 1
      let utterance = self[index]
      if utterance.item.equals(item), !item.isEmpty || !utterance.isComplete { return index }
    }
    return nil
  }

  /// Begins a stretch at this position; nil where there is no place for it, or its item's name is
  /// too long.
  package mutating func begin(_ item: Bytes, at position: Int) -> Int? {
    guard !isFull, let name = Name(item) else { return nil }
    var utterance = Utterance()
    utterance.item = name
    utterance.start = position
    if !item.isEmpty, let before = latest(of: item) {
      utterance.lengthBefore = self[before].lengthBefore &+ self[before].length
      utterance.receivedBefore = self[before].receivedBefore &+ self[before].received
      utterance.odd = self[before].odd
      utterance.room = self[before].room
      self[before].odd = nil
    }
    if count > 0 { memory.value.slots[cutOff &+ last] = latest }
    count &+= 1
    latest = utterance
    return last
  }

  /// The next stretch of the same item, if there is one.
  private mutating func next(of index: Int) -> Int? {
    guard !self[index].item.isEmpty else { return nil }
    for other in index &+ 1..<max(count, index &+ 1) where self[other].item == self[index].item {
      return other
    }
    return nil
  }

  private mutating func goesOn(_ index: Int) -> Bool { next(of: index) != nil }

  /// Takes the oldest out.
  package mutating func removeFirst() -> Utterance {
    let first = self[0]
    count &-= 1
    for index in cutOff..<cutOff &+ earlier {
      memory.value.slots[index] = memory.value.slots[index &+ 1]
    }
    isDone(with: first.item)
    return first
  }

  /// The oldest is cut off, and so much of its item was heard: true, where another stretch of the
  /// item follows, which knows it from now on.
  mutating func handOn(heard: Int) -> Bool {
    guard let next = next(of: 0) else { return false }
    self[next].lengthBefore = heard
    return true
  }

  /// The oldest, that was taken out, is the only one again.
  mutating func putBack(_ utterance: Utterance) {
    precondition(count == 0)
    count = 1
    latest = utterance
  }

  // MARK: What the model is told

  /// Whether nothing more has to be done about this item, as far as is remembered.
  mutating func isDone(_ item: Bytes) -> Bool {
    for index in 0..<min(doneCount, 8) where memory.value.done[index].equals(item) { return true }
    return false
  }

  /// Whether the model was told that nobody heard any of this item.
  mutating func isForgotten(_ item: Bytes) -> Bool {
    guard forgottenCount > 0, let hash = Name(item)?.hash else { return false }
    for index in 0..<min(forgottenCount, 32) where memory.value.forgotten[index] == hash {
      return true
    }
    return false
  }

  private mutating func isDone(with item: Name) {
    guard !item.isEmpty else { return }
    memory.value.done[doneCount & 7] = item
    doneCount &+= 1
  }

  /// It is to be told that so much of this item was heard. False where there is no room for that.
  mutating func tell(_ item: Name, heardMilliseconds: Int) -> Bool {
    guard !item.isEmpty, memory.isThere else { return true }
    isDone(with: item)
    if heardMilliseconds == 0 {
      memory.value.forgotten[forgottenCount & 31] = item.hash
      forgottenCount &+= 1
    }
    guard cutOff &+ count < Self.slotsMax else { return false }
    var index = cutOff &+ earlier
    while index > cutOff {
      memory.value.slots[index] = memory.value.slots[index &- 1]
      index &-= 1
    }
    memory.value.slots[cutOff].item = item
    memory.value.slots[cutOff].length = heardMilliseconds
    cutOff &+= 1
    return true
  }

  /// What it is to be told next.
  mutating func nextTold() -> (item: Name, heardMilliseconds: Int)? {
    guard cutOff > 0 else { return nil }
    let first = memory.value.slots[0]
    cutOff &-= 1
    for index in 0..<cutOff &+ earlier {
      memory.value.slots[index] = memory.value.slots[index &+ 1]
    }
    return (first.item, first.length)
  }
}
