// What the pages say of records: how far the journal is, and how delivery goes.

/// The state of records at one moment.
package struct RecordsState: BitwiseCopyable, Sendable {
  /// Entries for the journal, and those that found no room on their way or on the disk.
  package var entries = 0
  package var lost = 0
  package var delivery = Delivery()

  package init() {}

  init(_ turn: Turn) {
    entries = Int(turn.entries.last)
    lost = turn.entries.dropped + turn.entries.lostByDriver
    delivery = turn.delivery
  }
}

extension Pages {
  /// A member of `/ready`.
  static func write(_ records: RecordsState, into out: inout Writer) {
    out.write(",\"records\":{\"lost\":")
    out.write(decimal: records.lost)
    out.write(",\"pending\":")
    out.write(decimal: records.delivery.pending)
    out.write(",\"oldest_seconds\":")
    out.write(decimal: records.delivery.oldestSeconds)
    out.write(",\"dropped\":")
    out.write(decimal: records.delivery.dropped)
    out.write(",\"hooks_off\":")
    out.write(decimal: records.delivery.hooksOff)
    out.write("}")
  }

  /// What became of the files of calls that are over.
  func writeFiles(_ totals: Counters, _ out: inout Writer) {
    func counter(_ name: StaticString, _ help: StaticString, _ value: Int) {
      metric(name, "counter", help, value, &out)
    }
    counter(
      "sidetone_records_late_total", "Ends of calls that waited in vain for disk or files.",
      totals.recordsLate)
    counter(
      "sidetone_records_failed_total", "Calls whose files cannot be written.",
      totals.recordsFailed)
    counter(
      "sidetone_records_forgotten_total", "Calls of whose files nobody says when they are there.",
      totals.recordsForgotten)
  }

  func writeMetrics(_ records: RecordsState, _ out: inout Writer) {
    func gauge(_ name: StaticString, _ help: StaticString, _ value: Int) {
      metric(name, "gauge", help, value, &out)
    }
    func counter(_ name: StaticString, _ help: StaticString, _ value: Int) {
      metric(name, "counter", help, value, &out)
    }
    counter("sidetone_journal_entries_total", "What was written down of calls.", records.entries)
    counter(
      "sidetone_journal_entries_lost_total", "What found no room on its way, or on the disk.",
      records.lost)
    gauge("sidetone_deliveries_pending", "Events that wait.", records.delivery.pending)
    gauge(
      "sidetone_deliveries_oldest_seconds", "How long the oldest has waited.",
      records.delivery.oldestSeconds)
    counter("sidetone_deliveries_total", "Events delivered.", records.delivery.delivered)
    counter(
      "sidetone_deliveries_failed_total", "Events given up, refused for too long.",
      records.delivery.failed)
    counter(
      "sidetone_deliveries_dropped_total",
      "Events dropped, for want of room or of hooks turned off.", records.delivery.dropped)
    gauge("sidetone_hooks_off", "Hooks that their servers turned off.", records.delivery.hooksOff)
  }
}
