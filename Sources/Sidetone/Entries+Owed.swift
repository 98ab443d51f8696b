// Calls that are gone before their files were in place: what became of these is still said of each,
// when the courier's word comes.

struct OwedFiles {
  private struct Owed {
    let key: UInt64
    let name: Name
  }

  /// Of how many calls it is remembered. A courier that is dead for long is owed no more.
  static let callsMax = 256
  private var calls: [Owed] = []
  /// Whether it was said that there were too many; until none is left.
  private var isOverfull = false

  enum Added {
    case withRoom
    case tooMany(isFirst: Bool)
  }

  /// The files of the call with this key are awaited; the oldest is forgotten where there are too
  /// many.
  mutating func add(_ key: UInt64, _ name: Name) -> Added {
    defer { calls.append(Owed(key: key, name: name)) }
    guard calls.count == Self.callsMax else { return .withRoom }
    calls.removeFirst()
    defer { isOverfull = true }
    return .tooMany(isFirst: !isOverfull)
  }

  /// The word on the files of the call with this key has come: the call's name; nil: they are owed
  /// to none.
  mutating func take(_ key: UInt64) -> Name? {
    guard let index = calls.firstIndex(where: { $0.key == key }) else { return nil }
    defer { if calls.isEmpty { isOverfull = false } }
    return calls.remove(at: index).name
  }
}
