// Who is calling, on a route that takes anybody: found out from the first messages.

import Testing

@testable import Sidetone

struct RecognitionTests {
  private let connected = #"{"event":"connected","protocol":"Call","version":"1.0.0"}"#
  private let telnyx =
    #"{"event":"start","stream_id":"S","start":{"call_control_id":"v3:C","media_format":{"encoding":"PCMU","sample_rate":8000}}}"#

  @Test func `connected in words that two carriers use decides nothing, start does`() throws {
    for (start, media) in [
      (telnyx, #"{"event":"media","media":{"chunk":"1","payload":"AAAA"}}"#),
      (Fixture.start, Fixture.media),
    ] {
      let rig = Rig()
      let caller = try #require(rig.open("/echo"))
      rig.say(connected, on: caller)
      #expect(rig.relay.totals.callsStarted == 0)
      rig.say(start, on: caller)
      rig.say(media, on: caller)
      #expect(rig.relay.totals.callsStarted == 1 && rig.relay.totals.frames == 1)
      #expect(rig.relay.totals.messagesBad == 0)
    }
  }

  @Test func `connected that only one of a route's carriers says decides`() throws {
    let rig = Rig()
    let caller = try #require(rig.open("/media"))
    rig.say(connected, on: caller)
    // Known by now: what is no start of its is a bad message, not a stranger's.
    rig.say(#"{"event":"start","start":{}}"#, on: caller)
    #expect(rig.relay.totals.messagesBad == 1)
  }

  @Test func `a call of a ucid vendor starts with its start, whatever its stop is called`() throws {
    let rig = Rig()
    let caller = try #require(rig.open("/echo"))
    rig.say(#"{"event":"start","ucid":1234567890123456789012,"type":"text"}"#, on: caller)
    #expect(rig.relay.totals.callsStarted == 1)
    rig.say(#"{"event":"stop","ucid":"another","type":"text"}"#, on: caller)
    rig.advance(milliseconds: 5000)
    #expect(rig.relay.callsInUse == 0)
  }

  @Test func `what a carrier complains of is said in the log`() throws {
    let rig = Rig()
    let caller = try #require(rig.open("/echo"))
    rig.say(telnyx, on: caller)
    rig.say(#"{"event":"error","payload":{"code":100004,"title":"invalid_media"}}"#, on: caller)
    #expect(rig.log.contains { $0.contains("invalid_media") })
  }
}
