// The journal's second hand: it makes durable what the first has appended, the oldest part first.

import Sidetone

extension JournalCore {
  package mutating func nextSync(at now: Moment) -> Sync? {
    guard let due = syncDue, now.nanoseconds >= due, let part = parts.first else { return nil }
    if part.unsynced.isEmpty, !part.isCut {
      syncing = .close
      return .close(part.file)
    }
    if !part.isNamed {
      syncing = .directory
      return .directory
    }
    syncing = .file(upTo: part.unsynced.upperBound)
    // What is appended from now on is another sync's.
    parts[0].dirtySince = now.nanoseconds
    return .file(part.file)
  }

  /// When the next call is to be made; nil: there is nothing to do, or the hand is at work.
  var syncDue: Int64? {
    guard syncing == nil, let part = parts.first, part.rewritten == nil else { return nil }
    if part.unsynced.isEmpty { return part.isFull ? syncRest.until : nil }
    if isClosing || part.isFull { return syncRest.until }
    let wait = Int64(limits.syncMilliseconds) * 1_000_000
    return max(syncRest.until, part.dirtySince + wait)
  }

  package mutating func synced(_ error: DiskError?, at now: Moment) {
    guard let done = syncing else { preconditionFailure("nothing was asked for") }
    syncing = nil
    switch done {
    case .close:
      // It is closed, whatever the kernel says, and was synced before.
      parts.removeFirst()
    case .directory:
      if let error { return syncHasFailed(error, at: now) }
      parts[0].isNamed = true
    case .file(let upTo):
      parts[0].isCut = false
      // Only the cut's: nothing is there to be written again.
      if parts[0].unsynced.isEmpty { return }
      if let error {
        parts[0].rewritten = 0
        return syncHasFailed(error, at: now)
      }
      syncRest.end()
      parts[0].isHeadSynced = true
      parts[0].failures = 0
      settle(upTo: upTo)
    }
  }

  /// The oldest part could not be made durable.
  mutating func syncHasFailed(_ error: DiskError, at now: Moment) {
    lastError = error
    syncRest.begin(at: now)
    parts[0].failures += 1
    let isHopeless = parts[0].failures > Self.triesMax && !error.isLackOfSpace
    if !parts[0].isFull { distrustSegment(isHopeless: isHopeless) }
    guard isHopeless else { return }
    parts[0].isCut = false
    lose(parts[0].unsynced)
    parts[0].rewritten = nil
    settle(upTo: parts[0].unsynced.upperBound)
  }

  /// What lies in the oldest part up to this place is on the disk, or given up.
  private mutating func settle(upTo place: Int) {
    let unsynced = parts[0].unsynced
    parts[0].offset += place - unsynced.lowerBound
    parts[0].unsynced = place..<unsynced.upperBound
    forgetSynced()
  }

  mutating func forgetSynced() {
    let oldest = parts.first { !$0.unsynced.isEmpty }?.unsynced.lowerBound
    staging.release(before: oldest ?? appended)
  }

  /// Counts the entries that lie there as dropped.
  mutating func lose(_ range: Range<Int>) {
    for place in staging.places(range) {
      let record = staging.record(at: place)
      if JournalRecord.isOwn(record) {
        losses.untell(record.dropping(JournalRecord.headBytes))
      } else if record.dropping(JournalRecord.headBytes).isInterim {
        losses.add(.interim, 1)
      } else {
        losses.add(.disk, 1)
      }
    }
  }
}
