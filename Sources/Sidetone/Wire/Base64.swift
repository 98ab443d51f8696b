// Every frame.
//
// Base64 with the standard alphabet (RFC 4648 §4). Decoding forgives missing padding, since some
// carriers leave it out, and nothing else: no white space, no foreign character, no stray bits
// behind the last byte. The work is done by the kernels in CKernels/base64.c.

import CKernels

package enum Base64 {
  /// How many bytes `source` decodes to, judged by its length and padding alone; nil where no text
  /// of that length can be base64.
  @_noAllocation package static func decodedCount(of source: Bytes) -> Int? {
    let digits = source.count &- padding(of: source)
    return digits & 3 == 1 ? nil : digits / 4 &* 3 &+ (digits & 3) &* 3 / 4
  }

  /// Decodes all of `source` and returns the number of bytes written; nil where it is not base64,
  /// and then `destination` holds rubbish. `destination` has room for `decodedCount` bytes, and may
  /// begin where `source` begins.
  @_noAllocation package static func decode(_ source: Bytes, into destination: Bytes) -> Int? {
    guard let count = decodedCount(of: source) else { return nil }
    precondition(count <= destination.count, "the destination has room for decodedCount")
    let digits = source.count &- padding(of: source)
    let written = unsafe ck_base64_decode(destination.base, source.base, digits)
    return written < 0 ? nil : written
  }

  /// How many characters `count` bytes become, padding included.
  @_noAllocation package static func encodedCount(of count: Int) -> Int { (count &+ 2) / 3 &* 4 }

  /// Encodes all of `source` with padding and returns the number of characters written.
  /// `destination` has room for `encodedCount` and does not overlap `source`.
  @_noAllocation package static func encode(_ source: Bytes, into destination: Bytes) -> Int {
    let count = encodedCount(of: source.count)
    precondition(count <= destination.count, "the destination has room for encodedCount")
    unsafe ck_base64_encode(destination.base, source.base, source.count)
    return count
  }

  /// The characters `=` at the end that may be there: only where they fill the last group of four.
  private static func padding(of source: Bytes) -> Int {
    let count = source.count
    guard count >= 4, count & 3 == 0, source[count &- 1] == 0x3d else { return 0 }
    return source[count &- 2] == 0x3d ? 2 : 1
  }
}
