// Start here. The machine drives the engine over real sockets: it listens, accepts, dials, reads
// and writes, keeps time, and carries lines to people. It knows nothing about calls; everything it
// does is either an event that it tells the engine or an output that the engine asked for. One
// thread, one poller.
//
//     let machine = try Machine(config: config)
//     exit(machine.run())

import CLinux
import Sidetone
import SidetoneRecords

@safe package final class Machine {
  /// What counts now; settings that are read anew may follow.
  package internal(set) var config: Config
  package let relay: Relay
  /// In the order of `config.listeners`, with the ports that were really bound.
  package internal(set) var listeners: [Listener] = []
  package let lines: LineWriter

  /// What is written down of calls; nil: nothing is.
  let records: RecordKeeper?
  /// What makes HTTP requests for the engine; nil: nothing is asked for.
  let fetcher: FetchKeeper?
  let poller: Poller
  let sockets: Slab<Socket>
  /// The slot of the socket that carries a link, by the link's index.
  let slots: UnsafeMutableBufferPointer<SlotID>
  /// Sockets whose descriptors the sweep closes.
  let dying: UnsafeMutablePointer<Socket>
  var dyingCount = 0
  let deadlines: Deadlines
  let handshakes: HandshakePool
  /// Sockets that have more to say than their share.
  var busy: SlotQueue
  /// How often an address may say hello.
  var hellos: RateLimiter
  let helloSeed: UInt64
  let resolver: Resolver
  let tls: TLS
  var signals: Signals
  /// What reads the settings anew; nil: nobody can.
  let reloader: Reloader?
  /// A line on its way into the ring.
  let linePlace = Buffer(count: LineWriter.lineBytesMax)

  /// The clock as it was read last: when the turn began, and again behind every write, since that
  /// is how late a frame became. What came in this turn came when it began, or before: with a later
  /// time the frames at the end of a long turn would look punctual.
  var now = Clock.now
  var turnBegan = Instant.zero
  var turnGap: TurnGap
  var wallTold = Instant.zero
  /// When the wait was to end at the latest, and what this thread had worked at the last look.
  var wakeAsked = Instant.never
  var workCounted = Instant.Span.zero
  /// Sockets that flush their last bytes or linger.
  var lingering = 0
  let lingeringMax: Int
  /// How long a peer may take to read our last bytes and to end its own side.
  var lingerSpan = Instant.Span.seconds(1)
  /// Lines dropped by the writer of which the log has told.
  var droppedTold = 0
  /// Listeners with TLS wait until handshakes no longer do.
  var isHoldingHellos = false
  /// When paused listeners accept again.
  var acceptTime = Instant.never
  /// Once set, the loop ends when its last socket is gone, or then at the latest.
  var endTime = Instant.never
  /// Why it ended, where nobody asked for it.
  var waitFailure: Errno?

  /// Makes everything that a run needs, and opens the listeners. `catchesSignals` is for a process
  /// of its own; otherwise only the `interrupter` ends the run. `nameServers`: "address:port",
  /// comma separated, in the place of the system's. `system`: what this machine has; nil: it is
  /// asked. `inherited`: listening sockets that others have opened. `courier`: the words that start
  /// the process which delivers records, the program first; none: another service does. `fetcher`:
  /// the same of the process that makes HTTP requests, where the settings need one. `reread`:
  /// reads the settings anew, on a thread of its own, for SIGHUP.
  package init(
    config: Config, lines: LineWriter? = nil, catchesSignals: Bool = true, nameServers: String = "",
    system: SystemLimits? = nil, inherited: InheritedListeners = InheritedListeners(),
    courier: [String] = [], fetcher: [String] = [], reread: (@Sendable () -> Reread)? = nil
  ) throws(StartError) {
    let config = try Self.fitted(config, to: system)
    self.config = config
    lingeringMax = Self.lingeringMax(config.limits)
    let capacity = Self.socketsMax(config.limits)
    sockets = Slab(capacity: capacity, repeating: Socket())
    unsafe slots = .allocate(capacity: config.limits.linksMax)
    unsafe slots.initialize(repeating: .none)
    unsafe dying = .allocate(capacity: capacity)
    unsafe dying.initialize(repeating: Socket(), count: capacity)
    deadlines = Deadlines(capacity: capacity)
    busy = SlotQueue(capacity: capacity)
    turnGap = TurnGap(microseconds: config.limits.turnGapMicroseconds)
    TLSMemory.reserve(bytes: Self.tlsBytes(config))
    tls = try TLS(config: config)
    if let wanted = config.records {
      records = try RecordKeeper(
        wanted, entriesBytes: config.limits.entryRingBytes, courier: courier)
    } else {
      records = nil
    }
    self.fetcher =
      config.needsFetches && !fetcher.isEmpty ? FetchKeeper(words: fetcher) : nil
    let seed = Buffer(count: 40)
    do throws(Errno) {
      self.lines = if let lines { lines } else { try LineWriter() }
      poller = try Poller()
      handshakes = try HandshakePool(capacity: capacity, tls)
      resolver = Resolver(
        upstreams: config.upstreams, poller: poller, nameServers: nameServers)
      signals = try Signals(catching: catchesSignals)
      reloader = if let reread { try Reloader(reread) } else { nil }
      _ = try attempt { unsafe Int(cl_random(seed.bytes.base, seed.bytes.count)) }
    } catch {
      throw .system(error)
    }
    let chance = seed.bytes
    relay = Relay(config: config, seed: chance.prefix(32).array, now: now, wall: Clock.wall)
    helloSeed = chance.load(UInt64.self, at: 32)
    hellos = RateLimiter(
      addressesPerSecond: config.limits.handshakesPerSecondPerAddress,
      seed: helloSeed)
    wallTold = now
    poller.register(signals.counter, for: .readable, as: Source(.signals))
    poller.register(handshakes.news, for: .readable, as: Source(.handshakes))
    if let reloader {
      poller.register(reloader.news, for: .readable, as: Source(.settings))
    }
    if let records { poller.register(records.journal.news, for: .readable, as: Source(.journal)) }
    try openListeners(inherited)
  }

  deinit {
    handshakes.close()
    sweep()
    resolver.close()
    for index in 0..<sockets.capacity where sockets.isInUse(index) {
      if sockets[index].descriptor >= 0 { _ = cl_close(sockets[index].descriptor) }
    }
    for listener in listeners where listener.descriptor >= 0 { _ = cl_close(listener.descriptor) }
    _ = cl_close(signals.counter)
    busy.deallocate()
    sockets.deallocate()
    unsafe slots.deallocate()
    unsafe dying.deallocate()
  }

  /// Does what signals do, from any thread.
  package var interrupter: Interrupter {
    Interrupter(counter: signals.counter, reloader: reloader)
  }
}

package struct Interrupter: Sendable {
  fileprivate let counter: Int32
  fileprivate let reloader: Reloader?
  /// As SIGTERM: once to drain, twice to end.
  package func interrupt() { _ = cl_counter_add(counter) }
  /// As SIGHUP: the settings are read anew.
  package func reload() { reloader?.ask() }
}

extension Machine {
  /// Connections taken from one listener in one turn.
  static let acceptsPerTurnMax = 16
  /// The same where a handshake begins, and how many of these may wait for a helper.
  static let helloesPerTurnMax = 4
  static let helloesWaitingMax = 8
  /// What is read of one socket before it is another's turn: more than a frame of any carrier, and
  /// little enough that its work lasts no longer than a handful of frames.
  static let shareBytes = 4096
  static let shareRecords = 16
  /// How far into a turn requests are answered beside the frames; the others wait among the busy.
  static let requestsSpan = Instant.Span.milliseconds(1)
  /// How long a turn may go round among those who have more to say.
  static let busySpan = Instant.Span.microseconds(100)
  /// What is thrown away of a lingering socket before it is another's turn.
  static let discardBytes = 1 << 16
  /// What the machine takes at start, one holder per line; `sidetone check` prints it.
  package static func plan(for config: Config) -> [PlanLine] {
    let sockets = socketsMax(config.limits)
    let perSocket = 2 * MemoryLayout<Socket>.stride + MemoryLayout<Instant>.stride + 8
    return [
      PlanLine(holder: "sockets: slots, deadlines, queues", bytes: sockets * perSocket),
      PlanLine(holder: "lines for people", bytes: LineWriter.capacityBytes),
      PlanLine(
        holder: "journal of calls",
        bytes: config.records == nil
          ? 0
          : JournalLimits().memoryBytes + config.limits.entryRingBytes + Entries.bytesMax),
      PlanLine(holder: "TLS: contexts, and each leg that has it", bytes: tlsBytes(config)),
    ]
  }

  /// What OpenSSL may need: certificates and authorities, then a share for every leg with TLS.
  private static func tlsBytes(_ config: Config) -> Int {
    let limits = config.limits
    let accepts = config.listeners.contains(where: \.isTLS)
    let dials = config.upstreams.contains { $0.endpoint.isTLS && !$0.endpoint.host.isEmpty }
    guard accepts || dials else { return 0 }
    let legs =
      (accepts ? limits.callsMax + limits.otherLinksMax : 0)
      + (dials ? limits.callsMax + limits.handOversMax : 0)
    return (4 << 20) + legs * (40 << 10)
  }
}

/// Why a run could not begin.
package enum StartError: Error, CustomStringConvertible {
  case address(String)
  case listen(address: String, port: UInt16, Errno)
  case file(String, reason: String)
  case system(Errno)
  /// Listening sockets that cannot be used.
  case handedOver(String)
  /// The journal cannot be begun.
  case journal(String)
  /// The plan is more than this machine has: why, and what to do.
  case doesNotFit(String)

  package var description: String {
    switch self {
    case .address(let text): "cannot listen on \(text): not an IP address"
    case .listen(let address, let port, let error):
      "cannot listen on \(address):\(port): \(error.text)"
    case .file(let name, let reason): "\(name): \(reason)"
    case .system(let error): "cannot start: \(error.text)"
    case .handedOver(let text), .journal(let text), .doesNotFit(let text): text
    }
  }

  /// 2 where other settings would help, else 1.
  package var exitStatus: Int32 {
    if case .doesNotFit = self { 2 } else { 1 }
  }
}
