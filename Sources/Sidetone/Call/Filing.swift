// What becomes of a call that is over, before its caller's socket is closed: what was said is on
// the disk first, so that a caller who sees the Close finds its files.
//
//   none ──ended──▶ syncing ──synced, or time is up──▶ filing ──filed, or time is up──▶ done
//     └── nothing is written down ────────────────────────────────────────────────────▶ done
//
// Both waits are bounded, and neither holds anything but the call's slot and its caller's link.
// What is late is not lost: the files follow, the caller is closed at the bound, and who comes for
// the files by then finds the call among those that they are owed to (OwedFiles).

package struct Filing: BitwiseCopyable, Sendable {
  package enum State: Equatable, BitwiseCopyable, Sendable {
    /// The call runs.
    case none
    /// Its last entry, of this number, is on its way to the disk.
    case syncing(entry: UInt64)
    /// It is in the journal; its files are awaited.
    case filing
    /// The caller may be closed. No way out.
    case done
  }

  package private(set) var state = State.none
  /// It is written down, and nobody has said yet what became of its files.
  package private(set) var owesFiles = false
  /// When the state has lasted long enough.
  package private(set) var deadline = Instant.never

  package init() {}

  package var isDone: Bool { state == .done }

  /// The journal is waited for at most so long.
  package static let syncSpan = Instant.Span.milliseconds(100)

  /// The call has ended; nil: nothing of it is written down.
  package mutating func ended(entry: UInt64?, at now: Instant) {
    guard state == .none else { return }
    guard let entry else { return finish() }
    owesFiles = true
    state = .syncing(entry: entry)
    deadline = now + Self.syncSpan
  }

  /// Everything up to this entry is on the disk. `wait`: how long the files are waited for.
  package mutating func synced(_ entry: UInt64, files wait: Instant.Span, at now: Instant) {
    guard case .syncing(let own) = state, own <= entry else { return }
    awaitFiles(wait, at: now)
  }

  /// The files are in place. Where they are the journal was synced, whatever was told of it.
  package mutating func filed() {
    owesFiles = false
    switch state {
    case .syncing, .filing: finish()
    case .none, .done: return
    }
  }

  /// `deadline` has come: what is late, nil where nothing is.
  package mutating func expired(files wait: Instant.Span, at now: Instant) -> Event.OfRecord? {
    guard deadline <= now else { return nil }
    switch state {
    case .syncing:
      awaitFiles(wait, at: now)
      return .late(.sync, Self.syncSpan)
    case .filing:
      finish()
      return .late(.files, wait)
    case .none, .done: return nil
    }
  }

  /// Nothing is waited for any more.
  package mutating func abandon() {
    owesFiles = false
    finish()
  }

  private mutating func awaitFiles(_ wait: Instant.Span, at now: Instant) {
    guard wait > .zero else { return finish() }
    state = .filing
    deadline = now + wait
  }

  private mutating func finish() {
    state = .done
    deadline = .never
  }
}
