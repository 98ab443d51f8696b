// A transcription route that converts its callers' audio to another rate: the same words, the same
// clock.

import Sidetone
import Testing

struct UpstreamRateTests {
  private func rig() -> Rig { Rig { $0.routes[0].upstreamRate = 16_000 } }

  private func result(_ end: String) -> String {
    """
    {"type":"Results","channel_index":[0,1],"start":0,"duration":\(end),"is_final":true,\
    "channel":{"alternatives":[{"transcript":"a","confidence":1}]}}
    """
  }

  @Test func `audio goes up as linear samples at twice the rate, in its turn`() throws {
    let rig = rig()
    let caller = try #require(rig.open("/media"))
    rig.start(caller)
    rig.relay.connected(try #require(rig.dialled.last), at: rig.now)
    rig.perform()
    let request = String(decoding: rig.taken(from: rig.dialled.last!), as: UTF8.self)
    #expect(request.contains("encoding=linear16&sample_rate=16000&channels=1"))
    let other = self.rig()
    let second = try #require(other.open("/media"))
    other.start(second)
    let upstream = try #require(other.answerDial())
    other.media(second)
    #expect(other.relay.totals.bytesToUpstreams == 160)
    #expect(other.taken(from: upstream).count == 640 + 8)
  }

  @Test func `what was said while it was dialled follows, in messages of any length`() throws {
    let rig = rig()
    let caller = try #require(rig.open("/media"))
    rig.start(caller)
    for _ in 0..<40 { rig.media(caller) }
    let upstream = try #require(rig.answerDial())
    rig.advance(milliseconds: 100)
    #expect(rig.relay.totals.bytesToUpstreams == 40 * 160)
    #expect(rig.taken(from: upstream).count >= 40 * 640)
  }

  @Test(arguments: [16_000, 24_000])
  func `a backlog of any length is converted in messages that have room for it`(rate: Int) throws {
    let rig = Rig { $0.routes[0].upstreamRate = rate }
    let caller = try #require(rig.open("/media"))
    rig.start(caller)
    for _ in 0..<40 { rig.media(caller) }
    let upstream = try #require(rig.answerDial())
    rig.advance(milliseconds: 100)
    #expect(rig.relay.totals.bytesToUpstreams == 40 * 160)
    let messages = rig.messages(from: upstream, isCaller: false)
    #expect(messages.count >= 40 * rate / 50 * 2 / 2048)
  }

  @Test func `what is final on the session's clock is not sent again`() throws {
    let rig = rig()
    let caller = try #require(rig.open("/media"))
    rig.start(caller)
    let first = try #require(rig.answerDial())
    for _ in 0..<50 { rig.media(caller) }
    _ = rig.taken(from: first)
    rig.answer(result("0.6"), on: first)
    rig.relay.failed(first, .reset, at: rig.now)
    rig.perform()
    rig.advance(milliseconds: 500)
    let second = try #require(rig.answerDial())
    rig.advance(milliseconds: 10)
    // 400 ms of a second at 16 kHz.
    let sent = rig.taken(from: second).count
    #expect(sent >= 400 * 32 && sent < 400 * 32 + 100)
  }

  @Test func `a session without audio is given silence of its own rate`() throws {
    let rig = rig()
    let caller = try #require(rig.open("/media"))
    rig.start(caller)
    let upstream = try #require(rig.answerDial())
    rig.advance(milliseconds: 4100)
    let sent = rig.taken(from: upstream)
    #expect(Array(sent.prefix(4)) == [0x82, 0xfe, 0x02, 0x80])
    rig.advance(milliseconds: 1)
    for _ in 0..<10 { rig.media(caller) }
    // 20 ms of the session's clock are that silence.
    rig.answer(result("0.12"), on: upstream)
    _ = rig.taken(from: upstream)
    rig.relay.failed(upstream, .reset, at: rig.now)
    rig.perform()
    rig.advance(milliseconds: 500)
    let second = try #require(rig.answerDial())
    rig.advance(milliseconds: 10)
    // 100 ms, in two messages.
    #expect(rig.taken(from: second).count == 100 * 32 + 2 * 8)
  }
}
