// What the codec keeps between reads, and how much room it asks for: never more than the message,
// one header and one control frame, however the peer cuts its messages.

import Testing

@testable import Sidetone

@Suite struct WebSocketCarryTests {
  @Test func `keeps nothing between messages`() {
    let input = frame(.text, "hello", key: 1) + frame(.ping, key: 2)
    input.withBytes { bytes in
      var socket = WebSocket(role: .server, messageBytesMax: 100)
      while socket.nextEvent(in: bytes) != .needMore {}
      #expect(socket.bytesKept(of: bytes) == 0)
      #expect(socket.carry(from: bytes, to: .empty) == 0)
      #expect(socket.nextEvent(in: .empty) == .needMore)
    }
  }

  @Test func `keeps nothing of an unfinished message after the end`() {
    for last in [frame(.close), [0xff, 0xff]] {
      (frame(.binary, [1, 2], isFinal: false) + last).withBytes { bytes in
        var socket = WebSocket(role: .client, messageBytesMax: 100)
        while socket.nextEvent(in: bytes) != .needMore {}
        #expect(socket.bytesKept(of: bytes) == 0)
        #expect(socket.bytesWanted == 0)
      }
    }
  }

  @Test func `knows the room it wants from the header on`() {
    let input = frame(.binary, [UInt8](repeating: 3, count: 500), key: 1)
    input.withBytes { bytes in
      var socket = WebSocket(role: .server, messageBytesMax: 1000)
      #expect(socket.nextEvent(in: bytes.prefix(7)) == .needMore)
      #expect(socket.bytesWanted == WebSocket.headerBytesMax)
      #expect(socket.nextEvent(in: bytes.prefix(8)) == .needMore)
      #expect(socket.bytesWanted == 500)
      #expect(socket.bytesKept(of: bytes.prefix(8)) == 0)
      #expect(socket.nextEvent(in: bytes.prefix(108)) == .needMore)
      #expect(socket.bytesWanted == 500)
      #expect(socket.bytesKept(of: bytes.prefix(108)) == 100)
    }
  }

  @Test func `carries frames that were not looked at yet`() {
    let input =
      frame(.text, "one", key: 1, isFinal: false) + frame(.ping, "p", key: 2)
      + frame(.continuation, " two", key: 3) + frame(.text, "three", key: 4)
    let first = ForbiddenPage(input)
    var socket = WebSocket(role: .server, messageBytesMax: 100)
    guard case .ping = socket.nextEvent(in: first.bytes) else {
      Issue.record("the ping comes first")
      return
    }
    let second = ForbiddenPage(count: socket.bytesKept(of: first.bytes))
    #expect(socket.carry(from: first.bytes, to: second.bytes) == second.bytes.count)
    #expect(socket.nextEvent(in: second.bytes) == .text(0..<7))
    #expect(second.bytes[0..<7].string == "one two")
    let rest = socket.bytesKept(of: second.bytes)
    #expect(rest == WebSocket.headerBytes(payload: 5, isMasked: true) + 5)
    #expect(socket.carry(from: second.bytes, to: second.bytes) == rest)
    #expect(socket.nextEvent(in: second.bytes.prefix(rest)) == .text(6..<11))
    #expect(second.bytes[6..<11].string == "three")
  }

  /// A buffer of exactly `bytesWanted` always gets on, and never has to exceed the stated bound.
  @Test(arguments: [1, 2, 7, 50]) func `gets on in the room it asked for`(fragmentBytes: Int) {
    let messageBytesMax = 200
    let payload = (0..<messageBytesMax).map { UInt8($0) }
    var input: [UInt8] = []
    for start in stride(from: 0, to: payload.count, by: fragmentBytes) {
      let piece = Array(payload[start..<min(start + fragmentBytes, payload.count)])
      input += frame(start == 0 ? .binary : .continuation, piece, key: 77, isFinal: false)
      input += frame(.ping, [UInt8](repeating: 5, count: 125), key: 78)
    }
    input += frame(.continuation, key: 79)

    var socket = WebSocket(role: .server, messageBytesMax: messageBytesMax)
    var page = ForbiddenPage(count: socket.bytesWanted)
    var count = 0
    var pings = 0
    var message: [UInt8]?
    var rest = input[...]
    while !rest.isEmpty {
      let piece = rest.prefix(page.bytes.count - count)
      #expect(!piece.isEmpty)
      Array(piece).withBytes { page.bytes.copy($0, at: count) }
      count += piece.count
      rest = rest.dropFirst(piece.count)
      loop: while true {
        switch socket.nextEvent(in: page.bytes.prefix(count)) {
        case .needMore: break loop
        case .ping: pings += 1
        case .binary(let range): message = page.bytes[range].array
        case let other:
          Issue.record("\(other)")
          return
        }
      }
      let larger = ForbiddenPage(count: socket.bytesWanted)
      #expect(larger.bytes.count <= messageBytesMax + WebSocket.controlBytesMax)
      count = socket.carry(from: page.bytes.prefix(count), to: larger.bytes)
      page = larger
    }
    #expect(message == payload)
    #expect(pings == (messageBytesMax + fragmentBytes - 1) / fragmentBytes)
  }

  @Test func `one buffer is enough for a link that reads byte by byte`() {
    let text = String(repeating: "ø🎧 ", count: 30)
    let bytes = Array(text.utf8)
    let input =
      frame(.text, Array(bytes.prefix(101)), key: 1, isFinal: false) + frame(.ping, "?", key: 2)
      + frame(.continuation, Array(bytes.dropFirst(101)), key: 3)
    let page = ForbiddenPage(count: bytes.count + WebSocket.headerBytesMax)
    var socket = WebSocket(role: .server, messageBytesMax: bytes.count)
    var count = 0
    var texts: [String] = []
    for byte in input {
      page.bytes[count] = byte
      count += 1
      while true {
        let event = socket.nextEvent(in: page.bytes.prefix(count))
        if case .text(let range) = event { texts.append(page.bytes[range].string) }
        if event == .needMore { break }
      }
      count = socket.carry(from: page.bytes.prefix(count), to: page.bytes)
    }
    #expect(texts == [text])
    #expect(count == 0)
  }
}
