// Many seeds, run side by side: which of them failed, where they have been, what each came to. The
// settings of a run come from the environment:
//
//     SIDETONE_SEEDS=N         how many seeds are run (of what takes long, fewer)
//     SIDETONE_FIRST_SEED=N    the first of them (1)
//     SIDETONE_TRACE=PREFIX    writes PREFIX-NAME.txt for each kind of run: all that the relay did
//                              in each seed as one digest, or step by step where one is replayed
//     SIDETONE_RECORD=1        writes the goldens anew instead of comparing with them

import Glibc
import TestSupport
import Testing

/// What one seed came to.
protocol SeededRun: SendableMetatype {
  /// Names its goldens and its trace.
  static var name: String { get }
  /// The setting that replays one seed.
  static var replay: String { get }
  /// The tests that run it.
  static var filter: String { get }
  /// Whether what its seeds come to is held to what it was.
  static var hasGoldens: Bool { get }
  init(seed: UInt64, trace: Trace?)
  var failures: [String] { get }
  var marks: Set<String> { get }
  /// What everybody had done in the end, the same for every run of this seed.
  var summary: String { get }
}

extension SeededRun {
  static var filter: String { "Simulation" }
  static var hasGoldens: Bool { true }
}

struct Seeds<Run: SeededRun> {
  private var failed: [Int] = []
  private var marks: Set<String> = []
  private var summaries: [Int: String] = [:]
  private var traces: [Int: String] = [:]

  /// Runs the seeds that were asked for, `usual` many where nobody asked; so many must have been in
  /// all of `places`, or they prove less than they say. Of runs that take long only each `every`th
  /// of those that were asked for is one, and no more than `most`.
  static func expectSound(
    usual: Int, every: Int = 1, most: Int = .max, places: Set<String>
  ) async {
    if let seed = Setting.number(Run.replay) { return replay(seed) }
    let first = Setting.number("SIDETONE_FIRST_SEED") ?? 1
    let count = Setting.number("SIDETONE_SEEDS").map { min(max(1, $0 / every), most) } ?? usual
    let all = await run(first..<first + count)
    for seed in all.failed.sorted() {
      Issue.record(
        """
        seed \(seed): \(Run(seed: UInt64(seed), trace: nil).failures.joined(separator: "; ")). \
        Replay: \(Run.replay)=\(seed) swift test --filter \(Run.filter)
        """)
    }
    if all.failed.isEmpty, count >= usual { #expect(places.subtracting(all.marks) == []) }
    if !Run.hasGoldens {
      // What it comes to may change with every part.
    } else if Setting.text("SIDETONE_RECORD") == nil {
      Goldens(Run.name).expectEqual(all.summaries)
    } else if all.failed.isEmpty {
      Goldens(Run.name).record(all.summaries)
    }
    if let prefix = Setting.text("SIDETONE_TRACE") {
      let lines = all.traces.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)\n" }
      TextFile("\(prefix)-\(Run.name).txt").write(lines.joined())
    }
  }

  private static func replay(_ seed: Int) {
    let prefix = Setting.text("SIDETONE_TRACE")
    let trace = prefix.map { _ in Trace(keepsSteps: true) }
    let failures = Run(seed: UInt64(seed), trace: trace).failures
    #expect(failures.isEmpty, "seed \(seed): \(failures.joined(separator: "; "))")
    if let prefix, let trace { TextFile("\(prefix)-\(Run.name).txt").write(trace.steps) }
  }

  private static func run(_ seeds: Range<Int>) async -> Seeds {
    let lanes = 4
    return await withTaskGroup(of: Seeds.self) { group in
      for lane in 0..<lanes {
        group.addTask {
          run(stride(from: seeds.lowerBound + lane, to: seeds.upperBound, by: lanes))
        }
      }
      var all = Seeds()
      for await one in group {
        all.failed += one.failed
        all.marks.formUnion(one.marks)
        all.summaries.merge(one.summaries) { $1 }
        all.traces.merge(one.traces) { $1 }
      }
      return all
    }
  }

  /// One lane's share; three failures are enough.
  private static func run(_ seeds: StrideTo<Int>) -> Seeds {
    var share = Seeds()
    let isTraced = Setting.text("SIDETONE_TRACE") != nil
    for seed in seeds where share.failed.count < 3 {
      let trace = isTraced ? Trace(keepsSteps: false) : nil
      let run = Run(seed: UInt64(seed), trace: trace)
      if !run.failures.isEmpty { share.failed.append(seed) }
      share.marks.formUnion(run.marks)
      share.summaries[seed] = run.summary
      share.traces[seed] = trace?.summary
    }
    return share
  }
}

enum Setting {
  static func text(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }
  static func number(_ name: String) -> Int? { text(name).flatMap { Int($0) } }
}
