// The RFC's must-nots: what a peer may never send, and the moment at which it is found out.

import Testing

@testable import Sidetone

@Suite struct WebSocketFailureTests {
  struct MustNot: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var role: WebSocket.Role
    var input: [UInt8]
    var failure: WebSocket.Failure
    var closeCode: UInt16

    init(
      _ name: String, _ role: WebSocket.Role, _ input: [UInt8], _ failure: WebSocket.Failure,
      _ closeCode: UInt16 = 1002
    ) {
      testDescription = name
      self.role = role
      self.input = input
      self.failure = failure
      self.closeCode = closeCode
    }
  }

  static let mustNots: [MustNot] = [
    MustNot("RSV1", .client, [0xc1, 0], .reservedBits),
    MustNot("RSV2", .client, [0xa1, 0], .reservedBits),
    MustNot("RSV3", .client, [0x91, 0], .reservedBits),
    MustNot("RSV on a control frame", .client, [0xd9, 0], .reservedBits),
    MustNot("data opcode 3", .client, [0x83, 0], .reservedOpcode),
    MustNot("data opcode 7", .client, [0x87, 0], .reservedOpcode),
    MustNot("control opcode 11", .client, [0x8b, 0], .reservedOpcode),
    MustNot("control opcode 15", .client, [0x8f, 0], .reservedOpcode),
    MustNot("unmasked client", .server, frame(.text, "hi"), .notMasked),
    MustNot("unmasked ping of a client", .server, frame(.ping), .notMasked),
    MustNot("masked server", .client, frame(.text, "hi", key: 7), .masked),
    MustNot("fragmented ping", .client, [0x09, 0], .fragmentedControl),
    MustNot("fragmented close", .client, [0x08, 0], .fragmentedControl),
    MustNot("ping of 126 bytes", .client, [0x89, 126, 0, 126], .controlTooLong),
    MustNot("close of 126 bytes", .client, [0x88, 126, 0, 126], .controlTooLong),
    MustNot("ping with a long length", .client, [0x89, 127], .controlTooLong),
    MustNot("continuation first", .client, frame(.continuation, "x"), .nothingToContinue),
    MustNot(
      "text inside a message", .client, frame(.text, "a", isFinal: false) + frame(.text, "b"),
      .messageUnfinished),
    MustNot(
      "binary inside a message", .client, frame(.text, "a", isFinal: false) + frame(.binary),
      .messageUnfinished),
    MustNot("two-byte length of 125", .client, [0x82, 126, 0, 125], .lengthNotMinimal),
    MustNot(
      "eight-byte length of 65535", .client, [0x82, 127, 0, 0, 0, 0, 0, 0, 0xff, 0xff],
      .lengthNotMinimal),
    MustNot(
      "highest bit of a length", .client, [0x82, 127, 0x80, 0, 0, 0, 0, 1, 0, 0],
      .lengthTooLong),
    MustNot("close of one byte", .client, frame(.close, [3]), .closePayload),
    MustNot("close with code 1005", .client, frame(.close, [0x03, 0xed]), .closeCode),
    MustNot("close with a bad reason", .client, frame(.close, [3, 0xe8, 0xff]), .notUTF8, 1007),
    MustNot(
      "close with a cut reason", .client, frame(.close, [3, 0xe8, 0xce]), .notUTF8, 1007),
    MustNot("text of bad bytes", .client, frame(.text, [0xc3, 0x28]), .notUTF8, 1007),
    MustNot("text that ends in a character", .client, frame(.text, [0xe2, 0x82]), .notUTF8, 1007),
    MustNot(
      "longest length", .client,
      [0x82, 127, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], .messageTooLarge, 1009),
  ]

  @Test(arguments: mustNots) func `is refused`(_ case: MustNot) {
    let events = Receiver.eventsOfEverySplit(of: `case`.input, as: `case`.role)
    #expect(events == [.failed(`case`.failure)])
    #expect(`case`.failure.closeCode == `case`.closeCode)
  }

  @Test func `delivers what came before the mistake and ignores the rest`() {
    let input =
      frame(.text, "fine", key: 1) + frame(.ping, key: 2) + [0xff, 0x80, 0, 0, 0, 0]
      + frame(.text, "late", key: 3)
    #expect(
      Receiver.eventsOfEverySplit(of: input, as: .server)
        == [.text("fine"), .ping([]), .failed(.reservedBits)])
  }

  @Test func `reasons fit into a close frame`() {
    for failure in (0...UInt8.max).compactMap(WebSocket.Failure.init(rawValue:)) {
      #expect(failure.reason.utf8CodeUnitCount <= WebSocket.controlBytesMax - 2)
      #expect(failure.reason.isASCII)
    }
  }

  // MARK: Size

  @Test func `judges the size at the header`() {
    #expect(
      Receiver.events(
        of: frame(.binary, [UInt8](repeating: 1, count: 200)), as: .client,
        messageBytesMax: 200) == [.binary([UInt8](repeating: 1, count: 200))])
    #expect(
      Receiver.events(of: [0x82, 126, 0, 201], as: .client, messageBytesMax: 200)
        == [.failed(.messageTooLarge)])
  }

  @Test func `judges the size over all fragments but not over control frames`() {
    let fits =
      frame(.binary, [1, 2, 3], isFinal: false) + frame(.ping, [9, 9, 9, 9, 9, 9])
      + frame(.continuation, [4, 5])
    #expect(
      Receiver.eventsOfEverySplit(of: fits, as: .client, messageBytesMax: 5)
        == [.ping([9, 9, 9, 9, 9, 9]), .binary([1, 2, 3, 4, 5])])
    let tooLarge = frame(.binary, [1, 2, 3], isFinal: false) + [0x00, 0x03]
    #expect(
      Receiver.eventsOfEverySplit(of: tooLarge, as: .client, messageBytesMax: 5)
        == [.failed(.messageTooLarge)])
    let next = frame(.binary, [1, 2, 3, 4, 5]) + frame(.binary, [6, 7, 8, 9, 10])
    #expect(
      Receiver.eventsOfEverySplit(of: next, as: .client, messageBytesMax: 5)
        == [.binary([1, 2, 3, 4, 5]), .binary([6, 7, 8, 9, 10])])
  }

  // MARK: Text fails at the first byte that cannot be right

  /// Bytes of the message, and how many of them may come before it is refused.
  static let badTexts: [(text: [UInt8], good: Int)] = [
    (Array("κόσμε".utf8) + [0xf4, 0x90, 0x80, 0x80] + Array("edited".utf8), 11),
    ([0x68, 0xed, 0xa0, 0x80], 2),
    ([0x68, 0x69, 0xc0, 0xaf, 0x21], 2),
    ([0xff, 0x41], 0),
  ]

  @Test(arguments: badTexts) func `refuses text as soon as it is wrong`(text: [UInt8], good: Int) {
    for role in [WebSocket.Role.server, .client] {
      let key: UInt32? = role == .server ? 0x1234_5678 : nil
      let whole = frame(.text, text, key: key)
      let header = whole.count - text.count
      var receiver = Receiver(role)
      receiver.read(Array(whole[..<(header + good)]))
      #expect(receiver.events == [])
      receiver.read([whole[header + good]])
      #expect(receiver.events == [.failed(.notUTF8)])
      receiver.read(Array(whole[(header + good + 1)...]))
      #expect(receiver.events == [.failed(.notUTF8)])
    }
  }

  @Test func `refuses a fragment as soon as it is wrong`() {
    var receiver = Receiver(.server)
    receiver.read(frame(.text, [0x68, 0xf4], key: 1, isFinal: false))
    #expect(receiver.events == [])
    receiver.read(frame(.continuation, [0x90, 0x80], key: 2, isFinal: false))
    #expect(receiver.events == [.failed(.notUTF8)])
  }

  @Test func `does not judge binary as text`() {
    #expect(
      Receiver.eventsOfEverySplit(of: frame(.binary, [0xff, 0xc0], key: 9), as: .server)
        == [.binary([0xff, 0xc0])])
  }
}
