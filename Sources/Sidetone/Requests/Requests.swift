// The door. Every connection begins here as HTTP; a call leaves as a WebSocket, everybody else with
// one answer. All that can be refused is refused here, in plain HTTP, before any upstream is
// dialled. What a request asks of the calls is for Callers to do.

package struct Requests {
  private(set) var config: Config
  let startedAt: Instant
  private(set) var pages: Pages
  private(set) var voice: VoiceWebhook
  private(set) var connect: Connect
  private var admission: Admission
  let keyChecks: KeyChecks
  private let seed: UInt64
  /// What webhooks have promised to callers who have not come yet.
  var tokens = CallTokens(capacity: Limits.tokensMax)
  /// How they travel, where other processes take them as well.
  var sealedTokens: SealedTokens?
  private var refusalLines = LineLimit()
  /// What is said of one refused request: what it got wrong, and all that the log says of it.
  private let details = Buffer(count: 2048)
  private let words = Buffer(count: 4096)
  /// Models that were asked for and had ended; bounded, since anybody can name one.
  private var replaced: [Name] = []
  /// What the log has taught already, a bit for each lesson: first of the pages, then of each
  /// route, last of live events, since each is opened by lines of its own.
  private var taught: [UInt32]

  init(_ config: Config, _ prepared: Prepared, seed: UInt64, at now: Instant) {
    self.config = config
    startedAt = now
    self.seed = seed
    keyChecks = KeyChecks(config)
    admission = Admission(config, prepared, keyChecks, seed: seed)
    pages = Pages(service: config.service)
    voice = VoiceWebhook(config, prepared)
    connect = Connect(config, prepared)
    sealedTokens = SealedTokens(config)
    taught = Array(repeating: 0, count: prepared.routes.count + 2)
  }

  /// Other settings count for every request that is not whole yet. The tokens of calls to come stay
  /// good; who was counted is counted anew, and the log teaches again what it has taught.
  mutating func follow(_ next: Successor) {
    config = next.config
    keyChecks.follow(config)
    admission = Admission(config, next.prepared, keyChecks, seed: seed)
    pages = Pages(service: config.service)
    voice = VoiceWebhook(config, next.prepared)
    connect = Connect(config, next.prepared)
    sealedTokens = SealedTokens(config, after: sealedTokens)
    taught = Array(repeating: 0, count: next.prepared.routes.count + 2)
  }

  /// A whole request that may go on to where it wants.
  struct Admitted {
    var destination: Destination
    var request: Request
    var identity: Identity
    var isHead: Bool { request.head.method == .head }
  }

  /// A request's bytes so far: its head, then, for a webhook, its body. Nil: it is not whole yet,
  /// or it was refused, or its key is asked about. `isAgain`: it was.
  mutating func received(
    _ window: Bytes, on link: Int, isAgain: Bool = false, _ store: Store, _ turn: inout Turn
  ) -> Admitted? {
    let head: HTTP.RequestHead
    switch HTTP.parseRequest(window, limit: store.limits.headBytesMax) {
    case .needMore:
      waitForMore(of: window, on: link, store, &turn)
      return nil
    case .bad(let fault):
      refuse(link, .malformed(fault), store, &turn)
      return nil
    case .complete(let whole): head = whole
    }
    var request = Request(
      head: head, bytes: window, listener: store.links[link].listener,
      peer: store.links[link].peer, now: turn.now, wall: turn.log.wall(at: turn.now))
    do throws(Refusal) {
      let destination = try admission.destination(of: request)
      let rest = window.dropping(head.length)
      switch HTTP.body(head.framing, in: rest, limit: store.limits.bodyBytesMax) {
      case .needMore:
        waitForMore(of: window, on: link, store, &turn)
        return nil
      case .bad(let fault): throw .malformed(fault)
      case .complete(let count, _): request.body = rest.prefix(count)
      }
      // More of one that waits changes nothing.
      let isKnown = isAgain || keyChecks.isWaiting(store.links[link].id)
      if !isKnown { turn.note(.request) }
      let identity = try admission.admit(request, to: destination, isAgain: isKnown)
      return Admitted(destination: destination, request: request, identity: identity)
    } catch {
      if error == .keyUnchecked, ask(about: request, on: link, store, &turn) { return nil }
      refuse(link, error == .keyUnchecked ? .keyUnjudged : error, of: request, store, &turn)
      return nil
    }
  }

  /// Its key is asked about; it waits where it is. False: that cannot be.
  private mutating func ask(
    about request: Request, on link: Int, _ store: Store, _ turn: inout Turn
  ) -> Bool {
    guard let key = admission.keyToCheck(request) else { return false }
    let isAsked = Bytes.withTemporary(Digest.sha256Bytes) { digest in
      Digest.sha256(key, into: digest)
      return keyChecks.ask(about: key, digest, for: store.links[link].id, &turn)
    }
    if isAsked { waitForMore(of: request.bytes, on: link, store, &turn) }
    return isAsked
  }

  private mutating func waitForMore(
    of window: Bytes, on link: Int, _ store: Store, _ turn: inout Turn
  ) {
    turn.guests.spoke(link)
    guard store.links[link].keepHead(of: window, store) else {
      return refuse(link, .full, store, &turn)
    }
    // The first byte is there; the rest has its time too, however slowly it comes.
    store.links[link].setDeadline(
      turn.guests.since(link)
        + .seconds(
          store.limits.firstByteSeconds + store.limits.handshakeSeconds), &turn)
  }

  /// It was not whole in time.
  mutating func refuseLate(_ link: Int, _ store: Store, _ turn: inout Turn) {
    let hasBegun = store.links[link].inbox.count > 0
    refuse(link, hasBegun ? .timedOut : .silent, store, &turn)
  }

  /// It gives way to a newcomer, and learns why as far as it can be told: in the middle of a TLS
  /// handshake it cannot.
  mutating func displace(
    _ link: Int, _ why: Guests.Crowd, _ store: Store, _ turn: inout Turn
  ) {
    guard store.links[link].phase == .handshake else {
      return refuse(link, .crowded(why), store, &turn)
    }
    tellDisplaced(link, why, store, &turn)
    store.links[link].leave(store, &turn)
  }

  /// Says why somebody gives way.
  mutating func tellDisplaced(
    _ link: Int, _ why: Guests.Crowd, _ store: Store, _ turn: inout Turn
  ) {
    log(link, .crowded(why), nil, detail: .empty, store, &turn)
  }

  // MARK: Answers

  /// `request`: the one that is refused, as far as it was understood.
  mutating func refuse(
    _ link: Int, _ refusal: Refusal, of request: Request? = nil, _ store: Store,
    _ turn: inout Turn
  ) {
    var detail = Writer(details.bytes)
    if let request { admission.writeDetail(of: refusal, request, into: &detail) }
    log(link, refusal, request, detail: detail.written, store, &turn)
    let place = request.flatMap(admission.place)
    answer(link, store, &turn) {
      admission.write(
        refusal, at: place, isHead: request?.head.method == .head, detail: detail.written,
        into: &$0)
    }
  }

  /// What an operator has to mend is said in full once, as a warning; everything else in short.
  private mutating func log(
    _ link: Int, _ refusal: Refusal, _ request: Request?, detail: Bytes, _ store: Store,
    _ turn: inout Turn
  ) {
    let withheld = refusalLines.take(at: turn.now)
    let bit = refusal.lesson.map { UInt32(1) << $0.rawValue } ?? 0
    let destination = request.flatMap(admission.place)
    let row = destination == .events ? taught.count - 1 : destination?.route.map { $0 + 1 } ?? 0
    // A line that is withheld teaches nobody.
    let isNew = withheld != nil && bit & ~taught[row] != 0
    if isNew { taught[row] |= bit }
    var words = Writer(self.words.bytes)
    if isNew { admission.writeSentence(of: refusal, at: destination, into: &words) }
    if isNew, !detail.isEmpty { words.write(" ") }
    words.write(detail)
    note(
      link, refusal.code, request, words: words.written, isWarning: isNew, withheld: withheld,
      store, &turn)
  }

  /// All that is said of what a caller of this route asks for and cannot have. Valid until the
  /// next refusal.
  func sentence(of refusal: Refusal, onRoute route: Int) -> Bytes {
    var out = Writer(words.bytes)
    admission.writeSentence(of: refusal, at: .call(route), into: &out)
    return out.written
  }

  /// `withheld`: what `refusalLines` says.
  private func note(
    _ link: Int, _ code: StaticString, _ request: Request?, words: Bytes,
    isWarning: Bool = false, withheld: Int?, _ store: Store, _ turn: inout Turn
  ) {
    Bytes.withTemporary(Self.pathBytes) { place in
      var path = Writer(place)
      if let request { admission.writePath(of: request, into: &path) }
      let refused = Event.Refused(
        code: code, peer: store.links[link].peer, path: path.written, words: words,
        isWarning: isWarning, withheld: withheld)
      turn.note(.relay(.refused(refused)), of: nil)
    }
  }

  private static let pathBytes = 192

  /// One answer, and the connection is done.
  func answer(
    _ link: Int, _ store: Store, _ turn: inout Turn, _ write: (inout Writer) -> Void
  ) {
    var writer = Writer(store.scratch)
    write(&writer)
    if writer.overflowed {
      // Only what the operator configured can be so long.
      writer = Writer(store.scratch)
      HTTP.writeError(
        .internalError, "The settings that this answer is made from are too long for it.",
        into: &writer)
    }
    send(link, writer.written, store, &turn)
  }

  func send(_ link: Int, _ response: Bytes, _ store: Store, _ turn: inout Turn) {
    guard store.links[link].outbox.append(response, from: store.pool) else {
      return store.links[link].reset(&turn)
    }
    store.links[link].leave(store, &turn)
  }

  /// A model that was asked for and has ended was replaced: said once for each name.
  mutating func tellReplaced(_ choice: Choice, _ store: Store, _ turn: inout Turn) {
    guard let (model, replacement) = choice.replaced, replaced.count < Self.replacedMax else {
      return
    }
    for name in replaced where name == model { return }
    replaced.append(model)
    turn.note(
      .relay(
        .modelReplaced(
          model, by: replacement, upstream: store.prepared.upstreams[choice.upstream].name.bytes)),
      of: nil)
  }

  private static let replacedMax = 32

  // MARK: Calls

  /// What a carrier without a start message says in its query; nil where the request was refused
  /// for it.
  mutating func opening(
    _ link: Int, _ route: PreparedRoute, _ request: Request, _ store: Store, _ turn: inout Turn
  ) -> (name: Name, format: Format)? {
    guard let row = route.carriers.first(where: { Carrier.all[$0].open != nil }),
      let open = Carrier.all[row].open
    else { return (Name(), .mulaw8k) }
    let query = request.head.query.bytes(in: request.bytes)
    switch open(query) {
    case .refused(let parameter, let allowed):
      let name = parameter.bytes
      refuseParameter(link, name, logged: name, allowed, request, store, &turn)
      return nil
    case .start(let name, let format):
      let kind = Upstream.all[store.prepared.upstreams[route.upstream].kind]
      var pairs = Query(query)
      while let pair = pairs.next() {
        // What is chosen of a voice model is judged when the call starts, also from whom it comes.
        let isServed =
          kind.voice == nil ? kind.allows(pair.name) : Connect.isChoice(pair.name)
        if kind.isDialled, !Carrier.isRawParameter(pair.name), !isServed {
          refuseParameter(
            link, pair.name, logged: Admission.shown(pair), kind.allowed, request, store, &turn)
          return nil
        }
      }
      return (name, format)
    }
  }

  private static let parameterShown = 64

  mutating func refuseParameter(
    _ link: Int, _ name: Bytes, logged: Bytes, _ allowed: StaticString, _ request: Request,
    _ store: Store, _ turn: inout Turn
  ) {
    note(
      link, "bad_parameter", request, words: logged, withheld: refusalLines.take(at: turn.now),
      store, &turn)
    let shown = name.prefix(min(name.count, Self.parameterShown))
    answer(link, store, &turn) {
      var response = HTTP.Response(.badRequest, into: &$0)
      response.beginBody("application/json", into: &$0)
      HTTP.beginError("bad_parameter", into: &$0)
      $0.write(json: "The parameter ")
      $0.write(json: shown)
      $0.write(json: " cannot be served. Allowed: ")
      $0.write(json: allowed)
      $0.write("\",\"parameter\":\"")
      $0.write(json: shown)
      $0.write("\",\"allowed\":\"")
      $0.write(json: allowed)
      HTTP.endError(into: &$0)
      response.end(into: &$0)
    }
  }

  /// The route's upstream takes no call now: the caller is told when to come again.
  mutating func refuse(
    _ link: Int, _ refusal: Availability.Refusal, _ request: Request, _ store: Store,
    _ turn: inout Turn
  ) {
    note(
      link, "upstream_unavailable", request, words: refusal.sentence.bytes,
      withheld: refusalLines.take(at: turn.now), store, &turn)
    var seconds = 1
    if case .refused(let until, _) = refusal {
      seconds = max(1, (until - turn.now).milliseconds / 1000)
    }
    answer(link, store, &turn) {
      var response = HTTP.Response(.unavailable, into: &$0)
      $0.write("Retry-After: ")
      $0.write(decimal: seconds)
      $0.write("\r\n")
      response.beginBody("application/json", into: &$0)
      HTTP.beginError("upstream_unavailable", into: &$0)
      $0.write(json: refusal.sentence)
      HTTP.endError(into: &$0)
      response.end(into: &$0)
    }
  }
}

extension Availability.Refusal {
  /// Why a call ends for it.
  var cause: Cause {
    switch self {
    case .sessions, .twoWayCalls: .upstreamBusy
    case .refused(_, let cause): cause
    }
  }

  var sentence: StaticString {
    switch self {
    case .sessions:
      """
      The upstream has as many sessions as its sessions_max (SIDETONE_UPSTREAMS_NAME_SESSIONS_MAX) \
      allows.
      """
    case .twoWayCalls:
      """
      There are as many two-way calls as limits.two_way_calls_max \
      (SIDETONE_LIMITS_TWO_WAY_CALLS_MAX) allows.
      """
    case .refused(_, let cause): cause.sentence
    }
  }
}
