// Calls whose agents are cascades, from a seed. A failure prints the line that replays it:
//
//     SIDETONE_CASCADES_SEED=1234 swift test --filter Simulation

import Testing

struct CascadeRunTests {
  @Test func `every seed: what a cascade hears is asked, what it is told is heard, once`() async {
    await Seeds<CascadeRun>.expectSound(usual: 250, every: 6, most: 250, places: Self.places)
  }

  /// Where so many seeds must have been, or they prove less than they say.
  private static let places: Set<String> = [
    "ears ready", "flux ready", "openai ready", "asked", "spoken", "interrupted", "cleared",
    "old sound", "noise", "not made out", "said again", "called post", "called hangUp",
    "called transfer", "called senseless", "answered late", "chat says 429", "chat says 500",
    "chat says 400", "chat hangs", "chat fails", "chat breaks off", "chat hangs in mid-answer",
    "voice never flushes", "voice never clears", "voice idle", "answer_silent",
    "answer_incomplete", "fetcher died before a request", "fetcher died before an answer",
    "ended stopped", "ended closed", "ended left", "ended hung_up", "ended transferred",
    "died inAnswer", "died beforeAnswer", "died inQuestion",
  ]

  @Test func `the same seed is the same run`() {
    #expect(CascadeRun(seed: 7).summary == CascadeRun(seed: 7).summary)
    #expect(CascadeRun(seed: 7).summary != CascadeRun(seed: 8).summary)
  }

  @Test(arguments: AgentThought.Plant.allCases)
  func `the checkers see what they are there to see`(plant: AgentThought.Plant) {
    #expect((1...40).contains { !CascadeRun(seed: $0, plant: plant).failures.isEmpty })
  }
}
