// Outgoing audio in its constant text, read back from the frames in the outbox.
import Foundation
import Testing

@testable import Sidetone

struct EnvelopeTests {
  private let twilio = Envelope(
    prefix: kept(
      #"{"event":"media","streamSid":"MZ00000000000000000000000000000001","media":{"payload":""#),
    suffix: kept(#""}}"#))!

  /// The payloads of the unmasked text frames in a chain, which it empties.
  private func messages(in chain: inout Chain, of pool: BlockPool) -> [String] {
    var bytes: [UInt8] = []
    while !chain.isEmpty {
      let front = chain.front(in: pool)
      bytes += front.array
      chain.drop(front.count, in: pool)
    }
    var messages: [String] = []
    while !bytes.isEmpty {
      #expect(bytes[0] == 0x81)
      let isLong = bytes[1] == 126
      let length = isLong ? Int(bytes[2]) << 8 | Int(bytes[3]) : Int(bytes[1])
      let start = isLong ? 4 : 2
      messages.append(String(decoding: bytes[start..<start + length], as: UTF8.self))
      bytes.removeFirst(start + length)
    }
    return messages
  }

  @Test(arguments: [1, 2, 3, 20, 160, 400, 1_440, 1_441, 4_800, 65_536])
  func `audio of any length arrives whole in valid messages`(length: Int) throws {
    var twilio = twilio
    let pool = BlockPool(blocks: 64)
    defer { pool.deallocate() }
    var random = SeededRandom(seed: UInt64(length))
    let audio = kept(random.bytes(length))
    var chain = Chain()
    let isSealed = twilio.seal(audio: audio, into: &chain, from: pool)
    #expect(isSealed)

    var heard: [UInt8] = []
    for message in messages(in: &chain, of: pool) {
      let object = try JSONSerialization.jsonObject(with: Data(message.utf8)) as? [String: Any]
      #expect(object?["event"] as? String == "media")
      #expect(object?["streamSid"] as? String == "MZ00000000000000000000000000000001")
      let media = try #require(object?["media"] as? [String: String])
      heard += try #require(Data(base64Encoded: media["payload"]!))
    }
    #expect(heard == audio.array)
    #expect(pool.free == 64)
  }

  @Test func `empty audio is no message`() {
    var twilio = twilio
    let pool = BlockPool(blocks: 1)
    defer { pool.deallocate() }
    var chain = Chain()
    let isSealed = twilio.seal(audio: .empty, into: &chain, from: pool)
    #expect(isSealed)
    #expect(chain.isEmpty)
  }

  @Test func `a dry pool gets nothing, not half of it`() {
    var twilio = twilio
    let pool = BlockPool(blocks: 3)
    defer { pool.deallocate() }
    var chain = Chain()
    let isTooMuch = twilio.seal(audio: kept(count: 1_440 * 4), into: &chain, from: pool)
    #expect(!isTooMuch)
    #expect(chain.isEmpty && pool.free == 3)
    let isSealed = twilio.seal(audio: kept(count: 1_440 * 3), into: &chain, from: pool)
    #expect(isSealed)
    let isOneMore = twilio.seal(audio: kept(count: 160), into: &chain, from: pool)
    #expect(!isOneMore)
    #expect(messages(in: &chain, of: pool).count == 3)
  }

  @Test(arguments: [4, 216, 1_920, 1_924, 20_000])
  func `base64 passes through as it is`(length: Int) throws {
    var twilio = twilio
    let pool = BlockPool(blocks: 64)
    defer { pool.deallocate() }
    let text = String((0..<length).map { _ in "abcdefgh012345+/".randomElement()! })
    var chain = Chain()
    let isSealed = twilio.seal(base64: kept(text), into: &chain, from: pool)
    #expect(isSealed)
    var heard = ""
    for message in messages(in: &chain, of: pool) {
      let payload = JSON.find("media", "payload", in: kept(message))
      heard += kept(message)[try #require(payload).range].string
    }
    #expect(heard == text)
  }

  @Test func `integers of any number arrive whole`() throws {
    let pool = BlockPool(blocks: 64)
    defer { pool.deallocate() }
    var list = Envelope(prefix: kept(#"{"list":["#), suffix: kept("]}"))!
    for count in [1, 2, 79, 80, 81, 290, 291, 5000] {
      var random = SeededRandom(seed: UInt64(count))
      let audio = kept(random.bytes(2 * count))
      var chain = Chain()
      let isSealed = list.seal(audio: audio, as: .integers, into: &chain, from: pool)
      #expect(isSealed)
      var heard: [UInt8] = []
      for message in messages(in: &chain, of: pool) {
        let text = kept(message)
        let place = kept(count: 1920)
        let value = try #require(JSON.find("list", in: text)).range
        let inside = text[value.lowerBound + 1..<value.upperBound - 1]
        heard += place.prefix(2 * (try #require(Integers.parse(inside, into: place)))).array
      }
      #expect(heard == audio.array)
    }
  }

  @Test func `with a key a message is masked, and as long as it may be`() throws {
    var twilio = twilio
    let pool = BlockPool(blocks: 4)
    defer { pool.deallocate() }
    for payloadEncoding in [Media.PayloadEncoding.base64, .integers, .binary] {
      var random = SeededRandom(seed: 4)
      let audio = kept(random.bytes(twilio.audioBytesMax(as: payloadEncoding)))
      var plain = Chain()
      let isPlain = twilio.seal(audio: audio, as: payloadEncoding, into: &plain, from: pool)
      #expect(isPlain)
      var masked = Chain()
      let isMasked = twilio.seal(
        audio: audio, as: payloadEncoding, key: 0x0102_0304, into: &masked, from: pool)
      #expect(isMasked)
      let wire = kept(masked.front(in: pool).array)
      var socket = WebSocket(role: .server, messageBytesMax: 4096)
      switch socket.nextEvent(in: wire) {
      case .text(let range), .binary(let range):
        #expect(wire[range].array == plain.front(in: pool).dropping(4).array)
      default: Issue.record("no message")
      }
      plain.clear(in: pool)
      masked.clear(in: pool)
    }
  }

  @Test func `a binary carrier's audio has no text around it`() {
    let pool = BlockPool(blocks: 1)
    defer { pool.deallocate() }
    var chain = Chain()
    var plain = Envelope()
    let isSealed = plain.seal(audio: kept([1, 2, 3]), as: .binary, into: &chain, from: pool)
    #expect(isSealed)
    #expect(chain.front(in: pool).array == [0x82, 3, 1, 2, 3])
    chain.clear(in: pool)
  }

  @Test func `text that is too long makes no envelope`() {
    #expect(Envelope(prefix: kept(count: 192), suffix: kept(count: 192)) != nil)
    #expect(Envelope(prefix: kept(count: 193), suffix: .empty) == nil)
    #expect(Envelope(prefix: .empty, suffix: kept(count: 193)) == nil)
  }
}
