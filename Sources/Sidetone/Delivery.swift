// What the courier, the process that delivers records, last told of its work.

/// How delivery goes, as the courier last told.
package struct Delivery: BitwiseCopyable, Sendable {
  /// Events that wait, and for how many seconds the oldest has.
  package private(set) var pending = 0
  package private(set) var oldestSeconds = 0
  package private(set) var delivered = 0
  /// Events that were given up, since they were refused for too long; and those that were dropped,
  /// for want of room or with a hook that was turned off.
  package private(set) var failed = 0
  package private(set) var dropped = 0
  /// Hooks that are off, as their servers said.
  package private(set) var hooksOff = 0

  package init() {}

  /// `NAME=NUMBER`.
  mutating func read(_ word: Bytes) {
    guard let equals = word.firstIndex(of: UInt8(ascii: "=")),
      let number = word.dropping(equals + 1).decimal
    else { return }
    let name = word.prefix(equals)
    if name.equals("pending") { pending = number }
    if name.equals("oldest_seconds") { oldestSeconds = number }
    if name.equals("delivered") { delivered = number }
    if name.equals("failed") { failed = number }
    if name.equals("dropped") { dropped = number }
    if name.equals("hooks_off") { hooksOff = number }
  }
}
