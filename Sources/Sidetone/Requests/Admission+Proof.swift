// How a caller proves itself: by a key, by the carrier's signature, by its address, or by coming
// straight from this machine. What a peer shows is compared in constant time and never written
// anywhere.

extension Admission {
  func count(_ identity: Identity, _ request: Request) throws(Refusal) {
    let wait: Instant.Span?
    switch identity {
    case .key(let index): wait = limiter.take(key: index, at: request.now)
    case .loopback, .anyone, .token: wait = limiter.take(address: client(request), at: request.now)
    // What a carrier has signed can be sent again by whoever has seen it.
    case .signature where !request.isForSocket:
      wait = limiter.take(account: TwiML.account(of: request), at: request.now)
    // Carriers and vendors share few addresses; the cap on calls bounds them.
    case .signature, .secret, .network, .attendant: wait = nil
    }
    guard let wait else { return }
    throw .tooOften(seconds: max(1, Int((wait.nanoseconds + 999_999_999) / 1_000_000_000)))
  }

  /// To pages about calls: by a key of operators where there is one, else as callers prove
  /// themselves.
  func admitOperator(_ request: Request) throws(Refusal) -> Identity {
    if !config.operatorDigests.isEmpty { return try proveOperator(request) }
    if config.wantsKeys { return try prove(request, .guarded(.keys)) }
    guard config.listeners[request.listener].isLoopback else { throw .foreignPeer }
    return try prove(request, .loopback)
  }

  /// To what is said in calls: by a key of operators and never by one of callers, who would hear
  /// each other; where there is none, straight from this machine only.
  func admitSubscriber(_ request: Request) throws(Refusal) -> Identity {
    if !config.operatorDigests.isEmpty { return try proveOperator(request) }
    guard config.listeners[request.listener].isLoopback else { throw .foreignPeer }
    return try proveLocal(request)
  }

  private func proveOperator(_ request: Request) throws(Refusal) -> Identity {
    switch shownKey(request, among: operatorDigests) {
    case .key: return .attendant
    case .nothing: throw .noOperatorKey
    case .wrongKey: throw .wrongOperatorKey
    case .wrongScheme: throw .wrongScheme
    }
  }

  func prove(
    _ request: Request, _ exposure: Exposure, _ addresses: [AddressRange] = []
  ) throws(Refusal) -> Identity {
    switch exposure {
    case .open: return .anyone
    case .off(.unprotected): throw .unprotected
    case .loopback: return try proveLocal(request)
    case .guarded(let means):
      if means.contains(.addresses) {
        guard contains(addresses, client(request)) else { throw .foreignAddress }
        return .network
      }
      // The path was found by it.
      if means.contains(.secret) { return .secret }
      return try proveIdentity(request, means)
    }
  }

  /// By key or signature: one that fits is enough; otherwise what was shown is what was wrong.
  private func proveIdentity(_ request: Request, _ means: Means) throws(Refusal) -> Identity {
    var refusal = Refusal.noProof(means)
    for index in carriers.indices where means.contains(.signature(of: index)) {
      switch judge(request, by: index) {
      case nil: continue
      case .good: return .signature
      case .stale: refusal = .staleSignature(carrier: index)
      case .misaddressed(let isSecure):
        refusal = .misaddressedSignature(carrier: index, isSecure: isSecure)
      case .wrong: refusal = .wrongSignature(carrier: index)
      }
    }
    if means.contains(.keys) {
      let shown = shownKey(request, among: digests)
      switch shown {
      case .nothing: break
      case .key(let index): return .key(index)
      case .wrongKey, .wrongScheme:
        if let index = try checkedKey(request) { return .key(index) }
        refusal = shown == .wrongKey ? .wrongKey : .wrongScheme
      }
    }
    // What was shown must fit; whoever shows nothing may still have a token.
    if means.contains(.token), refusal == .noProof(means) { return .token }
    throw refusal
  }

  /// What the signature of this carrier is worth; nil: the request shows none.
  private func judge(_ request: Request, by carrier: Int) -> Carrier.Signature.Verdict? {
    guard let signature = Carrier.all[carrier].signature, let keys = carriers[carrier].signatures,
      request.head.fields.place(of: signature.header, in: request.bytes) != nil
    else { return nil }
    return signature.judge(request, keys)
  }

  // MARK: Addresses

  /// Open to this machine: nothing may suggest that somebody else speaks through it.
  private func proveLocal(_ request: Request) throws(Refusal) -> Identity {
    let fields = request.head.fields
    guard request.peer.isLoopback else { throw .foreignPeer }
    if fields.hasName(beginning: "x-forwarded-", in: request.bytes)
      || fields.place(of: "forwarded", in: request.bytes) != nil
      || fields.place(of: "x-real-ip", in: request.bytes) != nil
      || fields.place(of: "via", in: request.bytes) != nil
    {
      throw .forwarded
    }
    let host = request.head.host.bytes(in: request.bytes)
    guard Address.isLoopbackHost(host) else { throw .foreignHost }
    var at = 0
    while let field = fields.next(&at, in: request.bytes) {
      guard field.name.bytes(in: request.bytes).equalsIgnoringCase("origin") else { continue }
      let origin = field.value.bytes(in: request.bytes)
      guard isAllowed(origin) || Self.isOwn(origin, host) else { throw .foreignOrigin }
    }
    return .loopback
  }

  private func isAllowed(_ origin: Bytes) -> Bool {
    for index in 0..<allowedOrigins.count where allowedOrigins[index].bytes.equals(origin) {
      return true
    }
    return false
  }

  /// Whether a page's origin is this relay itself, as client libraries invent it: a name of this
  /// machine and the port that was asked. Only we serve pages there.
  private static func isOwn(_ origin: Bytes, _ host: Bytes) -> Bool {
    guard let slashes = origin.firstIndex(of: 0x3a), origin.dropping(slashes).starts(with: "://")
    else { return false }
    let scheme = origin.prefix(slashes)
    guard scheme.equals("http") || scheme.equals("https") else { return false }
    let authority = origin.dropping(slashes &+ 3)
    return Address.isLoopbackHost(authority) && port(of: authority).equals(port(of: host))
  }

  private static func port(of host: Bytes) -> Bytes {
    let bracket = host.firstIndex(of: 0x5d) ?? 0
    return host.dropping(host.firstIndex(of: 0x3a, from: bracket) ?? host.count)
  }

  /// The caller's address: the peer's, or, where the peer is a proxy that we trust, the last one in
  /// `X-Forwarded-For` that is no such proxy. What stands before it could be anybody's invention,
  /// so an entry that is no address hides those before it: the caller is then unknown.
  private func client(_ request: Request) -> Address {
    guard contains(config.trustedProxies, request.peer) else { return request.peer }
    var client = request.peer
    var items = HTTP.Items(of: "x-forwarded-for", request.head.fields, in: request.bytes)
    while let item = items.next() {
      let address = Self.forwarded(item) ?? .none
      if !contains(config.trustedProxies, address) { client = address }
    }
    return client
  }

  /// An address, perhaps with a port behind it, as some proxies write.
  private static func forwarded(_ text: Bytes) -> Address? {
    if let address = Address(text) { return address }
    guard !text.isEmpty else { return nil }
    if text[0] == 0x5b {
      guard let end = text.firstIndex(of: 0x5d) else { return nil }
      return Address(text[1..<end])
    }
    guard let colon = text.firstIndex(of: 0x3a) else { return nil }
    return Address(text.prefix(colon))
  }

  private func contains(_ ranges: [AddressRange], _ address: Address) -> Bool {
    for index in 0..<ranges.count where ranges[index].contains(address) { return true }
    return false
  }
}
