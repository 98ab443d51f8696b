// What the driver tells of itself: lines for people in the form of all others, with their time, as
// text or JSON and not again and again, and the lines that its writer could not get rid of.

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
