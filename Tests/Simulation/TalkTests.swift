// Whole two-way calls from a seed. A failure prints the line that replays it:
//
//     SIDETONE_TALK_SEED=1234 swift test --filter Simulation
//
// SIDETONE_SEEDS says how many seeds are run (100), SIDETONE_FIRST_SEED which is the first (1).

import Sidetone
import Testing

struct TalkTests {
  @Test(
    "Every seed: what the model says is heard whole and in time, and nothing stale after an interruption"
  )
  func seeds() async {
    if let seed = SimulationTests.setting("SIDETONE_TALK_SEED") {
      let failures = Talk(seed: UInt64(seed)).failures
      #expect(failures.isEmpty, "seed \(seed): \(failures.joined(separator: "; "))")
      return
    }
    let first = SimulationTests.setting("SIDETONE_FIRST_SEED") ?? 1
    let count = SimulationTests.setting("SIDETONE_SEEDS") ?? 100
    let (failed, marks) = await withTaskGroup(of: ([Int], Set<String>).self) { group in
      for lane in 0..<4 {
        group.addTask { Self.run(stride(from: first + lane, to: first + count, by: 4)) }
      }
      var failed: [Int] = []
      var marks: Set<String> = []
      for await (seeds, seen) in group {
        failed += seeds
        marks.formUnion(seen)
      }
      return (failed.sorted(), marks)
    }
    for seed in failed {
      Issue.record(
        """
        seed \(seed): \(Talk(seed: UInt64(seed)).failures.joined(separator: "; ")). \
        Replay: SIDETONE_TALK_SEED=\(seed) swift test --filter Simulation
        """)
    }
    if failed.isEmpty, count >= 100 { #expect(Self.places.subtracting(marks) == []) }
  }

  private static func run(_ seeds: StrideTo<Int>) -> ([Int], Set<String>) {
    var failed: [Int] = []
    var marks: Set<String> = []
    for seed in seeds where failed.count < 3 {
      let talk = Talk(seed: UInt64(seed))
      if !talk.failures.isEmpty { failed.append(seed) }
      marks.formUnion(talk.marks)
    }
    return (failed, marks)
  }

  /// Where so many seeds must have been, or they prove less than they say.
  private static let places: Set<String> = [
    "interrupted early", "interrupted middle", "interrupted late", "interrupted twice",
    "late piece", "truncated", "forgotten", "key", "resumed", "setup refused",
    "model died: reset", "model died: close", "model died: silence", "model died: expiry",
    "refused 503", "closed 1000", "closed 1011", "ended stopped", "ended closed", "ended left",
    "ended silent",
  ]

  @Test("The same seed is the same run")
  func replays() {
    #expect(Talk(seed: 7).summary == Talk(seed: 7).summary)
    #expect(Talk(seed: 7).summary != Talk(seed: 8).summary)
  }
}
