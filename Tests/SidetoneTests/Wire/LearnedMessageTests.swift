// What a learned message finds is what the scanner finds, whatever came before.
import Testing

@testable import Sidetone

struct LearnedMessageTests {
  private static let carriers = ["twilio", "telnyx", "ucid"]

  /// All fixtures of a row, as they are and written differently, and a stream of audio.
  private static func messages(of row: String) -> [[UInt8]] {
    var texts = FixtureFile.all(of: row).flatMap { [$0.text] + $0.variants }
    for name in ["audio", "speech"] {
      for file in FixtureFile.all(of: row) where file.event.hasPrefix(name) {
        for number in ["0", "7", "120", "-3", "01", "1.5", "1e3", "4294967296", "99999999999"] {
          texts.append(file.text.replacing("\"20\"", with: "\"\(number)\""))
          texts.append(file.text.replacing("\"20\"", with: number))
          texts.append(file.text.replacing("8000", with: number))
          texts.append(file.text.replacing("\"2\"", with: number))
          texts.append(
            file.text.replacing("\"channelCount\":1", with: "\"channelCount\":\(number)"))
          texts.append(
            file.text.replacing("\"channelCount\":1", with: "\"channelCount\":\"\(number)\""))
        }
        for text in ["", "AAAA", "\\/\\/8=", "ü", String(repeating: "QUJD", count: 400)] {
          texts.append(file.text.replacing("/////w==", with: text))
          texts.append(file.text.replacing("//79/v7//w==", with: text))
          texts.append(file.text.replacing("inbound", with: text))
          texts.append(file.text.replacing("item_a1", with: text))
        }
        texts.append(file.text.replacing("inbound", with: "outbound"))
        texts.append(file.text.replacing("[0,12,-7,", with: "[ 5,,\"]\","))
        texts.append(file.text.replacing("[0,12,-7,32767,-32768,100]", with: "[]"))
      }
    }
    return texts.map { Array($0.utf8) }
  }

  /// Both in memory of their own, since a payload with escapes is written over.
  private func check(
    _ learned: inout LearnedMessage, _ media: Media, _ message: [UInt8]
  ) -> Bool {
    let place = ForbiddenPage(message)
    let other = ForbiddenPage(message)
    let expected = media.locate(place.bytes)
    return learned.locate(other.bytes, by: media) == expected
      && other.bytes.array == place.bytes.array
  }

  private func check(
    _ learned: inout LearnedMessage, _ path: SpeechPath, _ message: [UInt8]
  ) -> Bool {
    let place = ForbiddenPage(message)
    let other = ForbiddenPage(message)
    let expected = path.locate(place.bytes)
    return learned.locate(other.bytes, by: path) == expected
      && other.bytes.array == place.bytes.array
  }

  private func media(_ row: String) throws -> Media {
    try #require(Carrier.all.first { $0.name.description == row }).media
  }

  @Test(arguments: carriers)
  func `behind each message every other is read as the scanner reads it`(row: String) throws {
    let media = try media(row)
    let messages = Self.messages(of: row)
    for first in messages {
      var taught = LearnedMessage()
      _ = check(&taught, media, first)
      for second in messages {
        var learned = taught
        if !check(&learned, media, second) { differ(first, second) }
      }
    }
  }

  @Test func `so is every message of an upstream`() throws {
    let path = try #require(Upstream.openai.voice).speech
    let messages = Self.messages(of: "openai")
    for first in messages {
      var taught = LearnedMessage()
      _ = check(&taught, path, first)
      for second in messages {
        var learned = taught
        if !check(&learned, path, second) { differ(first, second) }
      }
    }
    let nested = try #require(Upstream.gemini.voice).speech
    var learned = LearnedMessage()
    for message in Self.messages(of: "gemini") { #expect(check(&learned, nested, message)) }
  }

  @Test(arguments: carriers)
  func `every truncation and every damage is told`(row: String) throws {
    let media = try media(row)
    var random = SeededRandom(seed: 410)
    for message in Self.messages(of: row) where message.count < 600 {
      var taught = LearnedMessage()
      _ = check(&taught, media, message)
      for length in 0..<message.count {
        var learned = taught
        let cut = Array(message[..<length])
        if !check(&learned, media, cut) { differ(message, cut) }
      }
      for _ in 0..<50 {
        var learned = taught
        let other = damaged(message, &random)
        if !check(&learned, media, other) { differ(message, other) }
      }
    }
  }

  private func differ(_ first: [UInt8], _ second: [UInt8]) {
    Issue.record(
      "\(String(decoding: second, as: UTF8.self)) behind \(String(decoding: first, as: UTF8.self))")
  }

  @Test func `a stream of good and bad messages is read as the scanner reads it`() throws {
    let media = try media("telnyx")
    let messages = Self.messages(of: "telnyx")
    var random = SeededRandom(seed: 411)
    var learned = LearnedMessage()
    var current = messages[0]
    for _ in 0..<20_000 {
      switch Int.random(in: 0..<20, using: &random) {
      case 0: current = messages.randomElement(using: &random) ?? current
      case 1: #expect(check(&learned, media, damaged(current, &random)))
      default: #expect(check(&learned, media, current))
      }
    }
  }

  private func damaged(_ message: [UInt8], _ random: inout SeededRandom) -> [UInt8] {
    var damaged = message
    for _ in 0...Int.random(in: 0...2, using: &random) {
      guard !damaged.isEmpty else { break }
      let place = Int.random(in: 0..<damaged.count, using: &random)
      switch Int.random(in: 0..<4, using: &random) {
      case 0: damaged.remove(at: place)
      case 1: damaged.insert(Array("\"\\{}[],:01".utf8).randomElement(using: &random)!, at: place)
      case 2: damaged[place] = Array("\"\\{}[],:01".utf8).randomElement(using: &random)!
      default: damaged[place] = UInt8.random(in: 0...255, using: &random)
      }
    }
    return damaged
  }

  @Test func `it is small, since every call has one for each side`() {
    #expect(MemoryLayout<LearnedMessage>.size <= 202)
  }
}
