// Every frame.
//
// One turn of the loop: wait, receive, advance, flush, sweep. A frame's bytes go from the kernel
// into the engine and out of it again within one `dispatch`, so that it leaves in the turn
// in which it came. For a frame that is one recv, one send, and a share of one wait; the poller is
// told only when what is watched really changes.

import CLinux
import Glibc
import Sidetone

extension Machine {
  /// Turns until SIGTERM or SIGINT has been obeyed; the exit status, 1 where it could not wait.
  package func run() -> Int32 {
    if let records { startCourier(records) }
    if let fetcher { startFetcher(fetcher) }
    while now < endTime && !(endTime < .never && sockets.inUse == 0) { turn() }
    handshakes.close()
    reloader?.close()
    fetcher?.leave()
    if let records { close(records) }
    lines.close()
    return waitFailure == nil ? 0 : 1
  }

  func turn() {
    var count = wait()
    let asked = wakeAsked
    #if PLANTED_FAULTS
      PlantedFault.begin(self)
    #endif
    now = Clock.now
    turnBegan = now
    turnGap.turnBegins(at: now)
    if now > asked { relay.turnBegan(late: now - asked, at: now) }
    var rounds = now - asked > Self.standstill ? sockets.capacity / Poller.eventsMax : 0
    while true {
      for place in 0..<count {
        let (source, ready) = poller[place]
        dispatch(ready, for: source)
      }
      guard count == Poller.eventsMax, rounds > 0,
        case .done(let more) = poller.wait(atMost: .zero)
      else { break }
      count = more
      rounds -= 1
    }
    if handshakes.isBusy || isHoldingHellos { advanceHandshakes() }
    if busy.count > 0 { readBusy() }
    deadlines.expire(at: now) { timeOut($0) }
    resolver.advance(at: now)
    continueDials()
    if now >= acceptTime { resumeAccepting() }
    #if PLANTED_FAULTS
      if now >= engineWakeTime { relay.advance(to: now) }
    #else
      relay.advance(to: now)
    #endif
    performOutputs()
    forwardLines()
    if let records { forwardEntries(records) }
    if let fetcher { forwardFetches(fetcher) }
    sweep()
  }

  /// After it everything that has come is looked at before anything is held to be late.
  private static let standstill = Instant.Span.milliseconds(500)

  /// While anybody is connected the loop wakes up so often with nothing to do, as only what was due
  /// can be seen to be late.
  private static let beat = Instant.Span.milliseconds(50)

  /// Sleeps until something is ready or due; how many events there are.
  private func wait() -> Int {
    let wake = min(
      min(engineWakeTime, deadlines.earliest),
      min(resolver.wakeTime, min(min(acceptTime, min(courierDue, fetcherDue)), endTime)))
    var ending = Clock.now
    if turnBegan > .zero {
      relay.turnEnded(
        after: ending - turnBegan, working: { Clock.threadTime - workCounted }, at: ending)
    }
    let hasMore = handshakes.hasMore || busy.count > 0
    wakeAsked = hasMore ? ending : min(wake, sockets.inUse > 0 ? ending + Self.beat : .never)
    if !hasMore, let pauseEnd = turnGap.pauseEnd(afterTurnAt: turnBegan, wake: wake),
      pauseEnd > now
    {
      Clock.sleep(until: pauseEnd)
      ending = Clock.now
      now = ending
    }
    let span: Instant.Span =
      if hasMore { .zero } else if wakeAsked == .never { .never } else { wakeAsked - ending }
    switch poller.wait(atMost: span) {
    case .done(let count): return count
    case .wouldBlock: return 0
    case .failed(let error):
      cannotWait(error)
      return 0
    }
  }

  /// Without waiting there is nothing but spinning: every call ends, in this turn, and the run too.
  private func cannotWait(_ error: Errno) {
    waitFailure = error
    relay.log(.error, "cannot_wait", "cannot wait for events: \(error.text)", at: now)
    relay.stop(at: now)
    endTime = now
  }

  /// When the engine's next turn is due.
  private var engineWakeTime: Instant {
    #if PLANTED_FAULTS
      return relay.wakeTime + PlantedFault.lateness
    #else
      return relay.wakeTime
    #endif
  }

  private func dispatch(_ ready: Readiness, for source: Source) {
    switch source.kind {
    case .socket(let id):
      guard sockets.holds(id) else { return }
      socketIsReady(id, ready)
    case .listener(let index): acceptConnections(on: index)
    case .signals: obeySignals()
    // The steps are taken up in every turn, after the frames.
    case .handshakes: handshakes.hear()
    case .resolver(let descriptor): resolver.descriptorIsReady(descriptor, ready, at: now)
    case .journal: journalSynced()
    case .courier: courierIsReady()
    case .fetcher: fetcherIsReady(ready)
    case .settings: advanceReload()
    }
    performOutputs()
  }

  private func socketIsReady(_ id: SlotID, _ ready: Readiness) {
    let index = id.index
    switch sockets[index].stage {
    case .connecting: connectIsDone(id)
    case .handshaking:
      // Its first byte is there.
      deadlines.set(index, to: sockets[index].handshakeDeadline)
      relay.spoke(sockets[index].link)
      handshakeIsReady(index)
    case .open:
      if !ready.isDisjoint(with: [.readable, .broken]) { readable(id, ready) }
      if ready.contains(.writable), sockets.holds(id) { write(id) }
    case .flushing: flushLast(id)
    case .lingering: busy.push(index)
    case .free, .resolving: break
    }
  }

  // MARK: Reading

  func readable(_ id: SlotID, _ ready: Readiness) {
    let index = id.index
    // Held back, or ended before: only the news that the connection broke gets here.
    if !sockets[index].watched.contains(.readable) {
      if !ready.isDisjoint(with: .broken) { broke(id, .reset) }
      return
    }
    if config.stampsArrivals { noteWait(id) }
    switch sockets[index].pace {
    case .calm: read(id)
    case .busy: busy.push(index)
    case .asking:
      if Clock.now - turnBegan > Self.requestsSpan { busy.push(index) } else { readRequest(id) }
    }
  }

  /// How long what is about to be read has waited in the kernel. Not where its wall clock was set
  /// back meanwhile.
  private func noteWait(_ id: SlotID) {
    guard !sockets[id.index].isDialled else { return }
    let came = cl_came_at(sockets[id.index].descriptor)
    let wait = cl_wall() - came
    if came > 0, wait >= 0 { relay.waited(Instant.Span(nanoseconds: wait)) }
  }

  /// What follows is a request too until one has been let in as a call.
  private func readRequest(_ id: SlotID) {
    let index = id.index
    read(id)
    guard sockets.holds(id), relay.isAsking(sockets[index].link) else { return }
    if sockets[index].pace == .busy { busy.push(index) }
    sockets[index].pace = .asking
  }

  private func read(_ id: SlotID) {
    if sockets[id.index].tls.isOn { readSecure(id) } else { readPlain(id) }
  }

  /// A share of what has come. What fills it is more than a frame.
  private func readPlain(_ id: SlotID) {
    let link = sockets[id.index].link
    let room = relay.room(for: link)
    let place = room.prefix(min(room.count, Self.shareBytes))
    guard place.count > 0 else { return watch(id, readable: false) }
    switch SocketCall.read(sockets[id.index].descriptor, into: place) {
    case .done(0): return ended(id)
    case .done(let count):
      if !sockets[id.index].isDialled { turnGap.countFrame() }
      relay.received(count, on: link, at: turnBegan)
      sockets[id.index].pace = count == place.count ? .busy : .calm
    case .wouldBlock: sockets[id.index].pace = .calm
    case .failed(let error): return broke(id, LinkFailure(error))
    }
  }

  /// More waits than the socket's share, perhaps where no event tells of it.
  func readLater(_ id: SlotID) {
    sockets[id.index].pace = .busy
    busy.push(id.index)
  }

  /// Goes round among those who have much to say, a share for each, as long as a turn may last for
  /// their sake. However many they are, a frame of anybody else waits no longer than that.
  private func readBusy() {
    let end = Clock.now + Self.busySpan
    while let index = busy.pop() {
      guard sockets[index].watched.contains(.readable) else { continue }
      let id = sockets.id(at: index)
      switch sockets[index].stage {
      case .open: readBusy(id)
      // Where there is more its next event tells.
      case .lingering: discard(id)
      case .free, .resolving, .connecting, .handshaking, .flushing: continue
      }
      now = Clock.now
      if now >= end { return }
    }
  }

  private func readBusy(_ id: SlotID) {
    let index = id.index
    switch sockets[index].pace {
    case .calm: return
    case .busy: read(id)
    case .asking: readRequest(id)
    }
    performOutputs()
    if sockets.holds(id), sockets[index].pace == .busy { busy.push(index) }
  }

  func ended(_ id: SlotID) {
    sockets[id.index].hasEnded = true
    watch(id, readable: false)
    relay.ended(sockets[id.index].link, at: now)
  }

  private func resumeReading(_ id: SlotID) {
    guard !sockets[id.index].hasEnded else { return }
    watch(id, readable: true)
    let link = sockets[id.index].tls
    if link.isOn && tls.hasPending(link) { readLater(id) }
  }

  /// Tells the engine that a link is gone, and lets go of the socket.
  func broke(_ id: SlotID, _ failure: LinkFailure) {
    let link = sockets[id.index].link
    release(id)
    relay.failed(link, failure, at: now)
  }

  // MARK: Outputs

  func performOutputs() {
    #if PLANTED_FAULTS
      if unsafe PlantedFault.holdsOutputs { return }
    #endif
    while let output = relay.next() {
      switch output {
      case .write(let link):
        if let id = socket(of: link), !sockets[id.index].watched.contains(.writable) { write(id) }
      case .dial(let link, let upstream): dial(link, upstream: upstream)
      case .resumeReading(let link):
        if let id = socket(of: link) { resumeReading(id) }
      case .close(let link): if let id = held(by: link) { close(id) }
      case .reset(let link): if let id = held(by: link) { reset(id) }
      case .drained: end()
      }
    }
  }

  /// Writes what waits in the outbox until it is empty or the socket is full.
  private func write(_ id: SlotID) {
    if sockets[id.index].tls.isOn { writeSecure(id) } else { writePlain(id) }
  }

  private func writePlain(_ id: SlotID) {
    let link = sockets[id.index].link
    while true {
      let run = relay.outgoing(link)
      guard run.count > 0 else { return watch(id, writable: false) }
      switch SocketCall.write(sockets[id.index].descriptor, run) {
      case .done(let count):
        now = Clock.now
        relay.sent(count, on: link, at: now)
        if count < run.count { return watch(id, writable: true) }
      case .wouldBlock: return watch(id, writable: true)
      case .failed(let error): return broke(id, LinkFailure(error))
      }
    }
  }

  // MARK: Links and sockets

  /// The open socket that carries a link.
  private func socket(of link: SlotID) -> SlotID? {
    guard let id = held(by: link), sockets[id.index].stage == .open else { return nil }
    return id
  }

  /// The socket that carries a link or is being dialled for it.
  private func held(by link: SlotID) -> SlotID? {
    precondition(unsafe link.index < slots.count)
    let id = unsafe slots[link.index]
    guard sockets.holds(id), sockets[id.index].link == link else { return nil }
    return id
  }

  func attach(_ id: SlotID, to link: SlotID) {
    sockets[id.index].link = link
    unsafe slots[link.index] = id
  }

  func watch(_ id: SlotID, readable: Bool) {
    let others = sockets[id.index].watched.subtracting(.readable)
    watch(id, readable ? others.union(.readable) : others)
  }

  func watch(_ id: SlotID, writable: Bool) {
    let others = sockets[id.index].watched.subtracting(.writable)
    watch(id, writable ? others.union(.writable) : others)
  }

  func watch(_ id: SlotID, _ wanted: Readiness) {
    guard sockets[id.index].watched != wanted else { return }
    sockets[id.index].watched = wanted
    poller.modify(sockets[id.index].descriptor, for: wanted, as: Source(.socket(id)))
  }

  /// The slot is free at once; its descriptor is closed by the sweep, so that no number is used
  /// again within the turn.
  func release(_ id: SlotID) {
    let socket = sockets[id.index]
    leave(socket)
    deadlines.clear(id.index)
    // What is lent comes back, and is closed then.
    if socket.tls.holder != .helper { closeLater(socket) }
    sockets[id.index] = Socket()
    sockets.release(id)
  }

  /// In the next sweep.
  func closeLater(_ socket: Socket) {
    if dyingCount == sockets.capacity { sweep() }
    unsafe dying[dyingCount] = socket
    dyingCount += 1
  }

  /// Keeps the count of sockets that linger when one leaves its stage.
  func leave(_ socket: Socket) {
    if socket.stage == .lingering || socket.stage == .flushing { lingering -= 1 }
  }

  func sweep() {
    for place in 0..<dyingCount {
      unsafe tls.free(dying[place].tls)
      let descriptor = unsafe dying[place].descriptor
      if descriptor >= 0 { _ = cl_close(descriptor) }
    }
    dyingCount = 0
  }

  // MARK: The rest of a turn

  func forwardLines() {
    if now - wallTold >= .seconds(1) {
      wallTold = now
      workCounted = Clock.threadTime
      relay.setWall(Clock.wall, at: now)
      tellDropped()
      if let records { readJournalState(records) }
      if signals.received > 0 { leaveListeners() }
    }
    var any = false
    while let line = relay.takeLine(into: linePlace.bytes) {
      lines.put(linePlace.bytes.prefix(line.count), to: line.stream)
      any = true
    }
    if any { lines.wake() }
  }

  /// Lines that the writer dropped are counted, and told of once the log is read again.
  func tellDropped() {
    let transcripts = lines.droppedCount(of: .transcript)
    let logs = lines.droppedCount(of: .log)
    relay.setWriterDropped(transcripts: transcripts, logs: logs)
    guard transcripts + logs > droppedTold, lines.takesLog else { return }
    relay.log(
      .warning, "lines_dropped",
      "\(transcripts) lines of the transcript and \(logs) of the log until now: "
        + "standard output or standard error is not read, or broken", at: now)
    droppedTold = transcripts + logs
  }

  func obeySignals() {
    let before = signals.received
    for number in signals.take() {
      if number == SIGHUP, let reloader {
        reloader.ask()
      } else {
        relay.log(
          .warning, "signal_ignored",
          "\(Signals.name(of: number)) means nothing here; SIGTERM drains", at: now)
      }
    }
    if before < 1 && signals.received >= 1 {
      relay.drain(at: now)
      leaveListeners()
    }
    if before < 2 && signals.received >= 2 {
      relay.stop(at: now)
      end()
    }
  }

  /// No more connections; the loop ends when the sockets that are left have had a moment to finish.
  private func end() {
    guard endTime == .never else { return }
    endTime = now + .milliseconds(1500)
    for index in listeners.indices where listeners[index].isOpen { closeListener(index) }
    acceptTime = .never
  }
}

/// What an event is about, in the 64 bits that the kernel keeps for us. A socket's slot in use has
/// an odd generation in the upper half; the others leave that half zero.
struct Source {
  enum Kind {
    case socket(SlotID)
    case listener(Int)
    case resolver(Int32)
    case signals
    case handshakes
    case journal
    case courier
    case settings
    case fetcher
  }

  let rawValue: UInt64
  init(rawValue: UInt64) { self.rawValue = rawValue }

  init(_ kind: Kind) {
    switch kind {
    case .socket(let id): rawValue = id.rawValue
    case .listener(let index): rawValue = UInt64(index) << 2
    case .resolver(let descriptor): rawValue = UInt64(descriptor) << 2 | 1
    case .signals: rawValue = 2
    case .handshakes: rawValue = 3
    case .journal: rawValue = 4 | 2
    case .courier: rawValue = 4 | 3
    case .settings: rawValue = 8 | 2
    case .fetcher: rawValue = 8 | 3
    }
  }

  var kind: Kind {
    if rawValue >> 32 != 0 { return .socket(SlotID(rawValue: rawValue)) }
    switch rawValue & 3 {
    case 0: return .listener(Int(rawValue >> 2))
    case 1: return .resolver(Int32(rawValue >> 2))
    case 2: return rawValue >> 2 == 0 ? .signals : rawValue >> 2 == 1 ? .journal : .settings
    default: return rawValue >> 2 == 0 ? .handshakes : rawValue >> 2 == 1 ? .courier : .fetcher
    }
  }
}
