// What the journal asks of a disk. A call may take as long as it likes: none is made on the relay's
// thread.

import Sidetone

/// A call of the disk that failed.
package struct DiskError: Error, Equatable, Sendable {
  package var call: Call
  /// The kernel's number for it.
  package var number: Int32

  package enum Call: String, Sendable {
    case makeDirectory = "make the directory"
    case publish = "rename"
    case lock, open, create, write, cut
    case sync
    case syncDirectory = "sync the directory"
    case close, read, list, measure
  }

  package init(_ call: Call, _ number: Int32) {
    self.call = call
    self.number = number
  }

  /// Somebody must make room: to try elsewhere does not help.
  var isLackOfSpace: Bool { number == ErrorNumber.noSpace || number == ErrorNumber.quota }
}

package protocol Disk: Sendable {
  /// Fails where something of that name is there, which is no directory; mode 0700.
  func makeDirectory(_ path: String) throws(DiskError)
  /// Gives a directory its name. Fails where another that is not empty has it.
  func publish(_ path: String, as other: String) throws(DiskError)
  /// Makes the file where it is missing, and holds its lock until it is closed. nil: another has
  /// it.
  func lock(_ path: String) throws(DiskError) -> Int32?
  /// Whether anybody holds the lock of that file.
  func isLocked(_ path: String) throws(DiskError) -> Bool

  /// A new file, mode 0600.
  func create(_ path: String) throws(DiskError) -> Int32
  func open(_ path: String) throws(DiskError) -> Int32
  func close(_ file: Int32) throws(DiskError)
  /// Answers how many bytes it took.
  func write(_ file: Int32, _ bytes: Bytes, at offset: Int) throws(DiskError) -> Int
  func cut(_ file: Int32, to size: Int) throws(DiskError)
  func sync(_ file: Int32) throws(DiskError)
  func syncDirectory(_ path: String) throws(DiskError)

  /// Answers how many bytes it read; 0 at the end.
  func read(_ file: Int32, into bytes: Bytes, at offset: Int) throws(DiskError) -> Int
  func size(of file: Int32) throws(DiskError) -> Int
  /// The names in a directory, in no order.
  func names(in path: String) throws(DiskError) -> [String]
  /// What the files in a directory take, those in its own directories too.
  func bytes(in path: String) throws(DiskError) -> Int
}
