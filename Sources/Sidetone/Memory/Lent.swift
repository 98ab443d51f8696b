// One value in memory that was taken at start. What only some owners need lies beside them all, and
// is lent to those: they keep this name of it, of which a copy reaches the same value.

/// Valid while the memory is its owner's.
@safe package struct Lent<Value: BitwiseCopyable>: @unchecked Sendable, BitwiseCopyable {
  private let place: UnsafeMutablePointer<Value>?

  /// Nothing is lent.
  package init() { unsafe place = nil }

  /// A new value at the beginning of these bytes.
  package init(_ value: Value, in memory: Bytes) {
    precondition(memory.count >= MemoryLayout<Value>.stride)
    precondition(unsafe UInt(bitPattern: memory.base) % UInt(MemoryLayout<Value>.alignment) == 0)
    let place = unsafe memory.base.bindMemory(to: Value.self, capacity: 1)
    unsafe place.initialize(to: value)
    unsafe self.place = place
  }

  package var isThere: Bool { @inline(__always) get { unsafe place != nil } }

  package var value: Value {
    @inline(__always) unsafeAddress {
      precondition(isThere, "what is not there has no value")
      return unsafe UnsafePointer(place.unsafelyUnwrapped)
    }
    @inline(__always) nonmutating unsafeMutableAddress {
      precondition(isThere, "what is not there has no value")
      return unsafe place.unsafelyUnwrapped
    }
  }
}

/// Bytes in memory that stays where it is for as long as this name of them is held.
@safe package struct LentBytes: @unchecked Sendable, BitwiseCopyable {
  private let base: UnsafeMutableRawPointer?
  package let count: Int

  /// Nothing is lent.
  package init() {
    unsafe base = nil
    count = 0
  }

  @inline(__always) package init(_ bytes: Bytes) {
    unsafe base = bytes.base
    count = bytes.count
  }

  package var isEmpty: Bool { @inline(__always) get { count == 0 } }

  package var bytes: Bytes {
    @inline(__always) get {
      guard let base = unsafe base else { return .empty }
      return unsafe Bytes(base: base, count: count)
    }
  }
}
