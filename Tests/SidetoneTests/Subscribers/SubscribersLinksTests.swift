// The links of programs that hear of calls: signs of life, what they send, and their end.

import TestSupport
import Testing

@testable import Sidetone

struct SubscribersLinksTests {
  private func frame(_ opcode: WebSocket.Opcode, _ text: String, isMasked: Bool = true) -> [UInt8] {
    Frames.frame(opcode, Array(text.utf8), isMasked: isMasked)
  }

  @Test func `a stream has a comment every 15 seconds`() throws {
    let rig = Rig.heard()
    let hearing = try Hearing(rig)
    _ = hearing.taken()
    rig.advance(milliseconds: 14_900)
    #expect(hearing.taken().isEmpty)
    rig.advance(milliseconds: 100)
    #expect(hearing.taken() == Array(":\n".utf8))
    rig.advance(milliseconds: 60_000)
    #expect(hearing.taken() == Array(":\n:\n:\n:\n".utf8))
  }

  @Test func `a stream that sends anything is let go`() throws {
    let rig = Rig.heard()
    let hearing = try Hearing(rig)
    rig.feed("GET /events HTTP/1.1\r\n\r\n", on: hearing.link)
    #expect(rig.closed.contains(hearing.link) && rig.relay.subscribersInUse == 0)
  }

  @Test func `a socket answers pings, also one that came with its request`() throws {
    let rig = Rig.heard()
    let hearing = try Hearing(rig, isSocket: true, behind: frame(.ping, "first"))
    #expect(hearing.answer.hasPrefix("HTTP/1.1 101 "))
    rig.feed(frame(.ping, "second"), on: hearing.link)
    rig.feed(frame(.text, "nobody reads this") + frame(.binary, "nor this"), on: hearing.link)
    #expect(hearing.frames() == [.pong("first"), .pong("second")])
    #expect(rig.relay.subscribersInUse == 1)
  }

  @Test func `a frame may come byte by byte, and behind half of one`() throws {
    let rig = Rig.heard()
    let bytes = frame(.text, String(repeating: "x", count: 300)) + frame(.ping, "p")
    let hearing = try Hearing(rig, isSocket: true, behind: Array(bytes.prefix(5)))
    for byte in bytes.dropFirst(5) { rig.feed([byte], on: hearing.link) }
    #expect(hearing.frames() == [.pong("p")])
  }

  @Test func `a socket that is silent is asked for life, and let go without it`() throws {
    let rig = Rig.heard()
    let (alive, dead) = (try Hearing(rig, isSocket: true), try Hearing(rig, isSocket: true))
    for _ in 0..<4 {
      rig.advance(milliseconds: 20_000)
      if alive.frames().contains(.ping) { rig.feed(frame(.pong, ""), on: alive.link) }
    }
    #expect(rig.wasReset.contains(dead.link) && !rig.isGone(alive.link))
    #expect(dead.frames() == [.ping])
  }

  private static let endings: [([UInt8], UInt16)] = [
    (Frames.frame(.close, [0x03, 0xe8], isMasked: true), 1000),
    (Frames.frame(.text, [0x61], isMasked: false), 1002),
    (Frames.frame(.text, [0xff], isMasked: true), 1007),
    (Frames.frame(.text, [UInt8](repeating: 0x61, count: 2000), isMasked: true), 1009),
  ]

  @Test(arguments: endings)
  func `a socket is closed with the code that its end has`(bytes: [UInt8], code: UInt16) throws {
    let rig = Rig.heard()
    let hearing = try Hearing(rig, isSocket: true)
    rig.feed(bytes, on: hearing.link)
    guard case .close(code, _) = hearing.frames().last else {
      Issue.record("no Close \(code)")
      return
    }
    #expect(rig.isGone(hearing.link) && rig.relay.subscribersInUse == 0)
  }

  @Test func `a socket that floods is let go`() throws {
    let rig = Rig.heard()
    let hearing = try Hearing(rig, isSocket: true)
    let frames = (0..<1000).flatMap { _ in frame(.pong, "") }
    for _ in 0..<6 where !rig.isGone(hearing.link) { rig.feed(frames, on: hearing.link) }
    guard case .close(1008, let reason) = hearing.frames().last else {
      Issue.record("no Close 1008")
      return
    }
    #expect(reason.contains("far more frames"))
    #expect(rig.relay.subscribersInUse == 0)
  }

  // MARK: The relay's end

  @Test func `draining ends them behind the last call's last event`() throws {
    let rig = Rig.heard()
    let stream = try Hearing(rig)
    let socket = try Hearing(rig, isSocket: true)
    let (caller, _) = try rig.listened()
    rig.relay.drain(at: rig.now)
    rig.advance(milliseconds: 1000)
    #expect(rig.relay.subscribersInUse == 2 && !rig.wasDrained)
    // While calls run, others may come to hear of them.
    let late = try Hearing(rig)
    #expect(late.answer.hasPrefix("HTTP/1.1 200 "))
    rig.fail(caller)
    rig.advance(milliseconds: 10_000)
    #expect(rig.wasDrained && rig.relay.subscribersInUse == 0)
    #expect(try late.events().map(\.type) == ["call.ended"])
    #expect(try stream.events().map(\.type) == ["call.started", "call.ended"])
    let frames = socket.frames()
    #expect(frames.count == 3)
    guard case .close(1001, _) = frames.last else {
      Issue.record("no Close 1001")
      return
    }
    for hearing in [stream, socket, late] { #expect(rig.closed.contains(hearing.link)) }
    let refused = try Hearing(rig)
    #expect(refused.answer.hasPrefix("HTTP/1.1 503 "))
    rig.advance(milliseconds: 10_000)
    #expect(rig.relay.missing == [])
  }

  @Test func `without calls draining ends them at once, and so does a stop`() throws {
    for isStopped in [false, true] {
      let rig = Rig.heard()
      let hearing = try Hearing(rig, isSocket: true)
      if isStopped { rig.relay.stop(at: rig.now) } else { rig.relay.drain(at: rig.now) }
      rig.advance(milliseconds: 0)
      #expect(rig.wasDrained)
      guard case .close(1001, _) = hearing.frames().last else {
        Issue.record("no Close 1001")
        return
      }
    }
  }

  @Test func `one that is behind at the end is told so`() throws {
    let rig = Rig.heard()
    let (caller, upstream) = try rig.listened()
    let slow = try Hearing(rig)
    rig.stall(slow.link)
    for _ in 0..<40 {
      rig.hear(String(repeating: "word ", count: 200), on: upstream)
      rig.advance(milliseconds: 20)
    }
    rig.relay.drain(at: rig.now)
    rig.fail(caller)
    while rig.relay.callsInUse > 0 { rig.advance(milliseconds: 100) }
    rig.unstall(slow.link)
    #expect(try slow.events().last?.type == "events.missed")
    #expect(rig.closed.contains(slow.link))
    // The end of the call was missed as well.
    #expect(rig.log.contains { $0.contains("missed \(rig.relay.totals.subscriberEventsMissed)") })
  }
}
