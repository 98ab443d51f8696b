// Every frame.
//
// Sockets with TLS in the loop. As for plain ones, a frame costs one recv and one send. Handshakes
// are dear, so their steps are made elsewhere (HandshakePool), in the order in which their bytes
// came; what is left to do here is to begin one and to take up what came of it.

import Sidetone

// MARK: Open connections

extension Machine {
  /// A share of what has come: records of so many bytes, and so many of them. What OpenSSL then
  /// still has, no event tells of.
  func readSecure(_ id: SlotID) {
    let index = id.index
    let link = sockets[index].link
    tls.begin(sockets[index].descriptor, reads: 1)
    var bytesLeft = Self.shareBytes
    var recordsLeft = Self.shareRecords
    repeat {
      let room = relay.room(for: link)
      let place = room.prefix(min(room.count, bytesLeft))
      guard place.count > 0 else {
        watch(id, readable: false)
        return flushSecure(id)
      }
      switch tls.read(sockets[index].tls, into: place) {
      case .done(let count):
        if !sockets[index].isDialled { turnGap.countFrame() }
        relay.received(count, on: link, at: turnBegan)
        bytesLeft -= count
        recordsLeft -= 1
      case .wouldBlock:
        if !tls.bears(&sockets[index].tls) { return brokeAfterLastWords(id, .tlsFailed) }
        sockets[index].pace = .calm
        return flushSecure(id)
      case .ended:
        flushSecure(id)
        if sockets.holds(id) { ended(id) }
        return
      case .failed(let failure):
        return brokeAfterLastWords(id, failure)
      }
    } while bytesLeft > 0 && recordsLeft > 0 && tls.hasMore(sockets[index].tls)
    if !tls.bears(&sockets[index].tls) { return brokeAfterLastWords(id, .tlsFailed) }
    if tls.hasPending(sockets[index].tls) {
      readLater(id)
    } else {
      sockets[index].pace = bytesLeft == 0 ? .busy : .calm
    }
    flushSecure(id)
  }

  func writeSecure(_ id: SlotID) {
    let index = id.index
    let link = sockets[index].link
    let descriptor = sockets[index].descriptor
    tls.begin(descriptor, reads: 0)
    while true {
      switch tls.flush(&sockets[index].tls, to: descriptor) {
      case .done: break
      case .wouldBlock: return watch(id, writable: true)
      case .failed(let error): return broke(id, LinkFailure(error))
      }
      let run = relay.outgoing(link)
      guard run.count > 0 else { return watch(id, writable: false) }
      guard case .done(let count) = tls.write(sockets[index].tls, run) else {
        return brokeAfterLastWords(id, .tlsFailed)
      }
      let outcome = tls.flush(&sockets[index].tls, to: descriptor)
      now = Clock.now
      relay.sent(count, on: link, at: now)
      switch outcome {
      case .done: continue
      case .wouldBlock: return watch(id, writable: true)
      case .failed(let error): return broke(id, LinkFailure(error))
      }
    }
  }

  /// What OpenSSL has written, such as the alert that says why, goes to this peer if its socket
  /// takes it, and to nobody else: the window is every connection's.
  private func brokeAfterLastWords(_ id: SlotID, _ failure: LinkFailure) {
    _ = tls.flush(&sockets[id.index].tls, to: sockets[id.index].descriptor)
    broke(id, failure)
  }

  /// Sends what OpenSSL wrote of its own accord while it read.
  private func flushSecure(_ id: SlotID) {
    let index = id.index
    switch tls.flush(&sockets[index].tls, to: sockets[index].descriptor) {
    case .done: break
    case .wouldBlock: watch(id, writable: true)
    case .failed(let error): broke(id, LinkFailure(error))
    }
  }
}

// MARK: Handshakes

extension Machine {
  /// What a turn may spend on handshakes that have come back.
  private static let finishingSpan = Instant.Span.milliseconds(1)

  /// Begins the handshake of a socket that is connected and watched.
  func beginHandshake(_ id: SlotID, _ link: TLSLink?, until deadline: Instant) {
    guard let link else { return broke(id, .noMemory) }
    let isDialled = sockets[id.index].isDialled
    sockets[id.index].tls = link
    sockets[id.index].stage = .handshaking
    deadlines.set(id.index, to: deadline)
    awaitHandshake(id)
    if isDialled { handshakes.push(id.index, isDialled: true) }
  }

  /// Something came for a handshake, or its peer is gone. While its connection is lent nobody
  /// looks; it is asked for again when that comes back.
  func handshakeIsReady(_ index: Int) {
    guard sockets[index].tls.holder != .helper else { return }
    handshakes.push(index, isDialled: sockets[index].isDialled)
  }

  /// Goes on with the handshakes whose steps were made, as many as a turn has time for, and has the
  /// next steps made.
  func advanceHandshakes() {
    var isLate = false
    var left = config.limits.handshakesPerTurnMax
    let end = now + Self.finishingSpan
    while let step = handshakes.takeBack() {
      finish(step)
      now = Clock.now
      left -= 1
      isLate = left == 0 || now >= end
      if isLate { break }
    }
    handshakes.hasMore = isLate
    defer { if isHoldingHellos, handshakes.waiting == 0 { holdHellos(false) } }
    while let index = handshakes.nextToLend() {
      let socket = sockets[index]
      guard socket.stage == .handshaking, socket.tls.holder != .helper else { continue }
      let id = sockets.id(at: index)
      if socket.tls.holder == .nobody && !socket.isDialled && !mayGreet(socket.peer) {
        broke(id, .reset)
        continue
      }
      handshakes.lend(HandshakePool.Step(id: id, descriptor: socket.descriptor, link: socket.tls))
      sockets[index].tls.lend()
    }
  }

  /// A hello has come: whether this address may have another handshake in this second.
  private func mayGreet(_ peer: Address) -> Bool {
    if config.isProxy(peer) { return true }
    if hellos.take(address: peer, at: now) == nil { return true }
    relay.handshakeRefused(
      from: peer, perSecond: config.limits.handshakesPerSecondPerAddress, at: now)
    return false
  }

  private func finish(_ step: HandshakePool.Step) {
    var link = step.link
    tls.adopt(&link, as: .loop)
    guard sockets.holds(step.id) else {
      var gone = Socket()
      gone.descriptor = step.descriptor
      gone.tls = link
      return closeLater(gone)
    }
    let id = step.id
    sockets[id.index].tls = link
    switch step.outcome {
    case .failed(let failure): broke(id, failure)
    case .wouldBlock, .ended: awaitHandshake(id)
    case .done: handshakeIsDone(id)
    }
    performOutputs()
  }

  private func handshakeIsDone(_ id: SlotID) {
    let index = id.index
    watch(id, sockets[index].tls.holds ? [.readable, .writable] : .readable)
    deadlines.clear(index)
    // Its peer has paid for it, with work of its own.
    if !sockets[index].isDialled { hellos.giveBack(address: sockets[index].peer) }
    opened(id)
    performOutputs()
    // The peer's first bytes may have come together with the end of its handshake.
    if sockets.holds(id), sockets[index].stage == .open, tls.hasPending(sockets[index].tls) {
      readLater(id)
    }
  }

  /// The next thing that happens to the socket is told once: it may well last until a helper has
  /// seen to it.
  private func awaitHandshake(_ id: SlotID) {
    var wanted: Readiness = [.readable, .once]
    if sockets[id.index].tls.holds { wanted.insert(.writable) }
    sockets[id.index].watched = wanted
    poller.modify(sockets[id.index].descriptor, for: wanted, as: Source(.socket(id)))
  }
}
