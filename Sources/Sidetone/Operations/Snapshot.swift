// What the pages tell: the relay at one moment. It is filled from the calls and from what they are
// lent; nothing of it is kept.

/// The relay's state at one moment, and what has happened until then.
package struct Snapshot: BitwiseCopyable, Sendable {
  package var wall = WallTime(nanoseconds: 0)
  package var uptime = Instant.Span.zero
  package var readiness = Readiness.ready
  package var transcription = Places()
  package var voice = Places()
  package var callsActive = 0
  package var ahead = 0
  package var callsMax = 0
  package var guests = 0
  package var guestsMax = 0
  package var subscribers = 0
  package var subscribersMax = 0
  package var links = 0
  package var linksMax = 0
  package var blocks = 0
  package var blocksMax = 0
  package var linesDropped = 0
  package var transcriptsDropped = 0
  package var linesRepeated = 0
  package var warnings = 0
  package var errors = 0
  package var totals = Counters()
  /// Nil: nothing is written down.
  package var records: RecordsState?

  package init() {}
}

/// How many more calls of a kind there may be now, and how many at most; 0: none are served.
package struct Places: BitwiseCopyable, Sendable {
  package var free = 0
  package var max = 0
  package init() {}
}

/// Whether a new call would be served, and why not.
package enum Readiness: UInt8, BitwiseCopyable, Sendable {
  case ready, draining, full, noUpstream

  /// 404 while draining takes an instance out of balancing and leaves its connections alone.
  package var status: HTTP.Status {
    switch self {
    case .ready: .ok
    case .draining: .notFound
    case .full, .noUpstream: .unavailable
    }
  }

  package var reason: StaticString {
    switch self {
    case .ready: "ready"
    case .draining: "draining"
    case .full: "full"
    case .noUpstream: "no_upstream"
    }
  }
}

// MARK: Filled

extension Snapshot {
  /// `isDraining`: no new calls.
  init(
    of calls: Calls, since start: Instant, isDraining: Bool, _ config: Config,
    _ store: Store, _ turn: Turn
  ) {
    uptime = turn.now - start
    wall = turn.log.wall(at: turn.now)
    callsActive = calls.inUse
    ahead = calls.ahead
    callsMax = calls.capacity
    guests = turn.guests.count
    guestsMax = turn.guests.guestsMax
    subscribers = turn.subscribers.count
    subscribersMax = turn.subscribers.capacity
    links = store.links.inUse
    linksMax = store.links.capacity
    blocks = store.pool.capacity - store.pool.free
    blocksMax = store.pool.capacity
    linesDropped = turn.log.dropped
    transcriptsDropped = turn.log.droppedTranscripts
    linesRepeated = turn.log.repeated
    warnings = turn.log.warnings
    errors = turn.log.errors
    totals = turn.counters
    records = turn.entries.isOn ? RecordsState(turn) : nil
    // A socket that owes its token gives way to a caller who has more to show.
    let callsFree = calls.capacity - calls.inUse + turn.guests.sockets
    transcription = Places(.transcription, callsFree, callsMax, config, store, turn)
    voice = Places(.voice, callsFree, callsMax, config, store, turn)
    readiness =
      isDraining ? .draining : callsFree == 0 ? .full : readiness(config, store, turn)
  }

  /// Ready: a new call would be served, of each kind that is required, or of any.
  private func readiness(_ config: Config, _ store: Store, _ turn: Turn) -> Readiness {
    func free(_ kind: Config.CallKind) -> Int {
      kind == .voice ? voice.free : transcription.free
    }
    let required = config.readyRequires
    let isReady =
      required.isEmpty
      ? transcription.free + voice.free > 0 : required.allSatisfy { free($0) > 0 }
    if isReady { return .ready }
    let isFull = (required.isEmpty ? Config.CallKind.allCases : required).contains { kind in
      free(kind) == 0
        && store.prepared.upstreams(serving: kind).contains {
          turn.availability.isWell($0, at: turn.now)
        }
    }
    return isFull ? .full : .noUpstream
  }
}

extension Places {
  init(
    _ kind: Config.CallKind, _ callsFree: Int, _ callsMax: Int, _ config: Config, _ store: Store,
    _ turn: Turn
  ) {
    for upstream in store.prepared.upstreams(serving: kind) {
      // There may be as many sessions as numbers go.
      let most = Swift.min(store.prepared.upstreams[upstream].sessionsMax, callsMax)
      max += most
      free += Swift.min(turn.availability.sessionsFree(upstream, at: turn.now), most)
    }
    let isVoice = kind == .voice
    max = Swift.min(max, callsMax, isVoice ? turn.availability.twoWayCallsMax : .max)
    free = Swift.min(free, callsFree, isVoice ? turn.availability.twoWayFree : .max)
  }
}

extension Prepared {
  /// The upstreams of this kind that a call may have.
  fileprivate func upstreams(serving kind: Config.CallKind) -> [Int] {
    upstreams.indices.filter { upstream in
      upstreams[upstream].isUsable && upstreams[upstream].isTwoWay == (kind == .voice)
        && routes.contains { route in
          route.kind == .call && !route.isRetired && route.upstreams.contains(upstream)
        }
    }
  }
}
