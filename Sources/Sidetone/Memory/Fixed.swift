// Every frame.
//
// One value that is made at start and read from then on: a name of one word for it, so that lending
// it copies nothing, however much it holds. Its owner may change it between two inputs, while it is
// lent to nobody.

/// A plain value over memory taken at start; its owner calls `deallocate` at the very end.
@safe package struct Fixed<Value>: @unchecked Sendable, BitwiseCopyable {
  private let place: UnsafeMutablePointer<Value>

  package init(_ value: Value) {
    unsafe place = .allocate(capacity: 1)
    unsafe place.initialize(to: value)
  }

  package func deallocate() {
    unsafe place.deinitialize(count: 1)
    unsafe place.deallocate()
  }

  package func change(_ body: (inout Value) -> Void) { unsafe body(&place.pointee) }

  package var value: Value {
    @inline(__always) unsafeAddress { unsafe UnsafePointer(place) }
  }
}
