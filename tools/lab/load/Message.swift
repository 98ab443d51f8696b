// Writing WebSocket messages of the load into one buffer that is used again for each, and base64 in
// both directions. Runs for every frame: no allocation, plain pointers.

import Glibc

/// One message at a time: `begin`, any number of `write`s, `seal`.
final class MessageWriter {
  typealias Message = UnsafeRawBufferPointer

  private let buffer = UnsafeMutablePointer<UInt8>.allocate(capacity: 1 << 14)
  private var count = 0
  private let isMasked: Bool
  /// RFC 6455 §5.3 wants keys that nobody can guess; for a load on loopback, changing ones will do.
  private var key: UInt64 = 0x2545_f491_4f6c_dd1d

  /// Payloads start behind the longest header that is needed here: 2, 2 for the length, 4 for the
  /// key.
  private static let headMax = 8

  /// A client masks what it sends, a server does not.
  init(isMasked: Bool) { self.isMasked = isMasked }

  func begin() { count = Self.headMax }

  func write(_ text: StaticString) {
    (buffer + count).update(from: text.utf8Start, count: text.utf8CodeUnitCount)
    count &+= text.utf8CodeUnitCount
  }

  func write(_ text: UnsafePointer<UInt8>, count more: Int) {
    (buffer + count).update(from: text, count: more)
    count &+= more
  }

  func write(byte: UInt8) {
    buffer[count] = byte
    count &+= 1
  }

  func write(decimal value: UInt32) {
    var digits = 1
    var probe = value / 10
    while probe > 0 {
      digits &+= 1
      probe /= 10
    }
    var rest = value
    for place in stride(from: count &+ digits &- 1, through: count, by: -1) {
      buffer[place] = 0x30 &+ UInt8(truncatingIfNeeded: rest % 10)
      rest /= 10
    }
    count &+= digits
  }

  /// 32 hexadecimal digits, as the carrier's identifiers have.
  func write(identity call: UInt32) {
    for shift in stride(from: 124, through: 0, by: -4) {
      let nibble = shift < 32 ? UInt8(call >> UInt32(shift) & 15) : 0
      buffer[count] = nibble < 10 ? 0x30 &+ nibble : 0x57 &+ nibble
      count &+= 1
    }
  }

  func write(base64 bytes: UnsafePointer<UInt8>, count more: Int) {
    count &+= Base64.encode(bytes, count: more, to: buffer + count)
  }

  /// The frame with its header, masked where that is due; good until the next `begin`.
  func seal(opcode: UInt8) -> Message {
    let length = count &- Self.headMax
    let isShort = length < 126
    let start = (isShort ? 2 : 0) + (isMasked ? 0 : 4)
    let maskBit: UInt8 = isMasked ? 0x80 : 0
    buffer[start] = 0x80 | opcode
    if isShort {
      buffer[start &+ 1] = maskBit | UInt8(length)
    } else {
      buffer[start &+ 1] = maskBit | 126
      buffer[start &+ 2] = UInt8(length >> 8)
      buffer[start &+ 3] = UInt8(length & 255)
    }
    let raw = UnsafeMutableRawPointer(buffer)
    if isMasked {
      key ^= key << 13
      key ^= key >> 7
      key ^= key << 17
      let half = UInt32(truncatingIfNeeded: key)
      raw.storeBytes(of: half, toByteOffset: 4, as: UInt32.self)
      Self.mask(raw + Self.headMax, count: length, key: half)
    }
    return Message(start: raw + start, count: count &- start)
  }

  /// Masks or unmasks in place, a word at a time.
  static func mask(_ bytes: UnsafeMutableRawPointer, count: Int, key: UInt32) {
    let wide = UInt64(key) | UInt64(key) << 32
    var index = 0
    while index &+ 8 <= count {
      let word = bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self)
      bytes.storeBytes(of: word ^ wide, toByteOffset: index, as: UInt64.self)
      index &+= 8
    }
    while index < count {
      let byte = bytes.load(fromByteOffset: index, as: UInt8.self)
      let part = UInt8(truncatingIfNeeded: key >> UInt32((index & 3) &* 8))
      bytes.storeBytes(of: byte ^ part, toByteOffset: index, as: UInt8.self)
      index &+= 1
    }
  }
}

/// RFC 4648 §4, for messages that the relay or the load itself wrote.
enum Base64 {
  nonisolated(unsafe) private static let letters: UnsafePointer<UInt8> = {
    let letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    let place = UnsafeMutablePointer<UInt8>.allocate(capacity: 64)
    place.initialize(from: Array(letters.utf8), count: 64)
    return UnsafePointer(place)
  }()

  /// What each letter stands for; 64 for all others.
  nonisolated(unsafe) private static let values: UnsafePointer<UInt8> = {
    let place = UnsafeMutablePointer<UInt8>.allocate(capacity: 256)
    place.initialize(repeating: 64, count: 256)
    for value in 0..<64 { place[Int(letters[value])] = UInt8(value) }
    return UnsafePointer(place)
  }()

  /// Returns how many letters were written, padding included.
  static func encode(
    _ from: UnsafePointer<UInt8>, count: Int, to: UnsafeMutablePointer<UInt8>
  ) -> Int {
    let letters = letters
    var place = to
    for index in stride(from: 0, to: count, by: 3) {
      let left = count &- index
      let second = left > 1 ? Int(from[index &+ 1]) : 0
      let third = left > 2 ? Int(from[index &+ 2]) : 0
      let word = Int(from[index]) << 16 | second << 8 | third
      place[0] = letters[word >> 18]
      place[1] = letters[word >> 12 & 63]
      place[2] = left > 1 ? letters[word >> 6 & 63] : 0x3d
      place[3] = left > 2 ? letters[word & 63] : 0x3d
      place += 4
    }
    return place - to
  }

  /// Up to the first byte that is no letter; returns how many bytes were written.
  static func decode(
    _ from: UnsafePointer<UInt8>, count: Int, to: UnsafeMutablePointer<UInt8>
  ) -> Int {
    let values = values
    var index = 0
    var written = 0
    while index &+ 4 <= count {
      let first = Int(values[Int(from[index])])
      let second = Int(values[Int(from[index &+ 1])])
      let third = Int(values[Int(from[index &+ 2])])
      let fourth = Int(values[Int(from[index &+ 3])])
      if (first | second) & 64 != 0 { break }
      to[written] = UInt8(truncatingIfNeeded: first << 2 | second >> 4)
      if third & 64 != 0 { return written &+ 1 }
      to[written &+ 1] = UInt8(truncatingIfNeeded: second << 4 | third >> 2)
      if fourth & 64 != 0 { return written &+ 2 }
      to[written &+ 2] = UInt8(truncatingIfNeeded: third << 6 | fourth)
      written &+= 3
      index &+= 4
    }
    return written
  }
}

extension UnsafeMutableRawBufferPointer {
  /// The letters of the JSON string behind a key, which is given with its quotes and colon; nil
  /// where there is no such key or no string behind it. For messages without escapes in the string.
  func string(behind key: StaticString) -> UnsafeBufferPointer<UInt8>? {
    guard let base = baseAddress, let found = place(of: key) else { return nil }
    var start = found + key.utf8CodeUnitCount
    while start < count, self[start] == 0x20 { start += 1 }
    guard start < count, self[start] == 0x22 else { return nil }
    start += 1
    guard let end = memchr(base + start, 0x22, count - start) else { return nil }
    let letters = (base + start).assumingMemoryBound(to: UInt8.self)
    return UnsafeBufferPointer(
      start: letters, count: UnsafeRawPointer(end) - UnsafeRawPointer(letters))
  }

  /// The numbers of the JSON array behind a key, as samples; how many.
  func integers(behind key: StaticString, to samples: UnsafeMutablePointer<Int16>) -> Int {
    guard let found = place(of: key) else { return 0 }
    var written = 0
    var value = 0
    var sign = 1
    for index in found + key.utf8CodeUnitCount..<count {
      switch self[index] {
      case 0x2d: sign = -1
      case 0x30...0x39: value = value &* 10 &+ Int(self[index] &- 0x30)
      case 0x2c, 0x5d:
        samples[written] = Int16(truncatingIfNeeded: sign &* value)
        written &+= 1
        (value, sign) = (0, 1)
        if self[index] == 0x5d { return written }
      default: break
      }
    }
    return written
  }

  private func place(of key: StaticString) -> Int? {
    let length = key.utf8CodeUnitCount
    guard let base = baseAddress, count >= length else { return nil }
    return (0...count - length).first { memcmp(base + $0, key.utf8Start, length) == 0 }
  }
}
