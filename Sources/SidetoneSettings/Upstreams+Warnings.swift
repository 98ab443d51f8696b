// What is known about single upstreams before they are dialled: urls that leave the machine in the
// clear, keys that cannot be right, and what a url may say.

import Sidetone

extension Draft {
  /// Plain `ws` is for this machine, and for the operator's own network where that is said: audio
  /// and keys would be readable on the way.
  mutating func judgeNetwork(of upstream: Config.Upstream) {
    judgeNetwork(of: upstream.endpoint, "url", upstream)
  }

  /// `key`: which setting of the upstream says where that is.
  mutating func judgeNetwork(
    of endpoint: Config.Endpoint, _ key: String, _ upstream: Config.Upstream
  ) {
    guard !endpoint.isTLS, !endpoint.host.isEmpty, endpoint.host != "localhost" else { return }
    let address = readAddress(endpoint.host)
    if address?.isLoopback == true { return }
    let place = place(of: "upstreams.\(upstream.name).\(key)")
    let what = "[upstreams.\(upstream.name)] \(key)"
    if !upstream.isPrivate {
      refuse(
        place,
        "\(what): plain ws:// is for this machine only; use wss:// or, for an upstream in your own "
          + "network, private = true (\(upstreamVariable(upstream.name, "private")))")
    } else if let address, !privateNetworks.contains(where: { $0.contains(address) }) {
      refuse(place, "\(what): plain ws:// to an address that anybody can reach; use wss://")
    }
  }

  mutating func judgeKey(of upstream: Config.Upstream, _ kind: UpstreamRow) {
    guard !upstream.key.isEmpty, !isJudged(upstream, kind) else { return }
    let table = "upstreams.\(upstream.name)"
    let own = places["\(table).key"] ?? places["\(table).key_file"]
    let place = own ?? sharedKeys[kind.name]?.place ?? .standard
    if isPlaceholder(upstream.key) {
      return warn(place, "[\(table)] key is a placeholder: put the real one in its place")
    }
    let isService = upstream.endpoint.host == kind.settings.service?.host
    for other in upstreamRows where other.name != kind.name && isService {
      guard let service = other.settings.service, !service.keyPrefix.isEmpty,
        upstream.key.hasPrefix(service.keyPrefix)
      else { continue }
      warn(place, "[\(table)] key looks like one for \(other.settings.displayName)")
    }
    let isBearer =
      upstream.keyScheme == "Bearer" || kind.row.keyScheme.description == "Bearer "
    if upstream.key.hasPrefix("eyJ"), upstream.key.split(separator: ".").count == 3, !isBearer {
      warn(
        place,
        "[\(table)] key looks like a token that expires (JWT): it wants key_scheme = \"Bearer\" "
          + "(\(upstreamVariable(upstream.name, "key_scheme")))")
    }
  }

  /// Several kinds of one vendor share a key, of which the first speaks.
  private func isJudged(_ upstream: Config.Upstream, _ kind: UpstreamRow) -> Bool {
    guard let variable = kind.settings.service?.keyVariable,
      let first = upstreamRows.first(where: { $0.settings.service?.keyVariable == variable })
    else { return false }
    return first.name != kind.name && upstream.key == sharedKeys[kind.name]?.value
  }

  /// Whether its url brings the key, as the service takes it too: that goes before any other, as
  /// all that stands there does.
  mutating func hasKeyInURL(_ upstream: Config.Upstream, _ kind: UpstreamRow) -> Bool {
    let pairs = Query.decoded(upstream.endpoint.query)
    let key = pairs.first { kind.settings.urlKeys.contains($0.name) && !$0.value.isEmpty }
    guard let key else { return false }
    let place = place(of: "upstreams.\(upstream.name).url")
    let what = "[upstreams.\(upstream.name)] url"
    if isPlaceholder(key.value) {
      warn(place, "\(what): `\(key.name)` is a placeholder: put the real one in its place")
    }
    if !upstream.key.isEmpty, upstream.key != key.value {
      warn(place, "\(what): `\(key.name)` goes before the other key that is set; keep one of them")
    }
    return true
  }

  /// What stands in a url beside the host: a path, and options that go before the defaults.
  mutating func judgeURL(of upstream: Config.Upstream, _ kind: UpstreamRow) {
    let place = place(of: "upstreams.\(upstream.name).url")
    let what = "[upstreams.\(upstream.name)] url"
    if let service = kind.settings.service, upstream.endpoint.path == "/", service.path != "/" {
      warn(place, "\(what) has no path; the service's own is \(service.path)")
    }
    let pairs = Query.decoded(upstream.endpoint.query)
    if pairs.reduce(0, { $0 + encodedBytes($1.name) + encodedBytes($1.value) + 2 })
      > Limits.urlBytesMax
    {
      refuse(place, "\(what): its query takes more than \(Limits.urlBytesMax) bytes")
    }
    for pair in pairs {
      if let owned = kind.settings.owned.first(where: { $0.name == pair.name }) {
        refuse(place, "\(what): `\(pair.name)` \(owned.reason): take it out")
      } else if kind.settings.passesOptions {
        judge(name: pair.name, of: kind, what, at: place)
      }
      if pair.value.isEmpty { warn(place, "\(what): `\(pair.name)` has no value") }
      if isModel(pair.name) { judge(model: pair.value, of: kind, what, at: place, true) }
      if let own = places["upstreams.\(upstream.name).\(pair.name)"] {
        warn(own, "[upstreams.\(upstream.name)] \(pair.name): the url has it too, and goes before")
      }
    }
  }

  /// An option that is not known may be newer than this program: it is passed on.
  mutating func judge(name: String, of kind: UpstreamRow, _ what: String, at place: Place) {
    let isKnown = Array(name.utf8).withBytes { kind.row.allows($0) }
    if isKnown { return }
    let names = kind.row.allowed.description.split(separator: ", ").map(String.init)
    let near = nearest(to: name, among: names).map { "; did you mean `\($0)`?" }
    warn(place, "\(what): `\(name)` is not known here, and is passed on" + (near ?? ""))
  }
}

/// RFC 1918, RFC 4193, link-local addresses, and those of carriers' and overlay networks (RFC
/// 6598).
private let privateNetworks: [AddressRange] = [
  "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "100.64.0.0/10", "fc00::/7",
  "fe80::/10",
].compactMap { try? readAddressRange($0) }

// MARK: - Placeholders

/// Words that samples have where a secret belongs.
private let placeholderWords: Set<String> = [
  "your", "my", "me", "api", "changeme", "change", "replace", "replaceme", "insert", "placeholder",
  "todo",
  "fixme", "here", "dummy", "example", "sample", "secret", "key", "apikey", "token", "none", "null",
  "undefined", "xxx",
]

/// What our own samples have there.
private let sampleSecrets: Set<String> = ["a-key-that-you-make-up", "sixteen-letters-or-more"]

/// Rows that are typed, not drawn: a secret that follows one from its beginning, again and again.
private let typedRows = [
  "0123456789abcdef", "0123456789", "1234567890", "abcdefghijklmnopqrstuvwxyz",
]

/// From this length on no key is such a row by chance.
private let typedBytesMin = 12

private func isTyped(_ lower: String) -> Bool {
  let text = Array(lower.utf8)
  guard text.count >= typedBytesMin else { return false }
  return typedRows.map { Array($0.utf8) }.contains { row in
    text.indices.allSatisfy { text[$0] == row[$0 % row.count] }
  }
}

/// Whether a text stands where a secret will be, rather than being one: `your_api_key_here`,
/// `<key>`, `xxxx`, `${KEY}`, `sk-...`, `0123456789abcdef`.
func isPlaceholder(_ text: String) -> Bool {
  let lower = text.lowercased()
  if sampleSecrets.contains(lower) || isTyped(lower) { return true }
  let brackets: [(Character, Character)] = [("<", ">"), ("[", "]"), ("{", "}"), ("%", "%")]
  if brackets.contains(where: { lower.first == $0.0 && lower.last == $0.1 }) { return true }
  if lower.hasPrefix("$") || lower.contains("${") || lower.contains("{{") { return true }
  if lower.contains("...") || lower.contains("***") || lower.hasPrefix("your") { return true }
  let words = lower.split { !$0.isLetter && !$0.isNumber }.map(String.init)
  if words.count == 1, lower.count >= 4, Set(lower).count == 1 { return true }
  if words.contains(where: { $0.count >= 3 && Set($0) == ["x"] }) { return true }
  // One such word may be chance in a long key; a sample has nothing else, or says whose it is.
  let found = words.filter { placeholderWords.contains($0) }
  if !words.isEmpty, found.count == words.count { return true }
  let telling: Set = ["your", "changeme", "placeholder", "replaceme", "replace", "insert", "here"]
  return found.contains { telling.contains($0) }
}
