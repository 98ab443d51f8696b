// Time must always go on: whatever the state of a call, its timer is set for later than now.

import Sidetone
import Testing

struct TimesTests {
  @Test("A call that has lasted too long is finished, and time goes on meanwhile")
  func longestCall() throws {
    let rig = Rig { $0.limits.callSecondsMax = 10 }
    let caller = try #require(rig.open("/media"))
    rig.start(caller)
    let upstream = try #require(rig.answerDial())
    for _ in 0..<9 {
      rig.media(caller)
      rig.advance(milliseconds: 1000)
    }
    _ = rig.taken(from: upstream)
    rig.advance(milliseconds: 1500)
    #expect(rig.messages(from: upstream, isCaller: false) == ["{\"type\":\"CloseStream\"}"])
    rig.advance(milliseconds: 10_000)
    #expect(rig.relay.callsInUse == 0)
  }

  @Test("Two tracks that find no room in the pool are lost, and time goes on")
  func pairsWithoutRoom() throws {
    let rig = Rig(Self.small)
    let caller = try #require(rig.open("/media"))
    rig.start(caller, tracks: "\"inbound\",\"outbound\"")
    _ = try #require(rig.answerDial())
    rig.media(caller)
    rig.dryOut()
    rig.advance(milliseconds: 100)
    #expect(rig.relay.callsInUse > 0)
  }

  @Test("A backlog goes on at its pace, also when the timer looks after something else in between")
  func pace() throws {
    let rig = Rig { $0.upstreams[0].pacePercent = 125 }
    let caller = try #require(rig.open("/media"))
    rig.start(caller)
    for _ in 0..<200 { rig.media(caller) }
    let upstream = try #require(rig.answerDial())
    // A finished dialling has nothing to do with the rest: 4 s of audio at 5/4 of real time.
    var received = 0
    for _ in 0..<30 {
      rig.advance(milliseconds: 100)
      received += rig.messages(from: upstream, isCaller: false).reduce(0) { $0 + $1.utf8.count }
    }
    #expect(received > 0)
    #expect(rig.relay.totals.bytesToUpstreams == 200 * 160)
  }

  static func small(_ config: inout Config) {
    config.limits.callsMax = 40
    config.limits.uplinkMillisecondsPlanned = 0
    config.limits.outboxBytesMax = 16_384
    config.limits.playoutMillisecondsMax = config.limits.playoutMillisecondsPlanned
  }
}
