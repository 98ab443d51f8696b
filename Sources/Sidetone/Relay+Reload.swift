// Settings that are read anew while calls run. The driver reads them, since files are its own, and
// has them made ready beside the turns; here they take the place of those in force, between two
// inputs, in a few microseconds. Calls that run keep what they began with: their route, their
// upstream with its key and url, how long they may last. Limits that are only compared, such as the
// time for a pong, count from now on for everybody.

extension Relay {
  /// What the settings that follow are made ready against.
  package var inForce: InForce {
    let prepared = store.prepared
    var routes = Array(repeating: false, count: prepared.routes.count)
    var upstreams = Array(repeating: false, count: prepared.upstreams.count)
    for call in 0..<calls.capacity {
      guard let held = calls.holding(call) else { continue }
      routes[held.route] = true
      upstreams[held.upstream] = true
    }
    for held in callers.requests.tokens.waiting { routes[held.route] = true }
    // Its caller may still choose among them.
    for (place, route) in prepared.routes.enumerated() where routes[place] {
      for upstream in route.upstreams { upstreams[upstream] = true }
    }
    for (place, upstream) in prepared.upstreams.enumerated() where upstreams[place] {
      if let cascade = upstream.cascade { upstreams[cascade.speaker] = true }
    }
    return InForce(
      config: config, prepared: prepared, heldRoutes: routes, heldUpstreams: upstreams,
      twoWayCallsMax: turn.availability.twoWayCallsMax, resamplersMax: store.resamplers.streamsMax)
  }

  /// These settings count from now on. They follow what `inForce` was when nothing has followed it
  /// since.
  package func follow(_ next: Successor, at now: Instant) {
    turn.now = now
    config = next.config
    // What was taken by the former ones stays.
    store.memory.change {
      $0.limits = next.config.limits
      $0.prepared = next.prepared
    }
    turn.availability.follow(next.places, redialsPerSecondMax: store.limits.redialsPerSecond)
    turn.guests.follow(store.limits)
    turn.log.follow(next.config)
    turn.entries.follow(next.config.records)
    callers.requests.follow(next)
    callers.followWarm(calls, store, &turn)
    turn.counters.reloads &+= 1
  }

  /// Settings were read anew and do not count; the driver says why.
  package func reloadRefused() { turn.counters.reloadsRefused &+= 1 }

  /// No new calls any more, so other settings have nobody to count for.
  package var isDraining: Bool { draining.isOn }
}
