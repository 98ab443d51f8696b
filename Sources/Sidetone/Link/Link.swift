// Every frame.
//
// One connection: in which phase it is, whose it is, where its unfinished bytes lie (Inbox), what
// waits to be written (Outbox), and what the driver has yet to be asked for. What its bytes mean is
// decided by its owner: a request, or one of the two legs of a call.

package struct Link: BitwiseCopyable, Sendable {
  package enum Phase: UInt8, BitwiseCopyable, Sendable {
    /// Server side: the peer's TLS handshake is under way. Ways out: request, leaving.
    case handshake
    /// Server side: a request is awaited, or its body. Ways out: caller, subscriber, leaving.
    case request
    /// The carrier's side of a call. Way out: leaving.
    case caller
    /// Client side: asked for when it is its turn at this upstream. Ways out: dialling, gone.
    case waiting
    /// Client side: asked for with `.dial`. Ways out: upgrade, gone.
    case dialling
    /// The request is sent, the answer is awaited. Ways out: setup, ready, leaving.
    case upgrade
    /// The socket stands, the session was described; its word that it is ready is awaited. Ways
    /// out: ready, leaving.
    case setup
    /// The session is ready, and waits until it takes over. Ways out: upstream, leaving.
    case ready
    /// The upstream's side of a call. Way out: leaving.
    case upstream
    /// A program that hears of calls (Subscribers). Way out: leaving.
    case subscriber
    /// The last bytes are being written; what comes is thrown away. Way out: gone.
    case leaving
    /// Only the driver has still to be told.
    case gone

    /// A WebSocket to an upstream.
    @inline(__always) var isSession: Bool {
      switch self {
      case .setup, .ready, .upstream: true
      case .handshake, .request, .caller, .waiting, .dialling, .upgrade, .subscriber, .leaving,
        .gone:
        false
      }
    }
  }

  /// Its own name.
  package let id: SlotID
  package internal(set) var phase = Phase.request
  /// What the driver is to be asked for, at most once each.
  package internal(set) var pending = PendingOutputs(rawValue: 0)
  /// Why its bytes are left in the kernel: `room` was empty. Each reason is ended by who gave it.
  package enum Hold: UInt8, BitwiseCopyable, Sendable {
    case none
    /// Its call has no room for more audio.
    case room
    /// Its message needs a buffer.
    case buffer
    /// It has cost too much of late (Account).
    case debt
  }
  package internal(set) var hold = Hold.none
  /// The links in front of it and behind it, while it waits to be dialled (DialLine).
  package internal(set) var ahead = Self.nobody
  package internal(set) var behind = Self.nobody
  static let nobody = Int32(-1)
  /// It was asked for a sign of life and has given none.
  private var pingSent = false
  /// The call whose leg it is; `none` for all others.
  package internal(set) var call = SlotID.none
  private var lastHeard: Instant
  package internal(set) var inbox = Inbox()
  package internal(set) var account = Account()
  package internal(set) var webSocket = WebSocket(role: .server, messageBytesMax: 0)
  package internal(set) var outbox = Outbox()

  package let peer: Address
  package let listener: Int

  /// A peer that has connected to us.
  package init(
    _ id: SlotID, from peer: Address, on listener: Int, isSecure: Bool = false, at now: Instant
  ) {
    self.id = id
    phase = isSecure ? .handshake : .request
    self.peer = peer
    self.listener = listener
    lastHeard = now
  }

  /// A connection that will be asked for, on behalf of a call.
  package init(_ id: SlotID, for call: SlotID, at now: Instant) {
    self.init(id, from: .none, on: 0, at: now)
    self.call = call
    phase = .waiting
  }

  /// What lies in a slot that nobody has taken.
  package static let blank = Link(.none, from: .none, on: 0, at: .zero)
}

extension Link {
  /// Has the driver asked for something, once.
  @_noAllocation mutating func ask(_ output: PendingOutputs, _ turn: inout Turn) {
    pending.formUnion(output)
    turn.outputs.push(id.index)
  }

  /// Bytes came: it lives.
  @_noAllocation mutating func heard(at now: Instant) {
    lastHeard = now
    pingSent = false
  }

  /// A socket stands: frames from now on.
  @_noAllocation mutating func becomeSocket(
    _ phase: Phase, _ role: WebSocket.Role, messageBytesMax: Int
  ) {
    self.phase = phase
    webSocket = WebSocket(role: role, messageBytesMax: messageBytesMax)
  }

  // MARK: What it costs

  /// Which leg of its call it is.
  var leg: Event.OfPeer.Leg { phase == .caller ? .caller : .upstream }

  /// Whether it must wait with its next bytes. A leg that is still being opened has its own
  /// deadline instead, and a request one answer.
  @inline(__always) func mustWait(at now: Instant) -> Bool {
    account.mustWait(at: now) && (phase == .caller || phase == .upstream || phase == .ready)
  }

  /// Pays for the frames that it sent, for so many bytes, and for those that were no audio. True:
  /// that was too much, and it waits from now on.
  @_noAllocation mutating func pay(bytes: Int, besideAudio: Int, at now: Instant) -> Bool {
    let waited = account.mustWait(at: now)
    account.charge(
      frames: webSocket.takeFrames(), bytes: bytes, besideAudio: besideAudio,
      phase == .caller ? .caller : .upstream, at: now)
    return !waited && mustWait(at: now)
  }

  /// A peer in debt is not read until this has been paid.
  @_noAllocation mutating func makeWait(_ turn: inout Turn) {
    hold = .debt
    turn.timers.wake(.link(id.index), at: account.waitsUntil)
  }

  /// A peer that has waited is read again, where it has paid. False: it floods.
  @_noAllocation private mutating func endWait(_ turn: inout Turn) -> Bool {
    guard hold == .debt, !account.mustWait(at: turn.now) else { return true }
    if account.isFlood(at: turn.now) { return false }
    hold = .none
    ask(.resume, &turn)
    return true
  }

  /// Its message needs a buffer: its socket waits until there is one.
  @_noAllocation mutating func waitForBuffer(_ turn: inout Turn) {
    hold = .buffer
    turn.buffersWanted.push(id.index)
    turn.note(.messageWaits)
  }

  // MARK: Frames out

  /// Puts one frame into the outbox; false where the pool is dry. Behind our Close nothing follows,
  /// and nothing is missed.
  @_noAllocation mutating func seal(
    _ opcode: WebSocket.Opcode, _ part: Bytes, _ store: Store, _ turn: inout Turn
  ) -> Bool {
    seal(opcode, part, .empty, .empty, store, &turn)
  }

  /// The same, of three parts.
  @_noAllocation mutating func seal(
    _ opcode: WebSocket.Opcode, _ part: Bytes, _ second: Bytes, _ third: Bytes, _ store: Store,
    _ turn: inout Turn
  ) -> Bool {
    guard !outbox.isCloseSent else { return true }
    let key = webSocket.role == .client ? turn.random.next() : nil
    let isSealed = outbox.seal(opcode, part, second, third, key: key, from: store.pool)
    if isSealed { ask(.write, &turn) }
    return isSealed
  }

  /// A peer that reads gets its pong. One that does not would only pile them up (RFC 6455 §5.5.3
  /// asks for the answer to the latest ping alone).
  @_noAllocation mutating func answerPing(
    _ payload: Bytes, _ store: Store, _ turn: inout Turn
  ) {
    if outbox.count < Limits.pongOutboxBytesMax { _ = seal(.pong, payload, store, &turn) }
  }

  // MARK: Leaving

  /// Answers the peer's Close, or says ours, and lets go.
  @_noAllocation mutating func close(_ code: UInt16, _ store: Store, _ turn: inout Turn) {
    if phase.isSession, !outbox.isCloseSent {
      let echoed = WebSocket.isSendable(closeCode: code) ? code : 1000
      outbox.sealClose(echoed, key: turn.random.next(), from: store.pool)
    }
    leave(store, &turn)
  }

  /// Lets go of a connection to an upstream in whatever phase it is.
  @_noAllocation mutating func letGo(_ store: Store, _ turn: inout Turn) {
    if phase.isSession { close(1000, store, &turn) } else { reset(&turn) }
  }

  /// Writes out what is there, then lets go. What the peer still sends is thrown away.
  @_noAllocation mutating func leave(_ store: Store, _ turn: inout Turn) {
    guard phase != .leaving else { return }
    phase = .leaving
    call = .none
    turn.guests.left(id.index)
    turn.subscribers.left(id.index)
    releaseInbox(store)
    setDeadline(turn.now + .seconds(store.limits.finishSeconds), &turn)
    ask(outbox.isEmpty ? .close : .write, &turn)
  }

  /// Lets go at once.
  @_noAllocation mutating func reset(_ turn: inout Turn) {
    phase = .gone
    call = .none
    turn.guests.left(id.index)
    turn.subscribers.left(id.index)
    setDeadline(.never, &turn)
    ask(.reset, &turn)
  }

  /// Gives everything back that it holds; `Store.free` frees the slot.
  @_noAllocation mutating func release(_ store: Store, _ turn: inout Turn) {
    releaseInbox(store)
    outbox.clear(in: store.pool)
    turn.guests.left(id.index)
    turn.subscribers.left(id.index)
    phase = .gone
    pending = PendingOutputs(rawValue: 0)
    setDeadline(.never, &turn)
  }

  // MARK: Deadlines

  @_noAllocation func setDeadline(_ deadline: Instant, _ turn: inout Turn) {
    turn.timers.set(.link(id.index), deadline)
  }

  /// The first byte of a request is waited for no longer than this; the rest is Requests' to wait
  /// for.
  @_noAllocation mutating func waitForRequest(_ store: Store, _ turn: inout Turn) {
    phase = .request
    let seconds = min(store.limits.firstByteSeconds, store.limits.handshakeSeconds)
    setDeadline(turn.now + .seconds(seconds), &turn)
  }

  /// What has to be done about a peer that may be silent, or may have been made to wait.
  enum Watch: BitwiseCopyable { case goOn, isGone, isFlood }

  /// A peer that has been silent is asked for a sign of life; one that gives none is gone, though
  /// its socket may look open for hours (a half-open connection).
  @_noAllocation mutating func watch(_ store: Store, _ turn: inout Turn) -> Watch {
    guard endWait(&turn) else { return .isFlood }
    // Who is held back is not being listened to.
    if hold != .none { lastHeard = turn.now }
    let pingAt = lastHeard + .seconds(store.limits.pingSeconds)
    let goneAt = pingAt + .seconds(store.limits.pongSeconds)
    if goneAt <= turn.now { return .isGone }
    if pingAt <= turn.now, !pingSent {
      pingSent = true
      _ = seal(.ping, .empty, store, &turn)
    }
    setDeadline(pingSent ? goneAt : pingAt, &turn)
    if mustWait(at: turn.now) { makeWait(&turn) }
    return .goOn
  }
}
