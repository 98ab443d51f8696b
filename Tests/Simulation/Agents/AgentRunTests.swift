// Calls whose agents act, from a seed. A failure prints the line that replays it:
//
//     SIDETONE_AGENTS_SEED=1234 swift test --filter Simulation

import Testing

struct AgentRunTests {
  @Test func `every seed: nothing is said twice or forgotten, each call ends for one cause`()
    async
  {
    await Seeds<AgentRun>.expectSound(usual: 100, every: 5, places: Self.places)
  }

  /// Where so many seeds must have been, or they prove less than they say.
  private static let places: Set<String> = [
    "openai ready", "gemini ready", "agent ready", "resumed", "told what was said", "said again",
    "gone on", "called post", "called hangUp", "called transfer", "called senseless",
    "called twice", "answered late", "cancelled", "asked to go on", "server hangs",
    "server says 2 MB", "server answers twice", "carrier refuses", "carrier hangs", "transferred",
    "fetcher died before a request", "fetcher died before an answer",
    "fetcher died behind an answer", "fetcher died at any time", "ended stopped", "ended closed",
    "ended left", "ended hung_up", "ended transferred", "died beforeAnswer", "died inAnswer",
    "died atCall", "died atResult", "died atAsk", "died inQuestion", "died notice",
  ]

  @Test func `the same seed is the same run`() {
    #expect(AgentRun(seed: 7).summary == AgentRun(seed: 7).summary)
    #expect(AgentRun(seed: 7).summary != AgentRun(seed: 8).summary)
  }

  @Test(arguments: AgentModel.Plant.allCases)
  func `the checkers see what they are there to see`(plant: AgentModel.Plant) {
    #expect((1...40).contains { !AgentRun(seed: $0, plant: plant).failures.isEmpty })
  }

  @Test func `a call that nobody ends is missed`() {
    #expect(!AgentRun(seed: 1, plant: nil, stays: true).failures.isEmpty)
  }
}
