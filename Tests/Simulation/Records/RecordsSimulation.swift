// Records from a seed: engine, journal and courier together, on a disk that fails, with kills. A
// failure prints the line that replays it:
//
//     SIDETONE_RECORDS_SEED=1234 swift test --filter RecordsSimulation
//
// What else can be set stands in Seeds.

import Sidetone
import Testing

struct RecordsSimulation {
  @Test func `every seed: what was acknowledged is in one record, once and in order`() async {
    await Seeds<RecordsRun>.expectSound(usual: 200, every: 2, places: Self.places)
  }

  /// Where so many seeds must have been, or they prove less than they say.
  private static let places = Set<String>([
    "drained", "stopped", "not begun", "power lost", "told twice", "closed at once",
    "closed late", "ended killed", "ended stopped", "ended left", "ended closed",
    "ended shut_down", "ring full", "journal dropped", "courier in trouble", "disk full",
    "short write", "slow sync", "slow write", "failed write", "failed sync", "failed create",
    "failed cut", "entry said", "entry interrupted", "entry redial", "entry key",
    "courier killed before make the directory", "courier killed before write",
    "courier killed before sync", "courier killed before rename",
    "courier killed before sync the directory", "courier killed before commit",
    "courier killed before settle", "courier killed before remove",
    "courier killed before remove the directory", "courier killed before deliver",
  ]).union(Killer.moments.map { "killed before \($0)" })

  @Test func `the same seed is the same run`() {
    let one = RecordsRun(seed: 7)
    #expect(one.summary == RecordsRun(seed: 7).summary)
    #expect(one.summary != RecordsRun(seed: 8).summary)
  }

  /// Each of them is a way to break the product, planted where the simulation imitates it.
  @Test(arguments: [Plant.hasty, .lossy, .twice, .swapped, .late])
  func `the checkers see what they are there to see`(plant: Plant) {
    #expect((1...40).contains { !RecordsRun(seed: $0, plant: plant).failures.isEmpty })
  }

  /// Each frame is sent when it would have been, with the same bytes.
  @Test(arguments: Weather.Kind.allCases)
  func `a broken disk and a dead hook change nothing that a peer is sent`(weather: Weather.Kind) {
    for seed in 1...2 as ClosedRange<UInt64> {
      let alone = Bystanders(seed: seed, weather: nil)
      let recorded = Bystanders(seed: seed, weather: weather)
      #expect(alone.failures + recorded.failures == [])
      #expect(alone.entries == 0 && recorded.entries > 10)
      let first = zip(alone.messages, recorded.messages).first { $0 != $1 }
      #expect(first == nil, "seed \(seed)")
      #expect(alone.messages.count == recorded.messages.count)
    }
  }
}
