// Every frame.
//
// Carrier media is data: a Media value says where in a carrier's messages the audio lies and how it
// is written, a call copies it into its slot when it starts, and this one scanner reads every
// carrier's audio. No carrier's name and no carrier's code is here.

package struct Media: BitwiseCopyable, Sendable {
  package enum Carriage: BitwiseCopyable, Sendable {
    /// Base64 text in a string of a JSON object.
    case base64
    /// A message of its own, whole.
    case binary
  }

  /// From whose mouth the audio comes: the caller's (inbound), or what the caller hears (outbound).
  package enum Track: BitwiseCopyable, Sendable { case inbound, outbound }

  /// One piece of audio in a message.
  package struct Piece: Equatable, Sendable {
    /// Where the payload lies in the message: base64 text, or the bytes themselves. May be empty.
    package var payload: Range<Int>
    /// On the carrier's media clock, in milliseconds; -1 where the message states none.
    package var timestamp = -1
    /// Inbound where the message states none.
    package var track = Track.inbound
  }

  package enum Located: Equatable, Sendable {
    case audio(Piece)
    /// A sound message without audio: some other event.
    case other
    /// No JSON, or a media event without its payload.
    case malformed
  }

  package let carriage: Carriage
  private let eventName: Key
  private let event: Key
  /// The object that holds the payload.
  private let holder: Key
  private let payload: Key
  private let timestamp: Key
  private let track: Key

  /// Messages whose member `name` is the string `event` carry audio under `holder` and, in it,
  /// `payload`. Timestamp and track, where there are such names, lie beside the payload.
  package init(
    when name: StaticString, is event: StaticString, at holder: StaticString,
    _ payload: StaticString, timestamp: StaticString = "", track: StaticString = "",
    as carriage: Carriage
  ) {
    eventName = Key(name)
    self.event = Key(event)
    self.holder = Key(holder)
    self.payload = Key(payload)
    self.timestamp = Key(timestamp)
    self.track = Key(track)
    self.carriage = carriage
  }

  /// Binary messages that are audio and nothing else.
  package static let binary = Media(when: "", is: "", at: "", "", as: .binary)
}

extension Media {
  /// Finds the audio in one whole message. Members may come in any order; the first of a name
  /// counts; unknown ones are skipped. A payload with escapes is unescaped where it lies, so a
  /// message is located only once.
  @_noAllocation package func locate(_ message: Bytes) -> Located {
    guard carriage == .base64 else { return .audio(Piece(payload: 0..<message.count)) }
    var scanner = JSON.Scanner(message)
    guard scanner.next() == UInt8(ascii: "{") else {
      return scanner.value() != nil && scanner.isAtEnd ? .other : .malformed
    }
    var found = Found()
    guard readMessage(&scanner, &found), scanner.isAtEnd else { return .malformed }
    guard found.isEvent == true else { return .other }
    guard let payload = found.payload, payload.kind == .string else { return .malformed }
    return .audio(piece(found, payload, in: message))
  }

  /// What a message has shown so far.
  private struct Found {
    /// Whether the event is the one that carries audio; nil before it was named.
    var isEvent: Bool?
    var payload: JSON.Value?
    var timestamp: JSON.Value?
    var track: JSON.Value?
  }

  /// Reads the message to its closing bracket; false where it is malformed.
  @inline(__always)
  private func readMessage(_ scanner: inout JSON.Scanner, _ found: inout Found) -> Bool {
    var step = scanner.enter(.object)
    while step == .item {
      guard let name = scanner.name() else { return false }
      let key = Key(name, in: scanner.document)
      if key == holder, scanner.next() == UInt8(ascii: "{") {
        guard readHolder(&scanner, &found) else { return false }
      } else {
        guard let value = scanner.value() else { return false }
        if key == eventName, found.isEvent == nil {
          found.isEvent = value.kind == .string && Key(value, in: scanner.document) == event
        }
      }
      step = scanner.advance(in: .object)
    }
    return step == .end
  }

  /// Reads the object that holds the payload to its closing bracket.
  @inline(__always)
  private func readHolder(_ scanner: inout JSON.Scanner, _ found: inout Found) -> Bool {
    var step = scanner.enter(.object)
    while step == .item {
      guard let name = scanner.name(), let value = scanner.value() else { return false }
      let key = Key(name, in: scanner.document)
      if key == payload {
        if found.payload == nil { found.payload = value }
      } else if key == timestamp {
        if found.timestamp == nil { found.timestamp = value }
      } else if key == track {
        if found.track == nil { found.track = value }
      }
      step = scanner.advance(in: .object)
    }
    return step == .end
  }

  private func piece(_ found: Found, _ payload: JSON.Value, in message: Bytes) -> Piece {
    var piece = Piece(payload: payload.range)
    if let value = found.timestamp, let milliseconds = JSON.integer(value, in: message) {
      piece.timestamp = max(milliseconds, -1)
    }
    if let value = found.track, JSON.text(value, in: message, equals: "outbound") {
      piece.track = .outbound
    }
    if payload.hasEscapes {
      var text = Writer(message[payload.range])
      JSON.unescape(payload, in: message, to: &text)
      piece.payload = payload.range.lowerBound..<payload.range.lowerBound &+ text.count
    }
    return piece
  }

  /// A name of 1 to 15 bytes, compared in two words; the length is in the last byte.
  struct Key: BitwiseCopyable, Equatable, Sendable {
    private var low: UInt64 = 0
    private var high: UInt64 = 0

    private init() {}

    /// An empty name stands for "no such member" and equals no text, not even an empty one.
    init(_ text: StaticString) {
      let bytes = text.bytes
      precondition(bytes.count <= 15, "a key is short")
      for index in 0..<bytes.count { append(bytes[index], at: index) }
      close(bytes.isEmpty ? 0xff : bytes.count)
    }

    /// The text of a string in a message. What is longer than a key may be equals no key.
    @inline(__always) init(_ string: JSON.Value, in message: Bytes) {
      let start = string.range.lowerBound
      let count = string.range.count
      if count > 15 || string.hasEscapes || start &+ 16 > message.count {
        self = .read(JSON.Text(string, in: message))
        return
      }
      let lowBits = UInt64(min(count, 8)) &* 8
      let highBits = UInt64(max(count, 8) &- 8) &* 8
      low = message.load(UInt64.self, at: start) & ((1 << lowBits) &- 1)
      high = message.load(UInt64.self, at: start &+ 8) & ((1 &<< highBits) &- 1)
      close(count)
    }

    @inline(never) private static func read(_ text: JSON.Text) -> Key {
      var key = Key()
      var rest = text
      var count = 0
      while count < 16, let byte = rest.next() {
        key.append(byte, at: count)
        count &+= 1
      }
      key.close(count)
      return key
    }

    private mutating func append(_ byte: UInt8, at index: Int) {
      if index < 8 {
        low |= UInt64(byte) << UInt64(index &* 8)
      } else if index < 15 {
        high |= UInt64(byte) << UInt64((index &- 8) &* 8)
      }
    }

    private mutating func close(_ count: Int) { high |= UInt64(count) << 56 }
  }
}
