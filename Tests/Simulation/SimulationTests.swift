// Whole calls from a seed. A failure prints the line that replays it:
//
//     SIDETONE_SEED=1234 swift test --filter Simulation
//
// What else can be set stands in Seeds.

import Sidetone
import Testing

struct SimulationTests {
  @Test func `every seed: nothing is lost, doubled or reordered, and every call ends once`() async {
    await Seeds<Run>.expectSound(usual: 200, places: Self.places)
  }

  /// Where so many seeds must have been, or they prove less than they say.
  private static let places: Set<String> = [
    "held back", "pinged", "finalized", "kept alive", "opening silence", "replayed",
    "refused 503", "closed 1000", "closed 1002", "closed 1007", "closed 1009",
    "closed 1011", "ended stopped", "ended closed", "ended left", "ended silent",
    "ended malformed_frames", "health 200", "ready 200", "ready 503", "stats 200", "half 408",
    "noise 400",
  ]

  @Test func `the same seed is the same run`() {
    let one = Run(seed: 77, trace: nil)
    let other = Run(seed: 77, trace: nil)
    #expect(one.summary == other.summary)
    #expect(one.summary != Run(seed: 78, trace: nil).summary)
  }

  @Test func `the checkers see what they are there to see`() {
    #expect((1...5).contains { !Run(seed: $0, spoil: true).failures.isEmpty })
  }
}
