// What the driver tells of itself: whom it turned away before there was a link. None of it is about
// a call; all of it is counted, and said where somebody looks.

extension Relay {
  /// A TLS handshake was not begun, since its address had begun so many in this second.
  package func handshakeRefused(from peer: Address, perSecond: Int, at now: Instant) {
    turn.now = now
    turn.noteHandshakeRefused(peer, perSecond: perSecond)
  }
}

extension Turn {
  fileprivate mutating func noteHandshakeRefused(_ peer: Address, perSecond: Int) {
    counters.handshakesRefused &+= 1
    write(.warning, "handshakes_refused", nil) {
      $0.write(peer)
      $0.write(" begins more than ")
      $0.write(decimal: perSecond)
      $0.write(" TLS handshakes a second: if it is a proxy, listen.trusted_proxies may name it; ")
      $0.write("limits.handshakes_per_address_max allows more")
    }
  }
}
