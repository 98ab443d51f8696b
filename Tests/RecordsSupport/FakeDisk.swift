// A disk in memory, for the simulation. It fails when told to, and forgets at a crash what a real
// one may forget: bytes that no sync has made durable, names that their directory was not synced
// behind, and after a failed sync even bytes that a later sync claims to have.

import Sidetone
import SidetoneRecords

package final class FakeDisk: Disk, @unchecked Sendable {
  /// How one call fails.
  package enum Fault: Sendable {
    case error(Int32)
    /// A write takes some of its bytes only.
    case short
    /// A write says that it failed, but so much of it has landed: in eighths.
    case landed(Int32, Int)
  }

  private final class File {
    var content: [UInt8] = []
    var durable: [UInt8] = []
    /// Bytes that a sync would make durable.
    var dirty: [Range<Int>] = []
    var isNameDurable = false
  }

  private var files: [String: File] = [:]
  private var open: [Int32: File] = [:]
  private var nextDescriptor: Int32 = 1
  private var random: Random

  /// All files together.
  package var capacity = Int.max
  /// Asked before each call; the next one's number, from 0.
  package var fault: (Int, DiskError.Call) -> Fault? = { _, _ in nil }
  package private(set) var calls = 0
  /// Of files, that are open now.
  package var openFiles: Int { open.count }

  package init(seed: UInt8) { random = Random(seed: [seed, 1]) }

  private func meet(_ call: DiskError.Call) throws(DiskError) -> Fault? {
    let fault = fault(calls, call)
    calls += 1
    if case .error(let number) = fault { throw DiskError(call, number) }
    return fault
  }

  package var used: Int { files.values.reduce(0) { $0 + $1.content.count } }

  // MARK: Crashes

  /// The power is gone: of what was not synced any part may be there.
  package func losePower() {
    for (path, file) in files.sorted(by: { $0.key < $1.key }) {
      if !file.isNameDurable, random.next() % 2 == 0 {
        files[path] = nil
        continue
      }
      var kept = file.durable
      let keepsLength = random.next() % 2 == 0
      let piece = 1 + Int(random.next() % 512)
      for range in file.dirty {
        var place = range.lowerBound
        while place < min(range.upperBound, file.content.count) {
          let end = min(place + piece, range.upperBound, file.content.count)
          if random.next() % 2 == 0 { kept.put(file.content[place..<end], at: place) }
          place = end
        }
      }
      if keepsLength { kept.put([], at: file.content.count) }
      file.content = kept
      file.durable = kept
      file.dirty = []
      file.isNameDurable = true
    }
  }

  // MARK: Calls

  package func create(_ path: String) throws(DiskError) -> Int32 {
    _ = try meet(.create)
    if files[path] != nil { throw DiskError(.create, ErrorNumber.exists) }
    let file = File()
    files[path] = file
    return give(file)
  }

  package func open(_ path: String) throws(DiskError) -> Int32 {
    guard let file = files[path] else { throw DiskError(.open, 2) }
    return give(file)
  }

  private func give(_ file: File) -> Int32 {
    let descriptor = nextDescriptor
    nextDescriptor += 1
    open[descriptor] = file
    return descriptor
  }

  private func file(_ descriptor: Int32) -> File {
    guard let file = open[descriptor] else { fatalError("a call on a file that is not open") }
    return file
  }

  /// Closes it in any case, as the kernel does.
  package func close(_ descriptor: Int32) throws(DiskError) {
    _ = file(descriptor)
    open[descriptor] = nil
    _ = try meet(.close)
  }

  package func write(_ descriptor: Int32, _ bytes: Bytes, at offset: Int) throws(DiskError) -> Int {
    let file = file(descriptor)
    precondition(!bytes.isEmpty && offset <= file.content.count, "written without a gap")
    let fault = try meet(.write)
    var count = bytes.count
    if case .short = fault { count = max(count / 2, 1) }
    if case .landed(_, let eighths) = fault { count = count * eighths / 8 }
    count = min(count, max(capacity - used, 0) + max(file.content.count - offset, 0))
    if count == 0, fault == nil { throw DiskError(.write, ErrorNumber.noSpace) }
    file.content.put(bytes.prefix(count).array[...], at: offset)
    file.dirty.append(offset..<offset + count)
    if case .landed(let number, _) = fault { throw DiskError(.write, number) }
    return count
  }

  package func cut(_ descriptor: Int32, to size: Int) throws(DiskError) {
    _ = try meet(.cut)
    let file = file(descriptor)
    file.content.removeLast(max(file.content.count - size, 0))
  }

  package func sync(_ descriptor: Int32) throws(DiskError) {
    let file = file(descriptor)
    do throws(DiskError) {
      _ = try meet(.sync)
    } catch {
      // The kernel calls the pages clean, and the disk has any part of them.
      for range in file.dirty where random.next() % 2 == 0 {
        let end = min(range.upperBound, file.content.count, file.durable.count)
        if range.lowerBound < end {
          file.durable.put(file.content[range.lowerBound..<end], at: range.lowerBound)
        }
      }
      file.dirty = []
      throw error
    }
    file.durable.put([], at: file.content.count)
    file.durable.removeLast(file.durable.count - file.content.count)
    for range in file.dirty {
      let end = min(range.upperBound, file.content.count)
      if range.lowerBound < end {
        file.durable.put(file.content[range.lowerBound..<end], at: range.lowerBound)
      }
    }
    file.dirty = []
  }

  package func syncDirectory(_ path: String) throws(DiskError) {
    _ = try meet(.syncDirectory)
    for (name, file) in files where name.hasPrefix("\(path)/") { file.isNameDurable = true }
  }

  package func read(_ descriptor: Int32, into bytes: Bytes, at offset: Int) throws(DiskError) -> Int
  {
    let content = file(descriptor).content
    let count = min(bytes.count, max(content.count - offset, 0))
    if count > 0 { Array(content[offset..<offset + count]).withBytes { bytes.copy($0) } }
    return count
  }

  package func size(of descriptor: Int32) throws(DiskError) -> Int {
    file(descriptor).content.count
  }

  package func names(in path: String) throws(DiskError) -> [String] {
    files.keys.filter { $0.hasPrefix("\(path)/") }.map { String($0.dropFirst(path.count + 1)) }
  }

  package func bytes(in path: String) throws(DiskError) -> Int {
    _ = try meet(.measure)
    return used
  }

  /// A file with that content.
  package func lay(_ content: [UInt8], at path: String) {
    let file = File()
    file.content = content
    files[path] = file
  }

  /// What is there now; nil: no such file.
  package func content(of path: String) -> [UInt8]? { files[path]?.content }

  /// All files, sorted.
  package var paths: [String] { files.keys.sorted() }

  /// Somebody else takes the name away.
  package func remove(_ path: String) { files[path] = nil }

  // The core makes no directories, and takes no locks.
  package func makeDirectory(_ path: String) throws(DiskError) {}
  package func publish(_ path: String, as other: String) throws(DiskError) {}
  package func lock(_ path: String) throws(DiskError) -> Int32? { 0 }
  package func isLocked(_ path: String) -> Bool { false }
}

extension [UInt8] {
  /// Writes over what is there, and behind it; a gap is zeros.
  fileprivate mutating func put(_ bytes: ArraySlice<UInt8>, at place: Int) {
    if count < place { append(contentsOf: repeatElement(0, count: place - count)) }
    let end = Swift.min(place + bytes.count, count)
    replaceSubrange(place..<Swift.max(end, place), with: bytes)
  }
}
