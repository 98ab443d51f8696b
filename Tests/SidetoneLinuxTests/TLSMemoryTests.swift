// The free lists that OpenSSL lives in, without OpenSSL.

import Testing

@testable import SidetoneLinux

/// One test, since the lists belong to the whole process.
struct TLSMemoryTests {
  @Test func `blocks come back grow in place and keep their bytes`() throws {
    TLSMemory.reserve(bytes: 4 << 20)
    let first = try #require(TLSMemory.allocate(1000))
    first.initializeMemory(as: UInt8.self, repeating: 7, count: 1000)
    #expect(Int(bitPattern: first) % 16 == 0)

    // Room that the block has anyway.
    #expect(TLSMemory.reallocate(first, 1008) == first)
    let grown = try #require(TLSMemory.reallocate(first, 20_000))
    #expect(grown != first)
    #expect((0..<1000).allSatisfy { grown.load(fromByteOffset: $0, as: UInt8.self) == 7 })
    TLSMemory.free(grown)

    // What is larger than the largest block comes from the heap and is counted.
    let held = TLSMemory.statistics.heapBlocksHeld
    let huge = try #require(TLSMemory.allocate(1 << 20))
    #expect(TLSMemory.statistics.heapBlocksHeld > held)
    let shrunk = try #require(TLSMemory.reallocate(huge, 10))
    #expect(TLSMemory.reallocate(shrunk, 0) == nil)
    #expect(TLSMemory.reallocate(nil, 10) != nil)
    TLSMemory.free(nil)
    #expect(TLSMemory.allocate(0) != nil)
  }
}
