// A session that is gone, or did not come to be: what is known of it, and what is said of that.

extension UpstreamLeg {
  /// A session is gone, or did not come to be.
  package struct Loss {
    package enum Which: BitwiseCopyable, Sendable { case session, next }
    var which: Which
    var verdict: Upstream.Verdict
    /// Another attempt has to wait so long at least.
    var pause: Instant.Span
    var life: Life
    /// The next one will begin anew where this one was to be resumed.
    var isHandleDropped: Bool
    /// By it the next attempt is later than it could be.
    package var chance: UInt8 = 0

    package init(
      _ which: Which, _ verdict: Upstream.Verdict, pause: Instant.Span = .zero,
      life: Life = .none, isHandleDropped: Bool = false
    ) {
      self.which = which
      self.verdict = verdict
      self.pause = pause
      self.life = life
      self.isHandleDropped = isHandleDropped
    }

    /// The relay has no connection left for it.
    static var noLink: Loss {
      Loss(
        .next,
        Upstream.Verdict(
          retry: true, cause: .noMemory, code: "no_memory",
          sentence: "the relay has no connection left"))
    }
  }

  /// How far a session came.
  package enum Life: Int, BitwiseCopyable, Sendable, Comparable {
    /// It never stood, or for a moment only, and nothing came of it.
    case none
    /// It heard or said something, or it stood for a moment.
    case worked
    /// It did, and for a while; or it stood for long.
    case lived

    package static func < (a: Life, b: Life) -> Bool { a.rawValue < b.rawValue }
  }
}

extension UpstreamLeg.Loss {
  /// Says what the call does about it.
  func noteWhatFollows(
    _ action: CallState.Action, _ state: CallState, from upstream: Bytes,
    of call: CallIdentity, _ turn: inout Turn
  ) {
    switch action {
    case .rest:
      turn.note(.redial)
      let pause = (state.wakeTime - turn.now).milliseconds
      turn.note(
        .upstream(
          .triedAgain(
            upstream, milliseconds: pause, attempt: state.attempts, of: state.attemptsMax)),
        of: call)
    case .play, .end: turn.note(.upstream(.givenUp(upstream, verdict.sentence)), of: call.name)
    case .nothing, .dial, .flow, .finish: break
    }
  }
}
