// The XML that carriers' webhooks are answered with: one stream of the call's audio to this relay,
// in a verb that says whether we only listen (`Start`) or also talk (`Connect`). `<Stream>` stands
// inside the verb; directly under `<Response>` it is not valid. A query in the stream's URL would
// be dropped on the way, so there is none.

struct TwiML: Sendable {
  enum Verb { case start, connect }

  private let routes: [PreparedRoute]
  private let origins: Origins

  init(_ config: Config, _ prepared: Prepared) {
    routes = prepared.routes
    origins = Origins(config)
  }

  /// The response up to the stream's URL; its attributes and `>` follow. The stream comes back to
  /// the address that is set as ours, or to the one that the request has named; one of them is
  /// known, or the request would not be here.
  func begin(_ verb: Verb, _ request: Request, route: Int, into out: inout Writer) -> HTTP.Response
  {
    var response = HTTP.Response(.ok, into: &out)
    response.beginBody("text/xml; charset=utf-8", into: &out)
    out.write("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response><")
    out.write(Self.name(of: verb))
    out.write("><Stream url=\"")
    if let origin = origins.back(to: request) {
      out.write(origin.isSecure ? "wss://" : "ws://")
      out.write(xml: origin.host)
      out.write(origin.port)
      out.write(xml: origin.path)
    }
    writePath(of: routes[route].stream, into: &out)
    out.write("\"")
    return response
  }

  /// The call and the account that a webhook is about, as all dialects of this XML name them; empty
  /// where it does not say.
  static func call(of request: Request) -> Bytes { value(of: "CallSid", request) }
  static func account(of request: Request) -> Bytes { value(of: "AccountSid", request) }

  private static func value(of name: StaticString, _ request: Request) -> Bytes {
    Query.value(of: name, in: request.form)
      ?? Query.value(of: name, in: request.head.query.bytes(in: request.bytes)) ?? .empty
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

  /// What gives the stream its token, behind its attributes.
  func write(_ token: CallTokens.Token, into out: inout Writer) {
    out.write("><Parameter name=\"token\" value=\"")
    token.write(into: &out)
    out.write("\"/></Stream>")
  }

  private static func name(of verb: Verb) -> StaticString {
    switch verb {
    case .start: "Start"
    case .connect: "Connect"
    }
  }

  /// The path of the call route that the answer points to, secret included.
  private func writePath(of stream: Int, into out: inout Writer) {
    guard stream >= 0 else { return }
    out.write(xml: routes[stream].path.bytes)
    guard !routes[stream].secret.bytes.isEmpty else { return }
    out.write("/")
    out.write(xml: routes[stream].secret.bytes)
  }
}
