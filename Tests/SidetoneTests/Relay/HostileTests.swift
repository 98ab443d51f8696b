// What peers may do to a relay without harm to others.

import Sidetone
import TestSupport
import Testing

struct HostileTests {
  @Test
  func `a result for a channel that cannot be is passed on, and acknowledges nothing`() throws {
    let rig = Rig()
    let caller = try #require(rig.open("/ws/transcribe"))
    let upstream = try #require(rig.answerDial())
    rig.feed(Frames.frame(.binary, [UInt8](repeating: 9, count: 1600), isMasked: true), on: caller)
    let numbers = [
      "-1", "2", "9223372036854775807", "-9223372036854775808", "1e18", "0.5", "\"-7\"", "null",
    ]
    for channel in numbers {
      for end in ["0.1", "9e12", "1e300", "-1"] {
        rig.answer(
          """
          {"type":"Results","channel_index":[\(channel),\(channel)],"start":\(end),"duration":\(end),\
          "is_final":true,"channel":{"alternatives":[{"transcript":"a","confidence":1}]}}
          """, on: upstream)
      }
    }
    #expect(rig.relay.callsInUse == 1)
    #expect(rig.messages(from: caller, isCaller: true).count > numbers.count)
  }

  @Test func `a start that finds no block in the pool ends its call`() throws {
    let rig = Rig(TimesTests.small)
    let caller = try #require(rig.open("/media"))
    rig.say("{\"event\":\"connected\",\"protocol\":\"Call\",\"version\":\"1.0.0\"}", on: caller)
    rig.dryOut()
    let calls = rig.relay.callsInUse
    // Two tracks wait for each other in a block.
    rig.start(caller, tracks: #""inbound","outbound""#)
    #expect(rig.relay.callsInUse == calls - 1)
    #expect(rig.closed.contains(caller) || rig.wasReset.contains(caller))
  }

  @Test(arguments: [true, false])
  func `pings of a peer that does not read cost a bounded number of blocks`(isCaller: Bool) throws {
    let rig = Rig()
    let caller = try #require(rig.open("/ws/transcribe"))
    let upstream = try #require(rig.answerDial())
    let link = isCaller ? caller : upstream
    rig.stall(link)
    let free = rig.relay.blocksFree
    let ping = Frames.frame(.ping, [UInt8](repeating: 1, count: 125), isMasked: isCaller)
    for _ in 0..<2000 { rig.feed(ping, on: link) }
    #expect(free - rig.relay.blocksFree < 20)
  }

  @Test func `half heads of strangers leave buffers to those who are in a call`() throws {
    let rig = Rig { $0.limits.mediumBuffersMax = 4 }
    let caller = try #require(rig.open("/ws/transcribe"))
    let upstream = try #require(rig.answerDial())
    _ = rig.messages(from: caller, isCaller: true)
    for _ in 0..<16 {
      guard let stranger = rig.accept() else { break }
      rig.feed("GET / HTTP/1.1\r\nX: " + String(repeating: "x", count: 4000), on: stranger)
    }
    let message = Frames.frame(.binary, [UInt8](repeating: 1, count: 60_000), isMasked: true)
    rig.feed(Array(message.prefix(30_000)), on: caller)
    rig.feed(Array(message.dropFirst(30_000)), on: caller)
    #expect(rig.relay.totals.frames == 1)
    let answer = "{\"type\":\"x\",\"y\":\"" + String(repeating: "y", count: 5000) + "\"}"
    let result = Frames.frame(.text, Array(answer.utf8), isMasked: false)
    rig.feed(Array(result.prefix(4000)), on: upstream)
    rig.feed(Array(result.dropFirst(4000)), on: upstream)
    #expect(rig.messages(from: caller, isCaller: true).contains { $0.contains(answer) })
  }

  @Test func `idle connections of strangers leave a link to the upstream of every call`() throws {
    let rig = Rig()
    let caller = try #require(rig.open("/media"))
    rig.say("{\"event\":\"connected\",\"protocol\":\"Call\",\"version\":\"1.0.0\"}", on: caller)
    for _ in 0..<500 { _ = rig.accept() }
    rig.start(caller)
    #expect(rig.dialled.count == 1)
  }

  @Test func `a long message of the upstream reaches a caller who reads`() throws {
    let rig = Rig { $0.limits.callsMax = 40 }
    let caller = try #require(rig.open("/ws/transcribe"))
    let upstream = try #require(rig.answerDial())
    let text = "{\"type\":\"x\",\"y\":\"" + String(repeating: "y", count: 900_000) + "\"}"
    rig.answer(text, on: upstream)
    #expect(rig.messages(from: caller, isCaller: true).contains { $0.contains(text) })
    #expect(rig.relay.callsInUse == 1)
  }

  @Test func `audio that is replayed after a redial is asked for as final again`() throws {
    let rig = Rig()
    let caller = try #require(rig.open("/ws/transcribe"))
    let first = try #require(rig.answerDial())
    rig.feed(Frames.frame(.binary, [UInt8](repeating: 9, count: 1600), isMasked: true), on: caller)
    rig.advance(milliseconds: 900)
    rig.relay.failed(first, .reset, at: rig.now)
    rig.perform()
    rig.advance(milliseconds: 1000)
    #expect(rig.dialled.count == 2)
    let second = try #require(rig.answerDial())
    rig.advance(milliseconds: 2000)
    let sent = rig.messages(from: second, isCaller: false)
    #expect(sent.contains("{\"type\":\"Finalize\"}"))
  }

  @Test
  func `an answer that the settings have made too long costs a request, not the process`() throws {
    let rig = Rig { config in
      for number in 0..<200 {
        var route = config.routes[0]
        route.path = "/" + String(repeating: "long", count: 30) + "\(number)"
        config.routes.append(route)
      }
      var voice = config.routes[0]
      voice.path = "/voice"
      voice.kind = .voice
      voice.stream = "/media"
      config.routes.append(voice)
      config.voiceVerbs = String(repeating: "<Say>long</Say>", count: 4000)
    }
    let link = try #require(rig.accept())
    rig.feed("GET /nothing HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", on: link)
    let answer = String(decoding: rig.taken(from: link), as: UTF8.self)
    #expect(answer.hasPrefix("HTTP/1.1 404 "))
    #expect(answer.contains("/media, "))
    let webhook = try #require(rig.accept())
    rig.feed("GET /voice HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", on: webhook)
    #expect(String(decoding: rig.taken(from: webhook), as: UTF8.self).hasPrefix("HTTP/1.1 500 "))
  }

  @Test func `an echo of what is not base64 is dropped and counted`() throws {
    let rig = Rig()
    let caller = try #require(rig.open("/echo"))
    rig.start(caller)
    for payload in ["\\\"},", "a", "ab cd", "####", "\\u0000\\u0000"] { rig.media(caller, payload) }
    #expect(rig.messages(from: caller, isCaller: true) == [])
    #expect(rig.relay.totals.framesBad == 5)
    rig.media(caller)
    #expect(rig.messages(from: caller, isCaller: true).count == 1)
  }

  @Test
  func `what a caller dials is not in the log, and nothing in it speaks to a terminal`() throws {
    let rig = Rig()
    let caller = try #require(rig.open("/media"))
    rig.start(caller)
    rig.say(
      "{\"event\":\"dtmf\",\"dtmf\":{\"track\":\"inbound_track\",\"digit\":\"7\"}}", on: caller)
    let upstream = try #require(rig.answerDial())
    let reason = Array("\u{9b}31m\u{1b}[2J\u{85}é".utf8)
    rig.feed(Frames.frame(.close, [0x03, 0xf3] + reason, isMasked: false), on: upstream)
    #expect(!rig.log.contains { $0.hasSuffix("digit CA1: 7\n") })
    let line = try #require(rig.log.first { $0.contains("upstream_closed") })
    #expect(line.contains("é"))
    for scalar in line.unicodeScalars.dropLast() {
      #expect(scalar.value >= 0x20 && !(0x7f...0x9f).contains(scalar.value))
    }
  }
}
