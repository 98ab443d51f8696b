// Every frame.
//
// A first-in, first-out queue of slots in which each stands at most once, so it cannot overflow. A
// slot keeps its place when its owner changes.

/// A plain value over memory taken at start; its owner calls `deallocate` at the very end.
@safe package struct SlotQueue: @unchecked Sendable {
  private let places: UnsafeMutablePointer<Int32>
  private let isWaiting: UnsafeMutablePointer<Bool>
  private let capacity: Int
  private var head = 0
  package private(set) var count = 0

  package init(capacity: Int) {
    self.capacity = capacity
    unsafe places = .allocate(capacity: capacity)
    unsafe places.initialize(repeating: 0, count: capacity)
    unsafe isWaiting = .allocate(capacity: capacity)
    unsafe isWaiting.initialize(repeating: false, count: capacity)
  }

  package func deallocate() {
    unsafe places.deallocate()
    unsafe isWaiting.deallocate()
  }

  /// Puts a slot at the end; nothing where it waits already.
  @_noAllocation package mutating func push(_ index: Int) {
    precondition(index >= 0 && index < capacity)
    guard unsafe !isWaiting[index] else { return }
    unsafe isWaiting[index] = true
    var place = head &+ count
    if place >= capacity { place &-= capacity }
    unsafe places[place] = Int32(truncatingIfNeeded: index)
    count &+= 1
  }

  /// The slot that has waited longest, or nil.
  package var first: Int? {
    @inline(__always) get { count > 0 ? unsafe Int(places[head]) : nil }
  }

  /// The slot that has waited longest leaves, and may be pushed again from now on; nil where none
  /// waits.
  @discardableResult @_noAllocation package mutating func pop() -> Int? {
    guard let index = first else { return nil }
    unsafe isWaiting[index] = false
    head = head &+ 1 == capacity ? 0 : head &+ 1
    count &-= 1
    return index
  }
}
