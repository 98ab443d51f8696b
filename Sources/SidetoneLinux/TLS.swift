// Every frame.
//
// TLS by OpenSSL, between our own system calls. A connection's BIO is a thin one of ours: OpenSSL's
// reads become one recv straight into its record buffer, its writes gather in one shared window
// that `flush` sends. So a connection at rest keeps no buffer at all, a record costs one system
// call, and what a full socket does not take (at most a record or a flight) is kept with the
// connection.
//
//     kernel -> recv -> OpenSSL's record buffer -> SSL_read -> the engine's room
//     the engine's outbox -> SSL_write -> the shared window -> send -> kernel
//                                              \-> held, while the socket is full

import CLinux
import COpenSSL
import Glibc
import Sidetone

/// What a socket has of TLS. All blank for a plain socket.
@safe struct TLSLink: BitwiseCopyable {
  /// On whose thread it is at present; nobody: not one step of its handshake was made yet.
  enum Holder: UInt8 { case nobody, loop, helper }

  fileprivate(set) var ssl: OpaquePointer?
  /// Ciphertext that the kernel did not take.
  fileprivate var held: UnsafeMutableRawPointer?
  fileprivate var heldStart: Int32 = 0
  fileprivate var heldEnd: Int32 = 0
  fileprivate(set) var holder = Holder.nobody
  /// Messages of TLS itself, ever.
  fileprivate var messages: Int32 = 0

  var isOn: Bool { unsafe ssl != nil }
  var holds: Bool { heldEnd > heldStart }

  /// Its next step is a helper's.
  mutating func lend() { holder = .helper }
}

/// How a step of TLS came out.
enum TLSOutcome {
  case done(Int)
  case wouldBlock
  case ended
  case failed(LinkFailure)
}

@safe final class TLS {
  /// What the BIO's callbacks work on: the one connection whose turn it is.
  @safe fileprivate struct Channel {
    var descriptor: Int32 = -1
    var readsLeft = 0
    /// Messages of TLS itself in this step: of a handshake, new keys, new tickets, alerts.
    var messages = 0
    var error: Errno?
    let window: UnsafeMutableRawPointer
    var count = 0
  }

  /// A flight of a handshake or a record must fit; a chain of certificates is a few kilobytes.
  private static let windowBytes = 65_536
  /// Messages of TLS itself in one step, and in a connection's life. A handshake has ten; new keys
  /// cost 15 microseconds each time, as often as the peer likes.
  private static let messagesPerStepMax = 32
  private static let messagesMax: Int32 = 1000
  /// What may be held for a peer that does not read: more than one record only while it makes us
  /// answer.
  private static let heldBytesMax = 65_536

  private let channel: UnsafeMutablePointer<Channel>
  let contexts: TLSContexts

  convenience init(config: Config) throws(StartError) {
    self.init(try unsafe TLSContexts(config: config, Self.makeMethod()))
  }

  /// For another thread: the same contexts, a window of its own.
  convenience init(besides other: TLS) { self.init(other.contexts) }

  private init(_ contexts: TLSContexts) {
    self.contexts = contexts
    unsafe channel = .allocate(capacity: 1)
    unsafe channel.initialize(
      to: Channel(window: .allocate(byteCount: Self.windowBytes, alignment: 64)))
  }

  deinit {
    unsafe channel.pointee.window.deallocate()
    unsafe channel.deallocate()
  }

  func isServer(_ listener: Int) -> Bool { contexts.isServer(listener) }
  func isClient(_ upstream: Int) -> Bool { contexts.isClient(upstream) }

  // MARK: Connections

  /// A connection that waits for its peer's first flight, or nil when memory is short.
  func accept(on listener: Int) -> TLSLink? {
    guard let ssl = unsafe contexts.makeServer(listener) else { return nil }
    unsafe SSL_set_accept_state(ssl)
    return unsafe wire(ssl)
  }

  /// A connection that will begin with our first flight, or nil when memory is short.
  func connect(to upstream: Int) -> TLSLink? {
    guard let ssl = unsafe contexts.makeClient(upstream) else { return nil }
    unsafe SSL_set_connect_state(ssl)
    return unsafe wire(ssl)
  }

  private func wire(_ ssl: OpaquePointer) -> TLSLink? {
    guard let bio = unsafe BIO_new(contexts.method) else {
      unsafe SSL_free(ssl)
      return nil
    }
    unsafe BIO_set_data(bio, channel)
    unsafe SSL_set_bio(ssl, bio, bio)
    var link = TLSLink()
    unsafe link.ssl = ssl
    return link
  }

  /// Takes over a connection that had its last step elsewhere.
  func adopt(_ link: inout TLSLink, as holder: TLSLink.Holder) {
    unsafe BIO_set_data(SSL_get_rbio(link.ssl), channel)
    link.holder = holder
  }

  /// Frees a connection. A session that was made on it stays good for the next one, which OpenSSL
  /// allows only to connections that look properly shut.
  func free(_ link: TLSLink) {
    guard let ssl = unsafe link.ssl else { return }
    unsafe SSL_set_shutdown(ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN)
    unsafe SSL_free(ssl)
    unsafe co_free(link.held)
  }

  // MARK: Steps

  /// Every step happens between `begin` and `flush`, for one connection. `reads` is how often the
  /// socket may be read.
  func begin(_ descriptor: Int32, reads: Int) {
    precondition(unsafe channel.pointee.count == 0, "every step was followed by a flush")
    unsafe channel.pointee.descriptor = descriptor
    unsafe channel.pointee.readsLeft = reads
    unsafe channel.pointee.messages = 0
    unsafe channel.pointee.error = nil
  }

  /// OpenSSL judges a step by the thread's list of errors. It is empty as a rule, and emptying it
  /// anyway costs 1,300 instructions.
  @inline(__always) private func forgetErrors() {
    if ERR_peek_error() != 0 { ERR_clear_error() }
  }

  func handshake(_ link: TLSLink) -> TLSOutcome {
    forgetErrors()
    let result = unsafe SSL_do_handshake(link.ssl)
    return result == 1 ? .done(0) : outcome(of: link, result)
  }

  /// One step of a handshake with all that belongs to it: what has come is read, once, and what
  /// there is to say is sent.
  func shakeHands(_ link: inout TLSLink, on descriptor: Int32) -> TLSOutcome {
    begin(descriptor, reads: 1)
    let outcome = handshake(link)
    let flushed = flush(&link, to: descriptor)
    if case .failed = outcome { return outcome }
    if case .ended = outcome { return .failed(.reset) }
    if case .failed(let error) = flushed { return .failed(LinkFailure(error)) }
    return outcome
  }

  func read(_ link: TLSLink, into place: Bytes) -> TLSOutcome {
    forgetErrors()
    let length = Int32(clamping: place.count)
    let result = unsafe SSL_read(link.ssl, place.base, length)
    return result > 0 ? .done(Int(result)) : outcome(of: link, result)
  }

  /// Whether `read` may bring more without waiting.
  func hasMore(_ link: TLSLink) -> Bool {
    unsafe channel.pointee.readsLeft > 0 || SSL_has_pending(link.ssl) == 1
  }

  /// Whether the peer spoke of TLS itself no more than is borne, in this step and until now.
  @inline(__always) func bears(_ link: inout TLSLink) -> Bool {
    let messages = unsafe channel.pointee.messages
    if messages == 0 { return true }
    link.messages &+= Int32(truncatingIfNeeded: messages)
    return messages <= Self.messagesPerStepMax && link.messages <= Self.messagesMax
  }

  /// Whether bytes lie with OpenSSL that no event tells of.
  func hasPending(_ link: TLSLink) -> Bool { unsafe SSL_has_pending(link.ssl) == 1 }

  /// Whether the handshake took up an earlier session.
  func isResumed(_ link: TLSLink) -> Bool { unsafe SSL_session_reused(link.ssl) == 1 }

  /// Seals at most one record; never waits, since the window takes it.
  func write(_ link: TLSLink, _ bytes: Bytes) -> TLSOutcome {
    forgetErrors()
    let length = Int32(min(bytes.count, Int(SSL3_RT_MAX_PLAIN_LENGTH)))
    let result = unsafe SSL_write(link.ssl, bytes.base, length)
    return result > 0 ? .done(Int(result)) : outcome(of: link, result)
  }

  /// Says close_notify.
  func shutDown(_ link: TLSLink) {
    forgetErrors()
    _ = unsafe SSL_shutdown(link.ssl)
  }

  private func outcome(of link: TLSLink, _ result: Int32) -> TLSOutcome {
    switch unsafe SSL_get_error(link.ssl, result) {
    case SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE: return .wouldBlock
    case SSL_ERROR_ZERO_RETURN: return .ended
    default:
      if let error = unsafe channel.pointee.error { return .failed(LinkFailure(error)) }
      if unsafe SSL_get_verify_result(link.ssl) != X509_V_OK {
        return .failed(.certificateRefused)
      }
      return .failed(isNoRecord(link) ? .notTLS : .tlsFailed)
    }
  }

  /// Whether what a server answered our greeting with was no TLS at all.
  private func isNoRecord(_ link: TLSLink) -> Bool {
    guard unsafe SSL_is_server(link.ssl) == 0 else { return false }
    switch ERR_GET_REASON(ERR_peek_last_error()) {
    case SSL_R_WRONG_VERSION_NUMBER, SSL_R_HTTP_REQUEST, SSL_R_PACKET_LENGTH_TOO_LONG: return true
    default: return false
    }
  }

  /// Sends what is held and what the window has; `wouldBlock` when some of it had to be kept.
  func flush(_ link: inout TLSLink, to descriptor: Int32) -> Outcome {
    if link.holds {
      let rest = unsafe Bytes(
        base: link.held! + Int(link.heldStart), count: Int(link.heldEnd - link.heldStart))
      switch SocketCall.write(descriptor, rest) {
      case .done(let count): link.heldStart += Int32(count)
      case .wouldBlock: break
      case .failed(let error):
        unsafe channel.pointee.count = 0
        return .failed(error)
      }
      if link.holds { return keep(&link) }
      unsafe co_free(link.held)
      unsafe link.held = nil
    }
    let ready = unsafe Bytes(base: channel.pointee.window, count: channel.pointee.count)
    if ready.isEmpty { return .done(0) }
    switch SocketCall.write(descriptor, ready) {
    case .done(ready.count):
      unsafe channel.pointee.count = 0
      return .done(0)
    case .done(let count):
      let rest = ready.dropping(count)
      ready.copy(rest)
      unsafe channel.pointee.count = rest.count
      return keep(&link)
    case .wouldBlock: return keep(&link)
    case .failed(let error):
      unsafe channel.pointee.count = 0
      return .failed(error)
    }
  }

  /// Moves the window behind what is held already.
  private func keep(_ link: inout TLSLink) -> Outcome {
    let ready = unsafe Bytes(base: channel.pointee.window, count: channel.pointee.count)
    unsafe channel.pointee.count = 0
    if ready.isEmpty { return .wouldBlock }
    let old = Int(link.heldEnd - link.heldStart)
    let count = old + ready.count
    guard count <= Self.heldBytesMax, let place = unsafe co_malloc(count) else {
      return .failed(.noMemory)
    }
    if let held = unsafe link.held {
      unsafe place.copyMemory(from: held + Int(link.heldStart), byteCount: old)
      unsafe co_free(held)
    }
    unsafe (place + old).copyMemory(from: ready.base, byteCount: ready.count)
    unsafe link.held = place
    link.heldStart = 0
    link.heldEnd = Int32(count)
    return .wouldBlock
  }

  // MARK: The BIO

  private static func makeMethod() -> OpaquePointer {
    let type = BIO_get_new_index() | BIO_TYPE_SOURCE_SINK
    guard let method = unsafe BIO_meth_new(type, "sidetone") else {
      preconditionFailure("there is memory at start")
    }
    unsafe BIO_meth_set_read(method) { bio, place, count in unsafe TLS.bioRead(bio, place, count) }
    unsafe BIO_meth_set_write(method) { bio, bytes, count in unsafe TLS.bioWrite(bio, bytes, count)
    }
    unsafe BIO_meth_set_ctrl(method) { _, command, _, _ in command == BIO_CTRL_FLUSH ? 1 : 0 }
    unsafe BIO_meth_set_create(method) { bio in
      unsafe BIO_set_init(bio, 1)
      return 1
    }
    return unsafe method
  }

  /// OpenSSL has handled, or said, a message of its own. It would go on with any number of them; to
  /// a connection that looks shut it listens no more.
  static func countMessage(_ ssl: OpaquePointer?) {
    guard let bio = unsafe SSL_get_rbio(ssl) else { return }
    let channel = unsafe BIO_get_data(bio).assumingMemoryBound(to: Channel.self)
    unsafe channel.pointee.messages += 1
    if unsafe channel.pointee.messages > messagesPerStepMax {
      unsafe SSL_set_shutdown(ssl, SSL_RECEIVED_SHUTDOWN)
    }
  }

  private static func bioRead(
    _ bio: OpaquePointer?, _ place: UnsafeMutablePointer<CChar>?, _ count: Int32
  ) -> Int32 {
    let channel = unsafe BIO_get_data(bio).assumingMemoryBound(to: Channel.self)
    unsafe BIO_clear_flags(bio, BIO_FLAGS_READ | BIO_FLAGS_WRITE | BIO_FLAGS_SHOULD_RETRY)
    if unsafe channel.pointee.readsLeft > 0 {
      unsafe channel.pointee.readsLeft -= 1
      let window = unsafe Bytes(base: UnsafeMutableRawPointer(place!), count: Int(count))
      switch unsafe SocketCall.read(channel.pointee.descriptor, into: window) {
      case .done(let got):
        return Int32(got)
      case .wouldBlock: break
      case .failed(let error):
        unsafe channel.pointee.error = error
        return -1
      }
    }
    unsafe BIO_set_flags(bio, BIO_FLAGS_READ | BIO_FLAGS_SHOULD_RETRY)
    return -1
  }

  private static func bioWrite(
    _ bio: OpaquePointer?, _ bytes: UnsafePointer<CChar>?, _ count: Int32
  ) -> Int32 {
    let channel = unsafe BIO_get_data(bio).assumingMemoryBound(to: Channel.self)
    unsafe BIO_clear_flags(bio, BIO_FLAGS_READ | BIO_FLAGS_WRITE | BIO_FLAGS_SHOULD_RETRY)
    let used = unsafe channel.pointee.count
    guard used + Int(count) <= windowBytes else {
      unsafe channel.pointee.error = .noMemory
      return -1
    }
    unsafe (channel.pointee.window + used).copyMemory(from: bytes!, byteCount: Int(count))
    unsafe channel.pointee.count = used + Int(count)
    return count
  }
}
