// Who is told of calls in the simulation of records: a server that is slow, refuses, and answers
// where nobody hears it. What reached it outlives every courier.

import Sidetone
import SidetoneCourier
import SidetoneRecords

/// What has reached the server, in the order in which it came.
final class HookServer {
  private(set) var received: [OutgoingEvent] = []
  var dice: Dice
  /// It answers nothing well while it is out of order, in Unix milliseconds.
  var outage: Range<Int64>

  init(seed: UInt64, outage: Range<Int64>) {
    dice = Dice(seed: seed &* 11 &+ 5)
    self.outage = outage
  }

  func receive(_ event: OutgoingEvent) { received.append(event) }
}

/// A courier's end of it.
final class HookClient: SidetoneCourier.Destination {
  let name = "hook"
  var shownName: String { name }
  private let server: HookServer
  private var held: [(event: OutgoingEvent, until: Int64)] = []

  init(_ server: HookServer) { self.server = server }

  func wants(_ kind: EventKind) -> Bool { true }
  var room: Int { 8 - held.count }
  var awaited: [Awaited] { [] }
  var wakeTime: Int64? { held.map(\.until).min() }

  func begin(_ event: OutgoingEvent, transcript: () -> JSONTree, at now: Int64) {
    let isSlow = server.dice.percent(10)
    held.append((event, isSlow ? now + Int64(server.dice.below(2000)) : now))
  }

  func advance(at now: Int64) -> [Finished] {
    let due = held.filter { $0.until <= now }
    held.removeAll { $0.until <= now }
    return due.map { Finished(row: $0.event.row, verdict: verdict(on: $0.event, at: now)) }
  }

  private func verdict(on event: OutgoingEvent, at now: Int64) -> Verdict {
    let later = now + Int64(server.dice.range(100...3000))
    if server.outage.contains(now) || server.dice.percent(5) {
      return .again(at: later, reason: "503")
    }
    server.receive(event)
    return server.dice.percent(5) ? .again(at: later, reason: "no answer") : .delivered
  }
}
