// Webhooks that connect a caller with us: what they choose waits under a token for the call's
// socket.

extension Relay {
  func sendConnect(
    _ index: Int, _ route: Int, _ visit: Visit, _ identity: Identity
  ) throws(Refusal) {
    let choice = try connect.choose(visit, route: route, as: identity)
    var choices = Chain()
    guard choices.append(choice.options, from: pool) else { throw .full }
    let held = CallTokens.Held(
      route: routes[route].stream, bot: choice.bot, choices: choices, call: .none)
    let (token, displaced) = tokens.issue(held, random: &random, at: visit.now)
    if let displaced { release(displaced) }
    answer(index, visit.now) { self.connect.write(visit, route: route, token: token, into: &$0) }
  }

  /// The socket that a token was for has not come.
  func release(_ held: CallTokens.Held) {
    var held = held
    held.choices.clear(in: pool)
  }
}
