// Which doors are open before anybody knocks: decided once from the settings, shown on the start
// lines, and the frame for each request's admission. A route never becomes reachable from outside
// by omission: away from loopback it is guarded, open by the operator's explicit word, or not
// served at all.

/// How callers prove that they may use a route. Of keys, signatures and tokens one is enough. A
/// route's own `addresses` and `secret` take their place, and where it has the two, both must hold.
package struct Means: OptionSet, Sendable {
  package let rawValue: UInt32
  package init(rawValue: UInt32) { self.rawValue = rawValue }

  /// One of the API keys, in a header or as a subprotocol.
  package static let keys = Means(rawValue: 1)
  /// The peer's address is in the route's list.
  package static let addresses = Means(rawValue: 2)
  /// The secret path segment.
  package static let secret = Means(rawValue: 4)
  /// A token that a webhook of ours has given out. It can only be seen in the socket's first
  /// messages, so a caller who shows nothing else gets a socket, but no upstream before it.
  package static let token = Means(rawValue: 8)

  /// The signature of one carrier; index into Carrier.all.
  package static func signature(of carrier: Int) -> Means {
    precondition(carrier >= 0 && carrier < 28, "there is a bit for each carrier")
    return Means(rawValue: 16 << UInt32(carrier))
  }

  /// Whether a carrier's signature is among them.
  package var hasSignature: Bool { rawValue >= 16 }
}

package enum Exposure: Equatable, Sendable {
  /// Callers must prove themselves by these means. Never empty.
  case guarded(Means)
  /// No means is set, and every listener is on loopback: open to this machine only, and not to what
  /// is merely passed on by a proxy, a tunnel or a web page.
  case loopback
  /// Open to everyone, as the operator asked.
  case open
  /// Not served.
  case off(Reason)

  package enum Reason: Equatable, Sendable {
    /// Nothing protects it, and a listener can be reached from other machines.
    case unprotected
  }
}

extension Config {
  /// Whether only this machine can reach the routes.
  package var isLoopbackOnly: Bool { listeners.allSatisfy { $0.isForOperators || $0.isLoopback } }

  /// A configured route that comes out as `off` is a mistake in the settings; a default one is just
  /// not served, and a start line says why.
  package func exposure(of route: Route) -> Exposure {
    if route.isOpen { return .open }
    let means = means(for: route)
    if !means.isEmpty { return .guarded(means) }
    return isLoopbackOnly ? .loopback : .off(.unprotected)
  }

  private func means(for route: Route) -> Means {
    var own: Means = []
    if !route.addresses.isEmpty { own.insert(.addresses) }
    if !route.secret.isEmpty { own.insert(.secret) }
    if !own.isEmpty { return own }
    var common: Means = []
    if wantsKeys { common.insert(.keys) }
    for index in Sidetone.Carrier.all.indices where checksSignature(of: index, on: route) {
      common.insert(.signature(of: index))
    }
    if isGivenTokens(route) { common.insert(.token) }
    return common
  }

  /// Whether this carrier calls there, signs its calls, and can be held to it: a signature over a
  /// body needs a body.
  private func checksSignature(of carrier: Int, on route: Route) -> Bool {
    let row = Sidetone.Carrier.all[carrier]
    let name = row.name.description
    guard let signature = row.signature, !self[carrier: name].secrets.isEmpty else { return false }
    switch signature.covers {
    case .url: return route.isFor(carrier: name)
    case .body: return route.isWebhook
    }
  }

  /// Whether some carrier's signatures are over the URL under which we are called.
  package var checksURLs: Bool {
    Sidetone.Carrier.all.contains {
      $0.signature?.covers == .url && !self[carrier: $0.name.description].secrets.isEmpty
    }
  }

  /// Whether a carrier that asks webhooks what to do may call there.
  package func isForWebhooks(_ route: Route) -> Bool {
    Sidetone.Carrier.all.contains { $0.webhook != nil && route.isFor(carrier: $0.name.description) }
  }

  /// Whether a webhook's answer brings a token for the call's socket. One that only lets us listen
  /// does so where there is a carrier whose sockets cannot prove themselves in another way.
  package func givesTokens(_ webhook: Route) -> Bool {
    switch webhook.kind {
    case .call: false
    case .connect: true
    case .voice:
      // Strangers whom an open one answers have proved nothing that a token could pass on.
      !webhook.isOpen
        && Sidetone.Carrier.all.indices.contains {
          Sidetone.Carrier.all[$0].signature?.covers == .body
            && checksSignature(of: $0, on: webhook)
        }
    }
  }

  /// Whether callers of this route come with tokens of a webhook that is guarded itself.
  private func isGivenTokens(_ route: Route) -> Bool {
    guard route.kind == .call else { return false }
    return routes.contains { webhook in
      guard !webhook.isRetired, givesTokens(webhook), webhook.stream == route.path else {
        return false
      }
      switch exposure(of: webhook) {
      case .guarded, .open: return true
      case .loopback, .off: return false
      }
    }
  }
}
