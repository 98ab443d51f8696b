// Every frame.
//
// Bytes that must wait lie in chains of fixed blocks from one shared pool: what a socket has not
// yet taken, audio that the upstream has not yet acknowledged. A chain owns nothing while it is
// empty, so an idle call costs almost no memory; a chain never grows past the pool, and `append`
// says so when the pool is dry.
//
//     head                                       tail
//     [....####] -> [########] -> [########] -> [####....]
//          ^ start of block 0                        ^ end of the last block

/// The shared pool of blocks. `next` is the list of free blocks as well as the order inside chains.
/// A plain value over memory taken at start (a class would be retained in every call, which the
/// allocation check refuses); its owner calls `deallocate` at the very end.
@safe package struct BlockPool: @unchecked Sendable {
  package static let blockBytes = 2048

  private struct State {
    var freeHead: Int32
    var free: Int
    var leastFree: Int
  }

  private let base: UnsafeMutableRawPointer
  private let next: UnsafeMutablePointer<Int32>
  private let ends: UnsafeMutablePointer<Int32>
  private let state: UnsafeMutablePointer<State>
  package let capacity: Int

  /// The first of them, at least so many, are the process's at once; the kernel gives it the others
  /// when they are first used, so that memory which was only provided for costs nothing.
  package init(blocks: Int, ready: Int = 0) {
    precondition(blocks > 0 && ready <= blocks)
    capacity = blocks
    unsafe base = .allocate(byteCount: blocks * Self.blockBytes, alignment: 64)
    unsafe base.initializeMemory(as: UInt8.self, repeating: 0, count: ready * Self.blockBytes)
    unsafe next = .allocate(capacity: blocks)
    unsafe ends = .allocate(capacity: blocks)
    unsafe state = .allocate(capacity: 1)
    for index in 0..<blocks {
      unsafe next[index] = index + 1 < blocks ? Int32(index + 1) : -1
      unsafe ends[index] = 0
    }
    unsafe state.initialize(to: State(freeHead: 0, free: blocks, leastFree: blocks))
  }

  package func deallocate() {
    unsafe base.deallocate()
    unsafe next.deallocate()
    unsafe ends.deallocate()
    unsafe state.deallocate()
  }

  package var free: Int { unsafe state.pointee.free }
  /// The fewest blocks that were ever free: the high-water mark of use.
  package var leastFree: Int { unsafe state.pointee.leastFree }

  @_noAllocation func take() -> Int32 {
    let block = unsafe state.pointee.freeHead
    guard block >= 0 else { return -1 }
    unsafe state.pointee.freeHead = next[Int(block)]
    unsafe next[Int(block)] = -1
    unsafe ends[Int(block)] = 0
    let free = unsafe state.pointee.free &- 1
    unsafe state.pointee.free = free
    if unsafe free < state.pointee.leastFree { unsafe state.pointee.leastFree = free }
    return block
  }

  @_noAllocation func give(_ block: Int32) {
    precondition(block >= 0 && Int(block) < capacity)
    unsafe next[Int(block)] = state.pointee.freeHead
    unsafe state.pointee.freeHead = block
    unsafe state.pointee.free &+= 1
    precondition(free <= capacity, "a block comes home once")
  }

  @inline(__always) func following(_ block: Int32) -> Int32 {
    precondition(block >= 0 && Int(block) < capacity)
    return unsafe next[Int(block)]
  }
  @inline(__always) func link(_ block: Int32, to other: Int32) {
    precondition(block >= 0 && Int(block) < capacity)
    unsafe next[Int(block)] = other
  }
  @inline(__always) func end(_ block: Int32) -> Int {
    precondition(block >= 0 && Int(block) < capacity)
    return unsafe Int(ends[Int(block)])
  }
  @inline(__always) func setEnd(_ block: Int32, _ end: Int) {
    precondition(block >= 0 && Int(block) < capacity && end <= Self.blockBytes)
    unsafe ends[Int(block)] = Int32(end)
  }
  @inline(__always) func bytes(_ block: Int32) -> Bytes {
    precondition(block >= 0 && Int(block) < capacity)
    return unsafe Bytes(base: base + Int(block) &* Self.blockBytes, count: Self.blockBytes)
  }
}

/// A first-in, first-out run of bytes in blocks of a pool. A plain value that must be given back
/// with `clear` before it is forgotten; the pool's count of free blocks proves that it was.
package struct Chain: BitwiseCopyable, Sendable {
  private(set) var head: Int32 = -1
  private var tail: Int32 = -1
  /// Where the first byte lies in the head block.
  private(set) var start = 0
  /// How many bytes are waiting.
  package private(set) var count = 0

  package init() {}

  package var isEmpty: Bool { count == 0 }

  /// A contiguous place for `length` bytes (at most a block) behind the last byte, or nil when the
  /// pool is dry. Fill it, then `commit` what was used, before anything else touches the chain.
  @_noAllocation package mutating func acquire(_ length: Int, from pool: BlockPool) -> Bytes? {
    precondition(length <= BlockPool.blockBytes)
    if tail < 0 || BlockPool.blockBytes &- pool.end(tail) < length {
      guard grow(pool) else { return nil }
    }
    let end = pool.end(tail)
    return pool.bytes(tail)[end..<end &+ length]
  }

  /// As `acquire`, but settles for what the last block still has, at least one byte.
  @_noAllocation package mutating func acquire(upTo length: Int, from pool: BlockPool) -> Bytes? {
    precondition(length > 0)
    if tail < 0 || pool.end(tail) == BlockPool.blockBytes {
      guard grow(pool) else { return nil }
    }
    return acquire(min(length, BlockPool.blockBytes &- pool.end(tail)), from: pool)
  }

  @_noAllocation package mutating func commit(_ length: Int, in pool: BlockPool) {
    pool.setEnd(tail, pool.end(tail) &+ length)
    count &+= length
  }

  /// Copies all of `bytes` behind the last one; false and nothing done when the pool is too dry.
  @_noAllocation package mutating func append(_ bytes: Bytes, from pool: BlockPool) -> Bool {
    guard hasRoom(bytes.count, in: pool) else { return false }
    var done = 0
    while done < bytes.count {
      if tail < 0 || pool.end(tail) == BlockPool.blockBytes {
        guard grow(pool) else { preconditionFailure("room was counted before") }
      }
      let end = pool.end(tail)
      let length = min(bytes.count &- done, BlockPool.blockBytes &- end)
      pool.bytes(tail).copy(bytes[done..<done &+ length], at: end)
      pool.setEnd(tail, end &+ length)
      done &+= length
    }
    count &+= bytes.count
    return true
  }

  /// Whether `append` of that many bytes would find its blocks, with the first `unbroken` in one.
  @_noAllocation package func hasRoom(
    _ length: Int, unbroken: Int = 0, in pool: BlockPool
  ) -> Bool {
    let rest = tail < 0 ? 0 : BlockPool.blockBytes &- pool.end(tail)
    let inTail = rest < unbroken ? 0 : rest
    if length <= inTail { return true }
    return (length &- inTail &+ BlockPool.blockBytes &- 1) / BlockPool.blockBytes <= pool.free
  }

  /// The longest contiguous run at the front; empty when there is nothing.
  @_noAllocation package func front(in pool: BlockPool) -> Bytes {
    guard count > 0 else { return .empty }
    return pool.bytes(head)[start..<pool.end(head)]
  }

  /// Lets go of `length` bytes from the front.
  @_noAllocation package mutating func drop(_ length: Int, in pool: BlockPool) {
    precondition(length <= count)
    var rest = length
    count &-= length
    while rest > 0 {
      let here = pool.end(head) &- start
      if rest < here {
        start &+= rest
        return
      }
      rest &-= here
      dropHead(pool)
    }
    if count == 0 { clear(in: pool) }
  }

  @_noAllocation package mutating func clear(in pool: BlockPool) {
    while head >= 0 { dropHead(pool) }
    count = 0
  }

  private mutating func dropHead(_ pool: BlockPool) {
    let following = pool.following(head)
    pool.give(head)
    head = following
    start = 0
    if head < 0 { tail = -1 }
  }

  private mutating func grow(_ pool: BlockPool) -> Bool {
    let block = pool.take()
    guard block >= 0 else { return false }
    if tail >= 0 { pool.link(tail, to: block) } else { head = block }
    tail = block
    return true
  }

  /// A place inside the chain that moves forward without taking anything out: where the reader of a
  /// kept ring stands. Invalid once the bytes before it were dropped past it.
  package struct Cursor: BitwiseCopyable, Sendable {
    fileprivate var block: Int32 = -1
    fileprivate var offset = 0
    package init() {}
  }

  /// A cursor at the first byte.
  @_noAllocation package func first() -> Cursor {
    var cursor = Cursor()
    cursor.block = head
    cursor.offset = start
    return cursor
  }

  /// The contiguous run at the cursor, at most `length` bytes. `cursor` may stand at the end of a
  /// full block, from where it first steps to the next.
  @_noAllocation package func run(at cursor: inout Cursor, upTo length: Int, in pool: BlockPool)
    -> Bytes
  {
    if cursor.block < 0 { cursor = first() }
    while cursor.block >= 0 && cursor.offset == pool.end(cursor.block) {
      let following = pool.following(cursor.block)
      if following < 0 { return .empty }
      cursor.block = following
      cursor.offset = 0
    }
    guard cursor.block >= 0 else { return .empty }
    let available = pool.end(cursor.block) &- cursor.offset
    return pool.bytes(cursor.block)[cursor.offset..<cursor.offset &+ min(available, length)]
  }

  @_noAllocation package func advance(
    _ cursor: inout Cursor, by length: Int, in pool: BlockPool
  ) {
    guard length > 0 else { return }
    cursor.offset &+= length
    while cursor.offset > pool.end(cursor.block) {
      cursor.offset &-= pool.end(cursor.block)
      cursor.block = pool.following(cursor.block)
    }
  }

  /// The `length` bytes (all of which are there) at the cursor in one piece: where they lie, or
  /// gathered in `scratch` where they lie in several blocks. The cursor stays.
  @_noAllocation package func whole(
    _ length: Int, at cursor: Cursor, scratch: Bytes, in pool: BlockPool
  ) -> Bytes {
    var place = cursor
    let first = run(at: &place, upTo: length, in: pool)
    if first.count == length { return first }
    scratch.copy(first)
    var done = first.count
    advance(&place, by: first.count, in: pool)
    while done < length {
      let next = run(at: &place, upTo: length &- done, in: pool)
      precondition(!next.isEmpty, "the bytes are there")
      scratch.copy(next, at: done)
      done &+= next.count
      advance(&place, by: next.count, in: pool)
    }
    return scratch.prefix(length)
  }

  /// Lets go of everything behind the first `length` bytes.
  @_noAllocation package mutating func truncate(to length: Int, in pool: BlockPool) {
    precondition(length >= 0 && length <= count)
    guard length > 0 else { return clear(in: pool) }
    var block = head
    var end = start &+ length
    while end > pool.end(block) {
      end &-= pool.end(block)
      block = pool.following(block)
    }
    var rest = pool.following(block)
    while rest >= 0 {
      let following = pool.following(rest)
      pool.give(rest)
      rest = following
    }
    pool.link(block, to: -1)
    pool.setEnd(block, end)
    tail = block
    count = length
  }
}
