// The lines of Relay+Driver, and what they count: how late the driver's turns begin, how long they
// last, whom it turned away before there was anything to read.

extension Turn {
  /// What is longer than this is a line: a caller may have heard it.
  private static let longSpan = Instant.Span.milliseconds(20)

  mutating func noteBegan(late lag: Instant.Span) {
    lags.record(lag)
    guard lag > Self.longSpan else { return }
    write(.warning, "loop_late", nil) {
      $0.write("the loop woke up ")
      $0.write(decimal: lag.milliseconds)
      $0.write(" ms late: the process was stopped, or others had its processor")
    }
  }

  mutating func noteEnded(after span: Instant.Span, working: () -> Instant.Span) {
    turns.record(span)
    guard span > Self.longSpan else { return }
    let working = working()
    write(.warning, "turn_long", nil) {
      $0.write("a turn of the loop lasted ")
      $0.write(decimal: span.milliseconds)
      if working < span {
        $0.write(" ms, of which it worked ")
        $0.write(decimal: working.milliseconds)
        $0.write(" ms at most: others had its processor")
      } else {
        $0.write(" ms, of work: the frames of all calls waited for it")
      }
    }
  }

  mutating func noteHandshakeRefused(_ peer: Address, perSecond: Int) {
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
