// What a load found out, as a table for people and as one JSON object for programs.

struct LoadReport {
  var before: ProcessReading?
  var opened: ProcessReading?
  var closed: ProcessReading?
  var after: ProcessReading?
  var generatorOpened: (processor: Int64, clock: Int64) = (0, 0)
  var generatorClosed: (processor: Int64, clock: Int64) = (0, 0)
  var leftOpen = 0
  private var rows: [(section: String, name: String, value: Value)] = []
  private(set) var isClean = false

  private enum Value {
    case count(Int)
    case time(Double)

    /// JSON's way to write it; a time in microseconds, or a share in percent.
    var text: String {
      switch self {
      case .count(let count): return String(count)
      case .time(let time):
        let tenths = Int((time * 10).rounded())
        return "\(tenths < 0 ? "-" : "")\(abs(tenths) / 10).\(abs(tenths) % 10)"
      }
    }
  }

  mutating func finish(_ options: LoadOptions, _ tally: LoadTally) {
    add(tally.up, prefix: "")
    add("calls", "refused", .count(tally.refused))
    add("calls", "broken", .count(tally.broken))
    add("calls", "stuck", .count(tally.stuck))
    add("calls", "upstreams", .count(tally.upstreams))
    add("calls", "upstreams_finished", .count(tally.finished))
    add("calls", "upstreams_left_open", .count(leftOpen))
    if tally.down == nil {
      add("calls", "results_sent", .count(tally.results))
    } else {
      add("calls", "sessions", .count(tally.sessions))
    }
    addTimes(tally.up, prefix: "")
    if let down = tally.down {
      add(down, prefix: "down_")
      if tally.playout == nil { addTimes(down, prefix: "down_") }
    }
    if let playout = tally.playout {
      add("playout_late_us", playout.late)
      add("playout_early_us", playout.early)
      add("playout", "gaps", .count(playout.gaps))
    }
    addGenerator()
    let arrived = tally.up.measuredArrived + (tally.down?.measuredArrived ?? 0)
    addProcess(frames: arrived, calls: options.calls)
    isClean =
      tally.refused + tally.broken + tally.stuck == 0 && Self.isClean(tally.up)
      && tally.down.map(Self.isClean) ?? true
  }

  /// Whether frames were sent, and each of them arrived once and whole.
  private static func isClean(_ tally: FrameTally) -> Bool {
    let ledger = tally.ledger
    return ledger.sentCount > 0 && ledger.losses().total + ledger.doubled + ledger.overtaken == 0
      && ledger.foreign + tally.damaged + tally.strayBytes == 0
  }

  private mutating func add(_ tally: FrameTally, prefix: String) {
    let section = prefix + "frames"
    let losses = tally.ledger.losses()
    if prefix.isEmpty { add(section, "calls", .count(tally.ledger.calls)) }
    add(section, "sent", .count(tally.ledger.sentCount))
    add(section, "arrived", .count(tally.ledger.arrivedCount))
    add(section, "lost", .count(losses.total))
    add(section, "lost_at_start", .count(losses.atStart))
    add(section, "lost_in_middle", .count(losses.inMiddle))
    add(section, "lost_at_end", .count(losses.atEnd))
    add(section, "doubled", .count(tally.ledger.doubled))
    add(section, "overtaken", .count(tally.ledger.overtaken))
    add(section, "damaged", .count(tally.damaged))
    add(section, "foreign", .count(tally.ledger.foreign))
    add(section, "stray_bytes", .count(tally.strayBytes))
  }

  private mutating func addTimes(_ tally: FrameTally, prefix: String) {
    add(prefix + "delay_us", tally.delay)
    add(prefix + "delay_since_due_us", tally.delaySinceDue)
    add(prefix + "first_frame_delay_us", tally.firstFrame)
    add(prefix + "generator_lateness_us", tally.lateness)
  }

  private mutating func add(_ section: String, _ name: String, _ value: Value) {
    rows.append((section, name, value))
  }

  private mutating func add(_ section: String, _ histogram: Histogram) {
    add(section, "count", .count(histogram.count))
    add(section, "p50", .time(histogram.microseconds(atMost: 0.5)))
    add(section, "p99", .time(histogram.microseconds(atMost: 0.99)))
    add(section, "p999", .time(histogram.microseconds(atMost: 0.999)))
    add(section, "worst", .time(histogram.worstMicroseconds))
  }

  private mutating func addGenerator() {
    let elapsed = Double(generatorClosed.clock - generatorOpened.clock)
    let busy = Double(generatorClosed.processor - generatorOpened.processor)
    add("generator", "busy_percent", .time(elapsed > 0 ? 100 * busy / elapsed : 0))
  }

  private mutating func addProcess(frames: Int, calls: Int) {
    guard let before, let opened, let closed, let after else { return }
    let elapsed = Double(generatorClosed.clock - generatorOpened.clock)
    let processor = Double(closed.processor - opened.processor)
    add("relay", "us_per_frame", .time(frames > 0 ? processor / 1_000 / Double(frames) : 0))
    add(
      "relay", "user_us_per_frame",
      .time(frames > 0 ? Double(closed.user - opened.user) / 1_000 / Double(frames) : 0))
    add("relay", "busy_percent", .time(elapsed > 0 ? 100 * processor / elapsed : 0))
    add("relay", "resident_kib", .count(closed.resident))
    add(
      "relay", "resident_kib_per_call",
      .time(Double(closed.resident - before.resident) / Double(calls)))
    add("relay", "descriptors_before", .count(before.descriptors))
    add("relay", "descriptors_during", .count(closed.descriptors))
    add("relay", "descriptors_after", .count(after.descriptors))
  }

  /// One object; each section is an object in it.
  var json: String {
    var sections: [String] = []
    for row in rows where !sections.contains(row.section) { sections.append(row.section) }
    let objects = sections.map { section in
      let members = rows.filter { $0.section == section }.map { "\"\($0.name)\":\($0.value.text)" }
      return "\"\(section)\":{\(members.joined(separator: ","))}"
    }
    return "{\(objects.joined(separator: ",")),\"clean\":\(isClean)}"
  }

  var text: String {
    var lines: [String] = []
    var section = ""
    for row in rows {
      let head = row.section == section ? "" : row.section
      section = row.section
      let names = head.padded(28) + row.name.padded(22)
      lines.append(
        names + String(repeating: " ", count: max(0, 12 - row.value.text.count))
          + row.value.text)
    }
    lines.append(
      isClean ? "every frame arrived once and whole" : "NOT every frame arrived once and whole")
    return lines.joined(separator: "\n")
  }
}

extension String {
  fileprivate func padded(_ width: Int) -> String {
    self + String(repeating: " ", count: max(1, width - count))
  }
}
