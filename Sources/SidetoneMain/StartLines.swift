// What a person sees when the relay starts: where it listens, what it serves to whom, and what is
// missing. No secret is in these lines.

import Sidetone
import SidetoneSettings

/// One line per listener and per route, then the warnings.
func startLines(of config: Config) -> [String] {
  config.listeners.map { listener in
    let address = listener.address.contains(":") ? "[\(listener.address)]" : listener.address
    return "listening on \(listener.isTLS ? "https" : "http")://\(address):\(listener.port)"
  } + routeLines(of: config) + warnings(about: config).map { "warning: \($0)" }
}

private func routeLines(of config: Config) -> [String] {
  let rows = config.routes.map { route in
    let secret = route.secret.isEmpty ? "" : "/…"
    let callers = route.carriers.isEmpty ? "any" : route.carriers.joined(separator: ", ")
    let purpose =
      route.kind == .voice ? "TwiML for \(route.stream)" : "\(callers) to \(route.upstream)"
    return (path: route.path + secret, purpose: purpose, door: config.exposure(of: route).sentence)
  }
  let paths = rows.map(\.path.count).max() ?? 0
  let purposes = rows.map(\.purpose.count).max() ?? 0
  return rows.map { row in
    "  \(padded(row.path, paths))  \(padded(row.purpose, purposes))  \(row.door)"
  }
}

/// What works, but is probably not what was meant.
private func warnings(about config: Config) -> [String] {
  config.upstreams.filter { $0.key.isEmpty && !$0.keyVariable.isEmpty }.map {
    "upstream \($0.name) has no key; its routes answer 503 until \($0.keyVariable) is set"
  }
}

private func padded(_ text: String, _ width: Int) -> String {
  text + String(repeating: " ", count: max(0, width - text.count))
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
    if contains(.signature) { parts.append("a carrier's signature") }
    if contains(.addresses) { parts.append("a listed address") }
    if contains(.secret) { parts.append("the secret path") }
    let isChoice = contains(.keys) || contains(.signature)
    return parts.joined(separator: isChoice ? " or " : " and ")
  }
}
