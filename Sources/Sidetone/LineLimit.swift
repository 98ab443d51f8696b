// Keeps lines from filling the log: those that anybody can cause, and those that say again what was
// just said. What is not written is counted.

/// Ten lines a second.
struct LineLimit: BitwiseCopyable, Sendable {
  private static let linesPerSecond = 10
  private var begun = Instant.zero
  private var written = 0
  private var withheld = 0

  /// How many lines were withheld since the last one; nil where this one is withheld too.
  mutating func take(at now: Instant) -> Int? {
    if begun + .seconds(1) <= now {
      begun = now
      written = 0
    }
    guard written < Self.linesPerSecond else {
      withheld &+= 1
      return nil
    }
    written &+= 1
    defer { withheld = 0 }
    return withheld
  }
}

/// Warnings and errors that are alike: of one call, with the same words (numbers may differ), one
/// in ten seconds is written. A table of fixed size; where it is too small for all that happens at
/// once, more is said, not less.
struct Complaints {
  private static let placesMax = 64
  private static let pause = Instant.Span.seconds(10)

  private struct Place: BitwiseCopyable {
    var likeness: UInt64 = 0
    var call: UInt64 = 0
    var saidAt = Instant.zero
    /// How many like it were not said since then.
    var withheld = 0
  }
  private var places = InlineArray<64, Place>(repeating: Place())
  /// Those that were not said, ever.
  private(set) var repeated = 0

  /// Nil: it was said just now. Otherwise how many like it were not, since the last one that was.
  mutating func admit(_ likeness: UInt64, of call: Name?, at now: Instant) -> Int? {
    let index = Int(likeness % UInt64(Self.placesMax))
    guard places[index].likeness == likeness else {
      places[index] = Place(likeness: likeness, call: call?.hash ?? 0, saidAt: now)
      return 0
    }
    guard places[index].saidAt + Self.pause <= now else {
      places[index].withheld &+= 1
      repeated &+= 1
      return nil
    }
    defer {
      places[index].saidAt = now
      places[index].withheld = 0
    }
    return places[index].withheld
  }

  /// The call is over: how many of its were not said and would have been told with the next one.
  mutating func end(_ call: Name) -> Int {
    let hash = call.hash
    var count = 0
    for index in 0..<Self.placesMax where places[index].call == hash {
      count &+= places[index].withheld
      places[index] = Place()
    }
    return count
  }

  /// Whose it is counts to the letter; of what it says, everything but the digits.
  static func likeness(_ whose: Bytes, _ what: Bytes) -> UInt64 {
    var hash = FNV()
    for index in 0..<whose.count { hash.add(whose[index]) }
    for index in 0..<what.count where what[index] &- 0x30 > 9 { hash.add(what[index]) }
    return hash.value
  }
}
