// Every frame.
//
// An upstream's audio is data too: where in its messages what it says lies, as a path of names,
// read by one generic scanner, or a message of its own. No upstream's name and no upstream's code
// is here.

package struct SpeechPath: BitwiseCopyable, Sendable {
  /// One piece of speech in a message.
  package struct Piece: Equatable, Sendable {
    /// Base64 text, or the bytes themselves where the path is `binary`; may be empty.
    package var payload: Range<Int>
    /// The name of what is being said, the inside of a JSON string; empty where it has none.
    package var item = 0..<0
    /// The name of the answer that it belongs to, likewise.
    package var response = 0..<0
    /// Samples a second, as its media type states them; 0 where it does not, -1 where it is none of
    /// linear audio.
    package var rate = 0
    /// The message says more than what is spoken, so it has to be read as well. Told with the first
    /// piece of a message.
    package var isNotAll = false
    /// Where to look on for another piece; 0 where there can be none.
    package var next = 0
  }

  /// No message holds any.
  package static let none = SpeechPath(
    when: "", is: "", or: "", payload: "", item: "", response: "")

  /// Binary messages are speech and nothing else, text messages never hold any.
  package static let binary = SpeechPath(.whole)

  package enum Located: Equatable, Sendable {
    case speech(Piece)
    /// A sound message without speech, or no further piece.
    case other
    /// No JSON, or speech without its payload.
    case malformed
  }

  private enum Place: BitwiseCopyable, Sendable {
    case flat(Flat)
    case nested(Nested)
    case whole
  }
  private let place: Place

  private init(_ place: Place) { self.place = place }

  /// Messages whose member `name` is the string `event`, or `olderEvent`, are speech: `payload`
  /// beside it holds it, `item` and `response` are what it belongs to.
  package init(
    when name: StaticString, is event: StaticString, or olderEvent: StaticString,
    payload: StaticString, item: StaticString, response: StaticString
  ) {
    place = .flat(
      Flat(
        name: JSON.Key(name), event: event, olderEvent: olderEvent, payload: JSON.Key(payload),
        item: JSON.Key(item), response: JSON.Key(response), hasEvents: true))
  }

  /// Messages whose member `payload` is a string are speech, with `item` beside it; where the
  /// member `last` is true they say more than that.
  package init(payload: StaticString, item: StaticString, last: StaticString) {
    place = .flat(
      Flat(
        name: JSON.Key(last), event: "", olderEvent: "", payload: JSON.Key(payload),
        item: JSON.Key(item), response: JSON.Key(""), hasEvents: false))
  }

  /// The object `outer` holds the object `inner`, that one the array `list`, and those of its
  /// elements speak which have `payload` in their object `holder`, with its media `type` beside it.
  /// An element whose member `unspoken` is true is never spoken.
  package init(
    at outer: StaticString, _ inner: StaticString, each list: StaticString,
    _ holder: StaticString, payload: StaticString, type: StaticString = "",
    unless unspoken: StaticString
  ) {
    place = .nested(
      Nested(
        path: [JSON.Key(outer), JSON.Key(inner), JSON.Key(list)], holder: JSON.Key(holder),
        payload: JSON.Key(payload), type: JSON.Key(type), unspoken: JSON.Key(unspoken)))
  }

  /// Finds the speech in one whole message, all of which is checked, or, from `start`, the `next`
  /// of a piece, the piece behind that one. Members may come in any order; the first of a name
  /// counts; unknown ones are skipped. A payload with escapes is unescaped where it lies, so a
  /// piece is located only once; the message around it can still be read.
  @_noAllocation package func locate(_ message: Bytes, from start: Int = 0) -> Located {
    if start > 0 {
      guard case .nested(let nested) = place else { return .other }
      var rest = JSON.Scanner(message, inside: JSON.Value(.array, start..<message.count))
      return nested.locateNext(&rest)
    }
    var members = AudioMembers()
    return locate(message, &members)
  }

  /// Whether the first piece is the only one, and `locate` tells the members that it lies in.
  var isFlat: Bool {
    if case .flat = place { true } else { false }
  }

  /// Whether speech comes as messages of its own.
  @inline(__always) package var isBinary: Bool {
    if case .whole = place { true } else { false }
  }

  /// The speech in a binary message, where it is one.
  @inline(__always) func whole(_ message: Bytes) -> Located {
    .speech(Piece(payload: 0..<message.count))
  }

  @inline(__always) func locate(_ message: Bytes, _ members: inout AudioMembers) -> Located {
    // Whoever reads a text message checks it.
    if isBinary { return .other }
    var scanner = JSON.Scanner(message)
    guard scanner.next() == UInt8(ascii: "{") else {
      return scanner.value() != nil && scanner.isAtEnd ? .other : .malformed
    }
    switch place {
    case .flat(let flat):
      guard flat.read(&scanner, &members), scanner.isAtEnd else { return .malformed }
      guard flat.isSpeech(members, in: message) else { return .other }
      guard let payload = members.payload, payload.kind == .string else { return .malformed }
      return .speech(piece(members, payload, in: message))
    case .nested(let nested): return nested.locate(&scanner)
    case .whole: return .other
    }
  }

  /// The piece of a flat message.
  @_noAllocation func piece(
    _ members: AudioMembers, _ payload: JSON.Value, in message: Bytes
  ) -> Piece {
    var piece = Piece(payload: Self.text(of: payload, in: message))
    if let item = members.item, item.kind == .string { piece.item = item.range }
    if let response = members.response, response.kind == .string {
      piece.response = response.range
    }
    piece.isNotAll = members.event?.kind == .true
    return piece
  }

  /// Where the text of a payload lies. What its escapes leave free becomes white space, so that the
  /// document stays what it was.
  @inline(__always)
  private static func text(of payload: JSON.Value, in message: Bytes) -> Range<Int> {
    guard payload.hasEscapes else { return payload.range }
    let place = message[payload.range]
    var text = Writer(place)
    JSON.unescape(payload, in: message, to: &text)
    place.dropping(text.count).fill(0x20)
    return payload.range.lowerBound..<payload.range.lowerBound &+ text.count
  }
}

extension SpeechPath {
  private struct Flat: BitwiseCopyable, Sendable {
    let name: JSON.Key
    let event: StaticString
    let olderEvent: StaticString
    let payload: JSON.Key
    let item: JSON.Key
    let response: JSON.Key
    /// Its messages are named; where they are not, `name` is what is true in the last one.
    let hasEvents: Bool

    /// Reads the message to its closing bracket; false where it is malformed.
    @inline(__always)
    func read(_ scanner: inout JSON.Scanner, _ members: inout AudioMembers) -> Bool {
      var step = scanner.enter(.object)
      while step == .item {
        guard let name = scanner.name(), let value = scanner.value() else { return false }
        let key = JSON.Key(name, in: scanner.document)
        if key == self.name {
          if members.event == nil { members.event = value }
        } else if key == self.payload {
          if members.payload == nil { members.payload = value }
        } else if key == self.item {
          if members.item == nil { members.item = value }
        } else if key == self.response {
          if members.response == nil { members.response = value }
        }
        step = scanner.advance(in: .object)
      }
      return step == .end
    }

    @inline(__always) func isSpeech(_ members: AudioMembers, in message: Bytes) -> Bool {
      if !hasEvents { return members.payload?.kind == .string }
      guard let value = members.event else { return false }
      if JSON.text(value, in: message, equals: event) { return true }
      return JSON.text(value, in: message, equals: olderEvent)
    }
  }
}

extension SpeechPath {
  private struct Nested: BitwiseCopyable, Sendable {
    /// The names that lead to the list, from the outermost.
    let path: InlineArray<3, JSON.Key>
    let holder: JSON.Key
    let payload: JSON.Key
    let type: JSON.Key
    let unspoken: JSON.Key

    /// What a message has shown so far.
    private struct Found {
      /// Of the first element that speaks.
      var payload: JSON.Value?
      var type: JSON.Value?
      /// Where the element behind it begins; 0: it was the last.
      var next = 0
      /// How many members there are beside the outer two names of the path.
      var others = 0
    }

    /// Down the path to the list, through it, and up again to the message's end.
    @inline(__always) func locate(_ scanner: inout JSON.Scanner) -> Located {
      var found = Found()
      var depth = 0
      descent: while depth < path.count {
        switch descend(&scanner, at: depth, &found) {
        case .bad: return .malformed
        case .end: break descent
        case .item: depth &+= 1
        }
        if depth == path.count, scanner.next() == UInt8(ascii: "[") {
          guard readList(&scanner, &found) else { return .malformed }
        } else if depth == path.count || scanner.next() != UInt8(ascii: "{") {
          guard scanner.value() != nil else { return .malformed }
          break descent
        }
      }
      while depth > 0 {
        depth &-= 1
        guard ascend(&scanner, from: depth, &found) else { return .malformed }
      }
      guard scanner.isAtEnd else { return .malformed }
      return located(found, in: scanner.document)
    }

    /// Elements of the list, up to the next that speaks.
    @inline(__always) func locateNext(_ scanner: inout JSON.Scanner) -> Located {
      var found = Found()
      var step = JSON.Scanner.Step.item
      while step == .item, found.payload == nil {
        guard readElement(&scanner, &found) else { return .malformed }
        step = scanner.advance(in: .array)
        if step == .item, found.payload != nil { found.next = scanner.at }
      }
      return step == .bad ? .malformed : located(found, in: scanner.document)
    }

    @inline(__always) private func located(_ found: Found, in message: Bytes) -> Located {
      guard let payload = found.payload else { return .other }
      guard payload.kind == .string else { return .malformed }
      return .speech(
        Piece(
          payload: text(of: payload, in: message), rate: Self.rate(of: found.type, in: message),
          isNotAll: found.others > 0, next: found.next))
    }

    @inline(__always) private static func rate(of type: JSON.Value?, in message: Bytes) -> Int {
      guard let type, type.kind == .string else { return 0 }
      let said = AudioType(message[type.range])
      return said.codec == .linear ? said.rate : -1
    }

    /// Moves into the object here, to the member that the path names (item) or behind it (end).
    @inline(__always)
    private func descend(
      _ scanner: inout JSON.Scanner, at depth: Int, _ found: inout Found
    ) -> JSON.Scanner.Step {
      var step = scanner.enter(.object)
      while step == .item {
        guard let name = scanner.name() else { return .bad }
        if JSON.Key(name, in: scanner.document) == path[depth] { return .item }
        guard scanner.value() != nil else { return .bad }
        if depth < 2 { found.others &+= 1 }
        step = scanner.advance(in: .object)
      }
      return step
    }

    /// Moves from behind that member to behind its object; false where it is malformed.
    @inline(__always)
    private func ascend(
      _ scanner: inout JSON.Scanner, from depth: Int, _ found: inout Found
    ) -> Bool {
      var step = scanner.advance(in: .object)
      while step == .item {
        guard scanner.name() != nil, scanner.value() != nil else { return false }
        if depth < 2 { found.others &+= 1 }
        step = scanner.advance(in: .object)
      }
      return step == .end
    }

    @inline(__always)
    private func readList(_ scanner: inout JSON.Scanner, _ found: inout Found) -> Bool {
      var step = scanner.enter(.array)
      while step == .item {
        let wasFound = found.payload != nil
        guard wasFound ? scanner.value() != nil : readElement(&scanner, &found) else {
          return false
        }
        step = scanner.advance(in: .array)
        if step == .item, !wasFound, found.payload != nil { found.next = scanner.at }
      }
      return step == .end
    }

    @inline(__always)
    private func readElement(_ scanner: inout JSON.Scanner, _ found: inout Found) -> Bool {
      guard scanner.next() == UInt8(ascii: "{") else { return scanner.value() != nil }
      var payload: JSON.Value?
      var type: JSON.Value?
      var isSpoken = true
      var step = scanner.enter(.object)
      while step == .item {
        guard let name = scanner.name() else { return false }
        let key = JSON.Key(name, in: scanner.document)
        if key == holder, scanner.next() == UInt8(ascii: "{") {
          guard readHolder(&scanner, &payload, &type) else { return false }
        } else {
          guard let value = scanner.value() else { return false }
          if value.kind == .true, key == unspoken { isSpoken = false }
        }
        step = scanner.advance(in: .object)
      }
      if isSpoken {
        found.payload = payload
        found.type = type
      }
      return step == .end
    }

    @inline(__always)
    private func readHolder(
      _ scanner: inout JSON.Scanner, _ payload: inout JSON.Value?, _ type: inout JSON.Value?
    ) -> Bool {
      var step = scanner.enter(.object)
      while step == .item {
        guard let name = scanner.name(), let value = scanner.value() else { return false }
        let key = JSON.Key(name, in: scanner.document)
        if payload == nil, key == self.payload {
          payload = value
        } else if type == nil, key == self.type {
          type = value
        }
        step = scanner.advance(in: .object)
      }
      return step == .end
    }
  }
}
