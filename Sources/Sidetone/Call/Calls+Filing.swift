// What calls that are over wait for before their callers are closed (Filing): the journal's disk,
// then their files.

extension Calls {
  /// The journal is on the disk up to this entry.
  func synced(_ entry: UInt64, _ store: Store, _ turn: inout Turn) {
    for call in 0..<capacity where isFiling(call) {
      self[call].filing.synced(entry, files: turn.entries.filesWait, at: turn.now)
      settle(call, store, &turn)
    }
  }

  /// What became of the files of the call with this key, which may wait for them or be gone.
  func filed(_ key: UInt64, _ outcome: Event.OfRecord, _ store: Store, _ turn: inout Turn) {
    for call in 0..<capacity where isFiling(call) && self[call].record.identity.key == key {
      turn.note(.record(outcome), of: self[call].record.name)
      self[call].filing.filed()
      return settle(call, store, &turn)
    }
    if let name = turn.entries.owed.take(key) { turn.note(.record(outcome), of: name) }
  }

  /// A call is over and its slot will be free: what became of its files is said when that is known.
  func owe(_ call: Int, _ turn: inout Turn) {
    guard self[call].filing.owesFiles else { return }
    let identity = self[call].record.identity
    if case .tooMany(let isFirst) = turn.entries.owed.add(identity.key, identity.name) {
      turn.note(.record(.forgotten(isFirst: isFirst)), of: identity.name)
    }
  }

  /// A call that waits for nothing but its files; nil: there is none.
  var firstFiling: Int? { (0..<capacity).first(where: isFiling) }

  /// What it waits for may be late.
  func filingExpired(_ call: Int, _ turn: inout Turn) {
    let late = self[call].filing.expired(files: turn.entries.filesWait, at: turn.now)
    if let late { turn.note(.record(late), of: self[call].record.name) }
  }
}
