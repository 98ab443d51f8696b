// A relay with strangers at its door, from a seed. A failure prints the line that replays it:
//
//     SIDETONE_SIEGE_SEED=1234 swift test --filter Simulation

import Testing

struct SiegeTests {
  @Test func `every seed: who proves something is served, calls notice nothing, all are told`()
    async
  {
    await Seeds<Siege>.expectSound(usual: 100, every: 5, places: Self.places)
  }

  /// Where so many seeds must have been, or they prove less than they say.
  private static let places: Set<String> = [
    "displaced", "slowed", "silent 408", "silent 503", "half 408", "half 503", "drip 408",
    "drip 503", "noToken 1008", "noToken 1013", "flood 1008", "health 200", "closed 1000",
  ]
}
