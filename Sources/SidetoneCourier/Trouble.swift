// What goes wrong in the world: a disk, a database, a library. One sentence says where, why and
// what to do; whoever catches it tells it once and tries again later.

import CLinux
import SidetoneRecords

package struct Trouble: Error, Equatable, Sendable {
  package enum Kind: Sendable {
    /// Later it may work.
    case passing
    /// What the database holds cannot be read.
    case damaged
    /// The directory is another one now.
    case gone
    /// A test ends the courier here.
    case killed
  }

  package let kind: Kind
  package let sentence: String

  package init(_ sentence: String, _ kind: Kind = .passing) {
    self.sentence = sentence
    self.kind = kind
  }

  /// An operation of the kernel that failed: `deed` as in "write", with the path it was about.
  init(_ deed: String, _ path: String, error: Int32) {
    self.init("cannot \(deed) \(path): \(Self.text(of: error))\(Self.remedy(for: error))")
  }

  private static func text(of error: Int32) -> String {
    unsafe String(cString: cl_error_text(error))
  }

  private static func remedy(for error: Int32) -> String {
    switch error {
    case ErrorNumber.noSpace, ErrorNumber.quota: return "; make room there"
    case ErrorNumber.readOnly:
      return "; mount it writable, or name another directory under [records]"
    case ErrorNumber.access, ErrorNumber.notPermitted:
      return "; let the user whom the relay runs as write there"
    case ErrorNumber.notDirectory, ErrorNumber.exists:
      return "; a file stands where a directory belongs: move it, or name another directory"
        + " under [records]"
    case ErrorNumber.inputOutput: return "; the disk fails, the kernel's log says more"
    case ErrorNumber.tooManyFiles: return "; raise the limit of open files"
    default: return ""
    }
  }
}

/// Where tests end a courier, or have its disk fail. A courier that runs for people has none.
package final class Disturbance {
  package private(set) var passed: [String] = []
  /// As if the process were killed at the point of this number, counted from 0.
  package var killsAt: Int?
  /// The error that an operation meets, by its deed and path.
  package var fails: (String, String) -> Int32?

  package init(killsAt: Int? = nil, fails: @escaping (String, String) -> Int32? = { _, _ in nil }) {
    self.killsAt = killsAt
    self.fails = fails
  }

  /// Called before each step that changes something outside the process.
  func pass(_ deed: String, _ path: String = "") throws(Trouble) {
    defer { passed.append(deed) }
    if let killsAt, passed.count >= killsAt { throw Trouble("killed", .killed) }
    if let error = fails(deed, path) { throw Trouble(deed, path, error: error) }
  }
}
