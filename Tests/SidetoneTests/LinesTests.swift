// Lines for people: in order, cut to size, dropped when there is no room, and never a control
// character.

import Testing

@testable import Sidetone

struct LinesTests {
  @Test("Lines come out in order, each with its stream and its newline")
  func order() {
    var lines = Lines(bytes: 8192)
    put("one", .log, &lines)
    put("two", .transcript, &lines)
    #expect(take(&lines) == ["log one\n", "transcript two\n"])
    #expect(lines.isEmpty)
  }

  @Test("A line that finds no room is dropped and counted; the ring goes on when there is room")
  func full() {
    var lines = Lines(bytes: 5000)
    let long = String(repeating: "x", count: 2000)
    for _ in 0..<4 { put(long, .log, &lines) }
    #expect(lines.dropped == 2)
    #expect(take(&lines).count == 2)
    for _ in 0..<50 {
      put(long, .log, &lines)
      #expect(take(&lines) == ["log \(long)\n"])
    }
    #expect(lines.dropped == 2)
  }

  @Test("A line longer than a line may be is cut")
  func long() {
    var lines = Lines(bytes: 8192)
    var line = lines.blank
    for _ in 0..<5000 { line.write("0123456789") }
    lines.put(line, .log)
    let taken = take(&lines)
    #expect(taken.count == 1 && taken[0].utf8.count <= Lines.lineBytesMax + 5)
  }

  @Test("Control characters never reach a terminal")
  func controls() {
    var lines = Lines(bytes: 8192)
    put("a\u{1b}[2Jb\r\nc\u{7f}\u{0}é", .transcript, &lines)
    #expect(take(&lines) == ["transcript a [2Jb  c  é\n"])
  }

  @Test("A reader with a small place gets the beginning, and the next line whole")
  func cut() {
    var lines = Lines(bytes: 8192)
    put("a long line", .log, &lines)
    put("next", .log, &lines)
    let place = kept(count: 6)
    #expect(lines.take(into: place)?.count == 6)
    #expect(String(decoding: place.array, as: UTF8.self) == "a long")
    #expect(lines.take(into: place)?.count == 5)
    #expect(String(decoding: place.prefix(5).array, as: UTF8.self) == "next\n")
  }

  private func put(_ text: String, _ stream: Line.Stream, _ lines: inout Lines) {
    var line = lines.blank
    Array(text.utf8).withBytes { line.write($0) }
    lines.put(line, stream)
  }

  private func take(_ lines: inout Lines) -> [String] {
    var all: [String] = []
    let place = kept(count: 8192)
    while let line = lines.take(into: place) {
      all.append(
        "\(line.stream) " + String(decoding: place.prefix(line.count).array, as: UTF8.self))
    }
    return all
  }
}
