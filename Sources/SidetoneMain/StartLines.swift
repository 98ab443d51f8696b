// What a person sees when the relay starts: where it listens, what it serves to whom, and what is
// missing. No secret is in these lines.

import Glibc
import Sidetone
import SidetoneSettings

struct StartLine {
  enum Level: String {
    case info, warning, error
  }
  var level = Level.info
  /// One word: starting, listening, endpoint, route, records, settings, not_started.
  var event: String
  var detail: String

  /// What users of other servers look for.
  private var sentence: String? {
    switch event {
    case "starting": "Starting WebSocket server..."
    case "listening": "Server listening on: \(detail)"
    case "endpoint": "WebSocket endpoint: \(detail)"
    default: nil
    }
  }

  /// For people.
  var text: String {
    let isPlain = event == "route" || event == "records"
    return sentence ?? (isPlain ? "  \(detail)" : "\(level.rawValue.uppercased()): \(detail)")
  }

  /// For people who only ask what would be: nothing listens.
  var plannedText: String {
    switch event {
    case "listening": "Would listen on: \(detail)"
    default: text
    }
  }

  /// For everything else. What the settings let through needs only these two escapes.
  var json: String {
    let message = sentence.map { "\"message\":\"\(escaped($0))\"," } ?? ""
    let words = detail.split(separator: " ").joined(separator: " ")
    return """
      {"time":"\(timestamp())","level":"\(level.rawValue)","event":"\(event)",\
      \(message)"detail":"\(escaped(words))"}
      """
  }

  private func escaped(_ text: String) -> String {
    text.map { $0 == "\"" || $0 == "\\" ? "\\\($0)" : "\($0)" }.joined()
  }
}

/// One line per listener, where to point a carrier, one per route, then the warnings.
func startLines(of config: Config) -> [StartLine] {
  let listeners = config.listeners.map { listener in
    StartLine(
      event: "listening",
      detail: "http\(origin(of: listener))\(listener.isForOperators ? " (operators only)" : "")")
  }
  var endpoints: [StartLine] = []
  if let listener = config.listeners.first(where: { !$0.isForOperators }),
    let route = config.routes.first(where: { !$0.isWebhook && $0.secret.isEmpty })
  {
    endpoints = [StartLine(event: "endpoint", detail: "ws\(origin(of: listener))\(route.path)")]
  }
  return listeners + endpoints + routeLines(of: config)
    + warnings(about: config).map { StartLine(level: .warning, event: "settings", detail: $0) }
    + [recordsLine(of: config)]
}

/// Where what is said is kept, and who is told of it.
private func recordsLine(of config: Config) -> StartLine {
  guard let records = config.records else {
    return StartLine(
      event: "records",
      detail: "nothing that is said is written down: SIDETONE_RECORDS_DIRECTORY names a place")
  }
  var detail = "what is said is written to \(records.directory)/transcripts and calls"
  if !records.hooks.isEmpty {
    detail += "; \(records.hooks.count) webhook\(records.hooks.count == 1 ? " is" : "s are") told"
  }
  if let extraction = records.extraction { detail += "; \(extraction.model) extracts data from it" }
  return StartLine(event: "records", detail: detail)
}

/// What stands behind `http` or `ws`.
private func origin(of listener: Config.Listener) -> String {
  let address = listener.address.contains(":") ? "[\(listener.address)]" : listener.address
  return "\(listener.isTLS ? "s" : "")://\(address):\(listener.port)"
}

/// What works, but is probably not what was meant.
private func warnings(about config: Config) -> [String] {
  var keyless = config.upstreams.filter { $0.key.isEmpty && !$0.keyVariable.isEmpty }
  // A cascade lacks what others lack as well: that is said of them.
  let lacking = Set(keyless.filter { $0.cascade.thinkURL.isEmpty }.map(\.keyVariable))
  keyless.removeAll { !$0.cascade.thinkURL.isEmpty && lacking.contains($0.keyVariable) }
  var warnings = config.warnings
  warnings += keyless.map { upstream in
    let service = Upstream.index(of: upstream.kind).map { Upstream.all[$0].settings().displayName }
    return
      "\(service ?? upstream.name) API key not set: upstream \(upstream.name) has no key; its routes "
      + "answer 503 until \(upstream.keyVariable) is set"
  }
  if config.publicURLs.isEmpty, config.checksURLs {
    warnings.append(
      "signatures are checked over the address that each request names; listen.public_url "
        + "(SIDETONE_LISTEN_PUBLIC_URL) pins it")
  }
  // Examples all over the web call it so.
  if !config.isLoopbackOnly, config.keyDigests.contains(sha256("sk-1234")) {
    warnings.append("an API key is the sk-1234 of the examples: everyone knows it")
  }
  return warnings
}

private func routeLines(of config: Config) -> [StartLine] {
  let rows = config.routes.map { route in
    let secret = route.secret.isEmpty ? "" : "/..."
    let callers = route.carriers.isEmpty ? "any" : route.carriers.joined(separator: ", ")
    var upstreams = [route.upstream]
    for bot in route.bots where !upstreams.contains(bot.upstream) { upstreams.append(bot.upstream) }
    let purpose =
      route.isWebhook
      ? "TwiML for \(route.stream)" : "\(callers) to \(upstreams.joined(separator: " or "))"
    return (path: route.path + secret, purpose: purpose, door: config.exposure(of: route).sentence)
  }
  let paths = rows.map(\.path.count).max() ?? 0
  let purposes = rows.map(\.purpose.count).max() ?? 0
  return rows.map { row in
    let detail = "\(padded(row.path, paths))  \(padded(row.purpose, purposes))  \(row.door)"
    return StartLine(event: "route", detail: detail)
  }
}

private func padded(_ text: String, _ width: Int) -> String {
  text + String(repeating: " ", count: max(0, width - text.count))
}

/// Now, by RFC 3339 in UTC with milliseconds.
private func timestamp() -> String {
  var now = timespec()
  clock_gettime(CLOCK_REALTIME, &now)
  var parts = tm()
  gmtime_r(&now.tv_sec, &parts)
  var buffer = [CChar](repeating: 0, count: 32)
  let count = strftime(&buffer, buffer.count, "%Y-%m-%dT%H:%M:%S", &parts)
  let date = String(decoding: buffer.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
  return date + ".\(String(now.tv_nsec / 1_000_000 + 1000).dropFirst())Z"
}

extension Exposure {
  fileprivate var sentence: String {
    switch self {
    case .guarded(let means): "open to callers with \(means.sentence)"
    case .loopback: "open to this machine only"
    case .open: "open to everyone"
    case .off(let reason): "off: it \(reason.sentence)"
    }
  }
}

extension Means {
  fileprivate var sentence: String {
    var parts: [String] = []
    if contains(.keys) { parts.append("an API key") }
    if hasSignature { parts.append("a carrier's signature") }
    if contains(.token) { parts.append("a call token") }
    if contains(.addresses) { parts.append("a listed address") }
    if contains(.secret) { parts.append("the secret path") }
    return parts.joined(separator: isDisjoint(with: [.addresses, .secret]) ? " or " : " and ")
  }
}
