// How an upstream fares, for `/ready` and for refusing calls that would only fail.

struct UpstreamHealth: BitwiseCopyable, Sendable {
  /// Calls that have, or will want, a session.
  var calls = 0
  /// Of these, how many were dialled ahead for callers who have not come yet.
  var ahead = 0
  var failures = 0
  /// New calls are refused until then.
  var refusedUntil = Instant.zero
  /// It has failed several times in a row: not ready, though a call may still try.
  var failingUntil = Instant.zero
  var cause = Cause.none

  private static let failuresMax = 3

  mutating func opened() {
    failures = 0
    failingUntil = .zero
    refusedUntil = .zero
    cause = .none
  }

  /// A refusal that another attempt cannot mend, or the limit of sessions, holds new calls back for
  /// a moment: nobody is helped by knocking harder.
  mutating func failed(_ verdict: Upstream.Verdict, at now: Instant) {
    failures += 1
    cause = verdict.cause
    if failures >= Self.failuresMax { failingUntil = now + .seconds(15) }
    let isOurs = !verdict.retry || verdict.cause == .upstreamBusy
    if isOurs, verdict.cause != .upstreamRefused {
      refusedUntil = now + .seconds(min(1 << min(failures - 1, 5), 30))
    }
  }
}
