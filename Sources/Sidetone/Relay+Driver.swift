// What the driver tells of itself: lines for people in the form of all others, with their time, as
// text or JSON and not again and again; how its turns went (Turn+Driver); the lines that its writer
// could not get rid of; whom it turned away before there was anything to read. None of it is about
// a call. And what it takes for its writer: the lines.

extension Relay {
  /// Writes a line of the log about the machine. `detail` has no line breaks.
  package func log(
    _ level: Config.LogLevel, _ event: StaticString, _ detail: String, at now: Instant
  ) {
    turn.now = now
    Array(detail.utf8).withBytes { text in turn.write(level, event, nil) { $0.write(text) } }
  }

  /// The same for what an operator has asked of the driver: whole, however often.
  package func answer(
    _ level: Config.LogLevel, _ event: StaticString, _ detail: String, at now: Instant
  ) {
    Array(detail.utf8).withBytes { text in
      turn.log.write(
        level, event, call: nil, at: now, isAnswer: true, detail: { $0.write(text) })
    }
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

  /// The wall clock, told now and then, for time stamps that people read.
  package func setWall(_ wall: WallTime, at now: Instant) { turn.log.setWall(wall, at: now) }

  /// Lines for people: takes the oldest into `place` (cut to fit) and says where they belong, or
  /// nil.
  package func takeLine(into place: Bytes) -> Line? { turn.log.take(into: place) }
}
