// A segment that is being read, through a window of memory.

import Sidetone

final class SegmentFile {
  private static let windowBytes = 1 << 16
  private static let pageBytes = 4096

  let number: UInt32
  private let disk: any Disk
  private let file: Int32
  private let window = Buffer(count: windowBytes)
  /// What the window holds of the file.
  private var held = 0..<0
  /// Why the disk could not read a page, which then reads as zeros.
  private(set) var trouble: DiskError?

  init(_ number: UInt32, in directory: String, on disk: any Disk) throws(DiskError) {
    self.number = number
    self.disk = disk
    file = try disk.open("\(directory)/\(JournalPath.segment(number))")
  }

  deinit { try? disk.close(file) }

  var size: Int { (try? disk.size(of: file)) ?? 0 }

  /// What is held may have changed since.
  func forget() { held = 0..<0 }

  /// Up to `count` bytes (at most a record's) that lie there; fewer at the end of the file. They
  /// are valid until the next call.
  func bytes(at offset: Int, _ count: Int) -> Bytes {
    if !(held.lowerBound <= offset && offset + count <= held.upperBound) { load(offset) }
    let found = window.bytes[offset - held.lowerBound..<held.count]
    return found.prefix(min(count, found.count))
  }

  /// As much as is held from there on; at least a byte, unless the file ends.
  func run(at offset: Int) -> Bytes {
    if !held.contains(offset) { load(offset) }
    return window.bytes[offset - held.lowerBound..<held.count]
  }

  private func load(_ offset: Int) {
    var count = 0
    while count < Self.windowBytes {
      do throws(DiskError) {
        let place = window.bytes.dropping(count)
        let read = try disk.read(file, into: place, at: offset + count)
        if read == 0 { break }
        count += read
      } catch {
        trouble = error
        let left = size - offset - count
        if left <= 0 { break }
        let page = Self.pageBytes - (offset + count) % Self.pageBytes
        let unread = min(page, left, Self.windowBytes - count)
        window.bytes[count..<count + unread].fill(0)
        count += unread
      }
    }
    held = offset..<offset + count
  }
}
