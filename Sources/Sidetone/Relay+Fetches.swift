// What the driver takes and tells of the fetcher, the process that makes HTTP requests for the
// engine (Fetches says how). Each result goes to whoever asked.

extension Relay {
  /// The longest message from and to the fetcher.
  package static var fetchBytesMax: Int { Fetches.messageBytesMax }

  /// Whether there is a message for the fetcher.
  package var hasFetch: Bool { turn.fetches.hasMessage }

  /// Requests that are under way.
  package var fetchesInUse: Int { turn.fetches.count }

  /// The next message for the fetcher goes into `place`, which has `fetchBytesMax`; how many bytes
  /// it has, nil where there is none.
  package func takeFetch(into place: Bytes) -> Int? { turn.fetches.take(into: place) }

  /// A fetcher has been started.
  package func fetcherStarted() { turn.fetches.serve() }

  /// The fetcher is gone, with all that it was asked for.
  package func fetcherLost(at now: Instant) {
    turn.now = now
    turn.fetches.forsake()
    while let owner = turn.fetches.lose() { tell(owner, .failed(.lost)) }
  }

  /// One message of the fetcher. Others than those named in Fetches are of a later version, and
  /// ignored.
  package func fetcherSaid(_ message: Bytes, at now: Instant) {
    turn.now = now
    let end = message.firstIndex(of: 0x0a) ?? message.count
    var words = Words(message.prefix(end))
    let verb = words.next()
    if verb.equals("log") { return courierSaid(message, at: now) }
    if verb.equals("piece") {
      guard let id = words.number(), let owner = turn.fetches.owner(of: Fetches.ID(id)) else {
        return
      }
      return tell(owner, piece: message.dropping(min(end &+ 2, message.count)))
    }
    // One that is not under way was late, or nobody wants it any more.
    guard verb.equals("answer") || verb.equals("failed"), let id = words.number(),
      let owner = turn.fetches.finish(Fetches.ID(id))
    else { return }
    if verb.equals("answer"), let status = words.number() {
      let body = message.dropping(min(end &+ 2, message.count))
      tell(owner, .answered(status: status, body: body, isCut: words.next().equals("cut")))
    } else {
      let word = words.next()
      let failure = FetchFailure.allCases.first { word.equals($0.word) }
      tell(owner, .failed(failure ?? .broken))
    }
  }

  /// Requests that were not answered in time.
  func expireFetches() {
    while let owner = turn.fetches.expire(at: turn.now) { tell(owner, .failed(.late)) }
  }

  /// The word on a key has come: all who waited for it are judged anew.
  private func keyWasChecked(_ row: Int, _ result: FetchResult) {
    let checks = callers.requests.keyChecks
    checks.answered(row, result, &turn)
    while let link = checks.takeWaiting(row) { receivedAgain(on: link) }
    checks.settle(row)
  }

  /// What the request of this connection waited for has come: it is judged anew.
  private func receivedAgain(on link: SlotID) {
    guard store.links.holds(link), store.links[link.index].phase == .request else { return }
    _ = store.links[link.index].room(store)
    let window = store.links[link.index].window(fresh: 0, store)
    receivedRequest(window, on: link.index, isAgain: true)
  }

  /// More of an answer has come that is not over.
  private func tell(_ owner: Fetches.Owner, piece: Bytes) {
    switch owner {
    // They ask for whole answers.
    case .key, .function: turn.note(.messageIgnored)
    case .chat(let call): calls.chatSaid(call, piece, store, &turn)
    }
  }

  private func tell(_ owner: Fetches.Owner, _ result: FetchResult) {
    switch owner {
    case .key(let row): keyWasChecked(row, result)
    case .function(let call, let place):
      calls.functionAnswered(call, place, result, store, &turn)
    case .chat(let call): calls.chatAnswered(call, result, store, &turn)
    }
  }
}
