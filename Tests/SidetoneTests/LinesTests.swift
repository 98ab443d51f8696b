// Lines for people: in order, cut to size, dropped when there is no room, and never a control
// character.

import Testing

@testable import Sidetone

struct LinesTests {
  @Test func `lines come out in order, each with its stream and its newline`() {
    var lines = Lines(bytes: 8192)
    put("one", .log, &lines)
    put("two", .transcript, &lines)
    #expect(take(&lines) == ["log one\n", "transcript two\n"])
    #expect(lines.isEmpty)
  }

  @Test
  func `a line that finds no room is dropped and counted; the ring goes on when there is room`() {
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

  @Test func `a line longer than a line may be is cut`() {
    var lines = Lines(bytes: 8192)
    var line = lines.blank
    for _ in 0..<5000 { line.write("0123456789") }
    lines.put(line, .log)
    let taken = take(&lines)
    #expect(taken.count == 1 && taken[0].utf8.count <= Lines.lineBytesMax + 5)
    #expect(taken[0].hasSuffix("9…\n"))
  }

  @Test func `control characters never reach a terminal`() {
    var lines = Lines(bytes: 8192)
    put("a\u{1b}[2Jb\r\nc\u{7f}\u{0}é", .transcript, &lines)
    #expect(take(&lines) == ["transcript a\\u001b[2Jb  c\\u007f\\u0000é\n"])
  }

  @Test func `marks that turn text round, and tags that nobody sees, are shown as their numbers`() {
    let marks: [Unicode.Scalar] =
      (0x202a...0x202e).compactMap(Unicode.Scalar.init)
      + (0x2066...0x2069).compactMap(Unicode.Scalar.init)
      + (0x80...0x9f).compactMap(Unicode.Scalar.init)
      + ["\u{200e}", "\u{200f}", "\u{61c}", "\u{2028}", "\u{2029}"]
    for mark in marks {
      var lines = Lines(bytes: 8192)
      put("a\(mark)b", .transcript, &lines)
      let number = String(mark.value, radix: 16)
      let shown = String(repeating: "0", count: 4 - number.count) + number
      #expect(take(&lines) == ["transcript a\\u\(shown)b\n"])
    }
    var lines = Lines(bytes: 8192)
    put("x\u{e0041}\u{e007f} \u{2013}\u{2070}\u{628}\u{f0000}🎤", .log, &lines)
    #expect(
      take(&lines) == [
        "log x\\udb40\\udc41\\udb40\\udc7f \u{2013}\u{2070}\u{628}\u{f0000}🎤\n"
      ])
  }

  @Test func `a line that grows by what it shows is cut where a character ends`() {
    for letter in ["\u{1b}", "\u{202e}", "é\u{61c}", "x\u{e0041}"] {
      var lines = Lines(bytes: 8192)
      put(String(repeating: letter, count: 4000 / letter.utf8.count), .transcript, &lines)
      let shown = take(&lines)[0]
      #expect(shown.utf8.count <= Lines.lineBytesMax + 11 && shown.hasSuffix("…\n"), "\(letter)")
    }
  }

  @Test func `a reader with a small place gets the beginning, and the next line whole`() {
    var lines = Lines(bytes: 8192)
    put("a long line", .log, &lines)
    put("next", .log, &lines)
    let place = kept(count: 6)
    #expect(lines.take(into: place)?.count == 6)
    #expect(String(decoding: place.array, as: UTF8.self) == "a long")
    #expect(lines.take(into: place)?.count == 5)
    #expect(String(decoding: place.prefix(5).array, as: UTF8.self) == "next\n")
  }

  @Test func `a colour surrounds the line, and nothing in the line can make one`() {
    var lines = Lines(bytes: 8192)
    var line = lines.blank
    line.write("it \u{1b}[0m is so")
    lines.put(line, .log, .red)
    #expect(take(&lines) == ["log \u{1b}[31mit \\u001b[0m is so\u{1b}[0m\n"])
  }

  @Test(arguments: [false, true])
  func `a long line of the log or of a transcript is cut where a character ends, and says so`(
    isJSON: Bool
  ) {
    var config = Config()
    config.logsJSON = isJSON
    config.printsTranscripts = true
    var log = Log(
      config, scratch: kept(count: 16_384), now: .zero, wall: WallTime(nanoseconds: 0))
    let call = Array("CA1".utf8).withBytes { Name($0) }
    for letter in ["é", "\\", "\"", "🎤", "\u{202e}", "\u{e0041}"] {
      let text = Array(String(repeating: letter, count: 12_000 / letter.utf8.count).utf8)
      text.withBytes { text in
        log.write(.info, "event", call: call, at: .zero) { line in
          for index in 0..<text.count { line.write(byte: text[index]) }
        } detail: { line in
          line.write("and more")
        }
        log.print(of: call ?? Name()) { line in
          for index in 0..<text.count { line.write(byte: text[index]) }
        }
      }
      let place = kept(count: 8192)
      // As text the sentence has a line of its own, in front of the event's.
      for stream in [Line.Stream.log, .transcript] {
        let line = log.take(into: place)
        let shown = String(validating: place.prefix(line?.count ?? 0).array, as: UTF8.self)
        #expect(line?.stream == stream && shown?.contains("…") == true, "\(letter) \(stream)")
        if stream == .transcript { #expect(shown?.hasSuffix("… (CA1)\n") == true) }
        if stream == .log, !isJSON {
          let event = log.take(into: place).map { place.prefix($0.count).string }
          #expect(event == "1970-01-01T00:00:00.000Z [CA1] event: and more\n")
        }
        if stream == .log, isJSON { #expect(shown?.hasSuffix("\"}\n") == true) }
      }
    }
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
