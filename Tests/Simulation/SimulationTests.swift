// Whole calls from a seed. A failure prints the line that replays it:
//
//     SIDETONE_SEED=1234 swift test --filter Simulation
//
// SIDETONE_SEEDS says how many seeds are run (200), SIDETONE_FIRST_SEED which is the first (1).

import Glibc
import Sidetone
import Testing

struct SimulationTests {
  static func setting(_ name: String) -> Int? { getenv(name).flatMap { Int(String(cString: $0)) } }

  @Test(
    "Every seed: nothing is lost, doubled or reordered, everything comes home, every call ends once"
  )
  func seeds() async {
    if let seed = Self.setting("SIDETONE_SEED") {
      let failures = Run(seed: UInt64(seed)).failures
      #expect(failures.isEmpty, "seed \(seed): \(failures.joined(separator: "; "))")
      return
    }
    let first = Self.setting("SIDETONE_FIRST_SEED") ?? 1
    let count = Self.setting("SIDETONE_SEEDS") ?? 200
    let lanes = 4
    let (failed, marks) = await withTaskGroup(of: (Int?, Set<String>).self) { group in
      for lane in 0..<lanes {
        group.addTask { Self.run(stride(from: first + lane, to: first + count, by: lanes)) }
      }
      var failed: [Int] = []
      var marks: Set<String> = []
      for await (seed, seen) in group {
        if let seed { failed.append(seed) }
        marks.formUnion(seen)
      }
      return (failed.sorted(), marks)
    }
    for seed in failed {
      Issue.record(
        """
        seed \(seed): \(Run(seed: UInt64(seed)).failures.joined(separator: "; ")). \
        Replay: SIDETONE_SEED=\(seed) swift test --filter Simulation
        """)
    }
    if failed.isEmpty, count >= 200 { #expect(Self.places.subtracting(marks) == []) }
  }

  /// The first seed that fails, and what happened in all of them.
  private static func run(_ seeds: StrideTo<Int>) -> (Int?, Set<String>) {
    var marks: Set<String> = []
    for seed in seeds {
      let run = Run(seed: UInt64(seed))
      if !run.failures.isEmpty { return (seed, marks) }
      marks.formUnion(run.marks)
    }
    return (nil, marks)
  }

  /// Where so many seeds must have been, or they prove less than they say.
  private static let places: Set<String> = [
    "held back", "pinged", "finalized", "kept alive", "opening silence", "replayed",
    "refused 503", "closed 1000", "closed 1002", "closed 1007", "closed 1009",
    "closed 1011", "ended stopped", "ended closed", "ended left", "ended silent",
    "ended malformed_frames", "health 200", "ready 200", "ready 503", "stats 200", "half 408",
    "noise 400",
  ]

  @Test("The same seed is the same run")
  func replays() {
    let one = Run(seed: 77)
    let other = Run(seed: 77)
    #expect(one.summary == other.summary)
    #expect(one.summary != Run(seed: 78).summary)
  }

  @Test("The checkers see what they are there to see")
  func checkersCanFail() {
    #expect((1...5).contains { !Run(seed: $0, spoil: true).failures.isEmpty })
  }
}
