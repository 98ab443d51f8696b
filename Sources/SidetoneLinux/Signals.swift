// SIGTERM and SIGINT become a number that the loop reads: 1 asks for a drain, 2 for the end. The
// handler does nothing but add to a counter (an eventfd), so a signal is an event like any other.
// SIGPIPE and SIGHUP are ignored.

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

  /// Takes in what has come since the last time; `received` counts them all.
  mutating func take() {
    if case .done(let count) = perform({ Int(cl_counter_take(counter)) }) { received += count }
  }
}
