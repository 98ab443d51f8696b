// The opening handshake of WebSocket (RFC 6455 §4), both sides: the request that turns an HTTP
// connection into a socket, and its 101. Extensions are never negotiated: an offer of
// permessage-deflate, which every browser makes, is left unanswered, and the handshake succeeds. Of
// subprotocols one is named where some are offered, since browsers give up otherwise.

package enum Upgrade {
  /// What the accept value is derived with (§1.3).
  private static let salt: StaticString = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
  private static let keyCount = 24
  private static let acceptCount = 28

  // MARK: Server

  package enum Check: Sendable {
    /// The request may be answered with 101; the key's place in the head.
    case valid(key: HTTP.Place)
    case bad(Fault)
  }

  package enum Fault: UInt8, Error, Sendable {
    case notAsked, wrongMethod, hasBody, wrongVersion, badKey

    package var status: HTTP.Status {
      switch self {
      case .notAsked, .wrongVersion: .upgradeRequired
      case .wrongMethod: .methodNotAllowed
      case .hasBody, .badKey: .badRequest
      }
    }

    package var sentence: StaticString {
      switch self {
      case .notAsked:
        """
        This path speaks WebSocket, and this request is plain HTTP. Connect to it with ws:// or \
        wss://; a proxy in front must speak HTTP/1.1 and pass the Upgrade and Connection headers on.
        """
      case .wrongMethod: "A WebSocket is opened with GET."
      case .hasBody: "The request that opens a WebSocket has no body."
      case .wrongVersion: "Only version 13 of WebSocket is spoken here: Sec-WebSocket-Version: 13."
      case .badKey: "Sec-WebSocket-Key must be there once: 16 bytes in base64."
      }
    }
  }

  /// Whether a client's request opens a WebSocket (§4.2.1). HTTP/1.0 cannot (RFC 9110 §7.8).
  @_noAllocation package static func check(_ head: HTTP.RequestHead, in bytes: Bytes) -> Check {
    let fields = head.fields
    guard head.version == .one1, fields.hasToken("websocket", in: "upgrade", of: bytes),
      fields.hasToken("upgrade", in: "connection", of: bytes)
    else { return .bad(.notAsked) }
    guard head.method == .get else { return .bad(.wrongMethod) }
    // What follows are frames; a proxy that believed in a body would see them begin elsewhere.
    guard head.framing == .none || head.framing == .length(0) else { return .bad(.hasBody) }
    guard fields.count(of: "sec-websocket-version", in: bytes) == 1,
      fields.value(of: "sec-websocket-version", in: bytes).equals("13")
    else { return .bad(.wrongVersion) }
    guard fields.count(of: "sec-websocket-key", in: bytes) == 1,
      let key = fields.place(of: "sec-websocket-key", in: bytes), isKey(key.bytes(in: bytes))
    else { return .bad(.badKey) }
    return .valid(key: key)
  }

  /// The 101 (§4.2.2). `key` comes from `check`; `subprotocol` is one that was offered, or empty.
  package static func writeAccept(
    key: Bytes, subprotocol: Bytes = .empty, into out: inout Writer
  ) {
    out.write(
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        as StaticString)
    out.write("Sec-WebSocket-Accept: ")
    Bytes.withTemporary(acceptCount) { accept in
      makeAccept(key: key, into: accept)
      out.write(accept)
    }
    out.write("\r\n")
    if !subprotocol.isEmpty { HTTP.writeField("Sec-WebSocket-Protocol", subprotocol, into: &out) }
    out.write("\r\n")
  }

  @_noAllocation private static func isKey(_ key: Bytes) -> Bool {
    guard key.count == keyCount, key[22] == 0x3d, key[23] == 0x3d else { return false }
    for index in 0..<22 {
      switch key[index] {
      case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x2b, 0x2f: continue
      default: return false
      }
    }
    return true
  }

  private static func makeAccept(key: Bytes, into accept: Bytes) {
    Bytes.withTemporary(keyCount + 36 + Digest.sha1Bytes) { scratch in
      var out = Writer(scratch)
      out.write(key)
      out.write(salt)
      let digest = scratch.dropping(keyCount + 36)
      Digest.sha1(out.written, into: digest)
      _ = Base64.encode(digest, into: accept)
    }
  }

  // MARK: Client

  /// The 16 random bytes of one handshake; kept until its answer has come.
  package struct Nonce: BitwiseCopyable, Sendable {
    private let low: UInt64
    private let high: UInt64

    package init(low: UInt64, high: UInt64) {
      self.low = low
      self.high = high
    }

    fileprivate func writeKey(into out: inout Writer) {
      Bytes.withTemporary(16) { nonce in
        nonce.store(low, at: 0)
        nonce.store(high, at: 8)
        if let place = out.reserve(keyCount) { _ = Base64.encode(nonce, into: place) }
      }
    }
  }

  /// The head of a client's request (§4.1) but for its end: more fields (`HTTP.writeField`) may
  /// follow, then `endRequest`. `path` begins with a slash; `query` is encoded already and may be
  /// empty.
  package static func beginRequest(
    host: Bytes, port: UInt16, isTLS: Bool, path: Bytes, query: Bytes, nonce: Nonce,
    into out: inout Writer
  ) {
    out.write("GET ")
    out.write(path)
    if !query.isEmpty {
      out.write("?")
      out.write(query)
    }
    out.write(" HTTP/1.1\r\nHost: ")
    // RFC 3986 §3.2.2: only an IPv6 address holds colons, and it stands in brackets.
    let isIPv6 = host.firstIndex(of: 0x3a) != nil
    if isIPv6 { out.write("[") }
    out.write(host)
    if isIPv6 { out.write("]") }
    if port != (isTLS ? 443 : 80) {
      out.write(":")
      out.write(decimal: Int(port))
    }
    out.write("\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n")
    out.write("Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ")
    nonce.writeKey(into: &out)
    out.write("\r\n")
  }

  @_noAllocation package static func endRequest(into out: inout Writer) { out.write("\r\n") }

  package enum Answer: Equatable, Sendable {
    case accepted
    /// A proper HTTP answer other than 101: the server will not have us, and its head and body say
    /// why.
    case refused(status: Int)
    /// A 101 that does not keep the rules; the connection must be dropped.
    case bad(AnswerFault)
  }

  package enum AnswerFault: UInt8, BitwiseCopyable, Error, Sendable {
    case noUpgrade, noConnection, wrongAccept, unaskedExtension, unaskedProtocol
  }

  /// Judges a server's answer to the request with this nonce (§4.1, the client's list).
  package static func check(
    _ head: HTTP.ResponseHead, in bytes: Bytes, nonce: Nonce
  ) -> Answer {
    let fields = head.fields
    guard head.status == 101 else { return .refused(status: head.status) }
    guard head.version == .one1, fields.hasToken("websocket", in: "upgrade", of: bytes) else {
      return .bad(.noUpgrade)
    }
    guard fields.hasToken("upgrade", in: "connection", of: bytes) else {
      return .bad(.noConnection)
    }
    guard fields.count(of: "sec-websocket-accept", in: bytes) == 1 else {
      return .bad(.wrongAccept)
    }
    let given = fields.value(of: "sec-websocket-accept", in: bytes)
    let isRight = Bytes.withTemporary(keyCount + acceptCount) { scratch in
      var key = Writer(scratch.prefix(keyCount))
      nonce.writeKey(into: &key)
      let accept = scratch.dropping(keyCount)
      makeAccept(key: key.written, into: accept)
      return given.equals(accept)
    }
    guard isRight else { return .bad(.wrongAccept) }
    guard fields.value(of: "sec-websocket-extensions", in: bytes).isEmpty else {
      return .bad(.unaskedExtension)
    }
    guard fields.count(of: "sec-websocket-protocol", in: bytes) == 0 else {
      return .bad(.unaskedProtocol)
    }
    return .accepted
  }

  /// `Retry-After` where it is a number of seconds; nil where it is missing or a date.
  @_noAllocation package static func retryAfterSeconds(
    _ head: HTTP.ResponseHead, in bytes: Bytes
  ) -> Int? {
    head.fields.value(of: "retry-after", in: bytes).decimal
  }
}
