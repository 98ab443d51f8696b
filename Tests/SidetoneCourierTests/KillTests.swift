// A courier is killed before each thing that it changes outside itself, and once more before each
// thing that the next one changes; whoever comes after them does all that a courier would have done
// that was never killed: the same files, and the same events under the same ids.

import Foundation
import Testing

@testable import SidetoneCourier

@Suite struct KillTests {
  /// Two calls of one id and millisecond, one that its relay's death ended, one on another relay.
  private let fixture: Folder

  init() throws {
    fixture = Folder()
    try journal(
      fixture, as: "1750000000000-1",
      [
        started(of: 1), started(of: 2), entry("interim", of: 1, ["text": "a"]),
        spoken("one", of: 1), spoken("two", of: 2), ended(of: 1), ended(of: 2),
        started("KILLED", of: 3), spoken("three", of: 3),
      ])
    try journal(
      fixture, as: "1750000000000-2",
      [started("OTHER", of: 4), spoken("four", of: 4), ended(of: 4)])
  }

  /// What the world has seen.
  private struct Outcome: Equatable {
    var files: [String: String] = [:]
    /// What the hook got, by id: the same body however often.
    var events: [String: [UInt8]] = [:]
    var orders: [String: [String]] = [:]
    var journals: [String] = []
    var waiting = 0
  }

  private func outcome(_ folder: Folder, _ hooks: [Sink], _ last: Courier) throws -> Outcome {
    var outcome = Outcome(journals: folder.names("journal"), waiting: try last.waitingCount())
    for place in ["calls", "transcripts"] {
      for name in folder.names(place) { outcome.files[name] = folder.text("\(place)/\(name)") }
    }
    for event in hooks.flatMap(\.begun) {
      if let body = outcome.events[event.id] {
        #expect(body == event.body, "\(event.id) changed")
      } else {
        outcome.orders[event.call, default: []].append(event.id)
      }
      outcome.events[event.id] = event.body
    }
    return outcome
  }

  /// Two couriers that are killed at those points, and a third that is not. How many points the
  /// second one has passed.
  private func run(killing points: [Int]) throws -> (Outcome, passed: [Int]) {
    let folder = Folder(copying: fixture)
    var hooks: [Sink] = []
    var passed: [Int] = []
    for point in points {
      let (hook, disturbance) = (Sink(), Disturbance(killsAt: point))
      hooks.append(hook)
      do {
        try courier(folder, [hook], disturbance: disturbance).run()
      } catch let trouble as Trouble {
        #expect(trouble.kind == .killed)
      }
      passed.append(disturbance.passed.count)
    }
    hooks.append(Sink())
    let last = try courier(folder, [hooks[hooks.count - 1]])
    try last.run()
    return (try outcome(folder, hooks, last), passed)
  }

  @Test func `killed anywhere, twice in a row, nothing is lost and nothing is told otherwise`()
    throws
  {
    let (whole, all) = try run(killing: [.max])
    #expect(whole.files.count == 8)
    #expect(whole.events.count == 13)
    #expect(whole.journals == [])
    #expect(whole.waiting == 0)
    #expect(all[0] > 30, "there are points to be killed at")
    var random = SystemRandomNumberGenerator()
    for first in 0..<all[0] {
      let second = Int.random(in: 0..<all[0], using: &random)
      let (outcome, _) = try run(killing: [first, second])
      #expect(outcome == whole, "killed at \(first), then at \(second)")
    }
  }
}
