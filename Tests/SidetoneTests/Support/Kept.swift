// Windows that stay valid: a test's few bytes are never given back, so no test has to think about
// who owns them.

@testable import Sidetone

func kept(count: Int) -> Bytes {
  let memory = UnsafeMutableRawPointer.allocate(byteCount: max(count, 1), alignment: 16)
  memory.initializeMemory(as: UInt8.self, repeating: 0, count: max(count, 1))
  return Bytes(base: memory, count: count)
}

func kept(_ content: [UInt8]) -> Bytes {
  let bytes = kept(count: content.count)
  content.withBytes { bytes.copy($0) }
  return bytes
}

func kept(_ text: String) -> Bytes { kept(Array(text.utf8)) }

/// What `body` writes, which must fit.
func written(_ body: (inout Writer) throws -> Void) rethrows -> Bytes {
  let arena = Buffer(count: 64 * 1024)
  var out = Writer(arena.bytes)
  try body(&out)
  precondition(!out.overflowed)
  return withExtendedLifetime(arena) { kept(out.written.array) }
}

/// A session of which nothing matters.
var anySession: Upstream.Session { Upstream.Session(hears: .mulaw8k, says: .mulaw8k) }
