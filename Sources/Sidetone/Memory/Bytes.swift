// Every frame.
//
// A bounded window over memory that somebody else owns: a read buffer, a block, a message in it.
// This is the one way in which the engine touches bytes. Every access is checked against `count`,
// also in release, so a mistake traps and never reads a neighbour. A window is valid while its
// owner says so: for the length of one call, unless stated otherwise.
//
// Why not a RawSpan: the allocation check of the compiler refuses a struct that holds one, and the
// engine's windows live in structs. The price is that lifetimes are a convention; the gain is that
// no pointer is seen above this folder.

import CKernels

@safe package struct Bytes: @unchecked Sendable {
  /// Only for `Memory/`, the C kernels, and the machine's system calls.
  package let base: UnsafeMutableRawPointer
  package let count: Int

  package init(base: UnsafeMutableRawPointer, count: Int) {
    precondition(count >= 0)
    unsafe self.base = base
    self.count = count
  }

  package static var empty: Bytes {
    @_noAllocation get {
      unsafe Bytes(base: UnsafeMutableRawPointer(bitPattern: 64)!, count: 0)
    }
  }

  package var isEmpty: Bool { count == 0 }

  package subscript(index: Int) -> UInt8 {
    @inline(__always) get {
      precondition(index >= 0 && index < count)
      return unsafe base.load(fromByteOffset: index, as: UInt8.self)
    }
    @inline(__always) nonmutating set {
      precondition(index >= 0 && index < count)
      unsafe base.storeBytes(of: newValue, toByteOffset: index, as: UInt8.self)
    }
  }

  package subscript(range: Range<Int>) -> Bytes {
    @inline(__always) get {
      precondition(range.lowerBound >= 0 && range.upperBound <= count)
      return unsafe Bytes(base: base + range.lowerBound, count: range.count)
    }
  }

  @inline(__always) package func prefix(_ length: Int) -> Bytes { self[0..<length] }
  @inline(__always) package func dropping(_ length: Int) -> Bytes { self[length..<count] }

  /// An unaligned little-endian load or store of a whole word.
  @inline(__always) package func load<T: FixedWidthInteger & BitwiseCopyable>(
    _ type: T.Type, at offset: Int
  ) -> T {
    precondition(offset >= 0 && offset &+ MemoryLayout<T>.size <= count)
    return unsafe T(littleEndian: base.loadUnaligned(fromByteOffset: offset, as: T.self))
  }

  @inline(__always) package func store<T: FixedWidthInteger & BitwiseCopyable>(
    _ value: T, at offset: Int
  ) {
    precondition(offset >= 0 && offset &+ MemoryLayout<T>.size <= count)
    unsafe base.storeBytes(of: value.littleEndian, toByteOffset: offset, as: T.self)
  }

  /// Copies all of `source` to `offset`; the two may overlap.
  @_noAllocation package func copy(_ source: Bytes, at offset: Int = 0) {
    precondition(offset >= 0 && offset &+ source.count <= count)
    unsafe ck_move(base + offset, source.base, source.count)
  }

  /// Copies the first `count` bytes of a value, as they lie in memory, to the beginning of these.
  /// What is only borrowed would first be copied whole.
  @inline(__always) package func copy<Value: BitwiseCopyable>(
    _ count: Int, of value: inout Value
  ) {
    precondition(count >= 0 && count <= self.count && count <= MemoryLayout<Value>.size)
    unsafe withUnsafeBytes(of: &value) { unsafe ck_move(base, $0.baseAddress!, count) }
  }

  @_noAllocation package func fill(_ byte: UInt8) {
    unsafe ck_fill(base, byte, count)
  }

  @_noAllocation package func equals(_ other: Bytes) -> Bool {
    unsafe count == other.count && ck_equal(base, other.base, count)
  }

  /// Whether a value, as it lies in memory, begins with these bytes.
  @inline(__always) package func begin<Value: BitwiseCopyable>(_ value: borrowing Value) -> Bool {
    precondition(count <= MemoryLayout<Value>.size)
    return unsafe withUnsafeBytes(of: value) { unsafe ck_equal(base, $0.baseAddress!, count) }
  }

  /// Byte-for-byte equality with a literal.
  @_noAllocation package func equals(_ text: StaticString) -> Bool {
    unsafe count == text.utf8CodeUnitCount && ck_equal(base, text.utf8Start, count)
  }

  /// Whether a literal stands there: short ones are compared by words, whose other side is known
  /// when this is compiled.
  @inline(__always) package func holds(_ text: StaticString, at offset: Int) -> Bool {
    let length = text.utf8CodeUnitCount
    guard offset >= 0, offset &+ length <= count else { return false }
    let mine = unsafe UnsafeRawPointer(base + offset)
    let other = unsafe UnsafeRawPointer(text.utf8Start)
    func isSame<Word: FixedWidthInteger & BitwiseCopyable>(_ at: Int, as _: Word.Type) -> Bool {
      unsafe mine.loadUnaligned(fromByteOffset: at, as: Word.self)
        == other.loadUnaligned(fromByteOffset: at, as: Word.self)
    }
    switch length {
    case 4...7: return isSame(0, as: UInt32.self) && isSame(length &- 4, as: UInt32.self)
    case 8...16: return isSame(0, as: UInt64.self) && isSame(length &- 8, as: UInt64.self)
    default: return unsafe ck_equal(mine, other, length)
    }
  }

  /// Equality with an ASCII literal in lower case, whatever the case of these bytes.
  @_noAllocation package func equalsIgnoringCase(_ lowercase: StaticString) -> Bool {
    guard count == lowercase.utf8CodeUnitCount else { return false }
    for index in 0..<count {
      let byte = self[index]
      let folded = byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte
      if unsafe folded != lowercase.utf8Start[index] { return false }
    }
    return true
  }

  @_noAllocation package func starts(with text: StaticString) -> Bool {
    count >= text.utf8CodeUnitCount && prefix(text.utf8CodeUnitCount).equals(text)
  }

  /// Whether an ASCII literal in lower case stands somewhere in these bytes, whatever their case.
  @_noAllocation package func containsIgnoringCase(_ lowercase: StaticString) -> Bool {
    let length = lowercase.utf8CodeUnitCount
    for start in 0..<max(count &- length &+ 1, 0) {
      if self[start..<start &+ length].equalsIgnoringCase(lowercase) { return true }
    }
    return false
  }

  /// The first place of `byte` at or after `start`, or nil.
  @_noAllocation package func firstIndex(of byte: UInt8, from start: Int = 0) -> Int? {
    precondition(start >= 0 && start <= count)
    let found = unsafe ck_find(base + start, byte, count &- start)
    return found < 0 ? nil : start &+ found
  }

  /// The last place of `byte`, or nil.
  @_noAllocation package func lastIndex(of byte: UInt8) -> Int? {
    var at = count
    while at > 0 {
      at &-= 1
      if self[at] == byte { return at }
    }
    return nil
  }

  /// The time that is named behind these words, as "1.3s", "20 s" or "850ms"; nil where none is.
  @_noAllocation package func milliseconds(behind words: StaticString) -> Int? {
    let length = words.utf8CodeUnitCount
    var at = 0
    while at &+ length <= count, !self[at..<at &+ length].equalsIgnoringCase(words) { at &+= 1 }
    at &+= length
    var value = 0
    var scale = 0
    var digits = 0
    while at < count, digits < 12 {
      let byte = self[at]
      if byte == 0x2e, scale == 0 {
        scale = 1
      } else {
        guard byte &- 0x30 <= 9 else { break }
        value = value &* 10 &+ Int(byte &- 0x30)
        if scale > 0 { scale &*= 10 }
        digits &+= 1
      }
      at &+= 1
    }
    guard digits > 0 else { return nil }
    while at < count, self[at] == 0x20 { at &+= 1 }
    let isMilliseconds = dropping(min(at, count)).prefix(min(2, count &- at)).equals("ms")
    return (isMilliseconds ? value : value &* 1000) / max(scale, 1)
  }

  /// The decimal number these bytes write, or nil: digits only, at most 18 of them.
  package var decimal: Int? {
    guard count > 0, count <= 18 else { return nil }
    var value = 0
    for index in 0..<count {
      let digit = self[index] &- 0x30
      guard digit <= 9 else { return nil }
      value = value &* 10 &+ Int(digit)
    }
    return value
  }
}

extension StaticString {
  /// A window over a literal; it must only be read.
  @inline(__always) package var bytes: Bytes {
    unsafe Bytes(base: UnsafeMutableRawPointer(mutating: utf8Start), count: utf8CodeUnitCount)
  }
}

extension Bytes {
  /// A window over `count` bytes (at most 1,024) of the stack for the length of `body`; their
  /// content is not defined before it is written.
  @inline(__always) package static func withTemporary<R>(
    _ count: Int, _ body: (Bytes) -> R
  ) -> R {
    precondition(count > 0 && count <= 1024)
    return unsafe withUnsafeTemporaryAllocation(byteCount: count, alignment: 16) { raw in
      unsafe body(Bytes(base: raw.baseAddress!, count: count))
    }
  }

  /// For logs, set-up and tests; allocates. Bytes that are no UTF-8 are replaced.
  package var string: String {
    unsafe String(decoding: UnsafeRawBufferPointer(start: base, count: count), as: UTF8.self)
  }
  package var array: [UInt8] {
    unsafe Array(UnsafeRawBufferPointer(start: base, count: count))
  }
}

extension [UInt8] {
  /// A window to be written to, over this array's storage, for the length of `body`.
  package mutating func withMutableBytes<R>(_ body: (Bytes) throws -> R) rethrows -> R {
    try unsafe withUnsafeMutableBytes { raw in
      guard let start = raw.baseAddress else { return try body(.empty) }
      return try unsafe body(Bytes(base: start, count: raw.count))
    }
  }

  /// A window over this array's storage for the length of `body`; nothing may be written to it.
  package func withBytes<R>(_ body: (Bytes) throws -> R) rethrows -> R {
    try unsafe withUnsafeBytes { raw in
      guard let start = raw.baseAddress else { return try body(.empty) }
      return try unsafe body(
        Bytes(base: UnsafeMutableRawPointer(mutating: start), count: raw.count))
    }
  }
}

/// Memory taken once at start and kept until the owner goes: the backing of every pool and buffer.
@safe package final class Buffer: @unchecked Sendable {
  package let bytes: Bytes

  package init(count: Int) {
    let base = UnsafeMutableRawPointer.allocate(byteCount: max(count, 64), alignment: 64)
    unsafe base.initializeMemory(as: UInt8.self, repeating: 0, count: max(count, 64))
    unsafe self.bytes = Bytes(base: base, count: count)
  }

  deinit { unsafe bytes.base.deallocate() }
}

/// Constant text made at start, kept for the life of the process or the relay: an envelope's part,
/// a handshake line, a configured key's digest.
package struct Text: Sendable {
  private let arena: Buffer
  package var bytes: Bytes { arena.bytes }

  package init(_ content: [UInt8]) {
    arena = Buffer(count: content.count)
    content.withBytes { arena.bytes.copy($0) }
  }
  package init(_ content: String) { self.init(Array(content.utf8)) }
}
