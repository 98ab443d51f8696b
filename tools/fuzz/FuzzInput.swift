// What every fuzz target shares: the fuzzer's bytes taken apart, and memory that ends exactly where
// the input ends, so that the address sanitizer sees a read or write of one byte too many.

import Sidetone

/// The first bytes steer the target (sides, bounds, where reads are cut), the rest is its input.
struct FuzzInput {
  private let bytes: UnsafeBufferPointer<UInt8>
  private var place = 0

  init(_ start: UnsafePointer<UInt8>, _ count: Int) {
    bytes = UnsafeBufferPointer(start: start, count: count)
  }

  /// The next steering byte; 0 where there are no more.
  mutating func byte() -> Int {
    guard place < bytes.count else { return 0 }
    place += 1
    return Int(bytes[place - 1])
  }

  var rest: UnsafeBufferPointer<UInt8> { UnsafeBufferPointer(rebasing: bytes[place...]) }
}

/// Memory of exactly `count` bytes, given back with the object: name it, or it is gone at once.
final class ExactMemory {
  let bytes: Bytes

  init(count: Int) {
    bytes = Bytes(
      base: UnsafeMutableRawPointer.allocate(byteCount: count, alignment: 1), count: count)
    bytes.fill(0)
  }

  convenience init(_ content: UnsafeBufferPointer<UInt8>) {
    self.init(count: content.count)
    if let start = content.baseAddress {
      bytes.copy(Bytes(base: UnsafeMutableRawPointer(mutating: start), count: content.count))
    }
  }

  deinit { bytes.base.deallocate() }
}
