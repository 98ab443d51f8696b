// Rows read a message in one walk, and make of it what reading it member by member makes of it.

import Testing

@testable import Sidetone

struct ReadingTests {
  private static let rows = ["deepgram", "openai", "gemini"]

  private func plain(_ row: String, _ message: Bytes) -> Upstream.Event {
    switch row {
    case "deepgram": PlainReading.Deepgram.read(message)
    case "openai": PlainReading.OpenAI.read(message)
    default: PlainReading.Gemini.read(message)
    }
  }

  /// What both say, but for verdicts: what a complaint's code means is no matter of reading.
  private func differ(_ row: String, _ text: [UInt8]) throws -> Bool {
    let upstream = try #require(Upstream.all.first { $0.name.description == row })
    let place = ForbiddenPage(text)
    var news = upstream.read(place.bytes)
    var expected = plain(row, place.bytes)
    news.complaint?.verdict = nil
    news.takes = .unsaid
    news.sends = .unsaid
    if row == "deepgram" {
      // What is no word is told by many names, which are tested one by one.
      news.complaint = nil
      news.unknown = nil
      // It is looked for only where the first word names its own, which damage may hide.
      if news.heard?.language.isEmpty == true { expected.heard?.language = 0..<0 }
      // Of a message that breaks off there is what was found before, or nothing.
      if !JSON.isValid(place.bytes) {
        let ends = [news.heard?.text, news.heard?.confidence, news.heard?.language]
        return ends.contains { ($0?.upperBound ?? 0) > text.count }
      }
    }
    // How an answer ended is a table of its own.
    if news.isTurnOver, expected.isTurnOver { expected.ending = news.ending }
    // A fault behind the words takes them away only where all that follows is looked at.
    if let heard = news.heard, expected.heard != nil, !JSON.isValid(place.bytes) {
      if expected.heard?.text.isEmpty == true { expected.heard?.text = heard.text }
      if expected.heard?.confidence.isEmpty == true {
        expected.heard?.confidence = heard.confidence
      }
      expected.heard?.language = heard.language
      if max(heard.text.upperBound, heard.confidence.upperBound) > text.count { return true }
    }
    return "\(news)" != "\(expected)"
  }

  @Test(arguments: rows)
  func `every message, however it is written`(row: String) throws {
    for file in FixtureFile.all(of: row) {
      for text in [file.text] + file.variants {
        #expect(try !differ(row, Array(text.utf8)), "\(text)")
      }
    }
  }

  @Test(arguments: rows)
  func `every truncation`(row: String) throws {
    for file in FixtureFile.all(of: row) {
      let bytes = Array(file.text.utf8)
      for length in 0..<bytes.count {
        let cut = Array(bytes[..<length])
        if try differ(row, cut) { Issue.record("\(String(decoding: cut, as: UTF8.self))") }
      }
    }
  }

  /// Members of one message moved into another place, doubled, renamed; bytes replaced.
  @Test(arguments: rows)
  func `every damage`(row: String) throws {
    var random = SeededRandom(seed: 412)
    let files = FixtureFile.all(of: row).map { Array($0.text.utf8) }
    for bytes in files {
      for _ in 0..<400 {
        var damaged = bytes
        for _ in 0...Int.random(in: 0...2, using: &random) {
          let places = (0..<4).map { _ in Int.random(in: 0..<damaged.count, using: &random) }
          switch Int.random(in: 0..<4, using: &random) {
          case 0: damaged[places[0]] = UInt8.random(in: 0...255, using: &random)
          case 1: damaged[places[0]] = Array("\"\\{}[],:01".utf8)[places[1] % 10]
          case 2: damaged.remove(at: places[0])
          default: swapMembers(&damaged, places)
          }
        }
        if try differ(row, damaged) { Issue.record("\(String(decoding: damaged, as: UTF8.self))") }
      }
    }
  }

  /// Changes the order of the parts between commas, or repeats one.
  private func swapMembers(_ message: inout [UInt8], _ places: [Int]) {
    guard let first = message.first, let last = message.last, message.count > 2 else { return }
    var parts = message[1..<message.count - 1].split(separator: UInt8(ascii: ","))
    guard parts.count > 1 else { return }
    if places[2] & 1 == 0 {
      parts.swapAt(places[0] % parts.count, places[1] % parts.count)
    } else {
      parts.insert(parts[places[0] % parts.count], at: places[1] % parts.count)
    }
    message = [first] + Array(parts.joined(separator: [UInt8(ascii: ",")])) + [last]
  }

  @Test func `a fault behind the words does not take them away`() throws {
    let head = #"{"type":"Results","start":1,"duration":1,"is_final":true,"channel_index":[0,1],"#
    let text =
      head + #""channel":{"alternatives":[{"transcript":"hello","confidence":0.5,"words":[}"#
    let message = kept(text)
    let heard = try #require(Upstream.deepgram.read(message).heard)
    #expect(message[heard.text].string == "hello" && message[heard.confidence].string == "0.5")
  }
}
