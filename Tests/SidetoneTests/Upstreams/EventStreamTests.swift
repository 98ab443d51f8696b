// Server-sent events: the same wherever the body was cut, whatever ends the lines; what is too long
// is said to be lost, once, and costs nothing more.

import Testing

@testable import Sidetone

final class EventStreamTests {
  private let pool = BlockPool(blocks: 64)
  private let scratch = kept(count: EventStream.lineBytesMax)

  deinit { pool.deallocate() }

  /// What the parts of a body say; "?" for what is lost.
  private func events(_ parts: [[UInt8]]) -> [String] {
    var (stream, found) = (EventStream(), [String]())
    for part in parts {
      var piece = kept(part)
      reading: while true {
        switch stream.next(in: &piece, scratch: scratch, from: pool) {
        case .event(let data): found.append(data.string)
        case .lost: found.append("?")
        case .needMore: break reading
        }
      }
      #expect(piece.isEmpty)
    }
    switch stream.last(scratch: scratch, from: pool) {
    case .event(let data): found.append(data.string)
    case .lost: found.append("?")
    case .needMore: break
    }
    stream.clear(in: pool)
    #expect(pool.free == pool.capacity)
    return found
  }
  private func events(_ body: String) -> [String] { events([Array(body.utf8)]) }

  @Test(arguments: [
    ("data: a\n\ndata: b\n\n", ["a", "b"]),
    ("data: a\r\n\r\ndata: b\r\n\r\n", ["a", "b"]),
    ("data:a\rdata:b\r", ["a", "b"]),
    (": keep-alive\n\ndata: a\n\n: more\n", ["a"]),
    ("event: x\nid: 7\nretry: 3\ndata: a\n\n", ["a"]),
    ("data: a\ndata: b\n", ["a", "b"]),
    ("data: [DONE]", ["[DONE]"]),
    ("data: é語\n\ndata: 😀\n\n", ["é語", "😀"]),
    ("data:  two\n\n", [" two"]),
    ("data:\n\ndata\n\n", [""]),
    ("{\"error\":1}", ["{\"error\":1}"]),
    ("<html>\n<body>\n", []),
    ("", []), ("\n\n\r\n", []),
  ])
  func `a body`(body: String, expected: [String]) {
    #expect(events(body) == expected)
    let bytes = Array(body.utf8)
    #expect(events(bytes.map { [$0] }) == expected, "one byte at a time")
    for cut in 0...bytes.count {
      #expect(events([Array(bytes[..<cut]), Array(bytes[cut...])]) == expected, "cut at \(cut)")
    }
  }

  @Test func `the longest line, however it comes, and one that is longer`() {
    let most = EventStream.lineBytesMax - 6
    for (count, isKept) in [(most, true), (most + 1, false), (100_000, false)] {
      let text = String(repeating: "x", count: count)
      let body = Array("data: a\n\ndata: \(text)\n\ndata: b\n\n".utf8)
      let expected = ["a", isKept ? text : "?", "b"]
      for size in [1000, 4096, 16_384] {
        let parts = stride(from: 0, to: body.count, by: size).map {
          Array(body[$0..<min($0 + size, body.count)])
        }
        #expect(events(parts) == expected, "\(count) in parts of \(size)")
      }
    }
  }

  @Test func `with a dry pool a line is lost, and the next one is not`() {
    var held = Chain()
    while pool.free > 0 { _ = held.append(kept(count: BlockPool.blockBytes), from: pool) }
    var stream = EventStream()
    var piece = kept("data: a\n\ndata: lo")
    func step() -> String {
      switch stream.next(in: &piece, scratch: scratch, from: pool) {
      case .event(let data): data.string
      case .lost: "?"
      case .needMore: ""
      }
    }
    #expect(step() == "a" && step() == "?" && step() == "")
    piece = kept("st\n\ndata: b\n\n")
    #expect(step() == "b" && step() == "")
    held.clear(in: pool)
  }

  @Test func `any bytes in any parts`() {
    var random = SeededRandom(seed: 11)
    let words = ["data: ", "data:", ":", "\n", "\r", "\r\n", "{", "x", "é", "\u{0}", "event: "]
    for _ in 0..<2000 {
      let body = (0..<Int.random(in: 0...40, using: &random)).map { _ in
        words.randomElement(using: &random)!
      }.joined()
      let bytes = Array(body.utf8)
      var (parts, at): ([[UInt8]], Int) = ([], 0)
      while at < bytes.count {
        let count = min(Int.random(in: 1...7, using: &random), bytes.count - at)
        parts.append(Array(bytes[at..<at + count]))
        at += count
      }
      #expect(events(parts) == events(body), "\(body.debugDescription)")
    }
  }
}
