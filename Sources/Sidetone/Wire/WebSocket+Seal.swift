// Every frame.
//
// The sending half of a WebSocket (RFC 6455 §5.2, §5.3): frames written straight into an outbox,
// header and masked payload in one pass. All or nothing: an outbox never holds half a frame. A key
// masks, as clients must; no key is the server's side. A key must be unpredictable and fresh for
// every frame.

import CKernels

extension WebSocket {
  /// Writes one frame whose payload is the three parts in a row, so that a constant prefix and
  /// suffix need not be joined with what is between them. False and nothing done where the pool is
  /// too dry.
  @_noAllocation package static func seal(
    _ opcode: Opcode, _ part: Bytes, _ second: Bytes = .empty, _ third: Bytes = .empty,
    key: UInt32?, into chain: inout Chain, from pool: BlockPool
  ) -> Bool {
    let count = part.count &+ second.count &+ third.count
    let headerBytes = headerBytes(payload: count, isMasked: key != nil)
    if headerBytes &+ count <= BlockPool.blockBytes {
      guard let draft = draft(opcode, payloadBytes: count, key: key, into: &chain, from: pool)
      else { return false }
      var mask = key ?? 0
      var end = 0
      copy(part, to: draft.payload, at: &end, mask: &mask)
      copy(second, to: draft.payload, at: &end, mask: &mask)
      copy(third, to: draft.payload, at: &end, mask: &mask)
      chain.commit(headerBytes &+ count, in: pool)
      return true
    }
    guard chain.hasRoom(headerBytes &+ count, unbroken: headerBytes, in: pool),
      let place = chain.acquire(headerBytes, from: pool)
    else { return false }
    writeHeader(opcode, isFinal: true, payloadBytes: count, key: key, to: place)
    chain.commit(headerBytes, in: pool)
    var mask = key ?? 0
    spread(part, mask: &mask, into: &chain, from: pool)
    spread(second, mask: &mask, into: &chain, from: pool)
    spread(third, mask: &mask, into: &chain, from: pool)
    return true
  }

  /// Writes a Close frame, with as much of the reason as fits and ends with a whole character.
  @_noAllocation package static func sealClose(
    code: UInt16, reason: Bytes = .empty, key: UInt32?, into chain: inout Chain,
    from pool: BlockPool
  ) -> Bool {
    let count = closePayloadBytes(code: code, reason: reason)
    guard let draft = draft(.close, payloadBytes: count, key: key, into: &chain, from: pool)
    else { return false }
    writeClose(code: code, reason: reason, to: draft.payload)
    commit(draft, in: &chain, of: pool)
    return true
  }

  /// Writes one frame into plain memory. Other than `seal` it can leave a message unfinished.
  @_noAllocation package static func encode(
    _ opcode: Opcode, _ payload: Bytes, key: UInt32?, isFinal: Bool = true,
    into writer: inout Writer
  ) {
    let headerBytes = headerBytes(payload: payload.count, isMasked: key != nil)
    guard let place = writer.reserve(headerBytes &+ payload.count) else { return }
    writeHeader(opcode, isFinal: isFinal, payloadBytes: payload.count, key: key, to: place)
    var mask = key ?? 0
    var end = headerBytes
    copy(payload, to: place, at: &end, mask: &mask)
  }
}

extension WebSocket {
  /// Writes the header of a whole frame of ours as a server, whose payload is written elsewhere.
  @_noAllocation package static func encodeHeader(
    _ opcode: Opcode, payloadBytes: Int, into writer: inout Writer
  ) {
    let count = headerBytes(payload: payloadBytes, isMasked: false)
    guard let place = writer.reserve(count) else { return }
    writeHeader(opcode, isFinal: true, payloadBytes: payloadBytes, key: nil, to: place)
  }
}

// MARK: Drafts

extension WebSocket {
  /// A frame in an outbox whose payload the caller writes in place, all of it, before `commit`.
  /// Without `commit` it was never there (a block taken for it stays with the chain). Nothing else
  /// may touch the chain in between.
  package struct Draft {
    package let payload: Bytes
    fileprivate let key: UInt32?
  }

  /// Begins a frame that fits in a block. Nil where the pool is dry.
  @_noAllocation package static func draft(
    _ opcode: Opcode, payloadBytes: Int, key: UInt32?, into chain: inout Chain,
    from pool: BlockPool
  ) -> Draft? {
    let headerBytes = headerBytes(payload: payloadBytes, isMasked: key != nil)
    guard let place = chain.acquire(headerBytes &+ payloadBytes, from: pool) else { return nil }
    writeHeader(opcode, isFinal: true, payloadBytes: payloadBytes, key: key, to: place)
    return Draft(payload: place.dropping(headerBytes), key: key)
  }

  /// Masks what the caller wrote and makes the frame part of the outbox.
  @_noAllocation package static func commit(
    _ draft: Draft, in chain: inout Chain, of pool: BlockPool
  ) {
    let payload = draft.payload
    if let key = draft.key { _ = unsafe ck_mask(payload.base, payload.count, key) }
    let headerBytes = headerBytes(payload: payload.count, isMasked: draft.key != nil)
    chain.commit(headerBytes &+ payload.count, in: pool)
  }
}

// MARK: Parts of a frame

extension WebSocket {
  /// How many bytes `closePayload` writes: 0 for `noCode`, which never goes on the wire.
  @_noAllocation package static func closePayloadBytes(code: UInt16, reason: Bytes) -> Int {
    code == noCode ? 0 : 2 &+ textPrefix(of: reason, bytesMax: controlBytesMax &- 2)
  }

  /// Writes the payload of a Close frame to `place`, which has exactly `closePayloadBytes`.
  @_noAllocation package static func writeClose(code: UInt16, reason: Bytes, to place: Bytes) {
    if place.isEmpty { return }
    precondition(isSendable(closeCode: code), "a close code that must not be sent")
    place.store(code.byteSwapped, at: 0)
    place.copy(reason.prefix(place.count &- 2), at: 2)
  }

  /// How much of valid UTF-8 fits in `bytesMax` without cutting a character.
  private static func textPrefix(of text: Bytes, bytesMax: Int) -> Int {
    if text.count <= bytesMax { return text.count }
    var length = bytesMax
    while length > 0 && text[length] & 0xc0 == 0x80 { length &-= 1 }
    return length
  }

  /// The length of one of our own frames, header and payload; its header is whole.
  @_noAllocation static func frameBytes(_ frame: Bytes) -> Int {
    let isMasked = frame[1] & 0x80 != 0
    var payload = Int(frame[1] & 0x7f)
    if payload == 126 {
      payload = Int(frame.load(UInt16.self, at: 2).byteSwapped)
    } else if payload == 127 {
      payload = Int(truncatingIfNeeded: frame.load(UInt64.self, at: 2).byteSwapped)
    }
    return headerBytes(payload: payload, isMasked: isMasked) &+ payload
  }

  @_noAllocation @inline(__always)
  static func headerBytes(payload: Int, isMasked: Bool) -> Int {
    (payload < 126 ? 2 : payload <= 0xffff ? 4 : 10) &+ (isMasked ? 4 : 0)
  }

  private static func writeHeader(
    _ opcode: Opcode, isFinal: Bool, payloadBytes: Int, key: UInt32?, to place: Bytes
  ) {
    let maskBit: UInt8 = key == nil ? 0 : 0x80
    place[0] = opcode.rawValue | (isFinal ? 0x80 : 0)
    var end = 2
    if payloadBytes < 126 {
      place[1] = maskBit | UInt8(truncatingIfNeeded: payloadBytes)
    } else if payloadBytes <= 0xffff {
      place[1] = maskBit | 126
      place.store(UInt16(truncatingIfNeeded: payloadBytes).byteSwapped, at: 2)
      end = 4
    } else {
      place[1] = maskBit | 127
      place.store(UInt64(payloadBytes).byteSwapped, at: 2)
      end = 10
    }
    if let key { place.store(key, at: end) }
  }

  /// Copies a part behind the last one, masked where the mask is not 0, and moves `end` and `mask`
  /// on.
  private static func copy(
    _ part: Bytes, to place: Bytes, at end: inout Int, mask: inout UInt32
  ) {
    let target = place[end..<end &+ part.count]
    if mask == 0 {
      target.copy(part)
    } else {
      _ = unsafe ck_mask_copy(target.base, part.base, part.count, mask)
    }
    end &+= part.count
    mask = rotate(mask, by: part.count)
  }

  /// Copies a part over as many blocks as it takes; the room for it was counted before.
  private static func spread(
    _ part: Bytes, mask: inout UInt32, into chain: inout Chain, from pool: BlockPool
  ) {
    var done = 0
    while done < part.count {
      guard let place = chain.acquire(upTo: part.count &- done, from: pool) else {
        preconditionFailure("room was counted before")
      }
      var end = 0
      copy(part[done..<done &+ place.count], to: place, at: &end, mask: &mask)
      chain.commit(place.count, in: pool)
      done &+= place.count
    }
  }
}
