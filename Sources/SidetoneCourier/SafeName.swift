// An id from the wire as a part of a file's name. Ids of [A-Za-z0-9._-] stay what they are, so that
// people find their call. In anything else each other byte becomes `_`, and a digest of the id
// follows: two ids never share a name. An id that already looks like such a name gets a digest too.

import Sidetone

package enum SafeName {
  /// Longer ids are cut, and carry a digest.
  package static let bytesMax = 100
  private static let cutBytes = 48
  private static let digestBytes = 16

  package static func make(_ id: String) -> String {
    let bytes = Array(id.utf8)
    if isKept(bytes) { return id }
    let kept = bytes.prefix(cutBytes).map { isSafe($0) ? $0 : UInt8(ascii: "_") }
    return String(decoding: kept, as: UTF8.self) + "-" + digest(of: bytes)
  }

  private static func isKept(_ id: [UInt8]) -> Bool {
    !id.isEmpty && id.count <= bytesMax && id.allSatisfy(isSafe) && !hasDigest(id)
      && id.contains { $0 != UInt8(ascii: ".") }
  }

  private static func isSafe(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "."), UInt8(ascii: "_"),
      UInt8(ascii: "-"):
      return true
    default: return false
    }
  }

  /// Whether it ends like a name that `make` has changed.
  private static func hasDigest(_ id: [UInt8]) -> Bool {
    let length = 2 * digestBytes
    guard id.count > length, id[id.count - length - 1] == UInt8(ascii: "-") else { return false }
    return id.suffix(length).allSatisfy { byte in
      byte &- UInt8(ascii: "0") <= 9 || byte &- UInt8(ascii: "a") < 6
    }
  }

  private static func digest(of id: [UInt8]) -> String {
    var sum = [UInt8](repeating: 0, count: Digest.sha256Bytes)
    id.withBytes { bytes in sum.withMutableBytes { Digest.sha256(bytes, into: $0) } }
    var text = [UInt8](repeating: 0, count: 2 * digestBytes)
    text.withMutableBytes { into in
      var writer = Writer(into)
      sum.withBytes { writer.write(hex: $0.prefix(digestBytes)) }
    }
    return String(decoding: text, as: UTF8.self)
  }
}
