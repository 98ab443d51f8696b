// The XML that carriers' webhooks are answered with: one stream of the call's audio to this relay,
// in a verb that says whether we only listen (`Start`) or also talk (`Connect`). `<Stream>` stands
// inside the verb; directly under `<Response>` it is not valid. A query in the stream's URL would
// be dropped on the way, so there is none.

struct TwiML: Sendable {
  enum Verb { case start, connect }

  /// For each route the path of its stream, secret included, escaped for XML; empty where the route
  /// is no webhook.
  private let paths: [Text]
  /// `wss://host`, or empty where no public URL is set.
  private let origin: Text
  private let isTLS: [Bool]

  init(config: Config) {
    paths = config.routes.map { route in
      guard route.isWebhook else { return Text("") }
      let secret = config.routes.first { $0.kind == .call && $0.path == route.stream }?.secret ?? ""
      let path = route.stream + (secret.isEmpty ? "" : "/" + secret)
      return Text(Self.escaped(path))
    }
    origin = Text(Self.escaped(Self.socketOrigin(config.publicURL)))
    isTLS = config.listeners.map(\.isTLS)
  }

  /// The response up to the stream's URL; its attributes and `>` follow. The stream's host is the
  /// public URL's; on a relay that is open to its own machine only it is what the request calls us
  /// by, which admission has found to be a loopback name.
  func begin(_ verb: Verb, _ visit: Visit, route: Int, into out: inout Writer) -> HTTP.Response {
    var response = HTTP.Response(.ok, into: &out)
    response.beginBody("text/xml; charset=utf-8", into: &out)
    out.write("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response><")
    out.write(Self.name(of: verb))
    out.write("><Stream url=\"")
    if origin.bytes.isEmpty {
      out.write(isTLS[visit.listener] ? "wss://" : "ws://")
      // A host's bytes need no escaping: letters, digits, and none of XML's signs.
      out.write(visit.head.host.bytes(in: visit.bytes))
    } else {
      out.write(origin.bytes)
    }
    out.write(paths[route].bytes)
    out.write("\"")
    return response
  }

  /// Behind the stream: the end of the verb, what follows it, and the end of the response.
  func end(_ verb: Verb, _ response: HTTP.Response, verbs: Bytes, into out: inout Writer) {
    out.write("</")
    out.write(Self.name(of: verb))
    out.write(">")
    out.write(verbs)
    out.write("</Response>\n")
    response.end(into: &out)
  }

  private static func name(of verb: Verb) -> StaticString {
    switch verb {
    case .start: "Start"
    case .connect: "Connect"
    }
  }

  /// The same origin as a socket's: `https` becomes `wss`.
  private static func socketOrigin(_ url: String) -> String {
    if url.hasPrefix("https://") { return "wss://" + url.dropFirst(8) }
    return url.hasPrefix("http://") ? "ws://" + url.dropFirst(7) : url
  }

  private static func escaped(_ text: String) -> String {
    var escaped = ""
    for character in text {
      switch character {
      case "&": escaped += "&amp;"
      case "<": escaped += "&lt;"
      case ">": escaped += "&gt;"
      case "\"": escaped += "&quot;"
      case "'": escaped += "&apos;"
      default: escaped.append(character)
      }
    }
    return escaped
  }
}
