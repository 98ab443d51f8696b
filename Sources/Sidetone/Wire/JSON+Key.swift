// Every frame.
//
// A short name that messages are searched for, kept so that comparing it with a name in a message
// is two comparisons of words.

extension JSON {
  /// A name of 1 to 15 bytes, compared in two words; the length is in the last byte.
  struct Key: BitwiseCopyable, Equatable, Sendable {
    private var low: UInt64 = 0
    private var high: UInt64 = 0

    private init() {}

    /// An empty name stands for "no such member" and equals no text, not even an empty one.
    init(_ text: StaticString) {
      let bytes = text.bytes
      precondition(bytes.count <= 15, "a key is short")
      for index in 0..<bytes.count { append(bytes[index], at: index) }
      close(bytes.isEmpty ? 0xff : bytes.count)
    }

    /// The text of a string in a message. What is longer than a key may be equals no key.
    @inline(__always) init(_ string: JSON.Value, in message: Bytes) {
      let start = string.range.lowerBound
      let count = string.range.count
      if count > 15 || string.hasEscapes || start &+ 16 > message.count {
        self = .read(JSON.Text(string, in: message))
        return
      }
      let lowBits = UInt64(min(count, 8)) &* 8
      let highBits = UInt64(max(count, 8) &- 8) &* 8
      low = message.load(UInt64.self, at: start) & ((1 << lowBits) &- 1)
      high = message.load(UInt64.self, at: start &+ 8) & ((1 &<< highBits) &- 1)
      close(count)
    }

    @inline(never) private static func read(_ text: JSON.Text) -> Key {
      var key = Key()
      var rest = text
      var count = 0
      while count < 16, let byte = rest.next() {
        key.append(byte, at: count)
        count &+= 1
      }
      key.close(count)
      return key
    }

    private mutating func append(_ byte: UInt8, at index: Int) {
      if index < 8 {
        low |= UInt64(byte) << UInt64(index &* 8)
      } else if index < 15 {
        high |= UInt64(byte) << UInt64((index &- 8) &* 8)
      }
    }

    private mutating func close(_ count: Int) { high |= UInt64(count) << 56 }
  }
}
