// What is printed where others read it as data: in large pieces, and with a word where not all of
// it went out, since a list that a full disk cut short looks like a short list.

import Glibc
import SidetoneLinux

struct Printed {
  private var bytes: [UInt8] = []
  /// Why standard output takes no more; 0: it does.
  private var failure: Int32 = 0
  private static let pieceBytes = 1 << 16

  mutating func line(_ text: String) {
    bytes += text.utf8
    bytes.append(0x0a)
    if bytes.count >= Self.pieceBytes { flush() }
  }

  /// Ends the program with this status, or with 1 where something printed was lost.
  mutating func finish(_ status: Int32) -> Never {
    flush()
    guard failure != 0 else { exit(status) }
    Main.complain(
      "sidetone: standard output took not all of it: \(Errno(rawValue: failure).text)")
    exit(1)
  }

  private mutating func flush() {
    while failure == 0, !bytes.isEmpty {
      let count = write(STDOUT_FILENO, bytes, bytes.count)
      if count >= 0 { bytes.removeFirst(count) } else if errno != EINTR { failure = errno }
    }
    bytes.removeAll(keepingCapacity: true)
  }
}
