// The courier and the destinations: what is due is begun, and what became of it goes into the spool
// and, where it matters to the relay, to the relay.

import Sidetone
import SidetoneRecords

extension Courier {
  func deliver(at now: Int64) throws(Trouble) {
    for (index, _) in served { try begin(index, at: now) }
    for (index, destination) in destinations.enumerated() {
      verdicts += destination.advance(at: now).map { (index, $0) }
    }
    try disturbance?.pass("deliver")
    guard !verdicts.isEmpty else { return }
    try apply(at: now)
  }

  private func begin(_ index: Int, at now: Int64) throws(Trouble) {
    let destination = destinations[index]
    let room = destination.room
    guard room > 0 else { return }
    let due = try spool.due(
      for: destination.name, at: now, countMax: room, except: Set(underWay[index].keys))
    for event in due {
      let name =
        destination.form == .files && event.kind == .ended
        ? JSONTree(event.body)?["name"]?.string.map { "\($0)_transcript.json" } : nil
      underWay[index][event.row] = UnderWay(
        call: event.call, kind: event.kind, attempts: event.attempts, transcript: name)
      let transcript = { [spool] () -> JSONTree in
        // The spool keeps nothing of a call that has ended; the event has all of it.
        if event.kind == .ended, let body = JSONTree(event.body) { return body.transcript }
        return (try? spool.history(of: event.call).transcript) ?? .null
      }
      destination.begin(event, transcript: transcript, at: now)
    }
  }

  // MARK: Verdicts

  /// All that destinations have said, as one transaction; the relay is told behind it.
  private func apply(at now: Int64) throws(Trouble) {
    let all = verdicts
    // What was found in a call is in no journal, and is told under an id that must stay.
    let isSynced = all.contains { $0.finished.extracted != nil }
    try spool.transaction(isSynced: isSynced) { () throws(Trouble) in
      for (index, finished) in all { try apply(finished, of: index, at: now) }
    }
    verdicts = []
    isChanged = true
    for (index, finished) in all { tell(finished, of: index, at: now) }
  }

  private func apply(
    _ finished: Finished, of index: Int, at now: Int64
  ) throws(Trouble) {
    guard let event = underWay[index][finished.row] else { return }
    let destination = destinations[index]
    if let extracted = finished.extracted { try take(extracted, of: event.call, at: now) }
    switch finished.verdict {
    case .delivered:
      try spool.count(.delivered, for: destination.name)
      try spool.remove(finished.row, at: now)
    case .again(let time, let reason):
      try spool.postpone(finished.row, to: time, reason: reason)
    case .givenUp(let reason):
      if destination.extracts, event.kind == .ended {
        try takeUnextracted(reason, of: event.call, at: now)
      }
      try spool.count(.failed, for: destination.name)
      try spool.remove(finished.row, at: now)
    case .off(let reason):
      _ = try spool.turnOff(destination.name, reason: reason, at: now)
    }
  }

  private func tell(_ finished: Finished, of index: Int, at now: Int64) {
    guard let event = underWay[index].removeValue(forKey: finished.row) else { return }
    let destination = destinations[index]
    let about = "delivery \(destination.name)"
    switch finished.verdict {
    case .delivered:
      settled(about, "delivered_again", "\(destination.shownName) takes events again")
      if let transcript = event.transcript { word.filed(event.call, transcript) }
    case .again(_, let reason):
      let text = "\(destination.shownName) did not take an event, it is tried again: \(reason)"
      complain(.warning, "delivery_failed", text, about: about)
      if event.transcript != nil, event.attempts == 0 { word.unfiled(event.call, reason) }
    case .givenUp(let reason) where destination.extracts && event.kind != .ended:
      complain(
        .warning, "extraction_skipped",
        "nothing was extracted from what was just said; it is left to the next line and to the"
          + " call's end: \(reason)", about: about)
    case .givenUp(let reason):
      word.log(
        .error, "delivery_given_up",
        "\(event.kind.rawValue) of call \(event.call) is not delivered to"
          + " \(destination.shownName): \(reason)")
    case .off(let reason):
      // Others of its calls may have been under way.
      guard offs.insert(index).inserted else { return }
      word.log(
        .error, "hook_off",
        "\(destination.shownName) is turned off, and what waited for it was dropped: \(reason)")
    }
  }
}

extension JSONTree {
  /// The transcript in what is told of a call's end.
  fileprivate var transcript: JSONTree {
    let names = ["schema_version", "call_id", "call_key", "started_at", "conversation"]
    return .object(names.map { Member($0, self[$0] ?? .null) })
  }
}
