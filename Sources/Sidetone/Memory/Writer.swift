// Every frame.
//
// Writes text and numbers into a window, front to back, and never past its end. What does not fit
// sets `overflowed` and writes nothing more, so one check at the end covers a whole message.

package struct Writer {
  package let into: Bytes
  package private(set) var count = 0
  package private(set) var overflowed = false

  package init(_ into: Bytes) { self.into = into }

  /// What has been written so far.
  package var written: Bytes { into.prefix(count) }
  package var free: Int { into.count &- count }

  @inline(__always) private mutating func take(_ length: Int) -> Bool {
    if overflowed || length > free {
      overflowed = true
      return false
    }
    return true
  }

  @_noAllocation package mutating func write(_ text: StaticString) {
    guard take(text.utf8CodeUnitCount) else { return }
    unsafe into.copy(
      Bytes(
        base: UnsafeMutableRawPointer(mutating: text.utf8Start), count: text.utf8CodeUnitCount),
      at: count)
    count &+= text.utf8CodeUnitCount
  }

  @_noAllocation package mutating func write(_ bytes: Bytes) {
    guard take(bytes.count) else { return }
    into.copy(bytes, at: count)
    count &+= bytes.count
  }

  @_noAllocation package mutating func write(byte: UInt8) {
    guard take(1) else { return }
    into[count] = byte
    count &+= 1
  }

  /// The number in decimal, zero-padded to at least `width` digits.
  @_noAllocation package mutating func write(decimal value: Int, width: Int = 1) {
    if value < 0 { write(byte: 0x2d) }
    var rest = value.magnitude
    var digits = 1
    var probe = rest / 10
    while probe > 0 {
      digits &+= 1
      probe /= 10
    }
    let length = max(digits, width)
    guard take(length) else { return }
    var place = count &+ length &- 1
    for _ in 0..<length {
      into[place] = 0x30 &+ UInt8(truncatingIfNeeded: rest % 10)
      rest /= 10
      place &-= 1
    }
    count &+= length
  }

  /// The bytes in lower-case hexadecimal.
  @_noAllocation package mutating func write(hex bytes: Bytes) {
    guard take(bytes.count &* 2) else { return }
    for index in 0..<bytes.count {
      into[count] = Self.hexDigit(bytes[index] >> 4)
      into[count &+ 1] = Self.hexDigit(bytes[index] & 15)
      count &+= 2
    }
  }

  /// The lowest `digits` digits of the number in lower-case hexadecimal.
  @_noAllocation package mutating func write(hex value: UInt64, digits: Int) {
    guard take(digits) else { return }
    for place in 0..<digits {
      let shift = UInt64(4 &* (digits &- 1 &- place))
      into[count &+ place] = Self.hexDigit(UInt8(truncatingIfNeeded: value >> shift) & 15)
    }
    count &+= digits
  }

  private static func hexDigit(_ nibble: UInt8) -> UInt8 {
    nibble < 10 ? 0x30 &+ nibble : 0x57 &+ nibble
  }

  /// Takes back what was written after `mark` (an earlier `count`) and clears the overflow.
  @_noAllocation package mutating func rewind(to mark: Int) {
    precondition(mark >= 0 && mark <= count)
    count = mark
    overflowed = false
  }

  /// Gives out `length` bytes to be filled by the caller, or nil where they do not fit.
  @_noAllocation package mutating func reserve(_ length: Int) -> Bytes? {
    guard take(length) else { return nil }
    let place = into[count..<count &+ length]
    count &+= length
    return place
  }
}
