// Every frame.
//
// Where the unfinished bytes of a link lie between two reads. Whole messages never get here: they
// are handled in the shared read buffer. A short rest waits in a block, a message longer than that
// in a buffer of its own size class, from which it does not move again.

package struct Inbox: BitwiseCopyable, Sendable {
  package enum Place: BitwiseCopyable, Sendable {
    case none
    case block(Int32)
    case medium(Int32)
    case large(Int32)
  }
  fileprivate(set) var place = Place.none
  fileprivate(set) var count = 0
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
    }
  }

  /// What has been read and is not done with, with `fresh` bytes that have just come.
  @inline(__always) func window(fresh: Int, _ store: Store) -> Bytes {
    let count = inbox.count &+ fresh
    switch inbox.place {
    case .none, .block: return store.readBuffer.prefix(count)
    case .medium(let buffer): return store.medium.bytes(buffer).prefix(count)
    case .large(let buffer): return store.large.bytes(buffer).prefix(count)
    }
  }

  @_noAllocation mutating func releaseInbox(_ store: Store) {
    switch inbox.place {
    case .none: break
    case .block(let block): store.pool.give(block)
    case .medium(let buffer): store.medium.give(buffer)
    case .large(let buffer): store.large.give(buffer)
    }
    inbox = Inbox()
  }

  /// Keeps the unfinished rest of a socket's `window` until the next read; false where there is no
  /// buffer for it.
  @_noAllocation mutating func keepRest(of window: Bytes, _ store: Store) -> Bool {
    let kept = webSocket.bytesKept(of: window)
    if kept == 0 {
      _ = webSocket.carry(from: window, to: window.prefix(0))
      if inbox.count > 0 { releaseInbox(store) }
      return true
    }
    let needed = max(webSocket.bytesWanted, kept &+ 1)
    guard let (place, bytes) = place(for: kept, needed: needed, store) else { return false }
    inbox = Inbox(place, count: webSocket.carry(from: window, to: bytes))
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
    case .none, .block, .medium: break
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
    case .request: most = buffers.capacity / 2
    case .caller: most = buffers.capacity * 3 / 4
    case .upgrade, .setup, .ready, .upstream, .dialling, .leaving, .gone: most = buffers.capacity
    }
    return buffers.inUse < max(most, 1)
  }
}
