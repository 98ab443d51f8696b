// Every frame.
//
// Fixed slots for things with an identity, made once. A slot is named by index and generation, so a
// name that outlived its owner is recognised and never reaches the next one. Never grows: `take`
// answers nil when full, and full is the caller's case to handle. The machine's table of sockets is
// one as well, so what a frame asks of it is inlinable, and public: the compiler does not look into
// what is only `package` from another module.

/// The name of a slot: the index in the low half, the generation in the high half.
public struct SlotID: Hashable, BitwiseCopyable, Sendable {
  public let rawValue: UInt64

  @inlinable public init(rawValue: UInt64) { self.rawValue = rawValue }
  @inlinable public init(index: Int, generation: UInt32) {
    rawValue = UInt64(generation) << 32 | UInt64(UInt32(index))
  }
  @inlinable public var index: Int {
    @inline(__always) get { Int(UInt32(truncatingIfNeeded: rawValue)) }
  }
  @inlinable public var generation: UInt32 {
    @inline(__always) get { UInt32(truncatingIfNeeded: rawValue >> 32) }
  }

  @inlinable public static var none: SlotID { SlotID(rawValue: .max) }

  @inlinable @inline(__always) public static func == (a: SlotID, b: SlotID) -> Bool {
    a.rawValue == b.rawValue
  }
}

/// A plain value over memory taken at start, so that reaching a slot retains nothing; its owner
/// calls `deallocate` at the very end. Elements must be trivial: no references inside.
/// What only asks an element something works on a copy of it, unless it is inlined; so the
/// questions that a frame asks of large elements are.
@safe public struct Slab<Element: BitwiseCopyable>: @unchecked Sendable {
  @usableFromInline let slots: UnsafeMutablePointer<Element>
  @usableFromInline let generations: UnsafeMutablePointer<UInt32>
  @usableFromInline let free: UnsafeMutablePointer<Int32>
  @usableFromInline let freeCount: UnsafeMutablePointer<Int>
  public let capacity: Int

  package init(capacity: Int, repeating blank: Element) {
    self.capacity = capacity
    unsafe slots = .allocate(capacity: capacity)
    unsafe slots.initialize(repeating: blank, count: capacity)
    unsafe generations = .allocate(capacity: capacity)
    unsafe generations.initialize(repeating: 0, count: capacity)
    unsafe free = .allocate(capacity: capacity)
    // The lowest index goes out first, which keeps the busy slots close together.
    for place in 0..<capacity { unsafe free[place] = Int32(capacity - 1 - place) }
    unsafe freeCount = .allocate(capacity: 1)
    unsafe freeCount.initialize(to: capacity)
  }

  package func deallocate() {
    unsafe slots.deallocate()
    unsafe generations.deallocate()
    unsafe free.deallocate()
    unsafe freeCount.deallocate()
  }

  @inlinable public var inUse: Int { unsafe capacity &- freeCount.pointee }
  @inlinable public var isFull: Bool { unsafe freeCount.pointee == 0 }

  /// Takes a free slot, or nil where there is none. An odd generation means "in use".
  @inlinable public func take() -> SlotID? {
    guard !isFull else { return nil }
    unsafe freeCount.pointee &-= 1
    let index = unsafe Int(free[freeCount.pointee])
    unsafe generations[index] &+= 1
    return unsafe SlotID(index: index, generation: generations[index])
  }

  /// Gives the slot back. The element in it is left for the next owner to overwrite.
  @inlinable public func release(_ id: SlotID) {
    precondition(holds(id), "a slot is released once, by its owner")
    unsafe generations[id.index] &+= 1
    unsafe free[freeCount.pointee] = Int32(id.index)
    unsafe freeCount.pointee &+= 1
  }

  /// Whether this name still stands for a live slot.
  @inlinable @inline(__always) public func holds(_ id: SlotID) -> Bool {
    guard id.index < capacity, id.generation & 1 == 1 else { return false }
    return unsafe generations[id.index] == id.generation
  }

  @inlinable public func isInUse(_ index: Int) -> Bool {
    precondition(index >= 0 && index < capacity)
    return unsafe generations[index] & 1 == 1
  }
  @inlinable public func id(at index: Int) -> SlotID {
    precondition(index >= 0 && index < capacity)
    return unsafe SlotID(index: index, generation: generations[index])
  }

  @inlinable public subscript(index: Int) -> Element {
    @inline(__always) unsafeAddress {
      precondition(index >= 0 && index < capacity)
      return unsafe UnsafePointer(slots + index)
    }
    @inline(__always) nonmutating unsafeMutableAddress {
      precondition(index >= 0 && index < capacity)
      return unsafe slots + index
    }
  }
}
