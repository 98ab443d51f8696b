// The disk as the courier uses it: directories, names, and files that appear whole. Every call of
// the kernel that the courier makes about files is here.

import CLinux
import Sidetone
import SidetoneRecords

package struct FileSystem {
  let disturbance: Disturbance?

  package init(disturbance: Disturbance? = nil) { self.disturbance = disturbance }

  /// Makes a directory (0700) and those above it, where they are missing. What is there stays as it
  /// is, its mode and what others keep in it.
  func makeDirectory(_ path: String) throws(Trouble) {
    try disturbance?.pass("make the directory", path)
    let result = unsafe cl_make_directory(path)
    if result == 0 { return try syncDirectory(LinuxDisk.parent(of: path)) }
    switch -result {
    case ErrorNumber.exists where isDirectory(path): return
    case ErrorNumber.missing where LinuxDisk.parent(of: path) != path:
      try makeDirectory(LinuxDisk.parent(of: path))
      let result = unsafe cl_make_directory(path)
      guard result == 0 || -result == ErrorNumber.exists && isDirectory(path) else {
        throw Trouble("make the directory", path, error: -result)
      }
      try syncDirectory(LinuxDisk.parent(of: path))
    default: throw Trouble("make the directory", path, error: -result)
    }
  }

  /// Why there can be no such directory, as far as can be told without making it; or nil.
  func obstacle(to path: String) -> String? {
    var place = path
    while !exists(place), LinuxDisk.parent(of: place) != place {
      place = LinuxDisk.parent(of: place)
    }
    guard isDirectory(place) else { return "a file stands at \(place)" }
    let result = unsafe cl_may_write(place)
    return result == 0 ? nil : Trouble("write in", place, error: -result).sentence
  }

  func isDirectory(_ path: String) -> Bool {
    unsafe cl_path_size(path) == -Int64(ErrorNumber.isDirectory)
  }

  func exists(_ path: String) -> Bool {
    let size = unsafe cl_path_size(path)
    return size >= 0 || size == -Int64(ErrorNumber.isDirectory)
  }

  /// Sorted; none where there is no such directory.
  func names(in path: String) -> [String] {
    var space = [UInt8](repeating: 0, count: 1 << 14)
    while true {
      let count = space.withMutableBytes { unsafe cl_names(path, $0.base, $0.count) }
      if count <= 0 { return [] }
      if count <= space.count {
        return space[..<count].split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
          .sorted()
      }
      space = [UInt8](repeating: 0, count: count)
    }
  }

  // MARK: Whole files

  /// Puts a file there, mode 0600, that is either all of `bytes` or not there: it is written beside
  /// its place under a hidden name, synced and renamed. The directory is not yet synced.
  func write(_ bytes: [UInt8], to name: String, in directory: String) throws(Trouble) {
    let path = "\(directory)/\(name)"
    let aside = "\(directory)/.\(name).part"
    // Left by a courier that was killed, or a link that somebody has laid there.
    _ = unsafe cl_unlink(aside)
    try disturbance?.pass("write", path)
    let file = unsafe cl_open(aside, CL_CREATE)
    guard file >= 0 else { throw Trouble("write", path, error: -file) }
    do throws(Trouble) {
      defer { _ = cl_close(file) }
      try fill(file, with: bytes, path)
      try disturbance?.pass("sync", path)
      let synced = cl_fsync(file)
      guard synced == 0 else { throw Trouble("sync", path, error: -synced) }
    } catch {
      if error.kind != .killed { _ = unsafe cl_unlink(aside) }
      throw error
    }
    try disturbance?.pass("rename", path)
    let renamed = unsafe cl_rename(aside, path)
    guard renamed == 0 else {
      _ = unsafe cl_unlink(aside)
      throw Trouble("rename to", path, error: -renamed)
    }
  }

  private func fill(_ file: Int32, with bytes: [UInt8], _ path: String) throws(Trouble) {
    var written = 0
    while written < bytes.count {
      let result = bytes.withBytes { all in
        let rest = all.dropping(written)
        return unsafe cl_pwrite(file, rest.base, rest.count, Int64(written))
      }
      if result > 0 { written += result }
      if result == 0 { throw Trouble("write", path, error: ErrorNumber.noSpace) }
      if result < 0, -result != Int(ErrorNumber.interrupted) {
        throw Trouble("write", path, error: Int32(-result))
      }
    }
  }

  /// Makes names that were put into a directory, or taken out of it, last.
  func syncDirectory(_ path: String) throws(Trouble) {
    try disturbance?.pass("sync the directory", path)
    let directory = unsafe cl_open(path, CL_READ)
    guard directory >= 0 else { throw Trouble("sync", path, error: -directory) }
    defer { _ = cl_close(directory) }
    let result = cl_fsync(directory)
    guard result == 0 else { throw Trouble("sync", path, error: -result) }
  }

  /// The first `bytesMax` bytes of a file; nil where it cannot be read.
  func read(_ path: String, bytesMax: Int) -> [UInt8]? {
    let file = unsafe cl_open(path, CL_READ)
    guard file >= 0 else { return nil }
    defer { _ = cl_close(file) }
    var bytes: [UInt8] = []
    var space = [UInt8](repeating: 0, count: 1 << 16)
    while bytes.count < bytesMax {
      let count = space.withMutableBytes { window in
        unsafe cl_pread(
          file, window.base, min(window.count, bytesMax - bytes.count), Int64(bytes.count))
      }
      if count < 0 { return nil }
      if count == 0 { break }
      bytes += space[..<count]
    }
    return bytes
  }

  /// An empty file, mode 0600, where none is.
  func makeFile(_ path: String) throws(Trouble) {
    let file = unsafe cl_open(path, CL_READ_WRITE)
    guard file >= 0 else { throw Trouble("open", path, error: -file) }
    _ = cl_close(file)
  }

  func remove(_ path: String) throws(Trouble) {
    try disturbance?.pass("remove", path)
    let result = unsafe cl_unlink(path)
    guard result == 0 || -result == ErrorNumber.missing else {
      throw Trouble("remove", path, error: -result)
    }
  }

  /// Of an empty directory.
  func removeDirectory(_ path: String) throws(Trouble) {
    try disturbance?.pass("remove the directory", path)
    let result = unsafe cl_remove_directory(path)
    guard result == 0 || -result == ErrorNumber.missing else {
      throw Trouble("remove the directory", path, error: -result)
    }
  }

  func rename(_ path: String, to other: String) throws(Trouble) {
    let result = unsafe cl_rename(path, other)
    guard result == 0 else { throw Trouble("rename", path, error: -result) }
  }

  // MARK: Locks

  /// The descriptor that holds the lock; nil where another process holds it.
  func lock(_ path: String) throws(Trouble) -> Int32? {
    let file = unsafe cl_open(path, CL_READ_WRITE)
    guard file >= 0 else { throw Trouble("open", path, error: -file) }
    let result = cl_lock(file, false)
    if result == 0 { return file }
    _ = cl_close(file)
    if -result == ErrorNumber.wouldBlock { return nil }
    throw Trouble("lock", path, error: -result)
  }
}
