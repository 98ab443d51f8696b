// HTTP/1.1 heads (RFC 9112), parsed where they lie: a request that reaches us, the response to one
// of ours. A parsed head is a handful of ranges into the caller's bytes; nothing is copied or kept.
//
// Stricter than the RFC asks, on purpose: what two parsers could read differently (a bare CR or LF,
// a folded line, two lengths, a length beside a transfer coding) is refused, so that no proxy in
// front can be tricked into seeing another message than we do. One connection carries one request.

package enum HTTP {
  /// Header lines in one head.
  package static let fieldsMax = 64
  /// Bytes of a request's target.
  package static let targetBytesMax = 4096

  package enum Method: UInt8, BitwiseCopyable, Sendable { case get, head, post, other }

  package enum Version: UInt8, BitwiseCopyable, Sendable { case one0, one1 }

  /// How long the body behind a head is. `untilClose` is seen in responses only.
  package enum Framing: Equatable, BitwiseCopyable, Sendable {
    case none
    case length(Int)
    case chunked
    case untilClose
  }

  package struct RequestHead: BitwiseCopyable, Sendable {
    package var method = Method.other
    package var version = Version.one1
    /// Path and query as they were sent, byte for byte; begins with a slash (or is `*`).
    package var target = Place()
    package var path = Place()
    /// Without the question mark; empty where there is none.
    package var query = Place()
    /// The authority that the peer means: of an absolute target, else of `Host`; empty where an
    /// HTTP/1.0 peer names none.
    package var host = Place()
    /// The target names an authority itself.
    package var isAbsolute = false
    package var fields = Fields()
    package var framing = Framing.none
    /// Bytes up to and with the empty line.
    package var length = 0
  }

  package struct ResponseHead: BitwiseCopyable, Sendable {
    package var version = Version.one1
    package var status = 0
    package var fields = Fields()
    package var framing = Framing.none
    package var length = 0
  }

  package enum Parsed<Head: BitwiseCopyable & Sendable>: Sendable {
    case complete(Head)
    case needMore
    case bad(Fault)
  }

  /// Where a part of a head lies, counted from the head's first byte.
  package struct Place: BitwiseCopyable, Equatable, Sendable {
    package var start = 0
    package var end = 0
    package var isEmpty: Bool { start == end }
    package func bytes(in head: Bytes) -> Bytes { head[start..<end] }
  }
}

// MARK: Heads

extension HTTP {
  /// Reads a request's head from the start of `bytes`, which may hold more. A head longer than
  /// `limit` is refused.
  @_noAllocation package static func parseRequest(
    _ bytes: Bytes, limit: Int
  ) -> Parsed<RequestHead> {
    let outline: Outline
    switch findOutline(of: bytes, limit: limit) {
    case .complete(let found): outline = found
    case .needMore: return .needMore
    case .bad(let fault): return .bad(fault)
    }
    var head = RequestHead()
    head.length = outline.length
    head.fields = outline.fields
    if let fault = readRequestLine(outline.line.bytes(in: bytes), into: &head) {
      return .bad(fault)
    }
    if let fault = head.fields.check(in: bytes) { return .bad(fault) }
    if let fault = readHost(bytes, into: &head) { return .bad(fault) }
    if let fault = readFraming(bytes, head.fields, head.version, into: &head.framing) {
      return .bad(fault)
    }
    return .complete(head)
  }

  /// Reads a response's head from the start of `bytes`; see `parseRequest`.
  @_noAllocation package static func parseResponse(
    _ bytes: Bytes, limit: Int
  ) -> Parsed<ResponseHead> {
    let outline: Outline
    switch findOutline(of: bytes, limit: limit) {
    case .complete(let found): outline = found
    case .needMore: return .needMore
    case .bad(let fault): return .bad(fault)
    }
    var head = ResponseHead()
    head.length = outline.length
    head.fields = outline.fields
    if let fault = readStatusLine(outline.line.bytes(in: bytes), into: &head) { return .bad(fault) }
    if let fault = head.fields.check(in: bytes) { return .bad(fault) }
    head.framing = .untilClose
    if let fault = readFraming(bytes, head.fields, head.version, into: &head.framing) {
      return .bad(fault)
    }
    // RFC 9112 §6.3: these never have a body, whatever their fields say.
    if head.status < 200 || head.status == 204 || head.status == 304 { head.framing = .none }
    return .complete(head)
  }

  /// Where the parts of a whole head lie.
  private struct Outline: BitwiseCopyable, Sendable {
    let line: Place
    let fields: Fields
    /// Up to and with the empty line.
    let length: Int

    @_noAllocation init(_ bytes: Bytes, length: Int) {
      line = Place(start: 0, end: bytes.firstIndex(of: 0x0d) ?? 0)
      fields = Fields(lines: Place(start: line.end &+ 2, end: length &- 2))
      self.length = length
    }
  }

  /// The outline of the head that ends with its empty line. Every line must end in CR LF; a lone LF
  /// is refused as soon as it is seen, and so are a line too many, and a first byte that begins no
  /// HTTP message (a TLS greeting, say). A head that comes byte by byte is searched again each
  /// time, which is cheap, since its lines and its length are few.
  @_noAllocation private static func findOutline(
    of bytes: Bytes, limit: Int
  ) -> Parsed<Outline> {
    guard !bytes.isEmpty else { return .needMore }
    guard isToken(bytes[0]) else { return .bad(.notHTTP) }
    let reach = min(bytes.count, limit)
    let view = bytes.prefix(reach)
    var lines = 0
    var from = 0
    while let feed = view.firstIndex(of: 0x0a, from: from) {
      guard feed > 0, view[feed &- 1] == 0x0d else { return .bad(.bareLineFeed) }
      if feed >= 3, view[feed &- 2] == 0x0a { return .complete(Outline(bytes, length: feed &+ 1)) }
      lines &+= 1
      guard lines <= 1 &+ fieldsMax else { return .bad(.tooManyFields) }
      from = feed &+ 1
    }
    guard reach == limit else { return .needMore }
    return .bad(lines == 0 ? .targetTooLong : .headTooLarge)
  }

  /// RFC 9112 §3: method SP target SP version.
  @_noAllocation private static func readRequestLine(
    _ line: Bytes, into head: inout RequestHead
  ) -> Fault? {
    guard let first = line.firstIndex(of: 0x20), first > 0 else { return .badRequestLine }
    for index in 0..<first where !isToken(line[index]) { return .badRequestLine }
    guard let second = line.firstIndex(of: 0x20, from: first &+ 1) else { return .badRequestLine }
    let method = line.prefix(first)
    if method.equals("GET") {
      head.method = .get
    } else if method.equals("POST") {
      head.method = .post
    } else if method.equals("HEAD") {
      head.method = .head
    }
    guard let version = readVersion(line.dropping(second &+ 1)) else { return .badVersion }
    head.version = version
    guard second &- first &- 1 <= targetBytesMax else { return .targetTooLong }
    return readTarget(line, Place(start: first &+ 1, end: second), into: &head)
  }

  /// RFC 9112 §3.2: the origin form, the absolute form (whose authority wins over `Host`), or `*`.
  @_noAllocation private static func readTarget(
    _ line: Bytes, _ place: Place, into head: inout RequestHead
  ) -> Fault? {
    let target = place.bytes(in: line)
    guard !target.isEmpty else { return .badTarget }
    for index in 0..<target.count {
      let byte = target[index]
      // Only what a URI may hold; a fragment is never sent (RFC 9110 §7.1).
      guard byte > 0x20, byte < 0x7f, byte != 0x23, byte != 0x22, byte != 0x3c, byte != 0x3e,
        byte != 0x5c
      else { return .badTarget }
    }
    var start = place.start
    if target[0] != 0x2f, !target.equals("*") {
      let scheme = target.prefix(min(8, target.count))
      guard let colon = scheme.firstIndex(of: 0x3a), target.dropping(colon).starts(with: "://"),
        scheme.prefix(colon).equalsIgnoringCase("http")
          || scheme.prefix(colon).equalsIgnoringCase("https")
      else { return .badTarget }
      let authority = colon &+ 3
      var end = authority
      while end < target.count, target[end] != 0x2f, target[end] != 0x3f { end &+= 1 }
      guard isHost(target[authority..<end]) else { return .badHost }
      head.host = Place(start: start &+ authority, end: start &+ end)
      head.isAbsolute = true
      start = start &+ end
      // An absolute target without a path would leave nothing to route by.
      guard start < place.end, line[start] == 0x2f else { return .badTarget }
    }
    head.target = Place(start: start, end: place.end)
    let mark = line.prefix(place.end).firstIndex(of: 0x3f, from: start)
    head.path = Place(start: start, end: mark ?? place.end)
    head.query = Place(start: mark.map { $0 &+ 1 } ?? place.end, end: place.end)
    return nil
  }

  /// RFC 9112 §4: version SP status [SP reason]. A missing reason with its space is let pass.
  @_noAllocation private static func readStatusLine(
    _ line: Bytes, into head: inout ResponseHead
  ) -> Fault? {
    guard line.count >= 12, line[8] == 0x20, line.count == 12 || line[12] == 0x20,
      let status = line[9..<12].decimal, status >= 100
    else { return .badStatusLine }
    for index in 12..<line.count where !isText(line[index]) { return .badStatusLine }
    guard let version = readVersion(line.prefix(8)) else { return .badVersion }
    head.version = version
    head.status = status
    return nil
  }

  @_noAllocation private static func readVersion(_ bytes: Bytes) -> Version? {
    if bytes.equals("HTTP/1.1") { return .one1 }
    return bytes.equals("HTTP/1.0") ? .one0 : nil
  }

  /// RFC 9112 §3.2: HTTP/1.1 names its host exactly once, also beside an absolute target.
  @_noAllocation private static func readHost(
    _ bytes: Bytes, into head: inout RequestHead
  ) -> Fault? {
    let count = head.fields.count(of: "host", in: bytes)
    if count == 0, head.version == .one0 { return nil }
    guard count == 1, let value = head.fields.place(of: "host", in: bytes) else { return .badHost }
    guard isHost(value.bytes(in: bytes)) else { return .badHost }
    if head.host.isEmpty { head.host = value }
    return nil
  }

  /// RFC 9112 §6: one length, or one `chunked`, never both. Leaves `framing` alone where neither is
  /// said.
  @_noAllocation private static func readFraming(
    _ bytes: Bytes, _ fields: Fields, _ version: Version, into framing: inout Framing
  ) -> Fault? {
    let codings = fields.count(of: "transfer-encoding", in: bytes)
    let lengths = fields.count(of: "content-length", in: bytes)
    if codings == 0, lengths == 0 { return nil }
    guard codings &+ lengths == 1 else { return .ambiguousLength }
    if let place = fields.place(of: "transfer-encoding", in: bytes) {
      // HTTP/1.0 knows no codings, so an older proxy would see another body than we do.
      guard version == .one1 else { return .ambiguousLength }
      guard place.bytes(in: bytes).equalsIgnoringCase("chunked") else { return .unknownCoding }
      framing = .chunked
    } else if let place = fields.place(of: "content-length", in: bytes) {
      guard let length = place.bytes(in: bytes).decimal else { return .badLength }
      framing = .length(length)
    }
    return nil
  }

  /// Whether this can be `host[:port]`: nothing that would end it inside a URL or a text we write.
  @_noAllocation static func isHost(_ bytes: Bytes) -> Bool {
    guard !bytes.isEmpty, bytes.count <= 255 else { return false }
    for index in 0..<bytes.count {
      switch bytes[index] {
      case 0x30...0x39, 0x41...0x5a, 0x61...0x7a: continue
      case 0x2d, 0x2e, 0x3a, 0x5b, 0x5d, 0x5f: continue  // - . : [ ] _
      default: return false
      }
    }
    return true
  }

  /// RFC 9110 §5.6.2: what method and field names are made of.
  @_noAllocation static func isToken(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x30...0x39, 0x41...0x5a, 0x5e...0x7a, 0x7c, 0x7e: true
    case 0x21, 0x23...0x27, 0x2a, 0x2b, 0x2d, 0x2e: true
    default: false
    }
  }

  /// RFC 9110 §5.5: what a field's value is made of: no control character but the tab.
  @_noAllocation static func isText(_ byte: UInt8) -> Bool {
    byte >= 0x20 && byte != 0x7f || byte == 0x09
  }
}

// MARK: Faults

extension HTTP {
  /// What is wrong with a peer's message. Each knows the status to answer with, and a sentence.
  package enum Fault: UInt8, BitwiseCopyable, Error, Sendable {
    case notHTTP, badRequestLine, badStatusLine, badVersion, badTarget, targetTooLong
    case bareLineFeed, foldedField, badField, tooManyFields, headTooLarge
    case badHost, badLength, ambiguousLength, unknownCoding, badChunk, bodyTooLarge

    package var status: Status {
      switch self {
      case .badVersion: .versionNotSupported
      case .targetTooLong: .targetTooLong
      case .tooManyFields, .headTooLarge: .headTooLarge
      case .unknownCoding: .notImplemented
      case .bodyTooLarge: .bodyTooLarge
      default: .badRequest
      }
    }

    package var sentence: StaticString {
      switch self {
      case .notHTTP:
        """
        This is a plain HTTP port, and what came is not HTTP. If https:// or wss:// was meant, use \
        http:// or ws://, or set listen.certificate and listen.key.
        """
      case .badRequestLine:
        "The request line is not: method, one space, target, one space, HTTP/1.1."
      case .badStatusLine: "The status line is not: HTTP/1.1, one space, three digits."
      case .badVersion: "Only HTTP/1.1 and HTTP/1.0 are spoken here."
      case .badTarget: "The target must be a path that begins with a slash, without a fragment."
      case .targetTooLong: "The target is longer than 4096 bytes. Send long values in headers."
      case .bareLineFeed: "A line ends in LF alone. Lines end in CR LF."
      case .foldedField: "A header line begins with a space. Headers are not folded over lines."
      case .badField: "A header line is not: name, colon, printable value."
      case .tooManyFields: "There are more than 64 header lines."
      case .headTooLarge: "The head is too large. Send fewer or shorter headers."
      case .badHost: "Exactly one Host header with a host name is wanted."
      case .badLength: "Content-Length must be one decimal number."
      case .ambiguousLength:
        "Content-Length and Transfer-Encoding may appear once, and not together."
      case .unknownCoding: "Only the transfer coding 'chunked' is understood."
      case .badChunk: "The chunked body is malformed."
      case .bodyTooLarge: "The body is too large."
      }
    }
  }
}
