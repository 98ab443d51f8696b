// The latest answers of a model by their names, each with a number that grows, so that what was
// said before an interruption is told from what was said after it. What only reads the names is
// `mutating` as well, so that they are read where they lie (see Utterances).

struct Responses: BitwiseCopyable {
  private var slots = InlineArray<4, Name>(repeating: Name())
  /// The number of the latest; the first is 1.
  private(set) var latest = 0
  /// Up to here they are void.
  private var voided = 0
  /// The model says when an answer begins; none begins otherwise.
  private(set) var areAnnounced = false

  @inline(__always) mutating func isLatest(_ name: Bytes) -> Bool {
    latest > 0 && slots[latest & 3].equals(name)
  }

  func isVoid(_ number: Int) -> Bool { number <= voided }

  /// Nil where it is not among the latest.
  mutating func number(of name: Bytes) -> Int? {
    var number = latest
    while number > 0, number > latest &- 4 {
      if slots[number & 3].equals(name) { return number }
      number &-= 1
    }
    return nil
  }

  mutating func begin(_ name: Bytes) {
    latest &+= 1
    slots[latest & 3] = Name(name) ?? Name()
  }

  mutating func announce(_ name: Bytes) {
    areAnnounced = true
    begin(name)
  }

  mutating func voidAll() { voided = latest }
}
