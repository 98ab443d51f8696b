// What an upstream says when it will not have us: its own words are kept with the call, and a
// refusal's body is waited for a moment, since it often comes behind its head.

extension UpstreamLeg {
  /// How the request for a socket was answered, while more is to come.
  enum Answer: BitwiseCopyable {
    case none
    case refused(status: Int, afterSeconds: Int)
  }

  private static let bodyWithin = Instant.Span.milliseconds(300)
  private static let bodyBytesMax = 4096

  /// Reads a refusal as far as it has come; false: the rest of its body may still come.
  mutating func readRefusal(
    _ head: HTTP.ResponseHead, in window: Bytes, on link: SlotID, _ store: Store,
    _ turn: inout Turn
  ) -> Bool {
    let rest = window.dropping(head.length)
    let body = HTTP.body(head.framing, in: rest, limit: Self.bodyBytesMax)
    var come = rest
    if case .complete(let count, _) = body { come = rest.prefix(count) }
    reason.take(
      head, in: window, body: come, kind.reasonHeaders, without: key(store), in: store.pool)
    if case .none = next.answer {
      next.answer = .refused(
        status: head.status, afterSeconds: Upgrade.retryAfterSeconds(head, in: window) ?? 0)
      if body == .needMore {
        store.links[link.index].setDeadline(turn.now + Self.bodyWithin, &turn)
      }
    }
    return body != .needMore
  }

  /// What is kept of the upstream's words: those of an error that it reports, those of its Close.
  mutating func keepWords(json text: Bytes, _ store: Store) {
    reason.take(json: text, without: key(store), in: store.pool)
  }

  mutating func keepWords(_ text: Bytes, _ store: Store) {
    reason.take(text, without: key(store), in: store.pool)
  }

  /// A text of the upstream as it may be shown, until it is released: whatever it says now, and
  /// nothing that was kept before.
  func cleaned(json text: Bytes, _ store: Store) -> Reason {
    var cleaned = Reason()
    cleaned.take(json: text, without: key(store), in: store.pool)
    return cleaned
  }

  func cleaned(_ text: Bytes, _ store: Store) -> Reason {
    var cleaned = Reason()
    cleaned.take(text, without: key(store), in: store.pool)
    return cleaned
  }

  private func key(_ store: Store) -> Bytes { prepared(store).key }
}

extension PreparedUpstream {
  /// Our key, as it stands behind its scheme.
  var key: Bytes {
    let authorization = authorization.bytes
    var start = authorization.count
    while start > 0, authorization[start &- 1] != 0x20 { start &-= 1 }
    return authorization.dropping(start)
  }
}
