// The writer and the reader on a real disk.

import CLinux
import CMalloc
import Foundation
import Sidetone
import Synchronization
import Testing

@testable import SidetoneRecords

struct WriterTests {
  @Test func `what was put is read in order, over many segments, while it is written`() throws {
    let scratch = Scratch()
    let writer = try JournalWriter(directory: scratch.path, instance: "1-1", limits: .small)
    var reader = JournalReader(directory: scratch.journal())
    var items: [JournalItem] = []
    for number in 1...2000 {
      writer.put(Entry.numbered(number, filling: number % 300))
      if number % 10 == 0 {
        writer.wake()
        items += reader.rest()
      }
      if number % 100 == 0 { writer.waitUntilSynced(UInt64(number)) }
    }
    #expect(writer.synced == 2000)
    writer.close()
    items += reader.rest()
    #expect(items.numbers == Array(1...2000))
    #expect(items.damagedBytes == [])
    #expect(writer.status.segments > 10)
    #expect(writer.status.dropped.total == 0)
    #expect(writer.status.entries == 2000)
  }

  @Test func `a close writes what is left and gives the lock back`() throws {
    let scratch = Scratch()
    let writer = try JournalWriter(directory: scratch.path, instance: "1-1")
    #expect(JournalReader.writer(of: scratch.journal()) == .alive)
    #expect(JournalReader.instances(of: scratch.path) == ["1-1"])
    for number in 1...5 { writer.put(Entry.numbered(number)) }
    writer.close()
    #expect(writer.synced == 5)
    #expect(JournalReader.writer(of: scratch.journal()) == .dead)
    #expect(!writer.put(Entry.numbered(6)))
    var reader = JournalReader(directory: scratch.journal())
    #expect(reader.rest().numbers == Array(1...5))
  }

  @Test func `a reader goes on at any position that another had`() throws {
    let scratch = Scratch()
    let writer = try JournalWriter(directory: scratch.path, instance: "1-1", limits: .small)
    for number in 1...300 {
      writer.put(Entry.numbered(number, filling: 300))
      if number % 50 == 0 { writer.waitUntilSynced(UInt64(number)) }
    }
    writer.close()
    var reader = JournalReader(directory: scratch.journal())
    var numbers: [Int] = []
    while case .entry(let entry) = reader.next() {
      numbers += [Entry.number(entry)].compactMap { $0 }
      reader = JournalReader(directory: scratch.journal(), from: reader.position)
    }
    #expect(numbers == Array(1...300))
  }

  @Test func `files and directories are the owner's alone`() throws {
    let scratch = Scratch()
    let writer = try JournalWriter(directory: "\(scratch.path)/a/b", instance: "1-1")
    defer { writer.close() }
    func mode(_ path: String) -> Int {
      let attributes = try? FileManager.default.attributesOfItem(atPath: "\(scratch.path)/\(path)")
      return attributes?[.posixPermissions] as? Int ?? 0
    }
    for folder in ["a", "a/b", "a/b/journal", "a/b/journal/1-1"] { #expect(mode(folder) == 0o700) }
    for file in ["lock", "00000001.segment"] { #expect(mode("a/b/journal/1-1/\(file)") == 0o600) }
  }

  @Test func `an entry has its number whether it finds room or not`() throws {
    let scratch = Scratch()
    let disk = GatedDisk()
    let writer = try JournalWriter(
      directory: scratch.path, instance: "1-1", limits: .small, disk: disk)
    // Nothing is ever synced: the staging fills, then the ring.
    disk.closeGate()
    var refused = 0
    for number in 1...4000 {
      if !writer.put(Entry.numbered(number, filling: 100)) { refused += 1 }
      writer.wake()
    }
    #expect(refused > 0)
    #expect(writer.status.dropped[.full] == refused)
    disk.openGate()
    writer.waitUntilSynced(4000)
    #expect(writer.synced == 4000)
    writer.put(Entry.numbered(4001))
    writer.close()
    #expect(writer.synced == 4001)
    var reader = JournalReader(directory: scratch.journal())
    let items = reader.rest()
    #expect(items.numbers.count == 4001 - refused)
    #expect(items.numbers == items.numbers.sorted())
    #expect(items.missing == refused)
  }

  @Test func `appending goes on while a sync lasts`() throws {
    let scratch = Scratch()
    let disk = GatedDisk()
    let writer = try JournalWriter(
      directory: scratch.path, instance: "1-1", limits: .small, disk: disk)
    disk.closeGate()
    var reader = JournalReader(directory: scratch.journal())
    var numbers: [Int] = []
    for number in 1...100 {
      writer.put(Entry.numbered(number))
      writer.wake()
      // Each is in its file though nothing is synced.
      for _ in 0..<10_000 where numbers.count < number {
        numbers += reader.rest().numbers
        usleep(1000)
      }
    }
    #expect(numbers == Array(1...100))
    #expect(writer.synced == 0)
    disk.openGate()
    writer.waitUntilSynced(100)
    #expect(writer.synced == 100)
    writer.close()
  }

  @Test(arguments: [1, 8, 15, 16, 256])
  func `a journal of so many megabytes can be begun`(megabytes: Int) throws {
    let scratch = Scratch()
    let limits = JournalLimits(bytesMax: megabytes << 20)
    let writer = try JournalWriter(directory: scratch.path, instance: "1-1", limits: limits)
    writer.put(Entry.numbered(1))
    writer.waitUntilSynced(1)
    writer.close()
    #expect(writer.status.dropped.total == 0)
  }

  @Test func `a journal whose files somebody takes away loses what is written, and says so`() throws
  {
    let scratch = Scratch()
    let writer = try JournalWriter(directory: scratch.path, instance: "1-1", limits: .small)
    writer.put(Entry.numbered(1))
    writer.waitUntilSynced(1)
    try FileManager.default.removeItem(atPath: scratch.journal())
    writer.put(Entry.numbered(2))
    writer.wake()
    for _ in 0..<10_000 where writer.status.lastError.isEmpty { usleep(1000) }
    #expect(writer.status.lastError.contains("No such file"))
    writer.close()
  }

  @Test func `entries that come within ten milliseconds are appended by one write`() throws {
    let scratch = Scratch()
    let disk = GatedDisk()
    let writer = try JournalWriter(directory: scratch.path, instance: "1-1", disk: disk)
    let (begin, before) = (cl_monotonic(), disk.writes)
    for number in 1...500 {
      writer.put(Entry.numbered(number))
      writer.wake()
      usleep(100)
    }
    writer.waitUntilSynced(500)
    let gatherings = Int((cl_monotonic() - begin) / 10_000_000) + 1
    #expect(disk.writes - before <= gatherings)
    writer.close()
    var reader = JournalReader(directory: scratch.journal())
    #expect(reader.rest().numbers == Array(1...500))
  }

  @Test func `a full disk is waited for, and what it says is told`() throws {
    let scratch = Scratch()
    let disk = GatedDisk()
    let writer = try JournalWriter(
      directory: scratch.path, instance: "1-1", limits: .small, disk: disk)
    disk.fill(true)
    for number in 1...50 { writer.put(Entry.numbered(number)) }
    writer.wake()
    for _ in 0..<10_000 where !writer.status.isFailing { usleep(1000) }
    #expect(
      writer.status.lastError == "cannot write \(scratch.journal()): No space left on device")
    #expect(writer.synced == 0)
    disk.fill(false)
    writer.waitUntilSynced(50)
    #expect(writer.synced == 50)
    #expect(!writer.status.isFailing)
    writer.close()
    var reader = JournalReader(directory: scratch.journal())
    #expect(reader.rest().numbers == Array(1...50))
  }

  @Test func `an interim line makes room for what is final`() throws {
    let ring = EntryRing(capacity: 1 << 15)
    let interim = Entry.numbered(1, kind: "interim", filling: 200)
    let final = Entry.numbered(1, filling: 200)
    var counts = (interim: 0, final: 0)
    while interim.withBytes({ ring.put($0) }) { counts.interim += 1 }
    while final.withBytes({ ring.put($0) }) { counts.final += 1 }
    #expect(counts.interim > 50)
    // A quarter of the ring is theirs alone.
    #expect(counts.final * (final.count + 12) > (1 << 13) - 2 * (final.count + 12))
    #expect(ring.lost(.interim) == 1)
    #expect(ring.lost(.full) == 1)
    #expect(ring.lastPut == UInt64(counts.interim + counts.final + 2))
  }

  @Test func `what is no entry is refused and counted`() throws {
    let scratch = Scratch()
    let writer = try JournalWriter(directory: scratch.path, instance: "1-1", limits: .small)
    #expect(!writer.put([]))
    #expect(!writer.put([UInt8](repeating: 0x20, count: JournalLimits.entryBytesMax + 1)))
    #expect(writer.put([UInt8](repeating: 0x20, count: JournalLimits.entryBytesMax)))
    writer.close()
    #expect(writer.synced == 3)
    #expect(writer.status.dropped[.size] == 2)
    var reader = JournalReader(directory: scratch.journal())
    #expect(reader.rest().missing == 2)
  }

  /// Beside the compiler's proof on the ring: nothing stays behind of a million puts, which would
  /// be megabytes if one allocated.
  @Test func `putting allocates nothing`() throws {
    let ring = EntryRing(capacity: 1 << 16)
    let place = Buffer(count: JournalLimits.entryBytesMax)
    let entry = Entry.numbered(1)
    let before = mallinfo2().uordblks
    entry.withBytes { bytes in
      for _ in 0..<1_000_000 {
        _ = ring.put(bytes)
        if ring.copyOldest(to: place.bytes) != nil { ring.removeOldest() }
      }
    }
    let after = mallinfo2().uordblks
    #expect(Int(after) - Int(before) < 8_000_000)
    #expect(ring.lost(.full) == 0)
  }

  // MARK: Where no journal can be

  @Test func `a file in the way is named`() throws {
    let scratch = Scratch()
    scratch.write([1], to: "\(scratch.path)/data")
    let error = #expect(throws: JournalError.self) {
      try JournalWriter(directory: "\(scratch.path)/data", instance: "1-1")
    }
    let sentence = try #require(error).sentence
    #expect(sentence.contains("\(scratch.path)/data: File exists; a file is in the way"))
  }

  @Test func `a second relay of that name is told so`() throws {
    let scratch = Scratch()
    let writer = try JournalWriter(directory: scratch.path, instance: "1-1")
    defer { writer.close() }
    let error = #expect(throws: JournalError.self) {
      try JournalWriter(directory: scratch.path, instance: "1-1")
    }
    #expect(try #require(error).sentence.hasPrefix("cannot rename \(scratch.journal())"))
  }

  @Test(arguments: ["", ".x", "a/b", "..", "a b", String(repeating: "x", count: 93)])
  func `a name that is no directory's own is no instance`(_ name: String) {
    #expect(!JournalPath.isSafe(name))
  }
}

/// A real disk whose syncs wait at a gate, and that can be full.
final class GatedDisk: Disk {
  private let real = LinuxDisk()
  private let isOpen = Mutex(true)
  private let isFull = Mutex(false)
  private let writeCount = Mutex(0)
  var writes: Int { writeCount.withLock { $0 } }

  func closeGate() { isOpen.withLock { $0 = false } }
  func openGate() { isOpen.withLock { $0 = true } }
  func fill(_ full: Bool) { isFull.withLock { $0 = full } }

  func sync(_ file: Int32) throws(DiskError) {
    while !isOpen.withLock({ $0 }) { usleep(500) }
    try real.sync(file)
  }

  func makeDirectory(_ path: String) throws(DiskError) { try real.makeDirectory(path) }
  func publish(_ path: String, as other: String) throws(DiskError) {
    try real.publish(path, as: other)
  }
  func lock(_ path: String) throws(DiskError) -> Int32? { try real.lock(path) }
  func isLocked(_ path: String) throws(DiskError) -> Bool {
    try real.isLocked(path)
  }
  func create(_ path: String) throws(DiskError) -> Int32 { try real.create(path) }
  func open(_ path: String) throws(DiskError) -> Int32 { try real.open(path) }
  func close(_ file: Int32) throws(DiskError) { try real.close(file) }
  func write(_ file: Int32, _ bytes: Bytes, at offset: Int) throws(DiskError) -> Int {
    if isFull.withLock({ $0 }) { throw DiskError(.write, ErrorNumber.noSpace) }
    writeCount.withLock { $0 += 1 }
    return try real.write(file, bytes, at: offset)
  }
  func cut(_ file: Int32, to size: Int) throws(DiskError) { try real.cut(file, to: size) }
  func syncDirectory(_ path: String) throws(DiskError) { try real.syncDirectory(path) }
  func read(_ file: Int32, into bytes: Bytes, at offset: Int) throws(DiskError) -> Int {
    try real.read(file, into: bytes, at: offset)
  }
  func size(of file: Int32) throws(DiskError) -> Int { try real.size(of: file) }
  func names(in path: String) throws(DiskError) -> [String] { try real.names(in: path) }
  func bytes(in path: String) throws(DiskError) -> Int { try real.bytes(in: path) }
}
