// How connections begin and end: accepting, dialling address after address, and closing in such a
// way that the peer gets our last bytes. None of it happens for a frame.

import CLinux
import Sidetone

// MARK: Accepting

extension Machine {
  func acceptConnections(on listener: Int) {
    guard listeners[listener].descriptor >= 0 else { return }
    tellDropped()
    let isSecure = tls.isServer(listener)
    for _ in 0..<(isSecure ? Self.helloesPerTurnMax : Self.acceptsPerTurnMax) {
      if isSecure, handshakes.waiting >= Self.helloesWaitingMax { return holdHellos(true) }
      guard listeners[listener].isOpen else { return }
      var peer = Address.none
      switch SocketCall.accept(on: listeners[listener].descriptor, peer: &peer) {
      case .done(let descriptor):
        // Who comes behind a signal shall see what follows from it.
        obeySignals()
        admit(Int32(descriptor), from: peer, on: listener)
      case .wouldBlock: return
      case .failed(let error) where error.isExhaustion: return pauseAccepting(error)
      // The peer went away while it waited for us.
      case .failed: continue
      }
      performOutputs()
    }
  }

  func admit(_ descriptor: Int32, from peer: Address, on listener: Int) {
    guard let link = relay.accepted(on: listener, from: peer, at: now) else {
      _ = cl_close(descriptor)
      return
    }
    guard let id = sockets.take() else {
      relay.failed(link, .noMemory, at: now)
      _ = cl_close(descriptor)
      return
    }
    var socket = Socket()
    socket.descriptor = descriptor
    socket.origin = Int32(listener)
    socket.peer = peer
    socket.watched = .readable
    socket.stage = .open
    socket.pace = .asking
    socket.handshakeDeadline = now + .seconds(config.limits.handshakeSeconds)
    sockets[id.index] = socket
    attach(id, to: link)
    if config.stampsArrivals { _ = cl_set_stamped(descriptor) }
    poller.register(descriptor, for: .readable, as: Source(.socket(id)))
    // Its request has mostly come with it: whoever shows something at once is never in the way.
    guard tls.isServer(listener) else { return readable(id, .readable) }
    let firstByte = now + .seconds(config.limits.firstByteSeconds)
    beginHandshake(
      id, tls.accept(on: listener), until: min(firstByte, sockets[id.index].handshakeDeadline))
  }

  /// Where handshakes wait for their turn, whoever comes next waits in the kernel's queue: taken
  /// now, it would only displace those who are about to show who they are.
  func holdHellos(_ isHeld: Bool) {
    guard isHeld != isHoldingHellos else { return }
    isHoldingHellos = isHeld
    if acceptTime == .never { setListening(true) }
  }

  /// Tells the engine that a connection is ready for its bytes.
  func opened(_ id: SlotID) {
    leave(sockets[id.index])
    sockets[id.index].stage = .open
    relay.connected(sockets[id.index].link, at: now)
  }

  /// Out of descriptors: whoever waits in the kernel's queue keeps waiting, and we look again
  /// shortly. The listeners are not watched meanwhile, since they would stay readable.
  private func pauseAccepting(_ error: Errno) {
    relay.log(.warning, "connections_wait", "no more are taken now: \(error.text)", at: now)
    acceptTime = now + .milliseconds(100)
    setListening(false)
  }

  func resumeAccepting() {
    acceptTime = .never
    setListening(true)
  }

  private func setListening(_ isOn: Bool) {
    for index in listeners.indices where listeners[index].descriptor >= 0 {
      let isHeld = isHoldingHellos && tls.isServer(index) && !config.listeners[index].isForOperators
      poller.modify(
        listeners[index].descriptor, for: isOn && !isHeld ? .readable : [],
        as: Source(.listener(index)))
    }
  }
}

// MARK: Dialling

extension Machine {
  /// A dial as a whole, and one address of it, may take this long.
  static let dialSeconds = 10
  static let connectSeconds = 3

  func dial(_ link: SlotID, upstream: Int) {
    guard let id = sockets.take() else { return relay.failed(link, .noDescriptor, at: now) }
    var socket = Socket()
    socket.stage = .resolving
    socket.isDialled = true
    socket.origin = Int32(upstream)
    socket.handshakeDeadline = now + .seconds(Self.dialSeconds)
    sockets[id.index] = socket
    attach(id, to: link)
    deadlines.set(id.index, to: socket.handshakeDeadline)
    continueDial(id)
  }

  /// Goes on with the dials that waited for the names that are now known, or known not to exist.
  func continueDials() {
    while let upstream = resolver.takeFinished() {
      for index in 0..<sockets.capacity
      where sockets[index].stage == .resolving && Int(sockets[index].origin) == upstream {
        continueDial(sockets.id(at: index))
        performOutputs()
      }
    }
  }

  private func continueDial(_ id: SlotID) {
    switch resolver.look(up: Int(sockets[id.index].origin), at: now) {
    case .addresses: connectNext(id)
    case .waiting: break
    case .failed(let failure): broke(id, failure)
    }
  }

  /// Tries the next address, or gives up with what the last one said.
  private func connectNext(_ id: SlotID) {
    let index = id.index
    let upstream = Int(sockets[index].origin)
    while let address = resolver.address(Int(sockets[index].attempts), of: upstream) {
      sockets[index].attempts += 1
      switch SocketCall.connect(to: address) {
      case .done(let descriptor):
        sockets[index].descriptor = Int32(descriptor)
        sockets[index].peer = address
        sockets[index].stage = .connecting
        sockets[index].watched = .writable
        poller.register(Int32(descriptor), for: .writable, as: Source(.socket(id)))
        deadlines.set(
          index, to: min(now + .seconds(Self.connectSeconds), sockets[index].handshakeDeadline))
        return
      case .wouldBlock: sockets[index].failure = .unreachable
      case .failed(let error):
        sockets[index].failure = LinkFailure(error, otherwise: .unreachable)
        if error.isExhaustion { return broke(id, sockets[index].failure) }
      }
    }
    broke(id, sockets[index].failure)
  }

  func connectIsDone(_ id: SlotID) {
    let index = id.index
    let descriptor = sockets[index].descriptor
    if case .failed(let error) = perform({ Int(cl_connect_result(descriptor)) }) {
      sockets[index].failure = LinkFailure(error, otherwise: .unreachable)
      return abandonAttempt(id)
    }
    resolver.worked(sockets[index].peer, for: Int(sockets[index].origin))
    watch(id, writable: false)
    watch(id, readable: true)
    deadlines.clear(index)
    let upstream = Int(sockets[index].origin)
    if tls.isClient(upstream) {
      beginHandshake(id, tls.connect(to: upstream), until: sockets[index].handshakeDeadline)
    } else {
      opened(id)
    }
  }

  /// Lets go of this address's descriptor and goes on with the next.
  private func abandonAttempt(_ id: SlotID) {
    _ = cl_close(sockets[id.index].descriptor)
    sockets[id.index].descriptor = -1
    sockets[id.index].watched = []
    connectNext(id)
  }

  // MARK: Deadlines

  func timeOut(_ index: Int) {
    let id = sockets.id(at: index)
    switch sockets[index].stage {
    case .resolving: broke(id, .nameTimedOut)
    case .connecting:
      sockets[index].failure = .timedOut
      if now < sockets[index].handshakeDeadline { abandonAttempt(id) } else { broke(id, .timedOut) }
    case .handshaking: broke(id, .timedOut)
    case .flushing, .lingering: release(id)
    case .open, .free: preconditionFailure("an open socket has no deadline here")
    }
    performOutputs()
  }
}

// MARK: Ending

extension Machine {
  /// Ends a connection politely. A close with unread bytes in the kernel would reset the connection
  /// and destroy what we wrote last, so our side is shut first and what still comes in is thrown
  /// away.
  func close(_ id: SlotID) {
    let index = id.index
    guard sockets[index].stage == .open else { return release(id) }
    sockets[index].link = .none
    if sockets[index].tls.isOn {
      tls.begin(sockets[index].descriptor, reads: 0)
      tls.shutDown(sockets[index].tls)
    }
    flushLast(id)
  }

  func reset(_ id: SlotID) {
    let descriptor = sockets[id.index].descriptor
    if descriptor >= 0 { _ = cl_set_abortive(descriptor) }
    release(id)
  }

  /// Shuts our side once the kernel has all our bytes.
  func flushLast(_ id: SlotID) {
    let index = id.index
    let descriptor = sockets[index].descriptor
    switch tls.flush(&sockets[index].tls, to: descriptor) {
    case .done: break
    case .failed: return release(id)
    case .wouldBlock:
      if sockets[index].stage != .flushing {
        guard lingering < lingeringMax else { return release(id) }
        sockets[index].stage = .flushing
        lingering += 1
        deadlines.set(index, to: now + lingerSpan)
      }
      watch(id, readable: false)
      return watch(id, writable: true)
    }
    let isShut = cl_shutdown_write(descriptor) == 0
    let isCounted = sockets[index].stage == .flushing
    guard isShut, !sockets[index].hasEnded, isCounted || lingering < lingeringMax else {
      return release(id)
    }
    sockets[index].stage = .lingering
    if !isCounted { lingering += 1 }
    deadlines.set(index, to: now + lingerSpan)
    watch(id, writable: false)
    watch(id, readable: true)
  }

  /// Throws away what a lingering peer still sends, until it ends its side.
  func discard(_ id: SlotID) {
    switch SocketCall.discard(sockets[id.index].descriptor, atMost: Self.discardBytes) {
    case .done(0), .failed: release(id)
    case .done, .wouldBlock: return
    }
  }
}
