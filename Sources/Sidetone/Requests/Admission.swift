// Who gets in. A request first finds its destination by path and method, then is admitted or
// refused; both before any upstream is dialled, so nobody spends the owner's keys. Everything is a
// plain decision over the request, the peer's address and the time; only the token buckets remember
// anything.
//
//     destination   path known? method right? no key in the URL?
//         │         (a webhook's body is read now)
//       admit       guarded: key, signature, address or secret, or a token that is yet to come
//                   loopback: peer, Host, no proxy, no foreign Origin
//         │
//       buckets     by key, or by address where nothing better is known
//
// What a peer sends is compared in constant time, and never written anywhere.

package enum Destination: Equatable, Sendable {
  case health, ready, stats, metrics
  /// What happens in calls, while it happens.
  case events
  /// Indices in `Config.routes`.
  case call(Int)
  case voice(Int)
  case connect(Int)

  /// The index of its route; nil for a page.
  var route: Int? {
    switch self {
    case .health, .ready, .stats, .metrics, .events: nil
    case .call(let index), .voice(let index), .connect(let index): index
    }
  }
}

/// What is known of an admitted caller.
package enum Identity: Equatable, Sendable {
  /// The index of the API key; behind those of the settings, the row of a key of LiteLLM.
  case key(Int)
  case signature, secret, network, loopback, anyone
  /// It has a key of those who run the relay.
  case attendant
  /// Nothing is known yet: the first messages must bring a call token.
  case token

  /// Whether it is known who speaks, so that free text for a model may be taken from it.
  var isKnown: Bool {
    switch self {
    case .key, .signature, .secret, .network, .loopback, .attendant: true
    case .anyone, .token: false
    }
  }
}

package final class Admission {
  let config: Config
  let routes: [PreparedRoute]
  let carriers: [PreparedCarrier]
  private let sentences: Sentences
  /// All digests of API keys, one behind the other, and of operators' keys.
  let digests: Text
  let operatorDigests: Text
  let allowedOrigins: [Text]
  /// Whether operators have a listener of their own.
  private let operatorsApart: Bool
  let origins: Origins
  /// What a LiteLLM proxy has said of keys.
  let keyChecks: KeyChecks
  var limiter: RateLimiter

  package convenience init(_ config: Config, _ prepared: Prepared, seed: UInt64) {
    self.init(config, prepared, KeyChecks(config), seed: seed)
  }

  init(_ config: Config, _ prepared: Prepared, _ keyChecks: KeyChecks, seed: UInt64) {
    self.keyChecks = keyChecks
    self.config = config
    routes = prepared.routes
    carriers = prepared.carriers
    sentences = Sentences(config, prepared)
    digests = Text(config.keyDigests.flatMap { $0 })
    operatorDigests = Text(config.operatorDigests.flatMap { $0 })
    allowedOrigins = config.allowedOrigins.map { Text($0) }
    origins = Origins(config)
    operatorsApart = config.listeners.contains(where: \.isForOperators)
    limiter = RateLimiter(
      keys: config.keyDigests.count + (keyChecks.isOn ? KeyChecks.rowsMax : 0),
      limits: config.limits, seed: seed)
  }

  // MARK: Destination

  /// Where this request wants to go. To be asked before the body is read.
  package func destination(of request: Request) throws(Refusal) -> Destination {
    guard origins.isMeant(request) else { throw .misdirected }
    guard let destination = place(of: request) else { throw .unknownPath }
    try isServedHere(destination, request)
    let head = request.head
    switch destination {
    case .health, .ready:
      guard head.method == .get || head.method == .head else { throw .wrongMethod(.page) }
      return destination
    case .stats, .metrics:
      guard head.method == .get || head.method == .head else { throw .wrongMethod(.page) }
    case .events:
      guard head.method == .get else { throw .wrongMethod(.events) }
      if request.isForSocket, case .bad(let fault) = Upgrade.check(head, in: request.bytes) {
        throw .noSocket(fault)
      }
    case .voice(let index), .connect(let index):
      try isServed(index)
      guard head.method == .get || head.method == .post else { throw .wrongMethod(.webhook) }
      if holdsKey(head.query.bytes(in: request.bytes)) { throw .keyInWebhookURL }
      // The answer must say where the stream goes.
      guard origins.back(to: request) != nil else { throw .noPublicURL }
    case .call(let index):
      try isServed(index)
      if case .bad(let fault) = Upgrade.check(head, in: request.bytes) {
        throw fault == .wrongMethod ? .wrongMethod(.socket) : .noSocket(fault)
      }
    }
    if holdsKey(head.query.bytes(in: request.bytes)) { throw .keyInURL }
    return destination
  }

  /// Where its path leads, whatever else may be wrong with it.
  package func place(of request: Request) -> Destination? {
    let path = request.head.path.bytes(in: request.bytes)
    return find(path) ?? origins.inner(path).flatMap(find)
  }

  private func find(_ path: Bytes) -> Destination? { page(path) ?? route(path) }

  private func page(_ path: Bytes) -> Destination? {
    if path.equals("/health") { return .health }
    if path.equals("/ready") { return .ready }
    if path.equals("/stats") { return .stats }
    if path.equals("/events") { return .events }
    return path.equals("/metrics") ? .metrics : nil
  }

  /// The route of this path; one slash more at the end is forgiven. A secret is part of the path.
  private func route(_ path: Bytes) -> Destination? {
    let isLong = path.count > 1 && path[path.count &- 1] == 0x2f
    let path = isLong ? path.prefix(path.count &- 1) : path
    for index in 0..<routes.count where !routes[index].isRetired {
      let wanted = routes[index].path.bytes
      let secret = routes[index].secret.bytes
      guard path.count >= wanted.count, path.prefix(wanted.count).equals(wanted) else { continue }
      let rest = path.dropping(wanted.count)
      if secret.isEmpty {
        guard rest.isEmpty else { continue }
      } else {
        guard !rest.isEmpty, rest[0] == 0x2f, Digest.areEqual(rest.dropping(1), secret) else {
          continue
        }
      }
      switch routes[index].kind {
      case .call: return .call(index)
      case .voice: return .voice(index)
      case .connect: return .connect(index)
      }
    }
    return nil
  }

  /// Where operators have a listener of their own, calls are not taken there, and what is about
  /// them is not told elsewhere; whether all is well is.
  private func isServedHere(_ destination: Destination, _ request: Request) throws(Refusal) {
    guard operatorsApart else { return }
    let isTheirs = config.listeners[request.listener].isForOperators
    switch destination {
    case .health, .ready: return
    case .stats, .metrics, .events: if !isTheirs { throw .elsewhere }
    case .call, .voice, .connect: if isTheirs { throw .elsewhere }
    }
  }

  private func isServed(_ index: Int) throws(Refusal) {
    switch routes[index].exposure {
    case .off(.unprotected): throw .unprotected
    case .guarded, .loopback, .open: return
    }
  }

  /// Whether the query holds a secret under one of the names that people give them.
  private func holdsKey(_ query: Bytes) -> Bool {
    var parts = Query(query)
    while let pair = parts.next() {
      guard !pair.value.isEmpty, pair.name.count <= 48, !pair.name.isEmpty else { continue }
      let isKey = Bytes.withTemporary(48) { scratch in
        var name = Writer(scratch)
        Query.decode(pair.name, into: &name)
        return name.written.isNameOfKey
      }
      if isKey { return true }
    }
    return false
  }

  // MARK: Admission

  /// Whether this caller may go there, and who it is. Takes from the caller's bucket, so it is
  /// asked once for each request; `isAgain`: it was, and its key has been asked about since.
  package func admit(
    _ request: Request, to destination: Destination, isAgain: Bool = false
  ) throws(Refusal) -> Identity {
    let identity: Identity
    do throws(Refusal) {
      switch destination {
      case .health, .ready: return .anyone
      case .stats, .metrics: return try admitOperator(request)
      case .events: return try admitSubscriber(request)
      case .call(let index), .voice(let index), .connect(let index):
        identity = try prove(request, routes[index].exposure, routes[index].addresses)
      }
    } catch {
      // Guessing is counted too, by address.
      if !isAgain { try count(.anyone, request) }
      throw error
    }
    try count(identity, request)
    if case .call(let index) = destination, routes[index].keyless >= 0 {
      throw .noUpstreamKey(routes[index].keyless)
    }
    return identity
  }

  // MARK: Refusing

  /// The whole response to a request that is refused. `place`: where it wanted to go; `isHead`: its
  /// method was HEAD; `detail`: what `writeDetail` says of it.
  package func write(
    _ refusal: Refusal, at place: Destination? = nil, isHead: Bool = false,
    detail: Bytes = .empty, into out: inout Writer
  ) {
    var response = HTTP.Response(refusal.status, isHead: isHead, into: &out)
    if let seconds = refusal.retryAfterSeconds {
      out.write("Retry-After: ")
      out.write(decimal: seconds)
      out.write("\r\n")
    }
    if case .wrongMethod(let methods) = refusal {
      switch methods {
      case .page: out.write("Allow: GET, HEAD\r\n")
      case .webhook: out.write("Allow: GET, POST\r\n")
      case .socket, .events: out.write("Allow: GET\r\n")
      }
    }
    response.beginBody("application/json", into: &out)
    HTTP.beginError(refusal.code, into: &out)
    writeSentence(of: refusal, at: place, into: &out)
    if !detail.isEmpty {
      out.write(" ")
      out.write(json: detail)
    }
    HTTP.endError(into: &out)
    response.end(into: &out)
  }

  /// What is wrong and how to mend it.
  package func writeSentence(
    of refusal: Refusal, at place: Destination?, into out: inout Writer
  ) {
    out.write(refusal.sentence)
    sentences.writeEnd(of: refusal, at: place, into: &out)
  }
}
