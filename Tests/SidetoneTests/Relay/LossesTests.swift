// Nothing is dropped in silence: each way to lose something is counted and said once, and each
// counter and each line about a loss has such a way (Losses).

import Testing

@testable import Sidetone

struct LossesTests {
  /// What only says that something went as it should.
  private static let plain: Set<String> = [
    "callsStarted", "callsEnded", "callsEndedAfterStart", "requests", "bytesIn", "bytesOut",
    "bytesToUpstreams", "frames", "transcripts", "speechPieces", "speechSent", "interruptions",
    "redials", "reloads", "keysGood", "keysRefused", "functionsAnswered", "silenceSkipped",
    "warmTaken", "warmAged",
  ]

  private func counts(_ rig: Rig) -> [String: Int] {
    var counts: [String: Int] = [:]
    for field in Mirror(reflecting: rig.relay.totals).children {
      counts[field.label ?? ""] = field.value as? Int
    }
    return counts
  }

  @Test(arguments: Loss.all) func `a loss is counted, and said once`(loss: Loss) throws {
    let rig = try loss.provoke()
    if let counter = loss.counter {
      #expect(counts(rig)[counter, default: 0] > 0, "\(counts(rig).filter { $0.value > 0 })")
    }
    guard let event = loss.event else { return }
    let lines = rig.log.filter { $0.contains(" \(event): ") || $0.contains("(\(event): ") }
    #expect(lines.count == 1, "\(rig.log)")
    if loss.counter == nil { #expect(lines.allSatisfy { $0.contains("WARNING") }) }
  }

  @Test func `every counter of a loss has a way to rise`() {
    let fields = Mirror(reflecting: Counters()).children.compactMap(\.label)
    #expect(Set(fields) == Self.plain.union(Loss.all.compactMap(\.counter)))
  }

  @Test func `every line about a loss has a way to be written`() throws {
    let events = documentedEvents()
    #expect(events.count > 20)
    #expect(events.subtracting(Loss.all.compactMap(\.event)) == [])
  }

  /// The events that docs/log.md lists of callers, upstreams and models.
  private func documentedEvents(source: String = #filePath) -> Set<String> {
    let root = source.split(separator: "/").dropLast(4).joined(separator: "/")
    var events: Set<String> = []
    var isWanted = false
    for line in FixtureFile.read("/\(root)/docs/log.md").pieces(cutAt: "\n") {
      if line.hasPrefix("Of ") || line.hasPrefix("#") {
        isWanted = ["Of what a caller", "Of upstreams", "Of what a voice"].contains {
          line.hasPrefix($0)
        }
      }
      if isWanted, line.hasPrefix("| `") { events.insert(line.pieces(cutAt: "`")[1]) }
    }
    return events
  }
}
