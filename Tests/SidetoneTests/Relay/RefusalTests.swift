// What the log says of requests that are refused behind admission: each by its own word.

import Sidetone
import Testing

struct RefusalTests {
  @Test func `a parameter that cannot be served is logged as one`() {
    let rig = Rig()
    #expect(rig.open("/ws/transcribe?encoding=opus") == nil)
    #expect(rig.log.contains { $0.contains("refused: bad_parameter") })
    #expect(!rig.log.contains { $0.contains("upstream_unavailable") })
    #expect(rig.relay.totals.requestsRefused == 1)
  }

  @Test func `a call that finds all sessions of its upstream taken is logged as that`() throws {
    let rig = Rig { $0.upstreams[0].sessionsMax = 1 }
    _ = try #require(rig.open("/ws/transcribe"))
    #expect(rig.open("/ws/transcribe") == nil)
    #expect(rig.log.contains { $0.contains("refused: upstream_unavailable") })
    #expect(rig.relay.totals.requestsRefused == 1)
  }
}
