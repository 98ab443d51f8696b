// SIGTERM and SIGINT become a number that the loop reads: 1 asks for a drain, 2 for the end. The
// handler does nothing but add to a counter (an eventfd), so a signal is an event like any other.
// SIGPIPE is ignored. Others that would end the process come by their numbers: SIGHUP has the
// settings read anew where they can be; those that mean nothing here are told by name.

import CLinux

struct Signals {
  let counter: Int32
  private(set) var received = 0

  /// `catching` is false in tests, where the process belongs to somebody else.
  init(catching: Bool) throws(Errno) {
    counter = Int32(try attempt { Int(cl_counter_create(false)) })
    guard catching else { return }
    let counter = counter
    _ = try attempt { Int(cl_signals_to(counter)) }
  }

  /// Takes in what has come since the last time; `received` counts those that end the run. The
  /// numbers of the others.
  mutating func take() -> [Int32] {
    guard case .done(let count) = perform({ Int(cl_counter_take(counter)) }) else { return [] }
    received += count & 0xffff_ffff
    guard count >> 32 > 0 else { return [] }
    let strange = cl_strange_signals()
    return (1...64).filter { strange >> UInt64($0 - 1) & 1 == 1 }
  }

  static func name(of number: Int32) -> String {
    guard let name = unsafe cl_signal_name(number) else { return "signal \(number)" }
    return unsafe "SIG" + String(cString: name)
  }
}
