// Time must always go on: whatever the state of a call, its timer is set for later than now.

import Sidetone
import TestSupport
import Testing

struct TimesTests {
  @Test func `a call that has lasted too long is finished, and time goes on meanwhile`() throws {
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

  @Test func `two tracks that find no room in the pool are lost, and time goes on`() throws {
    let rig = Rig(Self.small)
    let caller = try #require(rig.open("/media"))
    rig.start(caller, tracks: "\"inbound\",\"outbound\"")
    _ = try #require(rig.answerDial())
    rig.media(caller)
    rig.dryOut()
    rig.advance(milliseconds: 100)
    #expect(rig.relay.callsInUse > 0)
  }

  @Test
  func `a backlog goes on at its pace, also when the timer looks after something else in between`()
    throws
  {
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

  @Test(arguments: [2, 5, 10])
  func `what came at once after a standstill is made up for in a third of the time`(
    seconds: Int
  ) throws {
    let rig = Rig { $0.upstreams[0].pacePercent = Config.Upstream().pacePercent }
    let caller = try #require(rig.open("/media"))
    rig.start(caller)
    let upstream = try #require(rig.answerDial())
    rig.media(caller)
    for _ in 0..<50 * seconds { rig.media(caller) }
    // As always, its caller goes on meanwhile.
    let frames = 50 * seconds / 3 + 1
    for _ in 0..<frames {
      rig.media(caller)
      rig.advance(milliseconds: 20)
      _ = rig.taken(from: upstream)
    }
    #expect(rig.relay.totals.bytesToUpstreams == (1 + 50 * seconds + frames) * 160)
  }

  @Test func `a client that is held back for a minute is not held to be silent`() throws {
    let rig = Rig()
    let caller = try #require(rig.open("/ws/transcribe"))
    let upstream = try #require(rig.answerDial())
    rig.stall(upstream)
    let piece = Frames.frame(.binary, [UInt8](repeating: 1, count: 8000), isMasked: true)
    var rest = Array(repeating: piece, count: 100).flatMap { $0 }[...]
    while case let count = rig.hand(rest, on: caller), count > 0 { rest = rest.dropFirst(count) }
    #expect(!rest.isEmpty)
    for _ in 0..<60 {
      rig.advance(milliseconds: 1000)
      // The upstream lives, and takes nothing.
      rig.feed(Frames.frame(.ping, [], isMasked: false), on: upstream)
      while case let count = rig.hand(rest, on: caller), count > 0 { rest = rest.dropFirst(count) }
    }
    #expect(!rig.isGone(caller) && rig.relay.callsInUse == 1)
    rig.unstall(upstream)
    rig.advance(milliseconds: 3000)
    #expect(rig.hand(rest, on: caller) > 0)
  }

  @Test func `at the end of a drain a call has its last words, as at any end`() throws {
    let rig = Rig {
      $0.limits.drainSeconds = 3
      $0.limits.finishSeconds = 5
    }
    let caller = try #require(rig.open("/media"))
    rig.start(caller)
    let upstream = try #require(rig.answerDial())
    rig.media(caller)
    rig.relay.drain(at: rig.now)
    rig.perform()
    rig.advance(milliseconds: 2900)
    rig.media(caller)
    _ = rig.taken(from: upstream)
    rig.advance(milliseconds: 200)
    #expect(rig.relay.callsInUse == 1 && !rig.wasDrained)
    #expect(rig.messages(from: upstream, isCaller: false) == ["{\"type\":\"CloseStream\"}"])
    rig.advance(milliseconds: 4000)
    #expect(rig.relay.callsInUse == 1)
    rig.advance(milliseconds: 1000)
    #expect(rig.relay.callsInUse == 0 && rig.wasDrained)
  }

  @Test func `one who does not read in time is told so, where its socket takes it then`() throws {
    let rig = Rig { $0.limits.outboxBytesMax = 16_384 }
    let caller = try #require(rig.open("/ws/transcribe"))
    let upstream = try #require(rig.answerDial())
    _ = rig.taken(from: caller)
    rig.stall(caller)
    let words = String(repeating: "word ", count: 400)
    for _ in 0..<20 {
      rig.feed(
        Frames.frame(
          .text,
          Array(
            """
            {"type":"Results","is_final":true,"start":0,"duration":1,"channel":{"alternatives":\
            [{"transcript":"\(words)","confidence":1}]}}
            """.utf8), isMasked: false), on: upstream)
    }
    #expect(!rig.isGone(caller))
    rig.unstall(caller)
    let told = rig.taken(from: caller)
    let close = [0x88, 0, 0x03, 0xf5] as [UInt8]
    let end = told.suffix(2 + 2 + 37)
    #expect(end.first == close[0] && end.dropFirst(2).prefix(2).elementsEqual(close[2...]))
    #expect(
      String(decoding: end.dropFirst(4), as: UTF8.self) == "you did not read what was sent to you")
    #expect(rig.closed.contains(caller) && !rig.wasReset.contains(caller))
    rig.advance(milliseconds: 10_000)
    #expect(rig.relay.callsInUse == 0)
  }

  @Test func `one who never reads is reset when the time to be told is over`() throws {
    let rig = Rig { $0.limits.outboxBytesMax = 16_384 }
    let caller = try #require(rig.open("/ws/transcribe"))
    let upstream = try #require(rig.answerDial())
    rig.stall(caller)
    let text = "{\"type\":\"Metadata\",\"x\":\"" + String(repeating: "y", count: 9000) + "\"}"
    for _ in 0..<5 {
      rig.feed(Frames.frame(.text, Array(text.utf8), isMasked: false), on: upstream)
    }
    rig.advance(milliseconds: 4000)
    #expect(!rig.isGone(caller))
    rig.advance(milliseconds: 2000)
    #expect(rig.wasReset.contains(caller))
  }

  static func small(_ config: inout Config) {
    config.limits.callsMax = 40
    config.limits.uplinkMillisecondsPlanned = 0
    config.limits.outboxBytesMax = 16_384
    config.limits.playoutMillisecondsMax = config.limits.playoutMillisecondsPlanned
  }
}
