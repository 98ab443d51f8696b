// A cascade's other two services: the chat endpoint that thinks for it, and whoever speaks.

import Sidetone

extension Setting where Target == Config.Upstream {
  /// The table is `upstreams.NAME`, of a cascade.
  static let cascade: [Self] = [
    .text(
      "upstreams", "think_url", form: "URL", standard: thinkStandard,
      help: "Of a cascade: the chat endpoint, such as https://host/v1.",
      \.cascade.thinkURL, check: readHTTP),
    .text(
      "upstreams", "think_key", help: "Of a cascade: the secret that the chat endpoint wants.",
      \.cascade.thinkKey, check: readSecret
    ).secret(),
    .text(
      "upstreams", "think_key_file", form: "FILE",
      help: "A file that holds it, instead of `think_key`.",
      \.cascade.thinkKey, check: readSecretFile),
    Self(
      table: "upstreams", key: "speak_url", form: "URL",
      standard: "the service's own", help: "Of a cascade: where its voice is dialled."
    ) { upstream, written throws(Refusal) in
      upstream.cascade.speakEndpoint = try readEndpoint(try written.text())
    },
    .text(
      "upstreams", "speak_key", help: "Of a cascade: the secret that its voice wants.",
      \.cascade.speakKey, check: readSecret
    ).secret(),
    .text(
      "upstreams", "speak_key_file", form: "FILE",
      help: "A file that holds it, instead of `speak_key`.",
      \.cascade.speakKey, check: readSecretFile),
  ]

  private static let thinkStandard =
    upstreamRows.lazy.compactMap(\.settings.thinks).first.map(url) ?? ""
}

private func url(of service: Upstream.Service) -> String {
  "https://\(service.host)\(service.path)"
}

/// The address of a chat endpoint, of which its last words may be left out; a query stays behind.
private func whole(_ address: String) -> String {
  var path = address.prefix { $0 != "?" }
  let query = address.dropFirst(path.count)
  while path.hasSuffix("/") { path.removeLast() }
  let ending = "/chat/completions"
  return path + (path.hasSuffix(ending) ? "" : ending) + query
}

extension Draft {
  /// What the kind needs beside its own service, or that it needs none. Its voice is an upstream of
  /// its own, which nobody names.
  mutating func finishCascade(of upstream: inout Config.Upstream, _ kind: UpstreamRow) {
    let table = "upstreams.\(upstream.name)"
    guard let thinks = kind.settings.thinks, let speaks = kind.settings.speaks else {
      for row in Setting<Config.Upstream>.cascade {
        guard let place = places["\(table).\(row.key)"] else { continue }
        refuse(place, "[\(table)] \(row.key): \(upstream.kind) is no cascade")
      }
      upstream.cascade = Config.CascadeServices()
      return
    }
    judgeNetwork(of: upstream.cascade.speakEndpoint, "speak_url", upstream)
    finishThinking(of: &upstream, thinks, table)
    if upstream.cascade.speakEndpoint.host.isEmpty {
      upstream.cascade.speakEndpoint = speaks.endpoint
    }
    if upstream.cascade.speakKey.isEmpty, !upstream.isPrivate {
      let isOne = speaks.keyVariable == kind.settings.service?.keyVariable
      upstream.cascade.speakKey =
        isOne && !upstream.key.isEmpty ? upstream.key : serviceKeys[speaks.keyVariable] ?? ""
      if upstream.cascade.speakKey.isEmpty, !upstream.isWithoutKey {
        upstream.key = ""
        upstream.keyVariable = speaks.keyVariable
      }
    }
    if let path = kind.settings.path(Upstream.Options(upstream.options)),
      upstream.endpoint.path == kind.settings.service?.path
    {
      upstream.endpoint.path = path
    }
  }

  private mutating func finishThinking(
    of upstream: inout Config.Upstream, _ thinks: Upstream.Service, _ table: String
  ) {
    let isOurs = upstream.cascade.thinkURL.isEmpty
    if isOurs { upstream.cascade.thinkURL = url(of: thinks) }
    upstream.cascade.thinkURL = whole(upstream.cascade.thinkURL)
    judge(
      upstream.cascade.thinkURL, isPlain: upstream.isPrivate, by: "private",
      "[\(table)] think_url", at: place(of: "\(table).think_url"))
    guard upstream.cascade.thinkKey.isEmpty, !upstream.isPrivate else { return }
    upstream.cascade.thinkKey = serviceKeys[thinks.keyVariable] ?? ""
    // Others need none, some of them.
    if upstream.cascade.thinkKey.isEmpty, isOurs, !upstream.isWithoutKey {
      upstream.key = ""
      upstream.keyVariable = thinks.keyVariable
    }
  }

  /// Those that speak for cascades, which stand behind all others.
  var speakers: [Config.Upstream] {
    upstreams.filter(\.isUsableCascade).map { cascade in
      var speaker = Config.Upstream()
      speaker.name = Config.Upstream.name(ofSpeakerFor: cascade.name)
      speaker.kind = cascade.kind
      speaker.speaksFor = cascade.name
      speaker.endpoint = cascade.cascade.speakEndpoint
      speaker.endpoint.caFile = cascade.endpoint.caFile
      speaker.key = cascade.cascade.speakKey
      speaker.isPrivate = cascade.isPrivate
      return speaker
    }
  }
}

extension Upstream.Service {
  /// Where it is dialled when no url says otherwise.
  var endpoint: Config.Endpoint {
    var endpoint = Config.Endpoint()
    endpoint.host = host
    endpoint.path = path
    return endpoint
  }
}
