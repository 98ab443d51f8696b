// May this upstream take a call? Asked here and nowhere else, by whoever is about to give it one: a
// request, a webhook that dials ahead, a caller who chooses among several, and `/ready`. The book
// of who has a session, or will want one, is kept here too: `reserve` and `release` are its only
// ways in and out.

package struct Availability {
  /// Why an upstream takes no call now.
  package enum Refusal: Error, Equatable {
    /// It has as many sessions as it may.
    case sessions
    /// There are as many two-way calls as the relay has memory for.
    case twoWayCalls
    /// It has just refused: not before then, and why.
    case refused(until: Instant, Cause)
  }

  private struct Entry {
    let isTwoWay: Bool
    let sessionsMax: Int
    /// The first place that has, or had, an upstream of the same name: what it may have in all is
    /// shared with calls that began under earlier settings.
    var family: Int
    /// Calls that have, or will want, a session.
    var calls = 0
    /// Of these, how many were dialled ahead for callers who have not come yet.
    var announced = 0
    var failures = 0
    /// New calls are refused until then.
    var refusedUntil = Instant.zero
    var redialDue = Instant.zero
    var lastInLine = Int32(-1)
    /// It has failed several times in a row: not ready, though a call may still try.
    var failingUntil = Instant.zero
    var cause = Cause.none
  }

  private static let failuresMax = 3
  private static let failingFor = Instant.Span.seconds(15)
  private static let refusedSecondsMax = 30

  private var entries: [Entry]
  let twoWayCallsMax: Int
  private var redialPause: Instant.Span

  /// Of each upstream: whether it talks back, and how many sessions it may have.
  init(
    _ upstreams: [(isTwoWay: Bool, sessionsMax: Int)], twoWayCallsMax: Int,
    redialsPerSecondMax: Int
  ) {
    entries = upstreams.enumerated().map {
      Entry(isTwoWay: $1.isTwoWay, sessionsMax: $1.sessionsMax, family: $0)
    }
    self.twoWayCallsMax = twoWayCallsMax
    redialPause = Self.pause(redialsPerSecondMax)
  }

  private static func pause(_ redialsPerSecondMax: Int) -> Instant.Span {
    .microseconds(1_000_000 / max(redialsPerSecondMax, 1))
  }

  /// Other upstreams from now on. Nothing is known of those that are not kept; `family` as in an
  /// entry.
  mutating func follow(
    _ upstreams: [(isTwoWay: Bool, sessionsMax: Int, isKept: Bool, family: Int)],
    redialsPerSecondMax: Int
  ) {
    entries = upstreams.enumerated().map { place, upstream in
      var entry =
        upstream.isKept
        ? entries[place]
        : Entry(isTwoWay: upstream.isTwoWay, sessionsMax: upstream.sessionsMax, family: place)
      entry.family = upstream.family
      return entry
    }
    redialPause = Self.pause(redialsPerSecondMax)
  }

  /// Calls on upstreams of this one's name, whichever settings they began with.
  private func calls(like upstream: Int) -> Int {
    var calls = 0
    for entry in entries where entry.family == entries[upstream].family { calls &+= entry.calls }
    return calls
  }

  // MARK: The question

  /// Why this upstream takes no call now; nil: it does. `holding`: the upstream on which the asker
  /// has a place already. `isExpected`: the asker may be one for whom a session was dialled ahead.
  func refusal(
    of upstream: Int, holding held: Int? = nil, isExpected: Bool = false, at now: Instant
  ) -> Refusal? {
    let entry = entries[upstream]
    var others = calls(like: upstream)
    if held == upstream { others &-= 1 }
    if isExpected { others &-= entry.announced }
    if others >= entry.sessionsMax { return .sessions }
    if entry.isTwoWay {
      let own = held.map { entries[$0].isTwoWay ? 1 : 0 } ?? 0
      if twoWayCalls(announced: !isExpected) &- own >= twoWayCallsMax { return .twoWayCalls }
    }
    // Who has a place on it was let in before it refused.
    if held != upstream, now < entry.refusedUntil {
      return .refused(until: entry.refusedUntil, entry.cause)
    }
    return nil
  }

  /// Whether another session may be opened ahead of a caller: the last quarter of the places is for
  /// callers who are there.
  func hasRoomAhead(_ upstream: Int) -> Bool {
    let entry = entries[upstream]
    // There may be as many sessions as numbers go.
    guard calls(like: upstream) < entry.sessionsMax &- entry.sessionsMax / 4 else { return false }
    return !entry.isTwoWay || twoWayCalls() < twoWayCallsMax &- twoWayCallsMax / 4
  }

  /// Whether a place less on `other` would make one on `upstream`, where that was refused so.
  func isInTheWay(_ other: Int, of upstream: Int, _ refusal: Refusal) -> Bool {
    switch refusal {
    case .sessions: other == upstream
    case .twoWayCalls: entries[other].isTwoWay
    case .refused: false
    }
  }

  /// Whether it does well, as far as anybody has tried.
  func isWell(_ upstream: Int, at now: Instant) -> Bool {
    entries[upstream].refusedUntil <= now && entries[upstream].failingUntil <= now
  }

  /// How many more sessions it may have, whatever else it depends on: none while it does badly.
  func sessionsFree(_ upstream: Int, at now: Instant) -> Int {
    isWell(upstream, at: now) ? max(0, entries[upstream].sessionsMax &- calls(like: upstream)) : 0
  }

  /// How many more two-way calls there is memory for.
  var twoWayFree: Int { max(0, twoWayCallsMax &- twoWayCalls()) }

  /// Places that two-way calls have, with or without those of callers who have not come yet.
  private func twoWayCalls(announced: Bool = true) -> Int {
    var calls = 0
    for entry in entries where entry.isTwoWay {
      calls &+= announced ? entry.calls : entry.calls &- entry.announced
    }
    return calls
  }

  // MARK: The book

  /// A call has a place on it.
  mutating func reserve(_ upstream: Int) { entries[upstream].calls &+= 1 }

  /// That call's caller is still to come.
  mutating func announce(_ upstream: Int) { entries[upstream].announced &+= 1 }

  mutating func release(_ upstream: Int, isAnnounced: Bool = false) {
    entries[upstream].calls &-= 1
    if isAnnounced { entries[upstream].announced &-= 1 }
    precondition(entries[upstream].calls >= 0 && entries[upstream].announced >= 0)
  }

  /// A call goes from one upstream to another.
  mutating func move(_ upstream: Int, _ other: Int, isAnnounced: Bool) {
    release(upstream, isAnnounced: isAnnounced)
    reserve(other)
    if isAnnounced { announce(other) }
  }

  /// The caller of a call that was dialled ahead has come.
  mutating func arrived(_ upstream: Int) {
    entries[upstream].announced &-= 1
    precondition(entries[upstream].announced >= 0)
  }

  // MARK: One after the other

  /// When the next of those that dial one after the other may (DialLine).
  func redialDue(_ upstream: Int) -> Instant { entries[upstream].redialDue }

  /// One has, at that moment.
  mutating func redialled(_ upstream: Int, at time: Instant) {
    entries[upstream].redialDue = time + redialPause
  }

  /// The last of those who wait; -1: nobody does.
  func lastInLine(_ upstream: Int) -> Int32 { entries[upstream].lastInLine }

  mutating func setLastInLine(_ upstream: Int, _ link: Int32) {
    entries[upstream].lastInLine = link
  }

  // MARK: How it does

  mutating func opened(_ upstream: Int) {
    entries[upstream].failures = 0
    entries[upstream].failingUntil = .zero
    entries[upstream].refusedUntil = .zero
    entries[upstream].cause = .none
  }

  /// A refusal that another attempt cannot mend, or the limit of sessions, holds new calls back for
  /// a moment: nobody is helped by knocking harder.
  mutating func failed(_ upstream: Int, _ verdict: Upstream.Verdict, at now: Instant) {
    entries[upstream].failures &+= 1
    entries[upstream].cause = verdict.cause
    let failures = entries[upstream].failures
    if failures >= Self.failuresMax { entries[upstream].failingUntil = now + Self.failingFor }
    let isOurs = !verdict.retry || verdict.cause == .upstreamBusy
    if isOurs, verdict.cause != .upstreamRefused {
      let seconds = min(1 << min(failures &- 1, 5), Self.refusedSecondsMax)
      entries[upstream].refusedUntil = now + .seconds(seconds)
    }
  }
}
