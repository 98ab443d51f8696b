// What an upstream itself says of a refusal, an error or a close, and the id under which it knows
// our request: what its support asks for. Kept for the log, for a client who reads errors, and for
// the call's last line. It is somebody else's text: bounded, without control characters, in UTF-8,
// and without our key, which some repeat.

package struct Reason: BitwiseCopyable, Sendable {
  static let bytesMax = 240

  private var words = Chain()
  /// Empty where it named none.
  private(set) var request = Name()

  func words(in pool: BlockPool) -> Bytes { words.front(in: pool) }

  mutating func release(to pool: BlockPool) { words.clear(in: pool) }

  /// The id of a new request; words about an earlier one stay until there are others.
  mutating func take(request text: Bytes) {
    guard !text.isEmpty, let name = Name(text) else { return }
    request = name
  }

  /// Its words, as plain text. `key`: what must not be in them.
  mutating func take(_ text: Bytes, without key: Bytes, in pool: BlockPool) {
    take(in: pool) { Self.clean(text, without: key, into: &$0) }
  }

  /// Its words as the inside of a JSON string.
  mutating func take(json text: Bytes, without key: Bytes, in pool: BlockPool) {
    take(in: pool) { Self.clean(json: text, without: key, into: &$0) }
  }

  /// What the body of a refusal says.
  mutating func take(body: Bytes, without key: Bytes, in pool: BlockPool) {
    take(in: pool) { Self.read(body, without: key, into: &$0) }
  }

  /// What the answer to a refused handshake says. `body`: as much as has come of it.
  mutating func take(
    _ head: HTTP.ResponseHead, in bytes: Bytes, body: Bytes, _ headers: Upstream.ReasonHeaders,
    without key: Bytes, in pool: BlockPool
  ) {
    take(in: pool) { out in
      let stated = head.fields.value(of: headers.words, in: bytes)
      if !stated.isEmpty { return Self.clean(stated, without: key, into: &out) }
      if (300...399).contains(head.status) {
        out.write("it points to ")
        return Self.clean(
          head.fields.value(of: "location", in: bytes), without: key, into: &out)
      }
      Self.read(body, without: key, into: &out)
    }
    take(request: head.fields.value(of: headers.request, in: bytes))
    guard request.isEmpty, JSON.isValid(body),
      let id = JSON.find("request_id", in: body), id.kind == .string
    else { return }
    take(request: body[id.range])
  }

  private mutating func take(in pool: BlockPool, _ write: (inout Writer) -> Void) {
    Bytes.withTemporary(Self.bytesMax + 8) { place in
      var out = Writer(place)
      write(&out)
      guard out.count > 0 else { return }
      words.clear(in: pool)
      _ = words.append(out.written, from: pool)
    }
  }

  // MARK: The body of a refusal

  /// The words in which a service says in an answer's body what is wrong; may be nothing.
  static func read(_ body: Bytes, without key: Bytes, into out: inout Writer) {
    var scanner = JSON.Scanner(body)
    if JSON.isValid(body), let whole = scanner.value() {
      guard let words = sentence(in: whole, body) else { return }
      return clean(json: body[words.range], without: key, into: &out)
    }
    var start = 0
    while start < body.count, body[start] <= 0x20 { start &+= 1 }
    let text = body.dropping(start)
    guard !text.isEmpty, text[0] != 0x7b, text[0] != 0x5b else { return }
    if text[0] == 0x3c { return out.write("a page for browsers") }
    clean(text, without: key, into: &out)
  }

  /// Under these names services state in words what is wrong, the most telling first.
  private static let names: [StaticString] = [
    "err_msg", "message", "error_message", "error_description", "description", "detail", "reason",
    "details", "title", "error",
  ]

  /// The text that says it: a member of the outermost object, or of the one that is the error.
  private static func sentence(in value: JSON.Value, _ body: Bytes, depth: Int = 0) -> JSON.Value? {
    guard depth < 4 else { return nil }
    switch value.kind {
    case .string: return value.range.isEmpty ? nil : value
    case .array:
      return JSON.element(0, of: value, in: body).flatMap {
        sentence(in: $0, body, depth: depth + 1)
      }
    case .object:
      for name in names {
        guard let found = JSON.find(name, in: body, under: value) else { continue }
        if let words = sentence(in: found, body, depth: depth + 1) { return words }
      }
      return nil
    case .number, .true, .false, .null: return nil
    }
  }

  // MARK: Cleaning

  private static func clean(json text: Bytes, without key: Bytes, into out: inout Writer) {
    Bytes.withTemporary(4 * bytesMax) { place in
      var plain = Writer(place)
      var letters = JSON.Text(
        JSON.Value(.string, 0..<text.count, hasEscapes: true), in: text)
      while plain.free > 0, let byte = letters.next() { plain.write(byte: byte) }
      clean(plain.written, without: key, into: &out)
    }
  }

  /// One line of printable characters, cut where it is too long.
  private static func clean(_ text: Bytes, without key: Bytes, into out: inout Writer) {
    var at = 0
    while at < text.count, out.count < bytesMax {
      if !key.isEmpty, key.count <= text.count &- at, text[at..<at &+ key.count].equals(key) {
        out.write("***")
        at &+= key.count
        continue
      }
      let length = text.characterLength(at: at)
      let isBlank = length == 1 && (text[at] <= 0x20 || text[at] == 0x7f)
      // The upper set of control characters is two bytes long.
      let isControl = length == 2 && text[at] == 0xc2 && text[at &+ 1] < 0xa0
      if length == 0 {
        out.write("?")
      } else if isBlank || isControl {
        if out.count > 0, out.written[out.count &- 1] != 0x20 { out.write(" ") }
      } else {
        out.write(text[at..<at &+ length])
      }
      at &+= max(length, 1)
    }
    if at < text.count { out.write("…") }
  }
}

extension Upstream {
  /// The headers of a handshake's answer in which the row's service says what is wrong, and under
  /// which id it knows the request; in lower case.
  package struct ReasonHeaders: Sendable {
    var words: StaticString = "x-error"
    var request: StaticString = "x-request-id"
  }
}

extension Upstream.Verdict {
  /// An answer that says nothing of the session: not the service has answered, or not at the right
  /// place.
  static func misplaced(_ status: Int) -> Self {
    Self(
      retry: status == 408 || status == 425, cause: .upstreamRefused, code: "upstream_address",
      sentence: sentence(ofMisplaced: status))
  }

  private static func sentence(ofMisplaced status: Int) -> StaticString {
    switch status {
    case 300...399: "the upstream's url points elsewhere: set it to where it is sent"
    case 404, 410: "nothing is served there: check host and path of the upstream's url"
    case 407, 511: "a proxy on the way to the upstream wants a password"
    case 408, 425: "the upstream did not take the request in time"
    default:
      "what answers at the upstream's url opens no WebSocket: check its host, port and path"
    }
  }
}
