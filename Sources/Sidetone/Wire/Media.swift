// Every frame.
//
// Carrier media is data: a Media value says where in a carrier's messages the audio lies and how it
// is written, a call copies it into its slot when it starts, and this one scanner reads every
// carrier's audio. No carrier's name and no carrier's code is here.

package struct Media: BitwiseCopyable, Sendable {
  package enum PayloadEncoding: BitwiseCopyable, Sendable {
    /// Base64 text in a string of a JSON object.
    case base64
    /// A JSON array of signed 16-bit samples.
    case integers
    /// A message of its own, whole.
    case binary
  }

  /// From whose mouth the audio comes: the caller's (inbound), or what the caller hears (outbound).
  package enum Track: BitwiseCopyable, Sendable { case inbound, outbound }

  /// One piece of audio in a message.
  package struct Piece: Equatable, Sendable {
    /// Where the payload lies in the message: base64 text, what stands between the brackets of a
    /// list (`Integers` reads it and is the one to find fault with it), or the bytes themselves.
    /// May be empty.
    package var payload: Range<Int>
    /// On the carrier's media clock, in milliseconds; -1 where the message states none.
    package var timestamp = -1
    /// Inbound where the message states none.
    package var track = Track.inbound
    /// The number of this piece in its stream; -1 where the message states none.
    package var order = -1
    /// Samples a second, and channels, as this message announces them; 0 where it does not.
    package var rate = 0
    package var channels = 0
  }

  package enum Located: Equatable, Sendable {
    case audio(Piece)
    /// A sound message without audio: some other event.
    case other
    /// No JSON, or a media event without its payload.
    case malformed
  }

  package let payloadEncoding: PayloadEncoding
  private let eventName: JSON.Key
  private let event: JSON.Key
  /// The object that holds the payload.
  private let holder: JSON.Key
  private let payload: JSON.Key
  private let timestamp: JSON.Key
  private let track: JSON.Key
  private let order: JSON.Key
  private let rate: JSON.Key
  private let channels: JSON.Key

  /// Messages whose member `name` is the string `event` carry audio under `holder` and, in it,
  /// `payload`. Timestamp, track, order, rate and channels, where there are such names, lie beside
  /// it.
  package init(
    when name: StaticString, is event: StaticString, at holder: StaticString,
    _ payload: StaticString, timestamp: StaticString = "", track: StaticString = "",
    order: StaticString = "", rate: StaticString = "", channels: StaticString = "",
    as payloadEncoding: PayloadEncoding
  ) {
    eventName = JSON.Key(name)
    self.event = JSON.Key(event)
    self.holder = JSON.Key(holder)
    self.payload = JSON.Key(payload)
    self.timestamp = JSON.Key(timestamp)
    self.track = JSON.Key(track)
    self.order = JSON.Key(order)
    self.rate = JSON.Key(rate)
    self.channels = JSON.Key(channels)
    self.payloadEncoding = payloadEncoding
  }

  /// Binary messages that are audio and nothing else.
  package static let binary = Media(when: "", is: "", at: "", "", as: .binary)
}

extension Media {
  /// Finds the audio in one whole message. Members may come in any order; the first of a name
  /// counts; unknown ones are skipped. A payload with escapes is unescaped where it lies, so a
  /// message is located only once.
  @_noAllocation package func locate(_ message: Bytes) -> Located {
    var found = AudioMembers()
    return locate(message, &found)
  }

  /// The same, telling where the members lie that audio was read from.
  @inline(__always) func locate(_ message: Bytes, _ found: inout AudioMembers) -> Located {
    guard payloadEncoding != .binary else { return .audio(Piece(payload: 0..<message.count)) }
    var scanner = JSON.Scanner(message)
    guard scanner.next() == UInt8(ascii: "{") else {
      return scanner.value() != nil && scanner.isAtEnd ? .other : .malformed
    }
    guard readMessage(&scanner, &found), scanner.isAtEnd else {
      return found.hasRawList ? locateStrictly(message) : .malformed
    }
    guard isAudio(found.event, in: message) else {
      return found.hasRawList ? locateStrictly(message) : .other
    }
    let kind = payloadEncoding == .integers ? JSON.Kind.array : .string
    guard let payload = found.payload, payload.kind == kind else { return .malformed }
    return .audio(piece(found, payload, in: message))
  }

  @inline(__always) private func isAudio(_ name: JSON.Value?, in message: Bytes) -> Bool {
    guard let name, name.kind == .string else { return false }
    return JSON.Key(name, in: message) == event
  }

  /// A message with a list that was not looked into, and that is no audio or does not end well: it
  /// may be another event whose list is none of ours.
  @inline(never) private func locateStrictly(_ message: Bytes) -> Located {
    guard let name = eventNamed(in: message) else { return .malformed }
    return isAudio(name, in: message) ? .malformed : .other
  }

  /// The name of the event of a sound message; nil where it is none. What has no name is `null`.
  private func eventNamed(in message: Bytes) -> JSON.Value? {
    var scanner = JSON.Scanner(message)
    guard let whole = scanner.value(), scanner.isAtEnd else { return nil }
    var members = JSON.Members(of: whole, in: message)
    while let member = members.next() {
      if JSON.Key(member.name, in: message) == eventName { return member.value }
    }
    return JSON.Value(.null, 0..<0)
  }

  /// Whether a message calls itself audio, whatever is in it. Leaves it as it is.
  @inline(never) @_noAllocation package func isAudio(_ message: Bytes) -> Bool {
    guard payloadEncoding != .binary, let name = eventNamed(in: message) else { return false }
    return isAudio(name, in: message)
  }

  /// What is wrong with a payload that cannot be read.
  package var unreadable: StaticString {
    switch payloadEncoding {
    case .base64: "audio whose payload is no base64, or cuts a sample in two"
    case .integers: "audio whose samples are no list of whole numbers from -32768 to 32767"
    case .binary: "audio that cuts a sample in two"
    }
  }

  /// Reads the message to its closing bracket; false where it is malformed.
  @inline(__always)
  private func readMessage(_ scanner: inout JSON.Scanner, _ found: inout AudioMembers) -> Bool {
    var step = scanner.enter(.object)
    while step == .item {
      guard let name = scanner.name() else { return false }
      let key = JSON.Key(name, in: scanner.document)
      if key == holder, scanner.next() == UInt8(ascii: "{") {
        guard readHolder(&scanner, &found) else { return false }
      } else {
        guard let value = scanner.value() else { return false }
        if key == eventName, found.event == nil { found.event = value }
      }
      step = scanner.advance(in: .object)
    }
    return step == .end
  }

  /// Reads the object that holds the payload to its closing bracket.
  @inline(__always)
  private func readHolder(_ scanner: inout JSON.Scanner, _ found: inout AudioMembers) -> Bool {
    var step = scanner.enter(.object)
    while step == .item {
      guard let name = scanner.name() else { return false }
      let key = JSON.Key(name, in: scanner.document)
      // Only the first list is read by somebody who sees what is in it.
      let isRawList =
        payloadEncoding == .integers && key == payload && found.payload == nil
        && scanner.next() == UInt8(ascii: "[")
      if isRawList { found.hasRawList = true }
      guard let value = isRawList ? scanner.rawList() : scanner.value() else { return false }
      if key == payload {
        if found.payload == nil { found.payload = value }
      } else if key == timestamp {
        if found.timestamp == nil { found.timestamp = value }
      } else if key == track {
        if found.track == nil { found.track = value }
      } else if key == order {
        if found.order == nil { found.order = value }
      } else if key == rate {
        if found.rate == nil { found.rate = value }
      } else if key == channels {
        if found.channels == nil { found.channels = value }
      }
      step = scanner.advance(in: .object)
    }
    return step == .end
  }

  @_noAllocation func piece(_ found: AudioMembers, _ payload: JSON.Value, in message: Bytes)
    -> Piece
  {
    var piece = Piece(payload: payload.range)
    if let value = found.timestamp, let milliseconds = JSON.integer(value, in: message) {
      piece.timestamp = max(milliseconds, -1)
    }
    if let value = found.track, value.kind == .string {
      // Also `outbound_track`, as the same carriers write it elsewhere.
      let track = message[value.range]
      let isOutbound =
        value.hasEscapes
        ? JSON.text(value, in: message, equals: "outbound")
        : track.count >= 8 && track.prefix(8).equalsIgnoringCase("outbound")
      if isOutbound { piece.track = .outbound }
    }
    if let value = found.order, let number = JSON.integer(value, in: message) {
      piece.order = max(number, -1)
    }
    if let value = found.rate, let rate = JSON.integer(value, in: message) {
      piece.rate = max(rate, 0)
    }
    if let value = found.channels, let channels = JSON.integer(value, in: message) {
      piece.channels = max(channels, 0)
    }
    if payloadEncoding == .integers {
      piece.payload = payload.range.lowerBound &+ 1..<payload.range.upperBound &- 1
    }
    if payload.hasEscapes {
      var text = Writer(message[payload.range])
      JSON.unescape(payload, in: message, to: &text)
      piece.payload = payload.range.lowerBound..<payload.range.lowerBound &+ text.count
    }
    return piece
  }
}
