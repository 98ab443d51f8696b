// Every frame.
//
// Sockets with TLS in the loop. As for plain ones, a frame costs one recv and one send. Handshakes
// are dear (a quarter of a millisecond of signing), so a turn advances only a few of them, in the
// order in which their bytes came, and the calls in progress do not wait for more than that.

import Sidetone

// MARK: Open connections

extension Machine {
  func readSecure(_ id: SlotID, reads: Int = 1) {
    let index = id.index
    let link = sockets[index].link
    tls.begin(sockets[index].descriptor, reads: reads, moreReads: Self.readsPerTurnMax - 1)
    repeat {
      let place = relay.room(for: link)
      guard place.count > 0 else {
        watch(id, readable: false)
        break
      }
      switch tls.read(sockets[index].tls, into: place) {
      case .done(let count):
        if !sockets[index].isDialled { turnGap.countFrame() }
        relay.received(count, on: link, at: turnBegan)
      case .wouldBlock: return flushSecure(id)
      case .ended:
        flushSecure(id)
        if sockets.holds(id) { ended(id) }
        return
      case .failed(let failure):
        // The alert that says why, if the socket takes it.
        _ = tls.flush(&sockets[index].tls, to: sockets[index].descriptor)
        return broke(id, failure)
      }
    } while tls.hasMore(sockets[index].tls)
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
        // What OpenSSL may have written goes to this peer or nowhere.
        _ = tls.flush(&sockets[index].tls, to: descriptor)
        return broke(id, .tlsFailed)
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
  /// Begins the handshake of a socket that is connected and watched.
  func beginHandshake(_ id: SlotID, _ link: TLSLink?, until deadline: Instant) {
    guard let link else { return broke(id, .noMemory) }
    sockets[id.index].tls = link
    sockets[id.index].stage = .handshaking
    if !sockets[id.index].isDialled { shaking += 1 }
    deadlines.set(id.index, to: deadline)
    if sockets[id.index].isDialled { handshakes.push(id.index) }
  }

  /// Advances the handshakes whose bytes came first, as many as a turn may.
  func advanceHandshakes() {
    for _ in 0..<config.limits.handshakesPerTurnMax {
      guard let index = handshakes.pop() else { return }
      guard sockets[index].stage == .handshaking else { continue }
      shakeHands(sockets.id(at: index))
      performOutputs()
      now = Clock.now
    }
  }

  private func shakeHands(_ id: SlotID) {
    let index = id.index
    let descriptor = sockets[index].descriptor
    tls.begin(descriptor, reads: 1)
    let outcome = tls.handshake(sockets[index].tls)
    let flushed = tls.flush(&sockets[index].tls, to: descriptor)
    if case .failed(let failure) = outcome { return broke(id, failure) }
    if case .ended = outcome { return broke(id, .reset) }
    if case .failed(let error) = flushed { return broke(id, LinkFailure(error)) }
    watch(id, writable: sockets[index].tls.holds)
    guard case .done = outcome else { return }
    deadlines.clear(index)
    opened(id)
    performOutputs()
    // The peer's first bytes may have come together with the end of its handshake.
    if sockets.holds(id), sockets[index].stage == .open, tls.hasPending(sockets[index].tls) {
      readSecure(id, reads: 0)
    }
  }
}
