// By which addresses the outside calls this relay: those that the operator has set
// (`listen.public_url`), or, where none is, the one that the request itself names. Signatures are
// checked over them, and webhooks' answers name them. Headers of proxies count only from this
// machine and from proxies that are trusted.

/// Where a request was sent, as the parts of a URL in front of its target.
package struct Origin {
  package var host: Bytes
  /// With its colon; empty where none is named.
  package var port: Bytes
  /// What a proxy in front has before our own paths: begins with a slash, or is empty.
  package var path = Bytes.empty
  package var isSecure: Bool

  /// Whether this request's path begins with what a proxy in front has before our own.
  func leads(_ whole: Bytes) -> Bool {
    !path.isEmpty && whole.count > path.count && whole.prefix(path.count).equals(path)
      && whole[path.count] == 0x2f
  }
}

package struct Origins: Sendable {
  private struct Fixed: Sendable {
    let host: Text
    let port: Text
    let path: Text
    let isSecure: Bool

    init(_ url: String) {
      let isSecure = url.hasPrefix("https://")
      let rest = Array(url.utf8.dropFirst(isSecure ? 8 : 7))
      let slash = rest.firstIndex(of: 0x2f) ?? rest.endIndex
      let authority = rest[..<slash]
      // An IPv6 host holds colons of its own, inside brackets.
      let bracket = authority.lastIndex(of: 0x5d) ?? authority.startIndex
      let colon = authority[bracket...].lastIndex(of: 0x3a) ?? authority.endIndex
      host = Text(Array(authority[..<colon]))
      port = Text(Array(authority[colon...]))
      path = Text(Array(rest[slash...]))
      self.isSecure = isSecure
    }

    var origin: Origin {
      Origin(host: host.bytes, port: port.bytes, path: path.bytes, isSecure: isSecure)
    }
  }

  private let fixed: [Fixed]
  private let isLoopbackOnly: Bool
  private let trustedProxies: [AddressRange]
  /// Of each listener.
  private let isTLS: [Bool]

  package init(_ config: Config) {
    fixed = config.publicURLs.map(Fixed.init)
    isLoopbackOnly = config.isLoopbackOnly
    trustedProxies = config.trustedProxies
    isTLS = config.listeners.map(\.isTLS)
  }

  /// How many the operator has set; 0: a request's own counts.
  package var count: Int { fixed.count }
  package subscript(index: Int) -> Origin { fixed[index].origin }

  // MARK: What a request names

  /// The address that the request names, or nil.
  package func named(by request: Request) -> Origin? {
    let (fields, bytes) = (request.head.fields, request.bytes)
    var host = request.head.host.bytes(in: bytes)
    var isSecure: Bool?
    if isTrusted(request.peer) {
      var hosts = HTTP.Items(of: "x-forwarded-host", fields, in: bytes)
      if let first = hosts.next(), HTTP.isHost(first) { host = first }
      var schemes = HTTP.Items(of: "x-forwarded-proto", fields, in: bytes)
      if let scheme = schemes.next() {
        if scheme.equalsIgnoringCase("https") { isSecure = true }
        if scheme.equalsIgnoringCase("http") { isSecure = false }
      }
    }
    let colon = Self.portStart(of: host)
    let (name, port) = (host.prefix(colon), host.dropping(colon))
    guard !name.isEmpty else { return nil }
    return Origin(
      host: name, port: port,
      isSecure: isSecure ?? (isTLS[request.listener] || port.isEmpty && Self.isPublic(name)))
  }

  /// False: its target names a server that is not this one, as if this were a proxy. RFC 9112
  /// §3.2.2: an absolute target and `Host` say the same.
  package func isMeant(_ request: Request) -> Bool {
    let (head, bytes) = (request.head, request.bytes)
    guard head.isAbsolute else { return true }
    let authority = head.host.bytes(in: bytes)
    if let host = head.fields.place(of: "host", in: bytes) {
      guard host.bytes(in: bytes).isAlike(authority) else { return false }
    }
    if Admission.isLoopbackHost(authority) { return true }
    guard count > 0 else { return !isLoopbackOnly }
    let name = authority.prefix(Self.portStart(of: authority))
    for index in 0..<count where self[index].host.isAlike(name) { return true }
    return false
  }

  /// The address under which a webhook's caller shall come back: of several that are set the one
  /// that it has asked for; nil where none is set, nor named.
  package func back(to request: Request) -> Origin? {
    guard count > 0 else { return named(by: request) }
    if let named = named(by: request) {
      for index in 0..<count where self[index].host.isAlike(named.host) {
        return self[index]
      }
    }
    return self[0]
  }

  /// What is behind the path that a proxy in front may have left there, of several the longest;
  /// nil: it has none of these.
  package func inner(_ path: Bytes) -> Bytes? {
    var length = 0
    for index in 0..<count where self[index].leads(path) {
      length = max(length, self[index].path.count)
    }
    return length > 0 ? path.dropping(length) : nil
  }

  /// Whether this peer may say for whom it speaks.
  private func isTrusted(_ peer: Address) -> Bool {
    peer.isLoopback || trustedProxies.contains { $0.contains(peer) }
  }

  /// Where the port of `host[:port]` begins, with its colon.
  private static func portStart(of host: Bytes) -> Int {
    let bracket = host.firstIndex(of: 0x5d) ?? 0
    return host.firstIndex(of: 0x3a, from: bracket) ?? host.count
  }

  /// A name of the public net without a port reaches a plain listener only through something in
  /// front that speaks TLS: a tunnel or a proxy.
  private static func isPublic(_ name: Bytes) -> Bool {
    name[0] != 0x5b && name.firstIndex(of: 0x2e) != nil && Address(name) == nil
  }
}

extension UInt8 {
  /// ASCII's capitals as small letters; everything else as it is.
  var lowercase: UInt8 { self >= 0x41 && self <= 0x5a ? self | 0x20 : self }
}

extension Bytes {
  /// Equal but for ASCII's capitals.
  func isAlike(_ other: Bytes) -> Bool {
    guard count == other.count else { return false }
    for index in 0..<count where self[index].lowercase != other[index].lowercase { return false }
    return true
  }
}
