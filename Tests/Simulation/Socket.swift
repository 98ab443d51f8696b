// What both ends of the simulation's connections speak: WebSocket frames, made and taken apart with
// the engine's own codec, whose truth is proven elsewhere.

import Sidetone
import TestSupport

/// Where a head's empty line ends, if it is there.
func headEnd(of bytes: [UInt8]) -> Int? {
  guard bytes.count >= 4 else { return nil }
  return (4...bytes.count).first { Array(bytes[$0 - 4..<$0]) == [13, 10, 13, 10] }
}

/// The head of a request or of an answer, in however many pieces it comes.
struct Head {
  private(set) var bytes: [UInt8] = []
  private var isWhole = false
  var isAwaited: Bool { !isWhole }

  /// Takes what has come; what of it stands behind the head, nil as long as that is not whole.
  mutating func rest(of more: [UInt8]) -> [UInt8]? {
    if isWhole { return more }
    bytes += more
    guard let end = headEnd(of: bytes) else { return nil }
    isWhole = true
    defer { bytes.removeSubrange(end...) }
    return Array(bytes[end...])
  }

  /// Version and status of an answer.
  var status: String { String(decoding: bytes.prefix(12), as: UTF8.self) }
}

/// A WebSocket end that keeps what it has not finished.
struct Socket {
  private var decoder: WebSocket
  private var kept: [UInt8] = []
  private var isClosed = false
  let isClient: Bool

  init(isClient: Bool) {
    self.isClient = isClient
    decoder = WebSocket(role: isClient ? .client : .server, messageBytesMax: 1 << 21)
  }

  enum Message {
    case text([UInt8])
    case binary([UInt8])
    case ping([UInt8])
    case close(UInt16)
    /// Bytes that break the protocol, or that follow a Close frame.
    case failed
  }

  mutating func take(_ bytes: [UInt8]) -> [Message] {
    if isClosed { return bytes.isEmpty ? [] : [.failed] }
    kept += bytes
    var messages: [Message] = []
    kept.withMutableBytes { buffer in
      events: while true {
        switch decoder.nextEvent(in: buffer) {
        case .needMore: break events
        case .text(let range): messages.append(.text(buffer[range].array))
        case .binary(let range): messages.append(.binary(buffer[range].array))
        case .ping(let range): messages.append(.ping(buffer[range].array))
        case .pong: break
        case .close(let code, _):
          messages.append(.close(code))
          isClosed = true
          break events
        case .failed:
          messages.append(.failed)
          isClosed = true
          break events
        }
      }
    }
    if isClosed { return messages }
    var rest = [UInt8](repeating: 0, count: kept.count)
    let count = kept.withMutableBytes { buffer in
      rest.withMutableBytes { decoder.carry(from: buffer, to: $0) }
    }
    kept = Array(rest.prefix(count))
    return messages
  }

  func frame(
    _ opcode: WebSocket.Opcode, _ payload: [UInt8], isFinal: Bool = true
  ) -> [UInt8] {
    Frames.frame(opcode, payload, isMasked: isClient, isFinal: isFinal)
  }

  /// A message in several frames, with pings between them (RFC 6455 §5.4, §5.5).
  func fragments(_ opcode: WebSocket.Opcode, _ payload: [UInt8], _ dice: inout Dice) -> [UInt8] {
    var bytes: [UInt8] = []
    var rest = payload[...]
    var opcode = opcode
    repeat {
      let length = dice.percent(30) ? rest.count : dice.range(0...rest.count)
      bytes += frame(opcode, Array(rest.prefix(length)), isFinal: length == rest.count)
      rest = rest.dropFirst(length)
      opcode = .continuation
      if dice.percent(30) { bytes += frame(.ping, [1, 2, 3]) }
    } while !rest.isEmpty
    return bytes
  }

  func close(_ code: UInt16) -> [UInt8] { frame(.close, [UInt8(code >> 8), UInt8(code & 0xff)]) }
}
