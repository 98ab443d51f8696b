// The door for programs that want to hear of calls while they go: `GET /events`, as a stream of
// Server-Sent Events or as a WebSocket, of all calls or of one (`?call_id=`).

extension Requests {
  /// A request that was let in as one of operators' becomes a subscriber; what came behind it and
  /// is still to be received. Empty as well where it was refused for its query.
  mutating func subscribe(
    _ admitted: Admitted, on link: Int, _ store: Store, _ turn: inout Turn
  ) throws(Refusal) -> Bytes {
    let request = admitted.request
    guard let call = wantedCall(link, request, store, &turn) else { return .empty }
    guard !turn.subscribers.isFull, store.pool.free > store.limits.blocksOfCalls else {
      throw .tooManySubscribers
    }
    var writer = Writer(store.scratch)
    var manner = Subscriber.Manner.stream
    if case .valid(let key) = Upgrade.check(request.head, in: request.bytes) {
      manner = .socket
      Upgrade.writeAccept(
        key: key.bytes(in: request.bytes),
        subprotocol: Subprotocols.answer(to: request.head.fields, of: request.bytes),
        into: &writer)
    } else {
      Self.writeStreamHead(into: &writer)
    }
    guard store.links[link].outbox.append(writer.written, from: store.pool) else {
      throw .tooManySubscribers
    }
    Subscribers.begin(link, manner, to: call, &turn)
    let rest = manner == .socket ? request.bytes.dropping(request.head.length) : .empty
    if rest.isEmpty { store.links[link].releaseInbox(store) }
    return rest
  }

  /// It has no length, and ends with its connection. A proxy is asked not to keep it back, and a
  /// client that loses it to come again in two seconds; no empty line follows, since some clients
  /// would take that for an event without data.
  private static func writeStreamHead(into out: inout Writer) {
    let response = HTTP.Response(.ok, into: &out)
    response.beginStream("text/event-stream", into: &out)
    out.write("retry: 2000\n")
  }

  /// The call that it wants to hear of; empty: all of them. Nil: it was refused.
  private mutating func wantedCall(
    _ link: Int, _ request: Request, _ store: Store, _ turn: inout Turn
  ) -> Name? {
    var call = Name()
    var pairs = Query(request.head.query.bytes(in: request.bytes))
    while let pair = pairs.next() {
      var text = Writer(store.source)
      Query.decode(pair.value, into: &text)
      guard Query.isNamed(pair.name, "call_id"), call.isEmpty, text.count > 0 else {
        refuseParameter(
          link, pair.name, logged: Admission.shown(pair), "call_id, once, with the id of a call",
          request, store, &turn)
        return nil
      }
      call = CallerLeg.name(plain: text.written)
    }
    return call
  }
}
