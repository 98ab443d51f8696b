// A connection as its peer sees it: bytes that arrive late, in pieces of any size, or never.

import Sidetone

/// Who sits at the other end of a connection.
protocol Peer: AnyObject {
  var wire: Wire? { get set }
  /// Bytes left the relay at this very moment; they will arrive later. For checks of "in the same
  /// turn".
  func departed(_ bytes: [UInt8], at now: Instant)
  func received(_ bytes: [UInt8], at now: Instant)
  /// The relay closed (false) or reset (true) the connection.
  func gone(byReset: Bool, at now: Instant)
}

/// One connection, seen from its peer.
final class Wire {
  let link: SlotID
  let peer: Peer
  unowned let world: World
  /// Bytes that have arrived at the relay's side and were not read.
  var arrived: [UInt8] = []
  var hasEnded = false
  var isBroken = false
  /// The relay let go of it.
  var isClosed = false
  /// Nothing arrives any more, in either direction, and nobody is told: a half-open connection.
  var isSilent = false
  /// The peer reads no more: its socket fills up and stays full.
  var isDeaf = false
  /// What the peer's socket can still take; a slow reader's is small and refills slowly.
  var window: Int
  /// It took nothing lately, and will be asked again.
  var isFull = false
  let windowMax: Int
  var lastArrival = Instant.zero
  var lastDelivery = Instant.zero
  /// What was handed to the relay, for the checkers.
  var onRead: (([UInt8]) -> Void)?

  init(link: SlotID, peer: Peer, world: World, windowMax: Int) {
    self.link = link
    self.peer = peer
    self.world = world
    self.windowMax = windowMax
    window = windowMax
  }

  /// The peer sends. Pieces arrive in order, each a little later.
  func send(_ bytes: [UInt8]) {
    guard !isSilent, !isBroken, !isClosed else { return }
    var rest = bytes[...]
    while !rest.isEmpty {
      let most = world.isBytewise ? 1 : rest.count
      let length = world.dice.percent(70) ? most : world.dice.range(1...most)
      let piece = Array(rest.prefix(length))
      rest = rest.dropFirst(length)
      let at = max(lastArrival, world.now + world.latency())
      lastArrival = at
      world.schedule(at) { [self] in
        guard !isSilent, !isBroken, !isClosed else { return }
        arrived += piece
        world.read(self)
      }
    }
  }

  /// The peer has nothing more to say, or is gone with a reset.
  func end(byReset: Bool) {
    guard !isSilent else { return }
    let at = max(lastArrival, world.now + world.latency())
    lastArrival = at
    world.schedule(at) { [self] in
      guard !isClosed, !isBroken else { return }
      if byReset {
        isBroken = true
        world.wires[link] = nil
        world.relay.failed(link, .reset, at: world.now)
      } else {
        hasEnded = true
        world.read(self)
      }
    }
  }
}
