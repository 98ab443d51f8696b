// A journal of the simulation: the real ring and the real core, on a fake disk and in virtual time,
// played by one thread. It knows what was put, and judges what is read.

import RecordsSupport
import Sidetone
import Testing

@testable import SidetoneRecords

final class Keeper {
  static let directory = "journal"

  let disk: FakeDisk
  let path: String
  private(set) var core: JournalCore
  private let ring: EntryRing
  private let entry = Buffer(count: JournalLimits.entryBytesMax)
  private var random: Random

  private(set) var time: Int64 = 1
  private var put = 0
  /// Entries that the ring took, by their numbers.
  private var taken: Set<Int> = []
  /// Entries that the ring dropped, as far as the core knows.
  private var toldByRing = 0
  /// The last word that the relay heard.
  private(set) var synced: UInt64 = 0
  /// The sync under way, and when it is over.
  private var sync: (call: JournalCore.Sync, until: Int64)?
  var syncNanoseconds: Int64 = 3_000_000
  private var live: JournalReader
  private(set) var liveItems: [JournalItem] = []
  /// Ends the process when so many calls of the disk were made.
  var killedAfter = Int.max

  init(_ disk: FakeDisk, instance: String = "1-1", limits: JournalLimits, seed: UInt8) {
    self.disk = disk
    path = "\(Self.directory)/\(instance)"
    core = JournalCore(limits: limits, instance: instance)
    ring = EntryRing(capacity: limits.ringBytes)
    random = Random(seed: [seed, 2])
    live = JournalReader(directory: path, from: .start, disk: disk)
  }

  private var now: JournalCore.Moment {
    .init(nanoseconds: time, unixMilliseconds: time / 1_000_000)
  }

  var isKilled: Bool { disk.calls >= killedAfter }

  // MARK: What happens

  func putEntry(kind: String = "final", filling: Int) {
    put += 1
    let bytes = Entry.numbered(put, kind: kind, filling: filling)
    if bytes.withBytes({ ring.put($0) }) { taken.insert(put) }
  }

  /// Anything that may happen in a relay and its journal.
  func step() {
    switch random.next() % 8 {
    case 0...2:
      for _ in 0..<(1 + random.next() % 6) {
        let kind = random.next() % 4 == 0 ? "interim" : "final"
        putEntry(kind: kind, filling: Int(random.next() % 400))
      }
    case 3: time += Int64(random.next() % 40_000_000)
    case 4: liveItems += live.rest()
    default: turn()
    }
  }

  /// A turn of the thread that appends.
  func turn() {
    if let (_, until) = sync, time >= until { finishSync() }
    let last = ring.lastPut
    for reason in [JournalLoss.full, .interim, .size] {
      core.ringHasLost(reason, ring.lost(reason))
    }
    toldByRing = lostByRing
    var isEmpty = true
    while let (oldest, sequence) = ring.copyOldest(to: entry.bytes) {
      isEmpty = core.take(oldest, sequence: sequence, at: now)
      if !isEmpty { break }
      ring.removeOldest()
    }
    if isEmpty { core.caughtUp(with: last, at: now) }
    while !isKilled, let next = core.nextAppend(at: now) { core.appended(perform(next), at: now) }
    if !isKilled, sync == nil, let next = core.nextSync(at: now) {
      sync = (next, time + syncNanoseconds)
    }
    if !isKilled {
      #expect(core.synced >= synced)
      synced = core.synced
    }
  }

  private func finishSync() {
    guard let (call, _) = sync, !isKilled else { return }
    sync = nil
    do throws(DiskError) {
      try disk.perform(call, in: path)
      if !isKilled { core.synced(nil, at: now) }
    } catch {
      if !isKilled { core.synced(error, at: now) }
    }
  }

  private func perform(_ append: JournalCore.Append) -> Result<Int, DiskError> {
    disk.perform(append, in: path, of: Self.directory)
  }

  /// Sleeps as the thread would: until something is due.
  func sleep() {
    let times = [core.wakeTime, sync?.until].compactMap { $0 }
    if let next = times.min() { time = max(time + 1_000_000, next) }
    turn()
  }

  func close() {
    core.close()
    turn()
    for _ in 0..<1000 where !core.isDone && !isKilled { sleep() }
  }

  /// The n-th sync of a file fails.
  func failSync(_ number: Int) {
    var syncs = 0
    disk.fault = { _, call in
      if call == .sync { syncs += 1 }
      return call == .sync && syncs == number ? .error(ErrorNumber.inputOutput) : nil
    }
  }

  /// A sync of a file is under way.
  var isSyncing: Bool {
    if case .file = sync?.call { true } else { false }
  }

  // MARK: What is true afterwards

  /// All that a new reader finds.
  func read() -> [JournalItem] {
    var reader = JournalReader(directory: path, from: .start, disk: disk)
    return reader.rest()
  }

  /// What was acknowledged is there once and in order, but for what is counted; and nothing is
  /// there that was never put.
  func judge(_ items: [JournalItem], sourceLocation: SourceLocation = #_sourceLocation) {
    let numbers = items.numbers
    #expect(
      zip(numbers, numbers.dropFirst()).allSatisfy { $0 < $1 }, sourceLocation: sourceLocation)
    #expect(taken.isSuperset(of: numbers), sourceLocation: sourceLocation)
    let lost = taken.filter { $0 <= synced }.subtracting(numbers).count
    #expect(lost <= droppedByCore, "\(lost) are gone", sourceLocation: sourceLocation)
  }

  /// As `judge`, where all was written and nothing crashed.
  func judgeWhole(sourceLocation: SourceLocation = #_sourceLocation) {
    let items = read()
    judge(items, sourceLocation: sourceLocation)
    #expect(synced == UInt64(put), sourceLocation: sourceLocation)
    liveItems += live.rest()
    judge(liveItems, sourceLocation: sourceLocation)
    let dropped = core.losses.dropped
    #expect(
      items.missing == dropped.total - dropped[.interim], sourceLocation: sourceLocation)
    #expect(disk.openFiles <= 3, "only readers'", sourceLocation: sourceLocation)
  }

  private var lostByRing: Int {
    [JournalLoss.full, .interim, .size].reduce(0) { $0 + ring.lost($1) }
  }
  private var droppedByCore: Int { core.losses.dropped.total - toldByRing }

  var dropped: JournalLosses { core.losses.dropped }
  var putCount: Int { put }
}

extension FakeDisk {
  /// What the courier does with what it has delivered.
  func removeSegments(before number: UInt32, in directory: String) {
    for name in (try? names(in: directory)) ?? [] {
      guard let found = JournalPath.number(of: name), found < number else { continue }
      remove("\(directory)/\(name)")
    }
  }
}
