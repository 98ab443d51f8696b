// The answer of `/voice`: TwiML that starts a stream of the call's audio to this relay and then
// keeps the call up, since it would end with its last verb. The stream brings a token where a
// carrier may call whose sockets cannot prove themselves in another way.

package struct VoiceWebhook: Sendable {
  private let document: TwiML
  private let verbs: Text

  package init(_ config: Config, _ prepared: Prepared) {
    document = TwiML(config, prepared)
    verbs = Text(config.voiceVerbs)
  }

  /// The whole response.
  package func write(
    _ request: Request, route: Int, token: CallTokens.Token? = nil, into out: inout Writer
  ) {
    let response = document.begin(.start, request, route: route, into: &out)
    if let token { document.write(token, into: &out) } else { out.write("/>") }
    document.end(.start, response, verbs: verbs.bytes, into: &out)
  }
}
