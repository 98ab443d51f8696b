// Bodies: by length, in chunks at every split, and the ways in which chunks can lie.
import Testing

@testable import Sidetone

struct HTTPBodyTests {
  private func chunked(_ text: String, limit: Int = 1024) -> (HTTP.Body, String) {
    let bytes = kept(text)
    let outcome = HTTP.body(.chunked, in: bytes, limit: limit)
    guard case .complete(let count, _) = outcome else { return (outcome, "") }
    return (outcome, bytes.prefix(count).string)
  }

  private func length(_ length: Int, have: Int, limit: Int) -> HTTP.Body {
    [UInt8](repeating: 7, count: have).withBytes {
      HTTP.body(.length(length), in: $0, limit: limit)
    }
  }

  @Test func `a body of known length is awaited, and what is too large is refused at once`() {
    #expect(length(3, have: 2, limit: 8) == .needMore)
    #expect(length(3, have: 5, limit: 8) == .complete(count: 3, consumed: 3))
    #expect(length(9, have: 0, limit: 8) == .bad(.bodyTooLarge))
    #expect(length(0, have: 0, limit: 8) == .complete(count: 0, consumed: 0))
  }

  @Test func `chunks are joined where they lie`() {
    let text = "4\r\nCall\r\nc;name=\"x\"\r\nSid=CA01&a=b\r\n0\r\nTrailer: x\r\n\r\nrest"
    let (outcome, content) = chunked(text)
    #expect(content == "CallSid=CA01&a=b")
    #expect(outcome == .complete(count: 16, consumed: text.utf8.count - 4))
  }

  @Test func `every split of a chunked body waits for the rest`() {
    let text = "4\r\nCall\r\n0A\r\nSid=CA01&a\r\n0\r\nTrailer: x\r\n\r\n"
    let bytes = Array(text.utf8)
    for cut in 0..<bytes.count {
      let (outcome, _) = chunked(String(decoding: bytes.prefix(cut), as: UTF8.self))
      #expect(outcome == .needMore, "cut at \(cut)")
    }
    #expect(chunked(text).1 == "CallSid=CA01&a")
  }

  @Test(arguments: [
    "x\r\n", "\r\n", "4\nCall", "4\r\nCallX\r\n", "4\r\nCall\n0\r\n\r\n", "4\rXCall", "-1\r\n",
    "4 x\u{1}\r\n", "4\r\nCall\rX", "0\r\n\u{1}", "0\r\nA\n", "0x4\r\nCall", "4;a\nb\r\n",
  ])
  func `a malformed chunk is refused`(text: String) {
    #expect(chunked(text).0 == .bad(.badChunk))
  }

  @Test func `chunks without end are refused at the limit`() {
    #expect(
      chunked(String(repeating: "1\r\na\r\n", count: 100), limit: 64).0 == .bad(.bodyTooLarge))
    #expect(chunked("FFFFFFFF\r\n").0 == .bad(.bodyTooLarge))
    #expect(
      chunked("40\r\n" + String(repeating: "a", count: 62), limit: 64).0 == .bad(.bodyTooLarge))
  }
}
