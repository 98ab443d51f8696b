// What is there when nobody sets anything: an upstream of each kind, and a route for everyone who
// may call. Upstreams and carriers say in their rows which paths are theirs; a row that is taken
// out of its list takes its defaults along.

import Sidetone

let defaultUpstreams: [Config.Upstream] = upstreamKinds.map {
  var upstream = Config.Upstream()
  upstream.name = $0
  return upstream
}

let defaultRoutes: [Config.Route] = {
  let paths = upstreamRows.flatMap(\.settings.paths).map(\.path)
  let calls = paths.enumerated().filter { paths.firstIndex(of: $0.element) == $0.offset }
    .compactMap { defaultRoute($0.element) }
  return calls + defaultWebhooks.filter { webhook in calls.contains { $0.path == webhook.stream } }
}()

/// Whether the variables of a service's options are for this default path.
func takesVariables(_ path: String, of kind: UpstreamRow) -> Bool {
  kind.settings.paths.contains { $0.path == path && $0.takesVariables }
}

/// The call route of a path: from the carriers that say it to the upstreams that do; nil where no
/// carrier does.
private func defaultRoute(_ path: String) -> Config.Route? {
  let ends = upstreamRows.flatMap { row in
    row.settings.paths.filter { $0.path == path }.map { (upstream: row.name, path: $0) }
  }
  let isForAll = ends.contains { $0.path.isForAll }
  let callers = carrierRows.filter { $0.settings.paths.contains(path) }.map(\.name)
  guard let first = ends.first(where: { $0.path.isFirst }) ?? ends.first,
    isForAll || !callers.isEmpty
  else { return nil }
  var route = Config.Route()
  route.path = path
  route.carriers = isForAll ? [] : callers
  route.upstream = first.upstream
  route.standardOptions = first.path.options
  let bots = ends.filter { !$0.path.bot.isEmpty }.map {
    (name: $0.path.bot, upstream: $0.upstream)
  }
  route.bots =
    bots.filter { $0.upstream == first.upstream } + bots.filter { $0.upstream != first.upstream }
  return route
}

/// The webhooks whose answers lead to default paths.
private let defaultWebhooks: [Config.Route] = [
  webhook("/voice", .voice, "/media-stream"), webhook("/twiml", .connect, "/ws/phone"),
]

private func webhook(
  _ path: String, _ kind: Config.Route.Kind, _ stream: String
) -> Config.Route {
  var route = Config.Route()
  route.path = path
  route.kind = kind
  route.stream = stream
  return route
}

/// Served by the relay itself.
let operatorPaths = ["/health", "/ready", "/stats", "/metrics", "/events"]
