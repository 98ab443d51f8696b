// Lines about what is written down of a call.

extension Turn {
  mutating func note(_ event: Event.OfRecord, _ call: Name?) {
    switch event {
    case .saving:
      write(.info, "transcript_saving", call, "💾 Saving transcript for async processing...")
    case .saved(let name):
      log.write(.info, "transcript_saved", call: call, at: now) {
        $0.write("✅ Transcript saved: ")
        $0.write(name)
      }
    case .failed(let sentence):
      counters.recordsFailed &+= 1
      write(.error, "transcript_unsaved", call) { $0.write(sentence) }
    case .late(let what, let span):
      counters.recordsLate &+= 1
      write(.warning, "records_late", call) { $0.write(late: what, span) }
    case .forgotten(let isFirst):
      counters.recordsForgotten &+= 1
      guard isFirst else { return }
      write(.warning, "records_forgotten", nil) {
        $0.write("more than ")
        $0.write(decimal: OwedFiles.callsMax)
        $0.write(
          """
           calls that are over wait for their files: these follow, but of the oldest nobody says \
          when they are there
          """)
      }
    }
  }
}

extension Writer {
  fileprivate mutating func write(late what: Event.OfRecord.Late, _ span: Instant.Span) {
    write(what == .sync ? "the disk did not take what was said" : "the files are not there")
    write(" within ")
    write(decimal: span.milliseconds)
    write(" ms")
    write(
      what == .sync
        ? ": its files are waited for all the same"
        : " (records.close_wait_milliseconds): the caller is closed, and they follow")
  }
}
