// Calls of functions in a chat endpoint's stream come in pieces: the first of a call has its id and
// name, the others a few letters of its arguments, each with the call's index. They are kept as
// they come, and put together when the answer is over: into the array `tool_calls` that the next
// request has to repeat. What follows a piece of the same kind is joined to it.
//
//     0       1       2         4
//     ┌───────┬───────┬─────────┬──────────────────────────────┐
//     │ call  │ what  │ bytes   │ the inside of a JSON string  │
//     └───────┴───────┴─────────┴──────────────────────────────┘
//
// Which call a piece is of is not said alike everywhere. Servers give no index, or 0 to all; the id
// in every piece, a new one in each, or none at all. So a piece is of the call whose id and index
// it has; else of the latest of its index, unless its name shows that it begins another.

package struct ChatCalls: BitwiseCopyable, Sendable {
  /// Calls in one answer.
  package static let callsMax = 16
  /// All pieces of an answer, heads included.
  package static let bytesMax = Limits.functionArgumentsBytesMax + 8192
  private static let headBytes = 4

  private enum What: UInt8 { case id, name, arguments, extra }

  private var pieces = Chain()
  /// The last of them: where its head lies, and what it is of.
  private var last = Chain.Cursor()
  private var lastBytes = 0
  private var lastCall = -1
  private var lastWhat = What.id
  /// Calls so far.
  package private(set) var count = 0
  /// The index by which the server names each; -1: it names none.
  private var indices = InlineArray<16, Int32>(repeating: -1)
  /// Of each the last letter of its arguments so far.
  private var ends = InlineArray<16, UInt8>(repeating: 0)
  /// Something did not fit: what was called is not known.
  package private(set) var isLost = false

  package init() {}

  package var isEmpty: Bool { count == 0 && !isLost }

  package mutating func clear(in pool: BlockPool) {
    pieces.clear(in: pool)
    self = ChatCalls()
  }

  /// One piece as it came, each text the inside of a JSON string.
  private struct Piece {
    var index: Int?
    var id: Bytes
    var name = Bytes.empty
    var arguments = Bytes.empty
    /// An object that is to be repeated as it is, such as what signs the thoughts of a model.
    var extra = Bytes.empty

    init(_ element: JSON.Value, in event: Bytes) {
      let index = JSON.find("index", in: event, under: element)
      self.index = index.flatMap { $0.kind == .number ? event[$0.range].decimal : nil }
      id = event[Chat.text("id", of: element, in: event)]
      let extra = JSON.find("extra_content", in: event, under: element)
      if let extra, extra.kind == .object { self.extra = event[extra.range] }
      guard let function = JSON.find("function", in: event, under: element) else { return }
      name = event[Chat.text("name", of: function, in: event)]
      arguments = event[Chat.text("arguments", of: function, in: event)]
    }
  }

  /// Takes the pieces of one chunk.
  package mutating func take(_ calls: JSON.Value, in event: Bytes, from pool: BlockPool) {
    var elements = JSON.Elements(of: calls, in: event)
    while !isLost, let element = elements.next() {
      let piece = Piece(element, in: event)
      guard let call = place(of: piece, in: pool) else {
        isLost = true
        return
      }
      keepFirst(.id, of: call, piece.id, in: pool)
      keepFirst(.name, of: call, piece.name, in: pool)
      keepFirst(.extra, of: call, piece.extra, in: pool)
      keep(.arguments, of: call, piece.arguments, in: pool)
      if !piece.arguments.isEmpty { ends[call] = piece.arguments[piece.arguments.count - 1] }
    }
  }

  // MARK: Which call a piece is of

  /// Nil: there are too many.
  private mutating func place(of piece: Piece, in pool: BlockPool) -> Int? {
    var latest: Int?
    var place = count
    while place > 0 {
      place &-= 1
      if let index = piece.index, Int(indices[place]) != index { continue }
      if latest == nil { latest = place }
      let isSame = !piece.id.isEmpty && has(.id, of: place, piece.id, in: pool) == true
      if isSame, !isOther(piece, than: place, in: pool) { return place }
    }
    if let latest, !begins(piece, behind: latest, in: pool) { return latest }
    guard count < Self.callsMax else { return nil }
    indices[count] = piece.index.map { Int32(clamping: $0) } ?? -1
    count += 1
    return count - 1
  }

  /// Whether it names another function.
  private func isOther(_ piece: Piece, than call: Int, in pool: BlockPool) -> Bool {
    !piece.name.isEmpty && has(.name, of: call, piece.name, in: pool) == false
  }

  /// Whether a call begins with it, where none with its index has its id.
  private func begins(_ piece: Piece, behind call: Int, in pool: BlockPool) -> Bool {
    if piece.id.isEmpty, piece.name.isEmpty { return false }
    if isOther(piece, than: call, in: pool) { return true }
    let knowsID = has(.id, of: call, .empty, in: pool) != nil
    if !piece.id.isEmpty, knowsID { return piece.index == nil || !piece.name.isEmpty }
    // The name of the same function may be said again, but not behind the end of its arguments.
    return piece.id.isEmpty && !piece.name.isEmpty && !knowsID
      && ends[call] == UInt8(ascii: "}") && has(.name, of: call, piece.name, in: pool) == true
  }

  /// Whether a call's id or name is this; nil: it has none yet.
  private func has(_ what: What, of call: Int, _ text: Bytes, in pool: BlockPool) -> Bool? {
    var place = pieces.first()
    while true {
      let head = pieces.run(at: &place, upTo: Self.headBytes, in: pool)
      guard head.count == Self.headBytes else { return nil }
      pieces.advance(&place, by: Self.headBytes, in: pool)
      let count = Int(head.load(UInt16.self, at: 2))
      if Int(head[0]) == call, head[1] == what.rawValue {
        return count == text.count && isText(text, at: place, in: pool)
      }
      pieces.advance(&place, by: count, in: pool)
    }
  }

  private func isText(_ text: Bytes, at place: Chain.Cursor, in pool: BlockPool) -> Bool {
    var (place, rest) = (place, text)
    while !rest.isEmpty {
      let run = pieces.run(at: &place, upTo: rest.count, in: pool)
      guard !run.isEmpty, run.equals(rest.prefix(run.count)) else { return false }
      pieces.advance(&place, by: run.count, in: pool)
      rest = rest.dropping(run.count)
    }
    return true
  }

  // MARK: Keeping

  /// What may be said again with each piece.
  private mutating func keepFirst(
    _ what: What, of call: Int, _ text: Bytes, in pool: BlockPool
  ) {
    if text.isEmpty || has(what, of: call, text, in: pool) != nil { return }
    keep(what, of: call, text, in: pool)
  }

  private mutating func keep(_ what: What, of call: Int, _ text: Bytes, in pool: BlockPool) {
    if text.isEmpty || isLost { return }
    if lastCall != call || lastWhat != what { begin(what, of: call, in: pool) }
    guard !isLost, pieces.count + text.count <= Self.bytesMax, pieces.append(text, from: pool)
    else {
      isLost = true
      return
    }
    lastBytes += text.count
    var place = last
    pieces.run(at: &place, upTo: Self.headBytes, in: pool).store(UInt16(lastBytes), at: 2)
  }

  /// A head in one block, of a piece that is still empty.
  private mutating func begin(_ what: What, of call: Int, in pool: BlockPool) {
    last = pieces.first()
    pieces.advance(&last, by: pieces.count, in: pool)
    guard pieces.count + Self.headBytes <= Self.bytesMax,
      let head = pieces.acquire(Self.headBytes, from: pool)
    else {
      isLost = true
      return
    }
    head[0] = UInt8(call)
    head[1] = what.rawValue
    head.store(UInt16(0), at: 2)
    pieces.commit(Self.headBytes, in: pool)
    (lastBytes, lastCall, lastWhat) = (0, call, what)
  }

  // MARK: Whole

  /// All of them as a JSON array. `scratch` holds `bytesMax`. A call to which the server gave no
  /// id, or one that is too long to be kept with what runs, gets one, which its answer has to name:
  /// it is no other's where `round` grows with each answer.
  package func write(
    round: Int = 0, into writer: inout Writer, scratch: Bytes, in pool: BlockPool
  ) {
    let all =
      pieces.isEmpty
      ? Bytes.empty : pieces.whole(pieces.count, at: pieces.first(), scratch: scratch, in: pool)
    writer.write("[")
    for call in 0..<count {
      writer.write(call == 0 ? "{\"id\":\"" : ",{\"id\":\"")
      let length = Self.length(.id, of: call, in: all)
      if length > 0, length <= Name.bytesMax {
        Self.write(.id, of: call, from: all, &writer)
      } else {
        writer.write("call_")
        writer.write(decimal: round)
        writer.write("_")
        writer.write(decimal: call)
      }
      writer.write("\",\"type\":\"function\",\"function\":{\"name\":\"")
      Self.write(.name, of: call, from: all, &writer)
      writer.write("\",\"arguments\":\"")
      Self.write(.arguments, of: call, from: all, &writer)
      writer.write("\"}")
      if Self.length(.extra, of: call, in: all) > 0 {
        writer.write(",\"extra_content\":")
        Self.write(.extra, of: call, from: all, &writer)
      }
      if length > Name.bytesMax {
        writer.write(Self.ownKey)
        Self.write(.id, of: call, from: all, &writer)
        writer.write("\"")
      }
      writer.write("}")
    }
    writer.write("]")
  }

  /// Behind what is a server's: an id of its own that is longer than a name, which others put into
  /// it what they want to be told again.
  private static let ownKey: StaticString = ",\"own\":\""

  /// The server's id of an element that `write` wrote; nil: it is the one that it has.
  package static func own(_ element: JSON.Value, in all: Bytes) -> Bytes? {
    JSON.find("own", in: all, under: element).map { all[$0.range] }
  }

  /// An element that `write` wrote, as its server had it.
  package static func `repeat`(_ element: JSON.Value, in all: Bytes, _ writer: inout Writer) {
    guard let own = JSON.find("own", in: all, under: element),
      let id = JSON.find("id", in: all, under: element)
    else { return writer.write(all[element.range]) }
    writer.write(all[element.range.lowerBound..<id.range.lowerBound])
    writer.write(all[own.range])
    let end = own.range.lowerBound - ownKey.utf8CodeUnitCount
    writer.write(all[id.range.upperBound..<end])
    writer.write("}")
  }

  private static func length(_ what: What, of call: Int, in all: Bytes) -> Int {
    var (at, length) = (0, 0)
    while at < all.count {
      let count = Int(all.load(UInt16.self, at: at + 2))
      if Int(all[at]) == call, all[at + 1] == what.rawValue { length += count }
      at += headBytes + count
    }
    return length
  }

  private static func write(
    _ what: What, of call: Int, from all: Bytes, _ writer: inout Writer
  ) {
    var at = 0
    while at < all.count {
      let count = Int(all.load(UInt16.self, at: at + 2))
      let text = all[at + headBytes..<at + headBytes + count]
      if Int(all[at]) == call, all[at + 1] == what.rawValue { writer.write(text) }
      at += headBytes + count
    }
  }
}
