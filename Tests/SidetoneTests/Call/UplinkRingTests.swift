// The ring of a caller's audio: what is kept, sent, acknowledged, replayed, dropped, and how fast
// a backlog goes. Time is virtual, so every byte can be counted.

import Testing

@testable import Sidetone

struct UplinkRingTests {
  private let start = Instant(nanoseconds: 5_000_000_000)

  private func uplink(
    _ format: Format = .mulaw8k, milliseconds: Int = 10_000, bytesMin: Int = 0, percent: Int = 0
  ) -> UplinkRing {
    UplinkRing(
      format: format, milliseconds: milliseconds, bytesMin: bytesMin, pacePercent: percent,
      at: start)
  }

  private func keep(_ bytes: [UInt8], _ uplink: inout UplinkRing, _ pool: BlockPool)
    -> UplinkRing.Kept
  {
    uplink.keep(raw: kept(bytes), in: pool)
  }

  /// Sends everything that may be sent now, in chunks of at most `most`.
  private func send(
    _ uplink: inout UplinkRing, _ pool: BlockPool, most: Int = 800, at now: Instant? = nil,
    isHurried: Bool = false
  ) -> [UInt8] {
    var bytes: [UInt8] = []
    while true {
      let chunk = uplink.next(
        upTo: most, isHurried: isHurried, at: now ?? start,
        scratch: kept([UInt8](repeating: 0, count: 64)), in: pool)
      if chunk.isEmpty { return bytes }
      bytes += chunk.array
      uplink.advance(by: chunk.count, in: pool)
    }
  }

  // MARK: Keeping

  @Test func `a frame goes in as base64 and comes out as the bytes it stood for, once`() {
    let pool = BlockPool(blocks: 8)
    defer { pool.deallocate() }
    var uplink = uplink()
    #expect(uplink.keep(base64: kept("AQIDBA=="), in: pool) == .done)
    #expect(send(&uplink, pool) == [1, 2, 3, 4])
    #expect(send(&uplink, pool) == [])
    uplink.release(to: pool)
    #expect(pool.free == 8)
  }

  @Test(arguments: ["!", "AQID!A==", "A", "A==="])
  func `a payload that is no base64, or cuts a sample in two, leaves nothing behind`(
    payload: String
  ) {
    let pool = BlockPool(blocks: 8)
    defer { pool.deallocate() }
    var uplink = uplink()
    #expect(uplink.keep(base64: kept(payload), in: pool) == .malformed)
    #expect(uplink.received == 0 && send(&uplink, pool) == [])
    var wide = self.uplink(Format(codec: .linear16, rate: 8000))
    #expect(wide.keep(base64: kept("AQID"), in: pool) == .malformed)
    #expect(wide.keep(base64: kept("AQIDBA=="), in: pool) == .done)
    #expect(send(&wide, pool) == [1, 2, 3, 4])
    uplink.release(to: pool)
    wide.release(to: pool)
    #expect(pool.free == 8)
  }

  @Test func `an empty message is no audio`() {
    let pool = BlockPool(blocks: 2)
    defer { pool.deallocate() }
    var uplink = uplink()
    #expect(uplink.keep(base64: .empty, in: pool) == .empty)
    #expect(keep([], &uplink, pool) == .empty)
    #expect(uplink.unsent == 0 && pool.free == 2)
  }

  @Test(arguments: 1...50)
  func `odd bytes wait for the rest of their sample, however a raw stream is cut`(seed: UInt64) {
    var dice = SeededRandom(seed: seed)
    let pool = BlockPool(blocks: 16)
    defer { pool.deallocate() }
    var uplink = uplink(Format(codec: .linear16, rate: 8000, channels: 2))
    let bytes = dice.bytes(4003)
    var at = 0
    var out: [UInt8] = []
    while at < bytes.count {
      let length = min(Int.random(in: 1...7, using: &dice), bytes.count - at)
      #expect(keep(Array(bytes[at..<at + length]), &uplink, pool) == .done)
      at += length
      #expect(uplink.received % 4 == 0)
      out += send(&uplink, pool)
    }
    #expect(out == Array(bytes.prefix(4000)))
    uplink.release(to: pool)
  }

  @Test func `a dry pool costs whole samples: what follows is not shifted by a byte`() {
    let pool = BlockPool(blocks: 2)
    defer { pool.deallocate() }
    var uplink = uplink(Format(codec: .linear16, rate: 8000))
    #expect(keep([1], &uplink, pool) == .done)
    let stolen = [pool.take(), pool.take()]
    // The second half of a sample, a whole sample, and the first half of the next.
    #expect(keep([2, 3, 4, 5], &uplink, pool) == .full)
    for block in stolen { pool.give(block) }
    #expect(keep([6, 7, 8], &uplink, pool) == .done)
    #expect(send(&uplink, pool) == [5, 6, 7, 8])
    #expect(uplink.lost == 4)
    uplink.release(to: pool)
  }

  // MARK: Letting go

  @Test func `what was acknowledged is let go of; a new session begins right there`() {
    let pool = BlockPool(blocks: 16)
    defer { pool.deallocate() }
    var uplink = uplink()
    uplink.beginSession(at: start)
    let bytes = (0..<8000).map { UInt8(truncatingIfNeeded: $0 / 31) }
    #expect(keep(bytes, &uplink, pool) == .done)
    #expect(send(&uplink, pool) == bytes)
    uplink.acknowledge(sessionMicroseconds: 250_000, in: pool)
    #expect(uplink.acknowledged == 2000 && uplink.keptBytes == 6000)
    uplink.beginSession(at: start)
    #expect(uplink.sessionOffsetMicroseconds == 250_000)
    #expect(send(&uplink, pool) == Array(bytes.dropFirst(2000)))
    uplink.acknowledge(sessionMicroseconds: 500_000, in: pool)
    #expect(uplink.acknowledged == 6000)
    uplink.release(to: pool)
    #expect(pool.free == 16)
  }

  @Test func `no upstream can acknowledge what it was not sent, or take back what it had`() {
    let pool = BlockPool(blocks: 16)
    defer { pool.deallocate() }
    var uplink = uplink()
    uplink.beginSession(at: start)
    _ = keep([UInt8](repeating: 1, count: 1600), &uplink, pool)
    uplink.acknowledge(sessionMicroseconds: 100_000, in: pool)
    #expect(uplink.acknowledged == 0)
    _ = uplink.next(
      upTo: 800, isHurried: false, at: start, scratch: kept([UInt8](repeating: 0, count: 64)),
      in: pool)
    uplink.advance(by: 800, in: pool)
    uplink.acknowledge(sessionMicroseconds: 4_000_000_000_000_000, in: pool)
    #expect(uplink.acknowledged == 800)
    uplink.acknowledge(sessionMicroseconds: 0, in: pool)
    #expect(uplink.acknowledged == 800)
    #expect(send(&uplink, pool).count == 800)
    uplink.release(to: pool)
  }

  @Test func `silence of our own does not count as the caller's audio`() {
    let pool = BlockPool(blocks: 16)
    defer { pool.deallocate() }
    var uplink = uplink()
    uplink.beginSession(at: start)
    #expect(uplink.isSessionSilent)
    uplink.insertedSilence(bytes: 160)
    #expect(!uplink.isSessionSilent)
    _ = keep([UInt8](repeating: 1, count: 1600), &uplink, pool)
    _ = send(&uplink, pool)
    uplink.acknowledge(sessionMicroseconds: 120_000, in: pool)
    #expect(uplink.acknowledged == 800)
    uplink.beginSession(at: start)
    #expect(uplink.isSessionSilent && uplink.sessionOffsetMicroseconds == 100_000)
    uplink.release(to: pool)
  }

  @Test
  func `a full ring drops the oldest first: what was sent is not lost, what was not is counted`() {
    let pool = BlockPool(blocks: 32)
    defer { pool.deallocate() }
    var uplink = uplink(milliseconds: 200)  // 1600 bytes
    uplink.beginSession(at: start)
    _ = keep([UInt8](repeating: 1, count: 800), &uplink, pool)
    _ = send(&uplink, pool)
    _ = keep([UInt8](repeating: 2, count: 800), &uplink, pool)
    #expect(uplink.lost == 0 && uplink.keptBytes == 1600)
    _ = keep([UInt8](repeating: 3, count: 800), &uplink, pool)
    #expect(uplink.lost == 0 && uplink.acknowledged == 800)
    _ = keep([UInt8](repeating: 4, count: 160), &uplink, pool)
    #expect(uplink.lost == 160)
    let out = send(&uplink, pool)
    #expect(
      out
        == [2, 3, 4].flatMap { [UInt8](repeating: $0, count: $0 == 2 ? 640 : $0 == 3 ? 800 : 160) })
    uplink.release(to: pool)
  }

  @Test func `after a loss in mid-session the session's clock still points at the right byte`() {
    let pool = BlockPool(blocks: 32)
    defer { pool.deallocate() }
    var uplink = uplink(milliseconds: 200)
    uplink.beginSession(at: start)
    _ = keep([UInt8](repeating: 1, count: 1600), &uplink, pool)
    _ = keep([UInt8](repeating: 2, count: 800), &uplink, pool)
    #expect(uplink.lost == 800)
    #expect(send(&uplink, pool).count == 1600)
    // The session has heard 100 ms of ones and 100 ms of twos.
    uplink.acknowledge(sessionMicroseconds: 100_000, in: pool)
    uplink.beginSession(at: start)
    #expect(send(&uplink, pool) == [UInt8](repeating: 2, count: 800))
    uplink.release(to: pool)
  }

  // MARK: Holding back

  @Test
  func `a caller who can be held back leaves what a replay needs, and is never stuck for it`() {
    let pool = BlockPool(blocks: 64)
    defer { pool.deallocate() }
    var uplink = uplink(milliseconds: 1000, bytesMin: 20_000)
    #expect(uplink.room == 20_000)
    uplink.beginSession(at: start)
    _ = keep([UInt8](repeating: 1, count: 15_040), &uplink, pool)
    #expect(uplink.room == 4_960)
    _ = send(&uplink, pool)
    #expect(uplink.room == 12_000 && uplink.keptBytes == 15_040)
    _ = keep([UInt8](repeating: 2, count: 12_000), &uplink, pool)
    #expect(uplink.room == 0 && uplink.lost == 0)
    #expect(uplink.sent - uplink.acknowledged == 8_000)
    uplink.release(to: pool)
  }

  // MARK: Pace

  @Test
  func `a backlog goes at the pace: one second at once, then exactly its share, byte for byte`() {
    let pool = BlockPool(blocks: 64)
    defer { pool.deallocate() }
    var uplink = uplink(bytesMin: 80_000, percent: 125)
    uplink.beginSession(at: start)
    _ = keep([UInt8](repeating: 1, count: 80_000), &uplink, pool)
    #expect(send(&uplink, pool).count == 8000)
    var now = start
    var sent = 8000
    while uplink.unsent > 0 {
      let wake = uplink.paceTime(for: 800, at: now)
      #expect(wake > now)
      #expect(
        uplink.next(
          upTo: 800, isHurried: false, at: now, scratch: kept([UInt8](repeating: 0, count: 64)),
          in: pool
        ).isEmpty)
      now = wake
      sent += send(&uplink, pool, at: now).count
      let allowed = 8000 + (now - start).microseconds / 100
      #expect(sent <= allowed && sent >= min(80_000, allowed - 2))
    }
    // 72,000 bytes at 10,000 a second.
    #expect(abs((now - start).milliseconds - 7200) <= 1)
    uplink.release(to: pool)
  }

  @Test(arguments: 1...20)
  func `however often it is asked, the pace neither gains nor loses`(seed: UInt64) {
    var dice = SeededRandom(seed: seed)
    let pool = BlockPool(blocks: 400)
    defer { pool.deallocate() }
    let format = Format(codec: .linear16, rate: 44_100, channels: 2)
    var uplink = uplink(format, bytesMin: 700_000, percent: 125)
    uplink.beginSession(at: start)
    _ = keep([UInt8](repeating: 1, count: 700_000), &uplink, pool)
    var now = start
    var sent = 0
    for _ in 0..<3000 {
      sent += send(&uplink, pool, most: 17_640, at: now).count
      let microseconds = (now - start).microseconds
      let allowed = 176_400 + 220_500 * microseconds / 1_000_000
      #expect(sent <= allowed)
      #expect(sent >= min(700_000, allowed - 8), "after \(microseconds) us")
      now = now + .microseconds(Int.random(in: 1...900, using: &dice))
    }
    uplink.release(to: pool)
  }

  @Test func `a live caller's frames always pass at once; one who ends is not held up either`() {
    let pool = BlockPool(blocks: 64)
    defer { pool.deallocate() }
    var uplink = uplink(percent: 125)
    uplink.beginSession(at: start)
    for frame in 0..<500 {
      let now = start + .milliseconds(frame * 20)
      _ = keep([UInt8](repeating: 1, count: 160), &uplink, pool)
      #expect(send(&uplink, pool, at: now).count == 160)
    }
    _ = keep([UInt8](repeating: 1, count: 20_000), &uplink, pool)
    let end = start + .seconds(10)
    #expect(send(&uplink, pool, at: end, isHurried: true).count == 20_000)
    uplink.release(to: pool)
  }

  // MARK: Everything at once

  @Test(arguments: 1...100)
  func `against a plain array: nothing skipped, doubled or reordered but what was counted lost`(
    seed: UInt64
  ) {
    var dice = SeededRandom(seed: seed)
    let pool = BlockPool(blocks: Int.random(in: 4...12, using: &dice))
    defer { pool.deallocate() }
    var uplink = uplink(milliseconds: Int.random(in: 300...2000, using: &dice), percent: 0)
    // Bytes of the call that the relay kept, and what this session has heard of them.
    var spoken: [UInt8] = []
    var heard: [UInt8] = []
    for _ in 0..<400 {
      switch Int.random(in: 0..<6, using: &dice) {
      case 0, 1, 2:
        let bytes = dice.bytes(160)
        if keep(bytes, &uplink, pool) == .done { spoken += bytes }
      case 3:
        let length = Int.random(in: 1...800, using: &dice)
        let chunk = uplink.next(
          upTo: length, isHurried: false, at: start,
          scratch: kept([UInt8](repeating: 0, count: 64)), in: pool
        ).array
        let position = uplink.sent
        #expect(chunk == Array(spoken[position..<position + chunk.count]))
        uplink.advance(by: chunk.count, in: pool)
        heard += chunk
      case 4:
        let milliseconds = Int.random(in: 0...max(1, heard.count / 8), using: &dice)
        uplink.acknowledge(sessionMicroseconds: milliseconds * 1000, in: pool)
      default:
        guard Int.random(in: 0..<4, using: &dice) == 0 else { continue }
        uplink.beginSession(at: start)
        heard = []
        #expect(uplink.sent == uplink.acknowledged)
      }
      #expect(uplink.acknowledged <= uplink.sent && uplink.sent <= uplink.received)
      #expect(uplink.received == spoken.count)
    }
    uplink.release(to: pool)
    #expect(pool.free == pool.capacity)
  }
}

extension UplinkRing {
  fileprivate var keptBytes: Int { received - acknowledged }
}
