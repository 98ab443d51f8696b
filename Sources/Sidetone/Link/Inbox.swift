// Every frame.
//
// Where the unfinished bytes of a link lie between two reads. Whole messages never get here: they
// are handled in the shared read buffer. A short rest waits in a block, a message longer than that
// in a buffer of its own size class, from which it does not move again. Where no such buffer is
// free it waits in blocks, and its socket with it, until there is one.

package struct Inbox: BitwiseCopyable, Sendable {
  package enum Place: BitwiseCopyable, Sendable {
    case none
    case block(Int32)
    case medium(Int32)
    case large(Int32)
    /// No buffer was free.
    case parked(Chain)
  }
  fileprivate(set) var place = Place.none
  fileprivate(set) var count = 0
  /// The least buffer with which it can go on, where that was not free; 0: it waits for none.
  fileprivate(set) var wanted = 0
  package init() {}

  fileprivate init(_ place: Place, count: Int) {
    self.place = place
    self.count = count
  }
}

extension Link {
  /// Where the next bytes go, behind those that are kept.
  @inline(__always) func room(_ store: Store) -> Bytes {
    let count = inbox.count
    switch inbox.place {
    case .none: return store.readBuffer.prefix(Limits.readBytesMax)
    case .block(let block):
      store.readBuffer.copy(store.pool.bytes(block).prefix(count))
      return store.readBuffer[count..<count &+ Limits.readBytesMax]
    case .medium(let buffer): return store.medium.bytes(buffer).dropping(count)
    case .large(let buffer): return store.large.bytes(buffer).dropping(count)
    case .parked: return .empty
    }
  }

  /// What has been read and is not done with, with `fresh` bytes that have just come.
  @inline(__always) func window(fresh: Int, _ store: Store) -> Bytes {
    let count = inbox.count &+ fresh
    switch inbox.place {
    case .none, .block: return store.readBuffer.prefix(count)
    case .medium(let buffer): return store.medium.bytes(buffer).prefix(count)
    case .large(let buffer): return store.large.bytes(buffer).prefix(count)
    case .parked: return .empty
    }
  }

  @_noAllocation mutating func releaseInbox(_ store: Store) {
    switch inbox.place {
    case .none: break
    case .block(let block): store.pool.give(block)
    case .medium(let buffer): store.medium.give(buffer)
    case .large(let buffer): store.large.give(buffer)
    case .parked(var chain): chain.clear(in: store.pool)
    }
    inbox = Inbox()
  }

  /// Keeps the unfinished rest of a socket's `window` until the next read; false where there is no
  /// room for it at all.
  @_noAllocation mutating func keepRest(of window: Bytes, _ store: Store) -> Bool {
    let kept = webSocket.bytesKept(of: window)
    if kept == 0 {
      _ = webSocket.carry(from: window, to: window.prefix(0))
      if inbox.count > 0 { releaseInbox(store) }
      return true
    }
    let needed = max(webSocket.bytesWanted, kept &+ 1)
    guard let (place, bytes) = place(for: kept, needed: needed, store) else {
      return park(window, wanted: needed, store)
    }
    inbox = Inbox(place, count: webSocket.carry(from: window, to: bytes))
    return true
  }

  /// Keeps the rest without the buffer that it needs: where it lies, or in blocks.
  @_noAllocation private mutating func park(
    _ window: Bytes, wanted: Int, _ store: Store
  ) -> Bool {
    guard wanted <= store.large.bufferBytes else { return false }
    let count = webSocket.carry(from: window, to: window)
    if case .medium = inbox.place {
      inbox.count = count
    } else {
      var chain = Chain()
      let blocks = count / BlockPool.blockBytes &+ 1
      guard store.pool.free &- blocks >= Limits.callBlocksMin,
        chain.append(window.prefix(count), from: store.pool)
      else { return false }
      releaseInbox(store)
      inbox = Inbox(.parked(chain), count: count)
    }
    inbox.wanted = wanted
    return true
  }

  /// Whether a message that waits for a buffer would find one.
  @_noAllocation mutating func wouldFindBuffer(_ store: Store) -> Bool {
    inbox.wanted <= store.medium.bufferBytes && mayTake(from: store.medium)
      || mayTake(from: store.large)
  }

  /// A message that waits for a buffer gets one; false where it goes on waiting.
  @_noAllocation mutating func findBuffer(_ store: Store) -> Bool {
    let fresh: (Inbox.Place, Bytes)
    if inbox.wanted <= store.medium.bufferBytes, mayTake(from: store.medium),
      let buffer = store.medium.take()
    {
      fresh = (.medium(buffer), store.medium.bytes(buffer))
    } else if mayTake(from: store.large), let buffer = store.large.take() {
      fresh = (.large(buffer), store.large.bytes(buffer))
    } else {
      return false
    }
    let count = inbox.count
    switch inbox.place {
    case .medium(let buffer): fresh.1.copy(store.medium.bytes(buffer).prefix(count))
    case .parked(var chain):
      var done = 0
      while !chain.isEmpty {
        let run = chain.front(in: store.pool)
        fresh.1.copy(run, at: done)
        done &+= run.count
        chain.drop(run.count, in: store.pool)
      }
      inbox.place = .none
    case .none, .block, .large: break
    }
    releaseInbox(store)
    inbox = Inbox(fresh.0, count: count)
    return true
  }

  /// Keeps an unfinished head or body until the next read; false where there is no buffer for it.
  @_noAllocation mutating func keepHead(of window: Bytes, _ store: Store) -> Bool {
    guard let (place, bytes) = place(for: window.count, needed: window.count &+ 1, store) else {
      return false
    }
    bytes.copy(window)
    inbox = Inbox(place, count: window.count)
    return true
  }

  /// The place that it has, where that will do, otherwise a larger one in its stead.
  @_noAllocation private mutating func place(
    for kept: Int, needed: Int, _ store: Store
  ) -> (Inbox.Place, Bytes)? {
    let old = inbox.place
    switch old {
    case .block(let block) where kept <= BlockPool.blockBytes && needed <= Limits.readBytesMax:
      return (old, store.pool.bytes(block))
    case .medium(let buffer) where needed <= store.medium.bufferBytes:
      return (old, store.medium.bytes(buffer))
    case .large(let buffer): return (old, store.large.bytes(buffer))
    case .none, .block, .medium, .parked: break
    }
    let fresh: (Inbox.Place, Bytes)
    if kept <= BlockPool.blockBytes, needed <= Limits.readBytesMax {
      let block = store.pool.take()
      guard block >= 0 else { return nil }
      fresh = (.block(block), store.pool.bytes(block))
    } else if needed <= store.medium.bufferBytes, mayTake(from: store.medium),
      let buffer = store.medium.take()
    {
      fresh = (.medium(buffer), store.medium.bytes(buffer))
    } else if needed <= store.large.bufferBytes, mayTake(from: store.large),
      let buffer = store.large.take()
    {
      fresh = (.large(buffer), store.large.bytes(buffer))
    } else {
      return nil
    }
    // The bytes themselves are still in the window, which the old place may be: it is given back,
    // but nothing takes it before they are moved.
    releaseInbox(store)
    return fresh
  }

  /// Who has not yet shown who it is leaves half of the buffers to the calls; callers leave a
  /// quarter to what the upstreams have to say.
  @_noAllocation private mutating func mayTake(from buffers: BufferPool) -> Bool {
    let most: Int
    switch phase {
    case .handshake, .request, .subscriber: most = buffers.capacity / 2
    case .caller: most = buffers.capacity * 3 / 4
    case .upgrade, .setup, .ready, .upstream, .waiting, .dialling, .leaving, .gone:
      most = buffers.capacity
    }
    return buffers.inUse < max(most, 1)
  }
}
