// When a session is left whose end is known.

extension UpstreamLeg {
  /// When a session is to be left whose end is known: from when on a quiet moment is good enough,
  /// and until when it must have been done, whatever is being said.
  package struct Leaving: BitwiseCopyable, Sendable {
    package private(set) var from = Instant.never
    package private(set) var until = Instant.never
    private var attempts = 0

    static let never = Leaving()
    /// So long before its end the session is left at the latest.
    private static let early = Instant.Span.seconds(1)
    /// So long before that the next one is opened at the latest.
    private static let opening = Instant.Span.seconds(3)
    /// So long before its end a quiet moment is looked for, where nobody asks for haste.
    private static let lookFor = Instant.Span.seconds(120)

    init() {}

    /// The upstream says that the session ends in so long. Where the next one could not be had it
    /// is not tried sooner for that.
    mutating func told(within span: Instant.Span, at now: Instant) {
      if attempts == 0 { from = now }
      until = max(now, now + (span - Self.early))
    }

    /// Sessions of this upstream last so long and no longer.
    init(after span: Instant.Span, at now: Instant) {
      guard span != .never else { return }
      until = now + (span - Self.early)
      from = until + (Instant.Span.zero - Self.lookFor)
    }

    var isSet: Bool { until != .never }
    /// When the next step is due, where `quiet` is when a quiet moment comes: to open the next one,
    /// or to have it take over; `never` while it is under way.
    func time(quiet: Instant, _ next: Opening) -> Instant {
      if next.isReady { return min(quiet, until) }
      if next.isThere { return .never }
      return max(from, min(quiet, until + (Instant.Span.zero - Self.opening)))
    }

    mutating func postpone(at now: Instant) {
      attempts &+= 1
      from = now + .milliseconds(500 << min(attempts, 4))
    }
  }
}

extension UpstreamLeg.Leaving {
  /// A session whose end is known is left when nobody speaks and nothing is owed, or when there is
  /// no time left: the next one is opened beside it, and takes over at such a moment.
  static func changeSession(in call: inout Call, _ store: Store, _ turn: inout Turn) {
    guard call.upstream.leaving.isSet else { return }
    call.conversation.retire(&call.record, at: turn.now)
    guard
      call.upstream.leaving.time(quiet: call.isIdle ? .zero : .never, call.upstream.next)
        <= turn.now
    else {
      return
    }
    switch call.state.state {
    case .talking: call.perform(call.state.changeDue(), store, &turn)
    case .changing: call.takeOver(store, &turn)
    case .arriving, .dialling, .resting, .closing, .over: break
    }
  }

  /// The session went before the next one stood. Where too many went like that in a row, the next
  /// one is one too many: sessions that end as soon as they stand would be followed without end.
  static func sessionLost(
    _ loss: UpstreamLeg.Loss, in call: inout Call, _ store: Store, _ turn: inout Turn
  ) {
    guard call.state.state == .changing, call.state.isOutOfAttempts(after: loss) else { return }
    call.upstream.leaveNext(store, &turn)
    call.state.changeGivenUp()
  }
}
