// Any bytes, cut anywhere, give the same events as the same bytes in one read; ranges stay inside
// the buffer, messages inside their bound, what is kept inside the room that was asked for; text is
// UTF-8; and what is sealed reads back as it was.

import Sidetone

func fuzzWebSocket(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
  var input = FuzzInput(start, count)
  let role: WebSocket.Role = input.byte() & 1 == 0 ? .server : .client
  let messageBytesMax = [0, 5, 130, 70_000][input.byte() & 3]
  let pieces = (input.byte() % 40 + 1, input.byte() % 40 + 1)
  let key = UInt32(input.byte()) &* 0x0102_0408

  var whole = Link(role, messageBytesMax)
  whole.read(input.rest)
  var cut = Link(role, messageBytesMax)
  var rest = input.rest
  var isOdd = false
  while !rest.isEmpty {
    let length = min(isOdd ? pieces.0 : pieces.1, rest.count)
    cut.read(UnsafeBufferPointer(rebasing: rest[..<length]))
    rest = UnsafeBufferPointer(rebasing: rest[length...])
    isOdd.toggle()
  }
  precondition(whole.events == cut.events, "events do not depend on how the bytes were cut")
  readsBack(input.rest, key: role == .server ? key : nil)
  return 0
}

/// A socket with what it keeps between reads, and all that came out of it in one row of bytes.
private struct Link {
  private(set) var events: [UInt8] = []
  private var socket: WebSocket
  private var kept = ExactMemory(count: 0)
  private let messageBytesMax: Int

  init(_ role: WebSocket.Role, _ messageBytesMax: Int) {
    self.messageBytesMax = messageBytesMax
    socket = WebSocket(role: role, messageBytesMax: messageBytesMax)
  }

  mutating func read(_ piece: UnsafeBufferPointer<UInt8>) {
    let memory = ExactMemory(count: kept.bytes.count + piece.count)
    memory.bytes.copy(kept.bytes)
    for index in piece.indices { memory.bytes[kept.bytes.count + index] = piece[index] }
    while take(socket.nextEvent(in: memory.bytes), memory.bytes) {}

    let count = socket.bytesKept(of: memory.bytes)
    precondition(count <= messageBytesMax + WebSocket.controlBytesMax, "little is kept")
    precondition(count == 0 || count < socket.bytesWanted, "the room asked for lets it get on")
    kept = ExactMemory(count: count)
    precondition(socket.carry(from: memory.bytes, to: kept.bytes) == count)
  }

  /// Notes an event; false where more bytes are needed.
  private mutating func take(_ event: WebSocket.Event, _ buffer: Bytes) -> Bool {
    switch event {
    case .needMore: return false
    case .text(let range):
      note(1, buffer[range], upTo: messageBytesMax)
      precondition(String(validating: buffer[range].array, as: UTF8.self) != nil)
    case .binary(let range): note(2, buffer[range], upTo: messageBytesMax)
    case .ping(let range): note(3, buffer[range], upTo: WebSocket.controlBytesMax)
    case .pong(let range): note(4, buffer[range], upTo: WebSocket.controlBytesMax)
    case .close(let code, let reason):
      note(5, buffer[reason], upTo: WebSocket.controlBytesMax - 2)
      precondition(code == WebSocket.noCode || WebSocket.isSendable(closeCode: code))
      events += [UInt8(code >> 8), UInt8(code & 0xff)]
    case .failed(let failure): events += [6, failure.rawValue]
    }
    return true
  }

  private mutating func note(_ kind: UInt8, _ payload: Bytes, upTo bytesMax: Int) {
    precondition(payload.count <= bytesMax)
    events += [kind, UInt8(payload.count & 0xff), UInt8(payload.count >> 8 & 0xff)]
    events += payload.array
  }
}

private func readsBack(_ payload: UnsafeBufferPointer<UInt8>, key: UInt32?) {
  let pool = BlockPool(blocks: 4)
  defer { pool.deallocate() }
  var chain = Chain()
  let memory = ExactMemory(payload)
  let half = payload.count / 2
  guard
    WebSocket.seal(
      .binary, memory.bytes.prefix(half), memory.bytes.dropping(half), key: key, into: &chain,
      from: pool)
  else { return }
  let wire = ExactMemory(count: chain.count)
  var count = 0
  while !chain.isEmpty {
    let front = chain.front(in: pool)
    wire.bytes.copy(front, at: count)
    count += front.count
    chain.drop(front.count, in: pool)
  }
  var socket = WebSocket(role: key == nil ? .client : .server, messageBytesMax: payload.count)
  guard case .binary(let range) = socket.nextEvent(in: wire.bytes) else {
    preconditionFailure("a sealed frame is a message")
  }
  precondition(wire.bytes[range].equals(memory.bytes))
}
