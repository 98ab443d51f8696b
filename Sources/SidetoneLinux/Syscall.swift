// Every frame.
//
// The one place that knows how a system call can end. Interrupted calls are made again, "would
// block" becomes a value, and errors that only our own mistake can cause stop the process, since
// going on would mean reading from or writing to somebody else's descriptor.

import CLinux

/// An error number of the kernel.
package struct Errno: Error, Equatable {
  package let rawValue: Int32
  package init(rawValue: Int32) { self.rawValue = rawValue }

  static let notPermitted = Errno(rawValue: 1)
  static let interrupted = Errno(rawValue: 4)
  static let badDescriptor = Errno(rawValue: 9)
  static let wouldBlock = Errno(rawValue: 11)
  static let noMemory = Errno(rawValue: 12)
  static let badAddress = Errno(rawValue: 14)
  static let tooManyFilesInSystem = Errno(rawValue: 23)
  static let tooManyFiles = Errno(rawValue: 24)
  static let notImplemented = Errno(rawValue: 38)
  static let notSocket = Errno(rawValue: 88)
  static let addressInUse = Errno(rawValue: 98)
  static let networkUnreachable = Errno(rawValue: 101)
  static let noBufferSpace = Errno(rawValue: 105)
  static let timedOut = Errno(rawValue: 110)
  static let connectionRefused = Errno(rawValue: 111)
  static let hostUnreachable = Errno(rawValue: 113)
  static let inProgress = Errno(rawValue: 115)

  /// The process or the machine has run out of descriptors or of memory for sockets: waiting helps.
  var isExhaustion: Bool {
    self == .tooManyFiles || self == .tooManyFilesInSystem || self == .noBufferSpace
      || self == .noMemory
  }

  /// No peer and no shortage can cause these.
  private var isOurMistake: Bool {
    self == .badDescriptor || self == .badAddress || self == .notSocket
  }

  /// The kernel's sentence for it, for people.
  package var text: String { unsafe String(cString: cl_error_text(rawValue)) }

  fileprivate func check() {
    precondition(!isOurMistake, "a system call was made on a wrong descriptor or address")
  }
}

/// How a system call came out.
enum Outcome {
  case done(Int)
  case wouldBlock
  case failed(Errno)
}

/// Makes a call of `CLinux`, which answers `-errno` for an error, until a signal does not disturb
/// it.
@inline(__always) func perform(_ call: () -> Int) -> Outcome {
  while true {
    let result = call()
    if result >= 0 { return .done(result) }
    let error = Errno(rawValue: Int32(-result))
    if error == .interrupted { continue }
    if error == .wouldBlock { return .wouldBlock }
    error.check()
    return .failed(error)
  }
}

/// As `perform`, for calls that may also fail by an `Errno` that the caller throws on.
func attempt(_ call: () -> Int) throws(Errno) -> Int {
  switch perform(call) {
  case .done(let value): return value
  case .wouldBlock: throw .wouldBlock
  case .failed(let error): throw error
  }
}
