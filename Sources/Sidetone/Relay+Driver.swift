// What the driver tells of itself: lines for people in the form of all others, with their time, as
// text or JSON and not again and again; how its turns went; the lines that its writer could not get
// rid of; whom it turned away before there was anything to read. None of it is about a call.

extension Relay {
  /// Writes a line of the log about the machine. `detail` has no line breaks.
  package func log(
    _ level: Config.LogLevel, _ event: StaticString, _ detail: String, at now: Instant
  ) {
    turn.now = now
    Array(detail.utf8).withBytes { text in turn.write(level, event, nil) { $0.write(text) } }
  }

  /// A turn of the driver's loop begins so long after the moment for which it had asked.
  package func turnBegan(late lag: Instant.Span, at now: Instant) {
    turn.now = now
    turn.noteBegan(late: lag)
  }

  /// A turn of the driver's loop took so long; `working` of it at most was its own work, and is
  /// asked for only where the turn was long.
  package func turnEnded(after span: Instant.Span, working: () -> Instant.Span, at now: Instant) {
    turn.now = now
    turn.noteEnded(after: span, working: working)
  }

  /// What a caller sent has waited so long in the kernel before it was read.
  package func waited(_ span: Instant.Span) { turn.waits.record(span) }

  /// A TLS handshake was not begun, since its address had begun so many in this second.
  package func handshakeRefused(from peer: Address, perSecond: Int, at now: Instant) {
    turn.now = now
    turn.noteHandshakeRefused(peer, perSecond: perSecond)
  }

  /// Lines that were taken by `takeLine` and never reached their reader, ever.
  package func setWriterDropped(transcripts: Int, logs: Int) {
    turn.log.lost = (transcripts, logs)
  }
}

extension Turn {
  /// What is longer than this is a line: a caller may have heard it.
  private static let longSpan = Instant.Span.milliseconds(20)

  fileprivate mutating func noteBegan(late lag: Instant.Span) {
    lags.record(lag)
    guard lag > Self.longSpan else { return }
    write(.warning, "loop_late", nil) {
      $0.write("the loop woke up ")
      $0.write(decimal: lag.milliseconds)
      $0.write(" ms late: the process was stopped, or others had its processor")
    }
  }

  fileprivate mutating func noteEnded(
    after span: Instant.Span, working: () -> Instant.Span
  ) {
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
