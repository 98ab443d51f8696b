// Peers that send far more than a call needs: they wait, then they are let go; nobody else is.

import TestSupport
import Testing

@testable import Sidetone

struct FloodTests {
  enum Flood: String, CaseIterable {
    case pings, pongs, emptyMessages, tinyMessages, fragments, texts
  }

  /// A twentieth of a second of it.
  private static func piece(_ flood: Flood) -> [UInt8] {
    func frames(_ count: Int, _ opcode: WebSocket.Opcode, _ payload: [UInt8]) -> [UInt8] {
      (0..<count).flatMap { _ in Frames.frame(opcode, payload, isMasked: true) }
    }
    switch flood {
    case .pings: return frames(400, .ping, [])
    case .pongs: return frames(400, .pong, [1])
    case .emptyMessages: return frames(400, .binary, [])
    case .tinyMessages: return frames(400, .binary, [1])
    case .fragments:
      let middle = Frames.frame(.continuation, [1], isMasked: true, isFinal: false)
      return (0..<100).flatMap { _ in
        Frames.frame(.binary, [1], isMasked: true, isFinal: false)
          + middle + middle + frames(1, .continuation, [1])
      }
    case .texts:
      let text = "{\"type\":\"x\",\"y\":\"" + String(repeating: "\\u0041", count: 4000) + "\"}"
      return Frames.frame(.text, Array(text.utf8), isMasked: true)
    }
  }

  /// Offers a piece so often, and goes on where it was held back, until it is let go of; how many
  /// times that was.
  private static func pour(
    _ piece: [UInt8], on link: SlotID, of rig: Rig, everyMilliseconds: Int, atMost turns: Int = 4000
  ) -> Int {
    var rest: ArraySlice<UInt8> = []
    for turn in 0..<turns {
      if rest.isEmpty { rest = piece[...] }
      while case let count = rig.hand(rest, on: link), count > 0 { rest = rest.dropFirst(count) }
      rig.advance(milliseconds: everyMilliseconds)
      if rig.isGone(link) { return turn }
    }
    return turns
  }

  @Test(arguments: Flood.allCases)
  func `a caller who floods waits, and is let go in the end`(_ flood: Flood) throws {
    let rig = Rig { $0.limits.badMessagesMax = 1_000_000 }
    let caller = try #require(rig.open("/ws/transcribe"))
    _ = try #require(rig.answerDial())
    let piece = Self.piece(flood)
    let before = rig.relay.totals.bytesIn
    let turns = Self.pour(piece, on: caller, of: rig, everyMilliseconds: 50)
    #expect(rig.isGone(caller))
    #expect((100...400).contains(turns))
    #expect(rig.relay.totals.peersFlooding == 1)
    #expect(rig.relay.totals.peersSlowed > 0)
    // It was read at the pace that is borne: far less than it sent.
    #expect(rig.relay.totals.bytesIn - before < turns * piece.count * 2 / 3)
    #expect(rig.log.contains { $0.contains("peer_slowed") })
    #expect(rig.log.contains { $0.contains("peer_flooding") })
  }

  @Test func `an upstream that floods waits, and is lost in the end`() throws {
    let rig = Rig()
    _ = try #require(rig.open("/ws/transcribe"))
    let upstream = try #require(rig.answerDial())
    let text = "{\"type\":\"x\",\"y\":\"" + String(repeating: "y", count: 60_000) + "\"}"
    let piece = Frames.frame(.text, Array(text.utf8), isMasked: false)
    _ = Self.pour(piece, on: upstream, of: rig, everyMilliseconds: 10)
    #expect(rig.wasReset.contains(upstream))
    #expect(rig.relay.totals.peersFlooding == 1)
    #expect(rig.relay.callsInUse == 1)
  }

  @Test func `a lively call never waits`() throws {
    let rig = Rig()
    let caller = try #require(rig.open("/media"))
    rig.start(caller, tracks: #""inbound","outbound""#)
    let upstream = try #require(rig.answerDial())
    let text = "{\"type\":\"x\",\"y\":\"" + String(repeating: "y", count: 4000) + "\"}"
    for turn in 0..<3000 {
      rig.media(caller)
      rig.media(caller, track: "outbound")
      rig.say("{\"event\":\"mark\",\"streamSid\":\"MZ1\",\"mark\":{\"name\":\"x\"}}", on: caller)
      if turn % 2 == 0 { rig.answer(text, on: upstream) }
      rig.advance(milliseconds: 20)
    }
    #expect(rig.relay.totals.peersSlowed == 0)
    #expect(rig.relay.totals.frames == 6000)
  }

  @Test func `a caller who sends a file at once never waits for its frames`() throws {
    let rig = Rig()
    let caller = try #require(rig.open("/ws/transcribe"))
    _ = try #require(rig.answerDial())
    for _ in 0..<400 {
      rig.feed(
        Frames.frame(.binary, [UInt8](repeating: 9, count: 160), isMasked: true), on: caller)
    }
    #expect(rig.relay.totals.peersSlowed == 0)
  }

  @Test func `what a standstill of ten seconds kept back makes nobody wait`() throws {
    let rig = Rig()
    let caller = try #require(rig.open("/media"))
    rig.start(caller)
    _ = try #require(rig.answerDial())
    for _ in 0..<500 { rig.media(caller) }
    #expect(rig.relay.totals.peersSlowed == 0)
    #expect(rig.relay.totals.frames == 500)
  }

  @Test func `audio as fast as an upstream takes it costs a caller nothing`() throws {
    let rig = Rig()
    let caller = try #require(rig.open("/echo"))
    let piece = Frames.frame(.binary, [UInt8](repeating: 7, count: 1900), isMasked: true)
    for _ in 0..<1200 {
      for _ in 0..<10 { rig.feed(piece, on: caller) }
      rig.advance(milliseconds: 10)
    }
    #expect(rig.relay.totals.peersSlowed == 0)
    #expect(!rig.isGone(caller))
  }

  @Test func `four minutes of speech at once make no model wait`() throws {
    let talk = try Talk()
    for _ in 0..<240 { talk.say(1000) }
    #expect(talk.rig.relay.totals.peersSlowed == 0)
  }

  @Test func `a model that speaks without end waits, and is lost in the end`() throws {
    let talk = try Talk()
    let second = Talk.base64([UInt8](repeating: 0, count: 48_000))
    let text = """
      {"type":"response.output_audio.delta","response_id":"r_1","item_id":"item_1",\
      "output_index":0,"content_index":0,"delta":"\(second)"}
      """
    let piece = Frames.frame(.text, Array(text.utf8), isMasked: false)
    let turns = Self.pour(piece, on: talk.model, of: talk.rig, everyMilliseconds: 10)
    #expect(talk.rig.relay.totals.peersFlooding == 1)
    // Once it has been in debt for ten seconds.
    #expect((1000...1600).contains(turns))
  }

  // MARK: Fragments

  @Test func `a message may have a thousand tiny fragments and any number of honest ones`() {
    #expect(Self.failure(of: 1000, each: 1) == nil)
    #expect(Self.failure(of: 10_000, each: 64) == nil)
    #expect(Self.failure(of: 60, each: 0) == nil)
  }

  @Test func `fragments for their own sake break the socket`() {
    #expect(Self.failure(of: 1100, each: 1) == .tooManyFragments)
    #expect(Self.failure(of: 70, each: 0) == .tooManyFragments)
    #expect(WebSocket.Failure.tooManyFragments.closeCode == 1008)
  }

  private static func failure(of count: Int, each bytes: Int) -> WebSocket.Failure? {
    let payload = [UInt8](repeating: 7, count: bytes)
    let wire =
      Frames.frame(.binary, payload, isMasked: false, isFinal: false)
      + (1..<count).flatMap { _ in
        Frames.frame(.continuation, payload, isMasked: false, isFinal: false)
      }
    var socket = WebSocket(role: .client, messageBytesMax: 1 << 20)
    var bytes = wire
    return bytes.withMutableBytes { buffer in
      if case .failed(let failure) = socket.nextEvent(in: buffer) { failure } else { nil }
    }
  }

  // MARK: The driver's turns

  @Test func `a loop that wakes up late says so`() {
    let rig = Rig()
    rig.relay.turnBegan(late: .milliseconds(19), at: rig.now)
    rig.relay.turnEnded(after: .milliseconds(1), working: { .zero }, at: rig.now)
    rig.perform()
    #expect(rig.log.isEmpty)
    rig.relay.turnBegan(late: .milliseconds(4981), at: rig.now)
    rig.relay.turnEnded(
      after: .milliseconds(35), working: { .milliseconds(3) }, at: rig.now)
    rig.relay.turnEnded(after: .milliseconds(25), working: { .seconds(9) }, at: rig.now)
    rig.perform()
    #expect(rig.log.count == 3)
    #expect(rig.log.contains { $0.contains("loop_late: the loop woke up 4981 ms late") })
    #expect(rig.log.contains { $0.contains("lasted 35 ms, of which it worked 3 ms at most") })
    #expect(rig.log.contains { $0.contains("lasted 25 ms, of work") })
  }
}
