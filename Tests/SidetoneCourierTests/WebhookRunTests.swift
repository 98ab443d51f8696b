// Hooks over days of virtual time: a spool in memory that keeps its promises, servers that fail in
// every way, and a courier that is killed in between. What must hold: of each call the events
// arrive in their order, each at least once, and again only under the same id.

import Sidetone
import Testing

@testable import SidetoneCourier

struct WebhookRunTests {
  @Test(arguments: 0..<60)
  func `whatever fails, the events of a call arrive in their order and none is lost`(
    seed: UInt8
  ) throws {
    var run = try Run(seed: seed)
    try run.toTheEnd()
    #expect(run.spool.isEmpty)
    for call in 0..<Run.calls {
      var expected = 0
      for number in run.arrived["\(call)", default: []] {
        // The next one, or one that was there before.
        #expect(number <= expected, "call \(call) at \(expected)")
        expected = max(expected, number + 1)
      }
      #expect(expected == Run.eventsOfCall, "call \(call)")
    }
  }
}

private struct Run {
  static let calls = 12
  static let eventsOfCall = 6

  struct Stored {
    var event: OutgoingEvent
    var due: Int64
  }
  struct Sent {
    let row: Int64
    let at: Int64
    let result: HTTPResult
  }

  var spool: [Stored] = []
  var arrived: [String: [Int]] = [:]
  private var hook: Webhook
  private var underWay: [Sent] = []
  private var random: Random
  private var now: Int64 = 1_764_000_000_000
  private var isUp = true

  init(seed: UInt8) throws {
    random = Random(seed: [seed])
    hook = try Self.makeHook(seed)
    for row in 0..<Self.calls * Self.eventsOfCall {
      let call = row % Self.calls
      let event = OutgoingEvent(
        row: Int64(row), id: "\(call)-\(row / Self.calls)", kind: .final, call: "\(call)", at: now,
        body: Array("{}".utf8))
      spool.append(Stored(event: event, due: now))
    }
  }

  private static func makeHook(_ seed: UInt8) throws -> Webhook {
    var config = WebhookConfig(
      url: try HTTPURL("https://hooks.test/"), secrets: [], events: [.final])
    config.requestsMax = 4
    return Webhook(config, random: Random(seed: [seed, 1]))
  }

  private mutating func chance(_ one: UInt32, of all: UInt32) -> Bool { random.next() % all < one }

  mutating func toTheEnd() throws {
    var steps = 0
    while !spool.isEmpty, steps < 100_000 {
      steps += 1
      if chance(1, of: 40) { isUp.toggle() }
      if chance(1, of: 100) { try kill() }
      handIn()
      try goOn()
    }
  }

  /// What was under way is forgotten: it may have arrived.
  private mutating func kill() throws {
    underWay = []
    hook = try Self.makeHook(UInt8(truncatingIfNeeded: random.next()))
  }

  private mutating func handIn() {
    var heads: Set<String> = []
    let due = spool.filter { heads.insert($0.event.call).inserted && $0.due <= now }
      .sorted { ($0.due, $0.event.row) < ($1.due, $1.event.row) }
    for stored in due where !underWay.contains(where: { $0.row == stored.event.row }) {
      guard hook.room(at: now) > 0 else { return }
      guard hook.begin(stored.event, at: now) != nil else { continue }
      let (result, isThere) = answer()
      if isThere {
        let number = Int(stored.event.row) / Self.calls
        arrived[stored.event.call, default: []].append(number)
      }
      let takes = Int64(random.next() % 2000)
      underWay.append(Sent(row: stored.event.row, at: now + takes, result: result))
    }
  }

  /// And whether the event arrived.
  private mutating func answer() -> (HTTPResult, Bool) {
    guard isUp else { return (noAnswer, false) }
    switch random.next() % 12 {
    case 0: return (status(500), false)
    case 1: return (status(429, retryAfter: "3"), false)
    case 2: return (.failure(HTTPFailure(.tooSlow, "no answer in time")), true)
    case 3: return (status(302), false)
    case 4: return (status(503), false)
    default: return (status(204), true)
    }
  }

  /// To the next thing that happens.
  private mutating func goOn() throws {
    let times = underWay.map(\.at) + spool.map(\.due).filter { $0 > now }
    let wake = hook.wakeTime(at: now)
    now = max(now + 1, (times + (wake.map { [$0] } ?? [])).min() ?? now)
    for sent in underWay.filter({ $0.at <= now }) {
      underWay.removeAll { $0.row == sent.row }
      let verdict = try given(hook.finished(sent.row, sent.result, at: now))
      let place = try #require(spool.firstIndex { $0.event.row == sent.row })
      switch verdict {
      case .delivered: spool.remove(at: place)
      case .again(let time, _):
        spool[place].event.attempts += 1
        spool[place].due = time
      case .givenUp, .off: Issue.record("nothing is to be given up here: \(verdict)")
      }
    }
  }
}
