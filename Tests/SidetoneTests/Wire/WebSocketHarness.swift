// A WebSocket as its owner drives it: bytes come in pieces of any size, what is unfinished is
// carried over, events come out with their bytes copied so that tests can compare them.

@testable import Sidetone

enum Received: Equatable {
  case text(String)
  case binary([UInt8])
  case ping([UInt8])
  case pong([UInt8])
  case close(UInt16, String)
  case failed(WebSocket.Failure)
}

struct Receiver {
  var socket: WebSocket
  private(set) var events: [Received] = []
  /// What is carried from one read to the next.
  private var kept: [UInt8] = []

  init(_ role: WebSocket.Role, messageBytesMax: Int = 1 << 20) {
    socket = WebSocket(role: role, messageBytesMax: messageBytesMax)
  }

  /// One read. Everything lies against a forbidden page, before and after `carry`.
  mutating func read(_ piece: [UInt8]) {
    let page = ForbiddenPage(kept + piece)
    takeEvents(in: page.bytes)
    let place = ForbiddenPage(count: socket.bytesKept(of: page.bytes))
    let count = socket.carry(from: page.bytes, to: place.bytes)
    precondition(count == place.bytes.count)
    kept = place.bytes.array
  }

  /// The events of `input` in plain memory: for tables too long for a page of their own.
  static func eventsOfOneRead(of input: [UInt8], as role: WebSocket.Role) -> [Received] {
    var receiver = Receiver(role)
    var copy = input
    copy.withUnsafeMutableBytes {
      receiver.takeEvents(in: Bytes(base: $0.baseAddress!, count: $0.count))
    }
    return receiver.events
  }

  private mutating func takeEvents(in buffer: Bytes) {
    while true {
      switch socket.nextEvent(in: buffer) {
      case .needMore: return
      case .text(let range): events.append(.text(buffer[range].string))
      case .binary(let range): events.append(.binary(buffer[range].array))
      case .ping(let range): events.append(.ping(buffer[range].array))
      case .pong(let range): events.append(.pong(buffer[range].array))
      case .close(let code, let reason): events.append(.close(code, buffer[reason].string))
      case .failed(let failure): events.append(.failed(failure))
      }
    }
  }

  /// The events of `input`, cut into pieces that end at `cuts` and at its end.
  static func events(
    of input: [UInt8], as role: WebSocket.Role, cutAt cuts: [Int] = [],
    messageBytesMax: Int = 1 << 20
  ) -> [Received] {
    var receiver = Receiver(role, messageBytesMax: messageBytesMax)
    var start = 0
    for cut in cuts + [input.count] {
      receiver.read(Array(input[start..<cut]))
      start = cut
    }
    return receiver.events
  }

  /// The events of `input`, or nil where they are not the same whole, cut at every single byte, and
  /// byte by byte.
  static func eventsOfEverySplit(
    of input: [UInt8], as role: WebSocket.Role, messageBytesMax: Int = 1 << 20
  ) -> [Received]? {
    let whole = events(of: input, as: role, messageBytesMax: messageBytesMax)
    var splits = (0..<input.count).map { [$0] }
    splits.append(Array(0..<input.count))
    for cuts in splits {
      let split = events(of: input, as: role, cutAt: cuts, messageBytesMax: messageBytesMax)
      if split != whole { return nil }
    }
    return whole
  }
}

/// A frame as a well-behaved peer writes it.
func frame(
  _ opcode: WebSocket.Opcode, _ payload: [UInt8] = [], key: UInt32? = nil, isFinal: Bool = true
) -> [UInt8] {
  let arena = Buffer(count: payload.count + WebSocket.headerBytesMax)
  var writer = Writer(arena.bytes)
  payload.withBytes {
    WebSocket.encode(opcode, $0, key: key, isFinal: isFinal, into: &writer)
  }
  return writer.written.array
}

func frame(
  _ opcode: WebSocket.Opcode, _ text: String, key: UInt32? = nil, isFinal: Bool = true
) -> [UInt8] {
  frame(opcode, Array(text.utf8), key: key, isFinal: isFinal)
}
