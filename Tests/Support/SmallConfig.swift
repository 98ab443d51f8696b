// Small relays for tests: a few calls, upstreams on this machine without TLS, and routes in a line
// each.

import Sidetone

extension Config {
  /// Nothing but little room; upstreams and routes are added.
  package static func small(callsMax: Int = 4, otherLinksMax: Int = 16) -> Config {
    var config = Config()
    config.limits.callsMax = callsMax
    config.limits.otherLinksMax = otherLinksMax
    config.limits.subscribersMax = 0
    config.limits.callsPerSecondPerAddress = 1_000_000
    return config
  }

  /// An upstream that is named for its kind, unless it has a name of its own.
  package mutating func addUpstream(
    _ kind: String, named name: String? = nil, key: String = "test",
    options: [(String, String)] = []
  ) {
    var upstream = Upstream()
    upstream.name = name ?? kind
    upstream.kind = kind
    upstream.key = key
    upstream.keyVariable = "KEY"
    upstream.endpoint.isTLS = false
    upstream.endpoint.host = "127.0.0.1"
    upstream.options = options
    upstreams.append(upstream)
  }

  package mutating func addRoute(_ path: String, _ carriers: [String], to upstream: String) {
    var route = Route()
    route.path = path
    route.carriers = carriers
    route.upstream = upstream
    routes.append(route)
  }
}
