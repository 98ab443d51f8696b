// What is there when nobody sets anything: two upstreams, and a route for everyone who may call.

import Sidetone

let deepgramEndpoint = {
  var endpoint = Config.Endpoint()
  endpoint.host = "api.deepgram.com"
  endpoint.path = "/v1/listen"
  return endpoint
}()

let defaultUpstreams: [Config.Upstream] = ["deepgram", "echo"].map {
  var upstream = Config.Upstream()
  upstream.name = $0
  return upstream
}

let defaultRoutes: [Config.Route] = {
  func call(
    _ path: String, _ carriers: [String], _ upstream: String, _ options: [(String, String)]
  ) -> Config.Route {
    var route = Config.Route()
    route.path = path
    route.carriers = carriers
    route.upstream = upstream
    route.options = options.map { (name: $0.0, value: $0.1) }
    return route
  }
  let results = [("interim_results", "true"), ("punctuate", "true")]
  let telephony = [("model", "nova-2"), ("language", "en-US")] + results
  let raw = [("model", "nova-2"), ("language", "en")] + results
  var voice = Config.Route()
  voice.path = "/voice"
  voice.kind = .voice
  voice.stream = "/media-stream"
  return [
    call("/media", ["twilio"], "deepgram", telephony),
    call("/media-stream", ["twilio"], "deepgram", telephony),
    call("/ws/transcribe", ["raw"], "deepgram", raw),
    call("/echo", [], "echo", []),
    voice,
  ]
}()

/// Served by the relay itself.
let operatorPaths = ["/health", "/ready", "/stats", "/metrics"]
