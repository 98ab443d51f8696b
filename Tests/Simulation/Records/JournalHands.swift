// A relay's journal in virtual time: the real ring and the real core, and the two hands that work
// for it, played by one thread. It does what JournalWriter's threads do, in their order: the hand
// that appends also empties the ring and hears of syncs, and does neither while it writes.

import Sidetone

@testable import SidetoneRecords

final class JournalHands {
  let path: String
  let ring: EntryRing
  private(set) var core: JournalCore
  private let disk: SharedDisk
  private let killer: Killer
  private let entry = Buffer(count: JournalLimits.entryBytesMax)
  /// A call that appends and when it is over, where it takes time.
  private var append: (result: Result<Int, DiskError>, until: Int64)?
  private var sync: (call: JournalCore.Sync, until: Int64)?
  private var syncResult: Result<Void, DiskError>?
  /// Something was put.
  var isRung = false
  /// Bytes have come for those who read.
  var hasGrown = false

  init(_ disk: SharedDisk, _ path: String, instance: String, _ killer: Killer) {
    self.disk = disk
    self.path = path
    self.killer = killer
    let limits = Self.limits
    ring = EntryRing(capacity: limits.ringBytes)
    core = JournalCore(limits: limits, instance: instance)
  }

  /// So that everything fills up.
  static let limits = JournalLimits.least(segments: 16)

  /// As JournalWriter has it.
  var dropped: Int {
    let losses = core.losses.dropped
    return losses.total - losses[.full] - losses[.size] + ring.lost(.full) + ring.lost(.size)
  }

  /// By the core, not by the ring, but for interim lines.
  var droppedWords: Int { core.losses.dropped[.disk] + core.losses.dropped[.limit] }
  var droppedInterims: Int { core.losses.dropped[.interim] }

  /// The first segment, before there is a thread. False: there can be no journal.
  func begin(at now: Int64) -> Bool {
    disk.now = now
    while !core.isBegun, let next = core.nextAppend(at: moment(now)) {
      guard let (result, _) = perform(next) else { return false }
      if case .failure = result { return false }
      core.appended(result, at: moment(now))
    }
    return core.isBegun
  }

  func close() {
    ring.close()
    core.close()
  }

  func wakeTime(at now: Int64) -> Int64 {
    if isRung, append == nil { return now }
    var soonest = Int64.max
    if let append { soonest = min(soonest, append.until) }
    if let sync { soonest = min(soonest, sync.until) }
    if append == nil {
      if syncResult != nil { return now }
      if let time = core.wakeTime { soonest = min(soonest, max(time, now + 1_000_000)) }
    }
    return soonest
  }

  func turn(at now: Int64) {
    disk.now = now
    finishSync(at: now)
    if let (result, until) = append {
      guard until <= now else { return }
      append = nil
      core.appended(result, at: moment(now))
    }
    var isFull = false
    repeat {
      takeSyncResult(at: now)
      isFull = !takeEntries(at: now)
      guard appendAll(at: now), !killer.isDead else { return }
      if sync == nil, syncResult == nil, let next = core.nextSync(at: moment(now)) {
        sync = (next, now + disk.span(of: next.call))
      }
    } while isFull && syncResult != nil
  }

  private func moment(_ now: Int64) -> JournalCore.Moment {
    .init(nanoseconds: now, unixMilliseconds: RunClock.milliseconds(now))
  }

  private func takeEntries(at now: Int64) -> Bool {
    isRung = false
    let last = ring.lastPut
    for reason in [JournalLoss.full, .interim, .size] {
      core.ringHasLost(reason, ring.lost(reason))
    }
    while let (oldest, sequence) = ring.copyOldest(to: entry.bytes) {
      guard core.take(oldest, sequence: sequence, at: moment(now)) else { return false }
      ring.removeOldest()
    }
    core.caughtUp(with: last, at: moment(now))
    return true
  }

  /// False: the hand is at work.
  private func appendAll(at now: Int64) -> Bool {
    while let next = core.nextAppend(at: moment(now)) {
      guard let (result, call) = perform(next) else { return false }
      hasGrown = true
      let span = disk.span(of: call)
      guard span == 0 else {
        append = (result, now + span)
        return false
      }
      core.appended(result, at: moment(now))
    }
    return true
  }

  /// Nil: it died before or within that.
  private func perform(
    _ append: JournalCore.Append
  ) -> (Result<Int, DiskError>, DiskError.Call)? {
    let call = append.call
    guard killer.passes(call.rawValue) else { return nil }
    if case .write(let file, let bytes, let offset) = append, !killer.passes("torn write") {
      _ = try? disk.write(file, bytes.prefix(max(1, bytes.count / 2)), at: offset)
      return nil
    }
    return (disk.perform(append, in: path, of: path), call)
  }

  private func finishSync(at now: Int64) {
    guard let (call, until) = sync, until <= now, killer.passes(call.call.rawValue) else { return }
    sync = nil
    do throws(DiskError) {
      try disk.perform(call, in: path)
      syncResult = .success(())
    } catch {
      syncResult = .failure(error)
    }
  }

  private func takeSyncResult(at now: Int64) {
    switch syncResult {
    case nil: return
    case .success: core.synced(nil, at: moment(now))
    case .failure(let error): core.synced(error, at: moment(now))
    }
    syncResult = nil
  }
}

extension JournalCore.Append {
  fileprivate var call: DiskError.Call {
    switch self {
    case .create: .create
    case .write: .write
    case .cut: .cut
    case .measure: .measure
    }
  }
}

extension JournalCore.Sync {
  fileprivate var call: DiskError.Call {
    switch self {
    case .directory: .syncDirectory
    case .file: .sync
    case .close: .close
    }
  }
}
