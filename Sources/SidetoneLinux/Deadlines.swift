// When sockets must be given up: one time per slot, in a dense array, so that finding the earliest
// of thousands costs a microsecond and setting or clearing one costs nothing. Sockets that are open
// have none (the engine keeps its own time), so in the steady state nothing here runs at all.

import Sidetone

@safe final class Deadlines {
  private let times: UnsafeMutableBufferPointer<Instant>
  /// No deadline is earlier than this; some may have been cleared since.
  private(set) var earliest = Instant.never

  init(capacity: Int) {
    unsafe times = .allocate(capacity: capacity)
    unsafe times.initialize(repeating: .never)
  }

  deinit { unsafe times.deallocate() }

  func set(_ index: Int, to time: Instant) {
    unsafe times[index] = time
    earliest = min(earliest, time)
  }

  func clear(_ index: Int) { unsafe times[index] = .never }

  /// Takes out what is due, one slot at a time; `body` may set and clear deadlines.
  func expire(at now: Instant, _ body: (Int) -> Void) {
    guard now >= earliest else { return }
    earliest = .never
    for index in unsafe times.indices where unsafe times[index] <= now {
      clear(index)
      body(index)
    }
    for index in unsafe times.indices { unsafe earliest = min(earliest, times[index]) }
  }
}
