// The receiving half of the WebSocket codec: what the RFC shows and what it allows. Every input is
// also cut at every byte, and given byte by byte.

import Testing

@testable import Sidetone

@Suite struct WebSocketTests {
  // MARK: The examples of RFC 6455 §5.7

  @Test func `reads the examples of the RFC`() {
    let hello: [UInt8] = [0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f]
    #expect(Receiver.eventsOfEverySplit(of: hello, as: .client) == [.text("Hello")])
    let masked: [UInt8] = [
      0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58,
    ]
    #expect(Receiver.eventsOfEverySplit(of: masked, as: .server) == [.text("Hello")])
    let fragments: [UInt8] = [0x01, 0x03, 0x48, 0x65, 0x6c, 0x80, 0x02, 0x6c, 0x6f]
    #expect(Receiver.eventsOfEverySplit(of: fragments, as: .client) == [.text("Hello")])
    let ping: [UInt8] = [0x89, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f]
    #expect(Receiver.eventsOfEverySplit(of: ping, as: .client) == [.ping(Array("Hello".utf8))])
    let pong: [UInt8] = [
      0x8a, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58,
    ]
    #expect(Receiver.eventsOfEverySplit(of: pong, as: .server) == [.pong(Array("Hello".utf8))])
    let short = [UInt8](repeating: 7, count: 256)
    #expect(
      Receiver.eventsOfEverySplit(of: [0x82, 0x7e, 0x01, 0x00] + short, as: .client)
        == [.binary(short)])
    let long = [UInt8](repeating: 9, count: 65536)
    #expect(
      Receiver.events(of: [0x82, 0x7f, 0, 0, 0, 0, 0, 1, 0, 0] + long, as: .client)
        == [.binary(long)])
  }

  // MARK: Messages

  @Test func `delivers empty messages`() {
    let input = frame(.text, key: 1) + frame(.binary, key: 2) + frame(.ping, key: 3)
    #expect(
      Receiver.eventsOfEverySplit(of: input, as: .server) == [.text(""), .binary([]), .ping([])])
  }

  @Test func `delivers many frames of one read in order`() {
    let input = (0..<20).flatMap { frame(.text, "message \($0)", key: UInt32($0) &* 0x9e37_79b9) }
    #expect(
      Receiver.eventsOfEverySplit(of: input, as: .server)
        == (0..<20).map { .text("message \($0)") })
  }

  @Test func `reports control frames between fragments at once`() {
    let input =
      frame(.text, "one ", key: 11, isFinal: false) + frame(.ping, "?", key: 12)
      + frame(.continuation, "two ", key: 13, isFinal: false) + frame(.pong, key: 14)
      + frame(.continuation, "three", key: 15) + frame(.text, "four", key: 16)
    #expect(
      Receiver.eventsOfEverySplit(of: input, as: .server)
        == [.ping([0x3f]), .pong([]), .text("one two three"), .text("four")])
    let unmasked =
      frame(.binary, [1], isFinal: false) + frame(.ping, "?") + frame(.continuation, [2, 3])
    #expect(
      Receiver.eventsOfEverySplit(of: unmasked, as: .client) == [
        .ping([0x3f]), .binary([1, 2, 3]),
      ])
  }

  @Test func `allows empty fragments and characters cut between fragments`() {
    let text = Array("κόσμε 🎧 ß".utf8)
    var input = frame(.text, key: 1, isFinal: false)
    for byte in text {
      input += frame(.continuation, [byte], key: 0x80ff_00aa, isFinal: false)
      input += frame(.continuation, key: 2, isFinal: false)
    }
    input += frame(.continuation, key: 3)
    #expect(Receiver.eventsOfEverySplit(of: input, as: .server) == [.text("κόσμε 🎧 ß")])
  }

  @Test func `reads what its own side writes at every border of the length`() {
    var random = SeededRandom(seed: 1)
    for count in [0, 1, 125, 126, 127, 128, 65535, 65536, 70000] {
      let payload = random.bytes(count)
      let key = UInt32.random(in: 0...UInt32.max, using: &random)
      #expect(
        Receiver.events(of: frame(.binary, payload, key: key), as: .server) == [.binary(payload)])
      #expect(Receiver.events(of: frame(.binary, payload), as: .client) == [.binary(payload)])
    }
  }

  // MARK: Close

  @Test func `reads close frames`() {
    #expect(
      Receiver.eventsOfEverySplit(of: frame(.close, key: 5), as: .server)
        == [.close(WebSocket.noCode, "")])
    #expect(
      Receiver.eventsOfEverySplit(of: frame(.close, [0x03, 0xe8], key: 5), as: .server)
        == [.close(1000, "")])
    let reason = String(repeating: "ä", count: 61)
    let longest = frame(.close, [0x0f, 0xa0] + Array(reason.utf8))
    #expect(Receiver.eventsOfEverySplit(of: longest, as: .client) == [.close(4000, reason)])
  }

  @Test func `ignores everything after close`() {
    let input = frame(.text, "last") + frame(.close) + frame(.text, "late") + [0xff, 0xff, 0xff]
    #expect(
      Receiver.eventsOfEverySplit(of: input, as: .client)
        == [.text("last"), .close(WebSocket.noCode, "")])
  }

  @Test func `reads a close inside an unfinished message`() {
    let input =
      frame(.text, "half", key: 1, isFinal: false) + frame(.close, [0x03, 0xe9], key: 2)
      + frame(.continuation, "rest", key: 3)
    #expect(Receiver.eventsOfEverySplit(of: input, as: .server) == [.close(1001, "")])
  }

  @Test func `accepts exactly the close codes that may be sent`() {
    let registered: Set<UInt16> = [
      1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014,
    ]
    for code in UInt16.min...UInt16.max {
      let events = Receiver.eventsOfOneRead(
        of: [0x88, 0x02, UInt8(code >> 8), UInt8(code & 0xff)], as: .client)
      let isAllowed = registered.contains(code) || (3000...4999).contains(code)
      if events != [isAllowed ? .close(code, "") : .failed(.closeCode)] {
        Issue.record("\(code): \(events)")
      }
    }
  }

  // MARK: Whole conversations

  @Test(arguments: 0..<40 as Range<UInt64>)
  func `reads any conversation however it is cut`(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    let isMasked = Bool.random(using: &random)
    var input: [UInt8] = []
    var expected: [Received] = []
    for _ in 0..<10 {
      append(message: Conversation.message(&random), to: &input, &expected, isMasked, &random)
    }
    var cuts: [Int] = []
    while let next = Int?.some((cuts.last ?? 0) + Int.random(in: 0...300, using: &random)),
      next <= input.count
    {
      cuts.append(next)
    }
    let events = Receiver.events(of: input, as: isMasked ? .server : .client, cutAt: cuts)
    #expect(events == expected, "seed \(seed)")
  }

  private func append(
    message: Received, to input: inout [UInt8], _ expected: inout [Received], _ isMasked: Bool,
    _ random: inout SeededRandom
  ) {
    var rest: ArraySlice<UInt8>
    var opcode: WebSocket.Opcode
    switch message {
    case .text(let text): (opcode, rest) = (.text, Array(text.utf8)[...])
    case .binary(let bytes): (opcode, rest) = (.binary, bytes[...])
    default: preconditionFailure("a conversation is made of messages")
    }
    func key() -> UInt32? { isMasked ? UInt32.random(in: 0...UInt32.max, using: &random) : nil }
    while Int.random(in: 0..<3, using: &random) > 0 {
      let piece = rest.prefix(Int.random(in: 0...rest.count, using: &random))
      input += frame(opcode, Array(piece), key: key(), isFinal: false)
      rest = rest.dropFirst(piece.count)
      opcode = .continuation
      if Bool.random(using: &random) {
        let payload = random.bytes(Int.random(in: 0...125, using: &random))
        input += frame(.ping, payload, key: key())
        expected.append(.ping(payload))
      }
    }
    input += frame(opcode, Array(rest), key: key())
    expected.append(message)
  }
}

private enum Conversation {
  static func message(_ random: inout SeededRandom) -> Received {
    let count = [0, 1, 20, 160, 400, 3000].randomElement(using: &random)!
    if Bool.random(using: &random) { return .binary(random.bytes(count)) }
    let alphabet = Array("abc {}\":0123äßκ한🎧")
    return .text(String((0..<count).map { _ in alphabet.randomElement(using: &random)! }))
  }
}
