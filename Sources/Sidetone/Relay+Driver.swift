// What the driver tells of itself: lines for people in the form of all others, with their time, as
// text or JSON and not again and again; the lines that its writer could not get rid of; whom it
// turned away before there was anything to read. None of it is about a call.

extension Relay {
  /// Writes a line of the log about the machine. `detail` has no line breaks.
  package func log(
    _ level: Config.LogLevel, _ event: StaticString, _ detail: String, at now: Instant
  ) {
    turn.now = now
    Array(detail.utf8).withBytes { text in
      turn.write(level, event, nil) { $0.write(text) }
    }
  }

  /// A TLS handshake was not begun, since its address had begun so many in this second.
  package func handshakeRefused(from peer: Address, perSecond: Int, at now: Instant) {
    turn.now = now
    turn.noteHandshakeRefused(peer, perSecond: perSecond)
  }

  /// Lines that were taken by `takeLine` and never reached their reader, ever.
  package func setWriterDropped(transcripts: Int, logs: Int) {
    writerDropped = (transcripts, logs)
  }

  /// Lines that no reader saw, ever, and of these lines of the transcript.
  var linesDropped: (all: Int, transcripts: Int) {
    (
      turn.log.dropped + writerDropped.transcripts + writerDropped.logs,
      turn.log.droppedTranscripts + writerDropped.transcripts
    )
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
