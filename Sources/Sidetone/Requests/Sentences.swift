// The ends of refusals' sentences: names that are known only when the settings and the lists of
// carriers and upstreams are. Made at start; `Refusal` has the beginnings.

struct Sentences: Sendable {
  /// The paths that a lost caller is told.
  private let paths: Text
  /// Where a carrier's webhook belongs, for those who point it at a socket; may be empty.
  private let webhooks: Text
  /// For each route the names of its bots.
  private let bots: [Text]
  /// The variables by which the upstreams get their secrets.
  private let missing: [Text]
  /// Whose signature is taken beside keys, and what sets them.
  private let signatures: Text
  /// For each carrier what is said to those who do not sign; empty where it never does.
  private let wanted: [Text]
  private let headers: [Text]
  /// For each route, and for the pages, the lines that open it, each with whom it lets in.
  private let openings: [Text]
  private let pageOpening: Text
  /// What lets in those who come from afar; and what is for operators alone.
  private static let keyOpening: StaticString =
    " Set SIDETONE_API_KEYS (auth.api_keys) and send one as Authorization: Bearer KEY."
  private static let eventsOpening: StaticString =
    """
     Set SIDETONE_AUTH_OPERATOR_KEYS (auth.operator_keys) and send one as Authorization: Bearer \
    KEY. Keys of callers do not open it.
    """
  /// Where an upstream's key belongs.
  private let keys: Text
  /// Whose keys are taken beside those of the settings; may be empty.
  private let otherKeys: Text
  /// Who cannot sign sockets, and what opens them.
  private let unsigned: Text

  /// How many paths a lost caller is told.
  private static let pathsNamedMax = 32

  init(_ config: Config, _ prepared: Prepared) {
    // The paths stand in JSON.
    let open = config.routes.indices.filter { index in
      if case .off = prepared.routes[index].exposure { return false }
      return config.routes[index].secret.isEmpty && !config.routes[index].isRetired
    }
    let known =
      ["/health", "/ready", "/stats", "/metrics", "/events"] + open.map { config.routes[$0].path }
    let named = known.prefix(Self.pathsNamedMax).joined(separator: ", ")
    let end = known.count > Self.pathsNamedMax ? " and others." : "."
    paths = Text(named.filter { $0 != "\"" && $0 != "\\" } + end)
    let hooks = config.routes.filter { $0.isWebhook && $0.secret.isEmpty && !$0.isRetired }
      .map(\.path)
    let places = hooks.prefix(Self.pathsNamedMax).joined(separator: " or ")
    webhooks = Text(places.isEmpty ? "" : " A carrier's webhook belongs to \(places).")
    bots = config.routes.map {
      Text(" Choose one of: " + $0.bots.map(\.name).joined(separator: ", ") + ".")
    }
    missing = prepared.upstreams.map { Text($0.missing.bytes.array) }

    let rows = Carrier.all.map { row in
      (row.settings().displayName, row.signature, row.signature?.secret())
    }
    let signing = rows.filter { $0.1 != nil }
    let names = signing.map { "\($0.0)'s" }
    let whose =
      ([names.first.map { "\($0) signature" }].compactMap { $0 } + names.dropFirst())
      .joined(separator: " or ")
    let variables = signing.compactMap { $0.2?.variable }.joined(separator: " or ")
    signatures = Text("\(whose), where \(variables) is set.")
    wanted = rows.map { name, signature, secret in
      guard let signature, let secret else { return Text("") }
      return Text(
        "\(name)'s signature (\(signature.shownHeader)), since \(secret.variable) is set.")
    }
    headers = rows.map { Text($0.1?.shownHeader.description ?? "") }
    openings = config.routes.map { Text(Self.opening(of: $0, config)) }
    pageOpening = Text(Self.opening([]))
    let upstreams = config.upstreams.filter { !$0.isRetired && !$0.keyVariable.isEmpty }
      .map(\.keyVariable)
    keys = Text(
      "(\(upstreams.joined(separator: ", ")), in .env), a proof of who calls comes from "
        + "the carrier's signature (\(variables)).")
    otherKeys = Text(
      config.liteLLM == nil
        ? "" : " A key of LiteLLM (auth.litellm_url), which begins with sk-, will do as well.")
    let others = rows.filter { $0.1?.covers != .url }.map(\.0).joined(separator: ", ")
    unsigned = Text(
      " A caller that cannot sign its socket (\(others)) is let in by secret or addresses of its "
        + "[[routes]] (in the file that --config names), or by a key of SIDETONE_API_KEYS "
        + "(auth.api_keys).")
  }

  private static func opening(of route: Config.Route, _ config: Config) -> String {
    var (lines, others) = ([String](), [String]())
    for row in Carrier.all where route.isFor(carrier: row.name.description) {
      let name = row.settings().displayName
      // What the line would do is seen by trying it.
      var tried = config
      tried[carrier: row.name.description].secrets = [[0]]
      if let secret = row.signature?.secret(), case .guarded = tried.exposure(of: route) {
        lines.append("\(secret.variable)=YOUR_\(secret.word.uppercased()) for \(name)")
      } else {
        others.append(name)
      }
    }
    let opening = opening(lines)
    guard route.kind == .call, !others.isEmpty else { return opening }
    return opening + " Who can do none of that (\(others.joined(separator: ", "))) is let in by "
      + "secret or addresses of its [[routes]] (in the file that --config names)."
  }

  private static func opening(_ lines: [String]) -> String {
    " One line in .env opens it, then start the relay again: "
      + (lines + ["SIDETONE_API_KEYS=A_KEY_OF_YOURS (auth.api_keys) for callers who bring it"])
      .joined(separator: ", or ") + "."
  }

  /// What belongs behind `refusal.sentence`; `place`: where the request wanted to go.
  func writeEnd(of refusal: Refusal, at place: Destination?, into out: inout Writer) {
    switch refusal {
    case .unknownPath: out.write(paths.bytes)
    case .noUpstreamKey(let index):
      out.write(missing[index].bytes)
      out.write(" and start the relay again.")
    case .noSocket(.notAsked): out.write(webhooks.bytes)
    case .unknownBot(let route), .unservedBot(let route): out.write(bots[route].bytes)
    case .foreignPeer, .foreignHost, .forwarded, .unprotected:
      out.write(opening(of: place, isFar: refusal == .foreignPeer))
    case .keyInWebhookURL: out.write(keys.bytes)
    case .wrongKey: out.write(otherKeys.bytes)
    case .noProof(let means):
      if means.hasSignature { writeProof(means, into: &out) }
      if means.contains(.keys) { out.write(otherKeys.bytes) }
    default: break
    }
  }

  /// What opens a place that is open to this machine only.
  private func opening(of place: Destination?, isFar: Bool) -> Bytes {
    if place == .events { return Self.eventsOpening.bytes }
    if isFar { return Self.keyOpening.bytes }
    return (place?.route.map { openings[$0] } ?? pageOpening).bytes
  }

  private func writeProof(_ means: Means, into out: inout Writer) {
    if means.contains(.keys) {
      out.write(signatures.bytes)
      return out.write(unsigned.bytes)
    }
    let first = Carrier.all.indices.first { means.contains(.signature(of: $0)) } ?? 0
    if means.subtracting(.signature(of: first)).hasSignature {
      out.write("a carrier's signature, ")
      for index in Carrier.all.indices where means.contains(.signature(of: index)) {
        if index > first { out.write(" or ") }
        out.write(headers[index].bytes)
      }
      out.write(".")
    } else {
      out.write(wanted[first].bytes)
    }
    out.write(unsigned.bytes)
  }
}
