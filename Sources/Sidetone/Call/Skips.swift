// Every frame.
//
// What was left out of a session: its clock counts what it was sent, the call's what came.
//
//     call      ├── sent ──┤░░ left out ░░├── sent ──┤░░░░ left out ░░░░├── sent ──▶
//     session   ├── sent ──┼── sent ──┼── sent ──▶
//
// A stretch that begins where something was left out begins behind it, one that ends there ends
// before it. Only the latest few are known; those before them count as if the session had begun
// later, which is right for all that comes.

package struct Skips: BitwiseCopyable, Sendable {
  private struct Skip: BitwiseCopyable {
    /// In bytes of the call.
    var start = 0
    var length = 0
  }

  private static let capacity = 16

  private var list = InlineArray<16, Skip>(repeating: Skip())
  private var count = 0
  /// Bytes that no session was sent, in the whole call.
  package var bytes = 0
  /// So many of what was left out last are kept.
  package let lead: Int

  package init(lead: Int) { self.lead = lead }

  /// All that is known here.
  package var length: Int {
    var sum = 0
    for index in 0..<count { sum &+= list[index].length }
    return sum
  }

  /// Where the latest begins, if it ends there; else there.
  @_noAllocation package func latest(endingAt place: Int) -> Int {
    guard count > 0 else { return place }
    let last = list[count &- 1]
    return last.start &+ last.length == place ? last.start : place
  }

  /// So much is left out from there on. How much is not known any longer.
  @_noAllocation package mutating func add(_ length: Int, at place: Int) -> Int {
    if latest(endingAt: place) < place {
      list[count &- 1].length &+= length
      return 0
    }
    var forgotten = 0
    if count == Self.capacity {
      forgotten = list[0].length
      for index in 1..<count { list[index &- 1] = list[index] }
      count &-= 1
    }
    list[count] = Skip(start: place, length: length)
    count &+= 1
    return forgotten
  }

  /// The latest is shorter by so much, at its end.
  @_noAllocation package mutating func shorten(by length: Int) {
    list[count &- 1].length &-= length
    if list[count &- 1].length == 0 { count &-= 1 }
  }

  /// How much lies before a place of the call as it would be had nothing been left out. What begins
  /// up to `tolerance` behind it does as well.
  @_noAllocation package func before(_ place: Int, _ tolerance: Int) -> Int {
    var sum = 0
    for index in 0..<count {
      guard place &+ sum &+ tolerance >= list[index].start else { break }
      sum &+= list[index].length
    }
    return sum
  }

  /// A new session begins there, which will be sent all from there on. `unheard`: up to where
  /// everything from there was left out.
  @_noAllocation package mutating func forget(from place: Int, unheard: Int) {
    bytes &-= max(0, unheard &- place)
    for index in 0..<count {
      let skip = list[index]
      bytes &-= max(0, skip.start &+ skip.length &- max(skip.start, place))
    }
    count = 0
  }
}
