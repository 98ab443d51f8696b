// Questions and answers from a seed, whatever becomes of the sessions.

import Testing

struct QuestionsTests {
  @Test(arguments: 0..<4)
  func `every seed: a question gets an answer, or a line that says why not`(
    lane: Int
  ) {
    let first = Setting.number("SIDETONE_FIRST_SEED") ?? 1
    let count = Setting.number("SIDETONE_SEEDS") ?? 100
    var marks: Set<String> = []
    for seed in stride(from: first + lane, to: first + count, by: 4) {
      let run = Questions(seed: UInt64(seed))
      #expect(run.failures == [], "seed \(seed)")
      if !run.failures.isEmpty { return }
      marks.formUnion(run.marks)
    }
    if count >= 100 { #expect(Self.places.subtracting(marks) == []) }
  }

  private static let places: Set<String> = [
    "answered", "died after", "died inQuestion", "died beforeAnswer", "died inAnswer",
    "died notice",
  ]
}
