// Settings that are read anew while calls run. Calls name their route and their upstream by places
// in two tables, so a place never gets another meaning while a call has it:
//
//     in force   /a   /b        /a is changed, /b is not, /c is new
//     followed   /a*  /b  /a  /c        * retired: for the calls that began with it
//     later      /d   /b  /a  /c        nobody has /a* any more: its place is free
//
// What stays the same keeps its place, and with it whatever is known of it: how many sessions an
// upstream has, its last TLS session, the addresses of its host. Making ready what is new (sounds
// are converted for it) takes a while, so it can be done on any thread.

/// The settings in force, and what calls hold of them.
package struct InForce: Sendable {
  package let config: Config
  let prepared: Prepared
  /// By the places of routes and of upstreams: calls, or tokens of calls to come, have it.
  let heldRoutes: [Bool]
  let heldUpstreams: [Bool]
  /// Two-way calls, and converters of rates, for which memory was taken at start.
  let twoWayCallsMax: Int
  let resamplersMax: Int

  /// Rows of earlier settings that may be kept for calls.
  package static let heldMax = 256
}

/// Settings that follow others.
package struct Successor: Sendable {
  package let config: Config
  let prepared: Prepared
  /// Whether what has that place is the upstream that it was, in force or for running calls.
  package let keepsUpstream: [Bool]
  /// What they want and cannot have before the next start, a sentence each.
  package let shortfalls: [String]
}

extension Successor {
  /// What is to be known of each upstream's sessions; `family`: the first place of its name.
  var places: [(isTwoWay: Bool, sessionsMax: Int, isKept: Bool, family: Int)] {
    prepared.upstreams.enumerated().map { place, upstream in
      let name = config.upstreams[place].name
      let family = config.upstreams.firstIndex { $0.name == name } ?? place
      return (upstream.isTwoWay, upstream.sessionsMax, keepsUpstream[place], family)
    }
  }
}

extension InForce {
  /// The settings that follow these, made ready; nil where calls keep too much of earlier ones.
  package func successor(_ wanted: Config) -> Successor? {
    let upstreams = Settled(wanted.upstreams, among: config.upstreams, isHeld: heldUpstreams) {
      config.upstreams[$0].isSame(as: $1)
    }
    var next = wanted
    next.upstreams = upstreams.rows
    let routes = Settled(wanted.routes, among: config.routes, isHeld: heldRoutes) {
      config.routes[$0].isSame(as: $1)
        && next.upstreams(of: $1) == prepared.routes[$0].upstreams
        && next.upstreams(of: $1).allSatisfy { upstreams.isKept[$0] }
    }
    next.routes = routes.rows
    // Descriptors may have allowed less than what was written.
    next.limits.keepFitted(config.limits)
    let held = zip(next.routes, heldRoutes).count { $0.isRetired && $1 }
    guard held <= Self.heldMax, next.upstreams.count <= Self.placesMax else { return nil }
    let made = Prepared(next, after: prepared, upstreams.isKept, routes.isKept)
    return Successor(
      config: next, prepared: made,
      keepsUpstream: zip(next.upstreams, upstreams.isKept).map { $0.isRetired || $1 },
      shortfalls: shortfalls(of: next))
  }

  private static let placesMax = 1 << 14

  /// Memory that was not taken, since nothing needed it when the relay started.
  private func shortfalls(of next: Config) -> [String] {
    var sentences: [String] = []
    if next.twoWayCalls > twoWayCallsMax {
      sentences.append(
        "memory for \(twoWayCallsMax) calls with voice models was taken at start: "
          + "\(next.twoWayCalls) need a restart")
    }
    if next.usesCascades, next.limits.cascadeCallsMax == 0 {
      sentences.append(
        "no memory for cascades was taken at start: calls to them need a restart")
    }
    let converts = next.routes.contains { $0.upstreamRate > 0 && !$0.isRetired }
    if converts, next.limits.callsMax > resamplersMax {
      sentences.append(
        "memory for \(resamplersMax) conversions of sample rates was taken at start: "
          + "upstream_rate for \(next.limits.callsMax) calls needs a restart")
    }
    return sentences
  }
}

extension Limits {
  /// The sizes of what was taken at start, which may be less than what was asked for.
  mutating func keepFitted(_ running: Limits) {
    callsMax = running.callsMax
    twoWayCallsMax = running.twoWayCallsMax
    cascadeCallsMax = running.cascadeCallsMax
    otherLinksMax = running.otherLinksMax
    subscribersMax = running.subscribersMax
    handshakesPerAddressMax = min(handshakesPerAddressMax, otherLinksMax)
  }
}

extension Prepared {
  /// The settings that follow `former`; `keeps`: the rows of which everything stays.
  fileprivate convenience init(
    _ config: Config, after former: Prepared, _ keepsUpstream: [Bool], _ keepsRoute: [Bool]
  ) {
    let upstreams = config.upstreams.enumerated().map { place, upstream in
      keepsUpstream[place] || upstream.isRetired
        ? former.upstreams[place] : PreparedUpstream(upstream, in: config)
    }
    let routes = config.routes.enumerated().map { place, route in
      if route.isRetired { return former.routes[place].retired }
      guard keepsRoute[place] else { return PreparedRoute(route, in: config, upstreams) }
      var kept = former.routes[place]
      kept.standAmong(route, config)
      return kept
    }
    self.init(
      upstreams: upstreams, routes: routes,
      carriers: Carrier.all.map { PreparedCarrier($0, in: config) })
  }
}
