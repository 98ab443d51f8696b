// How a journal begins: its directories, and the lock that says that its writer lives.

import Sidetone

enum JournalStart {
  /// Makes `<directory>/journal/<instance>`, which appears with its lock taken; answers the lock.
  static func make(
    _ directory: String, _ instance: String, on disk: any Disk
  ) throws(JournalError) -> Int32 {
    let journals = JournalPath.journals(directory)
    var parent = directory.hasPrefix("/") ? "/" : ""
    for name in journals.split(separator: "/") {
      parent += (parent.isEmpty || parent == "/" ? "" : "/") + name
      try attempt(parent) { () throws(DiskError) in try disk.makeDirectory(parent) }
    }
    let unborn = JournalPath.unborn(directory, instance)
    let born = JournalPath.instance(directory, instance)
    return try attempt(born) { () throws(DiskError) in
      try disk.makeDirectory(unborn)
      guard let lock = try disk.lock(JournalPath.lock(unborn)) else {
        throw DiskError(.lock, ErrorNumber.wouldBlock)
      }
      do throws(DiskError) {
        try disk.publish(unborn, as: born)
        try disk.syncDirectory(journals)
      } catch {
        try? disk.close(lock)
        throw error
      }
      return lock
    }
  }

  private static func attempt<Value>(
    _ path: String, _ body: () throws(DiskError) -> Value
  ) throws(JournalError) -> Value {
    do throws(DiskError) {
      return try body()
    } catch {
      throw Self.error(error, path)
    }
  }

  /// What is wrong with a path, and what to do about it.
  static func error(_ error: DiskError, _ path: String) -> JournalError {
    let advice =
      switch error.number {
      case ErrorNumber.noSpace, ErrorNumber.quota: "make room"
      case ErrorNumber.exists, 20: "a file is in the way: move it, or set records.directory"
      case 1, 13: "give this process's user the right to write there, or set records.directory"
      case 30: "the file system is read-only: set records.directory to another one"
      case ErrorNumber.wouldBlock: "another relay has that journal"
      default: "set records.directory to a directory that this process may write to"
      }
    return JournalError(sentence: "\(sentence(error, path)); \(advice)")
  }

  static func sentence(_ error: DiskError, _ path: String) -> String {
    "cannot \(error.call.rawValue) \(path): \(LinuxDisk.text(error.number))"
  }
}
