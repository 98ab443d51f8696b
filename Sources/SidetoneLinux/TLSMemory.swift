// Every frame.
//
// The memory that OpenSSL lives in. It allocates and frees a buffer for every record, so it gets
// its memory from free lists over one arena taken at start: a record costs no malloc, and what TLS
// needs is in the plan. What does not fit goes to the heap and is counted. Freed blocks stay with
// their size and are never joined, which is enough because every connection asks for the same
// sizes.
//
//     block:  [ 16 bytes: its class | what OpenSSL sees ... ]   free: the first word: the next
//
// The loop and the threads that shake hands share it, and blocks go from one to the other with
// their connection, under one lock: an exchange where nobody is in the way, and a few nanoseconds
// of spinning where somebody is.

import COpenSSL
import Glibc
import Synchronization

package enum TLSMemory {
  package struct Statistics: Sendable {
    package var arenaBytes = 0
    package var arenaBytesUsed = 0
    /// Blocks that did not fit into the arena, ever, and how many of them are held now.
    package var heapBlocks = 0
    package var heapBlocksHeld = 0
  }

  package static var statistics: Statistics { state.withLock { $0.statistics } }

  /// Makes OpenSSL use this memory from now on; false where it has already allocated by itself, and
  /// then everything works but nothing is bounded. To be called first of all.
  @discardableResult package static func install() -> Bool {
    unsafe CRYPTO_set_mem_functions(
      { count, _, _ in unsafe TLSMemory.allocate(count) },
      { pointer, count, _, _ in unsafe TLSMemory.reallocate(pointer, count) },
      { pointer, _, _ in unsafe TLSMemory.free(pointer) }) == 1
  }

  /// Takes the arena, once; a second call adds nothing.
  package static func reserve(bytes: Int) {
    state.withLock { state in
      guard unsafe state.arena == nil, bytes > 0 else { return }
      unsafe state.arena = .allocate(byteCount: bytes, alignment: 64)
      state.statistics.arenaBytes = bytes
    }
  }

  // MARK: The free lists

  /// Block sizes, header included. The largest holds one record of each direction's buffer; the one
  /// before, a whole certificate chain.
  private static let sizes: InlineArray<12, Int> = [
    64, 128, 256, 512, 1024, 2048, 4096, 8192, 16_384, 17_408, 34_816, 69_632,
  ]
  private static let headerBytes = 16
  private static let heapClass = -1

  @safe private struct State: @unchecked Sendable {
    var arena: UnsafeMutableRawPointer?
    var free = unsafe InlineArray<12, UnsafeMutableRawPointer?>(repeating: nil)
    var statistics = Statistics()
  }

  private static let state = Mutex(State())

  private static func sizeClass(_ count: Int) -> Int? {
    let wanted = count + headerBytes
    for index in sizes.indices where sizes[index] >= wanted { return index }
    return nil
  }

  static func allocate(_ count: Int) -> UnsafeMutableRawPointer? {
    if let index = sizeClass(count), let block = unsafe takeBlock(index) {
      return unsafe seal(block, index, count)
    }
    guard let block = unsafe malloc(count + headerBytes) else { return nil }
    state.withLock {
      $0.statistics.heapBlocks += 1
      $0.statistics.heapBlocksHeld += 1
    }
    return unsafe seal(block, heapClass, count)
  }

  /// Writes the header: the class, and how much the owner asked for.
  private static func seal(_ block: UnsafeMutableRawPointer, _ index: Int, _ count: Int)
    -> UnsafeMutableRawPointer
  {
    unsafe block.storeBytes(of: index, as: Int.self)
    unsafe block.storeBytes(of: count, toByteOffset: 8, as: Int.self)
    return unsafe block + headerBytes
  }

  private static func takeBlock(_ index: Int) -> UnsafeMutableRawPointer? {
    unsafe state.withLock { state in
      if let block = unsafe state.free[index] {
        unsafe state.free[index] = block.load(as: UnsafeMutableRawPointer?.self)
        return unsafe block
      }
      guard let arena = unsafe state.arena,
        state.statistics.arenaBytesUsed + sizes[index] <= state.statistics.arenaBytes
      else { return nil }
      let block = unsafe arena + state.statistics.arenaBytesUsed
      state.statistics.arenaBytesUsed += sizes[index]
      return unsafe block
    }
  }

  static func free(_ pointer: UnsafeMutableRawPointer?) {
    guard let pointer = unsafe pointer else { return }
    let block = unsafe pointer - headerBytes
    let index = unsafe block.load(as: Int.self)
    if index == heapClass {
      state.withLock { $0.statistics.heapBlocksHeld -= 1 }
      return unsafe Glibc.free(block)
    }
    state.withLock { state in
      unsafe block.storeBytes(of: state.free[index], as: UnsafeMutableRawPointer?.self)
      unsafe state.free[index] = block
    }
  }

  static func reallocate(_ pointer: UnsafeMutableRawPointer?, _ count: Int)
    -> UnsafeMutableRawPointer?
  {
    guard let pointer = unsafe pointer else { return unsafe allocate(count) }
    if count == 0 {
      unsafe free(pointer)
      return nil
    }
    let block = unsafe pointer - headerBytes
    let index = unsafe block.load(as: Int.self)
    if index != heapClass, sizes[index] >= count + headerBytes {
      unsafe block.storeBytes(of: count, toByteOffset: 8, as: Int.self)
      return unsafe pointer
    }
    let held = unsafe block.load(fromByteOffset: 8, as: Int.self)
    guard let moved = unsafe allocate(count) else { return nil }
    unsafe moved.copyMemory(from: pointer, byteCount: min(held, count))
    unsafe free(pointer)
    return unsafe moved
  }
}
