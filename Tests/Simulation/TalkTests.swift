// Whole two-way calls from a seed. A failure prints the line that replays it:
//
//     SIDETONE_TALK_SEED=1234 swift test --filter Simulation
//
// What else can be set stands in Seeds.

import Sidetone
import Testing

struct TalkTests {
  @Test func `every seed: a model is heard whole, in time and never stale`() async {
    await Seeds<Talk>.expectSound(usual: 100, places: Self.places)
  }

  /// Where so many seeds must have been, or they prove less than they say.
  private static let places: Set<String> = [
    "interrupted early", "interrupted middle", "interrupted late", "interrupted twice",
    "late piece", "truncated", "forgotten", "key", "resumed", "setup refused",
    "model died: reset", "model died: close", "model died: silence", "model died: expiry",
    "model died: closeAsked", "model died: closeRefused", "model died: closeUnknown",
    "model died: notice", "said again",
    "refused 503", "closed 1000", "closed 1011", "ended stopped", "ended closed", "ended left",
    "ended silent", "a spelling of its own",
  ]

  @Test func `the same seed is the same run`() {
    #expect(Talk(seed: 7).summary == Talk(seed: 7).summary)
    #expect(Talk(seed: 7).summary != Talk(seed: 8).summary)
  }
}
