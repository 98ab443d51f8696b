// Memory with a page behind it that nobody may touch: a codec that reads or writes one byte past
// its input does not get away with it, the process is killed on the spot.

import Glibc

@testable import Sidetone

/// A window of a chosen length whose end is the last byte before a forbidden page.
final class ForbiddenPage {
  let bytes: Bytes
  private let start: UnsafeMutableRawPointer
  private let mapped: Int

  init(count: Int) {
    let page = Int(sysconf(Int32(_SC_PAGESIZE)))
    let room = (count + page - 1) / page * page
    mapped = room + page
    start = mmap(nil, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
    precondition(start != MAP_FAILED)
    precondition(mprotect(start + room, page, PROT_NONE) == 0)
    bytes = Bytes(base: start + room - count, count: count)
  }

  convenience init(_ content: [UInt8]) {
    self.init(count: content.count)
    content.withBytes { bytes.copy($0) }
  }

  deinit { munmap(start, mapped) }
}

/// Runs `body` over a text that ends at a forbidden page.
func atForbiddenPage<R>(_ text: String, _ body: (Bytes) throws -> R) rethrows -> R {
  let page = ForbiddenPage(Array(text.utf8))
  return try withExtendedLifetime(page) { try body(page.bytes) }
}
