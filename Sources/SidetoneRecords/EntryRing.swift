// Every frame.
//
// Entries on their way from the relay's thread to the one that appends, in memory taken at start.
// The relay's thread never waits: what finds no room is dropped, interim lines first, and counted.
//
//     relay: put ─▶ [ length, sequence | entry | length, sequence | entry | … ] ─▶ the thread
//
// Two counters run for ever: `written` belongs to the relay's thread, `read` to the other one.

import CKernels
import Sidetone
import Synchronization

@safe package final class EntryRing: @unchecked Sendable {
  private static let headBytes = 12

  private let ring: UnsafeMutableRawPointer
  private let capacity: Int
  private let written = Atomic<Int>(0)
  private let read = Atomic<Int>(0)
  /// The sequence number of the entry that was put last, taken or dropped.
  private let last = Atomic<UInt64>(0)
  private let lostFull = Atomic<Int>(0)
  private let lostInterim = Atomic<Int>(0)
  private let lostSize = Atomic<Int>(0)
  private let isClosed = Atomic<Bool>(false)

  package init(capacity: Int) {
    precondition(capacity >= Self.headBytes + JournalLimits.entryBytesMax)
    self.capacity = capacity
    unsafe ring = .allocate(byteCount: capacity, alignment: 64)
    unsafe ring.initializeMemory(as: UInt8.self, repeating: 0, count: capacity)
  }

  deinit { unsafe ring.deallocate() }

  /// Dropped here, ever.
  func lost(_ reason: JournalLoss) -> Int {
    switch reason {
    case .full: lostFull.load(ordering: .relaxed)
    case .interim: lostInterim.load(ordering: .relaxed)
    case .size: lostSize.load(ordering: .relaxed)
    case .limit, .disk: 0
    }
  }

  // MARK: The relay's thread

  /// False: there was no room, or it is no entry. It has the next number either way.
  @_noLocks package func put(_ entry: Bytes) -> Bool {
    let sequence = last.load(ordering: .relaxed) &+ 1
    let isTaken = hasRoom(for: entry)
    if isTaken {
      let start = written.load(ordering: .relaxed)
      var length = UInt32(truncatingIfNeeded: entry.count)
      var number = sequence
      unsafe copyIn(&length, 4, at: start)
      unsafe copyIn(&number, 8, at: start &+ 4)
      unsafe copyIn(entry.base, entry.count, at: start &+ Self.headBytes)
      written.store(start &+ Self.headBytes &+ entry.count, ordering: .releasing)
    }
    last.store(sequence, ordering: .releasing)
    return isTaken
  }

  /// Whether the entry is taken; counted where it is not. The last quarter is not for interim
  /// lines.
  @_noLocks private func hasRoom(for entry: Bytes) -> Bool {
    guard entry.count > 0, entry.count <= JournalLimits.entryBytesMax else {
      lostSize.add(1, ordering: .relaxed)
      return false
    }
    let used = written.load(ordering: .relaxed) &- read.load(ordering: .acquiring)
    let rest = capacity &- used &- Self.headBytes &- entry.count
    if entry.isInterim, rest < capacity / 4 {
      lostInterim.add(1, ordering: .relaxed)
      return false
    }
    let isShut = isClosed.load(ordering: .relaxed)
    if rest < 0 || isShut {
      lostFull.add(1, ordering: .relaxed)
      return false
    }
    return true
  }

  @_noLocks private func copyIn(_ source: UnsafeRawPointer, _ count: Int, at position: Int) {
    let place = position % capacity
    let first = min(count, capacity &- place)
    unsafe ck_move(ring + place, source, first)
    unsafe ck_move(ring, source + first, count &- first)
  }

  // MARK: The other thread

  /// The number of the entry that was put last. Read before the ring is emptied: then all up to it
  /// have been seen.
  package var lastPut: UInt64 { last.load(ordering: .acquiring) }

  /// What is put from now on is dropped.
  func close() { isClosed.store(true, ordering: .releasing) }

  /// Copies the oldest entry; nil where there is none. It stays until `removeOldest`.
  package func copyOldest(to place: Bytes) -> (entry: Bytes, sequence: UInt64)? {
    let start = read.load(ordering: .relaxed)
    guard written.load(ordering: .acquiring) > start else { return nil }
    var length: UInt32 = 0
    var sequence: UInt64 = 0
    unsafe copyOut(&length, 4, at: start)
    unsafe copyOut(&sequence, 8, at: start &+ 4)
    let entry = place.prefix(Int(length))
    unsafe copyOut(entry.base, entry.count, at: start &+ Self.headBytes)
    return (entry, sequence)
  }

  package func removeOldest() {
    let start = read.load(ordering: .relaxed)
    var length: UInt32 = 0
    unsafe copyOut(&length, 4, at: start)
    read.store(start &+ Self.headBytes &+ Int(length), ordering: .releasing)
  }

  private func copyOut(_ target: UnsafeMutableRawPointer, _ count: Int, at position: Int) {
    let place = position % capacity
    let first = min(count, capacity &- place)
    unsafe ck_move(target, ring + place, first)
    unsafe ck_move(target + first, ring, count &- first)
  }
}

extension Bytes {
  /// Whether an entry is an interim line: its kind always stands first.
  var isInterim: Bool {
    @_noLocks get {
      let start: StaticString = "{\"kind\":\"interim\""
      let length = start.utf8CodeUnitCount
      return unsafe count >= length && ck_equal(base, start.utf8Start, length)
    }
  }
}
