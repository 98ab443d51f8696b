// The sending half of the WebSocket codec: what lies in an outbox is what the RFC shows, reads back
// as what was sent, and is either a whole frame or nothing.

import Testing

@testable import Sidetone

@Suite final class WebSocketSealTests {
  private let pool = BlockPool(blocks: 64)
  private var outbox = Chain()

  deinit { pool.deallocate() }

  /// Takes everything out of the outbox.
  private func drain() -> [UInt8] {
    var all: [UInt8] = []
    while !outbox.isEmpty {
      let front = outbox.front(in: pool)
      all += front.array
      outbox.drop(front.count, in: pool)
    }
    outbox.clear(in: pool)
    #expect(pool.free == pool.capacity)
    return all
  }

  private func seal(_ opcode: WebSocket.Opcode, _ payload: [UInt8], key: UInt32?) -> Bool {
    payload.withBytes { WebSocket.seal(opcode, $0, key: key, into: &outbox, from: pool) }
  }

  @Test func `writes the examples of the RFC`() {
    let hello = Array("Hello".utf8)
    #expect(seal(.text, hello, key: nil))
    #expect(drain() == [0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f])
    #expect(seal(.text, hello, key: 0x3d21_fa37))
    #expect(drain() == [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58])
    #expect(seal(.pong, hello, key: 0x3d21_fa37))
    #expect(drain() == [0x8a, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58])
  }

  @Test func `writes lengths in their shortest form`() {
    let cases: [(count: Int, header: [UInt8])] = [
      (0, [0x82, 0]), (125, [0x82, 125]), (126, [0x82, 126, 0, 126]),
      (65535, [0x82, 126, 0xff, 0xff]), (65536, [0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
    ]
    for (count, header) in cases {
      #expect(seal(.binary, [UInt8](repeating: 6, count: count), key: nil))
      let frame = drain()
      #expect(frame.count == header.count + count)
      #expect(Array(frame.prefix(header.count)) == header)
    }
  }

  @Test func `what is sealed reads back across every border of a block`() {
    var random = SeededRandom(seed: 5)
    let block = BlockPool.blockBytes
    for count in [0, 1, 125, 126, block - 15, block - 8, block - 7, block, block + 1, 3 * block] {
      for filled in [0, 1, block - 10, block - 1, block] {
        let payload = random.bytes(count)
        let before = random.bytes(filled)
        let key: UInt32? = Bool.random(using: &random) ? 0x8091_a2b3 : nil
        let hadRoom = before.withBytes { outbox.append($0, from: pool) }
        #expect(hadRoom && seal(.binary, payload, key: key))
        let wire = Array(drain().dropFirst(filled))
        #expect(
          Receiver.events(of: wire, as: key == nil ? .client : .server) == [.binary(payload)])
      }
    }
  }

  @Test func `a frame that fits in a block lies in one piece`() {
    #expect(seal(.binary, [UInt8](repeating: 1, count: 1500), key: 1))
    #expect(seal(.binary, [UInt8](repeating: 2, count: 1500), key: 2))
    #expect(outbox.front(in: pool).count == 1508)
    _ = drain()
  }

  @Test(arguments: [0, 3, 600, 2100]) func `parts make the same frame as the whole`(count: Int) {
    var random = SeededRandom(seed: 6)
    let prefix = random.bytes(37)
    let body = random.bytes(count)
    let suffix = random.bytes(2)
    for key in [nil, 0x5566_7788] as [UInt32?] {
      #expect(seal(.text, prefix + body + suffix, key: key))
      let whole = drain()
      let sealed = prefix.withBytes { first in
        body.withBytes { second in
          suffix.withBytes { third in
            WebSocket.seal(.text, first, second, third, key: key, into: &outbox, from: pool)
          }
        }
      }
      #expect(sealed)
      #expect(drain() == whole)
      #expect(frame(.text, prefix + body + suffix, key: key) == whole)
    }
  }

  @Test func `a draft is a frame once it is committed and nothing before`() {
    let written = Array("written in place".utf8)
    for key in [nil, 0x0102_0304] as [UInt32?] {
      let lost = WebSocket.draft(.text, payloadBytes: 9, key: key, into: &outbox, from: pool)
      #expect(lost != nil && outbox.isEmpty)
      let draft = WebSocket.draft(
        .text, payloadBytes: written.count, key: key, into: &outbox, from: pool)!
      written.withBytes { draft.payload.copy($0) }
      WebSocket.commit(draft, in: &outbox, of: pool)
      #expect(drain() == frame(.text, written, key: key))
    }
  }

  @Test func `a dry pool gets no part of a frame`() {
    let block = BlockPool.blockBytes
    for blocks in 1...4 {
      for filled in [0, 1, block - 12, block] where filled <= blocks * block {
        for count in [10, block - 20, block, 2 * block - 8, 2 * block, 4 * block - 8, 5 * block] {
          expectAllOrNothing(blocks: blocks, filled: filled, payloadBytes: count)
        }
      }
    }
  }

  private func expectAllOrNothing(blocks: Int, filled: Int, payloadBytes: Int) {
    let small = BlockPool(blocks: blocks)
    defer { small.deallocate() }
    var chain = Chain()
    let hadRoom = [UInt8](repeating: 7, count: filled).withBytes { chain.append($0, from: small) }
    #expect(hadRoom)
    let free = small.free
    let sealed = [UInt8](repeating: 8, count: payloadBytes).withBytes {
      WebSocket.seal(.binary, $0, key: 9, into: &chain, from: small)
    }
    let frameBytes = payloadBytes + WebSocket.headerBytes(payload: payloadBytes, isMasked: true)
    #expect(chain.count == (sealed ? filled + frameBytes : filled))
    if !sealed { #expect(small.free == free) }
    if frameBytes <= free * BlockPool.blockBytes { #expect(sealed) }
    chain.clear(in: small)
    #expect(small.free == blocks)
  }

  @Test func `writes close frames`() {
    #expect(WebSocket.sealClose(code: 1000, key: nil, into: &outbox, from: pool))
    #expect(drain() == [0x88, 2, 0x03, 0xe8])
    #expect(WebSocket.sealClose(code: WebSocket.noCode, key: 5, into: &outbox, from: pool))
    #expect(Receiver.events(of: drain(), as: .server) == [.close(WebSocket.noCode, "")])
    let reason = Array("no room".utf8)
    let sealed = reason.withBytes {
      WebSocket.sealClose(code: 1013, reason: $0, key: 7, into: &outbox, from: pool)
    }
    #expect(sealed)
    #expect(Receiver.events(of: drain(), as: .server) == [.close(1013, "no room")])
  }

  @Test func `cuts a long close reason between characters`() {
    for (reason, kept) in [
      (String(repeating: "x", count: 200), 123), (String(repeating: "é", count: 100), 122),
      ("x" + String(repeating: "🎧", count: 40), 121),
    ] {
      let sealed = Array(reason.utf8).withBytes {
        WebSocket.sealClose(code: 4000, reason: $0, key: nil, into: &outbox, from: pool)
      }
      #expect(sealed)
      let expected = String(decoding: Array(reason.utf8).prefix(kept), as: UTF8.self)
      #expect(Receiver.events(of: drain(), as: .client) == [.close(4000, expected)])
    }
  }

  @Test func `a writer that is too small overflows and stays empty`() {
    let arena = Buffer(count: 10)
    var writer = Writer(arena.bytes)
    [UInt8](repeating: 1, count: 9).withBytes {
      WebSocket.encode(.binary, $0, key: nil, into: &writer)
    }
    #expect(writer.overflowed && writer.count == 0)
  }
}
