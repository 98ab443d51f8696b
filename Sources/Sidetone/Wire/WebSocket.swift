// Every frame.
//
// The receiving half of a WebSocket after its handshake (RFC 6455 §5): bytes in, messages out, for
// either side of the connection. It owns no memory. Payloads are unmasked where they lie, the
// pieces of a fragmented message are moved together, and events name ranges of the caller's buffer:
//
//     buffer   [ done | message so far | gap | frame under way ...   ]
//                      ^ messageStart  ^ messageEnd    ^ position     ^ count
//
// The gap is what headers and interposed control frames leave between the fragments of a message.
// Every byte is looked at once, when it arrives, so a broken peer is known at the first byte that
// proves it.

import CKernels

package struct WebSocket: BitwiseCopyable, Sendable {
  /// Which side of the connection we are. Only frames of clients are masked (§5.1).
  package enum Role: UInt8, BitwiseCopyable, Sendable { case server, client }

  package enum Opcode: UInt8, BitwiseCopyable, Sendable {
    case continuation = 0
    case text = 1
    case binary = 2
    case close = 8
    case ping = 9
    case pong = 10

    var isControl: Bool { rawValue >= 8 }
  }

  /// What has come. Ranges point into the buffer and hold until the next call.
  package enum Event: Equatable, Sendable {
    /// Everything was looked at; read more.
    case needMore
    /// A whole message; text is known to be UTF-8.
    case text(Range<Int>)
    case binary(Range<Int>)
    case ping(Range<Int>)
    case pong(Range<Int>)
    /// The peer's Close, its code `noCode` where it brought none. Nothing comes after it.
    case close(code: UInt16, reason: Range<Int>)
    /// The peer broke the protocol. Nothing comes after it.
    case failed(Failure)

    @inline(__always) var isBinary: Bool { if case .binary = self { true } else { false } }
  }

  private enum Phase: UInt8, BitwiseCopyable { case header, payload, over }

  /// The frame under way, as its header announced it.
  private struct Frame: BitwiseCopyable {
    var opcode = Opcode.continuation
    var isFinal = false
    /// The mask for the next byte of the payload, rotated as bytes are taken; 0: none.
    var key: UInt32 = 0
    var length = 0
    /// Bytes of the payload that were not yet taken.
    var remaining = 0
  }

  /// A header at its longest: two bytes, eight of length, four of mask.
  package static let headerBytesMax = 14
  /// The longest payload of a control frame (§5.5).
  package static let controlBytesMax = 125
  /// Stands for "the Close frame had no code" (§7.1.5); never on the wire.
  package static let noCode: UInt16 = 1005
  /// What a fragment should bring; one that brings nothing counts as sixteen. A message may lack so
  /// much in all: it may have a thousand fragments of a byte, and any number of honest ones.
  private static let fragmentBytesMin = 64
  private static let emptyFragments = 16
  private static let bytesLackingMax = 65_536

  package let role: Role
  private let messageBytesMax: Int
  private var phase = Phase.header
  private var frame = Frame()
  private var position = 0
  /// Frames whose headers were taken and not yet counted by anybody.
  private var frames: UInt32 = 0

  /// `text` or `binary` while a message is unfinished, otherwise `continuation`.
  private var message = Opcode.continuation
  private var messageStart = 0
  private var messageEnd = 0
  /// What the fragments of the message have cost, in bytes that it should have had for them.
  private var fragmentBytes = 0
  private var text = UTF8Validator()

  /// `messageBytesMax` bounds the payload of a message, all fragments together.
  package init(role: Role, messageBytesMax: Int) {
    precondition(messageBytesMax >= 0 && messageBytesMax <= Int.max / 2)
    self.role = role
    self.messageBytesMax = messageBytesMax
  }
}

// MARK: Reading

extension WebSocket {
  /// The next event in `buffer`, which holds what has been read and was not let go of by `carry`.
  /// Call again with the same bytes until `needMore`; after `close` and `failed` all that follows
  /// is ignored.
  @_noAllocation package mutating func nextEvent(in buffer: Bytes) -> Event {
    precondition(position <= buffer.count, "bytes that were read stay in the buffer")
    while true {
      switch phase {
      case .header:
        switch takeHeader(buffer) {
        case .partial: return .needMore
        case .bad(let failure): return fail(failure)
        case .whole: phase = .payload
        }
      case .payload:
        guard takePayload(buffer) else { return fail(.notUTF8) }
        if frame.remaining > 0 { return .needMore }
        phase = .header
        if frame.opcode.isControl { return controlEvent(buffer) }
        if frame.isFinal { return messageEvent() }
      case .over:
        position = buffer.count
        return .needMore
      }
    }
  }

  /// How long a message that is too large would have been, as far as it is known.
  var bytesRefused: Int { @_noAllocation get { frame.length } }

  /// Frames of any kind since the last time.
  @_noAllocation @inline(__always) mutating func takeFrames() -> Int {
    let count = Int(frames)
    frames = 0
    return count
  }

  private enum Header {
    case partial, whole
    case bad(Failure)
  }

  /// Reads and judges a header once all of it is there (§5.2).
  private mutating func takeHeader(_ buffer: Bytes) -> Header {
    let available = buffer.count &- position
    guard available >= 2 else { return .partial }
    let first = buffer[position]
    let second = buffer[position &+ 1]
    guard first & 0x70 == 0 else { return .bad(.reservedBits) }
    guard let opcode = Opcode(rawValue: first & 0x0f) else { return .bad(.reservedOpcode) }
    let isFinal = first & 0x80 != 0
    let isMasked = second & 0x80 != 0
    let shortLength = Int(second & 0x7f)
    if let failure = judge(opcode, isFinal, isMasked, shortLength) { return .bad(failure) }

    let lengthBytes = shortLength == 126 ? 2 : shortLength == 127 ? 8 : 0
    let headerBytes = 2 &+ lengthBytes &+ (isMasked ? 4 : 0)
    guard available >= headerBytes else { return .partial }
    var length = shortLength
    if lengthBytes == 2 {
      length = Int(buffer.load(UInt16.self, at: position &+ 2).byteSwapped)
      guard length > 125 else { return .bad(.lengthNotMinimal) }
    } else if lengthBytes == 8 {
      let wide = buffer.load(UInt64.self, at: position &+ 2).byteSwapped
      guard wide >> 63 == 0 else { return .bad(.lengthTooLong) }
      guard wide > 0xffff else { return .bad(.lengthNotMinimal) }
      length = Int(wide)
    }

    if !opcode.isControl {
      let before = message == .continuation ? 0 : messageEnd &- messageStart
      guard length <= messageBytesMax &- before else {
        frame.length = length &+ min(before, Int.max &- length)
        return .bad(.messageTooLarge)
      }
      if opcode == .continuation {
        fragmentBytes &+= Self.fragmentBytesMin &* (length == 0 ? Self.emptyFragments : 1)
        guard fragmentBytes <= before &+ length &+ Self.bytesLackingMax else {
          return .bad(.tooManyFragments)
        }
      }
    }
    frames &+= 1
    let key = isMasked ? buffer.load(UInt32.self, at: position &+ headerBytes &- 4) : 0
    position &+= headerBytes
    frame = Frame(
      opcode: opcode, isFinal: isFinal, key: key, length: length, remaining: length)
    if opcode == .text || opcode == .binary {
      message = opcode
      messageStart = position
      messageEnd = position
      fragmentBytes = 0
      text = UTF8Validator()
    }
    return .whole
  }

  /// The rules that the first two bytes can break.
  private func judge(_ opcode: Opcode, _ isFinal: Bool, _ isMasked: Bool, _ shortLength: Int)
    -> Failure?
  {
    if isMasked != (role == .server) { return isMasked ? .masked : .notMasked }
    if opcode.isControl {
      if !isFinal { return .fragmentedControl }
      if shortLength > Self.controlBytesMax { return .controlTooLong }
    } else if opcode == .continuation {
      if message == .continuation { return .nothingToContinue }
    } else if message != .continuation {
      return .messageUnfinished
    }
    return nil
  }

  /// Unmasks what has come of the payload, moves it behind the message so far, and checks text.
  /// False where it is no UTF-8.
  private mutating func takePayload(_ buffer: Bytes) -> Bool {
    let count = min(frame.remaining, buffer.count &- position)
    if count == 0 { return true }
    let source = buffer[position..<position &+ count]
    let target = frame.opcode.isControl ? position : messageEnd
    let place = buffer[target..<target &+ count]
    position &+= count
    frame.remaining &-= count

    var isASCII = false
    if role == .server {
      if target == position &- count {
        isASCII = unsafe ck_mask(place.base, count, frame.key)
      } else {
        isASCII = unsafe ck_mask_copy(place.base, source.base, count, frame.key)
      }
      frame.key = Self.rotate(frame.key, by: count)
    } else {
      place.copy(source)
    }
    if frame.opcode.isControl { return true }
    messageEnd &+= count
    if message != .text || isASCII && text.isComplete { return true }
    return text.accept(place)
  }

  private mutating func messageEvent() -> Event {
    let kind = message
    message = .continuation
    if kind == .binary { return .binary(messageStart..<messageEnd) }
    return text.isComplete ? .text(messageStart..<messageEnd) : fail(.notUTF8)
  }

  private mutating func controlEvent(_ buffer: Bytes) -> Event {
    let payload = position &- frame.length..<position
    switch frame.opcode {
    case .ping: return .ping(payload)
    case .pong: return .pong(payload)
    default: return closeEvent(buffer, payload)
    }
  }

  /// A Close carries nothing, or a code and then a reason in UTF-8 (§5.5.1).
  private mutating func closeEvent(_ buffer: Bytes, _ payload: Range<Int>) -> Event {
    switch payload.count {
    case 0:
      end()
      return .close(code: Self.noCode, reason: payload)
    case 1:
      return fail(.closePayload)
    default:
      let code = buffer.load(UInt16.self, at: payload.lowerBound).byteSwapped
      guard Self.isSendable(closeCode: code) else { return fail(.closeCode) }
      let reason = payload.lowerBound &+ 2..<payload.upperBound
      var check = UTF8Validator()
      guard check.accept(buffer[reason]), check.isComplete else { return fail(.notUTF8) }
      end()
      return .close(code: code, reason: reason)
    }
  }

  private mutating func fail(_ failure: Failure) -> Event {
    end()
    return .failed(failure)
  }

  /// Nothing will come any more; an unfinished message is given up.
  private mutating func end() {
    phase = .over
    message = .continuation
  }

  /// The codes that may stand in a Close frame: those of the RFC (§7.4.1) and its registry, and the
  /// ranges for libraries and applications (§7.4.2).
  @_noAllocation package static func isSendable(closeCode code: UInt16) -> Bool {
    switch code {
    case 1000...1003, 1007...1014, 3000...4999: return true
    default: return false
    }
  }

  /// The mask as the byte `count` places further on needs it.
  @_noAllocation @inline(__always)
  static func rotate(_ key: UInt32, by count: Int) -> UInt32 {
    let bits = UInt32(truncatingIfNeeded: count & 3) &* 8
    return key &>> bits | key &<< (32 &- bits)
  }
}

// MARK: Between reads

extension WebSocket {
  /// How many bytes of `buffer` are still needed: the message so far, and what was not looked at
  /// yet.
  @_noAllocation package func bytesKept(of buffer: Bytes) -> Int {
    messageBytes &+ buffer.count &- tailStart
  }

  /// The smallest buffer in which the frame under way can be finished, what is kept before it
  /// included. Known to the byte from the moment its header is; until then a header's worth.
  package var bytesWanted: Int {
    @_noAllocation get {
      switch phase {
      case .header: return messageBytes &+ Self.headerBytesMax
      case .payload:
        return messageBytes &+ (frame.opcode.isControl ? frame.length : frame.remaining)
      case .over: return 0
      }
    }
  }

  /// Moves what is still needed to the front of `place` and returns how much that is; the next
  /// bytes go behind it, and `place` is the buffer from then on. It may be the memory of `buffer`
  /// itself, where what already lies right is not moved. It must hold `bytesKept`, and
  /// `bytesWanted` to get on.
  @_noAllocation package mutating func carry(from buffer: Bytes, to place: Bytes) -> Int {
    let message = messageBytes
    let tail = tailStart
    precondition(message &+ buffer.count &- tail <= place.count, "what is kept must fit")
    if message > 0 { place.copy(buffer[messageStart..<messageEnd]) }
    place.copy(buffer.dropping(tail), at: message)
    messageStart = 0
    messageEnd = message
    position = message &+ position &- tail
    return message &+ buffer.count &- tail
  }

  private var messageBytes: Int { message == .continuation ? 0 : messageEnd &- messageStart }

  /// The first byte that is kept apart from the message: of a control frame all that was taken.
  private var tailStart: Int {
    phase == .payload && frame.opcode.isControl
      ? position &- (frame.length &- frame.remaining) : position
  }
}

// MARK: Failures

extension WebSocket {
  /// How a peer broke the protocol.
  package enum Failure: UInt8, Error, BitwiseCopyable, Sendable {
    case reservedBits, reservedOpcode
    case masked, notMasked
    case fragmentedControl, controlTooLong
    case nothingToContinue, messageUnfinished
    case lengthNotMinimal, lengthTooLong
    case closePayload, closeCode
    case notUTF8
    case messageTooLarge, tooManyFragments

    /// The code for our Close frame (§7.4.1).
    package var closeCode: UInt16 {
      @_noAllocation get {
        switch self {
        case .notUTF8: return 1007
        case .tooManyFragments: return 1008
        case .messageTooLarge: return 1009
        default: return 1002
        }
      }
    }

    /// The reason for our Close frame and the log: ASCII, short enough for a control frame.
    package var reason: StaticString {
      switch self {
      case .reservedBits: "reserved bits are set, but no extension was agreed on"
      case .reservedOpcode: "unknown opcode"
      case .masked: "a server must not mask its frames"
      case .notMasked: "a client must mask its frames"
      case .fragmentedControl: "a control frame must not be fragmented"
      case .controlTooLong: "a control frame is longer than 125 bytes"
      case .nothingToContinue: "a continuation frame without a message"
      case .messageUnfinished: "a new message inside an unfinished one"
      case .lengthNotMinimal: "a length is not written in its shortest form"
      case .lengthTooLong: "a length has its highest bit set"
      case .closePayload: "a close frame of one byte"
      case .closeCode: "a close code that must not be sent"
      case .notUTF8: "text is not UTF-8"
      case .messageTooLarge: "the message is too large"
      case .tooManyFragments: "a message in far more fragments than it needs"
      }
    }
  }
}
