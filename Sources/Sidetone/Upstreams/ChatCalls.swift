// Calls of functions in a chat endpoint's stream come in pieces: the first of a call has its id and
// name, the others a few letters of its arguments, each with the call's index. They are kept as
// they come, and put together when the answer is over: into the array `tool_calls` that the next
// request has to repeat.
//
//     0       1       2         4
//     ┌───────┬───────┬─────────┬──────────────────────────────┐
//     │ call  │ what  │ bytes   │ the inside of a JSON string  │
//     └───────┴───────┴─────────┴──────────────────────────────┘

package struct ChatCalls: BitwiseCopyable, Sendable {
  /// Calls in one answer.
  package static let callsMax = 16
  /// All pieces of an answer, heads included.
  package static let bytesMax = Limits.functionArgumentsBytesMax + 4096
  private static let headBytes = 4

  private enum What: UInt8 { case id, name, arguments }

  private var pieces = Chain()
  /// Calls so far.
  package private(set) var count = 0
  /// The index by which the server names each; -1: it names none.
  private var indices = InlineArray<16, Int32>(repeating: -1)
  /// Something did not fit: what was called is not known.
  package private(set) var isLost = false

  package init() {}

  package var isEmpty: Bool { count == 0 && !isLost }

  package mutating func clear(in pool: BlockPool) {
    pieces.clear(in: pool)
    self = ChatCalls()
  }

  /// Takes the pieces of one chunk.
  package mutating func take(_ calls: JSON.Value, in event: Bytes, from pool: BlockPool) {
    var elements = JSON.Elements(of: calls, in: event)
    while let element = elements.next() {
      let function = JSON.find("function", in: event, under: element)
      let id = Chat.text("id", of: element, in: event)
      guard let call = place(of: element, hasID: !id.isEmpty, in: event) else {
        isLost = true
        return
      }
      keep(.id, of: call, event[id], in: pool)
      guard let function else { continue }
      keep(.name, of: call, event[Chat.text("name", of: function, in: event)], in: pool)
      keep(.arguments, of: call, event[Chat.text("arguments", of: function, in: event)], in: pool)
    }
  }

  /// Some servers name no index: then each id begins a call. Nil: there are too many.
  private mutating func place(
    of element: JSON.Value, hasID: Bool, in event: Bytes
  ) -> Int? {
    let named = JSON.find("index", in: event, under: element)
    let index = named.flatMap { $0.kind == .number ? event[$0.range].decimal : nil }
    if let index {
      for place in 0..<count where Int(indices[place]) == index { return place }
    } else if !hasID, count > 0 {
      return count - 1
    }
    guard count < Self.callsMax else { return nil }
    indices[count] = index.map { Int32(clamping: $0) } ?? -1
    count += 1
    return count - 1
  }

  private mutating func keep(_ what: What, of call: Int, _ text: Bytes, in pool: BlockPool) {
    if text.isEmpty { return }
    let isKept =
      pieces.count + Self.headBytes + text.count <= Self.bytesMax
      && Bytes.withTemporary(Self.headBytes) { head in
        head[0] = UInt8(call)
        head[1] = what.rawValue
        head.store(UInt16(text.count), at: 2)
        return pieces.append(head, from: pool) && pieces.append(text, from: pool)
      }
    if !isKept { isLost = true }
  }

  // MARK: Whole

  /// All of them as a JSON array. `scratch` holds `bytesMax`.
  package func write(into writer: inout Writer, scratch: Bytes, in pool: BlockPool) {
    let all =
      pieces.isEmpty
      ? Bytes.empty : pieces.whole(pieces.count, at: pieces.first(), scratch: scratch, in: pool)
    writer.write("[")
    for call in 0..<count {
      writer.write(call == 0 ? "{\"id\":\"" : ",{\"id\":\"")
      Self.write(.id, of: call, from: all, &writer)
      writer.write("\",\"type\":\"function\",\"function\":{\"name\":\"")
      Self.write(.name, of: call, from: all, &writer)
      writer.write("\",\"arguments\":\"")
      Self.write(.arguments, of: call, from: all, &writer)
      writer.write("\"}}")
    }
    writer.write("]")
  }

  private static func write(
    _ what: What, of call: Int, from all: Bytes, _ writer: inout Writer
  ) {
    var at = 0
    let start = writer.count
    while at < all.count {
      let count = Int(all.load(UInt16.self, at: at + 2))
      let text = all[at + headBytes..<at + headBytes + count]
      // An id or a name that is repeated with each piece is one.
      let isRepeated = what != .arguments && writer.count > start
      if Int(all[at]) == call, all[at + 1] == what.rawValue, !isRepeated { writer.write(text) }
      at += headBytes + count
    }
  }
}
