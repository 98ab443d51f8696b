// Short text with an identity (a call's id, a carrier's stream id), kept inline so that it lives in
// a slot without a heap.

package struct Name: Equatable, BitwiseCopyable, Sendable {
  package static let bytesMax = 96

  private var storage = InlineArray<96, UInt8>(repeating: 0)
  private var length: UInt8 = 0

  package init() {}

  /// Takes a copy of `text`, or nil where it is longer than `bytesMax`.
  package init?(_ text: Bytes) {
    guard text.count <= Self.bytesMax else { return nil }
    for index in 0..<text.count { storage[index] = text[index] }
    length = UInt8(text.count)
  }

  package static func == (one: Name, other: Name) -> Bool {
    guard one.length == other.length else { return false }
    for index in 0..<one.count where one.storage[index] != other.storage[index] { return false }
    return true
  }

  package var count: Int { Int(length) }
  package var isEmpty: Bool { length == 0 }

  /// The same for the same text.
  package var hash: UInt64 {
    var hash = FNV()
    for index in 0..<count { hash.add(storage[index]) }
    return hash.value
  }

  package func write(to writer: inout Writer) {
    for index in 0..<count { writer.write(byte: storage[index]) }
  }

  /// As the inside of a JSON string.
  package func write(json writer: inout Writer) {
    Bytes.withTemporary(Self.bytesMax) { place in
      var plain = Writer(place)
      write(to: &plain)
      writer.write(json: plain.written)
    }
  }

  @inline(__always) package func equals(_ text: Bytes) -> Bool {
    text.count == count && text.begin(storage)
  }

  package func equals(_ other: Name) -> Bool {
    guard count == other.count else { return false }
    for index in 0..<count where storage[index] != other.storage[index] { return false }
    return true
  }
}

extension Writer {
  package mutating func write(_ name: Name) { name.write(to: &self) }
}
