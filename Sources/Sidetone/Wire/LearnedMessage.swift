// Every frame.
//
// One message of audio is like the one before it: the same members in the same order, other values.
// This remembers the bytes between the values of one message and compares the next with them, many
// at a time. What it finds is what the scanner finds: bytes that are the same mean the same, and a
// plain value ends where it ends. Whatever differs is left to the scanner. A sender that never
// repeats itself is soon not compared any more, so that it costs no more than a scan.

import CKernels

/// Where the values lie that the audio of a message is told by; nil: the message names none.
struct AudioMembers {
  /// The name of the event.
  var event: JSON.Value?
  var payload: JSON.Value?
  var item: JSON.Value?
  var response: JSON.Value?
  var timestamp: JSON.Value?
  var track: JSON.Value?
  var order: JSON.Value?
  var rate: JSON.Value?
  var channels: JSON.Value?
  /// Whether a list was taken up to its first closing bracket, whatever is in it.
  var hasRawList = false
}

package struct LearnedMessage: BitwiseCopyable, Sendable {
  /// So many failures in a row, and until this many messages nothing is tried.
  private static let failuresMax: UInt8 = 4
  private static let restEnd: UInt8 = 68

  /// Without pieces nothing is learned.
  private var shape = ck_shape()
  /// Failures in a row, then the messages of a rest.
  private var failures: UInt8 = 0
  /// The channels of that message, and so of all that are like it.
  private var channels: UInt8 = 0

  package init() {}

  /// `media.locate(message)`, for one message of a stream after the other.
  @inline(__always) package mutating func locate(_ message: Bytes, by media: Media) -> Media.Located
  {
    guard isTrying() else { return media.locate(message) }
    if let members = match(message), var payload = members.payload {
      if media.payloadEncoding == .integers {
        payload = JSON.Value(.array, payload.range.lowerBound &- 1..<payload.range.upperBound)
      }
      var piece = media.piece(members, payload, in: message)
      piece.channels = Int(channels)
      return .audio(piece)
    }
    var members = AudioMembers()
    let located = media.locate(message, &members)
    if case .audio(let piece) = located {
      learn(message, members)
      // More than there are channels of ours is not learned at all.
      channels = UInt8(truncatingIfNeeded: piece.channels)
      if piece.channels > 255 { shape.count = 0 }
    }
    return located
  }

  /// `path.locate(message)`, for one message of an upstream after the other.
  @inline(__always) package mutating func locate(
    _ message: Bytes, by path: SpeechPath
  ) -> SpeechPath.Located {
    guard path.isFlat, isTrying() else { return path.locate(message) }
    if let members = match(message), let payload = members.payload {
      return .speech(path.piece(members, payload, in: message))
    }
    var members = AudioMembers()
    let located = path.locate(message, &members)
    // What says more than speech is not what the others are like.
    if case .speech(let piece) = located, !piece.isNotAll { learn(message, members) }
    return located
  }

  @inline(__always) private mutating func isTrying() -> Bool {
    guard failures >= Self.failuresMax else { return true }
    failures = failures < Self.restEnd ? failures &+ 1 : 0
    return false
  }

  /// The values of a message like the learned one; nil where it is another.
  @inline(__always) private mutating func match(_ message: Bytes) -> AudioMembers? {
    guard shape.count > 0, message.count <= UInt32.max else { return nil }
    var spans = ck_spans()
    let place = unsafe ck_shape_match(&shape, message.base, message.count, &spans)
    guard place < 0 else {
      // Another event, where it shows at once, is no failure.
      if place > 0 { failures &+= 1 }
      return nil
    }
    failures = 0
    var members = AudioMembers()
    // A number is read as a string with these digits would be.
    members.payload = value(spans.payload)
    members.item = value(spans.item)
    members.response = value(spans.response)
    members.timestamp = value(spans.timestamp)
    members.track = value(spans.track)
    members.order = value(spans.order)
    members.rate = value(spans.rate)
    return members
  }

  @inline(__always) private func value(_ span: ck_span) -> JSON.Value? {
    span.end > 0 ? JSON.Value(.string, Int(span.start)..<Int(span.end)) : nil
  }
}

// MARK: Learning

extension LearnedMessage {
  /// Takes a message of audio apart, in which the scanner found `members`. Strings and what is
  /// asked for may be other ones in the next message; everything else has to be the same.
  @inline(never) private mutating func learn(_ message: Bytes, _ members: AudioMembers) {
    failures &+= 1
    let last = shape
    shape.count = 0
    // With escapes it was written over.
    guard let payload = members.payload, !payload.hasEscapes else { return }
    if takeApart(message, members, last) { return }
    shape.count = 0
    // Without the strings that seem to stay the same there may be room for it.
    if !takeApart(message, members, nil) { shape.count = 0 }
  }

  /// Strings that nobody asks for, an id of the stream for one, are expected to stay as they are
  /// if they are as in `last`, which was learned before; nil: none is. False where it is too long
  /// or has too many values.
  private mutating func takeApart(
    _ message: Bytes, _ members: AudioMembers, _ last: ck_shape?
  ) -> Bool {
    var scanner = JSON.Scanner(message)
    var start = 0
    var isInside = false
    var step = scanner.enter(.object)
    while true {
      if step == .end {
        guard isInside else { break }
        isInside = false
        step = scanner.advance(in: .object)
        continue
      }
      guard step == .item, let name = scanner.name() else { return false }
      let first = scanner.next()
      if first == UInt8(ascii: "{"), !isInside {
        isInside = true
        step = scanner.enter(.object)
        continue
      }
      let place = scanner.at
      let isPayload = first == UInt8(ascii: "[") && members.payload?.range.lowerBound == place
      guard let value = isPayload ? scanner.rawList() : scanner.value() else { return false }
      let named = message[name.range.lowerBound..<scanner.at]
      if let (kind, role) = Self.part(of: value, in: members),
        role != CK_UNASKED || !Self.isSteady(named, last)
      {
        // The quote or bracket that opens it is the same; so is the quote that closes it.
        let end = kind == CK_NUMBER ? place : place &+ 1
        guard add(message[start..<end], kind, role) else { return false }
        start = kind == CK_STRING ? scanner.at &- 1 : scanner.at
      }
      step = scanner.advance(in: .object)
    }
    return add(message.dropping(start), CK_END, CK_UNASKED)
  }

  private mutating func add(_ piece: Bytes, _ kind: Int, _ role: Int) -> Bool {
    unsafe ck_shape_add(&shape, piece.base, piece.count, CInt(kind), CInt(role))
  }

  /// Whether a member was there before, with the same value; the first time all are taken for such.
  private static func isSteady(_ member: Bytes, _ last: ck_shape?) -> Bool {
    guard let last else { return false }
    if last.count == 0 { return true }
    return unsafe withUnsafePointer(to: last) {
      unsafe ck_shape_has($0, member.base, member.count)
    }
  }

  /// What a value is to the next message, its kind and its role; nil: it has to be the same.
  private static func part(of value: JSON.Value, in members: AudioMembers) -> (Int, Int)? {
    let kind: Int
    switch value.kind {
    case .string: kind = CK_STRING
    case .number: kind = CK_NUMBER
    case .array: kind = CK_LIST
    default: return nil
    }
    if value == members.payload { return (kind, CK_PAYLOAD) }
    if kind == CK_LIST || value == members.event || value == members.channels { return nil }
    if value == members.item { return kind == CK_STRING ? (kind, CK_ITEM) : nil }
    if value == members.response { return kind == CK_STRING ? (kind, CK_RESPONSE) : nil }
    if value == members.timestamp { return (kind, CK_TIMESTAMP) }
    if value == members.track { return (kind, CK_TRACK) }
    if value == members.order { return (kind, CK_ORDER) }
    if value == members.rate { return (kind, CK_RATE) }
    return kind == CK_STRING ? (kind, CK_UNASKED) : nil
  }
}
