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

/// A first-in, first-out queue of slots in which each slot stands at most once, so it cannot
/// overflow. A slot keeps its place when its owner changes.
@safe final class SlotQueue {
  private let places: UnsafeMutableBufferPointer<Int32>
  private let isWaiting: UnsafeMutableBufferPointer<Bool>
  private var head = 0
  private(set) var count = 0

  init(capacity: Int) {
    unsafe places = .allocate(capacity: capacity)
    unsafe places.initialize(repeating: 0)
    unsafe isWaiting = .allocate(capacity: capacity)
    unsafe isWaiting.initialize(repeating: false)
  }

  deinit {
    unsafe places.deallocate()
    unsafe isWaiting.deallocate()
  }

  func push(_ index: Int) {
    guard unsafe !isWaiting[index] else { return }
    unsafe isWaiting[index] = true
    unsafe places[(head + count) % places.count] = Int32(index)
    count += 1
  }

  func pop() -> Int? {
    guard count > 0 else { return nil }
    let index = unsafe Int(places[head])
    unsafe head = (head + 1) % places.count
    count -= 1
    unsafe isWaiting[index] = false
    return index
  }
}
