// The disk by the calls of CLinux.

import CLinux
import Sidetone

package struct LinuxDisk: Disk {
  package init() {}

  /// The kernel's sentence for an error number, for people.
  static func text(_ number: Int32) -> String {
    guard let text = unsafe cl_error_text(number) else { return "error \(number)" }
    return unsafe String(cString: text)
  }

  /// Makes a call, which answers `-errno` for an error, until a signal does not disturb it.
  @discardableResult
  private func attempt(_ name: DiskError.Call, _ call: () -> Int) throws(DiskError) -> Int {
    while true {
      let result = call()
      if result >= 0 { return result }
      let error = DiskError(name, Int32(-result))
      if error.number != ErrorNumber.interrupted { throw error }
    }
  }

  package func makeDirectory(_ path: String) throws(DiskError) {
    do {
      try attempt(.makeDirectory) { unsafe Int(cl_make_directory(path)) }
      try? syncDirectory(Self.parent(of: path))
    } catch {
      // Something of that name will do, if it is a directory.
      guard error.number == ErrorNumber.exists else { throw error }
      if try isDirectory(path) { return }
      throw error
    }
  }

  /// The directory that a path lies in.
  package static func parent(of path: String) -> String {
    var rest = Substring(path)
    while rest.last == "/", rest.count > 1 { rest.removeLast() }
    guard let slash = rest.lastIndex(of: "/") else { return "." }
    return slash == rest.startIndex ? "/" : String(rest[..<slash])
  }

  private func isDirectory(_ path: String) throws(DiskError) -> Bool {
    do {
      try attempt(.makeDirectory) { unsafe Int(cl_path_size(path)) }
      return false
    } catch {
      if error.number == ErrorNumber.isDirectory { return true }
      throw error
    }
  }

  package func publish(_ path: String, as other: String) throws(DiskError) {
    try attempt(.publish) { unsafe Int(cl_rename(path, other)) }
  }

  package func lock(_ path: String) throws(DiskError) -> Int32? {
    let file = Int32(try attempt(.lock) { unsafe Int(cl_open(path, CL_READ_WRITE)) })
    do {
      try attempt(.lock) { Int(cl_lock(file, false)) }
      return file
    } catch {
      _ = cl_close(file)
      if error.number == ErrorNumber.wouldBlock { return nil }
      throw error
    }
  }

  package func isLocked(_ path: String) throws(DiskError) -> Bool {
    let file: Int32
    do {
      file = try open(path)
    } catch {
      if error.number == ErrorNumber.missing { return false }
      throw error
    }
    defer { _ = cl_close(file) }
    do {
      // Shared, so that two who ask do not see each other.
      try attempt(.lock) { Int(cl_lock(file, true)) }
      return false
    } catch {
      if error.number == ErrorNumber.wouldBlock { return true }
      throw error
    }
  }

  package func create(_ path: String) throws(DiskError) -> Int32 {
    Int32(try attempt(.create) { unsafe Int(cl_open(path, CL_CREATE)) })
  }

  package func open(_ path: String) throws(DiskError) -> Int32 {
    Int32(try attempt(.open) { unsafe Int(cl_open(path, CL_READ)) })
  }

  /// Is closed, whatever it answers.
  package func close(_ file: Int32) throws(DiskError) {
    let result = cl_close(file)
    if result < 0 { throw DiskError(.close, -result) }
  }

  package func write(_ file: Int32, _ bytes: Bytes, at offset: Int) throws(DiskError) -> Int {
    // Where somebody has taken the file away, nobody will ever read it.
    if cl_is_unlinked(file) { throw DiskError(.write, ErrorNumber.missing) }
    return try attempt(.write) { unsafe cl_pwrite(file, bytes.base, bytes.count, Int64(offset)) }
  }

  package func cut(_ file: Int32, to size: Int) throws(DiskError) {
    try attempt(.cut) { Int(cl_truncate(file, Int64(size))) }
  }

  package func sync(_ file: Int32) throws(DiskError) {
    try attempt(.sync) { Int(cl_fdatasync(file)) }
  }

  package func syncDirectory(_ path: String) throws(DiskError) {
    let directory = Int32(
      try attempt(.syncDirectory) { unsafe Int(cl_open(path, CL_READ)) })
    defer { _ = cl_close(directory) }
    try attempt(.syncDirectory) { Int(cl_fsync(directory)) }
  }

  package func read(_ file: Int32, into bytes: Bytes, at offset: Int) throws(DiskError) -> Int {
    try attempt(.read) { unsafe cl_pread(file, bytes.base, bytes.count, Int64(offset)) }
  }

  package func size(of file: Int32) throws(DiskError) -> Int {
    try attempt(.read) { Int(cl_file_size(file)) }
  }

  package func names(in path: String) throws(DiskError) -> [String] {
    var list = [UInt8](repeating: 0, count: 4096)
    while true {
      let needed = try attempt(.list) {
        list.withMutableBytes { place in
          unsafe cl_names(
            path, place.base.assumingMemoryBound(to: CChar.self), place.count)
        }
      }
      if needed <= list.count {
        return list[..<needed].split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
      }
      list = [UInt8](repeating: 0, count: 2 * needed)
    }
  }

  package func bytes(in path: String) throws(DiskError) -> Int {
    var sum = 0
    for name in try names(in: path) {
      let inner = "\(path)/\(name)"
      let size = unsafe cl_path_size(inner)
      if size == -Int64(ErrorNumber.isDirectory) { sum += (try? bytes(in: inner)) ?? 0 }
      // What is gone meanwhile takes nothing.
      if size > 0 { sum += Int(size) }
    }
    return sum
  }
}
