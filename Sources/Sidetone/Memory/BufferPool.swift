// Large buffers for the few messages that do not fit in a block: a fixed number, of one size, taken
// once.

/// The buffers in which messages are put together, of one size class.
@safe package struct BufferPool: @unchecked Sendable {
  private let base: UnsafeMutableRawPointer
  private let free: UnsafeMutablePointer<Int32>
  private let freeCount: UnsafeMutablePointer<Int>
  package let capacity: Int
  package let bufferBytes: Int

  package init(buffers: Int, bytes: Int) {
    capacity = buffers
    bufferBytes = bytes
    unsafe base = .allocate(byteCount: max(1, buffers * bytes), alignment: 64)
    unsafe free = .allocate(capacity: max(1, buffers))
    for index in 0..<buffers { unsafe free[index] = Int32(buffers - 1 - index) }
    unsafe freeCount = .allocate(capacity: 1)
    unsafe freeCount.initialize(to: buffers)
  }

  package func deallocate() {
    unsafe base.deallocate()
    unsafe free.deallocate()
    unsafe freeCount.deallocate()
  }

  package var inUse: Int { unsafe capacity &- freeCount.pointee }

  package func take() -> Int32? {
    guard inUse < capacity else { return nil }
    unsafe freeCount.pointee &-= 1
    return unsafe free[freeCount.pointee]
  }

  package func give(_ index: Int32) {
    precondition(inUse > 0, "a buffer comes home once")
    unsafe free[freeCount.pointee] = index
    unsafe freeCount.pointee &+= 1
  }

  package func bytes(_ index: Int32) -> Bytes {
    precondition(index >= 0 && Int(index) < capacity)
    return unsafe Bytes(base: base + Int(index) &* bufferBytes, count: bufferBytes)
  }
}
