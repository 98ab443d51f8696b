// A message of the wire as a log may show it: its shape, and what its members say where that is
// neither audio nor anybody's words, keys or secrets. What is shown is a list of names; everything
// else is told by its length.

extension Writer {
  private static let excerptBytesMax = 1000

  package mutating func write(excerptOf message: Bytes) {
    guard message.count > 0, message[0] == UInt8(ascii: "{") else {
      write("no JSON, ")
      write(decimal: message.count)
      return write(" bytes")
    }
    var reader = Excerpt(message)
    let end = count &+ Self.excerptBytesMax
    while count < end, let token = reader.next() {
      switch token {
      case .shown(let text): write(text)
      case .hidden(let length):
        write("\"(")
        write(decimal: length)
        write(" bytes)\"")
      }
    }
    if count >= end { write("…") }
  }
}

/// Walks over a message, token by token. It need not be well-formed.
private struct Excerpt {
  enum Token {
    case shown(Bytes)
    case hidden(length: Int)
  }

  private static let stringBytesMax = 96
  private let message: Bytes
  private var at = 0
  /// Whether the value that comes belongs to a name whose values may be shown.
  private var isOpen = false

  init(_ message: Bytes) { self.message = message }

  mutating func next() -> Token? {
    guard at < message.count else { return nil }
    switch message[at] {
    case UInt8(ascii: "\""): return string()
    case UInt8(ascii: "{"), UInt8(ascii: "}"), UInt8(ascii: "["), UInt8(ascii: "]"):
      // Of what stands in it, other names decide.
      if message[at] != UInt8(ascii: "[") { isOpen = false }
      return punctuation()
    case UInt8(ascii: ","), UInt8(ascii: ":"), 0x20, 0x09, 0x0a, 0x0d: return punctuation()
    default: return word()
    }
  }

  private mutating func punctuation() -> Token {
    at &+= 1
    return .shown(message[at &- 1..<at])
  }

  private mutating func string() -> Token {
    let start = at
    at &+= 1
    while at < message.count, message[at] != UInt8(ascii: "\"") {
      at &+= message[at] == UInt8(ascii: "\\") ? 2 : 1
    }
    at = min(at &+ 1, message.count)
    let text = message[start..<at]
    if isName {
      isOpen = text.count > 2 && Self.isShown(text[1..<text.count &- 1])
      return text.count <= Self.stringBytesMax ? .shown(text) : .hidden(length: text.count)
    }
    let isShort = text.count <= Self.stringBytesMax
    return isOpen && isShort ? .shown(text) : .hidden(length: max(text.count &- 2, 0))
  }

  private var isName: Bool {
    var place = at
    while place < message.count, message[place] <= 0x20 { place &+= 1 }
    return place < message.count && message[place] == UInt8(ascii: ":")
  }

  /// A number, true, false, null, or a whole row of numbers: samples are audio.
  private mutating func word() -> Token {
    let start = at
    while at < message.count, !isEnd(message[at]) { at &+= 1 }
    let end = at
    while at < message.count, message[at] != UInt8(ascii: "\""), message[at] != UInt8(ascii: "}"),
      message[at] != UInt8(ascii: "]"), message[at] != UInt8(ascii: "{")
    {
      at &+= 1
    }
    let isRow = message[end..<at].count > 2
    if !isRow { at = end }
    return isOpen && !isRow ? .shown(message[start..<end]) : .hidden(length: at &- start)
  }

  private func isEnd(_ byte: UInt8) -> Bool {
    byte == UInt8(ascii: ",") || byte == UInt8(ascii: "}") || byte == UInt8(ascii: "]")
      || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "{") || byte <= 0x20
  }

  private static func isShown(_ name: Bytes) -> Bool {
    for index in shown.indices where name.equals(shown[index]) { return true }
    return false
  }

  private static let shown: InlineArray<42, StaticString> = [
    "type", "event", "command", "version", "protocol", "sequenceNumber", "sequence_number",
    "streamSid", "callSid", "accountSid", "stream_id", "call_control_id", "ucid", "call_id",
    "tracks", "track", "encoding", "sampleRate", "sample_rate", "channels", "name", "code",
    "status", "reason", "message", "model", "voice", "event_id", "item_id", "response_id",
    "request_id", "object", "role", "is_final", "speech_final", "duration", "start", "turnComplete",
    "interrupted", "generationComplete", "timeLeft", "rate",
  ]
}
