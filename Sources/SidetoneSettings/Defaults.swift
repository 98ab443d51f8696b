// What is there when nobody sets anything: an upstream of each kind, and a route for everyone who
// may call. A vendor that is taken out of its list takes its defaults along.

import Sidetone

let defaultUpstreams: [Config.Upstream] = ["deepgram", "openai", "gemini", "echo"]
  .filter { upstreamKinds.contains($0) }
  .map {
    var upstream = Config.Upstream()
    upstream.name = $0
    return upstream
  }

let defaultRoutes: [Config.Route] = {
  func call(
    _ path: String, _ carriers: [String], _ upstream: String, _ options: [(String, String)] = []
  ) -> Config.Route {
    var route = Config.Route()
    route.path = path
    route.carriers = carriers
    route.upstream = upstream
    route.options = options.map { (name: $0.0, value: $0.1) }
    return route
  }
  func webhook(_ path: String, _ kind: Config.Route.Kind, _ stream: String) -> Config.Route {
    var route = Config.Route()
    route.path = path
    route.kind = kind
    route.stream = stream
    return route
  }
  let results = [("interim_results", "true"), ("punctuate", "true")]
  let telephony = [("model", "nova-2"), ("language", "en-US")] + results
  let raw = [("model", "nova-2"), ("language", "en")] + results
  let phones = ["twilio", "telnyx"]
  var phone = call("/ws/phone", phones, "gemini")
  phone.bots = [
    (name: "gemini-live", upstream: "gemini"), (name: "openai-realtime", upstream: "openai"),
  ]
  let routes = [
    call("/media", phones, "deepgram", telephony),
    call("/media-stream", phones, "deepgram", telephony),
    call("/ws/transcribe", ["raw"], "deepgram", raw),
    call("/ws", ["ucid"] + phones, "openai"),
    phone,
    call("/echo", [], "echo"),
    webhook("/voice", .voice, "/media-stream"),
    webhook("/twiml", .connect, "/ws/phone"),
  ]
  let calls = routes.compactMap { builtIn($0) }
  return calls
    + routes.filter { webhook in
      webhook.isWebhook && calls.contains { $0.path == webhook.stream }
    }
}()

/// A call route with those of its carriers and bots that are built in; nil where nobody is left on
/// a side.
private func builtIn(_ route: Config.Route) -> Config.Route? {
  guard !route.isWebhook else { return nil }
  let names = defaultUpstreams.map(\.name)
  var route = route
  route.bots.removeAll { !names.contains($0.upstream) }
  route.upstream = route.bots.first?.upstream ?? route.upstream
  let isForAny = route.carriers.isEmpty
  route.carriers.removeAll { !carrierNames.contains($0) }
  let hasCaller = isForAny || !route.carriers.isEmpty
  return hasCaller && names.contains(route.upstream) ? route : nil
}

/// Served by the relay itself.
let operatorPaths = ["/health", "/ready", "/stats", "/metrics"]
