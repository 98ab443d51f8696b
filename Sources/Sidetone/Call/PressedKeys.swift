// The keys that a caller pressed, on their way to the model: one message when they are complete,
// told again where it came to nothing.

/// Keys that were pressed and not answered yet, oldest first; for more there is no room.
struct PressedKeys: BitwiseCopyable {
  private var pressed = InlineArray<32, UInt8>(repeating: 0)
  private(set) var count = 0
  /// How many of them the model knows.
  private var told = 0
  /// Where those begin that it was told last.
  private var toldFrom = 0
  private var due = Instant.never

  var dueTime: Instant { told < count ? due : .never }
  func isDue(at now: Instant) -> Bool { dueTime <= now }

  mutating func add(_ key: UInt8, at now: Instant) -> Bool {
    due = key == Dialogue.endKey ? now : now + Dialogue.keyPause
    // Those that nobody has been told go before those that may have to be told again.
    if count == pressed.count { forgetTold() }
    guard count < pressed.count else { return false }
    pressed[count] = key
    count &+= 1
    return true
  }

  /// Whatever was pressed so far is complete.
  mutating func end(at now: Instant) { due = min(due, now) }

  mutating func tell() {
    toldFrom = told
    told = count
  }

  /// Nobody knows those that were told: they are told again a while later. False: none were.
  mutating func tellAgain(at now: Instant) -> Bool {
    guard told > 0 else { return false }
    (told, toldFrom, due) = (0, 0, now + Dialogue.keyPause)
    return true
  }

  /// The oldest that was not told is not kept any more.
  mutating func takeUntold() -> UInt8? {
    guard told < count else { return nil }
    let key = pressed[told]
    count &-= 1
    for index in told..<count { pressed[index] = pressed[index &+ 1] }
    return key
  }

  func writeTold(_ writer: inout Writer) {
    for index in toldFrom..<told { writer.write(byte: pressed[index]) }
  }

  /// The model answers those that it was told, or never will.
  mutating func forgetTold() {
    for index in told..<count { pressed[index &- told] = pressed[index] }
    count &-= told
    told = 0
    toldFrom = 0
  }

  /// Nobody knows them any more.
  mutating func forgetTelling() {
    told = 0
    toldFrom = 0
  }
}
