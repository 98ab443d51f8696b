// Start here. The relay is an engine: bytes and time in, outputs out. It opens no socket, reads no
// clock, starts no thread. A driver (the machine in SidetoneLinux, or the simulation) tells it what
// happened, one thing at a time, and then performs what it asks for:
//
//     let place = relay.room(for: link)            // where the next bytes may go
//     let count = read(socket, place)              // the driver's system call
//     relay.received(count, on: link, at: now)     // one change
//     while let output = relay.next() { perform(output) }
//     sleep(until: relay.wakeTime)
//
// Every frame leaves in the turn in which it came: `received` moves it from the carrier's bytes
// into the upstream's outbox, and `next` names that outbox to the driver in the same turn.

/// What the relay asks its driver to do. Bytes are not in it: they lie in the link's outbox.
package enum Output: Equatable, Sendable {
  /// Open a connection to `Config.upstreams[upstream].endpoint`; answer with `connected` or
  /// `failed`.
  case dial(SlotID, upstream: Int)
  /// The outbox of this link has bytes: `outgoing`, write, `sent`, until it is empty or the socket
  /// is full (then again when it is writable). Named at most once per turn and link.
  case write(SlotID)
  /// Look for readable bytes on this link again; before, `room` was empty.
  case resumeReading(SlotID)
  /// The relay is done with this link. Write out what its socket still holds, tell the peer
  /// (close_notify, FIN), and let go of it; the name is dead already.
  case close(SlotID)
  /// As `close`, but at once: what was not written is lost, the peer sees a reset.
  case reset(SlotID)
  /// The last call has ended after `drain`, or the drain deadline has passed.
  case drained
}

/// Why a connection could not be made or broke.
package enum LinkFailure: UInt8, BitwiseCopyable, Sendable {
  case refused, unreachable, timedOut, reset, nameNotFound, nameTimedOut, tlsFailed
  case certificateRefused, noDescriptor, noMemory
}

package final class Relay {
  package let config: Config
  let limits: Limits
  let upstreams: [PreparedUpstream]
  let routes: [PreparedRoute]
  let carriers: [PreparedCarrier]
  let admission: Admission
  let control: Control
  let voice: VoiceWebhook
  let connect: Connect
  let startedAt: Instant

  // Everything that a connection or a call needs, taken once.
  let links: Slab<Link>
  let calls: Slab<Call>
  let pool: BlockPool
  let medium: BufferPool
  let large: BufferPool
  /// The one buffer into which all links are read, with room in front for what the last read left
  /// over.
  let shared: Arena
  /// For texts on their way into an outbox.
  let scratch: Arena
  /// For what such a text is made from: choices, words, names.
  let source: Arena
  /// For one frame: gathered out of several blocks, and as it comes out of its conversion.
  private let frames: Arena
  let gathered: Bytes
  let converted: Bytes
  let resamplers: ResamplerPool

  /// A link's, a call's, and a call's playout.
  var timers: Timers
  /// Frames that may still be converted in this turn.
  var conversionsLeft: Int
  /// Links that the driver has to be asked something for; each is in it at most once.
  var pending: Ring<Int32>
  let isPending: Bytes
  private let pendingFlags: Arena

  var tokens = CallTokens(capacity: Limits.tokensMax)
  var healths: [UpstreamHealth]
  var random: Random
  var lines: Lines
  var refusalLines = LineLimit()
  var budget = Budget()
  package internal(set) var totals = Totals()
  var origin: (now: Instant, wall: WallTime)

  var drainDeadline = Instant.never
  var isDraining = false
  var drainedWasSaid = false

  /// `seed`: 32 random bytes. Takes all the memory that the relay will ever have.
  package init(config: Config, seed: [UInt8], now: Instant, wall: WallTime) {
    self.config = config
    limits = config.limits
    let prepared = Prepared(config)
    upstreams = prepared.upstreams
    routes = prepared.routes
    carriers = prepared.carriers
    var random = Random(seed: seed)
    admission = Admission(config, prepared, seed: random.next64())
    control = Control(service: config.service)
    voice = VoiceWebhook(config, prepared)
    connect = Connect(config, prepared)
    startedAt = now
    links = Slab(capacity: limits.linksMax, repeating: Link())
    calls = Slab(
      capacity: limits.callsMax,
      repeating: Call(
        route: 0, upstream: 0, kind: 0, caller: .none, peer: .none, limits: limits, at: now,
        wall: wall))
    pool = BlockPool(blocks: limits.blocks(twoWayCalls: config.twoWayCalls))
    medium = BufferPool(
      buffers: limits.mediumBuffersMax, bytes: limits.carrierMessageBytesMax + Limits.bufferSlack)
    large = BufferPool(
      buffers: limits.largeBuffersMax, bytes: limits.upstreamMessageBytesMax + Limits.bufferSlack)
    shared = Arena(count: BlockPool.blockBytes + Limits.readBytesMax)
    scratch = Arena(count: Limits.scratchBytes)
    source = Arena(count: Limits.sourceBytes)
    frames = Arena(count: 2 * Limits.frameBytesMax)
    gathered = frames.bytes.prefix(Limits.frameBytesMax)
    converted = frames.bytes.dropping(Limits.frameBytesMax)
    resamplers = ResamplerPool(
      profile: config.profile, ready: config.resamplersReady, streamsMax: config.resamplersMax)
    conversionsLeft = limits.conversionFramesPerTurnMax
    timers = Timers(capacity: limits.linksMax + 2 * limits.callsMax)
    pending = Ring(capacity: limits.linksMax, repeating: 0)
    pendingFlags = Arena(count: limits.linksMax)
    isPending = pendingFlags.bytes
    healths = Array(repeating: UpstreamHealth(), count: upstreams.count)
    self.random = random
    lines = Lines(bytes: Limits.linesBytes)
    origin = (now, wall)
  }

  deinit {
    links.deallocate()
    calls.deallocate()
    pool.deallocate()
    medium.deallocate()
    large.deallocate()
    resamplers.deallocate()
    timers.deallocate()
    pending.deallocate()
  }
}

// MARK: The books

extension Relay {
  // What is taken and what is free, for operators and for the checks that everything comes home.
  package var callsInUse: Int { calls.inUse }
  package var linksInUse: Int { links.inUse }
  package var blocksFree: Int { pool.free }
  package var blocksMax: Int { pool.capacity }
  package var buffersInUse: Int { medium.inUse + large.inUse }
  package var resamplersInUse: Int { resamplers.inUse }
  package var tokensInUse: Int { tokens.count }
}

// MARK: Time and life

extension Relay {
  /// Performs what is due. Call once per turn, after the inputs of that turn.
  package func advance(to now: Instant) {
    conversionsLeft = limits.conversionFramesPerTurnMax
    while let key = timers.due(at: now) {
      if key < links.capacity {
        linkIsDue(key, now)
      } else if key < playoutTimer(0) {
        callIsDue(key - callTimer(0), now)
      } else {
        playoutIsDue(key - playoutTimer(0), now)
      }
    }
    while let held = tokens.expired(at: now) { release(held, now) }
    if isDraining, drainDeadline <= now { endCalls(.draining, at: now) }
  }

  // Keys of `timers`: first a place for each link, then two for each call.
  @_noAllocation func callTimer(_ call: Int) -> Int { links.capacity &+ call }
  @_noAllocation func playoutTimer(_ call: Int) -> Int {
    links.capacity &+ calls.capacity &+ call
  }

  /// When `advance` wants to be called at the latest.
  package var wakeTime: Instant { min(timers.earliest, drainDeadline, tokens.nextExpiry) }

  /// The next thing to do, or nil when the turn is done.
  package func next() -> Output? {
    while let place = pending.first {
      let index = Int(place)
      if links.isInUse(index), let output = nextWish(of: index) { return output }
      isPending[index] = 0
      _ = pending.removeFirst()
    }
    if isDraining, !drainedWasSaid, calls.inUse == 0 {
      drainedWasSaid = true
      return .drained
    }
    return nil
  }

  /// The wall clock, told now and then, for time stamps that people read.
  package func setWall(_ wall: WallTime, at now: Instant) { origin = (now, wall) }

  func wall(at now: Instant) -> WallTime {
    WallTime(nanoseconds: origin.wall.nanoseconds + (now - origin.now).nanoseconds)
  }

  /// No new calls from now on; running ones may finish until the drain deadline.
  package func drain(at now: Instant) {
    guard !isDraining else { return }
    isDraining = true
    drainDeadline = now + .seconds(limits.drainSeconds)
    // Their sockets would be refused.
    while let held = tokens.remove() { release(held, now) }
    log(.info, "draining", at: now) {
      $0.write(decimal: self.calls.inUse)
      $0.write(" calls")
    }
  }

  /// Ends every call now.
  package func stop(at now: Instant) {
    isDraining = true
    endCalls(.shutDown, at: now)
  }

  private func endCalls(_ cause: Cause, at now: Instant) {
    drainDeadline = .never
    for index in 0..<calls.capacity where calls.isInUse(index) {
      perform(calls[index].life.callerDone(cause, at: now), index, now)
      // The time to finish is over: what is kept goes with the call.
      if calls.isInUse(index) { perform(calls[index].life.abandoned(), index, now) }
    }
  }

  /// Lines for people: takes the oldest into `place` (cut to fit) and says where they belong, or
  /// nil.
  package func takeLine(into place: Bytes) -> Line? { lines.take(into: place) }
}
