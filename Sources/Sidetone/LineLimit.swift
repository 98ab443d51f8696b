// Keeps lines that anybody can cause from filling the log: ten a second, the others counted.

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
