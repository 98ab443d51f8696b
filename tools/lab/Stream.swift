// One TCP connection, plain or with TLS on the dialling side. Bytes that the kernel does not take
// wait here; the end is told exactly once.

import CLinux
import Glibc

final class Stream: Pollable {
  let descriptor: Int32
  /// The connection stands, after TLS where there is TLS.
  var opened: () -> Void = {}
  var received: ([UInt8]) -> Void = { _ in }
  /// Nil: the peer said that nothing more will come. A text: the connection broke.
  var ended: (String?) -> Void = { _ in }
  /// False leaves what comes in the socket.
  var wantsRead = true

  private let loop: Loop
  private var outgoing: [UInt8] = []
  private var isConnecting: Bool
  private var isClosed = false
  private var closesWhenWritten = false
  private var isLingering = false
  private var tls: TLS?
  private var piece = [UInt8](repeating: 0, count: 65536)

  /// What waits for the peer to take it.
  var outgoingBytes: Int { outgoing.count }
  var wantsWrite: Bool { isConnecting || (tls?.wantsWrite ?? !outgoing.isEmpty) }

  init(accepted descriptor: Int32, on loop: Loop) {
    self.descriptor = descriptor
    self.loop = loop
    isConnecting = false
    prepare()
  }

  /// Begins to connect; `opened` or `ended` follows.
  init(to target: Target, on loop: Loop, trust: TLS.Trust) throws(Failure) {
    var hints = addrinfo()
    hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    var found: UnsafeMutablePointer<addrinfo>?
    let code = getaddrinfo(target.host, String(target.port), &hints, &found)
    guard code == 0, let first = found?.pointee else {
      throw Failure("\(target.host): \(String(cString: gai_strerror(code)))")
    }
    defer { freeaddrinfo(found) }
    descriptor = socket(first.ai_family, Int32(SOCK_STREAM.rawValue), 0)
    self.loop = loop
    isConnecting = true
    if target.isTLS { tls = try TLS(descriptor, host: target.host, trust: trust) }
    prepare()
    if connect(descriptor, first.ai_addr, first.ai_addrlen) != 0 && errno != EINPROGRESS {
      let reason = String(cString: strerror(errno))
      close()
      throw Failure("\(target.host):\(target.port): \(reason)")
    }
  }

  private func prepare() {
    _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
    _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
    var one: Int32 = 1
    setsockopt(
      descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<Int32>.size))
    loop.watch(self)
  }

  // MARK: Our side

  func write(_ bytes: [UInt8]) {
    guard !isClosed else { return }
    outgoing += bytes
    if !isConnecting { flush() }
  }

  /// Says that nothing more will come once all is written, and closes when the peer has said so
  /// too.
  func closeWhenWritten() {
    closesWhenWritten = true
    if !isConnecting { flush() }
  }

  /// Bytes of the peer that nobody read would turn our close into a reset, and a reset would take
  /// our last bytes from the peer: so they are read, for a while.
  private func closeGently() {
    guard !isLingering else { return }
    isLingering = true
    wantsRead = true
    if tls == nil { shutdown(descriptor, Int32(SHUT_WR)) }
    loop.after(2) { [weak self] in self?.close() }
  }

  func close() {
    guard !isClosed else { return }
    isClosed = true
    tls?.close()
    loop.forget(self)
    _ = Glibc.close(descriptor)
  }

  /// Breaks the connection: the peer sees a reset.
  func reset() {
    var abort = linger(l_onoff: 1, l_linger: 0)
    setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &abort, socklen_t(MemoryLayout<linger>.size))
    close()
  }

  // MARK: The kernel's side

  func isReady(broken: Bool) {
    if isConnecting { finishConnecting() }
    guard !isClosed && !isConnecting else { return }
    flush()
    if !isClosed && wantsRead {
      read()
    } else if broken {
      end("the peer is gone")
    }
  }

  private func finishConnecting() {
    var error: Int32 = 0
    var length = socklen_t(MemoryLayout<Int32>.size)
    getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &length)
    if error != 0 { return end(String(cString: strerror(error))) }
    if let tls {
      switch tls.handshake() {
      case .done: break
      case .wouldBlock: return
      case .ended: return end("the peer closed in the TLS handshake")
      case .failed(let reason): return end(reason)
      }
    }
    isConnecting = false
    opened()
  }

  private func flush() {
    while !outgoing.isEmpty && !isClosed {
      let step = outgoing.withUnsafeBytes { bytes in
        tls?.write(bytes) ?? Step(send(descriptor, bytes.baseAddress, bytes.count, Self.flags))
      }
      switch step {
      case .done(let count): outgoing.removeFirst(count)
      case .wouldBlock: return
      case .ended: return end("the peer closed while we were writing")
      case .failed(let reason): return end(reason)
      }
    }
    if closesWhenWritten && !isClosed { closeGently() }
  }

  private func read() {
    // Everything that is there, but no more than that in one turn: other streams want theirs.
    for _ in 0..<16 where !isClosed && wantsRead {
      let step = piece.withUnsafeMutableBytes { bytes in
        tls?.read(bytes) ?? Step(recv(descriptor, bytes.baseAddress, bytes.count, 0))
      }
      switch step {
      case .done(let count): received(Array(piece[..<count]))
      case .wouldBlock: return
      case .ended: return end(nil)
      case .failed(let reason): return end(reason)
      }
    }
  }

  private func end(_ reason: String?) {
    guard !isClosed else { return }
    close()
    ended(reason)
  }

  private static let flags = Int32(MSG_NOSIGNAL)

  /// How a read or a write came out.
  enum Step {
    case done(Int)
    case wouldBlock
    case ended
    case failed(String)

    /// From what the kernel answered.
    init(_ result: Int) {
      if result > 0 {
        self = .done(result)
      } else if result == 0 {
        self = .ended
      } else if errno == EAGAIN || errno == EINTR {
        self = .wouldBlock
      } else {
        self = .failed(String(cString: strerror(errno)))
      }
    }
  }
}

/// The parts of `ws://host:port/path?query`.
struct Target {
  var isTLS = false
  var host = ""
  var port: UInt16 = 80
  var path = "/"
  var query = ""

  init(_ url: String) throws(Failure) {
    let scheme = ["ws://", "wss://"].first { url.hasPrefix($0) }
    guard let scheme else { throw Failure.misuse("\(url) does not begin with ws:// or wss://") }
    isTLS = scheme == "wss://"
    port = isTLS ? 443 : 80
    let rest = url.dropFirst(scheme.count)
    let authority = rest.prefix { $0 != "/" && $0 != "?" }
    let target = rest.dropFirst(authority.count).split(
      separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
    if let first = target.first, !first.isEmpty { path = String(first) }
    if target.count > 1 { query = String(target[1]) }
    // An IPv6 address stands in brackets, since it holds colons itself.
    let isBracketed = authority.hasPrefix("[")
    let end = isBracketed ? authority.firstIndex(of: "]") : authority.firstIndex(of: ":")
    host = String(authority[..<(end ?? authority.endIndex)].drop { $0 == "[" })
    let behind = end.map { authority[$0...].drop { $0 == "]" } } ?? ""
    if behind.hasPrefix(":") {
      guard let number = UInt16(behind.dropFirst()) else {
        throw Failure.misuse("\(url): no such port")
      }
      port = number
    }
    guard !host.isEmpty else { throw Failure.misuse("\(url) names no host") }
  }

  /// The value of a query parameter.
  func parameter(_ name: String) -> String? {
    for pair in query.split(separator: "&") where pair.hasPrefix(name + "=") {
      return String(pair.dropFirst(name.count + 1))
    }
    return nil
  }
}
