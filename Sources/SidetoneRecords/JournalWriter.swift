// Writes a relay's journal: a ring that the relay's thread puts entries into, and two threads, the
// hands of JournalCore, which decides.

import CLinux
import Sidetone
import Synchronization

package final class JournalWriter: Sendable {
  /// `<directory>/journal/<instance>`.
  package let path: String
  /// An eventfd that becomes readable when `synced` grew.
  package let news: Int32

  private let ring: EntryRing
  private let waker: Waker
  private let hand: AppendingHand

  /// Makes the directories, takes the lock, writes the first head, starts the threads. `instance`:
  /// a name that no other run of a relay has, at most 92 bytes of letters, digits, `-`, `_`, `.`.
  package init(
    directory: String, instance: String, limits: JournalLimits = JournalLimits(),
    disk: any Disk = LinuxDisk()
  ) throws(JournalError) {
    precondition(JournalPath.isSafe(instance), "an instance's name is a directory's")
    path = JournalPath.instance(directory, instance)
    ring = EntryRing(capacity: limits.ringBytes)
    guard let waker = Waker(), let news = Waker(), let syncer = SyncingHand(disk, path) else {
      throw JournalError(sentence: "the journal got no descriptor: raise the limit of open files")
    }
    let lock = try JournalStart.make(directory, instance, on: disk)
    self.waker = waker
    self.news = news.descriptor
    hand = AppendingHand(
      ring: ring, waker: waker, news: news, syncer: syncer,
      place: .init(
        disk: disk, journals: JournalPath.journals(directory), path: path, lock: lock),
      core: JournalCore(limits: limits, instance: instance))
    try hand.begin()
    let (hand, isStarted) = (hand, syncer.start(waking: waker))
    guard isStarted, startThread({ hand.run() }) else {
      syncer.stop()
      try? disk.close(lock)
      throw JournalError(sentence: "the journal's threads cannot be started: no resources are left")
    }
  }

  deinit { hand.close() }

  /// The relay's thread: never waits, takes no memory and no lock. False: there was no room, or the
  /// entry is too long (counted). Either way it has the next sequence number; the first is 1.
  package func put(_ entry: Bytes) -> Bool { ring.put(entry) }

  /// Once behind several puts.
  package func wake() { hand.wake() }

  /// Every entry up to this number lies synced on the disk, or was dropped.
  package var synced: UInt64 { hand.synced.load(ordering: .acquiring) }

  /// Entries that were dropped, ever. Takes no lock.
  package var dropped: Int {
    hand.dropped.load(ordering: .relaxed) + ring.lost(.full) + ring.lost(.size)
  }

  package var status: JournalStatus {
    var status = hand.status.withLock { $0 }
    status.entries = Int(ring.lastPut)
    for reason in [JournalLoss.full, .size] { status.dropped[reason] = ring.lost(reason) }
    return status
  }

  /// Writes and syncs what is left, and gives the lock back; waits for that at most so long. What
  /// is put from now on is dropped.
  package func close(waitingMilliseconds: Int = 2000) {
    hand.close()
    let end = cl_monotonic() + Int64(waitingMilliseconds) * 1_000_000
    while !hand.isDone.load(ordering: .acquiring), cl_monotonic() < end {
      cl_sleep_until(min(cl_monotonic() + 1_000_000, end))
    }
  }
}

/// The thread that appends. It owns the core, and tells the other one what to sync.
@safe private final class AppendingHand: @unchecked Sendable {
  struct Place {
    var disk: any Disk
    /// `<directory>/journal`; made once, since a path takes memory.
    var journals: String
    var path: String
    var lock: Int32
  }

  let synced = Atomic<UInt64>(0)
  /// By this thread, not by the ring.
  let dropped = Atomic<Int>(0)
  let isDone = Atomic<Bool>(false)
  let status = Mutex(JournalStatus())

  private let ring: EntryRing
  private let waker: Waker
  private let news: Waker
  private let syncer: SyncingHand
  private let place: Place
  private let isClosing = Atomic<Bool>(false)
  /// Whether it waits at the waker. While it does not, the relay's thread need not wake it: most
  /// entries save a system call.
  private let isWaiting = Atomic<Bool>(false)
  /// Only the thread's, once it runs; so is what follows.
  private var seen: UInt64 = 0
  private var core: JournalCore
  private let entry = Buffer(count: JournalLimits.entryBytesMax)

  init(
    ring: EntryRing, waker: Waker, news: Waker, syncer: SyncingHand, place: Place, core: JournalCore
  ) {
    self.ring = ring
    self.waker = waker
    self.news = news
    self.syncer = syncer
    self.place = place
    self.core = core
  }

  func close() {
    ring.close()
    isClosing.store(true, ordering: .releasing)
    waker.wake()
  }

  func wake() {
    // What was put is seen by the thread before it waits, or its waiting is seen here.
    atomicMemoryFence(ordering: .sequentiallyConsistent)
    if isWaiting.exchange(false, ordering: .relaxed) { waker.wake() }
  }

  /// The first segment, before there is a thread.
  func begin() throws(JournalError) {
    while !core.isBegun, let next = core.nextAppend(at: now) {
      let result = perform(next)
      if case .failure(let error) = result {
        try? place.disk.close(place.lock)
        throw JournalStart.error(error, place.journals)
      }
      core.appended(result, at: now)
    }
  }

  func run() {
    var wasClosing = false
    while !core.isDone {
      if !wasClosing, isClosing.load(ordering: .acquiring) {
        core.close()
        wasClosing = true
      }
      turn()
      if core.isDone { break }
      if wait(), !wasClosing { cl_sleep_until(cl_monotonic() + Self.gatherNanoseconds) }
    }
    syncer.stop()
    try? place.disk.close(place.lock)
    isDone.store(true, ordering: .releasing)
  }

  /// Entries that come within so long are appended by one call of the disk, and wake whoever reads
  /// the journal once.
  private static let gatherNanoseconds: Int64 = 10_000_000

  /// Until there is something to do; whether the relay's thread has put something.
  private func wait() -> Bool {
    isWaiting.store(true, ordering: .relaxed)
    atomicMemoryFence(ordering: .sequentiallyConsistent)
    if ring.lastPut == seen { waker.wait(milliseconds: waitMilliseconds) }
    _ = isWaiting.exchange(false, ordering: .relaxed)
    return ring.lastPut != seen
  }

  private func turn() {
    var isFull = false
    repeat {
      // Only a sync makes room for what has to wait in the ring.
      if let outcome = syncer.takeResult() { core.synced(outcome.failure, at: now) }
      isFull = !takeEntries()
      while let next = core.nextAppend(at: now) { core.appended(perform(next), at: now) }
      if let next = core.nextSync(at: now) { syncer.ask(next) }
    } while isFull && syncer.hasResult
    publish()
  }

  /// False: not all could be taken.
  private func takeEntries() -> Bool {
    let last = ring.lastPut
    seen = last
    for reason in [JournalLoss.full, .interim, .size] {
      core.ringHasLost(reason, ring.lost(reason))
    }
    let now = now
    while let (entry, sequence) = ring.copyOldest(to: entry.bytes) {
      guard core.take(entry, sequence: sequence, at: now) else { return false }
      ring.removeOldest()
    }
    core.caughtUp(with: last, at: now)
    return true
  }

  private func publish() {
    let new = core.synced
    let losses = core.losses.dropped
    dropped.store(losses.total - losses[.full] - losses[.size], ordering: .relaxed)
    status.withLock { status in
      status.dropped = core.losses.dropped
      status.bytes = core.bytes
      status.segments = core.segments
      status.isFailing = core.isFailing
      status.syncSeconds = syncer.seconds
      if let error = core.lastError {
        status.lastError = JournalStart.sentence(error, place.path)
      }
    }
    guard new > synced.load(ordering: .relaxed) else { return }
    synced.store(new, ordering: .releasing)
    news.wake()
  }

  private func perform(_ append: JournalCore.Append) -> Result<Int, DiskError> {
    place.disk.perform(append, in: place.path, of: place.journals)
  }

  private var now: JournalCore.Moment {
    .init(nanoseconds: cl_monotonic(), unixMilliseconds: cl_wall() / 1_000_000)
  }

  private var waitMilliseconds: Int32 {
    guard let time = core.wakeTime else { return -1 }
    let wait = (time - min(cl_monotonic(), time) + 999_999) / 1_000_000
    return Int32(clamping: max(wait, 1))
  }
}

/// The thread that syncs: it is asked for one call of the disk at a time.
@safe private final class SyncingHand: @unchecked Sendable {
  struct Outcome { var failure: DiskError? }

  private enum State {
    static let idle = 0
    static let asked = 1
    static let done = 2
    static let stopped = 3
  }

  private let disk: any Disk
  private let path: String
  private let waker: Waker
  /// Whoever the state names may touch the call and its outcome.
  private let state = Atomic<Int>(State.idle)
  private var call: JournalCore.Sync?
  private var outcome = Outcome()
  /// How long the last sync of a file took.
  private(set) var seconds = 0.0
  private var nextSeconds = 0.0

  init?(_ disk: any Disk, _ path: String) {
    guard let waker = Waker() else { return nil }
    self.waker = waker
    self.disk = disk
    self.path = path
  }

  func start(waking asker: Waker) -> Bool { startThread { self.run(waking: asker) } }

  func stop() {
    state.store(State.stopped, ordering: .releasing)
    waker.wake()
  }

  func ask(_ call: JournalCore.Sync) {
    self.call = call
    state.store(State.asked, ordering: .releasing)
    waker.wake()
  }

  var hasResult: Bool { state.load(ordering: .acquiring) == State.done }

  func takeResult() -> Outcome? {
    guard hasResult else { return nil }
    seconds = nextSeconds
    state.store(State.idle, ordering: .relaxed)
    return outcome
  }

  private func run(waking asker: Waker) {
    while true {
      switch state.load(ordering: .acquiring) {
      case State.stopped: return
      case State.asked:
        outcome = perform()
        state.store(State.done, ordering: .releasing)
        asker.wake()
      default: waker.wait(milliseconds: -1)
      }
    }
  }

  private func perform() -> Outcome {
    let start = cl_monotonic()
    do throws(DiskError) {
      guard let call else { preconditionFailure("asked for nothing") }
      try disk.perform(call, in: path)
      if case .file = call { nextSeconds = Double(cl_monotonic() - start) / 1e9 }
      return Outcome()
    } catch {
      return Outcome(failure: error)
    }
  }
}
